"""A metric in a few values, as tables tell of it: kept up as rows are added, without the others."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple, replace

from samebit.folders.points import Points, as_written, row_at
from samebit.folders.series import Column
from samebit.folders.streams import Stream
from samebit.journal.tabled import NotNumbers

__all__ = ["Summary", "read", "summary", "with_point"]

_EXACT = 2**53  # below it, different integers are different float64
_NUMBERS = frozenset({int, float})


class Summary(Struct, frozen=True):
    """One metric of one run."""

    points: int  # at how many steps it was logged
    step: Any  # that was first logged last
    last: Any  # its value
    at_ns: int  # when it was logged
    highest: Any  # step
    newest_ns: int  # when the newest of its points was logged
    is_number: bool  # at every step
    first: Any  # at the step that was logged first; None where it is not always a number
    low: Any  # None where it has none: not always a number, or only NaN
    high: Any


def summary(column: Column) -> Summary:
    """Of all points of a metric, at least one."""
    values = column.values
    is_number = _NUMBERS.issuperset(map(type, values))
    ordered = [value for value in values if value == value] if is_number else []
    low, high = (min(ordered), max(ordered)) if ordered else (None, None)
    return Summary(
        points=len(values),
        step=column.steps[-1],
        last=values[-1],
        at_ns=column.times_ns[-1],
        highest=max(column.steps),
        newest_ns=max(column.times_ns),
        is_number=is_number,
        first=values[0] if is_number else None,
        low=low,
        high=high,
    )


def read(of_ranks: Mapping[str, Stream], numpy: Any) -> dict[str, Summary] | None:
    """Of each metric what `summary` finds, in a hundredth of its memory; for very many rows.

    None where there is anything but numbers that are told apart as float64.
    """
    try:
        written = as_written(of_ranks, numpy, is_strict=True)
        found = {
            name: _of_points(name, points, of_ranks, numpy) for name, points in written.items()
        }
    except NotNumbers:
        return None
    return found


def _of_points(name: str, points: Points, of_ranks: Mapping[str, Stream], numpy: Any) -> Summary:
    steps, values = points.steps, points.values
    if not bool(numpy.abs(steps).max() < _EXACT):
        raise NotNumbers
    if not (steps[1:] > steps[:-1]).all():
        # Each step where it was first written, with what was written last.
        _, first = numpy.unique(steps, return_index=True)
        _, last = numpy.unique(steps[::-1], return_index=True)
        counting = (len(steps) - 1 - last)[numpy.argsort(first)]
        points = Points(*(one[counting] for one in astuple(points)))
        steps, values = points.steps, points.values

    def row(at: int) -> tuple[Any, int, Any]:
        step, time_ns, logged = row_at(of_ranks, int(points.places[at]))
        return step, time_ns, logged[name]

    ordered = numpy.flatnonzero(values == values)
    low = high = None
    if len(ordered):
        those = values[ordered]
        if bool(((numpy.abs(those) >= _EXACT) & numpy.isfinite(those)).any()):
            raise NotNumbers
        low, high = (row(int(ordered[at]))[2] for at in (those.argmin(), those.argmax()))
    step, at_ns, value = row(-1)
    return Summary(
        points=len(steps),
        step=step,
        last=value,
        at_ns=at_ns,
        highest=row(int(steps.argmax()))[0],
        newest_ns=int(points.times_ns.max()),
        is_number=True,
        first=row(0)[2],
        low=low,
        high=high,
    )


def with_point(before: Summary | None, step: Any, time_ns: int, value: Any) -> Summary | None:
    """With one point more; None where that takes all points: it is not the next one."""
    if before is None:
        return summary(Column([step], [time_ns], [value]))
    is_next = step > before.highest and time_ns > before.newest_ns
    if not is_next or (before.is_number and not _is_number(value)):
        return None
    low, high = before.low, before.high
    if before.is_number and value == value:
        low = value if low is None or value < low else low
        high = value if high is None or value > high else high
    return replace(
        before,
        points=before.points + 1,
        step=step,
        last=value,
        at_ns=time_ns,
        highest=step,
        newest_ns=time_ns,
        low=low,
        high=high,
    )


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBERS
