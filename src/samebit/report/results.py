"""What a group of runs came to in one metric: an estimate over its seeds, and who was left out.

A run that failed has no result, and neither has a NaN; both are told, since a mean over the runs
that went well is a mean over chosen runs.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from samebit import stats
from samebit.errors import UsageError
from samebit.query.seeds import Group
from samebit.query.where import resolve

if TYPE_CHECKING:
    from samebit.stats.intervals import How

__all__ = [
    "TAKES",
    "Result",
    "again",
    "as_group",
    "groups",
    "is_seed",
    "keys_of",
    "paired_by",
    "result",
    "same",
    "seed_kinds",
    "seed_of",
    "seed_settings",
    "started_again",
    "varied",
]

Row = Mapping[str, object]

# What of a metric's points counts, and where a row of `report.facts` has it.
TAKES = {"last": "metric.", "first": "first.", "min": "min.", "max": "max."}
_PLAIN = ({int}, {float}, {str}, {bool}, {type(None)})
_SEEDS = frozenset({"seed", "seeds", "random_state", "rng", "prng", "rngseed", "randomseed"})


class Result(Struct, frozen=True):
    """One cell of a table of results."""

    metric: str
    take: str
    estimate: "stats.Estimate | None"  # None where no run has a number
    values: tuple[float, ...]
    runs: tuple[str, ...]  # of the values, in their order
    left_out: tuple[tuple[str, str], ...]  # a run's id, and why: "failed", "not a number", …
    notes: tuple[str, ...] = ()  # what a reader must know of how they were chosen


def result(
    rows: Sequence[Row],
    metric: str,
    *,
    take: str = "last",
    how: "How" = "t",
    confidence: float = 0.95,
    over: str = "",
    is_with_repeats: bool = False,
) -> Result:
    """What runs came to.

    Args:
        rows: of `report.facts`; of one group, so that all of them count as the same thing.
        metric: its name, short or in full.
        take: the last point of each run, its first, its lowest, its highest.
        how: `t`, `percentile` or `bca` intervals, `sd` or `sem`; see `samebit.stats.mean`.
        confidence: of an interval, between 0 and 1.
        over: what varied, where that is known; else it is found out, and what else did is noted.
        is_with_repeats: whether those count that a study made once more with the same seeds.

    Raises:
        UsageError: there is no such way, or values are texts.
    """
    if take not in TAKES:
        raise UsageError(f"no way to take a metric: {take!r}", known=", ".join(TAKES))
    key = TAKES[take] + metric.removeprefix("metric.")
    values: list[float] = []
    runs: list[str] = []
    left_out: list[tuple[str, str]] = []
    repeats = set[str]() if is_with_repeats else again(rows)
    for row in rows:
        found = "a repeat" if row["id"] in repeats else _value(row, key, metric)
        if isinstance(found, str):
            left_out.append((str(row["id"]), found))
        else:
            values.append(found)
            runs.append(str(row["id"]))
    has_result = set(runs)
    over, notes = _over([row for row in rows if row["id"] in has_result], over)
    if take in ("min", "max") and values:
        notes.append(f"the {take} over a run's points, which chooses the best of many")
    estimate = stats.mean(values, how=how, confidence=confidence, over=over) if values else None
    return Result(metric, take, estimate, tuple(values), tuple(runs), tuple(left_out), tuple(notes))


def as_group(found: Result, values: Sequence[object] = ()) -> Group:
    """The same as a group, which others tell more of; `values` are those that made it one."""
    estimate, points = found.estimate, found.values
    return Group(
        values=list(values),
        runs=list(found.runs),
        n=len(points),
        over=estimate.over if estimate is not None else "",
        mean=estimate.value if estimate is not None else None,
        low=estimate.low if estimate is not None else None,
        high=estimate.high if estimate is not None else None,
        median=statistics.median(points) if points else None,
        sd=statistics.stdev(points) if len(points) > 1 else None,
        method=estimate.method if estimate is not None else "",
        points=list(points),
        left_out=[list(one) for one in found.left_out],
        notes=[*found.notes, *([estimate.note] if estimate is not None and estimate.note else [])],
    )


def _value(row: Row, key: str, metric: str) -> float | str:
    """The number, or why there is none."""
    if "damage" in row:
        return "damaged"
    if row.get("state") != "finished":
        return str(row.get("state") or "not finished")
    value = row.get(key)
    if value is None:
        return "no such metric"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(
            f"{metric} is no number in run {row['id']}", value=value, hint="take another metric"
        )
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return "not a number"
    return number if math.isfinite(number) else "not a number"


def groups(rows: Sequence[Row], keys: Sequence[str]) -> list[tuple[tuple[object, ...], list[Row]]]:
    """Runs by what they have under some names, in order of first appearance.

    1 and 1.0 are one value, True and 1 are two; what a run does not have is None.
    Raises UsageError for a name that no run has.
    """
    known = {"id", "name", "state", "seed", "group"}.union(*rows)
    meant = [resolve(key, known) for key in keys]
    if rows and None in meant:
        name = keys[meant.index(None)]
        raise UsageError(f"no run here has {name!r}", hint="`samebit ls --json` shows all there is")
    found: dict[tuple[object, ...], tuple[tuple[object, ...], list[Row]]] = {}
    for row in rows:
        values = tuple(row.get(key) if key else None for key in meant)
        found.setdefault(tuple(map(same, values)), (values, []))[1].append(row)
    return list(found.values())


def same(value: object) -> object:
    """A stand-in for a plain value that is equal for values which people take for the same."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if value == value else "nan"
    return repr(value)


def is_seed(name: str, value: object = None) -> bool:
    """Whether a setting is a seed, by its name: `seed`, `data.split_seed`, `random_state`.

    A switch, such as `fix_seed = true`, is none.
    """
    if isinstance(value, bool):
        return False
    return _is_called_seed(name)


@cache
def _is_called_seed(name: str) -> bool:
    last = name.rpartition(".")[2].lower()
    words = last.replace("-", "_").split("_")
    return last in _SEEDS or "seed" in words


def varied(rows: Sequence[Row]) -> list[str]:
    """The settings in which runs differ, seeds included, in the order of the first run's."""
    return [
        key
        for key in keys_of(rows)
        if key.startswith("config.") and _differ([row.get(key) for row in rows])
    ]


def keys_of(rows: Sequence[Row]) -> list[str]:
    """What any of some rows has, in the order in which it comes."""
    shapes = dict.fromkeys(map(tuple, rows))  # of ten thousand runs there are a few
    return list(dict.fromkeys(chain.from_iterable(shapes)))


def _differ(values: Sequence[object]) -> bool:
    """Whether not all of some values, at least one, are the same."""
    if same(values[0]) != same(values[-1]):
        return True
    # As a set at once, where what is equal is the same: True and 1 are not, and no NaN is equal.
    distinct = {*values} if {*map(type, values)} in _PLAIN else values
    return len({*map(same, distinct)}) > 1


def seed_of(row: Row) -> tuple[tuple[str, object], ...]:
    """Everything that a run was seeded with: equal for two runs that are repeats of each other."""
    return tuple(
        (key, repr(row[key]))
        for key in _may_seed(tuple(row))
        if (key == "seed" and row[key] is not None)
        or key.startswith("seeds.")
        or (key.startswith("config.") and is_seed(key, row[key]))
    )


@lru_cache(1000)
def _may_seed(keys: tuple[str, ...]) -> list[str]:
    return sorted(
        key for key in keys if key == "seed" or key.startswith("seeds.") or _is_called_seed(key)
    )


def paired_by(row: Row) -> tuple[object, ...]:
    """What a run has in common with its counterpart: its seed, else those of its settings.

    Of a run that a study started also the seeds that this gave to roles. Empty where it has none.
    """
    if row.get("seed") is not None:
        roles = _split(str(row.get("trial.seeds") or ""))
        return (row["seed"], *((key.removeprefix("seeds."), row.get(key)) for key in roles))
    named = [key for key in sorted(row) if key.startswith("config.") and is_seed(key)]
    named = named or [
        key for key in sorted(row) if key.startswith("seeds.") and key != "seeds.hash"
    ]
    return tuple((key, repr(row[key])) for key in named if row[key] is not None)


def again(rows: Sequence[Row]) -> set[str]:
    """The runs that a study made once more with the seeds of another.

    They tell what cannot be repeated, and are no more seeds.
    """
    seen: set[tuple[object, ...]] = set()
    found: set[str] = set()
    for row in sorted(rows, key=lambda row: str(row.get("trial") or 0).zfill(9)):
        if row.get("study") is None or row.get("state") != "finished":
            continue
        made = (row["study"], row.get("command"), paired_by(row))
        if made in seen:
            found.add(str(row["id"]))
        seen.add(made)
    return found


def started_again(rows: Sequence[Row]) -> set[str]:
    """The runs of studies that came to nothing and were made anew, with the same seeds.

    What was lost, stopped by Ctrl-C or mended in between is neither chosen nor a larger budget.
    """
    last: dict[tuple[object, object], Row] = {}
    found: set[str] = set()
    for row in sorted(rows, key=_began):
        if row.get("study") is None or row.get("trial") is None:
            continue
        before = last.get(made := (row["study"], row["trial"]))
        if before is not None and before.get("state") != "finished":
            found.add(str(before["id"]))
        last[made] = row
    return found


def _began(row: Row) -> int:
    started = row.get("started")
    return started if isinstance(started, int) else 0


def seed_kinds(rows: Sequence[Row]) -> dict[str, str]:
    """The kinds of seeds that vary from run to run, and under which key rows have them.

    A seed is often a setting as well, or given to a library: of those that part the runs alike the
    first one counts. What a study gave comes first: the seed of everything, then those of roles.
    """
    if not rows:
        return {}
    keys = keys_of(rows)
    settings = [key for key in keys if key.startswith("config.") and is_seed(key)]
    others = [key for key in keys if key.startswith("seeds.") and key != "seeds.hash"]
    found: dict[str, str] = {}
    seen: set[tuple[int, ...]] = set()
    for key in dict.fromkeys(["seed", *_roles(rows), *settings, *others]):
        parts = _parted([row.get(key) for row in rows])
        if any(parts) and parts not in seen:
            found[key.removeprefix("config.").removeprefix("seeds.")] = key
            seen.add(parts)
    return found


def _parted(values: Sequence[object]) -> tuple[int, ...]:
    """Which of some values are the same: of each the place of the first that is."""
    firsts: dict[object, int] = {}
    return tuple(firsts.setdefault(same(value), at) for at, value in enumerate(values))


def _roles(rows: Sequence[Row]) -> list[str]:
    """Under which keys rows have the seeds that a study gave to roles."""
    given = dict.fromkeys(str(row.get("trial.seeds") or "") for row in rows)
    return list(dict.fromkeys(chain.from_iterable(map(_split, given))))


@cache
def _split(given: str) -> tuple[str, ...]:
    return tuple(f"seeds.{role}" for role in given.split(", ") if role)


def seed_settings(rows: Sequence[Row]) -> set[str]:
    """Settings that follow from what a study gave as seeds, and are no choice of anybody's.

    They are a seed in every run, as `init` of `--init {init}`; or they part the runs of each study
    as a kind of its seeds does, or all of them together: a script's plain globals are settings, and
    what it draws from a seed is among them. A number that was edited halfway parts them otherwise.
    """
    if any(row.get("study") is None for row in rows):
        return set()
    studies: dict[object, list[Row]] = {}
    for row in rows:
        studies.setdefault(row["study"], []).append(row)
    return {
        key
        for key in varied(rows)
        if any(
            all(row.get(key) == row.get(seed) is not None for row in rows) for seed in _given(rows)
        )
        or _follows(key, list(studies.values()))
    }


def _given(rows: Sequence[Row]) -> list[str]:
    """Under which keys rows have the seeds that a study gave."""
    return ["seed", *_roles(rows)]


def _follows(key: str, studies: Sequence[Sequence[Row]]) -> bool:
    """Whether a setting parts the runs of each study, those that have it, as seeds do."""
    varies = False
    for members in studies:
        having = [row for row in members if row.get(key) is not None]
        mine = _parted([row[key] for row in having])
        seeds = [[row.get(seed) for row in having] for seed in _given(having)]
        if mine not in map(_parted, [*seeds, list(zip(*seeds, strict=True))]):
            return False
        varies = varies or any(mine)
    return varies


def _over(rows: Sequence[Row], known: str) -> tuple[str, list[str]]:
    """What varied, in a word; and what a mean over these would hide."""
    notes: list[str] = []
    others = [key for key in varied(rows) if not all(is_seed(key, row.get(key)) for row in rows)]
    copies = seed_settings(rows) if others else set[str]()
    others = [key.removeprefix("config.") for key in others if key not in copies]
    if others and not known:
        named = ", ".join(others[:4]) + (" …" if len(others) > 4 else "")
        notes.append(f"the runs differ in more than seeds: {named}")
    seeds = [seed_of(row) for row in rows]
    unseeded = sum(not seed for seed in seeds)
    repeats = len(seeds) - len(set(seeds)) - max(0, unseeded - 1)
    if repeats:
        notes.append(f"runs with the seeds of another: {repeats}")
    trees = {row.get("code.ran") for row in rows}
    if len(trees) > 1:
        notes.append(f"the runs had {len(trees)} versions of the code")
    return known or ("runs" if others or unseeded else "seeds"), notes
