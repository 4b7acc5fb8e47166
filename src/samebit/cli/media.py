"""`samebit media`: list what a run logged beside numbers, and write it into files."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from samebit import digest, disk, places
from samebit.cli.listing import fits
from samebit.cli.tables import Column, table
from samebit.cli.words import Screen, counted, size, visible
from samebit.data.recorded_media import RecordedMedia
from samebit.digest import canonical_json
from samebit.errors import Exit, NotFound, SamebitError, UsageError
from samebit.folders.find import find_run
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from samebit.media import types
from samebit.session.reading import RecordedRun

__all__ = ["media", "media_arguments", "media_lines"]

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+=@.")
_MOST_NAME = 80  # letters of it in a file's name
_MOST_LINES = 6  # of names in `samebit show`
_STEP_DIGITS = 8


def media_arguments(parser: argparse.ArgumentParser) -> None:
    """What media takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ls|export")
    listing = commands.add_parser("ls", help="what a run logged: pictures, tables, sound")
    exporting = commands.add_parser("export", help="write it into files")
    for command in (listing, exporting):
        command.add_argument("run", metavar="RUN", help="an id, its beginning, a name, or @last")
        command.add_argument(
            "names", metavar="NAME", nargs="*", help="as it was logged, or a pattern: 'val/*'"
        )
        command.add_argument("--step", type=_step, metavar="N", help="only of this step")
        command.add_argument("--rank", metavar="N", help="as another rank logged it")
    listing.add_argument("--json", action="store_true", help="each thing, as a list of objects")
    exporting.add_argument(
        "-o",
        dest="folder",
        metavar="FOLDER",
        type=Path,
        help="where to (default: a folder of the run's id)",
    )
    exporting.add_argument("--force", action="store_true", help="replace files that are there")


def _step(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number, not {text!r}") from None


def media(options: argparse.Namespace) -> int:
    """Do one of the two."""
    view = read_run(find_run(places.find_store(Path.cwd()), options.run))
    if options.rank is not None:
        view = view.at_rank(options.rank)
    found = _chosen(view, options.names, options.step)
    return _list(view, found, options) if options.action == "ls" else _export(view, found, options)


def _chosen(view: View, names: Sequence[str], step: int | None) -> list[RecordedMedia]:
    every = RecordedRun(view).media()
    for name in names:
        if not any(fits(one.name, name) for one in every):
            there = ", ".join(visible(one) for one in media_of(view)) or "none were logged"
            raise NotFound(f"run {view.id} has no media {visible(name)!r}", media=there)
    return [
        one
        for one in every
        if (not names or any(fits(one.name, name) for name in names)) and step in (None, one.step)
    ]


def _list(view: View, found: Sequence[RecordedMedia], options: argparse.Namespace) -> int:
    screen = Screen.of(sys.stdout)
    if options.json:
        screen.say(canonical_json([_as_data(one) for one in found]).decode())
        return Exit.DONE
    if not found:
        screen.say(
            f"run {view.id} logged no media" if options.step is None else "none at that step"
        )
        return Exit.DONE
    columns = [Column("name", shrink=1), Column("step", "right"), Column("kind")]
    columns += [Column("what", shrink=2), Column("size", "right"), Column("object")]
    columns += [Column("caption", shrink=3)]
    rows = [
        [
            one.name + (f" {one.at + 1}" if one.of > 1 else ""),
            one.step,
            one.kind,
            _what(one),
            size(one.size_bytes),
            digest.short(one.digest) if one.is_kept else "digest only",
            one.caption,
        ]
        for one in found
    ]
    screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))
    return Exit.DONE


def _what(one: RecordedMedia) -> str:
    """`30 × 20`, `2.5 s`, `12 rows`: what is known of it, in few words."""
    about = one.about
    if "width" in about and "height" in about:
        return f"{about['width']} × {about['height']}"
    if isinstance(about.get("seconds"), (int, float)):
        return f"{about['seconds']:.3g} s"
    for key in ("rows", "values"):
        if key in about:
            return f"{about[key]} {key}"
    return one.type.partition("/")[2]


def _as_data(one: RecordedMedia) -> dict[str, Any]:
    return {
        "name": one.name,
        "step": one.step,
        "at": one.at,
        "kind": one.kind,
        "type": one.type,
        "caption": one.caption,
        "about": one.about,
        "object": one.digest,
        "size_bytes": one.size_bytes,
        "kept": one.is_kept,
        "exact": one.is_exact,
    }


def _export(view: View, found: Sequence[RecordedMedia], options: argparse.Namespace) -> int:
    """Exit code 7 if something could not be written, and the rest is."""
    screen = Screen.of(sys.stdout)
    top: Path = options.folder if options.folder is not None else Path(view.id)
    if top.exists() and not top.is_dir():
        raise UsageError(f"{top} is no folder")
    written, failed = 0, list[str]()
    size_bytes = 0
    for path, one in _files(found, failed):
        try:
            data = one.read()
        except SamebitError as error:
            failed.append(error.what)
            continue
        _write(top / path, data, replace=options.force)
        written, size_bytes = written + 1, size_bytes + len(data)
    errors = Screen.of(sys.stderr)
    for line in failed:
        errors.say("samebit: " + visible(line))
    if written or not failed:
        screen.say(f"{visible(str(top))}: {counted(written, 'file')}, {size(size_bytes)}")
    return Exit.NOT_FOUND if failed else Exit.DONE


def _files(
    found: Sequence[RecordedMedia], failed: list[str]
) -> Iterator[tuple[Path, RecordedMedia]]:
    """Each thing and the path of its file; what is in a table has the table's as its folder."""
    for one in found:
        path = _file_name(one)
        yield path, one
        names: set[str] = set()  # columns of one name are told apart by a number
        try:
            for row, column, inside in one.cells() if one.is_kept else ():
                name = f"{row}-{_safe(column)}"
                name += f"-{len(names)}" * (name in names)
                names.add(name)
                yield path.with_suffix("") / (name + types.extension(inside.type)), inside
        except SamebitError as error:
            failed.append(error.what)


def _write(path: Path, data: bytes, *, replace: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_there = path.exists()
    if is_there and path.read_bytes() != data and not replace:
        raise UsageError(
            "a file of that name is there already, and another one",
            path=path,
            hint="choose another folder with -o, or say `--force`",
        )
    disk.publish(path, [data], path.parent, replace=is_there)


def _file_name(one: RecordedMedia) -> Path:
    """`samples/00000040-2.png`: a stranger's name chooses no other folder, and no other type.

    Names that were changed to be those of files have some digits of themselves behind them, so that
    no two meet.
    """
    of_list = f"-{one.at + 1}" if one.of > 1 else ""
    step = _safe(f"{one.step:0{_STEP_DIGITS}}")
    return Path(_safe(one.name)) / f"{step}{of_list}{types.extension(one.type)}"


def _safe(name: str) -> str:
    safe = "".join(letter if letter in _SAFE else "_" for letter in name)[:_MOST_NAME]
    safe = "_" + safe[1:] if safe.startswith(".") else safe
    if safe == name and safe:
        return safe
    return f"{safe}.{digest.short(digest.of_bytes(name.encode('utf-8', 'backslashreplace')))}"


def media_lines(view: View) -> list[tuple[str, str]]:
    """What a run logged beside numbers, for `samebit show`: a line for each name."""
    found = media_of(view)
    lines: list[tuple[str, str]] = []
    for name, facts in list(found.items())[:_MOST_LINES]:
        steps = {fact["step"] for fact in facts}
        kinds = "s, ".join(dict.fromkeys(fact["kind"] for fact in facts))
        many = "s" if len(facts) > 1 else ""
        at = f"at step {max(steps)}"
        if len(steps) > 1:
            at = f"at {len(steps):,} steps, last {max(steps)}"
        lines.append((name, f"{len(facts):,} {kinds}{many} {at}"))
    if len(found) > _MOST_LINES:
        lines.append(("", f"and {len(found) - _MOST_LINES} more; samebit media ls {view.id}"))
    return lines
