"""`samebit show`: everything that is recorded about a run, on one screen."""

import argparse
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import structs

from samebit import places, records
from samebit.capture import batch
from samebit.capture.callers import short_place
from samebit.cli import dvc
from samebit.cli.configuring import config_lines, config_title, training_facts, whole_config
from samebit.cli.media import media_lines
from samebit.cli.scheduling import schedule_as_data, show_schedule
from samebit.cli.splitting import split_lines
from samebit.cli.surroundings import (
    data_links,
    environment_lines,
    file_lines,
    link_lines,
    use_lines,
    used_lines,
)
from samebit.cli.tables import fields
from samebit.cli.verifying import show_verdict
from samebit.cli.words import (
    Screen,
    ago,
    duration,
    few,
    shorten,
    shown,
    size,
    sparkline,
    visible,
    when,
)
from samebit.data.versions import short_name
from samebit.digest import canonical_json, short
from samebit.errors import SamebitError
from samebit.folders.ending import raised
from samebit.folders.find import find_run
from samebit.folders.imported import imported_lines
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from samebit.folders.splits import splits_of
from samebit.folders.steps import last_counts
from samebit.folders.used import data_of
from samebit.journal.traced import load_numpy_when_it_pays
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.query.lacks import find_lacks
from samebit.records import CodeRecord
from samebit.replay.plan import edited_before_import
from samebit.report.schedule import words

__all__ = ["code_lines", "randomness_lines", "show", "show_arguments"]

_MOST_OPTIMIZERS = 8  # a search with a boosting library has one for each of its trainings
_MOST_STATES = 16
_STATE_COLORS = {"finished": "green", "running": "cyan", "failed": "red"}


def show_arguments(parser: argparse.ArgumentParser) -> None:
    """What show takes."""
    parser.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
    parser.add_argument("--config", action="store_true", help="the whole configuration")
    parser.add_argument("--rank", metavar="N", help="only what this one of several ranks recorded")
    parser.add_argument(
        "--schedule", action="store_true", help="what the optimizer used, step by step"
    )
    parser.add_argument("--console", action="store_true", help="what the run printed")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def show(options: argparse.Namespace) -> int:
    """Print it."""
    load_numpy_when_it_pays()
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    if options.rank is not None:
        view = view.at_rank(options.rank)
    screen = Screen.of(sys.stdout)
    if options.json:
        found = schedule_as_data(view) if options.schedule else _everything(view)
        screen.say(canonical_json(found).decode())
    elif options.console:
        _console(view, screen)
    elif options.schedule:
        show_schedule(view, screen)
    elif options.config:
        for line in whole_config(view, screen):
            screen.say(line)
    else:
        _summary(view, screen)
    return 0


def _colored(state: str, screen: Screen, text: str) -> str:
    """A run's state in its colour."""
    return getattr(screen.paint, _STATE_COLORS.get(state, "yellow"))(text)


def _summary(view: View, screen: Screen) -> None:
    paint = screen.paint
    title = paint.bold(view.id) + (f"  {visible(view.name)}" if view.name else "")
    if view.record.kind != "run":
        title += paint.dim(f"  {view.record.kind} of {view.record.of}")
    cause = f" ({visible(view.cause)})" if view.cause else ""
    screen.say(f"{title}  {_colored(view.status, screen, view.status + cause)}")
    for name, lines in (
        ("", list(_execution(view))),
        ("code", list(code_lines(view))),
        ("config", list(config_lines(view, screen))),
        ("randomness", list(randomness_lines(view))),
        ("training", list(_training(view))),
        ("data", list(used_lines(view))),
        ("splits", split_lines(view)),
        ("states", list(_states(view))),
        ("files", [*file_lines(view), *link_lines(view), *_dvc(view)]),
        ("use", list(use_lines(view))),
        ("environment", list(environment_lines(view))),
    ):
        if lines:
            if name == "config":
                title = config_title(view)
                room = len(title) if screen.width is None else screen.width - len("config  ")
                screen.say(f"{paint.bold(name)}  {paint.dim(shorten(title, room))}".rstrip())
                for line in lines:
                    screen.say(str(line))
                continue
            if name:
                screen.say(paint.bold(name))
            screen.say(fields([(f"  {key}", value) for key, value in lines], screen))
    if view.metrics:
        screen.say(paint.bold("metrics"))
        screen.say(fields(list(_metrics(view, screen)), screen))
    if lines := media_lines(view):
        screen.say(paint.bold("media"))
        screen.say(
            fields([(f"  {shorten(visible(key), 40)}", value) for key, value in lines], screen)
        )
    if lacks := find_lacks(view):
        screen.say(paint.yellow("missing"))
        for lack in lacks:
            _say_indented(screen, "  ", visible(lack.what))
            if lack.fix:
                _say_indented(screen, "    ", visible(lack.fix), paint.dim)
    if view.verdicts:
        screen.say(paint.bold("verdict"))
        show_verdict(view.verdicts[-1], screen)
    elif view.trace and view.status != "running" and view.record.kind == "run":
        screen.say(paint.dim(f"not verified yet: samebit verify {view.id}"))


def _say_indented(
    screen: Screen, indent: str, text: str, dress: Callable[[str], str] = str
) -> None:
    if screen.width is None:
        screen.say(indent + text)
        return
    for line in textwrap.wrap(text, screen.width - len(indent), break_on_hyphens=False):
        screen.say(indent + dress(line))


def _execution(view: View) -> Iterator[tuple[str, object]]:
    start, end = view.start, view.end
    if start is None:
        return
    if view.record.imported is not None:
        yield from imported_lines(view)
    else:
        yield "command", " ".join(start.argv)
        yield "in", start.cwd
    now = time.time_ns()
    yield "started", f"{when(start.started_ns)} ({ago(start.started_ns, now)})"
    if len(view.ranks) > 1:
        one = f"rank {view.rank} of them" if view.rank else f"--rank {view.ranks[-1]} shows one"
        yield "ranks", f"{len(view.ranks)}; {one}"
    if job := batch.job_of(view.facts.get("variables") or {}):
        yield "job", f"{job} of Slurm"
    if view.restarts:
        yield "restarts", f"{view.restarts}, by its launcher"
    if len(view.starts) > 1:
        yield from _executions(view)
    elif end is not None:
        text = duration((end.ended_ns - start.started_ns) / 1e9)
        if end.signal:
            text += f", by {end.signal}"
        elif end.exit_code:
            text += f", exit code {end.exit_code}"
        yield "took", text
    exception = view.facts.get("exception") or (end.exception if end else None)
    if line := raised(exception):
        yield "exception", line
    if view.record.parent:
        yield "inside run", view.record.parent
    if view.record.study is not None:
        from samebit.cli.trials import trial_lines  # noqa: PLC0415  (most runs are of no study)

        yield from trial_lines(view)


def _executions(view: View) -> Iterator[tuple[str, object]]:
    """How each execution began and ended, and what of it a later one did again."""
    main = view.facts.get("main", 0)
    begun = {f["execution"]: f for f in view.all_facts("continued") if f["optimizer"] == main}
    replaced = {gone.execution: gone for gone in view.replaced}
    for start, end in zip(view.starts, view.ends, strict=True):
        text = when(start.started_ns)
        found = begun.get(start.number)
        if found and found["by"] != "journal" and start.number > 1:
            text += f", went on from step {found['count']}"
        elif found and start.number > 1:
            text += f", counts on from {found['count']}: its optimizer keeps no count"
        if end is not None:
            how = end.status + (f" by {end.signal}" if end.signal else "")
            text += f", {how} after {duration((end.ended_ns - start.started_ns) / 1e9)}"
        yield f"execution {start.number}", text
        if gone := replaced.get(start.number):
            again = f"{_count(gone.points, 'value')} from step {gone.since} on"
            yield "  replaced", f"{again}; samebit metrics {view.id} --execution {start.number}"


def code_lines(view: View) -> Iterator[tuple[str, object]]:
    """Where its code is, and what of that no commit has."""
    code = view.code
    if code is None:
        return
    if code.head:
        yield "commit", f"{code.head[:12]} on {code.branch or 'a detached head'}"
    if code.ref:
        yield "kept as", code.ref.removeprefix("refs/tags/")
    if code.changed:
        yield "uncommitted", few([_in_words(change) for change in code.changed])
    yield (
        "in the store",
        f"{_count(code.files, 'file')}, {size(code.size_bytes)}, {short(code.tree)}",
    )
    for line in code.left_out[:4]:
        yield "left out", line
    for line in code.notices[:4]:
        yield "note", line
    if cells := view.all_facts("cell"):
        yield "cells", f"{len(cells)} executed"
    sources = view.facts.get("sources") or {}
    for path in _edited_before_import(view, code, sources)[:4]:
        yield "edited", f"{path} after the start, before it was imported: what ran is kept"
    for path, ran, _ in (sources.get("edited") or [])[:4]:
        which = "what ran is kept" if ran else "which version ran is not known"
        yield "edited", f"{path} while the run went on: {which}"
    for line in (sources.get("left_out") or [])[:4]:
        yield "left out", line


def _edited_before_import(view: View, code: CodeRecord, sources: dict[str, Any]) -> list[str]:
    try:
        tree = read_tree(Store(view.folder.store), code.tree)
    except SamebitError:
        return []  # a damaged tree is said where the run is verified
    return list(edited_before_import(Path(code.root), tree, sources.get("modules") or []))


_LETTERS = {"?": "new", "A": "new", "M": "changed", "D": "deleted", "R": "renamed"}


def _in_words(change: str) -> str:
    """`M train.py` as `changed train.py`."""
    letter, _, path = change.strip().partition(" ")
    return f"{_LETTERS.get(letter, letter)} {path.strip()}"


def _count(number: int, thing: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def randomness_lines(view: View) -> Iterator[tuple[str, object]]:
    """Its seeds, what draws from which, and the deterministic modes."""
    start = view.start
    settings = view.facts.get("settings") or {}
    if view.record.imported is not None:
        return
    yield "seed", view.seed if view.seed is not None else "none given to samebit"
    calls = view.at_rank(view.ranks[0]).seed_calls if view.ranks else []  # every rank seeds alike
    for call in calls[:6]:
        value = call["value"] if call["value"] is not None else "from the system"
        yield "script seeds", f"{call['library']} with {value} ({short_place(call['at'])})"
    yield from _loaders(view)
    if start is not None and start.hash_seed is not None:
        yield "hash seed", start.hash_seed
    if "torch.deterministic_algorithms" in settings:
        strict = settings["torch.deterministic_algorithms"]
        only = " (warn only)" if settings.get("torch.deterministic_warn_only") else ""
        yield "deterministic", f"{'yes' + only if strict else 'no'}"
        yield "threads", settings.get("torch.threads")


def _loaders(view: View) -> Iterator[tuple[str, object]]:
    """How each data loader is set, as far as it decides what is drawn and in which order."""
    lines: dict[str, None] = {}  # one for each line of the script that begins epochs alike
    for fact in view.all_facts("epoch"):
        found = fact.get("loader")
        if not found:
            continue
        order = fact.get("order")
        text = f"order {order}" if order == "fixed" else f"order from {order}"
        if workers := found.get("workers"):
            text += f", {_count(workers, 'worker')} ({found.get('start_method')})"
            text += ", kept" if found.get("persistent_workers") else ""
            text += "" if found.get("in_order", True) else ", batches as they come"
        lines[f"{short_place(str(fact.get('at', '')))}, {text}"] = None
    for line in list(lines)[:4]:
        yield "data loader", line


def _training(view: View) -> Iterator[tuple[str, object]]:
    counts = last_counts(view.trace)
    for optimizer, count in list(counts.items())[:_MOST_OPTIMIZERS]:
        label = "steps" if len(counts) == 1 else f"optimizer {optimizer}"
        yield label, f"{count}, each with its fingerprints"
        for schedule in view.schedules[:1]:
            rates = schedule.scalars.get((optimizer, 0, "lr"))
            if rates is None:
                continue
            skipped = schedule.scalars.get((optimizer, -1, "skipped"))
            before = skipped.counts if skipped is not None else []
            yield "learning rate", words(rates.counts, rates.values, count, before)
            curve = [float(rate) for rate in rates.values if isinstance(rate, (int, float))]
            if len(curve) > 1:
                yield "", sparkline(curve, 24)
    if len(counts) > _MOST_OPTIMIZERS:
        yield "", f"and {len(counts) - _MOST_OPTIMIZERS} more"
    fact = view.facts.get("training")
    if isinstance(fact, dict):
        yield from training_facts(fact)


def _dvc(view: View) -> Iterator[tuple[str, object]]:
    return dvc.dvc_lines(view, dvc.dvc_links(view, thorough=False))


def _states(view: View) -> Iterator[tuple[str, object]]:
    """What is there; of checkpoints that a rule let go of, how many there were."""
    dropped = [name for name, state in view.states.items() if state.get("dropped")]
    there = [name for name in view.states if name not in dropped]
    for name in there[:_MOST_STATES]:
        state = view.states[name]
        kept = "" if state.get("kept", True) else ", digests only"
        kept += "" if state.get("whole", True) else ", its modules alone"
        yield name, f"{size(state.get('size_bytes', 0))}{kept}, {short(state['manifest'])}"
    if there[_MOST_STATES:]:
        yield "", f"and {len(there) - _MOST_STATES} more; samebit state ls {view.id}"
    if dropped:
        yield "dropped", f"{_count(len(dropped), 'checkpoint')}; samebit state ls {view.id}"


def _metrics(view: View, screen: Screen) -> Iterator[tuple[str, object]]:
    room = 24 if screen.width is not None else 0
    for name, column in view.metrics.items():
        numbers = [float(v) for v in column.values if isinstance(v, (int, float))]
        text = f"{shown(column.values[-1])} at step {column.steps[-1]}"
        if room and len(numbers) > 1:
            text = f"{sparkline(numbers, room)}  {text}"
        yield f"  {shorten(visible(name), 40)}", text


def _console(view: View, screen: Screen) -> None:
    for start in view.starts:
        folder = view.folder.console(start.number)
        rank = view.rank or next(iter(view.ranks), "0")
        # Of a rank's later processes it is `<rank>-2.log`, and so on.
        logs = [*folder.glob(f"{rank}.log"), *folder.glob(f"{rank}-*.log")]
        for path in sorted(logs, key=lambda log: (len(log.name), log.name)):
            text = path.read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines():
                screen.say(visible(line))


def _trial(view: View) -> dict[str, Any] | None:
    if view.record.study is None:
        return None
    from samebit.cli.trials import trial_of  # noqa: PLC0415  (most runs are of no study)

    return structs.asdict(found) if (found := trial_of(view)) is not None else None


def _everything(view: View) -> dict[str, Any]:
    return {
        "run": records.plain(view.record),
        "name": view.name,
        "state": view.status,
        "cause": view.cause,
        "trial": _trial(view),
        "ranks": view.ranks,
        "executions": [
            {"start": records.plain(s), "end": records.plain(e)}
            for s, e in zip(view.starts, view.ends, strict=True)
        ],
        "facts": view.facts,
        "seed_calls": view.seed_calls,
        "files": view.files,
        "data": [
            {"version": short_name(link.version), "fingerprint": link.version.fingerprint}
            | {"files": link.files, "of": link.version.files}
            for link in data_links(view)
        ],
        "used": list(data_of(view).values()),
        "dvc": [dvc.as_data(link) for link in dvc.dvc_links(view, thorough=False)],
        "children": view.all_facts("child"),
        "use": view.all_facts("use"),
        "cells": view.all_facts("cell"),
        "splits": list(splits_of(view).values()),
        "states": view.states,
        "metrics": {
            name: {"points": len(c.steps), "step": c.steps[-1], "value": c.values[-1]}
            for name, c in view.metrics.items()
        },
        "media": media_of(view),
        "schedule": [list(row) for row in view.schedule],
        "replaced": [records.plain(gone) for gone in view.replaced],
        "steps": len(view.trace),
        "missing": [structs.asdict(lack) for lack in find_lacks(view)],
        "verdicts": [records.plain(v) for v in view.verdicts],
    }
