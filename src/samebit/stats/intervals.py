"""A mean with its interval or its spread, and a proportion."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.distributions import normal_cdf, normal_quantile, t_quantile
from samebit.stats.inputs import Floats, check_confidence, series
from samebit.stats.resampling import SEED, Seed, means, percentiles
from samebit.stats.values import Estimate

__all__ = ["How", "centre", "mean", "proportion", "sd", "seeds_needed", "sem"]

How = Literal["t", "percentile", "bca", "sd", "sem"]

_METHODS = {"t": "t interval", "sd": "SD", "sem": "SEM"}
_BOOTSTRAPS = {"percentile": "percentile bootstrap interval", "bca": "BCa bootstrap interval"}
_FEW = 10
_MOST_SEEDS = 10**9


def mean(
    values: ArrayLike,
    *,
    over: str = "seeds",
    how: How = "t",
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = None,
    resamples: int = 9_999,
    seed: Seed = SEED,
) -> Estimate:
    """The mean, and an interval in which the mean of all seeds lies, or the spread of the values.

    Args:
        values: one of each seed.
        over: what varied.
        how: Student's t, which is right for few values that are about normal; percentiles of
            means of resamples (Efron 1979), or those corrected for bias and skewness (BCa, Efron
            1987), which are too narrow below ten; or a spread: the standard deviation (`sd`), or
            that of the mean (`sem`).
        confidence: of the interval.
        bounds: between which the measure lies; what of an interval does not is noted.
        resamples: of a bootstrap.
        seed: of a bootstrap; the same values in any order give the same interval.
    """
    check_confidence(confidence)
    if how not in _METHODS and how not in _BOOTSTRAPS:
        raise UsageError(
            f"no interval is called {how!r}", known=", ".join((*_METHODS, *_BOOTSTRAPS))
        )
    found = np.sort(series(values))
    n, value = len(found), centre(found)
    if bounds is not None and not bounds[0] <= found[0] <= found[-1] <= bounds[1]:
        raise UsageError("a value is outside the bounds", values=found.tolist(), bounds=bounds)
    if n == 1:
        return Estimate(value, 1, over, "mean", note="one value: no interval")
    notes: list[str] = []
    if found[0] == found[-1]:
        low = high = value
        notes.append("all values are equal")
    elif how in ("percentile", "bca"):
        tails = (1 - confidence) / 2, (1 + confidence) / 2
        resampled = means(found, resamples, seed)
        if how == "bca":
            tails = _corrected(found, value, resampled, tails)
        low, high = percentiles(resampled, *tails)
        if n < _FEW:
            notes.append(f"a bootstrap of fewer than {_FEW} values is too narrow")
    else:
        half = sd(found) if how == "sd" else sem(found)
        if how == "t":
            half *= t_quantile((1 + confidence) / 2, n - 1)
        low, high = value - half, value + half
    if bounds is not None and not (bounds[0] <= low and high <= bounds[1]):
        notes.append(f"the interval leaves the range from {bounds[0]:g} to {bounds[1]:g}")
    return Estimate(
        value,
        n,
        over,
        "mean",
        low,
        high,
        _METHODS.get(how) or f"{_BOOTSTRAPS[how]} from {resamples} resamples",
        None if how in ("sd", "sem") else confidence,
        "; ".join(notes),
    )


def centre(values: Floats) -> float:
    """The mean as a float, the same in any order, and of equal values that value."""
    least = float(values.min())
    return least if least == values.max() else math.fsum(values) / len(values)


def sd(values: ArrayLike) -> float:
    """The standard deviation, with n - 1; UsageError for one value."""
    found = np.sort(series(values))
    if len(found) == 1:
        raise UsageError("one value has no standard deviation")
    if found[0] == found[-1]:
        return 0.0
    return math.hypot(*(found - centre(found))) / math.sqrt(len(found) - 1)


def sem(values: ArrayLike) -> float:
    """The standard deviation of the mean (standard error); UsageError for one value."""
    found = series(values)
    return sd(found) / math.sqrt(len(found))


def seeds_needed(values: ArrayLike, within: float, *, confidence: float = 0.95) -> int:
    """How many values give a mean ± `within`, if they vary as these do (Student's t interval).

    At least two. The spread of a few values is itself not well known: so is this number.
    """
    check_confidence(confidence)
    if not within > 0:
        raise UsageError(f"an interval is wider than {within:g}", hint="give a positive number")
    spread = sd(values)

    def half(n: int) -> float:
        return t_quantile((1 + confidence) / 2, n - 1) * spread / math.sqrt(n)

    low, high = 1, 2
    while half(high) > within:
        low, high = high, 2 * high
        if high > _MOST_SEEDS:
            raise UsageError(
                f"more than {_MOST_SEEDS:,} values would be needed for ± {within:g}", sd=spread
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if half(middle) > within else (low, middle)
    return high


def proportion(k: int, n: int, *, over: str = "examples", confidence: float = 0.95) -> Estimate:
    """A share k of n, with Wilson's interval (1927): an accuracy on n test examples.

    It says how sure the accuracy of one model is on so many examples, and nothing about seeds.
    """
    check_confidence(confidence)
    if not (isinstance(k, int | np.integer) and isinstance(n, int | np.integer) and 0 <= k <= n):
        raise UsageError(f"k of n needs whole numbers, k at most n, not {k!r} of {n!r}")
    if n == 0:
        raise UsageError("0 of 0 is no proportion")
    z = normal_quantile((1 + confidence) / 2)
    share, widening = k / n, z * z / n
    middle = (share + widening / 2) / (1 + widening)
    half = z / (1 + widening) * math.sqrt(share * (1 - share) / n + widening / (4 * n))
    low = 0.0 if k == 0 else middle - half
    high = 1.0 if k == n else middle + half
    return Estimate(share, int(n), over, "share", low, high, "Wilson interval", confidence)


def _corrected(
    ordered: Floats, value: float, resampled: Floats, tails: tuple[float, float]
) -> tuple[float, float]:
    """Which percentiles BCa takes."""
    # Resamples that equal the mean but for rounding are half below it.
    slack = 1e-12 * float(np.abs(ordered).max())
    below = np.mean(resampled < value - slack) + np.mean(resampled <= value + slack)
    least = 0.5 / len(resampled)
    bias = normal_quantile(min(max(float(below) / 2, least), 1 - least))
    # Of the jackknife: the mean without a value is off by as much as this value, the other way.
    off = (ordered - value) / np.ptp(ordered)
    skew = float(np.sum(off**3) / (6 * np.sum(off**2) ** 1.5))
    shifted = [bias + normal_quantile(tail) for tail in tails]
    low, high = (normal_cdf(bias + each / (1 - skew * each)) for each in shifted)
    return low, high
