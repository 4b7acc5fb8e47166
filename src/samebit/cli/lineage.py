"""`samebit lineage`: which run made a thing, from what, and what came of it."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samebit import places
from samebit.cli.listing import count
from samebit.cli.tables import fields
from samebit.cli.words import Paint, Screen, ago, shorten, visible, when
from samebit.digest import canonical_json, short
from samebit.query.lineage import Branch, Graph, Trail, Use, graph_of, node_of, reached, walk
from samebit.query.nodes import lineage_data
from samebit.query.things import Thing, find_thing, now_at
from samebit.query.trails import trails

__all__ = ["lineage", "lineage_arguments"]

_SHOWN = 8  # lines below one
_LEVELS = 6  # of runs below each other, unless a depth is given
_FILES = 3  # of one folder that are told one by one
_LOOKED_AT = 200  # files of one folder
_NAMES = 2  # of one content
_NO_DIGEST = "no digest"
_NOW = {"other": "another content now", "gone": "gone"}


def lineage_arguments(parser: argparse.ArgumentParser) -> None:
    """Of what, how far, and for whom."""
    parser.add_argument(
        "thing", metavar="THING", help="a path, a digest (8 digits or more), RUN, or RUN:STATE"
    )
    parser.add_argument("--depth", type=count, metavar="N", help="at most N runs away from it")
    parser.add_argument("--replays", action="store_true", help="replays, too")
    parser.add_argument("--json", action="store_true", help="all of it, as nodes and edges")


def lineage(options: argparse.Namespace) -> int:
    """Say where a thing is from, and what came of it."""
    here = Path.cwd()
    store = places.find_store(here)
    every, unreadable = trails(store)
    unreadable = [row for row in unreadable if row["state"] != "not begun"]
    thing = find_thing(store, every, options.thing, here)
    graph = graph_of(every if options.replays else _without_replays(every, thing))
    up, down = (walk(graph, thing.roots, way, options.depth) for way in ("up", "down"))
    screen = Screen.of(sys.stdout)
    if options.json:
        said = lineage_data(thing, graph, up, down)
        screen.say(canonical_json({**said, "unreadable": unreadable}).decode())
        return 0
    _Text(screen, graph, here, options.depth or _LEVELS).say(thing, up, down)
    if unreadable:
        Screen.of(sys.stderr).say(
            f"samebit: runs that cannot be read, left out: {len(unreadable)}; "
            "`samebit ls --where damage`"
        )
    return 0


def _without_replays(every: Sequence[Trail], thing: Thing) -> Sequence[Trail]:
    """Runs that are no replay; all of them where only replays had to do with the thing."""
    roots = set(thing.roots)
    left = [trail for trail in every if trail.kind != "replay"]
    is_there = any(
        trail.id in roots or any(node_of(use) in roots for use in trail.uses) for trail in left
    )
    return left if is_there else every


class _Text:
    """A lineage as lines."""

    def __init__(self, screen: Screen, graph: Graph, here: Path, levels: int) -> None:
        self._screen = screen
        self._paint: Paint = screen.paint
        self._graph = graph
        self._here = os.fspath(here)
        self._levels = levels
        self._now_ns = time.time_ns()

    def say(self, thing: Thing, up: list[Branch], down: list[Branch]) -> None:
        """The thing, then both directions."""
        is_one = len(thing.roots) == 1
        self._line("", self._root(thing, up[0]) if is_one else (visible(thing.asked), ""))
        for note in thing.notes:
            self._screen.say(fields([("note", note)], self._screen))
        for title, none, branches in (
            ("where it is from", "no run is known to have made it", up),
            ("what came of it", "no run is known to have used it", down),
        ):
            below = branches[0].behind if is_one else _alike_together(branches)
            is_up = branches is up
            self._screen.say(self._paint.bold(title))
            if is_one and branches[0].run is not None:
                below = [one for one in below if not _is_plain_code(one, branches[0])]
                none = "no file but its code" if is_up else "no file and no state"
            if not below and not branches[0].cut:
                self._screen.say("  " + none)
            self._below(branches[0] if is_one else Branch("", behind=below), is_up)

    def _root(self, thing: Thing, root: Branch) -> tuple[str, str]:
        if root.run is not None:
            return self._of_run(root, "")
        names = self._names(root.uses)
        if thing.kind in ("file", "state"):  # the name by which it was asked for, before others
            asked = self._short_path(os.path.join(self._here, thing.asked))
            first = asked if thing.kind == "file" else "state " + thing.asked.partition(":")[2]
            names = [first, *(name for name in names if name != first)]
        return self._content(root.node, names)

    def _below(self, root: Branch, is_up: bool) -> None:
        """Every line below one; a stack of our own, for lines of descent can be very long."""
        left: list[tuple[str, Branch | str, int, bool]] = []
        self._push(left, root, "", 0, is_up)
        while left:
            indent, branch, level, is_last = left.pop()
            head = indent + ("└─ " if is_last else "├─ ")
            if isinstance(branch, str):
                self._line(head, ("", self._paint.dim(branch)), branch)
                continue
            if branch.run is not None:
                self._line(head, self._of_run(branch, self._relation(branch, is_up)))
                level += 1
            else:
                self._line(head, self._of_content(branch))
            self._push(left, branch, indent + ("   " if is_last else "│  "), level, is_up)

    def _push(self, left: list[Any], branch: Branch, indent: str, level: int, is_up: bool) -> None:
        below = [one for one in branch.behind if not _is_plain_code(one, branch)]
        folders: list[str] = []
        if branch.run is not None:
            below, folders = self._by_folder(below)
        more = ""
        if branch.run is None and level >= self._levels and below:
            runs = len({one.run for _, one in reached(below) if one.run})
            below, more = [], f"and {_runs(runs)} further on (--depth {level + 4})"
        elif branch.cut:
            more = f"and {_runs(branch.cut)} further on (--depth)"
        elif len(below) > _SHOWN + 1:
            more = f"and {len(below) - _SHOWN:,} more (--json has all)"
            below = below[:_SHOWN]
        lines: list[Branch | str] = [*below, *folders[:_SHOWN], *([more] if more else [])]
        for at in reversed(range(len(lines))):
            left.append((indent, lines[at], level, at == len(lines) - 1))

    def _by_folder(self, contents: list[Branch]) -> tuple[list[Branch], list[str]]:
        """Many files of one folder of which nothing else is known are one line."""
        groups: dict[str, list[Branch]] = {}
        for one in contents:
            if not one.behind and not one.cut and {use.kind for use in one.uses} == {"file"}:
                groups.setdefault(os.path.dirname(one.uses[0].name), []).append(one)
        many = {folder: files for folder, files in groups.items() if len(files) > _FILES}
        lines: list[str] = []
        for folder, files in many.items():
            # They may be very many, on a slow disk.
            now = [now_at(one.uses[0]) for one in files] if len(files) <= _LOOKED_AT else []
            changed = len([one for one in now if one in _NOW])
            other = f", {changed:,} of them other ones now, or gone" if changed else ""
            lines.append(f"{len(files):,} files in {visible(self._short_path(folder))}{other}")
        grouped = {id(one) for files in many.values() for one in files}
        return [one for one in contents if id(one) not in grouped], lines

    def _relation(self, branch: Branch, is_up: bool) -> str:
        link = branch.link
        if link is not None and link.by_path:
            return "perhaps made by " if is_up else "perhaps used by "
        if not is_up:
            return "used by " if link is None or link.nearest else "used, as another made it, by "
        return "made by " if link is None or link.nearest else "before also made by "

    def _of_run(self, branch: Branch, relation: str) -> tuple[str, str]:
        trail = self._graph.trails[branch.node]
        paint = self._paint
        name = f" {visible(trail.name)}" if trail.name else ""
        if branch.again:
            said = f"{name} (see its other line)"
            return f"{relation}{trail.id}{said}", f"{relation}{paint.cyan(trail.id)}{said}"
        words = [trail.state, trail.verdict or "no verdict", self._age(trail)]
        if trail.kind != "run":
            words.insert(0, f"{trail.kind} of {trail.of}" if trail.of else trail.kind)
        if trail.parent:
            words.append(f"inside {trail.parent}")
        said = f"{name} ({', '.join(map(visible, words))})"
        said += f" {visible(_in_short(trail.command))}" if trail.command else ""
        return f"{relation}{trail.id}{said}", f"{relation}{paint.cyan(trail.id)}{said}"

    def _age(self, trail: Trail) -> str:
        if self._screen.width is None:
            return when(trail.started_ns)  # a file is read at some other time
        return ago(trail.started_ns, self._now_ns)

    def _of_content(self, branch: Branch) -> tuple[str, str]:
        paths = {use.name: use for use in branch.uses if use.kind in ("file", "source")}
        if not branch.node:
            names = sorted(map(self._short_path, paths))
            some = ", ".join(map(visible, names[:_NAMES])) + ", …" * (len(names) > _NAMES)
            return f"{len(names):,} files: {some}", ""
        now = {now_at(use) for use in paths.values()} if len(paths) <= _NAMES else set()
        said = next((f" ({text})" for key, text in _NOW.items() if now == {key}), "")
        return self._content(branch.node, self._names(branch.uses), said)

    def _names(self, uses: Sequence[Use]) -> list[str]:
        states = {f"state {use.name}": None for use in uses if use.kind == "state"}
        files = {self._short_path(use.name): None for use in uses if use.kind != "state"}
        return [*files, *states]

    def _content(self, node: str, names: list[str], said: str = "") -> tuple[str, str]:
        left_out = len(names) - _NAMES
        name = " = ".join(map(visible, names[:_NAMES]))
        name += f" = {left_out:,} more names" if left_out > 0 else ""
        content = _NO_DIGEST if node.startswith("path:") else short(node)
        paint = self._paint
        return f"{content} {name}{said}", f"{paint.dim(content)} {name}{paint.yellow(said)}"

    def _short_path(self, path: str) -> str:
        path = os.path.normpath(path)
        near = os.path.relpath(path, self._here)
        return near if len(near) < len(path) else path

    def _line(self, head: str, said: tuple[str, str], plain: str | None = None) -> None:
        """A line in colour where it fits, else cut and without."""
        text = said[0] if plain is None else plain
        room = self._screen.width
        if room is not None and len(head) + len(text) > room:
            self._screen.say(shorten(head + text, room))
        else:
            self._screen.say(head + (said[1] or text))


def _alike_together(contents: list[Branch]) -> list[Branch]:
    """Contents of which something is known; those of the same runs as one."""
    found: dict[tuple[str, ...], Branch] = {}
    for one in contents:
        if one.behind or one.cut:
            runs = tuple(run.node for run in one.behind)
            first = found.setdefault(runs or (one.node,), one)
            if first is not one:
                first.node, first.uses = "", [*first.uses, *one.uses]
    return list(found.values())


def _is_plain_code(branch: Branch, before: Branch) -> bool:
    """A run's own source, which the run's line stands for already."""
    is_source = bool(branch.uses) and all(use.kind == "source" for use in branch.uses)
    return before.run is not None and is_source and not branch.behind and not branch.cut


def _runs(count: int) -> str:
    return f"{count:,} run{'s' * (count != 1)}"


def _in_short(command: str) -> str:
    first, _, rest = command.partition(" ")
    return os.path.basename(first) + (f" {rest}" if rest else "")
