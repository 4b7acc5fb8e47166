"""Curves of several seeds: when do they tell how it ends, and what is stopping early worth?"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from samebit.errors import UsageError
from samebit.stats.inputs import Floats, matrix, pairs
from samebit.stats.ranks import midranks
from samebit.stats.resampling import SEED, Seed, generator, portions
from samebit.stats.values import Estimate

__all__ = ["Fates", "fates", "rank_with_final", "spearman", "stopped_early", "stopping_cost"]


class Fates(Struct, frozen=True):
    """What became of the runs that were started: what a table over seeds has to state."""

    started: int
    finished: int
    stopped_early: int
    diverged: int

    def __str__(self) -> str:
        return (
            f"{self.started} started: {self.finished} finished, "
            f"{self.stopped_early} stopped early, {self.diverged} diverged"
        )


def fates(
    curves: Iterable[Sequence[float]],
    steps: int,
    *,
    floor: float | None = None,
    lower_is_better: bool = False,
) -> Fates:
    """Count runs by how they ended.

    Args:
        curves: of each run its values so far, NaN and infinities included.
        steps: how many values a run has that went to its end.
        floor: what a model knows that learned nothing, as the share of the largest class; a
            run whose last value is not better than it has diverged.
        lower_is_better: of losses.
    """
    started = finished = stopped = diverged = 0
    for curve in curves:
        started += 1
        last = float(curve[-1]) if len(curve) else None
        if last is not None and _is_lost(last, floor, lower_is_better):
            diverged += 1
        elif len(curve) < steps:
            stopped += 1
        else:
            finished += 1
    return Fates(started, finished, stopped, diverged)


def spearman(a: ArrayLike, b: ArrayLike, *, by: str = "seed") -> Estimate:
    """The correlation of ranks (Spearman 1904), ties sharing theirs; NaN if a side is constant."""
    first, second = pairs(a, b)
    value = _correlation(midranks(first), midranks(second))
    note = "all values of one side are equal" if math.isnan(value) else ""
    return Estimate(value, len(first), f"pairs by {by}", "rank correlation", note=note)


def rank_with_final(curves: ArrayLike, *, over: str = "seeds") -> tuple[Estimate, ...]:
    """Of each step the rank correlation of the values there with those at the end.

    Args:
        curves: shape (runs, steps), recorded at the same steps; the last one is the end.
        over: what varied from run to run.
    """
    table = _curves(curves)
    final = midranks(table[:, -1])
    found: list[Estimate] = []
    for at, column in enumerate(table.T):
        value = _correlation(midranks(column), final)
        note = "all values are equal" if math.isnan(value) else ""
        what = f"rank correlation of value {at} with the last"
        found.append(Estimate(value, len(table), over, what, note=note))
    return tuple(found)


def stopping_cost(start: int, keep: int, fraction: float, full: float = 1.0) -> float:
    """What it takes to start some runs and finish the best of them: (t f + p (1 - f)) s.

    Dodge et al. (2020).

    Args:
        start: runs that are started (t).
        keep: runs that are finished (p).
        fraction: of a run after which the others are stopped (f).
        full: what one whole run takes (s): steps, or hours.
    """
    _check_plan(start, keep, fraction)
    return (start * fraction + keep * (1 - fraction)) * full


def stopped_early(
    curves: ArrayLike,
    start: int,
    keep: int,
    fraction: float,
    *,
    lower_is_better: bool = False,
    over: str = "seeds",
    repeats: int = 9_999,
    seed: Seed = SEED,
) -> Estimate:
    """The best final value that stopping early would have found, by runs that were not stopped.

    Many times, as many runs as would be started are drawn from those recorded, without putting
    back; those go on that are best after the fraction, and of these the best final value counts.

    Args:
        curves: shape (runs, steps), recorded at the same steps to the end.
        start: runs that are started, at most as many as were recorded.
        keep: runs that are finished.
        fraction: of a run after which the others are stopped; the last value recorded by then is
            what they are judged by.
        lower_is_better: of losses.
        over: what varied from run to run.
        repeats: how many times they are drawn.
        seed: of the drawing.
    """
    _check_plan(start, keep, fraction)
    table = _curves(curves)
    if start > len(table):
        raise UsageError(f"of {len(table)} recorded runs {start} cannot be started")
    better = -table if lower_is_better else table
    # In the order of how they end, so that the order of the runs is of no account.
    better = better[np.lexsort(better.T)]
    judged, final = better[:, max(0, int(fraction * table.shape[1]) - 1)], better[:, -1]
    source = generator(seed)
    best = np.concatenate(
        [
            _best(judged, final, _chosen(source, len(table), start, rows), keep)
            for rows in portions(repeats, len(table))
        ]
    )
    best = -best if lower_is_better else best
    value, spread = float(best.mean()), float(best.std())
    what = f"best of {keep} kept of {start} after {fraction * 100:g} %"
    low, high = max(value - spread, float(best.min())), min(value + spread, float(best.max()))
    return Estimate(value, len(table), over, what, low, high, f"SD of the best in {repeats} draws")


def _chosen(source: np.random.Generator, n: int, start: int, rows: int) -> NDArray[np.int64]:
    """Some of n, each set as likely."""
    return np.argsort(source.random((rows, n)), axis=1, kind="stable")[:, :start]


def _best(judged: Floats, final: Floats, chosen: NDArray[np.int64], keep: int) -> Floats:
    order = np.argsort(-judged[chosen], axis=1, kind="stable")[:, :keep]
    return final[np.take_along_axis(chosen, order, axis=1)].max(axis=1)


def _is_lost(last: float, floor: float | None, lower_is_better: bool) -> bool:
    if not math.isfinite(last):
        return True
    return floor is not None and (last >= floor if lower_is_better else last <= floor)


def _correlation(first: Floats, second: Floats) -> float:
    x, y = first - first.mean(), second - second.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return max(-1.0, min(1.0, float(x @ y) / size)) if size else math.nan


def _check_plan(start: int, keep: int, fraction: float) -> None:
    if not 1 <= keep <= start:
        raise UsageError(f"of {start} runs {keep} cannot be kept")
    if not 0 < fraction <= 1:
        raise UsageError(f"a fraction of a run is above 0 and at most 1, not {fraction:g}")


def _curves(curves: ArrayLike) -> Floats:
    table = matrix(curves, "curves")
    if len(table) < 2:
        raise UsageError("one curve cannot be ranked")
    return table
