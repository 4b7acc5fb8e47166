"""`samebit seeds --start t --keep p --at f`: which seeds go on, what that costs and loses."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from samebit import places, stats
from samebit.cli.placing import so_many
from samebit.errors import NotFound, UsageError
from samebit.query import index
from samebit.report.tables.naming import better
from samebit.report.tables.settings import of_project
from samebit.studies.controlling import Controlled
from samebit.studies.declared import Keeping, Study
from samebit.studies.fates import Fate
from samebit.studies.following import Following, Point
from samebit.studies.keeping import expected_share
from samebit.studies.places.place import Place

__all__ = ["early_arguments", "keeping_of", "said_after", "said_before", "said_of_loss"]


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
    said = f"the {keeping.keep} best of {start} by {study.metric} at step {keeping.at:g} go on"
    lines = [f"{said}, the others are stopped (Dodge et al. 2020)"]
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


def said_after(store: Path, study: Study, controlled: Controlled) -> list[str]:
    """What it cost, and how far the judgement can be trusted."""
    keeping = study.keeping
    if keeping is None:
        return []
    trials = {one.trial.number: one for one in controlled.fates}
    rows = [row for row in index.rows(store) if row.get("study") == study.id]
    ran = {str(row["id"]): steps for row in rows if isinstance(steps := row.get("steps"), int)}
    ended = [ran.get(str(one.run), 0) for one in trials.values() if one.state == "finished"]
    full = keeping.steps or max(ended, default=0)
    lines: list[str] = []
    if full:
        whole = full * len(trials)
        share = 100 * sum(ran.values()) / whole
        lines.append(f"{sum(ran.values()):,} of {whole:,g} steps were run: {share:.0f} %")
    finished = [one for one in trials.values() if one.state == "finished"]
    return lines + _trust(store, study, keeping, finished)


def _trust(store: Path, study: Study, keeping: Keeping, finished: Sequence[Fate]) -> list[str]:
    following = Following(store, study.metric)
    curves = [following.points(str(one.run)) for one in finished]
    both = [
        (until[-1], points[-1][1])
        for points in curves
        if (until := [value for step, value in points if step <= keeping.at])
    ]
    both = [one for one in both if all(map(math.isfinite, one))]
    if len(both) < 3:
        return []
    correlation = stats.spearman(*zip(*both, strict=True))
    return [
        f"rank correlation of step {keeping.at:g} with the end: {correlation.value:.2f} over the "
        f"{len(both)} that finished, which were chosen by it; --like GROUP estimates what was lost"
    ]
