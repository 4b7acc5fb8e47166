"""Tests of groups of runs against one of them, in pairs by seed where the test is one of pairs."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from samebit import stats
from samebit.errors import UsageError
from samebit.report.results import Result, paired_by
from samebit.stats.values import Comparison

__all__ = ["TESTS", "Tested", "by_seed", "compare", "corrected"]

Row = Mapping[str, object]

TESTS = ("sign-flip", "wilcoxon", "paired-t", "welch")


class Tested(Struct, frozen=True):
    """A comparison with the group that others are tested against, or why there is none."""

    comparison: Comparison | None
    why_none: str = ""


def compare(
    test: str, ours: tuple[Result, Sequence[Row]], theirs: tuple[Result, Sequence[Row]]
) -> Tested:
    """One group against another; too few values for the test are said, and no error."""
    try:
        if test == "welch":
            over = "seeds" if _over(ours[0]) == _over(theirs[0]) == "seeds" else "runs"
            return Tested(stats.welch_t(ours[0].values, theirs[0].values, over=over))
        a, b = by_seed(*ours), by_seed(*theirs)
        shared = [seed for seed in a if seed in b]
        if not shared:
            return Tested(None, "no seed is in both groups")
        pairs = [a[seed] for seed in shared], [b[seed] for seed in shared]
        by = "seed"
        if test == "sign-flip":
            return Tested(stats.sign_flip(*pairs, by=by))
        return Tested((stats.wilcoxon if test == "wilcoxon" else stats.paired_t)(*pairs, by=by))
    except UsageError as error:
        return Tested(None, error.what)


def _over(found: Result) -> str:
    return found.estimate.over if found.estimate is not None else "runs"


def by_seed(found: Result, rows: Sequence[Row]) -> dict[object, float]:
    """The values of a group by what pairs them with those of another."""
    by_id = {str(row["id"]): row for row in rows}
    values: dict[object, float] = {}
    for run, value in zip(found.runs, found.values, strict=True):
        seed = paired_by(by_id[run])
        if not seed:
            raise UsageError(f"run {run} has no seed that would make pairs")
        if seed in values:
            raise UsageError("a seed is twice in a group, and makes no pairs")
        values[seed] = value
    return values


def corrected(tests: Sequence[Tested]) -> list[Tested]:
    """The same with the p of Holm's correction for all of them."""
    made = [test.comparison for test in tests if test.comparison is not None]
    if len(made) < 2:
        return list(tests)
    fixed = iter(stats.holm(made))
    return [Tested(next(fixed)) if test.comparison is not None else test for test in tests]
