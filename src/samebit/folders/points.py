"""The metrics of a run as arrays in order of their steps: what `View.metrics` has, to be drawn.

It counts what that counts, by the same rules (`streams.rows_of`, `series.metrics`), but looks at
numbers alone and never at one row: a hundred runs of a hundred thousand points are read at once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.folders.streams import Stream, rank_number
from samebit.journal.logged import Logged
from samebit.journal.tabled import Tabled, tabled

__all__ = ["Points", "read", "read_exact"]


class Points(Struct, frozen=True):
    """One metric: three equally long arrays."""

    steps: Any  # float64, ascending, each once
    times_ns: Any  # int64, UTC
    values: Any  # float64


class _Inexact(Exception):
    """Something was logged that float64 does not hold."""


def read_exact(of_ranks: Mapping[str, Stream], numpy: Any) -> dict[str, Points] | None:
    """The same as `read`; None where anything was logged that it leaves out or rounds.

    That is a text, a bool, an integer beyond 2^53, or a step that is no whole number.
    """
    try:
        return read(of_ranks, numpy, exact=True)
    except _Inexact:
        return None


def read(of_ranks: Mapping[str, Stream], numpy: Any, *, exact: bool = False) -> dict[str, Points]:
    """Each metric as the lowest rank logged it; of its rows of a step the later one counts."""
    found: dict[str, list[Points]] = {}
    of_rank: dict[str, int] = {}
    for rank, stream in of_ranks.items():
        number = rank_number(rank)
        for name, parts in _of_stream(stream, numpy, exact).items():
            if of_rank.setdefault(name, number) == number:
                found.setdefault(name, []).extend(parts)
    return {name: _by_step(parts, numpy) for name, parts in found.items()}


def _of_stream(stream: Stream, numpy: Any, exact: bool) -> dict[str, list[Points]]:
    """By name what counts of each episode, the earliest first, each in order of time."""
    found: dict[str, list[Points]] = {}
    floors: dict[str, float] = {}  # by name: the first step at which a later episode logged it
    for which in sorted(stream.logged, reverse=True):
        cut = stream.cuts.get(which, math.inf)
        begun: dict[str, float] = {}
        for name, points in _of_episode(stream.logged[which], numpy, exact).items():
            steps, floor = points.steps, floors.get(name, math.inf)
            if cut < math.inf or floor < math.inf:
                points = _where(points, (points.times_ns < cut) & (steps < floor))
            if len(points.steps):
                found.setdefault(name, []).insert(0, points)
            begun[name] = min(floor, float(points.steps.min(initial=math.inf)))
        floors |= begun
    return found


def _of_episode(logged: Sequence[Logged], numpy: Any, exact: bool) -> dict[str, Points]:
    """By name its points in order of time; names that were always logged together share arrays."""
    together: dict[tuple[str, ...], list[Tabled]] = {}
    for part in logged:
        for one in tabled(part, numpy):
            if exact and not one.exact:
                raise _Inexact
            together.setdefault(tuple(one.values), []).append(one)
    parts: dict[str, list[Points]] = {}
    for names, tables in together.items():
        steps, times_ns, order = _ordered(tables, numpy)
        for name in names:
            values = numpy.concatenate([one.values[name] for one in tables])[order]
            parts.setdefault(name, []).append(Points(steps, times_ns, values))
    return {name: _by_time(mine, numpy) for name, mine in parts.items()}


def _ordered(tables: Sequence[Tabled], numpy: Any) -> tuple[Any, Any, Any]:
    """Steps and times of rows in order of time, and what brings their values into it."""
    steps = numpy.concatenate([one.steps for one in tables])
    times_ns = numpy.concatenate([one.times_ns for one in tables])
    places = numpy.concatenate([one.places for one in tables])
    order = numpy.lexsort((places, times_ns))
    order = order[numpy.isfinite(steps[order])]
    return steps[order], times_ns[order], order


def _by_time(parts: Sequence[Points], numpy: Any) -> Points:
    if len(parts) == 1:
        return parts[0]
    whole = _joined(parts, numpy)
    return _where(whole, numpy.argsort(whole.times_ns, kind="stable"))


def _by_step(parts: Sequence[Points], numpy: Any) -> Points:
    """In order of the steps, of each the one that was written last."""
    whole = parts[0] if len(parts) == 1 else _joined(parts, numpy)
    if (whole.steps[1:] > whole.steps[:-1]).all():
        return whole
    order = numpy.argsort(whole.steps, kind="stable")
    steps = whole.steps[order]
    is_last = numpy.append(steps[1:] != steps[:-1], True)
    return _where(whole, order[is_last])


def _joined(parts: Sequence[Points], numpy: Any) -> Points:
    return Points(
        numpy.concatenate([one.steps for one in parts]),
        numpy.concatenate([one.times_ns for one in parts]),
        numpy.concatenate([one.values for one in parts]),
    )


def _where(points: Points, those: Any) -> Points:
    return Points(points.steps[those], points.times_ns[those], points.values[those])
