"""`samebit seeds show`: a group of runs over seeds, as a table, a distribution, and sentences."""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from samebit import places
from samebit.cli.seeds_early import Early, early_of, shown_lines
from samebit.cli.tables import Column, table
from samebit.cli.words import Screen, counted, number, say_wrapped, sparkline, visible, write_data
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, UsageError
from samebit.folders.find import find_run
from samebit.folders.read import read_run
from samebit.query.crossing import Crossing
from samebit.query.endings import Curve, Stopped
from samebit.query.volatile import is_volatile
from samebit.report.facts import facts
from samebit.report.studied import Studied, metrics_of, studied, warnings
from samebit.report.studied import in_short as group_in_short
from samebit.report.tables.settings import of_project
from samebit.report.versus import Versus, versus
from samebit.stats.values import REPEATS, Estimate
from samebit.studies.declared import ALL, Study, find_study, folder_of
from samebit.studies.following import Following
from samebit.studies.trials import Trial, by_run, read_history

__all__ = ["declared", "in_short", "plain", "read_group", "show"]

Row = Mapping[str, object]

_RUNS_SHOWN = 40
_METRICS_SHOWN = 3
_BUDGETS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
_WIDTH, _LEAST_WIDTH = 80, 30
_BLOCKS = "▁▂▃▄▅▆▇█"


def show(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Print what a group came to."""
    if len(words) != 1:
        raise UsageError("of which group?", hint="samebit seeds show GROUP; `samebit ls` has them")
    store = places.find_store(Path.cwd())
    study = find_study(store, words[0])
    if study is not None and study.sweep is not None:
        raise UsageError(f"{words[0]} is a sweep", hint=f"samebit sweep show {words[0]}")
    every = facts(store)
    rows = read_group(store, every, words[0])
    names = metrics_of(rows, is_volatile)
    metric = plain(options.metric or (study.metric if study is not None else ""))
    found = _studied(store, rows, metric or (names[0] if names else ""), names, options)
    other = None
    if options.than and found is not None:
        theirs = read_group(store, every, options.than)
        other = versus(
            (words[0], rows),
            (options.than, theirs),
            found.metric,
            better=found.better,
            metrics=list(dict.fromkeys([*names, *metrics_of(theirs, is_volatile)])),
        )
    trials, early = _told_by(store, study, rows)
    if options.json:
        told = _as_data(words[0], rows, trials, found, names)
        told["early"] = msgspec.to_builtins(early) if early is not None else None
        told["than"] = msgspec.to_builtins(other) if other is not None else None
        write_data(canonical_json(told).decode() + "\n")
        return Exit.DONE
    screen = Screen.of(sys.stdout)
    _print(screen, words[0], rows, trials, found, names)
    if early is not None:
        say_wrapped(screen, ["", *shown_lines(early)])
    if other is not None:
        say_wrapped(screen, ["", *_than_lines(other)])
    return Exit.DONE


def in_short(store: Path, study: Study, metric: str, every: Sequence[Row]) -> list[str]:
    """A line or two of what a study came to, and what must be known of it."""
    rows = read_group(store, every, study.name)
    names = metrics_of(rows, is_volatile)
    metric = plain(metric) or (names[0] if names else "")
    if metric not in names:
        said = [f"no run has the metric {metric!r}"] if metric else []
        return said + warnings(rows, names, metric)
    estimate, warned = group_in_short(rows, metric, names)
    return [*([f"{metric}: {estimate}"] if estimate is not None else []), *warned]


def plain(metric: str) -> str:
    """A metric's own name, of one as `--where` has it."""
    return metric.removeprefix("metric.")


def read_group(store: Path, every: Sequence[Row], group: str) -> list[Row]:
    """The runs of a group, oldest first; NotFound where there are none."""
    rows: list[Row] = [row for row in every if row.get("group") == group]
    if not rows:
        if find_study(store, group) is not None:
            raise NotFound(f"the study {group!r} has no run yet", hint="the same command goes on")
        raise NotFound(
            f"no run is in a group {group!r}", hint="`samebit ls --columns group` lists them"
        )
    return rows


def declared(store: Path, group: str) -> str:
    """The metric that a group's study was declared with; empty where there is none."""
    study = find_study(store, group)
    return study.metric if study is not None else ""


def _told_by(
    store: Path, study: Study | None, rows: Sequence[Row]
) -> tuple[dict[str, Trial], Early | None]:
    """What a study has beside its runs: by run the trial that it is of; and of stopping early."""
    if study is None:
        return {}, None
    trials = read_history(folder_of(store, study.id), study.id).trials
    points_of = Following(store, study.metric).points
    return by_run(trials), early_of(study, trials, rows, points_of)


def _studied(
    store: Path,
    rows: Sequence[Row],
    metric: str,
    names: Sequence[str],
    options: argparse.Namespace,
) -> Studied | None:
    """None where no metric is there at all."""
    if not names:
        return None
    return studied(
        rows,
        metric,
        curve_of=partial(_curve, store, metric),
        better=options.better or "",
        directions=of_project(store).direction,
        within=options.within,
        metrics=names,
    )


def _curve(store: Path, metric: str, run: str) -> Curve | None:
    """What a run logged of a metric."""
    import numpy  # noqa: PLC0415  (statistics say what to install where there is none)

    points = read_run(find_run(store, run)).points(numpy).get(metric)
    return (points.steps, points.values) if points is not None else None


def _print(
    screen: Screen,
    group: str,
    rows: Sequence[Row],
    trials: Mapping[str, Trial],
    found: Studied | None,
    names: Sequence[str],
) -> None:
    states: dict[str, int] = {}
    for row in rows:
        states[str(row["state"])] = states.get(str(row["state"]), 0) + 1
    told = ", ".join(f"{n} {state}" for state, n in states.items())
    screen.say(visible(f"{group}: {counted(len(rows), 'run')}: {told}"))
    screen.say()
    first = [found.metric] if found is not None else []
    shown = [*first, *(name for name in names if name not in first)][:_METRICS_SHOWN]
    screen.say(_table(screen, rows, trials, shown))
    if len(rows) > _RUNS_SHOWN:
        screen.say(f"and {len(rows) - _RUNS_SHOWN:,} more (--json has all)")
    if found is None:
        screen.say("\nno run has logged a metric that is a number")
        return
    say_wrapped(screen, _lines(found, min(screen.width or _WIDTH, 100)))
    others = [name for name in names if name != found.metric]
    if others:
        screen.say()
        screen.say(visible(f"other metrics: {', '.join(others[:8])} (--metric NAME)"))


def _table(
    screen: Screen, rows: Sequence[Row], trials: Mapping[str, Trial], metrics: Sequence[str]
) -> str:
    kinds = list(dict.fromkeys(kind for trial in trials.values() for kind in trial.values))
    kinds = kinds or ["seed"]
    columns = [Column("run"), Column("name", shrink=1), Column("state")]
    titles = ["seed" if kind == ALL else kind for kind in kinds]
    columns += [Column(name, align="right") for name in (*titles, *metrics)]
    lines: list[list[object]] = []
    for row in rows[:_RUNS_SHOWN]:
        trial = trials.get(str(row["id"]))
        seeds = [trial.values.get(kind) if trial else row.get("seed") for kind in kinds]
        again = " (again)" if trial is not None and trial.repeat else ""
        name = f"{row.get('name') or ''}{again}"
        values = [row.get(f"metric.{metric}") for metric in metrics]
        lines.append([row["id"], name, row["state"], *map(_plain, seeds), *map(_value, values)])
    return table(columns, lines, columns_wide=screen.width, color=screen.color)


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return _plain(value)


def _lines(found: Studied, columns: int) -> list[str]:
    lines: list[str] = []
    for warning in found.warnings:
        lines += ["", f"mind: {warning}"]
    if found.estimate is None:
        return [*lines, "", f"{found.metric}: no finished run has a number"]
    lines += ["", f"{found.metric}: {found.estimate}", *_distribution(found, columns)]
    for run, why in found.group.left_out:
        lines.append(f"  left out: {run}, {why}")
    lines += [f"  {note}" for note in found.group.notes if note != found.estimate.note]
    lines += _best_lines(found)
    if found.crossing is not None:
        lines += ["", *_crossing_lines(found.crossing)]
    if found.floor is not None:
        lines.append(_floor_line(found.floor))
    if found.more is not None:
        more = found.more
        lines += [
            "",
            f"for ± {more.within:.3g}: {counted(more.needed, 'seed')}, {more.more:,} more than "
            f"there are, if they vary as these {found.group.n} do (SD {found.group.sd:.3g})",
        ]
    return lines + _ending_lines(found)


def _ending_lines(found: Studied) -> list[str]:
    """How early the end can be told, and what stopping the others there would have cost."""
    told = found.endings
    if told is None:
        return []
    ranks = [one if one is not None else math.nan for one in told.ranks]
    lines = [
        "",
        f"rank correlation with the end, over {len(told.steps)} steps of {told.n} {told.over}:",
        f"  {sparkline(ranks, 40)}  from {number(ranks[0])} at step {told.steps[0]:g}",
    ]
    if told.high_from is not None and told.high_from < told.steps[-1]:
        lines.append(f"  from step {told.high_from:g} on at least 0.9")
    else:
        lines.append("  it is never 0.9 before the end: stopping early would be a guess")
    lines += [f"  {told.note}"] if told.note else []
    return lines + (_stopped_lines(told.stopped) if told.stopped else [])


def _stopped_lines(plans: Sequence[Stopped]) -> list[str]:
    one = plans[0]
    lines = ["", f"had all but the best {one.keep} of these {one.start} been stopped early:"]
    for plan in plans:
        percent = f"{100 * plan.fraction:.0f} %"
        lines.append(
            f"  at {percent} of a run: cost {plan.cost:.3g} runs, best {number(plan.found)}; "
            f"as many whole runs {number(plan.whole)}"
        )
    lines.append(f"  all {one.start} runs: best {number(one.best)}")
    return [*lines, "  (cost t f + p (1 - f), Dodge et al. 2020; whole runs by U_n)"]


def _than_lines(found: Versus) -> list[str]:
    """How many seeds would tell the one from the other."""
    lines = [f"than {found.second.name}: {found.verdict}"]
    has_pairs = bool(found.pairs.pairs)
    there = len(found.pairs.pairs) or min(found.first.group.n, found.second.group.n)
    what = "pairs of seeds" if has_pairs else "seeds of each"
    if found.pairs.needed is None:
        return [*lines, "  as often ahead as behind: no number of seeds would tell them apart"]
    more = max(0, found.pairs.needed - there)
    lines.append(
        f"  to tell them apart, if it stays as here: {found.pairs.needed:,} {what}, {more:,} more "
        "(Noether 1987, 5 % false and 5 % missed)"
    )
    return lines


def _distribution(found: Studied, columns: int) -> list[str]:
    """Where the values lie, how many at each place, and below them the mean with its interval."""
    points, estimate = found.group.points, found.estimate
    low, high = min(points), max(points)
    if estimate is None or len(points) < 2 or low == high:
        return []
    ends = [low, high, *(one for one in (estimate.low, estimate.high) if one is not None)]
    left, right = min(ends), max(ends)
    room = max(_LEAST_WIDTH, columns - 4)

    def at(value: float) -> int:
        return min(room - 1, int((value - left) / (right - left) * room))

    counts = [0] * room
    for point in points:
        counts[at(point)] += 1
    most = max(counts)
    heights = "".join(
        _BLOCKS[round((count / most) * (len(_BLOCKS) - 1))] if count else " " for count in counts
    )
    ruler = ["─"] * room
    if estimate.low is not None and estimate.high is not None:
        for place in range(at(estimate.low), at(estimate.high) + 1):
            ruler[place] = "━"
        ruler[at(estimate.low)], ruler[at(estimate.high)] = "┣", "┫"
    ruler[at(estimate.value)] = "●"
    first, last = f"{left:.4g}", f"{right:.4g}"
    gap = " " * max(1, room - len(first) - len(last))
    return [f"  {heights.rstrip()}", f"  {''.join(ruler)}", f"  {first}{gap}{last}"]


def _best_lines(found: Studied) -> list[str]:
    if not found.better:
        return ["", f"which way is {found.metric} better? --better higher or lower tells more"]
    if found.best is None or len(found.best.best) < 2:
        return []
    curve = found.best.best
    wanted = {n for n in _BUDGETS if n < found.group.n} | {found.group.n}
    spots = [one for one in curve if one.n in wanted]
    side = "lowest" if found.better == "lower" else "highest"
    said = ", ".join(f"of {one.n} {number(one.value)}" for one in spots)
    lines = ["", f"the {side}, expected: {said}"]
    lines.append(f"  {sparkline([one.value for one in curve], 40)}")
    lines.append("  (U_n of Tang et al. 2020: n of these runs, drawn without putting them back)")
    return lines + ([f"  {found.best.note}"] if found.best.note else [])


def _crossing_lines(crossing: Crossing) -> list[str]:
    kinds = [f"{n} of {kind.removeprefix('seed of ')}" for kind, n in crossing.kinds.items()]
    lines = [f"{' × '.join(kinds)}:".replace(" of", " seeds of", 1)]
    for part in crossing.parts:
        over = part.over.removeprefix("seed of ")
        judged = part.test if part.test is not None and part.test.statistic is not None else None
        test = f", p = {judged.p:.3g} ({judged.method})" if judged is not None else ""
        lines.append(f"  {over}: SD {part.sd:.3g}, {100 * part.share:.0f} % of the variance{test}")
    unjudged = (p.test.note for p in crossing.parts if p.test and p.test.statistic is None)
    lines += [f"  {note}" for note in (*dict.fromkeys(unjudged), *crossing.notes)]
    both = "both" if len(kinds) == 2 else "they"
    if crossing.parts and crossing.parts[-1].over == REPEATS:
        lines.append(f"  (interaction: what {both} do together; repeats: what cannot be repeated)")
    elif crossing.parts:
        lines.append(f"  (the rest: what {both} do together, and what cannot be repeated)")
    return lines


def _floor_line(floor: Estimate) -> str:
    runs = f"{floor.n} runs with the same seeds"
    if not floor.value:
        return f"  {runs} are equal to the bit: none of it is what cannot be repeated"
    return f"  {runs} differ: SD {floor.value:.3g} is what cannot be repeated"


def _as_data(
    group: str,
    rows: Sequence[Row],
    trials: Mapping[str, Trial],
    found: Studied | None,
    names: Sequence[str],
) -> dict[str, object]:
    runs = [
        {
            "run": row["id"],
            "name": row.get("name"),
            "state": row["state"],
            "seed": row.get("seed"),
            "trial": trial.number if trial is not None else None,
            "repeat": trial.repeat if trial is not None else 0,
            "seeds": trial.values if trial is not None else {},
            "metrics": {name: row.get(f"metric.{name}") for name in names},
        }
        for row in rows
        for trial in [trials.get(str(row["id"]))]
    ]
    told = msgspec.to_builtins(found) if found is not None else None
    return {"group": group, "runs": runs, "metrics": list(names), "result": told}
