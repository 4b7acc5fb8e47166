"""A curve as so many columns: of each the lowest, the highest, the last and the mean of its points.

Every recorded point counts. A curve that has not more points than columns is its points.
"""

from typing import Any

from msgspec import Struct

from samebit.server.axes import Axis

__all__ = ["Columns", "Envelope", "columns_of", "envelope"]


class Columns(Struct, frozen=True):
    """Which points each column has; equally long arrays. None of them is empty, none overlap."""

    x: Any  # of the point in the middle of a column
    starts: Any
    ends: Any  # behind the last one


class Envelope(Struct, frozen=True):
    """Equally long arrays of float64; NaN where a column has no finite value."""

    low: Any
    high: Any
    last: Any  # also where that is infinite or no number
    mean: Any


def columns_of(
    axis: Axis, columns: int, begin: float | None, end: float | None, numpy: Any
) -> Columns:
    """Part the points of a curve, of which there is at least one.

    Args:
        axis: where they lie.
        columns: how many there are between `begin` and `end`; empty ones are left out.
        begin: where the first begins; None for the first point.
        end: where the last ends; None for the last point.
        numpy: the library.

    With bounds the nearest point on each side of them comes, too: a line goes on beyond the edge.
    """
    first = 0 if begin is None else int(axis.before(begin, numpy))
    behind = len(axis) if end is None else int(axis.before(end, numpy, also_at=True))
    before, after = max(first - 1, 0), min(behind + 1, len(axis))
    if behind - first <= columns:
        starts = numpy.arange(before, after)
        return Columns(axis.at(starts, numpy), starts, starts + 1)
    low = float(axis.at(first, numpy)) if begin is None else begin
    high = float(axis.at(behind - 1, numpy)) if end is None else end
    edges = low + (high - low) * (numpy.arange(1, columns) / columns)
    # An edge beyond the largest float would lie behind the last column.
    inner = numpy.minimum(axis.before(edges, numpy), behind)
    starts = numpy.concatenate([[first], inner, [behind]])
    starts = starts[:-1][starts[1:] > starts[:-1]]
    starts = numpy.concatenate(
        [[before] if before < first else [], starts, [behind] if after > behind else []]
    ).astype(numpy.int64)
    ends = numpy.append(starts[1:], after)
    return Columns(axis.at((starts + ends) // 2, numpy), starts, ends)


def envelope(ys: Any, columns: Columns, numpy: Any) -> Envelope:
    """What is drawn of a curve, from all values of its points, float32 or float64."""
    base = int(columns.starts[0])
    part = ys[base : int(columns.ends[-1])].astype(numpy.float64, copy=False)
    at = columns.starts - base
    finite = numpy.isfinite(part)
    is_whole = bool(finite.all())
    lows = numpy.minimum.reduceat(part if is_whole else numpy.where(finite, part, numpy.inf), at)
    highs = numpy.maximum.reduceat(part if is_whole else numpy.where(finite, part, -numpy.inf), at)
    many = columns.ends - columns.starts
    counts = many if is_whole else numpy.add.reduceat(finite.astype(numpy.int64), at)
    lows[counts == 0] = highs[counts == 0] = numpy.nan
    with numpy.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sums = numpy.add.reduceat(part if is_whole else numpy.where(finite, part, 0.0), at)
        # A sum of numbers near the largest is infinite, and the rounding of one may lie outside.
        means = numpy.where(numpy.isfinite(sums), sums / counts, lows / 2 + highs / 2)
    last = part[columns.ends - 1 - base]
    return Envelope(lows, highs, last, numpy.clip(means, lows, highs))
