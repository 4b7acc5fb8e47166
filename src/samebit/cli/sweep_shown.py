"""`samebit sweep show`: what was searched, the configurations best first, and how it went."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from samebit import places
from samebit.cli.sweep_found import Configuration, Found, Weight, find_sweep, read_found
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
from samebit.errors import Exit, UsageError
from samebit.report.facts import facts
from samebit.studies.declared import Study, Sweep

__all__ = ["in_short", "show"]

Row = Mapping[str, object]

_SHOWN = 40
_CURVE = 60


def show(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Print what a sweep came to."""
    if len(words) != 1:
        raise UsageError("which sweep?", hint="samebit sweep show NAME")
    store = places.find_store(Path.cwd())
    found = read_found(store, *find_sweep(store, words[0]), facts(store))
    if options.json:
        write_data(canonical_json(msgspec.to_builtins(found)).decode() + "\n")
        return Exit.DONE
    _print(Screen.of(sys.stdout), found)
    return Exit.DONE


def in_short(store: Path, study: Study, sweep: Sweep, every: Sequence[Row]) -> list[str]:
    """What a sweep came to in a line or two, and what must be known of it."""
    found = read_found(store, study, sweep, every)
    best = _best(found)
    told = [f"mind: {one}" for one in found.warnings if not one.startswith(study.metric)]
    if best is None or best.value is None:
        ours = [row for row in every if row.get("study") == study.id]
        keys = {key for row in ours for key in row if key.startswith("metric.")}
        logged = {key.removeprefix("metric.") for key in keys}
        there = f"; they log {', '.join(sorted(logged))}" if logged else ""
        return [*told, f"no run has a number for {study.metric}{there}"]
    chosen = best.settings
    said = ", ".join(f"{name} {_plain(chosen[name])}" for name in found.space if name in chosen)
    return [*told, f"best {study.metric} {number(best.value)}: {said} (run {best.runs[0]})"]


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
    say_list(
        screen,
        f"share of the variance of {visible(found.metric)} by one setting alone:",
        list(map(_weight, found.importance)),
    )
    if found.expected_best:
        said = ", ".join(
            f"of {n} {number(one.value)}"
            for n, one in zip(found.expected_of, found.expected_best, strict=True)
        )
        say_list(screen, "the best of n, expected by this random search:", [said])


def _weight(one: Weight) -> str:
    rank = "" if one.rank is None else f", rank correlation {one.rank:.2f}"
    return f"{one.setting} {100 * one.share:.0f} % (n {one.n}{rank})"


def _spent(found: Found) -> str:
    budget = found.budget
    parts = [counted(len(found.configurations), "configuration")]
    if "trials" in budget:
        parts[0] = f"{len(found.configurations)} of {counted(budget['trials'], 'configuration')}"
    took = duration(found.spent_seconds)
    parts.append(f"{took} of {duration(budget['seconds'])}" if "seconds" in budget else took)
    hours = f"{number(found.spent_device_seconds / 3600)}"
    if "gpu_seconds" in budget:
        hours += f" of {number(budget['gpu_seconds'] / 3600)}"
    return ", ".join([*parts, f"{hours} device-hours"])


def _table(screen: Screen, found: Found) -> str:
    names = list(found.space)
    columns = [Column("", align="right"), Column(found.metric, align="right")]
    columns += [Column("± SD", align="right")] * (found.seeds > 1)
    columns += [Column(name, align="right") for name in names]
    has_states = any(one.state != "finished" for one in found.configurations)
    columns += [*[Column("state")] * has_states, Column("run", shrink=1)]
    lines: list[list[object]] = []
    by_number = {one.number: one for one in found.configurations}
    for one in map(by_number.__getitem__, found.ranking[:_SHOWN]):
        spread = [f"{one.sd:.2g}" if one.sd is not None else ""]
        lines.append(
            [
                one.number,
                number(one.value) if one.value is not None else "",
                *spread * (found.seeds > 1),
                *(_plain(one.settings.get(name)) for name in names),
                *[_state(one)] * has_states,
                one.runs[0] if one.runs else "",
            ]
        )
    return table(columns, lines, columns_wide=screen.width, color=screen.color)


def _state(one: Configuration) -> str:
    if one.stopped_at is not None:
        return f"{one.state} at {one.stopped_at:g}"
    return f"{one.state} ({one.why})" if one.why else one.state


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
