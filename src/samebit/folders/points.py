"""The metrics of a run as arrays in order of their steps: what `View.metrics` has, to be drawn.

It counts what that counts, by the same rules (`streams.rows_of`, `series.metrics`), but looks at
numbers alone and never at one row: a hundred runs of a hundred thousand points are read at once.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.folders.streams import Episode, Stream, rank_number
from samebit.journal.logged import Logged, Row
from samebit.journal.tabled import NotNumbers, Tabled, tabled

__all__ = ["Points", "as_written", "of_rows", "read", "read_exact", "row_at"]


_NUMBER_AT = 40  # in a place: above it the number of its segment


class Points(Struct, frozen=True):
    """One metric: equally long arrays."""

    steps: Any  # float64, ascending, each once
    times_ns: Any  # int64, UTC
    values: Any  # float64
    places: Any = None  # int64, see `row_at`; None of what was not logged


def read(of_ranks: Mapping[str, Stream], numpy: Any) -> dict[str, Points]:
    """Each metric as the lowest rank logged it; of its rows of a step the later one counts."""
    found = as_written(of_ranks, numpy)
    return {name: _by_step(points, numpy) for name, points in found.items()}


def read_exact(of_ranks: Mapping[str, Stream], numpy: Any) -> dict[str, Points] | None:
    """The same; None where anything was logged that it would leave out or round (see `tabled`)."""
    try:
        found = as_written(of_ranks, numpy, is_strict=True)
    except NotNumbers:
        return None
    return {name: _by_step(points, numpy) for name, points in found.items()}


def as_written(
    of_ranks: Mapping[str, Stream], numpy: Any, *, is_strict: bool = False
) -> dict[str, Points]:
    """The same in the order in which it counts: by rank, by episode, by time; steps come again.

    Raises NotNumbers where that is not all that was logged, if `is_strict`.
    """
    found: dict[str, list[Points]] = {}
    of_rank: dict[str, int] = {}
    begin = 0
    for rank, stream in of_ranks.items():
        number = rank_number(rank)
        for name, parts in _of_stream(stream, begin, numpy, is_strict).items():
            if of_rank.setdefault(name, number) == number:
                found.setdefault(name, []).extend(parts)
        begin += sum(map(len, stream.logged.values()))
    return {name: _joined(parts, numpy) for name, parts in found.items()}


def row_at(of_ranks: Mapping[str, Stream], place: int) -> Row:
    """The row that lies at a place of `as_written`."""
    every = (part for one in of_ranks.values() for parts in one.logged.values() for part in parts)
    number, payload = place >> _NUMBER_AT, place & ((1 << _NUMBER_AT) - 1)
    logged = replace(next(islice(every, number, None)), payloads=[payload])
    row = next(logged.rows())
    assert row is not None  # it was read before
    return row


def of_rows(logged: Sequence[Logged], numpy: Any) -> dict[str, Points]:
    """Each metric in some rows of one rank and episode."""
    found = _of_episode(logged, 0, numpy, is_strict=False)
    return {name: _by_step(one, numpy) for name, one in found.items() if len(one.steps)}


def _of_stream(stream: Stream, begin: int, numpy: Any, is_strict: bool) -> dict[str, list[Points]]:
    """By name what counts of each episode, the earliest first, each in order of time."""
    found: dict[str, list[Points]] = {}
    floors: dict[str, float] = {}  # by name: the first step at which a later episode logged it
    numbers: dict[Episode, int] = {}
    for which in stream.logged:
        numbers[which], begin = begin, begin + len(stream.logged[which])
    for which in sorted(stream.logged, reverse=True):
        cut = stream.cuts.get(which, math.inf)
        begun: dict[str, float] = {}
        logged, number = stream.logged[which], numbers[which]
        for name, points in _of_episode(logged, number, numpy, is_strict=is_strict).items():
            steps, floor = points.steps, floors.get(name, math.inf)
            if cut < math.inf or floor < math.inf:
                points = _where(points, (points.times_ns < cut) & (steps < floor))
            if len(points.steps):
                found.setdefault(name, []).insert(0, points)
            begun[name] = min(floor, float(points.steps.min(initial=math.inf)))
        floors |= begun
    return found


def _of_episode(
    logged: Sequence[Logged], begin: int, numpy: Any, *, is_strict: bool
) -> dict[str, Points]:
    """By name its points in order of time; names that were always logged together share arrays."""
    together: dict[tuple[str, ...], list[tuple[int, Tabled]]] = {}
    for number, part in enumerate(logged, start=begin):
        for one in tabled(part, numpy, is_strict=is_strict):
            together.setdefault(tuple(one.values), []).append((number << _NUMBER_AT, one))
    parts: dict[str, list[Points]] = {}
    for names, tables in together.items():
        steps = numpy.concatenate([one.steps for _, one in tables])
        times_ns = numpy.concatenate([one.times_ns for _, one in tables])
        places = numpy.concatenate([base + one.places for base, one in tables])
        order = _order(steps, times_ns, places, numpy)
        if order is not None:
            steps, times_ns, places = steps[order], times_ns[order], places[order]
        for name in names:
            values = numpy.concatenate([one.values[name] for _, one in tables])
            values = values if order is None else values[order]
            parts.setdefault(name, []).append(Points(steps, times_ns, values, places))
    return {name: _by_time(mine, numpy) for name, mine in parts.items()}


def _order(steps: Any, times_ns: Any, places: Any, numpy: Any) -> Any:
    """What brings rows into the order of time; None where they are in it."""
    if (times_ns[1:] > times_ns[:-1]).all() and numpy.isfinite(steps).all():
        return None
    order = numpy.lexsort((places, times_ns))
    return order[numpy.isfinite(steps[order])]


def _by_time(parts: Sequence[Points], numpy: Any) -> Points:
    if len(parts) == 1:
        return parts[0]
    whole = _joined(parts, numpy)
    return _where(whole, numpy.argsort(whole.times_ns, kind="stable"))


def _by_step(whole: Points, numpy: Any) -> Points:
    """In order of the steps, of each the one that was written last."""
    if (whole.steps[1:] > whole.steps[:-1]).all():
        return whole
    order = numpy.argsort(whole.steps, kind="stable")
    steps = whole.steps[order]
    is_last = numpy.append(steps[1:] != steps[:-1], True)
    return _where(whole, order[is_last])


def _joined(parts: Sequence[Points], numpy: Any) -> Points:
    if len(parts) == 1:
        return parts[0]
    return Points(
        numpy.concatenate([one.steps for one in parts]),
        numpy.concatenate([one.times_ns for one in parts]),
        numpy.concatenate([one.values for one in parts]),
        numpy.concatenate([one.places for one in parts]),
    )


def _where(points: Points, those: Any) -> Points:
    return Points(
        points.steps[those], points.times_ns[those], points.values[those], points.places[those]
    )
