"""What FSDP's first version (`FullyShardedDataParallel`) leaves of each parameter on a rank.

It lays the parameters of a module end to end and cuts that wherever it falls. A rank's part of a
parameter is a run of its elements, row by row: a `Shard` whose offset is the one number at which
the run begins. The names of things are torch's own, of which it has promised none: others are
refused.
"""

import sys
from typing import Any, NamedTuple

from samebit.errors import UsageError
from samebit.states.forms import Shard

__all__ = ["Cut", "Flat", "flat_parameters", "plain_name"]

_FSDP = "torch.distributed.fsdp.fully_sharded_data_parallel"
_WRAPPER = "_fsdp_wrapped_module."  # in the names of what it wrapped


class Cut(NamedTuple):
    """How a parameter is a part: the shape of the whole, and the place of its first element."""

    shape: tuple[int, ...]
    begins: int

    def of(self, tensor: Any) -> Shard:
        """A tensor that is cut as the parameter is."""
        return Shard(self.shape, (self.begins,), tensor)


class Flat(NamedTuple):
    """What a registered parameter stands for.

    Attributes:
        cut: of the parameter itself, and so of what an optimizer holds for it; None where it is
            whole.
        holds: name and part, or the whole tensor, of each parameter that it holds.
    """

    cut: Cut | None
    holds: tuple[tuple[str, Any], ...]


def flat_parameters(module: Any) -> dict[int, Flat]:
    """By the `id` of each parameter that FSDP registered in a module; mostly there are none."""
    found: dict[int, Flat] = {}
    if _FSDP not in sys.modules:
        return found
    for path, part in module.named_modules():
        handle = getattr(part, "_handle", None)
        flat = getattr(handle, "flat_param", None)
        if flat is None:
            continue
        try:
            found.update(_of(handle, flat, plain_name(f"{path}." if path else "")))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"cannot store the parameters of an FSDP that is another than we know: {error}"
            raise UsageError(what, hint="`fully_shard` (FSDP2) says what it does") from error
    return found


def plain_name(name: str) -> str:
    """A parameter's name without what FSDP wrapped around its module."""
    return name.replace(_WRAPPER, "")


def _of(handle: Any, flat: Any, prefix: str) -> dict[int, Flat]:
    names = [prefix + plain_name(name) for name in flat._fqns]
    shapes = [tuple(shape) for shape in flat._shapes]
    if not handle.uses_sharded_strategy:
        if flat._params is not None:
            return {}  # registered as what they are
        pieces = flat.detach()[: sum(flat._numels)].split(list(flat._numels))
        whole = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
        return {id(flat): Flat(None, _with_shared(flat, names, whole, prefix))}
    local = getattr(flat, "_local_shard", flat).detach()
    parts: list[Shard] = []
    for shape, info in zip(shapes, flat._shard_param_infos, strict=True):
        at, count = (info.offset_in_shard, info.numel_in_shard) if info.in_shard else (0, 0)
        begins = info.intra_param_start_idx if info.in_shard else 0
        parts.append(Shard(shape, (begins,), local[at : at + count]))
    held = _with_shared(flat, names, parts, prefix)
    if flat._params is None:
        cut = Cut((handle.world_size * local.numel(),), handle.rank * local.numel())
        return {id(flat): Flat(cut, held)}
    found: dict[int, Flat] = {}
    for parameter, one in zip([*flat._params, *flat._shared_params], held, strict=True):
        before = found.get(id(parameter))  # a tied one is mostly the same object
        shard = one[1]
        holds = (one,) if before is None else (*before.holds, one)
        found[id(parameter)] = Flat(Cut(shard.shape, shard.offset[0]), holds)
    return found


def _with_shared(
    flat: Any, names: list[str], values: list[Any], prefix: str
) -> tuple[tuple[str, Any], ...]:
    """Names and values, and behind them those of tied parameters, which have further names."""
    by_name = dict(zip(names, values, strict=True))
    shared: list[tuple[str, Any]] = []
    for info in flat._shared_param_infos:
        first = _joined(prefix, info.prim_module_name, info.prim_param_name)
        shared.append((_joined(prefix, info.module_name, info.param_name), by_name[first]))
    return (*by_name.items(), *shared)


def _joined(prefix: str, module: str, name: str) -> str:
    return prefix + plain_name(f"{module}.{name}" if module else name)
