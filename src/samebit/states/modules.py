"""What a torch module and an optimizer hold, as nested plain values with the tensors themselves.

Nothing here imports torch: who has a module has loaded it. Nothing draws from a generator, waits
for a device, talks to another rank or copies a tensor.
"""

import sys
from collections.abc import Mapping
from typing import Any

from samebit.errors import UsageError
from samebit.states import leaves
from samebit.states.flat import Cut, flat_parameters, plain_name
from samebit.states.forms import Shard

__all__ = [
    "NON_PERSISTENT",
    "cuts_of",
    "module_state",
    "of_this_rank",
    "optimizer_state",
    "parameter_keys",
    "parameter_names",
]

NON_PERSISTENT = "$non_persistent"  # with a `$`, which no name of an attribute has


def module_state(module: Any) -> dict[str, Any]:
    """A module's parameters and buffers under the names that `state_dict()` gives them.

    The tensors are the module's own, so that tied ones can be seen to be tied. Buffers that
    `state_dict()` leaves out are in a dict of their own, under `$non_persistent`. The hooks on
    `state_dict()` are not called: in sharded training they talk to the other ranks. Of a sharded
    tensor (FSDP, tensor parallelism) the state of each rank holds that rank's part, a `Shard`.
    """
    plain = sys.modules["torch"].nn.Module
    state: dict[str, Any] = {}
    left_out: dict[str, Any] = {}
    flat = flat_parameters(module)
    for path, part in module.named_modules(remove_duplicate=False):
        prefix = plain_name(f"{path}.") if path else ""
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            if id(parameter) in flat:
                state.update(flat[id(parameter)].holds)
            else:
                state[prefix + name] = of_this_rank(parameter)
        transient = getattr(part, "_non_persistent_buffers_set", ())
        for name, buffer in part.named_buffers(recurse=False, remove_duplicate=False):
            (left_out if name in transient else state)[prefix + name] = of_this_rank(buffer)
        if type(part)._save_to_state_dict is not plain._save_to_state_dict:
            # Quantised modules keep packed weights that are no parameters, and say them here.
            own: dict[str, Any] = {}
            part._save_to_state_dict(own, prefix, True)
            state.update((name, of_this_rank(item)) for name, item in own.items())
        elif type(part).get_extra_state is not plain.get_extra_state:
            state[prefix + "_extra_state"] = part.get_extra_state()
    if left_out:
        state[NON_PERSISTENT] = left_out
    return state


def parameter_names(module: Any) -> dict[int, str]:
    """The name of each parameter by its `id`: the first one, of those that are tied."""
    names: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), plain_name(name))
    return names


def parameter_keys(module: Any) -> set[str]:
    """Under which keys of `module_state` its parameters are."""
    flat = flat_parameters(module)
    found: set[str] = set()
    for name, parameter in module.named_parameters(remove_duplicate=False):
        held = flat.get(id(parameter))
        found.update([plain_name(name)] if held is None else (key for key, _ in held.holds))
    return found


def cuts_of(module: Any) -> dict[int, Cut]:
    """How the flat parameters of FSDP's first version are parts, by their `id`."""
    return {key: one.cut for key, one in flat_parameters(module).items() if one.cut is not None}


def optimizer_state(
    optimizer: Any, names: Mapping[int, str], cuts: Mapping[int, Cut] | None = None
) -> dict[str, Any]:
    """An optimizer's state and parameter groups, with names or numbers in place of parameters.

    Args:
        optimizer: a torch optimizer.
        names: the name of each known parameter by its `id`. Any other is called by its number in
            the order of the groups, as in `Optimizer.state_dict()`.
        cuts: of flat parameters; what is held for one, and has its shape, is a part as it is.
    """
    keys: dict[int, str | int] = {}
    taken: set[str | int] = set()

    def key_of(parameter: Any) -> str | int:
        if id(parameter) not in keys:
            number = len(keys)
            name = names.get(id(parameter), number)
            keys[id(parameter)] = number if name in taken else name
            taken.add(name)
        return keys[id(parameter)]

    groups = [
        {**group, "params": [key_of(parameter) for parameter in group["params"]]}
        for group in optimizer.param_groups
    ]

    def part_of(parameter: Any, value: Any) -> Any:
        cut = (cuts or {}).get(id(parameter))
        if cut is not None and getattr(value, "shape", None) == parameter.shape:
            return cut.of(value)
        return of_this_rank(value)

    states = {
        key_of(key) if leaves.is_array(key) else key: {
            name: part_of(key, value) for name, value in state.items()
        }
        for key, state in optimizer.state.items()
    }
    return {"state": states, "param_groups": groups}


def of_this_rank(value: Any) -> Any:
    """Of a tensor that several ranks share this rank's part, as a `Shard`; else the value itself.

    Where a tensor is whole on each rank, it is the tensor. Nothing is sent: a collective that one
    rank calls alone hangs. Raises UsageError where the ranks hold summands, or several parts each.
    """
    part = getattr(value, "_local_tensor", None)
    if part is None:
        return value
    if any(placement.is_partial() for placement in value.placements):
        raise UsageError("cannot store a sharded tensor whose ranks hold parts of a sum")
    mesh = value.device_mesh
    if all(p.is_replicate() or mesh.size(i) == 1 for i, p in enumerate(value.placements)):
        return part
    # All ranks must say the same: also of a row that one has whole and the others not at all.
    chunks = value.__create_chunk_list__()  # what torch's own distributed checkpoints ask
    shape = tuple(value.shape)
    if not chunks:  # of an uneven split this rank got nothing
        return Shard(shape, (0,) * len(shape), part)
    if len(chunks) > 1 or tuple(chunks[0].sizes) != tuple(part.shape):
        raise UsageError("cannot store a sharded tensor of which a rank holds several parts")
    return Shard(shape, tuple(chunks[0].offsets), part)
