"""`samebit seeds show`: a group of runs over seeds, as a table, a distribution, and sentences."""

import argparse
import fnmatch
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from samebit import places
from samebit.cli.tables import Column, table
from samebit.cli.words import Screen, counted, number, sparkline, visible, write_data
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, UsageError
from samebit.query.crossing import Crossing
from samebit.replay.results import VOLATILE
from samebit.report.facts import facts
from samebit.report.studied import Studied, metrics_of, studied, warnings
from samebit.report.tables.settings import of_project
from samebit.stats.values import Estimate
from samebit.studies.declared import ALL, Study, find_study, folder_of
from samebit.studies.trials import Trial, by_run, read_history

__all__ = ["in_short", "show"]

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
    rows, trials = _read(store, words[0])
    names = metrics_of(rows, _is_volatile)
    metric = (options.metric or _declared(store, words[0])).removeprefix("metric.")
    found = _studied(store, rows, trials, metric or (names[0] if names else ""), names, options)
    if options.json:
        write_data(canonical_json(_as_data(words[0], rows, trials, found, names)).decode() + "\n")
        return Exit.DONE
    _print(Screen.of(sys.stdout), words[0], rows, trials, found, names)
    return Exit.DONE


def in_short(store: Path, study: Study, metric: str) -> list[str]:
    """A line or two of what a study came to, and what must be known of it."""
    rows, trials = _read(store, study.name)
    names = metrics_of(rows, _is_volatile)
    metric = metric.removeprefix("metric.") or (names[0] if names else "")
    seeds = {run: trial.values for run, trial in trials.items()}
    if metric not in names:
        said = [f"no run has the metric {metric!r}"] if metric else []
        return said + warnings(rows, seeds, names, metric)
    found = _studied(store, rows, trials, metric, names, None)
    assert found is not None
    told = [f"{metric}: {found.estimate}"] if found.estimate is not None else []
    return told + found.warnings


def _is_volatile(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in VOLATILE)


def _read(store: Path, group: str) -> tuple[list[Row], dict[str, Trial]]:
    """The runs of a group, oldest first, and the trials that they are of."""
    rows: list[Row] = [row for row in facts(store) if row.get("group") == group]
    study = find_study(store, group)
    if not rows:
        if study is not None:
            raise NotFound(f"the study {group!r} has no run yet", hint="the same command goes on")
        raise NotFound(
            f"no run is in a group {group!r}", hint="`samebit ls --columns group` lists them"
        )
    if study is None:
        return rows, {}
    history = read_history(folder_of(store, study.id), study.id)
    return rows, by_run(history.trials)


def _declared(store: Path, group: str) -> str:
    study = find_study(store, group)
    return study.metric if study is not None else ""


def _studied(
    store: Path,
    rows: Sequence[Row],
    trials: Mapping[str, Trial],
    metric: str,
    names: Sequence[str],
    options: argparse.Namespace | None,
) -> Studied | None:
    """None where no metric is there at all."""
    if not names:
        return None
    return studied(
        rows,
        metric,
        seeds={run: trial.values for run, trial in trials.items()},
        repeats={run: trial.repeat for run, trial in trials.items()},
        better=(options.better if options is not None else None) or "",
        directions=of_project(store).direction,
        within=options.within if options is not None else None,
        metrics=names,
    )


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
    for line in _lines(found, min(screen.width or _WIDTH, 100)):
        for piece in _wrapped(line, screen.width):
            screen.say(visible(piece))
    others = [name for name in names if name != found.metric]
    if others:
        screen.say()
        screen.say(visible(f"other metrics: {', '.join(others[:8])} (--metric NAME)"))


def _wrapped(line: str, columns: int | None) -> list[str]:
    if columns is None or len(line) <= columns:
        return [line]
    import textwrap  # noqa: PLC0415  (most lines fit)

    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, columns, subsequent_indent=indent, break_on_hyphens=False)


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
    down, across = (name.removeprefix("seed of ") for name in (crossing.down, crossing.across))
    lines = [f"{len(crossing.rows)} seeds of {down} × {len(crossing.columns)} of {across}:"]
    for part in crossing.parts:
        over = part.over.removeprefix("seed of ")
        test = f", p = {part.test.p:.3g} ({part.test.method})" if part.test is not None else ""
        lines.append(f"  {over}: SD {part.sd:.3g}, {100 * part.share:.0f} % of the variance{test}")
    lines += [f"  {note}" for note in crossing.notes]
    if crossing.parts:
        lines.append("  (the rest: what both do together, and what cannot be repeated)")
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
