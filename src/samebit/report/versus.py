"""Two groups of runs against each other: which is better, in plain words, and what speaks against.

The numbers are those of `query.seeds.pairs`, which the page shows as well.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from samebit.errors import NotFound, UsageError
from samebit.query.seeds import Group, Pairs, Tested, pairs
from samebit.report.checklist.project import is_test
from samebit.report.results import (
    TAKES,
    as_group,
    is_seed,
    paired_by,
    same,
    seed_settings,
    started_again,
)
from samebit.report.studied import counted, warnings
from samebit.report.tables.naming import better as direction_of
from samebit.stats.values import Estimate

__all__ = ["Side", "Versus", "versus"]

Row = Mapping[str, object]

_ALPHA = 0.05
_MUCH = 2.0  # times as long a run of one group as one of the other


class Side(Struct, frozen=True):
    """One of the two groups."""

    name: str
    runs: int  # that were started, repeats left out
    states: dict[str, int]
    estimate: Estimate | None
    group: Group
    settings: int  # how many different ones its runs had, seeds aside
    device_hours: float | None  # of all of them; None where a run does not say


class Versus(Struct, frozen=True):
    """What two groups came to."""

    metric: str
    better: str  # higher | lower
    first: Side
    second: Side
    pairs: Pairs  # the first against the second
    verdict: str
    warnings: list[str]


def versus(
    first: tuple[str, Sequence[Row]],
    second: tuple[str, Sequence[Row]],
    metric: str,
    *,
    take: str = "last",
    better: str = "",
    directions: Mapping[str, str] | None = None,
    metrics: Sequence[str] = (),
    chosen_by: Sequence[str] = (),
) -> Versus:
    """Compare two groups in a metric; in pairs of equal seeds where there are some.

    Args:
        first: what a group is called, and its runs as rows of `report.facts`.
        second: the same of the one that it is compared with; no run is in both.
        metric: one that runs of both have.
        take: what of each run's metric counts, as in `report.results`.
        better: `higher` or `lower`; else what `directions`, or the metric's name, says.
        directions: as the project's settings have them.
        metrics: that are looked at for whether anything differs at all.
        chosen_by: by which metrics the studies of these groups judge their runs.

    Raises:
        UsageError: a run is in both, or nobody knows which way is better.
        NotFound: no run of one of them has the metric.
    """
    shared = {str(row["id"]) for row in first[1]} & {str(row["id"]) for row in second[1]}
    if shared:
        raise UsageError(
            f"{len(shared)} runs are in both groups, for instance {min(shared)}",
            hint="choose groups that share no run",
        )
    for name, rows in (first, second):
        if not any(row.get(TAKES[take] + metric) is not None for row in rows):
            known = ", ".join(metrics) or "none"
            raise NotFound(f"no run of {name} has the metric {metric!r}", known=known)
    way = better or direction_of(metric, directions or {})
    if not way:
        raise UsageError(f"which way is {metric} better?", hint="--better higher, or lower")
    first, second = _counted_rows(*first), _counted_rows(*second)
    sides = _side(*first, metric, take), _side(*second, metric, take)
    ours, theirs = (sides[0].group, first[1]), (sides[1].group, second[1])
    found = pairs(ours, theirs, paired_by, way == "lower")
    said = [
        *_of_each(first, sides[0], metrics, metric),
        *_of_each(second, sides[1], metrics, metric),
    ]
    said += _too_few(found, sides)
    said += _unequal(sides)
    said += _selected((*first[1], *second[1]), sides, metric, metrics, chosen_by)
    return Versus(metric, way, *sides, found, _verdict(found, sides), said)


def _counted_rows(name: str, rows: Sequence[Row]) -> tuple[str, list[Row]]:
    """A group without the runs that a study made anew."""
    anew = started_again(rows)
    return name, [row for row in rows if row["id"] not in anew]


def _side(name: str, rows: Sequence[Row], metric: str, take: str) -> Side:
    firsts, found = counted(rows, metric, take)
    hours = [row.get("device_hours") for row in rows]
    known = [one for one in hours if isinstance(one, float)]
    return Side(
        name,
        len(firsts),
        dict(Counter(str(row.get("state")) for row in firsts)),
        found.estimate,
        as_group(found),
        _settings(rows),
        sum(known) if len(known) == len(rows) else None,
    )


def _settings(rows: Sequence[Row]) -> int:
    """How many different ones there are, seeds aside."""
    seeds = seed_settings(rows)
    return len(
        {
            tuple(
                (key, same(value))
                for key, value in sorted(row.items())
                if key.startswith("config.") and not is_seed(key, value) and key not in seeds
            )
            for row in rows
        }
    )


def _verdict(found: Pairs, sides: tuple[Side, Side]) -> str:
    wins = found.wins
    if wins is None or wins.value is None:
        return f"nothing can be compared: {found.why}"
    count = len(found.pairs)
    if count and all(pair.values[0] == pair.values[1] for pair in found.pairs):
        return f"{sides[0].name} and {sides[1].name} are equal to the bit in all {count} pairs"
    counted = f"{count} {'pair' if count == 1 else 'pairs'}" if count else _runs(sides)
    first, second = (side.name for side in sides)
    ahead, behind = (second, first) if found.ahead == "second" else (first, second)
    often = f"{100 * max(wins.value, 1 - wins.value):.0f} %"
    wins_so = f"it wins {often} of {counted}" if count else f"P({ahead} > {behind}) is {often}"
    if found.answer.startswith("significant") and (exact := _not_found(found)) is not None:
        return (
            f"{ahead} may be better than {behind}: {wins_so} and the bootstrap finds it, the "
            f"{exact.method} does not (p = {exact.p:.3g})"
        )
    if found.answer == "significant and meaningful":
        return f"{ahead} is better than {behind}, and often enough to matter: {wins_so}"
    if found.answer == "significant, not meaningful":
        return f"{ahead} is better than {behind}, if not often enough to matter: {wins_so}"
    if not found.ahead:
        return f"neither is ahead in {counted}"
    say = "does" if count == 1 else "do"
    return f"{counted} {say} not tell which is better; {ahead} is ahead: {wins_so}"


def _runs(sides: tuple[Side, Side]) -> str:
    return f"{sides[0].group.n} and {sides[1].group.n} runs"


def _of_each(
    group: tuple[str, Sequence[Row]], side: Side, metrics: Sequence[str], metric: str
) -> list[str]:
    """What must be known of one group by itself."""
    name, rows = group
    said = [f"{name}: {warning}" for warning in warnings(rows, metrics, metric)]
    if side.group.left_out:
        whys = Counter(why for _, why in side.group.left_out)
        told = ", ".join(f"{count} {why}" for why, count in whys.items())
        said.append(
            f"{name}: {len(side.group.left_out)} of {side.runs} runs left out ({told}): those that "
            "went well are compared"
        )
    return said + [f"{name}: {note}" for note in side.group.notes]


def _too_few(found: Pairs, sides: tuple[Side, Side]) -> list[str]:
    if found.wins is None:
        return []
    said: list[str] = []
    if found.alone and found.pairs:
        alone = "1 run is" if len(found.alone) == 1 else f"{len(found.alone)} runs are"
        said.append(f"{alone} in no pair and left aside")
    if found.why is not None:
        said.append(f"{found.why}: compared as they are, which finds less than pairs do")
    notes = [part for test in found.tests for part in test.note.split("; ")]
    return said + [note for note in notes if "cannot be significant" in note][:1]


def _unequal(sides: tuple[Side, Side]) -> list[str]:
    """What one group had more of: who tries more looks better."""
    first, second = sides
    said: list[str] = []
    if first.runs != second.runs:
        said.append(
            f"unequal budgets: {first.runs} runs of {first.name}, {second.runs} of {second.name}"
        )
    if first.settings != second.settings:
        said.append(
            f"unequal budgets: {_counted(first.settings)} of {first.name}, "
            f"{_counted(second.settings)} of {second.name}: who tries more looks better"
        )
    if first.device_hours and second.device_hours:
        each = [side.device_hours / side.runs for side in sides if side.device_hours]
        if max(each) > _MUCH * min(each):
            long, short = (first, second) if each[0] > each[1] else (second, first)
            said.append(
                f"unequal budgets: a run of {long.name} takes {max(each) / min(each):.1f} times as "
                f"long as one of {short.name} (device hours)"
            )
    return said


def _counted(settings: int) -> str:
    return "one setting" if settings == 1 else f"{settings} settings"


def _selected(
    rows: Sequence[Row],
    sides: tuple[Side, Side],
    metric: str,
    metrics: Sequence[str],
    chosen_by: Sequence[str],
) -> list[str]:
    """Whether what is compared is also what was chosen by."""
    if metric in chosen_by and max(side.settings for side in sides) > 1:
        return [f"settings were chosen by {metric} itself: on other data both are worse than here"]
    if not is_test(metric):
        tests = [name for name in metrics if is_test(name)]
        if tests:
            return [f"{metric} is no measure of test data, and {tests[0]} is one: --metric"]
        return []
    if max(side.settings for side in sides) > 1:
        return [
            f"settings vary within a group: if one was chosen by {metric}, it is no test any more"
        ]
    looks = [row.get(f"points.{metric}") for row in rows]
    most = max((look for look in looks if isinstance(look, int)), default=1)
    if most > 1:
        return [
            f"{metric} was looked at {most} times in a run: if the best one was taken, or training "
            "ended by it, it is no test any more"
        ]
    return []


def _not_found(found: Pairs) -> Tested | None:
    """The exact test, where it does not find what the bootstrap does."""
    exact = next((test for test in found.tests if test.method.startswith("exact")), None)
    return exact if exact is not None and exact.p > _ALPHA else None
