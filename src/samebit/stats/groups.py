"""Groups of values that are no pairs: do their means, their ranks, their spreads differ?"""

import math

import numpy as np
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.distributions import f_sf, normal_sf, t_quantile, t_sf
from samebit.stats.inputs import Floats, check_confidence, series
from samebit.stats.intervals import centre, sd
from samebit.stats.ranks import as_read, below, midranks, rounding_of, sums_of_chosen
from samebit.stats.values import Comparison, Estimate, hopeless

__all__ = ["difference", "levene", "mann_whitney", "one_way", "welch_t"]

_EXACT = 80  # values in both groups


def welch_t(a: ArrayLike, b: ArrayLike, *, over: str = "seeds") -> Comparison:
    """Whether two means differ, spreads being what they are (Welch 1947); two-sided."""
    first, second = _group(a, "a"), _group(b, "b")
    n = len(first), len(second)
    off, spread, freedom, note = *_apart(first, second), ""
    if not spread:
        statistic, p, degrees, note = _without_spread(off)
    else:
        statistic, degrees = off / spread, (freedom,)
        p = 2 * t_sf(abs(statistic), freedom)
    return Comparison(p, statistic, n, over, "Welch's t test", "t", freedom=degrees, note=note)


def difference(
    a: ArrayLike, b: ArrayLike, *, over: str = "seeds", confidence: float = 0.95
) -> Estimate:
    """How far the mean of a is above that of b, with Welch's t interval (1947).

    Without an interval where a side has one value. Of pairs, `mean` of their differences is
    narrower.
    """
    check_confidence(confidence)
    first, second = np.sort(series(a, "a")), np.sort(series(b, "b"))
    n, m = len(first), len(second)
    counted, what = f"{over} ({n} and {m})", "difference of means"
    if min(n, m) == 1:
        off = centre(first) - centre(second)
        return Estimate(off, n + m, counted, what, note="one value on a side: no interval")
    off, spread, freedom = _apart(first, second)
    half = t_quantile((1 + confidence) / 2, freedom) * spread if spread else 0.0
    note = "" if spread else "no group varies"
    method = "Welch t interval"
    return Estimate(off, n + m, counted, what, off - half, off + half, method, confidence, note)


def _apart(first: Floats, second: Floats) -> tuple[float, float, float]:
    """How far means are apart, the standard error of that, and Welch's degrees of freedom."""
    off = centre(first) - centre(second)
    parts = [sd(group) ** 2 / len(group) for group in (first, second)]
    total = sum(parts)
    if not total:
        return off, 0.0, 0.0
    shares = zip((part / total for part in parts), (len(first), len(second)), strict=True)
    return off, math.sqrt(total), 1 / sum(share**2 / (k - 1) for share, k in shares)


def mann_whitney(
    a: ArrayLike, b: ArrayLike, *, over: str = "seeds", alpha: float = 0.05
) -> Comparison:
    """Whether values of one group tend to be larger (Mann and Whitney 1947); two-sided.

    U counts pairs in which a is larger, ties as half; U over the number of pairs is the
    probability of improvement. Exact for up to 80 values, also with ties: p is twice the smaller
    tail. Beyond by the normal distribution, corrected for ties and for continuity, which the
    method then says.
    """
    first, second = series(a, "a"), series(b, "b")
    n, m = len(first), len(second)
    ranks = midranks(np.concatenate([first, second]))
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    smallest = 2 / math.comb(n + m, n) if n + m <= _EXACT else None
    if ranks.min() == ranks.max():
        p = smallest = 1.0
    elif n + m <= _EXACT:
        chances = sums_of_chosen(ranks, n)
        p = min(1.0, 2 * min(below(chances, float(ranks[:n].sum()))))
        ends = chances[np.flatnonzero(chances)[[0, -1]]]
        smallest = min(1.0, 2 * float(ends.min()))
    else:
        spread = math.sqrt(n * m * float(np.var(ranks, ddof=1)) / (n + m))
        p = min(1.0, 2 * normal_sf((abs(u - n * m / 2) - 0.5) / spread))
    exact = "exact " if n + m <= _EXACT else ""
    return Comparison(
        p,
        u,
        (n, m),
        over,
        f"{exact}Mann-Whitney test{'' if exact else ', normal approximation'}",
        "U",
        smallest_p=smallest,
        note=hopeless(f"{n} and {m} {over}", smallest or 0.0, alpha),
    )


def one_way(*groups: ArrayLike, over: str = "runs") -> Comparison:
    """Whether the means of groups differ more than the values in them (Fisher's F, 1925)."""
    found = _groups(groups)
    centres, grand = [centre(group) for group in found], centre(np.concatenate(found))
    n = sum(map(len, found))
    between = math.fsum(
        len(group) * (each - grand) ** 2 for group, each in zip(found, centres, strict=True)
    )
    within = math.fsum(sd(group) ** 2 * (len(group) - 1) for group in found)
    freedom = (len(found) - 1, n - len(found))
    note = ""
    if within:
        statistic = between / freedom[0] / (within / freedom[1])
        p = f_sf(statistic, *freedom)
    else:
        statistic, p, _, note = _without_spread(max(centres) - min(centres))
    sizes = tuple(map(len, found))
    return Comparison(p, statistic, sizes, over, "one-way ANOVA", "F", freedom=freedom, note=note)


def levene(*groups: ArrayLike, over: str = "runs") -> Comparison:
    """Whether the spreads of groups differ: an ANOVA of distances from each group's median.

    From the median, as Brown and Forsythe (1974) do, not from the mean, as Levene (1960) did.
    """
    found = _groups(groups)
    apart = np.concatenate([np.abs(group - np.median(group)) for group in found])
    cuts = np.cumsum([len(group) for group in found])[:-1]
    found = one_way(*np.split(as_read(apart, rounding_of(*found)), cuts), over=over)
    return Comparison(
        found.p,
        found.statistic,
        found.n,
        over,
        "Levene's test, from medians",
        "F",
        freedom=found.freedom,
        note=found.note,
    )


def _groups(groups: tuple[ArrayLike, ...]) -> list[Floats]:
    if len(groups) < 2:
        raise UsageError("one group has nothing to be compared with")
    return [_group(group, f"group {at}") for at, group in enumerate(groups)]


def _group(values: ArrayLike, name: str) -> Floats:
    found = np.sort(series(values, name))
    if len(found) == 1:
        raise UsageError(f"{name} has one value, and no spread to compare with")
    return found


def _without_spread(off: float) -> tuple[float, float, tuple[float, ...], str]:
    """Statistic, p, degrees of freedom and a note where no group varies."""
    if not off:
        return 0.0, 1.0, (), "all values are equal"
    return (
        math.nan,
        1.0,
        (),
        f"no group varies, and means are {abs(off):g} apart: no test can judge",
    )
