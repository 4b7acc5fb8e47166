"""The points of metrics in memory, within bounds: read once, drawn anew at each zoom.

What was not asked for longest goes first. Values that float32 holds exactly are held in it, steps
that follow each other evenly as two numbers, times in milliseconds; what several metrics of a run
share (they were always logged together) is held once.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Set
from functools import partial
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError
from samebit.folders.growing import Growing
from samebit.folders.points import Points, of_rows
from samebit.folders.read import View, read_run
from samebit.server.axes import Axis, Even, Listed
from samebit.server.reading import Reader, stamp

__all__ = ["MACHINE", "PointsCache", "Series", "load_numpy"]

MACHINE = "machine:"  # of values that are sampled
_MOST_BYTES = 256 << 20
_MOST_RUNS = 20_000  # of which is known which metrics they have
_MOST_GROWING = 1000  # runs that are read on, where they have grown
_LOCKS = 16
_MS = 1_000_000  # ns
_LARGEST_MS = 2**32 - 1


class Series(Struct, frozen=True):
    """One metric of one run; its arrays are made anew from what is held."""

    begun_ns: int  # when the run began
    points: int
    odd: int  # of them are infinite or no number
    held_values: Any  # float64, or float32 where that loses nothing
    held_steps: Any  # float64, or (first, stride)
    held_times: Any  # (first in ns, ms since then as uint32), or float64 seconds

    @property
    def last_step(self) -> float:
        """The largest."""
        if isinstance(self.held_steps, tuple):
            first, stride = self.held_steps
            return first + stride * (self.points - 1)
        return float(self.held_steps[-1])

    def values(self, numpy: Any) -> Any:
        """As float64."""
        return self.held_values.astype(numpy.float64, copy=False)

    def axis(self) -> Axis:
        """Its steps, to find points by."""
        if isinstance(self.held_steps, tuple):
            first, stride = self.held_steps
            return Even(first, stride, self.points)
        return Listed(self.held_steps)

    def steps(self, numpy: Any) -> Any:
        """As float64, ascending."""
        return self.axis().at(numpy.arange(self.points), numpy)

    def seconds(self, numpy: Any) -> Any:
        """When each was logged: seconds since 1970 as float64."""
        if not isinstance(self.held_times, tuple):
            return self.held_times
        first_ns, after_ms = self.held_times
        return first_ns / 1e9 + after_ms.astype(numpy.float64) / 1e3


class _Held(Struct, frozen=True):
    series: Series
    size_bytes: int


class PointsCache:
    """Metrics of runs as they are now; used by several threads."""

    def __init__(self, reader: Reader, most_bytes: int = _MOST_BYTES) -> None:
        self.size_bytes = 0
        self._reader = reader
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._names: OrderedDict[str, tuple[str, Set[str]]] = OrderedDict()
        # How far runs were read, and when they began.
        self._growing: OrderedDict[str, tuple[Growing, int]] = OrderedDict()
        self._lock = threading.Lock()
        # Several charts ask for the same runs at once: they share each reading.
        self._reading = [threading.Lock() for _ in range(_LOCKS)]

    def series(self, run: str, metric: str) -> Series | None:
        """A metric of a run; None where it logged no such numbers. RunNotFound if it is gone."""
        folder = self._reader.folder(run)
        now = stamp(folder)
        with self._reading[hash(run) % _LOCKS]:
            with self._lock:
                known, names = self._names.get(run, ("", frozenset()))
                if known == now and metric not in names:
                    return None
                held = self._held.get((run, metric)) if known == now else None
                if held is not None:
                    self._held.move_to_end((run, metric))
                    return held.series
            numpy = load_numpy()
            # What the machine did comes seldom, and is seldom asked for: it takes the whole.
            found = None if metric.startswith(MACHINE) else self._read_on(run, numpy)
            if found is not None:
                with self._lock:
                    self._put(run, now, found)
                return found[metric].series if metric in found else None
            view = read_run(folder)
            points = {**_machine(view, numpy), **view.points(numpy)}
            found = _held(points, view.record.started_ns, numpy)
            with self._lock:
                self._growing[run] = (view.growing(), view.record.started_ns)
                self._keep(run, metric, now, found)
        return found[metric].series if metric in found else None

    def _read_on(self, run: str, numpy: Any) -> dict[str, _Held] | None:
        """What a run logged, with what was appended; None where it is to be read anew."""
        with self._lock:
            growing, begun_ns = self._growing.pop(run, (None, 0))
            every = self._names[run][1] if run in self._names else ()
            names = [name for name in every if not name.startswith(MACHINE)]
            found = {name: self._held[run, name] for name in names if (run, name) in self._held}
        added = growing.read_on() if growing is not None and len(found) == len(names) else None
        if growing is None or added is None:
            return None
        more: dict[str, Points] = {}
        for rank, logged in added.logged:
            for name, one in of_rows(logged, numpy).items():
                if added.rank_of[name] == rank:
                    more[name] = one
        new = {name: one for name, one in more.items() if name not in found}
        longer = {name: (found[name].series, one) for name, one in more.items() if name in found}
        if any(one.steps[0] <= series.last_step for series, one in longer.values()):
            return None
        with self._lock:
            self._growing[run] = growing, begun_ns
        return found | _longer(longer, numpy) | _held(new, begun_ns, numpy)

    def _put(self, run: str, now: str, found: Mapping[str, _Held]) -> None:
        """Take metrics of a run in place of what they were; those of the machine are read anew."""
        sampled = {name for name in self._names[run][1] if name.startswith(MACHINE)}
        for name in sampled:
            self._drop((run, name))
        self._names[run] = now, sampled.union(found)
        for name, held in found.items():
            before = self._held.get((run, name))
            self.size_bytes += held.size_bytes - (before.size_bytes if before is not None else 0)
            self._held[run, name] = held
        self._shrink()

    def _keep(self, run: str, metric: str, now: str, found: Mapping[str, _Held]) -> None:
        _, before = self._names.get(run, ("", frozenset()))
        for name in before:
            self._drop((run, name))
        self._names[run] = now, frozenset(found)
        while len(self._names) > _MOST_RUNS:
            self._names.popitem(last=False)
        while len(self._growing) > _MOST_GROWING:
            self._growing.popitem(last=False)
        for name, held in found.items():
            self._held[run, name] = held
            self.size_bytes += held.size_bytes
            if name != metric:  # nobody has asked for these yet
                self._held.move_to_end((run, name), last=False)
        self._shrink()

    def _shrink(self) -> None:
        while self.size_bytes > self._most_bytes and self._held:
            self._drop(next(iter(self._held)))

    def _drop(self, key: tuple[str, str]) -> None:
        held = self._held.pop(key, None)
        self.size_bytes -= held.size_bytes if held is not None else 0


def _machine(view: View, numpy: Any) -> dict[str, Points]:
    """What the machine did, as metrics whose names begin with `MACHINE`."""
    return {
        MACHINE + name: Points(
            numpy.array(column.steps, numpy.float64),
            numpy.array(column.times_ns, numpy.int64),
            numpy.array(column.values, numpy.float64),
        )
        for name, column in view.machine.items()
    }


def load_numpy() -> Any:
    """NumPy; UsageError where it is not installed."""
    try:
        import numpy  # noqa: PLC0415  (nothing but curves needs it)
    except ImportError as error:
        hint = "pip install 'samebit[stats]', and start `samebit ui` again"
        raise UsageError("curves need NumPy", hint=hint) from error
    return numpy


def _held(found: Mapping[str, Points], begun_ns: int, numpy: Any) -> dict[str, _Held]:
    """Metrics as they are held."""
    steps = _shared(
        {n: (id(one.steps), partial(_steps, one.steps, numpy)) for n, one in found.items()}
    )
    times = _shared(
        {n: (id(one.times_ns), partial(_times, one.times_ns, numpy)) for n, one in found.items()}
    )
    values = {name: _values(one.values, numpy) for name, one in found.items()}
    return {
        name: _together(
            begun_ns, len(one.values), _odd(one, numpy), values[name], steps[name], times[name]
        )
        for name, one in found.items()
    }


def _longer(both: Mapping[str, tuple[Series, Points]], numpy: Any) -> dict[str, _Held]:
    """Metrics with more points behind those that are held."""
    steps = _shared(
        {
            name: (
                (id(before.held_steps), id(more.steps)),
                partial(_more_steps, before, more, numpy),
            )
            for name, (before, more) in both.items()
        }
    )
    times = _shared(
        {
            name: (
                (id(before.held_times), id(more.times_ns)),
                partial(_more_times, before, more, numpy),
            )
            for name, (before, more) in both.items()
        }
    )
    found: dict[str, _Held] = {}
    for name, (before, more) in both.items():
        values = _values(more.values, numpy)
        if values.dtype != before.held_values.dtype:
            values = more.values
        values = numpy.concatenate([before.held_values, values])
        points, odd = before.points + len(more.values), before.odd + _odd(more, numpy)
        found[name] = _together(before.begun_ns, points, odd, values, steps[name], times[name])
    return found


def _together(
    begun_ns: int,
    points: int,
    odd: int,
    values: Any,
    steps: tuple[Any, int],
    times: tuple[Any, int],
) -> _Held:
    series = Series(begun_ns, points, odd, values, steps[0], times[0])
    return _Held(series, values.nbytes + steps[1] + times[1])


def _odd(points: Points, numpy: Any) -> int:
    return len(points.values) - int(numpy.isfinite(points.values).sum())


def _shared(
    parts: Mapping[str, tuple[Hashable, Callable[[], Any]]],
) -> dict[str, tuple[Any, int]]:
    """Of each name what is made, and its bytes: what several names share is made and counted once.

    Args:
        parts: by name what tells it from others, and what makes it.
    """
    users = Counter(key for key, _ in parts.values())
    makers = dict(parts.values())
    made = {key: make() for key, make in makers.items()}
    return {name: (made[key], _bytes(made[key]) // users[key]) for name, (key, _) in parts.items()}


def _bytes(held: Any) -> int:
    return (
        held[1].nbytes
        if isinstance(held, tuple) and hasattr(held[1], "nbytes")
        else (0 if isinstance(held, tuple) else held.nbytes)
    )


def _values(values: Any, numpy: Any) -> Any:
    with numpy.errstate(over="ignore"):
        narrow = values.astype(numpy.float32)
    is_exact = numpy.array_equal(narrow.astype(numpy.float64), values, equal_nan=True)
    return narrow if is_exact else values


def _steps(steps: Any, numpy: Any) -> Any:
    if len(steps) > 1:
        first, stride = float(steps[0]), float(steps[1] - steps[0])
        if numpy.array_equal(steps, first + stride * numpy.arange(len(steps), dtype=float)):
            return first, stride
    return steps


def _more_steps(before: Series, more: Points, numpy: Any) -> Any:
    if isinstance(before.held_steps, tuple):
        first, stride = before.held_steps
        places = numpy.arange(before.points, before.points + len(more.steps), dtype=float)
        if numpy.array_equal(more.steps, first + stride * places):
            return before.held_steps
    return _steps(numpy.concatenate([before.steps(numpy), more.steps]), numpy)


def _more_times(before: Series, more: Points, numpy: Any) -> Any:
    if isinstance(before.held_times, tuple):
        first, so_far = before.held_times
        after = (more.times_ns - first) // _MS
        if int(after.min()) >= 0 and int(after.max()) <= _LARGEST_MS:
            return first, numpy.concatenate([so_far, after.astype(numpy.uint32)])
    return numpy.concatenate([before.seconds(numpy), more.times_ns / 1e9])


def _times(times_ns: Any, numpy: Any) -> Any:
    first = int(times_ns.min())
    after = (times_ns - first) // _MS
    if int(after.max()) <= _LARGEST_MS:
        return first, after.astype(numpy.uint32)
    return times_ns / 1e9
