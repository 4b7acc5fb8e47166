"""Two groups of runs beside each other: as pairs by seed where they are, and compared."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from samebit import stats
from samebit.errors import UsageError
from samebit.report.results import Result, is_seed, seed_of
from samebit.stats import Comparison

__all__ = ["TESTS", "Paired", "compare", "pair"]

Row = Mapping[str, object]

_OF_PAIRS: dict[str, Callable[..., Comparison]] = {
    "sign_flip": lambda a, b, by, _: stats.sign_flip(a, b, by=by),
    "wilcoxon": lambda a, b, by, _: stats.wilcoxon(a, b, by=by),
    "paired_t": lambda a, b, by, _: stats.paired_t(a, b, by=by),
}
_OF_GROUPS: dict[str, Callable[..., Comparison]] = {
    "welch_t": lambda a, b, _, over: stats.welch_t(a, b, over=over),
    "mann_whitney": lambda a, b, _, over: stats.mann_whitney(a, b, over=over),
}
TESTS = (*_OF_PAIRS, *_OF_GROUPS)


class Paired(Struct, frozen=True):
    """The values of both sides; in the same order by what makes them pairs, where they are."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    by: str = ""  # "seed"; empty where they are no pairs
    why: str = ""  # they are none
    over: str = "seeds"


def pair(a: Result, b: Result, rows: Sequence[Row]) -> Paired:
    """Set the runs of two results side by side.

    They are pairs where each side has every seed of the other, once. What a run was seeded with is
    the seed that it was given, else those of its configuration, else every seed it recorded.
    """
    by_id = {str(row["id"]): row for row in rows}
    over = "runs"
    if a.estimate is not None and b.estimate is not None and a.estimate.over == b.estimate.over:
        over = a.estimate.over
    why = "their runs have no seeds"
    for key in (_given, _of_config, seed_of):
        first = {key(by_id[run]): value for run, value in zip(a.runs, a.values, strict=True)}
        second = {key(by_id[run]): value for run, value in zip(b.runs, b.values, strict=True)}
        if () in first or () in second:
            continue
        if len(first) < len(a.runs) or len(second) < len(b.runs):
            why = "a seed was used more than once on one side"
        elif first.keys() != second.keys():
            why = "their runs have different seeds"
        else:
            values = tuple(first.values()), tuple(second[seed] for seed in first)
            return Paired(*values, by="seed", over=over)
    return Paired(a.values, b.values, why=why, over=over)


def _given(row: Row) -> tuple[object, ...]:
    return () if row.get("seed") is None else (row["seed"],)


def _of_config(row: Row) -> tuple[object, ...]:
    found = ((key, repr(row[key])) for key in sorted(row) if key.startswith("config."))
    return tuple((key, value) for key, value in found if is_seed(key))


def compare(paired: Paired, name: str | None = None) -> Comparison:
    """Whether both sides differ; by sign-flips of pairs, or by Welch's t where there are none.

    Raises UsageError for a test of pairs where there are none, and where there are too few values.
    """
    name = name or ("sign_flip" if paired.by else "welch_t")
    if name in _OF_PAIRS and not paired.by:
        raise UsageError(
            f"{name} needs pairs, and these are none: {paired.why}",
            hint="welch_t and mann_whitney need none",
        )
    how = _OF_PAIRS.get(name) or _OF_GROUPS[name]
    return how(paired.a, paired.b, paired.by, paired.over)
