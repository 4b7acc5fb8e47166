"""`samebit seeds --start t --keep p --at f`: which seeds go on, what that costs and loses."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit import places, stats
from samebit.cli.placing import so_many
from samebit.errors import NotFound, UsageError
from samebit.folders.ending import STOPPED_EARLY
from samebit.query import index
from samebit.report.tables.naming import better
from samebit.report.tables.settings import of_project
from samebit.studies.controlling import Controlled
from samebit.studies.declared import Keeping, Study
from samebit.studies.fates import fates
from samebit.studies.following import Following, Point
from samebit.studies.keeping import expected_share
from samebit.studies.places.place import Place
from samebit.studies.trials import Trial

__all__ = [
    "Early",
    "StoppedAt",
    "early_arguments",
    "early_lines",
    "early_of",
    "keeping_of",
    "said_after",
    "said_before",
    "said_of_loss",
    "shown_lines",
]


Row = Mapping[str, object]


class StoppedAt(Struct, frozen=True):
    """A run that was stopped early."""

    run: str
    step: float  # at which it was judged
    why: str


class Early(Struct, frozen=True):
    """What stopping all but the best seeds early came to so far."""

    metric: str
    better: str  # higher | lower
    keep: int
    start: int
    at: float  # the step
    steps: float  # of a whole run: as was said, else of the longest that finished; 0 of none
    ran: int  # steps, of all runs
    share: float | None  # of the steps of `start` whole runs; None while nobody knows how many
    at_once: float | None  # the share that it costs with all at once; None where steps are not said
    rank: float | None  # correlation of that step with the end; None of fewer than three
    judged: int  # runs that it is over: those that finished, which were chosen by it
    stopped: list[StoppedAt]


def early_arguments(parser: argparse.ArgumentParser) -> None:
    """How many are kept, from which step on."""
    add = parser.add_argument
    add("--keep", type=so_many, metavar="N", help="stop early all but the best N, by --metric")
    add("--at", type=_above_zero, metavar="X", help="at this step; below 1 a share of --steps")
    add("--steps", type=_above_zero, metavar="N", help="so many steps has a whole run")
    add("--like", metavar="GROUP", help="what would it have lost in the runs of this group?")


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0, not {text!r}")
    return value


def keeping_of(options: argparse.Namespace, start: int, repeats: int) -> Keeping | None:
    """What was asked for; None where all runs go to their end. UsageError where it cannot be."""
    if options.keep is None:
        given = [name for name in ("at", "steps", "like") if getattr(options, name) is not None]
        if given:
            raise UsageError(f"--{given[0]} is of --keep", hint="--start 20 --keep 5 --at 100")
        return None
    if options.at is None:
        raise UsageError("at which step are they judged?", hint="--at 100, or --at 0.25 --steps N")
    if options.at < 1 and options.steps is None:
        hint = "--steps N says how many a whole run has; or --at as a step"
        raise UsageError(f"{options.at:g} of how many steps?", hint=hint)
    if options.keep >= start:
        raise UsageError(f"of {start} runs {options.keep} are kept: nothing is stopped")
    if repeats:
        raise UsageError("--repeat and --keep do not go together", hint="--repeat 0")
    if options.on == "inline":
        raise UsageError("inline waits for each run to end: none can be stopped early")
    if not options.metric:
        raise UsageError("by which metric are they judged?", hint="--metric val_acc")
    metric = options.metric
    directions = of_project(places.choose_store(Path.cwd())).direction
    way = options.better or better(metric, directions)
    if not way:
        raise UsageError(f"which way is {metric} better?", hint="--better higher, or lower")
    at = options.at * options.steps if options.at < 1 else options.at
    if options.steps is not None and at >= options.steps:
        raise UsageError(f"step {at:g} is the end of a run of {options.steps:g} steps")
    return Keeping(options.keep, at, way, options.steps or 0)


def said_before(study: Study, start: int, place: Place) -> list[str]:
    """What is going to be done, and what it costs."""
    keeping = study.keeping
    if keeping is None:
        return []
    lines = [_planned(keeping.keep, start, study.metric, keeping.at)]
    if not keeping.steps:
        return [*lines, "--steps N, of a whole run, tells what share of the steps that is"]
    fraction = keeping.at / keeping.steps
    least = stats.stopping_cost(start, keeping.keep, fraction) / start
    cost = f"costs {100 * least:.0f} % of the steps of {start} whole runs"
    jobs = min(place.jobs, start)
    if jobs < start:
        share = expected_share(start, keeping.keep, fraction, jobs)
        cost += f" with all at once, about {100 * share:.0f} % with {jobs} at once"
    return [*lines, cost]


def _planned(keep: int, start: int, metric: str, at: float) -> str:
    best = f"the {keep} best of {start} by {metric} at step {at:g} go on"
    return f"{best}, the others are stopped (Dodge et al. 2020)"


def said_of_loss(store: Path, study: Study, start: int, group: str) -> str:
    """What stopping early would have lost in another group, whose runs went to their end.

    With fewer runs there than are to be started, in proportion.
    """
    keeping = study.keeping
    assert keeping is not None
    rows = [row for row in index.rows(store) if row.get("group") == group]
    following = Following(store, study.metric)
    curves = [
        points
        for row in rows
        if row["state"] == "finished" and (points := following.points(str(row["id"])))
    ]
    if len(curves) < 2:
        raise NotFound(
            f"the group {group!r} does not have two finished runs with {study.metric}",
            runs=len(rows),
        )
    return _loss(curves, keeping, start, group)


def _loss(curves: Sequence[Sequence[Point]], keeping: Keeping, start: int, group: str) -> str:
    steps = sorted(set.intersection(*({step for step, _ in one} for one in curves)))
    until = sum(step <= keeping.at for step in steps)
    if not 0 < until < len(steps):
        raise UsageError(
            f"the runs of {group} have no steps in common on both sides of step {keeping.at:g}"
        )
    table = [[dict(one)[step] for step in steps] for one in curves]
    if not all(math.isfinite(value) for row in table for value in row):
        raise UsageError(f"runs of {group} have values that are no numbers")
    tried = min(start, len(curves))
    kept = max(1, round(keeping.keep * tried / start))
    lower = keeping.better == "lower"
    found = stats.stopped_early(
        table, tried, kept, (until + 0.5) / len(steps), lower_is_better=lower
    )
    ends = [row[-1] for row in table]
    (whole,) = stats.expected_best(ends, [tried], sampler="seeds", lower_is_better=lower)
    correlation = stats.spearman([row[until - 1] for row in table], ends)
    return (
        f"in {len(curves)} runs of {group}, {kept} kept of {tried}: the best is {found.value:.6g} "
        f"on average, {abs(whole.value - found.value):.3g} short of {whole.value:.6g} without "
        f"stopping; rank correlation with the end {correlation.value:.2f}"
    )


def said_after(store: Path, study: Study, controlled: Controlled, rows: Sequence[Row]) -> list[str]:
    """What it cost, and how far the judgement can be trusted."""
    trials = [one.trial for one in controlled.fates]
    found = early_of(study, trials, rows, Following(store, study.metric).points)
    return early_lines(found) if found is not None else []


def early_of(
    study: Study,
    trials: Sequence[Trial],
    rows: Sequence[Row],
    points_of: Callable[[str], Sequence[Point]],
) -> Early | None:
    """What stopping early came to so far; None where nobody asked for it.

    Args:
        study: as it was declared.
        trials: of it.
        rows: of runs, its own among them, as `query.index` has them.
        points_of: what a run has logged of the study's metric.
    """
    keeping = study.keeping
    if keeping is None:
        return None
    by_id = {str(row["id"]): row for row in rows if row.get("study") == study.id}
    found = fates(trials, by_id)
    ran = {run: steps for run, row in by_id.items() if isinstance(steps := row.get("steps"), int)}
    finished = [str(one.run) for one in found if one.state == "finished"]
    full = keeping.steps or max((ran.get(run, 0) for run in finished), default=0)
    whole = full * len(found)
    at_once = 0.0
    if keeping.steps:
        fraction = keeping.at / keeping.steps
        at_once = stats.stopping_cost(len(found), keeping.keep, fraction) / len(found)
    rank, judged = _trust(keeping, [points_of(run) for run in finished])
    return Early(
        study.metric,
        keeping.better,
        keeping.keep,
        len(found),
        keeping.at,
        full,
        sum(ran.values()),
        sum(ran.values()) / whole if whole else None,
        at_once or None,
        rank,
        judged,
        [
            StoppedAt(one.run, one.trial.early.step, one.trial.early.why)
            for one in found
            if one.state == STOPPED_EARLY and one.run is not None and one.trial.early is not None
        ],
    )


def shown_lines(found: Early) -> list[str]:
    """The same in words, with what was planned."""
    return [_planned(found.keep, found.start, found.metric, found.at), *early_lines(found)]


def early_lines(found: Early) -> list[str]:
    """What it cost, and how far the judgement can be trusted."""
    lines: list[str] = []
    if found.share is not None:
        whole = found.steps * found.start
        cost = f"{found.ran:,} of {whole:,g} steps were run: {100 * found.share:.0f} %"
        if found.at_once is not None:
            cost += f", with all at once {100 * found.at_once:.0f} %"
        lines.append(cost)
    if found.rank is not None:
        lines.append(
            f"rank correlation of step {found.at:g} with the end: {found.rank:.2f} over the "
            f"{found.judged} that finished, which were chosen by it; --like GROUP estimates what "
            "was lost"
        )
    return lines


def _trust(keeping: Keeping, curves: Sequence[Sequence[Point]]) -> tuple[float | None, int]:
    """The rank correlation of the step with the end, over how many; None of fewer than three."""
    both = [
        (until[-1], points[-1][1])
        for points in curves
        if (until := [value for step, value in points if step <= keeping.at])
    ]
    both = [one for one in both if all(map(math.isfinite, one))]
    if len(both) < 3:
        return None, len(both)
    rank = stats.spearman(*zip(*both, strict=True)).value
    return (rank if math.isfinite(rank) else None), len(both)
