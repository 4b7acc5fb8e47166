"""What a group of runs over seeds says: its spread, its best of n, what each kind of seed does.

And what must not be hidden: that results are equal to the bit, that nothing varies, that values
are missing.
"""

import itertools
import math
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from samebit import stats
from samebit.errors import NotFound, UsageError
from samebit.folders.ending import STOPPED_EARLY, WENT_WRONG
from samebit.query.crossing import Crossing, crossing
from samebit.query.endings import Curve, Endings, endings
from samebit.query.seeds import CROSSED, BestOf, Group, best
from samebit.report.results import (
    Result,
    again,
    as_group,
    keys_of,
    paired_by,
    result,
    same,
    seed_kinds,
    seed_of,
    started_again,
)
from samebit.report.tables.naming import better as direction_of
from samebit.stats.values import Estimate

__all__ = [
    "More",
    "Studied",
    "counted",
    "crossed_kinds",
    "floor",
    "in_short",
    "metrics_of",
    "studied",
    "warnings",
]

Row = Mapping[str, object]
_METRIC = "metric."
_MOST_CURVES = 200
_SHARED = "crossed runs share their seeds, so that they are not independent of each other"
_FACTOR = "seed of "  # a key that rows are given, by the kind of a seed


class More(Struct, frozen=True):
    """How many seeds a narrower interval needs."""

    within: float
    needed: int
    more: int  # than there are


class Studied(Struct, frozen=True):
    """What a group came to in one metric."""

    metric: str
    better: str  # higher | lower; empty where nobody knows
    estimate: Estimate | None
    group: Group
    best: BestOf | None  # None where it is not known which way is better
    best_method: str
    crossing: Crossing | None  # of kinds of seeds, crossed: a grid of two, and the parts of all
    floor: Estimate | None  # the spread of runs with the same seeds
    more: More | None
    endings: Endings | None  # how early the end can be told
    warnings: list[str]


def metrics_of(rows: Sequence[Row], is_volatile: Callable[[str], bool]) -> list[str]:
    """The metrics that are results and numbers, in the order of the first run that has them."""
    names = [key.removeprefix(_METRIC) for key in keys_of(rows) if key.startswith(_METRIC)]
    return [name for name in names if not is_volatile(name) and _has_number(rows, name)]


def _has_number(rows: Sequence[Row], metric: str) -> bool:
    values = (row.get(_METRIC + metric) for row in rows)
    return any(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values)


def studied(
    rows: Sequence[Row],
    metric: str,
    *,
    take: str = "last",
    curve_of: Callable[[str], Curve | None] | None = None,
    better: str = "",
    directions: Mapping[str, str] | None = None,
    within: float | None = None,
    metrics: Sequence[str] = (),
) -> Studied:
    """What runs came to.

    Args:
        rows: of `report.facts`, of one group.
        metric: one that some of them have.
        take: what of each run's metric counts, as in `report.results`.
        curve_of: what a run logged of the metric, by its id.
        better: `higher` or `lower`; else what `directions`, or the metric's name, says.
        directions: as the project's settings have them.
        within: how narrow the interval is to be; else half as wide as it is.
        metrics: that are looked at for whether anything differs at all.
    """
    if metric not in metrics:
        raise NotFound(
            f"no run of this group has the metric {metric!r}",
            known=", ".join(metrics) or "none",
        )
    firsts, found = counted(rows, metric, take)
    group = as_group(found)
    is_crossed = group.over == CROSSED
    way = better or direction_of(metric, directions or {}) or ""
    bests, method = best([group], way == "lower") if way and found.values else ([None], "")
    return Studied(
        metric,
        way,
        found.estimate,
        group,
        bests[0],
        method,
        _crossing(group, firsts) if is_crossed else None,
        floor(rows, metric, take),
        None if is_crossed else _more(group, within),
        _endings(group, curve_of, way) if curve_of is not None else None,
        [*_chosen(firsts), *warnings(firsts, metrics, metric)],
    )


def in_short(
    rows: Sequence[Row], metric: str, metrics: Sequence[str]
) -> tuple[Estimate | None, list[str]]:
    """The estimate and the warnings of `studied` alone."""
    firsts, found = counted(rows, metric)
    return found.estimate, [*_chosen(firsts), *warnings(firsts, metrics, metric)]


def counted(rows: Sequence[Row], metric: str, take: str = "last") -> tuple[list[Row], Result]:
    """The runs that are a sample, without those that a study made once more; what they came to.

    Where the study says by what runs differ, they are over its seeds, whatever else differs by
    these; crossed ones, which share their seeds, are said to be that.
    """
    aside = again(rows) | started_again(rows)
    firsts = [row for row in rows if row["id"] not in aside]
    is_crossed = crossed_kinds(firsts) is not None
    over = CROSSED if is_crossed else "seeds" if _by_seeds(firsts) else ""
    found = result(firsts, metric, take=take, over=over, is_with_repeats=True)  # none is left
    return firsts, replace(found, notes=(*found.notes, _SHARED)) if is_crossed else found


def _chosen(rows: Sequence[Row]) -> list[str]:
    """Whether some came to nothing, so that a mean is one over those that went well."""
    bad = Counter(state for row in rows if (state := str(row.get("state"))) in WENT_WRONG)
    if not bad or len(rows) == bad.total():
        return []
    told = ", ".join(f"{n} {state}" for state, n in bad.items())
    return [f"{told} of {len(rows)} runs: a mean over the others is one over chosen runs"]


def _endings(group: Group, curve_of: Callable[[str], Curve | None], way: str) -> Endings | None:
    """Of many runs some are read, from the first to the last: each has a journal of its own."""
    share = max(1.0, group.n / _MOST_CURVES)
    some = [group.runs[int(at * share)] for at in range(min(group.n, _MOST_CURVES))]
    curves = [one for run in some if (one := curve_of(run)) is not None]
    found = endings(curves, way, over=group.over)
    if found is None or len(some) == group.n:
        return found
    note = f"of {group.n:,} runs {len(some)} were read, evenly chosen"
    return replace(found, note=f"{note}; {found.note}" if found.note else note)


def _by_seeds(rows: Sequence[Row]) -> bool:
    """Whether a study gave each run that finished seeds of its own, by which all else differs."""
    ended = [row for row in rows if row.get("state") == "finished"]
    if any(row.get("study") is None for row in ended):
        return False
    return bool(ended) and len({*map(paired_by, ended)}) == len(ended)


def _crossing(group: Group, rows: Sequence[Row]) -> Crossing | None:
    """Of the kinds of seeds that were crossed."""
    done = set(group.runs)
    kinds = crossed_kinds([row for row in rows if row["id"] in done])
    if kinds is None:
        return None
    down, across, *others = (_FACTOR + kind for kind in kinds)
    told = [
        {**row, **{_FACTOR + kind: row.get(key) for kind, key in kinds.items()}} for row in rows
    ]
    try:
        return crossing(group, told, down, across, others)
    except UsageError:  # too many to be looked at
        return None


def crossed_kinds(rows: Sequence[Row]) -> dict[str, str] | None:
    """The kinds of seeds that were crossed, two at least, and under which keys rows have them.

    First the two of which the largest share of all combinations was run; then those that vary apart
    from each one before. None where no two vary apart from each other.
    """
    kinds = seed_kinds(rows)
    values = {kind: [same(row.get(key)) for row in rows] for kind, key in kinds.items()}

    def cells(*some: str) -> int:
        return len({*zip(*(values[kind] for kind in some), strict=True)})

    best_share, found = 0.0, ()
    for two in itertools.combinations(values, 2):
        many = cells(two[0]) * cells(two[1])
        if _are_apart(two, cells) and cells(*two) > best_share * many:
            best_share, found = cells(*two) / many, two
    if not found:
        return None
    for kind in values:
        if kind not in found and _are_apart((*found, kind), cells):
            found = (*found, kind)
    return {kind: kinds[kind] for kind in found}


def _are_apart(kinds: Sequence[str], cells: Callable[..., int]) -> bool:
    """Whether none of some kinds is told by the others: without it there are fewer cells."""
    every = cells(*kinds)
    return all(every > cells(*others) for others in itertools.combinations(kinds, len(kinds) - 1))


def floor(rows: Sequence[Row], metric: str, take: str = "last") -> Estimate | None:
    """The spread of runs that had the same seeds, in all of which there were several together.

    It is what cannot be repeated, and 0 where all of them are equal to the bit. None where no two
    finished runs had the same command and seeds.
    """
    alike: dict[object, list[Row]] = {}
    for row in rows:
        alike.setdefault((row.get("command"), paired_by(row)), []).append(row)
    rows = [row for some in alike.values() if len(some) > 1 for row in some]
    found = result(rows, metric, take=take, is_with_repeats=True)
    by_id = {str(row["id"]): row for row in rows}
    cells: dict[tuple[object, ...], list[float]] = {}
    for run, value in zip(found.runs, found.values, strict=True):
        row = by_id[run]
        if seeds := (*paired_by(row), *seed_of(row)):
            cells.setdefault((row.get("command"), seeds), []).append(value)
    several = [values for values in cells.values() if len(values) > 1]
    n = sum(map(len, several))
    if not several:
        return None
    over = "runs with the same seeds"
    if all(len({*map(_bits, values)}) == 1 for values in several):
        return Estimate(0.0, n, over, "SD", note="equal to the bit")
    squares = math.fsum(stats.sd(values) ** 2 * (len(values) - 1) for values in several)
    return Estimate(math.sqrt(squares / (n - len(several))), n, over, "SD")


def _more(group: Group, within: float | None) -> More | None:
    if group.n < 2 or group.low is None or group.high is None or not group.sd:
        return None
    wanted = within if within is not None else (group.high - group.low) / 4
    needed = stats.seeds_needed(group.points, wanted)
    return More(wanted, needed, max(0, needed - group.n))


def warnings(
    rows: Sequence[Row],
    metrics: Sequence[str],
    metric: str,
) -> list[str]:
    """What a reader must know before a mean is looked at, in sentences."""
    ended = [row for row in rows if row.get("state") == "finished"]
    found: list[str] = []
    if not metrics:
        return ["no run has logged a metric that is a number"] if ended else []
    if not _are_equal(map(seed_of, ended)):
        told = (tuple(_bits(row.get(_METRIC + name)) for name in metrics) for row in ended)
        if _are_equal(told):
            found.append(
                "all results are equal to the bit: the script does not use the seeds that it is "
                "given, or nothing of it depends on them"
            )
    values = [row.get(_METRIC + metric) for row in ended]
    numbers = [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
    missing = len(values) - len(numbers)
    if missing:
        found.append(f"{metric} is missing or not a number in {missing} of {len(values)} runs")
    if not found and len(numbers) > 1 and len(set(numbers)) == 1:
        found.append(f"{metric} has no spread: it is {numbers[0]:.6g} in all {len(numbers)} runs")
    early = sum(row.get("state") == STOPPED_EARLY for row in rows)
    if early and ended:
        found.append(
            f"{early} of {len(rows)} runs were stopped early: those that finished were chosen, so "
            "their mean and their best of n are not those of seeds; what the best came to holds"
        )
    return found


def _are_equal(values: Iterable[object]) -> bool:
    rest = iter(values)
    first = next(rest, None)
    return all(one == first for one in rest)


def _bits(value: object) -> object:
    """A value by its bits: two NaN are equal, 0 and -0 are not."""
    return struct.pack("<d", value) if isinstance(value, float) else value
