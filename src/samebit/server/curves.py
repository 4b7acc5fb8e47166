"""Curves of many runs: each as an envelope, groups of them as a mean with its interval."""

import math
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec import Struct

from samebit.digest import canonical_json
from samebit.errors import NotFound, UsageError
from samebit.folders.read import View
from samebit.server.answers import CurvePoints, GroupCurve
from samebit.server.axes import Axis, Even, Listed
from samebit.server.columns import cut
from samebit.server.envelopes import Columns, columns_of, envelope
from samebit.server.points import MACHINE, PointsCache, Series, load_numpy
from samebit.stats.distributions import t_quantile

__all__ = ["MOST_POINTS", "Asked", "curves", "group_curve", "points"]

MOST_POINTS = 10_000  # of a table behind a chart, in one answer
_MOST_COLUMNS = 10_000
_CONFIDENCE = 0.95
_ALIGNED = 8  # bytes: of the blocks behind the header
_LENGTH_BYTES = 4

_MOST_THREADS = 4  # that read and draw the curves of one answer

Row = dict[str, Any]
T = TypeVar("T")


class Asked(Struct, frozen=True):
    """What of a metric is to be drawn."""

    metric: str
    x: str = "step"  # step, time, relative, or another metric's name
    begin: float | None = None
    end: float | None = None
    columns: int = 800

    def checked(self) -> "Asked":
        """The same; UsageError where it cannot be drawn."""
        if not self.metric:
            raise UsageError("which metric?")
        if not 1 <= self.columns <= _MOST_COLUMNS:
            raise UsageError(f"a curve has 1 to {_MOST_COLUMNS} columns, not {self.columns}")
        bounds = [bound for bound in (self.begin, self.end) if bound is not None]
        if not all(map(math.isfinite, bounds)) or (len(bounds) == 2 and bounds[0] > bounds[1]):
            raise UsageError("a curve is drawn from a number to a larger one")
        return self


def curves(cache: PointsCache, ids: Sequence[str], asked: Asked) -> bytes:
    """A header of JSON and the blocks of each curve: x, low, high, last, mean."""
    numpy = load_numpy()

    of_axes: dict[Even, Columns] = {}

    def draw(run: str) -> tuple[Row, list[bytes]] | None:
        found = _found(cache, run, asked, numpy)
        if found is None:
            return None
        series, axis, ys = found
        # As a rule many runs have the same steps.
        columns = of_axes.get(axis) if isinstance(axis, Even) else None
        if columns is None:
            columns = columns_of(axis, asked.columns, asked.begin, asked.end, numpy)
            if isinstance(axis, Even):
                of_axes[axis] = columns
        drawn = envelope(ys, columns, numpy)
        parts = (columns.x, drawn.low, drawn.high, drawn.last, drawn.mean)
        told = {"id": run, "points": series.points, "placed": len(ys)}
        told |= {"drawn": len(columns.x), "odd": series.odd}
        return told, [part.astype("<f8", copy=False).tobytes() for part in parts]

    drawn = _of_each(draw, ids)
    told = [one[0] for one in drawn if one is not None]
    missing = [run for run, one in zip(ids, drawn, strict=True) if one is None]
    blocks = [block for one in drawn if one is not None for block in one[1]]
    head: Row = {"metric": asked.metric, "x": asked.x, "from": asked.begin, "to": asked.end}
    header = canonical_json(head | {"curves": told, "missing": missing})
    header += b" " * (-(len(header) + _LENGTH_BYTES) % _ALIGNED)
    return b"".join([len(header).to_bytes(_LENGTH_BYTES, "little"), header, *blocks])


def _of_each(call: Callable[[str], T], ids: Sequence[str]) -> list[T]:
    """What is to be had of each run; reading and reducing leave the interpreter to others."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(call, ids))


def _found(
    cache: PointsCache, run: str, asked: Asked, numpy: Any
) -> tuple[Series, Axis, Any] | None:
    """A metric, where its points lie and their values; None where the run is gone or has none."""
    try:
        series = cache.series(run, asked.metric)
        by = cache.series(run, asked.x) if asked.x not in ("step", *_TIMES) else None
    except NotFound:
        return None  # it was deleted meanwhile, or cannot be read: its row says so
    if series is None:
        return None
    if asked.x == "step":
        return series, series.axis(), series.held_values
    if asked.x in _TIMES:
        xs, ys = _TIMES[asked.x](series, numpy), series.held_values
    elif by is None:
        return None
    else:
        _, mine, other = numpy.intersect1d(
            series.steps(numpy), by.steps(numpy), assume_unique=True, return_indices=True
        )
        xs, ys = by.values(numpy)[other], series.held_values[mine]
        finite = numpy.isfinite(xs)
        xs, ys = xs[finite], ys[finite]
    if not len(xs):
        return None
    if (xs[1:] < xs[:-1]).any():
        order = numpy.argsort(xs, kind="stable")
        xs, ys = xs[order], ys[order]
    return series, Listed(xs), ys


_TIMES: dict[str, Any] = {
    "time": lambda series, numpy: series.seconds(numpy),
    "relative": lambda series, numpy: series.seconds(numpy) - series.begun_ns / 1e9,
}


def group_curve(
    cache: PointsCache, values: Sequence[Any], ids: Sequence[str], asked: Asked
) -> GroupCurve | None:
    """The mean of all of a group's runs at each place, and its interval; None where none has any.

    Where runs have few places together these are told; else each run counts with the mean of what
    it has in a column. A place that only some runs have says of how many it is.
    """
    numpy = load_numpy()
    found = _of_each(lambda run: _found(cache, run, asked, numpy), ids)
    parts = {
        run: _within(*one[1:], asked, numpy)
        for run, one in zip(ids, found, strict=True)
        if one is not None
    }
    parts = {run: part for run, part in parts.items() if len(part[0])}
    if not parts:
        return None
    grid, table = _table(list(parts.values()), asked, numpy)
    counts = (~numpy.isnan(table)).sum(axis=0)
    some = counts > 0
    grid, table, counts = grid[some], table[:, some], counts[some]
    # Halved twice over would lose nothing; a sum of the largest numbers is told as missing.
    with numpy.errstate(all="ignore"):
        means = numpy.nansum(table, axis=0) / counts
        squares = numpy.nansum((table - means) ** 2, axis=0)
        spreads = numpy.sqrt(squares / numpy.maximum(counts - 1, 1) / counts)
    factors = {int(n): t_quantile(0.5 + _CONFIDENCE / 2, int(n) - 1) for n in {*counts} if n > 1}
    halves = spreads * numpy.array([factors.get(int(n), math.nan) for n in counts])
    return GroupCurve(
        values=list(values),
        n=len(parts),
        runs=list(parts),
        x=_plain(grid),
        mean=_plain(means),
        low=_plain(means - halves),
        high=_plain(means + halves),
        count=[int(n) for n in counts],
    )


def _within(axis: Axis, ys: Any, asked: Asked, numpy: Any) -> tuple[Any, Any]:
    """The finite points between the bounds."""
    first = 0 if asked.begin is None else int(axis.before(asked.begin, numpy))
    behind = len(axis) if asked.end is None else int(axis.before(asked.end, numpy, also_at=True))
    xs = axis.at(numpy.arange(first, behind), numpy)
    ys = ys[first:behind].astype(numpy.float64, copy=False)
    finite = numpy.isfinite(ys)
    return (xs, ys) if finite.all() else (xs[finite], ys[finite])


def _table(parts: Sequence[tuple[Any, Any]], asked: Asked, numpy: Any) -> tuple[Any, Any]:
    """Places, and what each run has there: (runs, places), NaN for nothing."""
    low = min(float(xs[0]) for xs, _ in parts)
    high = max(float(xs[-1]) for xs, _ in parts)
    if all(len(xs) <= asked.columns for xs, _ in parts):
        grid = numpy.unique(numpy.concatenate([xs for xs, _ in parts]))
        if len(grid) <= asked.columns:
            return grid, _binned(parts, grid, numpy)
    edges = low + (high - low) * (numpy.arange(asked.columns) / asked.columns)
    middles = edges + (high - low) / asked.columns / 2
    return middles, _binned(parts, edges, numpy)


def _binned(parts: Sequence[tuple[Any, Any]], edges: Any, numpy: Any) -> Any:
    """The mean of each run's points from one edge to before the next."""
    table = numpy.full((len(parts), len(edges)), numpy.nan)
    for row, (xs, ys) in zip(table, parts, strict=True):
        starts = numpy.searchsorted(xs, edges, "left")
        ends = numpy.append(starts[1:], len(xs))
        some = ends > starts
        with numpy.errstate(over="ignore"):
            sums = numpy.add.reduceat(ys, starts[some])
        row[some] = sums / (ends - starts)[some]
    return table


def _plain(values: Any) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def points(view: View, asked: Asked, offset: int) -> CurvePoints:
    """Exact points as they were logged, in order of the steps; a very long text is cut."""
    column = view.metrics.get(asked.metric) or view.machine.get(asked.metric.removeprefix(MACHINE))
    if column is None:
        raise NotFound("this run has no such metric", metric=asked.metric)
    begin = -sys.float_info.max if asked.begin is None else asked.begin
    end = sys.float_info.max if asked.end is None else asked.end
    begun_ns = view.record.started_ns
    found = [
        (step, cut(value) if isinstance(value, str) else value, (time_ns - begun_ns) / 1e9)
        for step, time_ns, value in zip(column.steps, column.times_ns, column.values, strict=True)
        if begin <= step <= end
    ]
    found.sort(key=lambda point: point[0])
    part = found[offset : offset + MOST_POINTS]
    is_more = offset + len(part) < len(found)
    return CurvePoints(
        [list(one) for one in part], len(found), offset + len(part) if is_more else None
    )
