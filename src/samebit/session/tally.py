"""What a training shows of itself, counted: batches, steps, epochs, clipping, scaling, precision.

Counts are integers that the hooks add to; what they stand for is looked at where it is first met.
The fact is written at the steps 1, 2, 4, 8…, at the end of an epoch, and at the end, so that a
killed run has it, too.
"""

import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from samebit import disk
from samebit.session.ranks import world_size
from samebit.trace.scalars import plain

__all__ = ["Tally"]

_MOST = 64  # different sizes, limits or scales that are told apart; the rest is counted together
_OTHERS = "others"


class _Loader:
    """One data loader: what it gave, and what of it was trained on."""

    def __init__(self, batch_size: Any) -> None:
        self.batch_size = batch_size if type(batch_size) is int else None
        self.batches = 0
        self.used = 0
        self.begun = 0
        self.finished = 0
        # Rows of what it gave and nothing was trained on yet. Two, because many trainers fetch the
        # next batch before they train on this one; an evaluation leaves what it gave here.
        self.waiting: list[int] = []


class _Optimizer:
    def __init__(self, described: dict[str, Any]) -> None:
        self.described = described
        self.steps = 0


class Tally:
    """Counts for one process.

    Args:
        emit: takes the fact.
        models: gives name and module of each model that was met.
    """

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        models: Callable[[], Iterable[tuple[str, Any]]],
    ) -> None:
        self._emit = emit
        self._models = models
        self._loaders: dict[int, _Loader] = {}
        self._optimizers: dict[int, _Optimizer] = {}
        self._latest: _Loader | None = None  # the one that gave a batch last
        self._rows = 0  # of the input of the last forward, where no loader gives batches
        self._forwards = 0
        self._micro = 0  # batches that were trained on since the last step
        self._micros: dict[Any, int] = {}  # how many of them to a step: how often
        self._sizes: dict[Any, int] = {}
        self._steps = 0  # of the optimizer that counts the run's step
        self._all_steps = 0
        self._samples = 0
        self._clips: dict[Any, int] = {}
        self._autocast: dict[str, int] = {}
        self._scaler: _Scaler | None = None
        self._parameters: list[dict[str, Any]] = []
        self._changed = False

    # What the hooks tell.

    def batch(self, value: Any, iterator: Any) -> None:
        """A loader gave a batch."""
        sampler = getattr(iterator, "_index_sampler", iterator)
        loader = self._loaders.get(id(sampler))
        if loader is None:
            loader = self._loaders[id(sampler)] = _Loader(getattr(sampler, "batch_size", None))
        loader.batches += 1
        if getattr(iterator, "_num_yielded", 0) == 1:
            loader.begun += 1
        self._latest = loader
        loader.waiting = [*loader.waiting[-1:], _rows(value)]

    def loader_ends(self, iterator: Any) -> None:
        """A loader has given its last batch of this pass."""
        loader = self._loaders.get(id(getattr(iterator, "_index_sampler", iterator)))
        if loader is not None:
            loader.finished += 1
            if loader is self._latest and loader.used:
                self._changed = True

    def forward(self, args: Any, kwargs: Mapping[str, Any]) -> None:
        """The outermost module is called in training."""
        if self._latest is None:
            self._rows = _rows(args) or _rows(kwargs)
        self._forwards += 1
        if not self._forwards & (self._forwards - 1):  # 1, 2, 4, 8…
            for kind in _autocast():
                self._count(self._autocast, kind)

    def backward(self) -> None:
        """Gradients are computed: the batch that was given last is trained on."""
        latest = self._latest
        if latest is None:
            rows = self._rows
        elif latest.waiting:
            rows = latest.waiting.pop(0)
            latest.used += 1
        else:
            return  # the same batch again
        self._micro += 1
        if rows:
            self._samples += rows
            self._count(self._sizes, rows)

    def before_first_step(self, optimizer: Any, index: int) -> None:
        """An optimizer is about to step for the first time: what it is, and what it trains."""
        self._optimizers.setdefault(index, _Optimizer(_described(optimizer)))
        self._parameters = self._described_models(optimizer)

    def after_step(self, index: int, is_main: bool) -> None:
        """An optimizer has stepped."""
        known = self._optimizers.get(index)
        if known is not None:
            known.steps += 1
        self._all_steps += 1
        if not is_main:
            return
        self._steps += 1
        self._count(self._micros, self._micro)
        self._micro = 0
        if self._changed or not self._steps & (self._steps - 1):
            self._changed = False
            self.write()

    def clipped(self, kind: str, limit: Any, norm_type: Any) -> None:
        """Gradients are clipped."""
        norm_type = 2.0 if kind == "norm" and norm_type is None else plain(norm_type)
        key = (kind, plain(limit), norm_type)
        if key not in self._clips:
            self._changed = True
        self._count(self._clips, key)

    def scaler_begins(self, scaler: Any) -> None:
        """A scaler is asked to step an optimizer."""
        self._scaling(scaler).steps_before = self._all_steps

    def scaler_ends(self, scaler: Any) -> None:
        """It has done so, or has found gradients that are none and passed over the step."""
        known = self._scaling(scaler)
        known.steps += 1
        known.skipped += known.steps_before == self._all_steps

    def scaler_updated(self, scaler: Any) -> None:
        """A scaler has taken its next scale."""
        known = self._scaling(scaler)
        scale = _scale(scaler, wait=False)
        if scale is not None and (not known.scales or known.scales[-1][1] != scale):
            known.changes += 1
            if len(known.scales) < _MOST:
                known.scales.append((self._steps, scale))
            else:
                known.scales[-1] = (self._steps, scale)

    def _scaling(self, scaler: Any) -> "_Scaler":
        if self._scaler is None or self._scaler.is_of() is not scaler:
            self._scaler = _Scaler(scaler)
        return self._scaler

    def _count(self, counts: dict[Any, int], key: Any) -> None:
        if key not in counts and len(counts) >= _MOST:
            key = _OTHERS
        counts[key] = counts.get(key, 0) + 1

    # The fact.

    def finish(self) -> None:
        """Write the totals."""
        if self._steps:
            self.write(at_end=True)

    def write(self, *, at_end: bool = False) -> None:
        """Write what is known now."""
        disk.fault("hooks.training")
        fact: dict[str, Any] = {
            "steps": self._steps,
            "epochs": self._epochs(),
            "samples": self._samples if self._sizes else None,
            "batch": self._batches(),
            "models": self._parameters,
            "optimizers": [
                {**known.described, "optimizer": index, "steps": known.steps}
                for index, known in sorted(self._optimizers.items())
            ],
            "precision": self._precision(),
        }
        if self._clips:
            fact["clipping"] = [_clip(key, calls) for key, calls in self._clips.items()]
        if self._scaler is not None:
            fact["loss_scaling"] = self._scaler.described(at_end=at_end)
        self._emit(fact)

    def _epochs(self) -> dict[str, int] | None:
        """Passes over the loader that most was trained on."""
        used = max(self._loaders.values(), key=lambda loader: loader.used, default=None)
        if used is None or not used.used:
            return None
        return {"begun": max(used.begun, used.finished), "finished": used.finished}

    def _batches(self) -> dict[str, Any]:
        """Sizes and counts as they came; the usual ones make the effective batch."""
        sizes = [size for size in self._sizes if size != _OTHERS]
        usual = max(sizes, key=lambda size: self._sizes[size], default=None)
        counts = [count for count in self._micros if count != _OTHERS and count]
        accumulation = max(counts, key=lambda count: self._micros[count], default=None)
        world = world_size()
        effective = usual * accumulation * world if usual and accumulation else None
        return {
            "micro": usual,
            "accumulation": accumulation,
            "world": world,
            "effective": effective,
            "from": "loader" if self._loaders else "input",
            "sizes": [[size, count] for size, count in self._sizes.items()],
            "accumulations": [[n, count] for n, count in self._micros.items()],
        }

    def _precision(self) -> dict[str, Any]:
        torch: Any = sys.modules.get("torch")
        found: dict[str, Any] = {
            "parameters": sorted({kind for m in self._parameters for kind in m["dtypes"]}),
            "autocast": sorted(self._autocast),
        }
        try:
            found["float32_matmul"] = torch.get_float32_matmul_precision()
        except Exception:
            pass  # not in this version of torch
        return found

    def _described_models(self, optimizer: Any) -> list[dict[str, Any]]:
        found = [_parameters(name, module, module.parameters()) for name, module in self._models()]
        found = [model for model in found if model["parameters"]]
        if not found:  # the optimizer holds tensors that are of no module
            held = [p for group in optimizer.param_groups for p in group["params"]]
            found = [_parameters("parameters", None, held)]
        return found


class _Scaler:
    def __init__(self, scaler: Any) -> None:
        self.is_of = weakref.ref(scaler)
        self.steps_before = 0
        self.steps = 0
        self.skipped = 0
        self.changes = 0
        first = getattr(scaler, "_init_scale", None)
        self.scales: list[tuple[int, float]] = [] if first is None else [(0, float(first))]
        names = ("_growth_factor", "_backoff_factor", "_growth_interval", "_enabled")
        self.settings = {name[1:]: plain(getattr(scaler, name, None)) for name in names}

    def described(self, *, at_end: bool) -> dict[str, Any]:
        scaler = self.is_of()
        scale = _scale(scaler, wait=at_end) if scaler is not None else None
        return {
            **self.settings,
            "steps": self.steps,
            "skipped": self.skipped,
            # Of a scale on a device only the first and the last are known: it is not waited for.
            "scales": [list(pair) for pair in self.scales],
            "changes": self.changes,
            "scale": scale if scale is not None else self.scales[-1][1] if self.scales else None,
        }


def _scale(scaler: Any, *, wait: bool) -> float | None:
    held = getattr(scaler, "_scale", None)
    if held is None or not (wait or held.device.type == "cpu"):
        return None
    return float(held.item())


def _clip(key: Any, calls: int) -> dict[str, Any]:
    if key == _OTHERS:
        return {"kind": _OTHERS, "calls": calls}
    kind, limit, norm_type = key
    more = {"norm_type": norm_type} if kind == "norm" else {}
    return {"kind": kind, "limit": limit, "calls": calls, **more}


def _rows(value: Any, depth: int = 0) -> int:
    """The first dimension of the first array in a batch; 0 where there is none."""
    shape = getattr(value, "shape", None)
    if shape:
        rows = shape[0]
        return rows if type(rows) is int else 0
    if depth < 4:
        if not isinstance(value, (list, tuple)):
            value = value.values() if isinstance(value, Mapping) else ()
        for item in value:
            rows = _rows(item, depth + 1)
            if rows:
                return rows
    return 0


def _autocast() -> Iterable[str]:
    """Devices for which autocast is on, with the type of number."""
    torch: Any = sys.modules["torch"]
    for device in ("cpu", "cuda", "mps", "xpu"):
        try:
            if torch.is_autocast_enabled(device):
                dtype = str(torch.get_autocast_dtype(device)).removeprefix("torch.")
                yield f"{device} {dtype}"
        except Exception:
            continue  # a device that this build of torch does not know


def _described(optimizer: Any) -> dict[str, Any]:
    kind = type(optimizer)
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "groups": [
            {
                "parameters": sum(p.numel() for p in group["params"]),
                "tensors": len(group["params"]),
                "hyper": {
                    str(name): plain(value)
                    for name, value in group.items()
                    if name not in ("params", "param_names")
                },
            }
            for group in optimizer.param_groups
        ],
    }


def _parameters(name: str, module: Any, held: Iterable[Any]) -> dict[str, Any]:
    lazy = sys.modules["torch"].nn.parameter.is_lazy
    total = trainable = 0
    dtypes: dict[str, int] = {}
    for parameter in held:
        if lazy(parameter):
            continue
        count = parameter.numel()
        total += count
        trainable += count if parameter.requires_grad else 0
        dtype = str(parameter.dtype).removeprefix("torch.")
        dtypes[dtype] = dtypes.get(dtype, 0) + count
    kind = "" if module is None else f"{type(module).__module__}.{type(module).__qualname__}"
    return {
        "name": name,
        "class": kind,
        "parameters": total,
        "trainable": trainable,
        "dtypes": dtypes,
    }
