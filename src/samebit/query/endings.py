"""When the curves of several seeds tell how they end, and what stopping the others would have cost.

As Dodge et al. (2020) ask of finished runs: from which step on their order is that of the end, and
which of them would have been found had only the best so far been finished.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from samebit import stats

if TYPE_CHECKING:
    from samebit.stats.inputs import Floats

__all__ = ["Curve", "Endings", "Stopped", "endings"]

_LEAST_RUNS = 4  # fewer have too few orders to be correlated
_LEAST_STEPS = 3
_MOST_STEPS = 200  # that are told
_HIGH = 0.9
_FRACTIONS = (0.1, 0.25, 0.5)
_METHOD = "rank correlation (Spearman 1904) of the values at a step with those at the last"

Curve = tuple[Any, Any]  # steps, each once, and the values there


class Stopped(Struct, frozen=True):
    """What stopping early would have found, had all these runs been started."""

    start: int
    keep: int
    fraction: float  # of a run after which the others are stopped
    cost: float  # in whole runs: start * fraction + keep * (1 - fraction)
    found: float  # the best of those that were kept
    best: float  # of all, which costs `start` whole runs
    whole: float  # expected best of as many whole runs as the same cost affords


class Endings(Struct, frozen=True):
    """How early the end can be told."""

    steps: list[float]
    ranks: list[float | None]  # None where all values are equal
    high_from: float | None  # the step from which on all of these are at least 0.9
    n: int
    over: str
    method: str
    note: str
    stopped: list[Stopped]


def endings(curves: Sequence[Curve], better: str, *, over: str = "seeds") -> Endings | None:
    """What curves of finished runs tell; None of fewer than four, or of fewer than three steps.

    Args:
        curves: of one metric; only steps that all of them have count, where all are finite.
        better: `higher` or `lower`; empty where nobody knows, and then nothing is stopped.
        over: what varied.
    """
    if len(curves) < _LEAST_RUNS:
        return None
    steps, table = _common(curves)
    if len(steps) < _LEAST_STEPS:
        return None
    ranks = [one.value for one in stats.rank_with_final(table, over=over)]
    told = [value if math.isfinite(value) else None for value in ranks]
    if told[-1] is None:
        return None
    high = len(ranks)
    while high and ranks[high - 1] >= _HIGH:
        high -= 1
    last = len(steps) - 1
    some = sorted({round(at * last / (_MOST_STEPS - 1)) for at in range(_MOST_STEPS)})
    fewer = max(len(curve[0]) for curve in curves) - len(steps)
    return Endings(
        [float(steps[at]) for at in some],
        [told[at] for at in some],
        float(steps[high]) if high < len(steps) else None,
        len(curves),
        over,
        _METHOD,
        f"steps that not all runs have, or not as a number: {fewer}" if fewer else "",
        [_stopped(table, fraction, better) for fraction in _FRACTIONS] if better else [],
    )


def _common(curves: Sequence[Curve]) -> tuple["Floats", "Floats"]:
    """The steps that all curves have, and a row of values for each curve."""
    import numpy as np  # noqa: PLC0415  (without it the page has all but this)

    steps = np.asarray(curves[0][0], np.float64)
    for each, _ in curves[1:]:
        steps = np.intersect1d(steps, each, assume_unique=True)
    rows = [np.asarray(values, np.float64)[np.searchsorted(at, steps)] for at, values in curves]
    table = np.array(rows)
    finite = np.isfinite(table).all(axis=0)
    return steps[finite], table[:, finite]


def _stopped(table: "Floats", fraction: float, better: str) -> Stopped:
    start, is_lower = len(table), better == "lower"
    keep = max(1, start // 4)
    cost = stats.stopping_cost(start, keep, fraction)
    # All of them are started, so that there is one way to draw them.
    found = stats.stopped_early(table, start, keep, fraction, lower_is_better=is_lower, repeats=1)
    final = table[:, -1]
    (whole,) = stats.expected_best(
        final, [max(1, int(cost))], sampler="seeds", lower_is_better=is_lower
    )
    best = float(final.min() if is_lower else final.max())
    return Stopped(start, keep, fraction, cost, found.value, best, whole.value)
