"""What a group of runs over seeds says: its spread, its best of n, what each kind of seed does.

And what must not be hidden: that results are equal to the bit, that nothing varies, that values
are missing.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from samebit import stats
from samebit.errors import NotFound, UsageError
from samebit.folders.ending import STOPPED_EARLY
from samebit.query.crossing import Crossing, crossing
from samebit.query.seeds import BestOf, Group, best
from samebit.report.results import as_group, result
from samebit.report.tables.naming import better as direction_of
from samebit.stats.values import Estimate

__all__ = ["More", "Studied", "metrics_of", "studied", "warnings"]

Row = Mapping[str, object]
_METRIC = "metric."
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
    crossing: Crossing | None  # of two kinds of seeds, crossed
    floor: Estimate | None  # the spread of runs with the same seeds
    more: More | None
    warnings: list[str]


def metrics_of(rows: Sequence[Row], is_volatile: Callable[[str], bool]) -> list[str]:
    """The metrics that are results and numbers, in the order of the first run that has them."""
    found: dict[str, bool] = {}  # whether it is a result
    for row in rows:
        for key, value in row.items():
            if key in found or not key.startswith(_METRIC):
                continue
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found[key] = not is_volatile(key.removeprefix(_METRIC))
    return [key.removeprefix(_METRIC) for key, is_result in found.items() if is_result]


def studied(
    rows: Sequence[Row],
    metric: str,
    *,
    seeds: Mapping[str, Mapping[str, int]],
    repeats: Mapping[str, int],
    better: str = "",
    directions: Mapping[str, str] | None = None,
    within: float | None = None,
    metrics: Sequence[str] = (),
) -> Studied:
    """What runs came to.

    Args:
        rows: of `report.facts`, of one group.
        metric: one that some of them have.
        seeds: of each run that a study started its seeds by their kinds.
        repeats: of each such run the so-manieth time again with the same seeds it was.
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
    firsts = [row for row in rows if not repeats.get(str(row["id"]))]
    is_crossed = _kinds_crossed(seeds)
    over = "seeds" if firsts and all(str(row["id"]) in seeds for row in firsts) else ""
    over = "runs with crossed seeds" if over and is_crossed else over
    found = result(firsts, metric, over=over)
    group = as_group(found)
    if is_crossed:
        group = replace(group, notes=[*group.notes, _SHARED])
    way = better or direction_of(metric, directions or {}) or ""
    curve, method = (None, "")
    if way and found.values:
        curves, method = best([group], way == "lower")
        curve = curves[0]
    return Studied(
        metric,
        way,
        found.estimate,
        group,
        curve,
        method,
        _crossing(group, firsts, seeds),
        _floor(rows, metric, seeds, repeats),
        None if is_crossed else _more(group, within),
        warnings(firsts, seeds, metrics, metric),
    )


def _crossing(
    group: Group, rows: Sequence[Row], seeds: Mapping[str, Mapping[str, int]]
) -> Crossing | None:
    """Of exactly two kinds that both vary apart from each other."""
    kinds = {kind for run in group.runs for kind in seeds.get(run, {})}
    ordered = [kind for kind in next(iter(seeds.values()), {}) if kind in kinds]
    if len(ordered) != 2 or not all(run in seeds for run in group.runs):
        return None
    down, across = ordered
    if not _kinds_crossed(seeds):
        return None
    told = [{**row, **_keys(seeds.get(str(row["id"]), {}))} for row in rows]
    try:
        return crossing(group, told, _FACTOR + down, _FACTOR + across)
    except UsageError:  # too many to be looked at
        return None


def _kinds_crossed(seeds: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether runs share a seed of one kind and differ in another's."""
    cells = {tuple(sorted(values.items())) for values in seeds.values()}
    firsts = {kind for cell in cells for kind in cell[:1]}
    return len(firsts) < len(cells)


def _keys(values: Mapping[str, int]) -> dict[str, object]:
    return {_FACTOR + kind: value for kind, value in values.items()}


def _floor(
    rows: Sequence[Row],
    metric: str,
    seeds: Mapping[str, Mapping[str, int]],
    repeats: Mapping[str, int],
) -> Estimate | None:
    """The spread of runs that had the same seeds; None where there are no two."""
    again = {str(run) for run, count in repeats.items() if count}
    cells = {tuple(sorted(seeds[run].items())) for run in again if run in seeds}
    if len(cells) != 1:
        return None
    same = [row for row in rows if tuple(sorted(seeds.get(str(row["id"]), {}).items())) in cells]
    values = result(same, metric, over="repeats").values
    if len(values) < 2:
        return None
    spread = 0.0 if len({*map(_bits, values)}) == 1 else stats.sd(values)
    note = "" if spread else "equal to the bit"
    return Estimate(spread, len(values), "runs with the same seeds", "SD", note=note)


def _more(group: Group, within: float | None) -> More | None:
    if group.n < 2 or group.low is None or group.high is None or not group.sd:
        return None
    wanted = within if within is not None else (group.high - group.low) / 4
    needed = stats.seeds_needed(group.points, wanted)
    return More(wanted, needed, max(0, needed - group.n))


def warnings(
    rows: Sequence[Row],
    seeds: Mapping[str, Mapping[str, int]],
    metrics: Sequence[str],
    metric: str,
) -> list[str]:
    """What a reader must know before a mean is looked at, in sentences."""
    ended = [row for row in rows if row.get("state") == "finished"]
    found: list[str] = []
    if not metrics:
        return ["no run has logged a metric that is a number"] if ended else []
    distinct = {tuple(sorted(seeds.get(str(row["id"]), {}).items())) for row in ended}
    if len(ended) > 1 and len(distinct) > 1:
        told = {tuple(_bits(row.get(_METRIC + name)) for name in metrics) for row in ended}
        if len(told) == 1:
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


def _bits(value: object) -> object:
    """A value by its bits: two NaN are equal, 0 and -0 are not."""
    return struct.pack("<d", value) if isinstance(value, float) else value
