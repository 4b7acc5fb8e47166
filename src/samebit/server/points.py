"""The points of metrics in memory, within bounds: read once, drawn anew at each zoom.

What was not asked for longest goes first. Values that float32 holds exactly are held in it, steps
that follow each other evenly as two numbers, times in milliseconds; what several metrics of a run
share (they were always logged together) is held once.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError
from samebit.folders.points import Points
from samebit.folders.read import View, read_run
from samebit.server.reading import Reader, stamp

__all__ = ["MACHINE", "PointsCache", "Series", "load_numpy"]

MACHINE = "machine:"  # of values that are sampled
_MOST_BYTES = 256 << 20
_MOST_RUNS = 20_000  # of which is known which metrics they have
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

    def values(self, numpy: Any) -> Any:
        """As float64."""
        return self.held_values.astype(numpy.float64, copy=False)

    def steps(self, numpy: Any) -> Any:
        """As float64, ascending."""
        if not isinstance(self.held_steps, tuple):
            return self.held_steps
        first, stride = self.held_steps
        return first + stride * numpy.arange(self.points, dtype=numpy.float64)

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
        self._names: OrderedDict[str, tuple[str, frozenset[str]]] = OrderedDict()
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
            view = read_run(folder)
            points = {**_machine(view, numpy), **view.points(numpy)}
            found = _held(points, view.record.started_ns, numpy)
        with self._lock:
            self._keep(run, metric, now, found)
        return found[metric].series if metric in found else None

    def _keep(self, run: str, metric: str, now: str, found: Mapping[str, _Held]) -> None:
        _, before = self._names.get(run, ("", frozenset()))
        for name in before:
            self._drop((run, name))
        self._names[run] = now, frozenset(found)
        while len(self._names) > _MOST_RUNS:
            self._names.popitem(last=False)
        for name, held in found.items():
            self._held[run, name] = held
            self.size_bytes += held.size_bytes
            if name != metric:  # nobody has asked for these yet
                self._held.move_to_end((run, name), last=False)
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


def _held(points: Mapping[str, Points], begun_ns: int, numpy: Any) -> dict[str, _Held]:
    shared: dict[int, tuple[Any, int]] = {}  # by the array: what is held, for how many metrics
    for one in points.values():
        for array, compact in ((one.steps, _steps), (one.times_ns, _times)):
            held, users = shared.get(id(array)) or (compact(array, numpy), 0)
            shared[id(array)] = held, users + 1
    found: dict[str, _Held] = {}
    for name, one in points.items():
        values = _values(one.values, numpy)
        steps, times = shared[id(one.steps)], shared[id(one.times_ns)]
        odd = len(one.values) - int(numpy.isfinite(one.values).sum())
        series = Series(begun_ns, len(one.values), odd, values, steps[0], times[0])
        size = values.nbytes + sum(_bytes(held) // users for held, users in (steps, times))
        found[name] = _Held(series, size)
    return found


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


def _times(times_ns: Any, numpy: Any) -> Any:
    first = int(times_ns.min())
    after = (times_ns - first) // _MS
    if int(after.max()) <= _LARGEST_MS:
        return first, after.astype(numpy.uint32)
    return times_ns / 1e9
