"""`samebit sweep show`: what was searched, the configurations best first, and how it went."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from samebit import places, stats
from samebit.cli.searching import results_of
from samebit.cli.tables import Column, table
from samebit.cli.words import (
    Screen,
    counted,
    duration,
    number,
    say_list,
    sparkline,
    visible,
    write_data,
)
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, UsageError
from samebit.query import index
from samebit.report.checklist.project import is_test
from samebit.stats.values import Estimate
from samebit.studies.declared import Study, Sweep, find_study, folder_of, settings_of
from samebit.studies.fates import Fate, fates
from samebit.studies.space import Value, words
from samebit.studies.trials import Trial, read_history

__all__ = ["Configuration", "Found", "in_short", "show"]

_SHOWN = 40
_CURVE = 60
_BUDGETS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)


class Configuration(Struct, frozen=True):
    """What was tried, and what came of it."""

    number: int  # of the question to the sampler, from 1
    settings: dict[str, Value]
    state: str  # running | finished | stopped early | failed
    value: float | None  # the mean over its runs; None where it did not finish
    values: list[float]  # of its runs
    runs: list[str]
    by: str  # who said so, with its version


class Found(Struct, frozen=True):
    """What a sweep came to."""

    name: str
    metric: str
    goal: str  # maximize | minimize
    rule: str
    sampler: str
    by: list[str]  # who answered, with versions
    seed: int
    seeds: int
    pruner: str
    space: dict[str, str]
    budget: dict[str, int]  # trials, seconds, gpu_seconds: what of it was set
    spent_seconds: float  # in which at least one run went on
    spent_device_seconds: float
    configurations: list[Configuration]  # as they were asked for
    best: int | None  # its number
    best_so_far: list[float]  # after each configuration that finished
    expected_best: list[Estimate]  # of random search: by how many configurations
    warnings: list[str]

    @property
    def ranked(self) -> list[Configuration]:
        """Best first; behind them what has no value, as it was asked for."""
        sign = -1 if self.goal == "maximize" else 1
        ended = [one for one in self.configurations if one.value is not None]
        ended.sort(key=lambda one: sign * (one.value or 0.0))
        return ended + [one for one in self.configurations if one.value is None]


def show(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Print what a sweep came to."""
    if len(words) != 1:
        raise UsageError("which sweep?", hint="samebit sweep show NAME")
    store = places.find_store(Path.cwd())
    study = find_study(store, words[0])
    if study is None or study.sweep is None:
        hint = f"samebit seeds show {words[0]}" if study is not None else "`samebit ls` has groups"
        raise NotFound(f"no sweep is called {words[0]!r}", hint=hint)
    found = read_found(store, study, study.sweep)
    if options.json:
        write_data(canonical_json(msgspec.to_builtins(found)).decode() + "\n")
        return Exit.DONE
    _print(Screen.of(sys.stdout), found)
    return Exit.DONE


def in_short(store: Path, study: Study, sweep: Sweep) -> list[str]:
    """What a sweep came to in a line or two, and what must be known of it."""
    found = read_found(store, study, sweep)
    best = _best(found)
    told = [f"mind: {one}" for one in found.warnings if not one.startswith(study.metric)]
    if best is None or best.value is None:
        ours = [row for row in index.rows(store) if row.get("study") == study.id]
        logged = {key.removeprefix("metric.") for row in ours for key in row if "metric." in key}
        there = f"; they log {', '.join(sorted(logged))}" if logged else ""
        return [*told, f"no run has a number for {study.metric}{there}"]
    chosen = best.settings
    said = ", ".join(f"{name} {_plain(chosen[name])}" for name in found.space if name in chosen)
    return [*told, f"best {study.metric} {number(best.value)}: {said} (run {best.runs[0]})"]


def read_found(store: Path, study: Study, sweep: Sweep) -> Found:
    """What a sweep came to, as its runs are now."""
    history = read_history(folder_of(store, study.id), study.id)
    rows = {str(row["id"]): row for row in index.rows(store)} if history.trials else {}
    results = results_of(store, study, sweep)
    grouped: dict[int, list[Fate]] = {}
    for one in fates(history.trials, rows):
        grouped.setdefault(one.trial.asked or 0, []).append(one)
    tried: list[Configuration] = []
    for asked, members in grouped.items():
        came = results.outcome([*members, *[None] * (sweep.seeds - len(members))])
        first = members[0].trial
        runs = [one.run for one in members if one.run is not None]
        settings = settings_of(study, first.values)
        tried.append(
            Configuration(
                asked + 1, settings, came.state, came.value, list(came.values), runs, first.by
            )
        )
    curve = _best_so_far(tried, sweep.goal)
    seconds, held = results.spent(history.trials)
    found = Found(
        study.name,
        study.metric,
        sweep.goal,
        sweep.rule,
        sweep.sampler,
        list(dict.fromkeys(one.by for one in tried)),
        study.seed,
        sweep.seeds,
        sweep.pruner,
        {one.name: words(one) for one in sweep.space},
        dict(history.counts),
        seconds,
        held,
        tried,
        None,
        curve,
        _expected(tried, sweep),
        _warnings(study, tried, history.trials),
    )
    ranked = found.ranked
    has_best = bool(ranked) and ranked[0].value is not None
    return msgspec.structs.replace(found, best=ranked[0].number if has_best else None)


def _best_so_far(tried: Sequence[Configuration], goal: str) -> list[float]:
    better = max if goal == "maximize" else min
    found: list[float] = []
    for one in tried:
        if one.value is not None:
            found.append(better(found[-1], one.value) if found else one.value)
    return found


def _expected(tried: Sequence[Configuration], sweep: Sweep) -> list[Estimate]:
    """Of random search alone; elsewhere configurations are not independent of each other."""
    values = [one.value for one in tried if one.value is not None]
    if sweep.sampler != "random" or sweep.pruner or len(values) < 2:
        return []
    budgets = [n for n in _BUDGETS if n < len(values)] + [len(values)]
    return list(
        stats.expected_best(
            values,
            budgets,
            sampler="random",
            lower_is_better=sweep.goal == "minimize",
            over="configurations",
        )
    )


def _warnings(study: Study, tried: Sequence[Configuration], trials: Sequence[Trial]) -> list[str]:
    found: list[str] = []
    if is_test(study.metric):
        found.append(
            f"{study.metric} looks like a test metric; what is chosen by it cannot be judged by it"
        )
    failed = sum(one.state == "failed" for one in tried)
    if failed:
        found.append(f"{failed} of {counted(len(tried), 'configuration')} failed or have no number")
    ended = [one for one in tried if one.state == "finished"]
    if len(ended) > 2 and len({tuple(one.values) for one in ended}) == 1:
        found.append("all results are equal to the bit: the script may not use what it is given")
    return found


def _best(found: Found) -> Configuration | None:
    return next((one for one in found.configurations if one.number == found.best), None)


def _print(screen: Screen, found: Found) -> None:
    states: dict[str, int] = {}
    for one in found.configurations:
        states[one.state] = states.get(one.state, 0) + 1
    told = ", ".join(f"{n} {state}" for state, n in states.items())
    screen.say(visible(f"{found.name}: {counted(len(found.configurations), 'configuration')}: ")
               + (told or "none yet"))  # fmt: skip
    screen.say(visible(f"  {found.goal} {found.metric}: {found.rule}"))
    by = ", ".join(found.by) or found.sampler
    each = f", {found.seeds} seeds each" if found.seeds > 1 else ""
    pruned = f", stopped early by {found.pruner}" if found.pruner else ""
    screen.say(visible(f"  by {by}, seed {found.seed}{each}{pruned}"))
    screen.say(f"  {_spent(found)}")
    for name, where in found.space.items():
        screen.say(visible(f"  {name}: {where}"))
    for warning in found.warnings:
        screen.say(screen.paint.yellow(visible(f"mind: {warning}")))
    if not found.configurations:
        return
    screen.say()
    screen.say(_table(screen, found))
    if len(found.configurations) > _SHOWN:
        screen.say(f"and {len(found.configurations) - _SHOWN:,} more (--json has all)")
    curve = found.best_so_far
    if len(set(curve)) > 1:
        screen.say()
        screen.say(
            visible(f"best {found.metric} so far, {number(curve[0])} to {number(curve[-1])}:")
        )
        screen.say(f"  {sparkline(curve, _CURVE)}")
    if found.expected_best:
        said = ", ".join(
            f"of {n} {number(one.value)}"
            for n, one in zip(_sizes(found), found.expected_best, strict=True)
        )
        say_list(screen, "the best of n, expected by this random search:", [said])


def _sizes(found: Found) -> list[int]:
    most = len(found.best_so_far)
    return [n for n in _BUDGETS if n < most] + [most]


def _spent(found: Found) -> str:
    budget = found.budget
    parts = [counted(len(found.configurations), "configuration")]
    if "trials" in budget:
        parts[0] = f"{len(found.configurations)} of {counted(budget['trials'], 'configuration')}"
    took = duration(found.spent_seconds)
    parts.append(f"{took} of {duration(budget['seconds'])}" if "seconds" in budget else took)
    hours = f"{found.spent_device_seconds / 3600:.2g}"
    if "gpu_seconds" in budget:
        hours += f" of {budget['gpu_seconds'] / 3600:g}"
    return ", ".join([*parts, f"{hours} device-hours"])


def _table(screen: Screen, found: Found) -> str:
    names = list(found.space)
    columns = [Column("", align="right"), Column(found.metric, align="right")]
    columns += [Column("± SD", align="right")] * (found.seeds > 1)
    columns += [Column(name, align="right") for name in names]
    has_states = any(one.state != "finished" for one in found.configurations)
    columns += [*[Column("state")] * has_states, Column("run", shrink=1)]
    lines: list[list[object]] = []
    for one in found.ranked[:_SHOWN]:
        spread = [f"{stats.sd(one.values):.2g}" if len(one.values) > 1 else ""]
        lines.append(
            [
                one.number,
                number(one.value) if one.value is not None else "",
                *spread * (found.seeds > 1),
                *(_plain(one.settings.get(name)) for name in names),
                *[one.state] * has_states,
                one.runs[0] if one.runs else "",
            ]
        )
    return table(columns, lines, columns_wide=screen.width, color=screen.color)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
