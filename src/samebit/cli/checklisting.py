"""`samebit checklist`: a reproducibility checklist with what the records show of each item."""

import argparse
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from samebit import disk, places
from samebit.cli.searched import rules_of, sweeps_of, with_search
from samebit.cli.words import Screen, visible
from samebit.errors import Exit, UsageError
from samebit.report.checklist.gathering import gather, searched_in
from samebit.report.checklist.items import CHECKLISTS, Checklist, fill
from samebit.report.checklist.written import to_json, to_latex, to_markdown
from samebit.report.tables.settings import of_project

__all__ = ["checklist", "checklist_arguments"]

_FORMS: dict[str, Callable[[Checklist], str]] = {
    "markdown": to_markdown,
    "latex": to_latex,
    "json": to_json,
}
_SUFFIXES = {".md": "markdown", ".tex": "latex", ".json": "json"}


def checklist_arguments(parser: argparse.ArgumentParser) -> None:
    """What checklist takes."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="those of the paper (default: all)")
    parser.add_argument("--where", metavar="EXPR", help="those for which this holds, too")
    parser.add_argument(
        "--for", dest="which", choices=CHECKLISTS, default="neurips", help="else neurips"
    )
    parser.add_argument(
        "--test-metric",
        metavar="NAME",
        action="append",
        default=[],
        help="a metric, or a pattern, that is a score on test data; may be said several times",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--latex", dest="form", action="store_const", const="latex", help="for a paper"
    )
    form.add_argument(
        "--json", dest="form", action="store_const", const="json", help="for programs"
    )
    parser.add_argument(
        "--to", metavar="FILE", type=Path, help="write it there; .md, .tex and .json say the form"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def checklist(options: argparse.Namespace) -> int:
    """Write it."""
    path: Path | None = options.to
    form = options.form or _SUFFIXES.get(path.suffix if path is not None else "", "markdown")
    store = places.find_store(Path.cwd())
    project = gather(store, options.runs, options.where, options.test_metric)
    sweeps = sweeps_of(store, project.every)
    settings = with_search(store, of_project(store), sweeps)
    project = replace(project, searched=searched_in(settings), chosen_by=tuple(rules_of(sweeps)))
    filled = fill(options.which, project)
    text = _FORMS[form](filled)
    screen = Screen.of(sys.stdout)
    if path is not None:
        _write(path, text, replace=options.force)
        proposed = sum(bool(answer.proposed) for answer in filled.answers)
        count = f"{len(filled.answers)} items, answers proposed for {proposed}"
        screen.say(f"{visible(str(path))}: {count}")
    elif form == "markdown" and screen.width is not None:
        for line in text.splitlines():
            _say(screen, line)
    else:
        screen.say(text.rstrip("\n"))
    return Exit.DONE


def _write(path: Path, text: str, *, replace: bool) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    replace = replace and path.exists()
    if not disk.publish(path, [text.encode()], path.parent, replace=replace):
        raise UsageError(
            "a file of that name is there already, perhaps with your answers in it",
            path=path,
            hint="choose another, or say `--force`",
        )


def _say(screen: Screen, line: str) -> None:
    """A line of Markdown, in as many as the screen needs."""
    if line.startswith("#"):
        screen.say(screen.paint.bold(line))
        return
    told = len(line) - len(line.lstrip()) + 2 * line.lstrip().startswith("- ")
    pieces = textwrap.wrap(
        line, screen.width or 80, subsequent_indent=" " * told, break_on_hyphens=False
    )
    for piece in pieces or [""]:
        screen.say(screen.paint.dim(piece) if line.startswith("  *") else piece)
