"""`samebit diff A B`: only what differs between two runs, and where their traces part."""

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebit import places
from samebit.capture import environment, installed
from samebit.capture.config import flat
from samebit.cli.words import Screen, shown, visible
from samebit.digest import canonical_json
from samebit.errors import Exit, SamebitError
from samebit.folders.find import find_run
from samebit.folders.imported import tool_of, unrecorded
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from samebit.folders.splits import splits_of
from samebit.folders.steps import TraceRow, row_at
from samebit.folders.used import data_of
from samebit.journal.traced import load_numpy_when_it_pays
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.query import media, randomness, splits, used
from samebit.replay.pairs import compare_traces
from samebit.replay.randomness import unseeded
from samebit.replay.results import is_volatile
from samebit.replay.scope import not_comparable
from samebit.trace import compare
from samebit.trace.compare import Matched

__all__ = [
    "config_of",
    "diff",
    "diff_arguments",
    "environment_of",
    "exact",
    "results_of",
    "why_not_comparable",
]

_DIFF_LINES = 60  # of one file, on a terminal
# As the training showed it, whatever names a configuration has for it.
_BATCH = {"micro": "micro-batch", "accumulation": "batches to a step", "world": "processes"}


def diff_arguments(parser: argparse.ArgumentParser) -> None:
    """What diff takes."""
    parser.add_argument("first", metavar="A", help="a run")
    parser.add_argument("second", metavar="B", help="another")
    parser.add_argument(
        "--trace", action="store_true", help="the first step that differs, and why, in full"
    )
    parser.add_argument(
        "--op",
        action="store_true",
        help="run both again as far as that step, and name the operation (with --trace)",
    )
    parser.add_argument(
        "--allow-writes", action="store_true", help="with --op: as for `samebit verify`"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def diff(options: argparse.Namespace) -> int:
    """Compare; exit code 5 if anything differs, 6 if something is not known, 0 if nothing does."""
    load_numpy_when_it_pays()
    store = places.find_store(Path.cwd())
    first = read_run(find_run(store, options.first))
    second = read_run(find_run(store, options.second))
    screen = Screen.of(sys.stdout)
    matched = compare_traces(first, second)
    if options.op:
        return _op(options, store, first, second, matched, screen)
    if options.trace and not options.json:
        return _trace(first, second, matched, screen)
    results = _pairs(results_of(first), results_of(second))
    parted = bool(results) or matched.divergence is not None or not matched.rows
    sections = {
        "config": _pairs(config_of(first), config_of(second)),
        "code": _code(first, second),
        "data": [line for _, line in used.differences(first, second)],
        "splits": splits.differences(first, second),
        "randomness": randomness.differences(first, second, parted=parted),
        "environment": environment.differences(environment_of(first), environment_of(second)),
        "results": results,
        "media": list(media.differences(first, second, lambda name: is_volatile(name, first))),
        "trace": _trace_lines(first, second, matched),
    }
    for name, lines in _unrecorded(first, second).items():
        sections[name] = [*sections[name], *lines]
    if options.json:
        odd = {"odd": [*first.odd, *second.odd]} if first.odd or second.odd else {}
        screen.say(canonical_json({"a": first.id, "b": second.id, **sections, **odd}).decode())
    else:
        _say(first, second, sections, screen)
    same = not any(lines for name, lines in sections.items() if name != "trace")
    if not same or matched.divergence is not None:
        return int(Exit.DIFFERENT)
    return int(Exit.UNKNOWN if first.odd or second.odd else Exit.DONE)


def _op(
    options: argparse.Namespace,
    store: Path,
    first: View,
    second: View,
    matched: Matched,
    screen: Screen,
) -> int:
    """Name the operation; what the traces say comes first."""
    from samebit.cli import locating  # noqa: PLC0415  (it can start runs, which is much to load)

    found = matched.divergence
    if options.json:
        code = int(Exit.DIFFERENT if found else Exit.DONE if matched.rows else Exit.UNKNOWN)
    else:
        code = _trace(first, second, matched, screen)
    located = None
    if found is not None:
        located = locating.look_closely(
            store, first, second, found, allow_writes=options.allow_writes
        )
    if options.json:
        op = locating.as_data(located) if located is not None else None
        screen.say(canonical_json({"a": first.id, "b": second.id, "op": op}).decode())
    elif located is not None:
        locating.say_located(located, screen)
    return code


def _say(first: View, second: View, sections: Mapping[str, list[str]], screen: Screen) -> None:
    paint = screen.paint
    screen.say(f"{paint.bold(first.id)} and {paint.bold(second.id)}")
    for view in (first, second):
        for line in view.odd:
            screen.say(paint.yellow(f"{view.id}: {visible(line)}"))
    told = {
        "data": data_of(first) or data_of(second),
        "splits": splits_of(first) or splits_of(second),
        "media": media_of(first) or media_of(second),
    }
    for name, lines in sections.items():
        if name in told and not told[name]:
            continue
        if not lines:
            screen.say(f"{paint.bold(name)}  {paint.green('the same')}")
            continue
        screen.say(paint.bold(name))
        for line in lines:
            screen.say("  " + _colored(visible(line), name, screen))


def _colored(line: str, section: str, screen: Screen) -> str:
    if section != "code":
        return line
    if line.startswith("+"):
        return screen.paint.green(line)
    if line.startswith("-"):
        return screen.paint.red(line)
    return screen.paint.cyan(line) if line.startswith("@@") else line


def config_of(view: View) -> dict[str, Any]:
    """What a run was asked to do, by name."""
    config = view.facts.get("config")
    found = flat(config) if isinstance(config, dict) else {}
    if view.start is not None and view.record.imported is None:
        found["(command)"] = " ".join(view.start.argv)
        found["(seed)"] = view.start.seed
    batch = (view.facts.get("training") or {}).get("batch")
    if isinstance(batch, dict):
        for name, word in _BATCH.items():
            found[f"({word})"] = batch.get(name)
    return found


def results_of(view: View) -> dict[str, Any]:
    """What it came to: the last value of each metric but those of the clock and the machine."""
    found: dict[str, Any] = {
        name: column.values[-1]
        for name, column in view.metrics.items()
        if not is_volatile(name, view)
    }
    found["(state)"] = view.status
    return found


def _pairs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name in [*ours, *(n for n in theirs if n not in ours)]:
        mine, other = ours.get(name), theirs.get(name)
        # repr, because 1 and 1.0, or NaN and NaN, are told apart or together by it as by bits
        if repr(mine) != repr(other) or (name in ours) != (name in theirs):
            sides = [exact(side[name]) if name in side else "not there" for side in (ours, theirs)]
            lines.append(f"{name}: {sides[0]} → {sides[1]}")
    return lines


def exact(value: Any) -> str:
    """A value in words that tell it apart from any other."""
    if value is None:
        return "nothing"
    return repr(value) if isinstance(value, float) else shown(value)


def environment_of(view: View) -> dict[str, Any]:
    """What may change a result from outside, as `environment.differences` takes it."""
    names = ("packages", "interpreter", "settings", "variables", "machine")
    facts = {name: view.facts[name] for name in names if name in view.facts}
    if "settings" in facts:
        passing = ("torch.initial_seed", "python.hash_probe", "python.hash_seed")
        facts["settings"] = {k: v for k, v in facts["settings"].items() if k not in passing}
    return facts | installed.not_as_installed(view.facts)


def _code(first: View, second: View) -> list[str]:
    if "replay" in (first.record.kind, second.record.kind):
        return []  # a replay ran the recorded code, or its verdict says otherwise
    ours, theirs = _cells(first), _cells(second)
    cells = _unified("cells", ours, theirs) if ours != theirs else []
    return [*cells, *_files(first, second)]


def _unrecorded(first: View, second: View) -> dict[str, list[str]]:
    """Sections of which nothing can be said, because a tool did not record it."""
    found: dict[str, list[str]] = {}
    for view in (first,) if first.id == second.id else (first, second):
        for name in ("randomness", "environment") if view.record.imported is not None else ():
            if name in unrecorded(view):
                line = f"not recorded of {view.id}, which was imported from {tool_of(view)}"
                found.setdefault(name, []).append(line)
    return found


def _cells(view: View) -> str:
    """What an interactive shell executed, as one text."""
    return "\n\n".join(cell["text"] for cell in view.all_facts("cell"))


def _files(first: View, second: View) -> list[str]:
    if first.code is None or second.code is None:
        return ["the code of one of them was not recorded"]
    trees = (first.code.tree, second.code.tree)
    if trees[0] == trees[1]:
        return []
    store = Store(first.folder.store)
    lines: list[str] = []
    try:
        before, after = ({e.path: e for e in read_tree(store, tree).entries} for tree in trees)
    except SamebitError as error:
        return [f"cannot be compared: {error.what}"]
    for path in sorted({*before, *after}):
        ours, theirs = before.get(path), after.get(path)
        if ours != theirs:
            old = _text(store, ours.digest) if ours else ""
            new = _text(store, theirs.digest) if theirs else ""
            lines += _unified(path, old, new)
    return lines


def _text(store: Store, name: str) -> str | None:
    try:
        return store.read(name).decode("utf-8")
    except (UnicodeDecodeError, SamebitError):
        return None


def _unified(path: str, old: str | None, new: str | None) -> list[str]:
    if old is None or new is None:
        return [f"{path}: a binary file differs"]
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", n=2, lineterm=""
        )
    )
    if len(lines) > _DIFF_LINES:
        return [*lines[:_DIFF_LINES], f"… {len(lines) - _DIFF_LINES} more lines of {path}"]
    return lines or [f"{path}: only its mode or line endings differ"]


def _trace_lines(first: View, second: View, matched: Matched) -> list[str]:
    """The short form: one line, nothing where both are the same."""
    if matched.divergence is not None:
        return [f"{matched.divergence.where}: {matched.divergence.what}"]
    if not matched.rows:
        return [why_not_comparable(first, second)]
    return []


def why_not_comparable(first: View, second: View) -> str:
    """Why two runs have no step that can be compared."""
    if not first.trace and not second.trace:
        return "neither run has a trace"
    if not first.trace or not second.trace:
        return f"run {first.id if not first.trace else second.id} has no trace"
    return "not comparable: the traces were made by different algorithms"


def _row(view: View, found: compare.Divergence) -> TraceRow | None:
    rows = view.traces.get(found.rank, []) if found.rank else view.trace
    return row_at(rows, (found.optimizer, found.step))


def _trace(first: View, second: View, matched: Matched, screen: Screen) -> int:
    paint = screen.paint
    found = matched.divergence
    if found is None and not matched.rows:
        screen.say(paint.yellow(why_not_comparable(first, second)))
        return int(Exit.UNKNOWN)
    if found is None:
        ranks = f" of {len(first.traces)} ranks" if len(first.traces) > 1 else ""
        screen.say(f"{paint.green('identical')}: all {matched.rows} steps{ranks} that both have")
        if matched.apart:
            screen.say(f"  {not_comparable(matched)}")
        return int(Exit.DONE)
    screen.say(f"{paint.red(paint.bold(found.where))}: {visible(found.what)}")
    for fact in found.facts:
        screen.say(f"  {visible(fact)}")
    if found.optimizer:
        screen.say(f"  of optimizer {found.optimizer}")
    for view in (first, second):
        reason = unseeded(view) if found.cause in ("init", "batch") else ""
        if reason:
            screen.say(f"  {view.id}: {reason}")
    if found.cause in ("init", "batch") or found.cause.startswith("rng"):
        for line in randomness.differences(first, second, parted=False):
            screen.say(f"  {visible(line)}")
    row, other = _row(first, found), _row(second, found)
    if row is not None and other is not None:
        screen.say(paint.dim(f"  step {found.step}, in causal order"))
        for name in compare.GROUPS:
            if name in row.groups and name in other.groups:
                same = row.groups[name] == other.groups[name]
                mark = paint.green("same     ") if same else paint.red("different")
                if not same and name not in found.groups:
                    mark = paint.dim("unused   ")  # a generator that nothing drew from
                left, right = row.groups[name].hex(), other.groups[name].hex()
                values = left if same else f"{left}  {right}"
                screen.say(f"    {name:<11} {mark} {paint.dim(values)}")
    if matched.rows:
        screen.say(paint.dim(f"  the {matched.rows} steps before it are identical"))
    return int(Exit.DIFFERENT)
