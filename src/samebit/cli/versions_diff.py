"""`samebit data diff`: how two versions differ, or a version and what lies in a folder now."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samebit import places
from samebit.cli.words import ProgressLine, Screen, size, visible
from samebit.data import changes, files, versions
from samebit.data.changes import Changes, Side, TableChange
from samebit.data.manifests import Item
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, SamebitError
from samebit.objects.store import Store
from samebit.records import plain

__all__ = ["arguments", "diff"]

_LISTED = 20  # files of one kind, and labels of one table
_TABLES = 50  # that are read row by row


def arguments(parser: argparse.ArgumentParser) -> None:
    """What data diff takes."""
    parser.add_argument("a", metavar="A", help="NAME, NAME@DIGITS, or a path with a / in it")
    parser.add_argument(
        "b", metavar="B", nargs="?", help="another (default: what lies where A was added)"
    )
    parser.add_argument("--label", default="", metavar="COLUMN", help="count its values in tables")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def diff(options: argparse.Namespace, screen: Screen) -> int:
    """Exit code 5 if anything differs."""
    store = Store(places.find_store(Path.cwd()))
    ours, our_name = _side(store, options.a)
    other = options.b
    if other is None:
        other = os.path.join(versions.find_version(store.path, options.a).path, "")
    theirs, their_name = _side(store, other)
    found = changes.compare(ours, theirs)
    tables = list(_tables(ours, theirs, found, options.label))
    if options.json:
        screen.say(canonical_json(_as_data(our_name, their_name, found, tables)).decode())
    else:
        _say(screen, f"{our_name} → {their_name}", found, dict(tables))
    return Exit.DIFFERENT if found.any else Exit.DONE


def _side(store: Store, reference: str) -> tuple[Side, str]:
    if os.sep in reference:
        path = Path(reference)
        total = files.survey(path).size_bytes
        with ProgressLine(Screen.of(sys.stderr), total, path.name, amount=size) as line:
            return changes.of_path(path, line.advance), str(path)
    version = versions.find_version(store.path, reference)
    return changes.of_version(store, version), versions.short_name(version)


def _tables(
    ours: Side, theirs: Side, found: Changes, label: str
) -> Iterator[tuple[bytes, TableChange | str]]:
    """Of each changed table what changed in it, or why that cannot be told."""
    pairs = [
        (before, after)
        for before, after in found.changed
        if ours.is_table(before) and theirs.is_table(after)
    ]
    for before, after in pairs[:_TABLES]:
        try:
            with ours.open(before) as one, theirs.open(after) as other:
                yield before.path, changes.compare_tables(one, other, label)
        except NotFound as error:
            yield before.path, f"its bytes are not here: {error.what}"
        except SamebitError as error:
            yield before.path, f"its rows cannot be compared: {error.what}"


def _say(
    screen: Screen, title: str, found: Changes, tables: dict[bytes, TableChange | str]
) -> None:
    counts = {
        "added": len(found.added),
        "removed": len(found.removed),
        "changed": len(found.changed),
        "moved": len(found.moved),
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    screen.say(f"{visible(title)}: {said or 'no difference'}; {found.same:,} the same")
    paint = screen.paint
    _list(screen, paint.green("added  "), [_one(item) for item in found.added])
    _list(screen, paint.red("removed"), [_one(item) for item in found.removed])
    _list(
        screen,
        "moved  ",
        [f"{_name(before.path)} → {_name(after.path)}" for before, after in found.moved],
    )
    for before, after in found.changed[:_LISTED]:
        screen.say(f"  {paint.yellow('changed')}  {_changed(before, after)}")
        table = tables.get(before.path)
        for line in [table] if isinstance(table, str) else _lines(table):
            screen.say(f"           {visible(line)}")
    _and_more(screen, len(found.changed))
    if len(found.folders) > 1:
        folders = [f"{name} {a:,} → {b:,}" for name, (a, b) in found.folders.items()]
        screen.say("files by folder: " + visible(_few(folders)))


def _list(screen: Screen, what: str, lines: list[str]) -> None:
    for line in lines[:_LISTED]:
        screen.say(f"  {what}  {visible(line)}")
    _and_more(screen, len(lines))


def _and_more(screen: Screen, count: int) -> None:
    if count > _LISTED:
        screen.say(f"           and {count - _LISTED:,} more (--json has all)")


def _one(item: Item) -> str:
    if item.kind == "l":
        return f"{_name(item.path)} (link to {_name(item.target)})"
    return _name(item.path) + (
        " (empty folder)" if item.kind == "d" else f", {size(item.size_bytes)}"
    )


def _changed(before: Item, after: Item) -> str:
    name = visible(_name(before.path) or "the file")
    if before.digest and before.digest == after.digest:
        return f"{name}: " + (
            "may be executed now" if after.kind == "x" else "no longer executable"
        )
    if before.digest and after.digest:
        return f"{name}: {size(before.size_bytes)} → {size(after.size_bytes)}"
    return f"{name}: {visible(_one(before))} → {visible(_one(after))}"


def _lines(table: TableChange | None) -> Iterator[str]:
    if table is None:
        return
    rows = f"rows: {table.rows[0]:,} → {table.rows[1]:,}"
    if table.added is None:
        yield f"{rows}, too many to compare them one by one"
    else:
        yield f"{rows}, {table.added:,} new and {table.removed:,} gone"
    columns = [f"+ {name}" for name in table.new_columns]
    columns += [f"− {name}" for name in table.lost_columns]
    columns += [f"{name} {a} → {b}" for name, (a, b) in table.types.items()]
    if columns:
        yield f"columns: {_few(columns)}"
    if table.labels:
        counts = [f"{value} {a:,} → {b:,}" for value, (a, b) in table.labels.items()]
        yield f"{table.label}: {_few(counts)}"


def _few(words: list[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more


def _name(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _as_data(
    ours: str, theirs: str, found: Changes, tables: list[tuple[bytes, TableChange | str]]
) -> dict[str, Any]:
    def row(item: Item) -> dict[str, Any]:
        said = {"path": _name(item.path), "kind": item.kind, "size_bytes": item.size_bytes}
        return said | {"digest": item.digest, "target": _name(item.target)}

    return {
        "a": ours,
        "b": theirs,
        "same": found.same,
        "added": [row(item) for item in found.added],
        "removed": [row(item) for item in found.removed],
        "changed": [[row(before), row(after)] for before, after in found.changed],
        "moved": [[row(before), row(after)] for before, after in found.moved],
        "folders": {name: list(counts) for name, counts in found.folders.items()},
        "tables": {_name(path): plain(one) for path, one in tables},
    }
