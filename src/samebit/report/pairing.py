"""Two groups of runs beside each other: as pairs by seed where they are, and compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from samebit import stats
from samebit.errors import UsageError
from samebit.report.results import Result
from samebit.report.tables.testing import by_seed
from samebit.stats import Comparison

__all__ = ["Paired", "Test", "compare", "pair"]

Row = Mapping[str, object]
Test = Literal["sign-flip", "wilcoxon", "paired-t", "welch", "mann-whitney"]

_OF_PAIRS: dict[str, Callable[..., Comparison]] = {
    "sign-flip": lambda a, b, alpha: stats.sign_flip(a, b, alpha=alpha),
    "wilcoxon": lambda a, b, alpha: stats.wilcoxon(a, b, alpha=alpha),
    "paired-t": lambda a, b, _: stats.paired_t(a, b),
}


class Paired(Struct, frozen=True):
    """The values of both sides; in the same order by what makes them pairs, where they are."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    why: str = ""  # they are no pairs; empty where they are
    over: str = "runs"


def pair(a: tuple[Result, Sequence[Row]], b: tuple[Result, Sequence[Row]]) -> Paired:
    """Set the runs of two groups side by side: pairs where each has every seed of the other."""
    first, second = a[0], b[0]
    of_both = [one.estimate.over for one in (first, second) if one.estimate is not None]
    over = "seeds" if of_both == ["seeds", "seeds"] else "runs"
    try:
        ours, theirs = by_seed(*a), by_seed(*b)
    except UsageError as error:
        return Paired(first.values, second.values, error.what, over)
    if ours.keys() != theirs.keys():
        return Paired(first.values, second.values, "their runs have different seeds", over)
    return Paired(tuple(ours.values()), tuple(theirs[seed] for seed in ours), "", over)


def compare(paired: Paired, test: Test | None = None, *, alpha: float = 0.05) -> Comparison:
    """Whether both sides differ; by sign-flips of pairs, or by Welch's t where there are none.

    Raises UsageError for a test of pairs where there are none, and where there are too few values.
    """
    test = test or ("welch" if paired.why else "sign-flip")
    if test in _OF_PAIRS:
        if paired.why:
            raise UsageError(
                f"{test} needs pairs, and these are none: {paired.why}",
                hint="welch and mann-whitney need none",
            )
        return _OF_PAIRS[test](paired.a, paired.b, alpha)
    if test == "welch":
        return stats.welch_t(paired.a, paired.b, over=paired.over)
    return stats.mann_whitney(paired.a, paired.b, over=paired.over, alpha=alpha)
