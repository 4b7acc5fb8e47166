"""`samebit fingerprint`: the name of data by its content, of files, folders and what they hold."""

import argparse
import sys
from pathlib import Path
from typing import Any

from samebit.cli.tables import Column, table
from samebit.cli.words import ProgressLine, Screen, size, visible
from samebit.data import files, reading
from samebit.data.forms import LEVELS, Fingerprint
from samebit.digest import canonical_json
from samebit.errors import Exit, UsageError

__all__ = ["fingerprint", "fingerprint_arguments"]


def fingerprint_arguments(parser: argparse.ArgumentParser) -> None:
    """What fingerprint takes."""
    parser.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="a file or folder")
    parser.add_argument(
        "--as", dest="kind", choices=("file", "table"), default="file", help="its bytes, or values"
    )
    parser.add_argument("--level", choices=LEVELS, default="content", help="what is to matter")
    parser.add_argument("--follow", action="store_true", help="links are what they point to")
    parser.add_argument("--parts", action="store_true", help="each column, file or array")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def fingerprint(options: argparse.Namespace) -> int:
    """Say the fingerprint of each path; the first that has none ends it."""
    screen = Screen.of(sys.stdout)
    if options.kind == "table" and options.follow:
        raise UsageError("--follow is of folders", hint="leave it or --as table out")
    found = [(path, _of(path, options, screen)) for path in options.paths]
    if options.json:
        data = [_as_data(path, one, parts=options.parts) for path, one in found]
        screen.say(canonical_json({"fingerprints": data}).decode())
        return Exit.DONE
    for path, one in found:
        _say(screen, path, one, parts=options.parts)
    return Exit.DONE


def _of(path: Path, options: argparse.Namespace, screen: Screen) -> Fingerprint:
    label = path.name or str(path)
    if options.kind == "table":
        with reading.open_content(path) as content:
            with ProgressLine(_shown_only_with(content.rows, screen), content.rows, label) as line:
                return content.take(options.level, line.advance)
    survey = files.survey(path, follow=options.follow)
    with ProgressLine(screen, survey.size_bytes, label, amount=size) as line:
        return files.of_survey(survey, level=options.level, advance=line.advance)


def _shown_only_with(total: int, screen: Screen) -> Screen:
    """A screen on which no progress is drawn where nobody knows how much there is."""
    return screen if total else Screen(screen.stream, None, screen.color)


def _as_data(path: Path, found: Fingerprint, *, parts: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"path": str(path), "fingerprint": found.name, "kind": found.kind}
    said |= {**found.counts, "whole": found.is_whole, "notes": list(found.notes)}
    return {**said, "parts": found.parts} if parts else said


def _say(screen: Screen, path: Path, found: Fingerprint, *, parts: bool) -> None:
    counts = ", ".join(_amount(name, count) for name, count in found.counts.items())
    screen.say(f"{visible(str(path))}: {screen.paint.dim(counts)}")
    screen.say(str(found))  # alone on its line and never cut: it is there to be copied
    for note in found.notes:
        screen.say(screen.paint.yellow("note: ") + visible(note))
    if parts and found.parts:
        columns = [Column("part", shrink=1), Column("fingerprint", shrink=2, least=24)]
        rows = [[name, one] for name, one in found.parts.items()]
        screen.say(table(columns, rows, columns_wide=screen.width, color=screen.color))


def _amount(name: str, count: int) -> str:
    if name == "size_bytes":
        return size(count)
    one = "entry" if name == "entries" else name.removesuffix("s")
    return f"{count} {one if count == 1 else name}"
