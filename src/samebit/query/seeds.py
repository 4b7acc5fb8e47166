"""What groups of runs over seeds tell: the best of n, and pairs with equal seeds.

Numbers are those of `samebit.stats`; here they meet the runs that they are of.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import stats
from samebit.stats.values import Comparison, Estimate, level

__all__ = [
    "BETTER",
    "CROSSED",
    "Best",
    "BestOf",
    "Bests",
    "Group",
    "Number",
    "Pair",
    "Pairs",
    "Tested",
    "as_number",
    "best",
    "pairs",
    "tested",
]

BETTER = ("higher", "lower")
CROSSED = "runs with crossed seeds"  # what a group is over, where its runs share them
_BEST_OF_CROSSED = "right only if each run had seeds of its own: crossed ones share theirs"
_BUDGETS = 60  # of a curve at most
_SOME_LEAD = 0.505  # what is nearer to even takes more than ten thousand runs to be told

Row = Mapping[str, object]
SeedOf = Callable[[Row], tuple[object, ...]]


class Group(Struct, frozen=True):
    """What a group of runs came to in a metric; None where there is nothing to tell."""

    values: list[Any]
    runs: list[str]  # of the points, in their order
    n: int
    over: str  # what they vary in: "seeds", or "runs" where there is more
    mean: float | None
    low: float | None
    high: float | None
    median: float | None
    sd: float | None
    method: str
    points: list[float]
    left_out: list[list[str]]  # a run's id, and why
    notes: list[str]


class Best(Struct, frozen=True):
    """The best of n on average, and its spread: one SD to both sides, within the values."""

    n: int
    value: float
    low: float
    high: float


class BestOf(Struct, frozen=True):
    """Of one group; nothing where no run has a number."""

    values: list[Any]
    n: int
    best: list[Best]
    note: str  # when it is right; empty where it is


class Bests(Struct, frozen=True):
    """Of each group the best of n, in the order of `runs/groups`."""

    by: list[str]
    metric: str
    take: str
    better: str
    method: str
    groups: list[BestOf]


class Number(Struct, frozen=True):
    """An estimate with its interval; None where there is none, and the note says why."""

    what: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    over: str
    method: str
    note: str


class Tested(Struct, frozen=True):
    """How often chance alone would do as much."""

    p: float
    symbol: str
    statistic: float | None
    freedom: list[float]
    counted: str  # how many of what: "5 pairs by seed"
    method: str
    note: str


class Pair(Struct, frozen=True):
    """Two runs with one seed; the difference is what the first has over the second."""

    seed: str
    runs: list[str]
    values: list[float]
    difference: float


class Pairs(Struct, frozen=True):
    """Two groups beside each other. Without pairs they are compared as they are."""

    pairs: list[Pair]
    alone: list[list[str]]  # a run's id, and why it is in no pair
    difference: Number | None
    wins: Number | None  # how often the first is better
    ahead: str  # the side that is better more often: "first", "second"; empty where neither is
    answer: str  # whether that is significant, and often enough to be meaningful
    needed: int | None  # pairs, or runs of each group, that would find wins as often as these
    tests: list[Tested]
    why: str | None  # there are no pairs, or no comparison


def best(found: Sequence[Group], lower: bool) -> tuple[list[BestOf], str]:
    """Of each group the expected best of n with its spread, and the method in words."""
    told: list[BestOf] = []
    for group in found:
        if not group.points:
            told.append(BestOf(group.values, 0, [], ""))
            continue
        sampler = "seeds" if group.over == "seeds" else None
        estimates = stats.expected_best(
            group.points, _budgets(group.n), sampler=sampler, lower_is_better=lower
        )
        curve = [
            Best(n, one.value, one.low, one.high)
            for n, one in zip(_budgets(group.n), estimates, strict=True)
            if one.low is not None and one.high is not None
        ]
        note = _BEST_OF_CROSSED if group.over == CROSSED else estimates[0].note
        told.append(BestOf(group.values, group.n, curve, note))
    side = "lowest" if lower else "highest"
    method = (
        f"expected {side} of n of these runs, drawn without putting them back: the unbiased U_n of "
        "Tang et al. (2020); the band is one SD of the best to both sides"
    )
    return told, method


def _budgets(n: int) -> list[int]:
    """All numbers up to n; of many those that lie evenly on a logarithmic axis."""
    if n <= _BUDGETS:
        return list(range(1, n + 1))
    return sorted({round(n ** (at / (_BUDGETS - 1))) for at in range(_BUDGETS)})


def pairs(
    ours: tuple[Group, Sequence[Row]],
    theirs: tuple[Group, Sequence[Row]],
    seed_of: SeedOf,
    lower: bool,
) -> Pairs:
    """Two groups, in pairs of equal seeds.

    A seed that a group has twice makes no pair: which of its runs would it be? Without pairs the
    groups are compared as they are, which finds less. How often one is better, and whether that is
    enough, is decided as Bouthillier et al. (2021) do; how many are needed is Noether's (1987).

    Args:
        ours: what a group came to, and the rows that it was told from.
        theirs: the same of the group that it is compared with.
        seed_of: what a run has in common with its counterpart; empty where it has no seed.
        lower: lower is better.
    """
    first, second = ours[0], theirs[0]
    a, b = _by_seed(*ours, seed_of), _by_seed(*theirs, seed_of)
    shared = dict.fromkeys(s for s in a if s and len(a[s]) == 1 == len(b.get(s, ())))
    called = dict(zip(shared, _told_apart(list(shared)), strict=True))
    made = [_pair(called[seed], first, a[seed][0], second, b[seed][0]) for seed in shared]
    alone = [
        [group.runs[at], _why_alone(seed, own, other)]
        for group, own, other in ((first, a, b), (second, b, a))
        for seed in own
        if seed not in shared
        for at in own[seed]
    ]
    if not made:
        return _apart(first, second, alone, lower)
    x, y = ([one.values[side] for one in made] for side in (0, 1))
    decision = stats.decide(y, x) if lower else stats.decide(x, y)
    difference = stats.mean([one.difference for one in made], over="pairs by seed")
    return Pairs(
        made,
        alone,
        replace(as_number(difference), what="mean difference"),
        *_decided(decision),
        [tested(stats.sign_flip(x, y)), tested(stats.wilcoxon(x, y))],
        None,
    )


def _apart(first: Group, second: Group, alone: list[list[str]], lower: bool) -> Pairs:
    """Groups that make no pairs."""
    why = "no seed is once in both groups"
    if not first.points or not second.points:
        nothing = "one of the groups has no results"
        return Pairs([], alone, None, None, "", "", None, [], nothing)
    over = "seeds" if first.over == second.over == "seeds" else "runs"
    x, y = first.points, second.points
    tests = [stats.mann_whitney(x, y, over=over)]
    if min(first.n, second.n) > 1:
        tests.insert(0, stats.welch_t(x, y, over=over))
    return Pairs(
        [],
        alone,
        as_number(stats.difference(x, y, over=over)),
        *_decided(stats.decide_unpaired(*((y, x) if lower else (x, y)), over=over)),
        [tested(one) for one in tests],
        why,
    )


def _decided(found: "stats.Decision") -> tuple[Number, str, str, int | None]:
    """How often the first is better; who is ahead, whether that says anything, how many would."""
    share = found.probability.value
    ahead = "first" if share > 0.5 else "second" if share < 0.5 else ""
    answer = found.turned().answer if ahead == "second" else found.answer
    often = max(share, 1 - share)
    needed = stats.pairs_needed(often) if often > _SOME_LEAD else None
    return as_number(found.probability), ahead, answer, needed


def _told_apart(seeds: Sequence[tuple[object, ...]]) -> list[str]:
    """Seeds for people, without what all of several share: the seed of what does not vary."""
    shared = set(seeds[0]).intersection(*seeds) if len(seeds) > 1 else set[object]()
    return [_words([part for part in seed if part not in shared]) for seed in seeds]


def _pair(seed: str, first: Group, here: int, second: Group, there: int) -> Pair:
    values = [first.points[here], second.points[there]]
    return Pair(seed, [first.runs[here], second.runs[there]], values, values[0] - values[1])


def _by_seed(
    group: Group, rows: Sequence[Row], seed_of: SeedOf
) -> dict[tuple[object, ...], list[int]]:
    """Places of a group's values by the seed of their runs."""
    by_id = {str(row["id"]): row for row in rows}
    found: dict[tuple[object, ...], list[int]] = {}
    for at, run in enumerate(group.runs):
        found.setdefault(seed_of(by_id[run]), []).append(at)
    return found


def _why_alone(
    seed: tuple[object, ...],
    own: Mapping[tuple[object, ...], list[int]],
    other: Mapping[tuple[object, ...], list[int]],
) -> str:
    if not seed:
        return "it has no seed"
    if len(own[seed]) > 1:
        return f"seed {_words(seed)} is {len(own[seed])} times in its group"
    count = len(other.get(seed, ()))
    return f"seed {_words(seed)} is {f'{count} times' if count else 'not'} in the other group"


def _words(seed: Sequence[object]) -> str:
    """A run's seed for people: `5`, or of several `init_seed 0, order_seed 1`."""
    parts = [
        f"{part[0].removeprefix('config.')} {part[1]}"
        if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str)  # pyright: ignore[reportUnknownArgumentType]
        else str(part)
        for part in seed
    ]
    return ", ".join(parts)


def as_number(found: Estimate) -> Number:
    """An estimate in its shape."""
    return Number(
        found.what,
        found.value,
        found.low,
        found.high,
        found.n,
        found.over,
        _named(found),
        found.note,
    )


def _named(found: Estimate) -> str:
    return f"{level(found.confidence)} {found.method}" if found.confidence else found.method


def tested(found: Comparison) -> Tested:
    """A comparison in its shape."""
    statistic = found.statistic if math.isfinite(found.statistic) else None
    return Tested(
        found.p,
        found.symbol,
        statistic,
        list(found.freedom),
        found.counted,
        found.method,
        found.note,
    )
