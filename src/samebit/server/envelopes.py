"""A curve as so many columns: of each the lowest, the highest, the last and the mean of its points.

Every recorded point counts. A curve that has not more points than columns is its points.
"""

from typing import Any

from msgspec import Struct

__all__ = ["Envelope", "envelope"]


class Envelope(Struct, frozen=True):
    """Equally long arrays of float64; NaN where a column has no finite value."""

    x: Any  # of the point in the middle of a column
    low: Any
    high: Any
    last: Any  # also where that is infinite or no number
    mean: Any


def envelope(
    xs: Any, ys: Any, columns: int, begin: float | None, end: float | None, numpy: Any
) -> Envelope:
    """What is drawn of a curve.

    Args:
        xs: ascending, finite.
        ys: as many.
        columns: how many there are between `begin` and `end`; empty ones are left out.
        begin: where the first begins; None for the first point.
        end: where the last ends; None for the last point.
        numpy: the library.

    With bounds the nearest point on each side of them comes, too: a line goes on beyond the edge.
    """
    first = 0 if begin is None else int(numpy.searchsorted(xs, begin, "left"))
    behind = len(xs) if end is None else int(numpy.searchsorted(xs, end, "right"))
    before, after = max(first - 1, 0), min(behind + 1, len(xs))
    if behind - first <= columns:
        points = ys[before:after]
        finite = numpy.where(numpy.isfinite(points), points, numpy.nan)
        return Envelope(xs[before:after], finite, finite, points, finite)
    low = xs[first] if begin is None else begin
    high = xs[behind - 1] if end is None else end
    edges = low + (high - low) * (numpy.arange(1, columns) / columns)
    starts = numpy.concatenate([[first], numpy.searchsorted(xs, edges, "left")])
    starts = numpy.unique(starts[starts < behind])
    if before < first:
        starts = numpy.concatenate([[before], starts])
    if after > behind:
        starts = numpy.concatenate([starts, [behind]])
    ends = numpy.append(starts[1:], after)
    return _reduced(xs, ys, starts, ends, numpy)


def _reduced(xs: Any, ys: Any, starts: Any, ends: Any, numpy: Any) -> Envelope:
    base = int(starts[0])
    part, at = ys[base : int(ends[-1])], starts - base
    finite = numpy.isfinite(part)
    is_whole = bool(finite.all())
    lows = numpy.minimum.reduceat(part if is_whole else numpy.where(finite, part, numpy.inf), at)
    highs = numpy.maximum.reduceat(part if is_whole else numpy.where(finite, part, -numpy.inf), at)
    counts = ends - starts if is_whole else numpy.add.reduceat(finite.astype(numpy.int64), at)
    lows[counts == 0] = highs[counts == 0] = numpy.nan
    with numpy.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sums = numpy.add.reduceat(part if is_whole else numpy.where(finite, part, 0.0), at)
        # A sum of numbers near the largest is infinite, and the rounding of one may lie outside.
        means = numpy.where(numpy.isfinite(sums), sums / counts, lows / 2 + highs / 2)
    x, last = xs[(starts + ends) // 2], ys[ends - 1]
    return Envelope(x, lows, highs, last, numpy.clip(means, lows, highs))
