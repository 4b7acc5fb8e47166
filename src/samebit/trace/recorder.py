"""Which steps are fingerprinted, and how deeply; hands each row to functions it was given.

The recorder is told what happens (a batch, a forward, a backward, a step) and knows neither where
the calls come from nor where the rows go. It reads tensors and never changes one.
"""

import functools
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from samebit.trace import fingerprint
from samebit.trace.budget import Pace, Rate
from samebit.trace.digests import Digest, NotTraceable, Symbolic, combine, value_of
from samebit.trace.fingerprint import Leaves
from samebit.trace.rows import Costs, Emit, Rows
from samebit.trace.scalars import Scalars, same

__all__ = ["LOSS_SCALER", "Recorder"]

LOSS_SCALER = -1  # in place of a parameter group
_PYTHON_EVERY = 16  # steps; its state can only be had as a tuple, which costs 17 µs
_MOST_PARTS = 4096  # of a group since the last step; then they are made one
_STATE_EVERY = 8  # full rows; an optimizer's state follows from the gradients


class _Optimizer(Struct):
    """What is remembered of one optimizer between its steps."""

    index: int
    is_of: weakref.ref[Any]
    pace: Pace
    count: int = 0
    base: int = 0  # the steps of earlier executions, which count on
    depth: int = 0
    losses_before: int = 0  # how often `backward` had been called when the step began
    leaves: Leaves | None = None
    shape_key: tuple[int, ...] = ()
    others: dict[str, Leaves] = field(default_factory=dict)  # of its state, and of the buffers
    scalars: Scalars = field(default_factory=Scalars)
    far: dict[tuple[int, str], Any] = field(default_factory=dict)  # scalars of a device, as last
    scale: Any = None  # of the loss, in the last step that was asked for
    asked_at: int | None = None  # the count when a loss scaler asked for a step
    kept_back: dict[str, int] = field(default_factory=dict)
    last_full: int = 0
    row: dict[str, Digest] = field(default_factory=dict)
    spent_s: float = 0.0
    data_s: float = 0.0


class Recorder:
    """Turns what happens in training into rows of fingerprints."""

    def __init__(self, emit: Emit, rates: Mapping[tuple[int, int], Rate] | None = None) -> None:
        self._emit = emit
        self._rows = Rows(emit)
        self._rates = rates  # a replay takes the recorded ones and adapts nothing
        self._optimizers: dict[int, _Optimizer] = {}
        self._next_index = 0
        self._full_next = True
        self._data_next = True
        self._entered = False
        self._losses = 0
        self._skipped: set[str] = set()
        self._pending: dict[str, list[Digest]] = {}
        self._local: dict[int, Digest] = {}  # by parameter, its gradient before the reduction
        self._samples: int | None = 0
        self._spent_s = 0.0  # since the last step, on what only full rows have
        self._data_s = 0.0  # the same, on reading what the model is given

    def count(self, optimizer: Any) -> int:
        """How many steps an optimizer has made."""
        known = self._find(optimizer)
        return known.count if known is not None else 0

    def go_on_from(self, optimizer: Any, count: int) -> None:
        """Count an optimizer's steps on from those of an earlier execution."""
        known = self._known(optimizer)
        known.base = known.count = known.last_full = count

    @property
    def since_the_step(self) -> dict[str, list[str]]:
        """What was met since an optimizer stepped, such as the batches of a validation.

        The next row has it, also where another process writes that. What a device still works on
        is waited for.
        """
        self._rows.wait()
        return {
            group: [value_of(part).hex() for part in parts]
            for group, parts in self._pending.items()
        }

    def go_on_with(self, since: Mapping[str, Sequence[str]]) -> None:
        """Put what was met before a checkpoint into the next row."""
        self._pending = {group: list(map(bytes.fromhex, parts)) for group, parts in since.items()}
        if since:
            self._samples = None  # of these there is only the digest

    def index(self, optimizer: Any) -> int:
        """An optimizer's number, in order of first steps."""
        return self._known(optimizer).index

    def next_index(self) -> int:
        """A number for a loop that no optimizer of torch steps in; it is not given again."""
        index, self._next_index = self._next_index, self._next_index + 1
        return index

    def row(
        self, index: int, count: int, row: Mapping[str, Digest], written: Callable[[Costs], None]
    ) -> None:
        """Write a row of such a loop, or more of one; `written` hears what it cost a device."""
        if not self._optimizers:
            self._pending = {}  # what hooks of torch met: nobody ever asks for it
        self._rows.put(index, count, row, written=written)

    @property
    def is_between(self) -> bool:
        """Whether gradients have been computed, and no optimizer was asked to step since."""
        known = self._optimizers.values()
        return self._losses > max((one.losses_before for one in known), default=0)

    def is_inner(self, optimizer: Any) -> bool:
        """Whether an optimizer is inside its own step (a subclass that calls super().step())."""
        known = self._find(optimizer)
        return known is not None and known.depth > 0

    def batch(self, value: Any) -> None:
        """The data loader gave a batch."""
        self._rows.look()
        for known in self._optimizers.values():
            known.depth = 0  # a step that raised never reported its end
        if not self._full_next:
            self._samples = None
        if self._take_data("batch", value) and self._samples is not None:
            at = time.perf_counter()
            twin = fingerprint.samples(value)
            self._samples = None if twin is None else (self._samples + twin) & (2**64 - 1)
            self._spent_s += time.perf_counter() - at

    def entered(self, args: Any, kwargs: Any) -> None:
        """The outermost module was called in training; only the first call since `backward`."""
        if not self._entered:
            self._entered = self._take_data("input", args, kwargs) is not None

    def returned(self, output: Any) -> None:
        """The outermost module returned."""
        if self._full_next:
            at = time.perf_counter()
            if hasattr(output, "to_tuple"):
                output = output.to_tuple()
            self._take("output", output)
            self._spent_s += time.perf_counter() - at

    def clipping(self, parameters: Sequence[Any]) -> None:
        """The gradients of these are about to be clipped."""
        if self._full_next:
            at = time.perf_counter()
            self._take("grad.raw", [parameter.grad for parameter in parameters])
            self._spent_s += time.perf_counter() - at

    @property
    def is_full_next(self) -> bool:
        """Whether what only full rows have is wanted of the step that comes."""
        return self._full_next

    def accumulated(self, parameter: Any) -> None:
        """A gradient has been computed on this rank, and is about to be reduced over all."""
        at = time.perf_counter()
        try:
            self._local[id(parameter)] = fingerprint.leaf(parameter.grad)
        except NotTraceable as reason:
            self._told("grad.local", str(reason))
        self._spent_s += time.perf_counter() - at

    def loss(self, tensors: Any) -> None:
        """`backward` was called."""
        self._rows.look()
        self._entered = False
        self._losses += 1
        self._take("loss", tensors)

    def before_step(self, optimizer: Any, names: Callable[[], Mapping[int, str]]) -> None:
        """An optimizer is about to step; `names` gives parameter names by id when needed."""
        known = self._known(optimizer)
        if known.depth and known.losses_before != self._losses:
            known.depth = 0  # gradients came between: the step before raised, and was caught
        known.losses_before = self._losses
        known.depth += 1
        if known.depth > 1:
            return  # a subclass that calls super().step()
        known.row = row = self._collect()
        known.spent_s, self._spent_s = self._spent_s, 0.0
        known.data_s, self._data_s = self._data_s, 0.0
        full = self._is_full(known, known.count + 1)
        python = full or (known.count + 1) % _PYTHON_EVERY == 0
        row.update(fingerprint.generators(python=python))
        try:
            row["hyper"] = self._hyper(optimizer, known)
        except NotTraceable as reason:
            self._told("hyper", str(reason))
        if known.asked_at is not None:
            self._inside_a_fused_step(optimizer, known)
        if full:
            at = time.perf_counter()
            parameters = _parameters(optimizer)
            leaves = self._leaves(known, parameters, names)
            self._put(row, "entering", leaves, parameters)
            if any(id(parameter) in self._local for parameter in parameters):
                local = [self._local.pop(id(p), b"none") for p in parameters]
                row["grad.local"] = leaves.of_digests("grad.local", local)
            self._put(row, "grad", leaves, [p.grad for p in parameters])
            known.spent_s += time.perf_counter() - at

    def after_step(self, optimizer: Any, buffers: Callable[[], Mapping[str, Any]] = dict) -> bool:
        """An optimizer has stepped; False where the call was an inner one.

        `buffers` gives those of the models by name, when they are needed.
        """
        known = self._known(optimizer)
        known.depth = max(0, known.depth - 1)
        if known.depth:
            return False
        known.count += 1
        if self._pending:  # the closure that LBFGS calls from inside its step
            for group, found in self._collect().items():
                before = known.row.get(group)
                known.row[group] = combine(b"", [before, found]) if before else found
        full = self._is_full(known, known.count)
        if full and known.leaves is not None:
            at = time.perf_counter()
            self._put(known.row, "param", known.leaves, _parameters(optimizer))
            self._put_others(known, "buffers", buffers())
            if self._has_state(known):
                self._put_others(known, "state", _state(known.leaves, optimizer))
            known.spent_s += time.perf_counter() - at
            known.last_full = known.count
        self._write(known, full=full)
        known.pace.stepped()
        rate = known.pace.adapt(known.index, known.count, known.count - known.base)
        if rate is not None:
            self._emit.fact("rate", rate)
        living = [k for k in self._optimizers.values() if k.is_of() is not None]
        self._full_next = any(self._is_full(k, k.count + 1) for k in living)
        if not self._full_next:
            self._local.clear()
        self._data_next = self._full_next or any(k.pace.reads_data(k.count + 1) for k in living)
        return True

    def asked(self, optimizer: Any, scale: Any) -> None:
        """A loss scaler is about to decide whether an optimizer steps."""
        known = self._known(optimizer)
        known.asked_at = known.count
        count = known.count + 1

        def told(scale: Any) -> None:
            if scale != known.scale:
                known.scale = scale
                self._emit.hyper(known.index, count, LOSS_SCALER, {"scale": scale})

        self._read(scale, told)

    def answered(self, optimizer: Any) -> None:
        """It has decided; no step means that the gradients were not finite."""
        known = self._known(optimizer)
        if known.asked_at == known.count:
            count = known.count + 1  # and the scale is known by then
            self._rows.then(lambda: self._kept_back(known, count, "skipped"))
        known.asked_at = None
        known.losses_before = self._losses

    def finish(self, optimizer: Any) -> None:
        """Complete the last row of an optimizer that will step no more."""
        known = self._find(optimizer)
        if known is None or known.last_full == known.count:
            return
        parameters = _parameters(optimizer)
        if known.leaves is not None:
            row: dict[str, Digest] = {}
            self._put(row, "param", known.leaves, parameters)
            self._rows.put(known.index, known.count, row)
            known.last_full = known.count

    def close(self) -> None:
        """Wait for what a device still works on, but not for ever."""
        left = self._rows.finish()
        if left:
            detail = f"the digests of {left} rows had not come when the run ended"
            self._emit.fact("problem", {"what": "trace not whole", "detail": detail})

    def _find(self, optimizer: Any) -> _Optimizer | None:
        known = self._optimizers.get(id(optimizer))
        # The optimizer of an earlier fold may be gone, and its id come again.
        return known if known is not None and known.is_of() is optimizer else None

    def _known(self, optimizer: Any) -> _Optimizer:
        known = self._find(optimizer)
        if known is None:
            known = _Optimizer(self._next_index, weakref.ref(optimizer), Pace(self._rates))
            self._next_index += 1
            self._optimizers[id(optimizer)] = known
        return known

    def _is_full(self, known: _Optimizer, count: int) -> bool:
        return known.pace.is_full(count - known.base, count)

    def _take(self, group: str, *values: Any) -> bool | None:
        """Whether it could be read; None where there is nothing yet, as where a model is built."""
        try:
            self._put_aside(group, fingerprint.of_values(*values))
        except Symbolic:
            return None
        except NotTraceable as reason:
            self._skip(group, str(reason))
            return False
        return True

    def _take_data(self, group: str, *values: Any) -> bool | None:
        """The same of what the model is given, in the steps in which it is read."""
        if not self._data_next:
            self._put_aside(group, b"")
            return False
        at = time.perf_counter()
        taken = self._take(group, *values)
        self._data_s += time.perf_counter() - at
        return taken

    def _skip(self, group: str, reason: str) -> None:
        self._put_aside(group, b"")
        self._told(group, reason)

    def _put_aside(self, group: str, part: Digest) -> None:
        """Keep a part of the row to come; b"" for one that could not be, or was not, read."""
        parts = self._pending.setdefault(group, [])
        parts.append(part)
        if len(parts) == _MOST_PARTS:  # gradients without end, and nothing that ever steps
            parts[:] = [b"" if b"" in parts else combine(b"", parts)]

    def _told(self, group: str, reason: str) -> None:
        if group not in self._skipped:
            self._skipped.add(group)
            self._emit.fact("problem", {"what": f"{group} not traced", "detail": reason})

    def _collect(self) -> dict[str, Digest]:
        """The groups gathered since the last step; one that missed a part is left out."""
        row: dict[str, Digest] = {
            group: parts[0] if len(parts) == 1 else combine(b"", parts)
            for group, parts in self._pending.items()
            if b"" not in parts
        }
        if "batch" in row and self._samples is not None:
            row["samples"] = self._samples.to_bytes(8, "big")
        self._pending = {}
        self._samples = 0
        self._entered = False
        return row

    def _hyper(self, optimizer: Any, known: _Optimizer) -> Digest:
        scalars = known.scalars
        changes = scalars.changes(optimizer.param_groups)
        for group, changed in changes.items():
            self._emit.hyper(known.index, known.count + 1, group, changed)
        if scalars.unread and "schedule" not in self._skipped:
            self._skipped.add("schedule")
            names = ", ".join(sorted(scalars.unread))
            detail = f"{names} of optimizer {known.index} lies on a device, and is not waited for"
            self._emit.fact("problem", {"what": "schedule not whole", "detail": detail})
        if not scalars.far:
            return scalars.digest
        count = known.count + 1
        readings = [
            self._rows.read(value, functools.partial(self._far, known, count, group, name))
            for (group, name), value in scalars.far.items()
        ]
        return combine(b"", [scalars.digest, *readings])

    def _far(self, known: _Optimizer, count: int, group: int, name: str, value: Any) -> None:
        """A scalar has come from a device."""
        if (group, name) not in known.far or not same(known.far[group, name], value):
            known.far[group, name] = value
            self._emit.hyper(known.index, count, group, {name: value})

    def _inside_a_fused_step(self, optimizer: Any, known: _Optimizer) -> None:
        """A fused optimizer is called all the same, and its kernel may change nothing."""
        count = known.count + 1

        def told(infinite: Any) -> None:
            if isinstance(infinite, float) and infinite:
                self._kept_back(known, count, "without_effect")

        self._read(getattr(optimizer, "found_inf", None), told)

    def _read(self, value: Any, told: Callable[[Any], None]) -> None:
        try:
            self._rows.read(value, told)
        except NotTraceable as reason:
            self._told("hyper", str(reason))

    def _kept_back(self, known: _Optimizer, count: int, how: str) -> None:
        """How many so far, and by which scale: several may be kept back before one count."""
        times = known.kept_back[how] = known.kept_back.get(how, 0) + 1
        self._emit.hyper(known.index, count, LOSS_SCALER, {how: [times, known.scale]})

    def _leaves(
        self, known: _Optimizer, parameters: list[Any], names: Callable[[], Mapping[int, str]]
    ) -> Leaves:
        key = tuple(map(id, parameters))
        if known.leaves is None or key != known.shape_key:
            by_id = names()
            known.leaves = Leaves(
                [by_id.get(id(p), f"parameter {at}") for at, p in enumerate(parameters)],
                parameters,
            )
            known.shape_key = key
        return known.leaves

    def _put(self, row: dict[str, Digest], group: str, leaves: Leaves, arrays: list[Any]) -> None:
        try:
            row[group] = leaves.digest(group, arrays)
        except NotTraceable as reason:
            self._told(group, str(reason))

    def _has_state(self, known: _Optimizer) -> bool:
        at_first = known.pace.is_first(known.count - known.base)
        return at_first or known.count % (_STATE_EVERY << known.pace.k) == 0

    def _put_others(self, known: _Optimizer, group: str, arrays: Mapping[str, Any]) -> None:
        """A group whose leaves may come and go from step to step."""
        if not arrays:
            known.others.pop(group, None)
            return
        leaves = known.others.get(group)
        if leaves is None or leaves.names != tuple(arrays):
            leaves = known.others[group] = Leaves(list(arrays), list(arrays.values()))
        self._put(known.row, group, leaves, list(arrays.values()))

    def _write(self, known: _Optimizer, *, full: bool) -> None:
        row, known.row = known.row, {}
        spent_s, data_s, pace = known.spent_s, known.data_s, known.pace

        def written(device: Costs) -> None:
            pace.cost(spent_s + device.full if full else None, data_s + device.data)

        leaves = self._leaves_of(known, row) if full else None
        first = pace.is_first(known.count - known.base)
        self._rows.put(known.index, known.count, row, leaves, first=first, written=written)

    def _leaves_of(
        self, known: _Optimizer, row: Mapping[str, Digest]
    ) -> dict[str, tuple[Sequence[str], Sequence[Digest]]]:
        """Of each group that the row has, the digests of its leaves."""
        if self._emit.leaves is None or known.leaves is None:
            return {}
        groups: dict[str, tuple[Sequence[str], Sequence[Digest]]] = {}
        for group in ("entering", "grad.local", "grad", "param"):
            if group in row:
                groups[group] = known.leaves.names, known.leaves.latest[group]
        for group, leaves in known.others.items():
            if group in row:
                groups[group] = leaves.names, leaves.latest[group]
        return groups


def _state(leaves: Leaves, optimizer: Any) -> dict[str, Any]:
    """The arrays that an optimizer keeps for its parameters, by name."""
    found: dict[str, Any] = {}
    for name, parameter in zip(leaves.names, _parameters(optimizer), strict=True):
        own = optimizer.state.get(parameter)
        if isinstance(own, Mapping):
            for key, value in own.items():
                if hasattr(value, "dtype") and hasattr(value, "shape"):
                    found[f"{name}.{key}"] = value
    return found


def _parameters(optimizer: Any) -> list[Any]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
