"""Two methods in pairs, with the same seed or on the same task: which one is better?

`a` and `b` have one value of each pair, in the same order; `by` says what pairs were made by.
Differences that agree to the rounding of what was subtracted are equal, as 0.91 - 0.88 and
0.88 - 0.85 are to a reader.
"""

import math
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.distributions import normal_quantile, normal_sf, t_sf
from samebit.stats.groups import mann_whitney
from samebit.stats.inputs import Floats, check_confidence, pairs, series
from samebit.stats.intervals import sd, sem
from samebit.stats.ranks import as_read, below, midranks, rounding_of, sums_of_signed
from samebit.stats.resampling import SEED, Seed, drawn, generator, means, percentiles
from samebit.stats.tasks import probability_of_improvement
from samebit.stats.values import Comparison, Estimate, hopeless

__all__ = [
    "Answer",
    "Decision",
    "cohen_dz",
    "decide",
    "decide_unpaired",
    "paired_t",
    "pairs_needed",
    "sign_flip",
    "wilcoxon",
]

Answer = Literal["not significant", "significant, not meaningful", "significant and meaningful"]

_EXACT_PAIRS = 36  # of which each half has 2^18 sums
_EXACT_RANKS = 400
_FEW = 10
_FLIPS = 99_999
_SIGNS_AT_ONCE = 12


class Decision(Struct, frozen=True):
    """Whether a beats b often enough to matter."""

    answer: Answer
    probability: Estimate  # that a beats b
    gamma: float
    smallest_p: float = 0.0  # that an exact test of so many values can reach

    def __str__(self) -> str:
        return f"{self.answer}: {self.probability}"

    def turned(self) -> "Decision":
        """The same of b over a, by the same interval."""
        share = self.probability
        low, high = (None if end is None else 1 - end for end in (share.high, share.low))
        turned = replace(share, value=1 - share.value, low=low, high=high)
        return _decided(turned, self.gamma, self.smallest_p)


def sign_flip(
    a: ArrayLike, b: ArrayLike, *, by: str = "seed", alpha: float = 0.05, seed: Seed = SEED
) -> Comparison:
    """Whether the mean difference is 0, if each difference could as well have the other sign.

    Two-sided and exact for up to 36 pairs that differ (Fisher 1935), by the sums of two halves;
    beyond by 99,999 random choices of signs, which the method then says. It assumes nothing about
    the distribution but its symmetry.
    """
    differences, rounding = _differences(a, b)
    sizes = np.sort(np.abs(differences[differences != 0]))
    total = math.fsum(differences)
    at_least = abs(total) - len(sizes) * rounding
    smallest = _smallest_p(differences)
    method = "exact sign-flip test"
    if at_least <= 0:
        total, p = 0.0, 1.0
    elif len(sizes) <= _EXACT_PAIRS:
        some, others = _signed_sums(sizes[::2]), _signed_sums(sizes[1::2])
        reached = np.searchsorted(others, at_least - some).astype(float)
        p = 2 * float(np.sum(len(others) - reached)) / (len(some) * len(others))
    else:
        method = f"sign-flip test of {_FLIPS} random signs"
        smallest = 1 / (_FLIPS + 1)
        p = (1 + _flipped(sizes, at_least, seed)) / (_FLIPS + 1)
    return Comparison(
        p,
        total / len(differences),
        (len(differences),),
        f"pairs by {by}",
        method,
        "mean difference",
        smallest_p=smallest,
        note=_note(differences, smallest, alpha),
    )


def wilcoxon(a: ArrayLike, b: ArrayLike, *, by: str = "seed", alpha: float = 0.05) -> Comparison:
    """The signed-rank test, two-sided; W is the smaller sum of ranks.

    Pairs without a difference are left out, as Wilcoxon (1945) did, and equal differences share
    their mean rank. Exact for up to 400 differences, also with ties; beyond by the normal
    distribution, corrected for ties, which the method then says.
    """
    differences, _ = _differences(a, b)
    left = differences[differences != 0]
    if not len(left):
        least, p = 0.0, 1.0
    else:
        ranks = midranks(np.abs(left))
        up = float(ranks[left > 0].sum())
        least = min(up, float(ranks.sum()) - up)
        if len(left) <= _EXACT_RANKS:
            p = min(1.0, 2 * below(sums_of_signed(ranks), least)[0])
        else:
            spread = math.sqrt(float(np.sum(ranks**2))) / 2
            p = 2 * normal_sf((float(ranks.sum()) / 2 - least) / spread)
    exact, smallest = len(left) <= _EXACT_RANKS, _smallest_p(differences)
    return Comparison(
        p,
        least,
        (len(differences),),
        f"pairs by {by}",
        f"{'exact ' if exact else ''}Wilcoxon test{'' if exact else ', normal approximation'}",
        "W",
        smallest_p=smallest,
        note=_note(differences, smallest, alpha),
    )


def paired_t(a: ArrayLike, b: ArrayLike, *, by: str = "seed") -> Comparison:
    """Student's t of the differences (1908), two-sided; right where they are about normal."""
    differences, _ = _differences(a, b)
    n, note = len(differences), ""
    if n == 1:
        raise UsageError("one pair has no spread to compare with")
    mean, spread = math.fsum(differences) / n, sem(differences)
    statistic = mean / spread if spread else math.nan if mean else 0.0
    if not spread:
        note = f"all differences are {differences[0]:g}: t says nothing"
    p = 2 * t_sf(abs(statistic), n - 1) if spread else 1.0
    return Comparison(
        p, statistic, (n,), f"pairs by {by}", "paired t test", "t", freedom=(n - 1,), note=note
    )


def cohen_dz(a: ArrayLike, b: ArrayLike, *, by: str = "seed") -> Estimate:
    """The mean difference in standard deviations of the differences (Cohen 1988)."""
    differences, _ = _differences(a, b)
    n = len(differences)
    if n == 1:
        raise UsageError("one pair has no spread to compare with")
    mean, spread = math.fsum(differences) / n, sd(differences)
    value = mean / spread if spread else math.nan if mean else 0.0
    note = "" if spread else f"all differences are {differences[0]:g}"
    return Estimate(value, n, f"pairs by {by}", "Cohen's d_z", note=note)


def decide(
    a: ArrayLike,
    b: ArrayLike,
    *,
    gamma: float = 0.75,
    by: str = "seed",
    confidence: float = 0.95,
    resamples: int = 9_999,
    seed: Seed = SEED,
) -> Decision:
    """Whether a beats b, and often enough (Bouthillier et al. 2021).

    P(A>B) is the share of pairs that a wins, ties counted as half, with a percentile bootstrap
    interval over pairs. Not significant: the interval reaches down to 0.5. Significant, not
    meaningful: it lies above 0.5, and not beyond gamma. Otherwise both. So few pairs that no exact
    test could be significant are not significant here, either, though all of them be won.

    Args:
        a: higher is better; of losses, give b as a.
        b: the other side of each pair.
        gamma: from which share of wins on one method is worth being preferred.
        by: what pairs were made by.
        confidence: of the interval.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    check_confidence(confidence)
    _check_gamma(gamma)
    differences, _ = _differences(a, b)
    wins = np.sort((np.sign(differences) + 1) / 2)
    smallest = _smallest_p(differences)
    n, over = len(wins), f"pairs by {by}"
    if n == 1:
        only = Estimate(float(wins[0]), 1, over, "P(A>B)", note="one pair: no interval")
        return _decided(only, gamma, 1.0)
    shares = means(wins, resamples, seed)
    low, high = percentiles(shares, (1 - confidence) / 2, (1 + confidence) / 2)
    notes = [
        "all resamples are equal" if low == high else "",
        _hopeless(differences, smallest, 1 - confidence),
    ]
    if not any(notes):
        notes.append(_more_needed(n, gamma, "pairs"))
    note = "; ".join(filter(None, notes))
    method = f"percentile bootstrap interval from {resamples} resamples"
    share = Estimate(float(wins.mean()), n, over, "P(A>B)", low, high, method, confidence, note)
    return _decided(share, gamma, smallest)


def decide_unpaired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    gamma: float = 0.75,
    over: str = "runs",
    confidence: float = 0.95,
    resamples: int = 9_999,
    seed: Seed = SEED,
) -> Decision:
    """The same of groups that make no pairs: P(A>B) is of a run of each, drawn apart.

    It is Mann and Whitney's U over the number of pairs, with a percentile bootstrap interval in
    which each group is resampled by itself. Too few runs for an exact test to be significant are
    not significant here, either.

    Args:
        a: higher is better; of losses, give b as a.
        b: the other group, of any size.
        gamma: as in `decide`.
        over: what a run is one of.
        confidence: of the interval.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    check_confidence(confidence)
    _check_gamma(gamma)
    first, second = series(a, "a"), series(b, "b")
    n, m = len(first), len(second)
    share = probability_of_improvement(
        first[:, None],
        second[:, None],
        over=over,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    exact = mann_whitney(first, second, over=over, alpha=1 - confidence)
    notes = [share.note, exact.note]
    if not any(notes) and min(n, m) < _FEW:
        notes.append(f"a bootstrap of fewer than {_FEW} {over} is too narrow")
    if not any(notes):
        notes.append(_more_needed(min(n, m), gamma, f"{over} of each"))
    share = replace(
        share,
        n=n + m,
        over=f"{over} ({n} and {m})",
        what="P(A>B)",
        method=share.method.replace("stratified", "percentile"),
        note="; ".join(filter(None, notes)),
    )
    return _decided(share, gamma, exact.smallest_p or 0.0)


def _decided(share: Estimate, gamma: float, smallest_p: float) -> Decision:
    """What an interval of P(A>B) says; nothing where so few values can say nothing."""
    answer: Answer = "not significant"
    if share.low is not None and share.high is not None and share.confidence is not None:
        could_be = smallest_p <= 1 - share.confidence
        if share.low > 0.5 and could_be:
            meaningful = share.high > gamma
            answer = "significant and meaningful" if meaningful else "significant, not meaningful"
    return Decision(answer, share, gamma, smallest_p)


def _more_needed(n: int, gamma: float, what: str) -> str:
    needed = pairs_needed(gamma)
    return f"{needed} {what} would find P(A>B) = {gamma:g}" if n < needed else ""


def pairs_needed(gamma: float = 0.75, *, alpha: float = 0.05, beta: float = 0.05) -> int:
    """How many pairs find a P(A>B) of gamma (Noether 1987), if it is false at most that often.

    Args:
        gamma: above 0.5.
        alpha: how often a difference is found that is none, one-sided.
        beta: how often one of gamma is missed.
    """
    _check_gamma(gamma)
    z = normal_quantile(1 - alpha) + normal_quantile(1 - beta)
    return math.ceil(z * z / (6 * (0.5 - gamma) ** 2))


def _check_gamma(gamma: float) -> None:
    if not 0.5 < gamma <= 1:
        raise UsageError(f"gamma is above 0.5 and at most 1, not {gamma:g}")


def _differences(a: ArrayLike, b: ArrayLike) -> tuple[Floats, float]:
    """What a has over b, those that agree but for rounding made equal; and how much that may be."""
    first, second = pairs(a, b)
    rounding = rounding_of(first, second)
    return np.sign(first - second) * as_read(np.abs(first - second), rounding), rounding


def _signed_sums(sizes: Floats) -> Floats:
    """All sums with either sign of each, in order."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return np.sort(sums)


def _flipped(sizes: Floats, at_least: float, seed: Seed) -> int:
    """How many of the random choices of signs give as much, either way.

    Of a few sizes at once: of all sums that their signs can give, each is as likely.
    """
    source, sums = generator(seed), np.zeros(_FLIPS)
    for at in range(0, len(sizes), _SIGNS_AT_ONCE):
        some = _signed_sums(sizes[at : at + _SIGNS_AT_ONCE])
        sums += some[drawn(source, len(some), (_FLIPS,))]
    return int(np.sum(np.abs(sums) >= at_least))


def _note(differences: Floats, smallest: float, alpha: float) -> str:
    same = int(np.count_nonzero(differences == 0))
    left = f"{same} without a difference left out" if 0 < same < len(differences) else ""
    return "; ".join(filter(None, [left, _hopeless(differences, smallest, alpha)]))


def _hopeless(differences: Floats, smallest: float, alpha: float) -> str:
    differ = int(np.count_nonzero(differences))
    if not differ:
        return "no pair differs"
    what = f"{differ} pair{'' if differ == 1 else 's'}"
    that_differ = " that differ" if differ < len(differences) else ""
    return hopeless(what + that_differ, smallest, alpha)


def _smallest_p(differences: Floats) -> float:
    """That an exact test of so many pairs can reach; those that are equal tell nothing."""
    return min(1.0, 2.0 ** (1 - int(np.count_nonzero(differences))))
