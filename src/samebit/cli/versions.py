"""`samebit data`: versions of data, added, listed, compared, laid out, let go of; and leaks."""

import argparse
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samebit import places
from samebit.cli import importing, leaks, restoring, versions_diff
from samebit.cli.tables import Column, table
from samebit.cli.words import ProgressLine, Screen, ago, counted, shown, size, visible, when
from samebit.data import adding, files, placing, versions
from samebit.digest import canonical_json
from samebit.errors import Exit, UsageError
from samebit.objects.store import Store
from samebit.records import DataRecord, plain

__all__ = ["data", "data_arguments"]

_REFERENCE = "a name; behind an @ the first digits of a version (default: the newest)"


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """What data takes."""
    commands = parser.add_subparsers(
        dest="action", required=True, metavar="add|import|ls|log|diff|checkout|rm|restore|leaks"
    )
    adds = commands.add_parser("add", help="keep a file or folder as it is now")
    adds.add_argument("path", metavar="PATH", type=Path, help="a file or folder")
    adds.add_argument("--name", help="what it is called (default: as the file or folder)")
    adds.add_argument("--message", default="", metavar="TEXT", help="what is to be said about it")
    adds.add_argument("--follow", action="store_true", help="links are what they point to")
    adds.add_argument("--again", action="store_true", help="read all, here and in the store")
    adds.add_argument("--reference", action="store_true", help="keep digests alone, no bytes")
    adds.add_argument(
        "--source", default="", metavar="TEXT", help="where else it can be had, such as an address"
    )
    adds.add_argument("--json", action="store_true", help="as one JSON object")
    importing.arguments(commands.add_parser("import", help="keep what DVC keeps"))
    listing = commands.add_parser("ls", help="the names, and the newest version of each")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    log = commands.add_parser("log", help="the versions of a name, newest first")
    log.add_argument("name", metavar="NAME", help="as `ls` lists it")
    log.add_argument("--json", action="store_true", help="as one JSON object")
    versions_diff.arguments(commands.add_parser("diff", help="how two versions differ"))
    lays = commands.add_parser("checkout", help="lay a version out")
    lays.add_argument("version", metavar="NAME[@DIGITS]", help=_REFERENCE)
    lays.add_argument(
        "path", metavar="PATH", type=Path, nargs="?", help="where (default: where it was added)"
    )
    lays.add_argument("--force", action="store_true", help="write over changed files, too")
    lays.add_argument("--json", action="store_true", help="as one JSON object")
    removing = commands.add_parser("rm", help="let go of a version, or of all of a name")
    removing.add_argument("version", metavar="NAME[@DIGITS]", help="without digits: all versions")
    removing.add_argument("--json", action="store_true", help="as one JSON object")
    restoring.arguments(
        commands.add_parser("restore", help="lay out what a run read and kept (--save-data)")
    )
    leaks.arguments(commands.add_parser("leaks", help="what the parts of a split tell each other"))


def data(options: argparse.Namespace) -> int:
    """Do one of these."""
    does: dict[str, Callable[[argparse.Namespace, Screen], int]] = {
        "add": _add,
        "import": importing.import_data,
        "ls": _list,
        "log": _log,
        "diff": versions_diff.diff,
        "checkout": _lay_out,
        "rm": _remove,
        "restore": restoring.restore,
        "leaks": leaks.leaks,
    }
    return does[options.action](options, Screen.of(sys.stdout))


def _add(options: argparse.Namespace, screen: Screen) -> int:
    path: Path = options.path
    name = versions.check_name(options.name or path.resolve().name)
    found = files.survey(path, follow=options.follow)
    store = Store(places.make_store(places.choose_store(Path.cwd())))
    began = time.monotonic()
    progress = ProgressLine(Screen.of(sys.stderr), found.size_bytes, name, amount=size)
    with progress as line:
        added = adding.add(
            store,
            found,
            name,
            keep=not options.reference,
            thorough=options.again,
            source=options.source,
            message=options.message,
            advance=line.advance,
        )
    record = added.record
    if options.json:
        said = {"version": _as_data(record), "new": added.is_new, "read_bytes": added.read_bytes}
        said |= {"seconds": time.monotonic() - began, "notes": list(added.notes)}
        screen.say(canonical_json(said).decode())
        return Exit.DONE
    what = f"{counted(record.files, 'file')}, {size(record.size_bytes)}"
    if added.is_new:
        screen.say(f"{screen.paint.green('added')} {versions.short_name(record)}: {what}")
        if record.changes:
            screen.say(f"  since the version before: {_changes(record)}")
        stored = f"stored {size(record.new_bytes)}" if record.kept else "digests alone, no bytes"
        screen.say(f"  {stored}, read {size(added.read_bytes)}")
    else:
        screen.say(f"{versions.short_name(record)} is there already: {what}, nothing has changed")
    screen.say(f"  {record.fingerprint}")
    for note in added.notes:
        screen.say(screen.paint.yellow("note: ") + visible(note))
    return Exit.DONE


def _list(options: argparse.Namespace, screen: Screen) -> int:
    store = places.find_store(Path.cwd())
    found = [(name, versions.read_versions(store, name)) for name in versions.list_names(store)]
    rows = [(name, known) for name, known in found if known]
    if options.json:
        data = [{**_as_data(known[0]), "versions": len(known)} for _, known in rows]
        screen.say(canonical_json({"data": data}).decode())
        return Exit.DONE
    if not rows:
        screen.say("no data was added; `samebit data add PATH` does it")
        return Exit.DONE
    columns = [Column("name", shrink=1), Column("newest"), Column("versions", "right")]
    columns += [Column("files", "right"), Column("size", "right"), Column("added")]
    columns += [Column("from", shrink=2)]
    now_ns = time.time_ns()
    cells = [
        [
            name,
            versions.digits_of(known[0])[:8],
            len(known),
            known[0].files,
            size(known[0].size_bytes) + ("" if known[0].kept else " (reference)"),
            ago(known[0].at_ns, now_ns),
            known[0].path,
        ]
        for name, known in rows
    ]
    screen.say(table(columns, cells, columns_wide=screen.width, color=screen.color))
    return Exit.DONE


def _log(options: argparse.Namespace, screen: Screen) -> int:
    store = places.find_store(Path.cwd())
    records = versions.read_records(store, versions.check_name(options.name))
    if not records:
        versions.find_version(store, options.name)  # says what is known instead
    alive = {id(record) for record in versions.still_there(records)}
    if options.json:
        rows = [{**_as_data(one), "is_here": id(one) in alive} for one in reversed(records)]
        screen.say(canonical_json({"log": rows}).decode())
        return Exit.DONE
    columns = [Column("version"), Column("when"), Column("files", "right"), Column("size", "right")]
    columns += [Column("stored", "right"), Column("changes", shrink=1), Column("by", shrink=2)]
    columns += [Column("", shrink=3)]
    cells: list[list[object]] = []
    for one in reversed(records):
        row: list[object] = [versions.digits_of(one)[:8], when(one.at_ns)]
        if one.kind == "add":
            row += [one.files, size(one.size_bytes)]
            row += [size(one.new_bytes) if one.kept else "reference", _changes(one), one.by]
            row.append(one.message if id(one) in alive else "let go of later")
        else:
            row += ["", "", "", shown({"rm": "let go of"}.get(one.kind, one.kind)), one.by, ""]
        cells.append(row)
    screen.say(table(columns, cells, columns_wide=screen.width, color=screen.color))
    return Exit.DONE


def _lay_out(options: argparse.Namespace, screen: Screen) -> int:
    store = Store(places.find_store(Path.cwd()))
    version = versions.find_version(store.path, options.version)
    if options.path is None and version.host != socket.gethostname():
        raise UsageError(
            f"{versions.short_name(version)} was added on {version.host}: where is it to lie here?",
            hint=f"samebit data checkout {options.version} PATH",
        )
    root: Path = options.path or Path(version.path)
    plan = placing.make_plan(store, version, root)
    progress = ProgressLine(Screen.of(sys.stderr), plan.size_bytes, version.name, amount=size)
    with progress as line:
        laid = placing.lay_out(store, plan, force=options.force, advance=line.advance)
    removed = len({entry.path for entry in plan.remove} - {item.path for item in plan.write})
    if options.json:
        said: dict[str, Any] = {"version": _as_data(version), "path": str(root.absolute())}
        said |= {"copied": laid.copied, "cloned": laid.cloned, "same": plan.same}
        said |= {"removed": removed, "others": plan.others}
        screen.say(canonical_json(said).decode())
        return Exit.DONE
    screen.say(
        f"{screen.paint.green('laid out')} {versions.short_name(version)} at {visible(str(root))}"
    )
    did = [f"{laid.cloned:,} shared blocks (reflink)" if laid.cloned else ""]
    did += [f"{laid.copied:,} copied" if laid.copied else ""]
    did += [f"{plan.same:,} were there" if plan.same else ""]
    did += [f"{removed:,} removed" if removed else ""]
    screen.say(f"  {counted(version.files, 'file')}: " + (", ".join(filter(None, did)) or "none"))
    if plan.others:
        screen.say(f"  {counted(plan.others, 'file')} that it does not have stay there")
    return Exit.DONE


def _remove(options: argparse.Namespace, screen: Screen) -> int:
    store = places.find_store(Path.cwd())
    newest = versions.find_version(store, options.version)
    name, at, _ = options.version.partition("@")
    known = versions.read_versions(store, name)
    going = [one for one in known if not at or one.fingerprint == newest.fingerprint]
    gone = list({one.manifest: one for one in going}.values())
    for one in gone:
        versions.let_go(store, one)
    if options.json:
        said = {"let_go": [_as_data(one) for one in gone]}
        screen.say(canonical_json(said).decode())
        return Exit.DONE
    for one in gone:
        screen.say(f"let go of {versions.short_name(one)}: {counted(one.files, 'file')}")
    screen.say("`samebit gc` says what space that frees, and when")
    return Exit.DONE


def _as_data(record: DataRecord) -> dict[str, Any]:
    said = plain(record)
    del said["format"]
    return said


def _changes(record: DataRecord) -> str:
    return ", ".join(f"{count} {what}" for what, count in record.changes.items())
