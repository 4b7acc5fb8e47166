"""What the best of n trials is expected to be, by the trials that were made.

Right only for trials that were drawn independently of each other and from one distribution:
random search, or seeds.
"""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.inputs import Floats, series
from samebit.stats.values import Estimate

__all__ = ["expected_best"]

_INDEPENDENT = {"random", "seeds"}
_REFUSED = {
    "grid": "the points of a grid are no draws",
    "manual": "whoever chose a trial knew those before it",
    "tpe": "a trial depends on those before it",
    "bayesian": "a trial depends on those before it",
    "gp": "a trial depends on those before it",
    "cmaes": "a trial depends on those before it",
    "evolution": "a trial depends on those before it",
    "pbt": "a trial depends on those beside it",
    "halving": "trials were stopped by how others did",
    "hyperband": "trials were stopped by how others did",
    "asha": "trials were stopped by how others did",
    "bohb": "trials were stopped by how others did",
    "sobol": "the points of a sequence keep clear of each other",
    "halton": "the points of a sequence keep clear of each other",
}


def expected_best(
    scores: ArrayLike,
    budgets: Iterable[int] | None = None,
    *,
    sampler: str | None = None,
    estimator: Literal["U", "V"] = "U",
    lower_is_better: bool = False,
    over: str = "trials",
) -> tuple[Estimate, ...]:
    """Expected validation performance: the best of n trials on average, with its spread (SD).

    Args:
        scores: of the trials, all of them, also of those that went wrong.
        budgets: how many trials, each at most as many as there are; without it 1, 2, and so on.
        sampler: how the trials were chosen; UsageError where they were not drawn independently.
        estimator: `U` draws trials without putting them back (Tang et al. 2020): unbiased. `V`
            puts them back (Dodge et al. 2019): too low, less so the more trials there are.
        lower_is_better: of losses.
        over: what a trial is one of.
    """
    note = _check_sampler(sampler)
    if estimator not in ("U", "V"):
        raise UsageError(f"an estimator is U or V, not {estimator!r}")
    ordered = np.sort(series(scores, "scores"))
    if lower_is_better:
        ordered = ordered[::-1]
    total = len(ordered)
    found: list[Estimate] = []
    for n in range(1, total + 1) if budgets is None else budgets:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise UsageError(f"a budget is a number of trials, not {n!r}")
        if n > total:
            raise UsageError(f"the best of {n} trials is not known from {total}")
        chances = (_without_putting_back if estimator == "U" else _putting_back)(total, int(n))
        value = float(np.sum(ordered * chances))
        spread = math.sqrt(np.sum((ordered - value) ** 2 * chances))
        low = max(value - spread, float(ordered.min()))
        high = min(value + spread, float(ordered.max()))
        what = f"expected best of {n} by {estimator}_n"
        found.append(Estimate(value, total, over, what, low, high, "SD of the best", note=note))
    return tuple(found)


def _without_putting_back(total: int, n: int) -> Floats:
    """C(i - 1, n - 1) / C(total, n) for i from 1: how likely the i-th is the best of n.

    From the last down each is the one above times (i + 1 - n) / i, so that nothing overflows.
    """
    i = np.arange(total - 1, n - 1, -1)
    chances = np.zeros(total)
    chances[n - 1 :] = np.cumprod(np.concatenate([[n / total], (i + 1 - n) / i]))[::-1]
    return chances


def _putting_back(total: int, n: int) -> Floats:
    """(i / total)^n - ((i - 1) / total)^n for i from 1."""
    return np.diff(np.linspace(0, 1, total + 1) ** n)


def _check_sampler(sampler: str | None) -> str:
    if sampler is None:
        return "sampler not known: right only if trials were drawn independently"
    name = sampler.lower().removesuffix("sampler").strip(" _-")
    for known, why in _REFUSED.items():
        if known in name.replace("-", "").replace("_", ""):
            raise UsageError(
                f"the best of n trials cannot be told of a search by {sampler}: {why}",
                hint="it can of random search, and of seeds",
            )
    if name not in _INDEPENDENT:
        return f"sampler {sampler} not known: right only if trials were drawn independently"
    return ""
