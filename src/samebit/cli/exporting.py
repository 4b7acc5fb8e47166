"""`samebit export`: everything that runs recorded, in files of other tools."""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from samebit import places
from samebit.cli.listing import add_selection, count, names, why_none
from samebit.cli.words import ProgressLine, Screen, counted, visible
from samebit.errors import Exit, UsageError
from samebit.query import choosing, index
from samebit.query.tabular import taking
from samebit.query.tabular.columns import Shape
from samebit.query.tabular.shapes import SHAPES
from samebit.report.export.files import ENDINGS, TEXTS, paths_of, write_files, write_stream

__all__ = ["export", "export_arguments"]

_LARGE = [shape.name for shape in SHAPES.values() if shape.is_large]
_EVERY = [name for name in SHAPES if name not in _LARGE]
_PLAIN_WIDTH = 80
_TIED = "\0"  # where a name and its count are not to be parted
_FORMS = (*ENDINGS.values(),)


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which runs, which tables, in which form, and where to."""
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="*", help="these runs; without any, all that there are")
    add_selection(parser, order=taking.ORDER)
    add("--limit", type=count, metavar="N", help="the first N runs only")
    some = ", ".join(_EVERY)
    large = ", ".join(_LARGE)
    add(
        "--table",
        dest="tables",
        metavar="a,b,c",
        type=names,
        help=f"these tables; without it {some}; only when named {large}",
    )
    add("--to", metavar="PLACE", type=Path, help="a folder; or for one table a file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--parquet", action="store_true", help="typed, compact (the default)")
    form.add_argument("--csv", action="store_true", help="exact values as text")
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--jsonl", action="store_true", help="an object on each line")
    form.add_argument(
        "--tensorboard", metavar="DIR", type=Path, help="event files, a folder for each run"
    )
    add("--force", action="store_true", help="replace files that are there")


def export(options: argparse.Namespace) -> int:
    """Write tables of runs; exit code 7 if a run could not be read, and the rest is there."""
    store = places.find_store(Path.cwd())
    every = index.rows(store, replays=options.replays)
    rows = choosing.choose(store, every, options.runs, options.where, options.sort)
    rows = rows[: options.limit]
    if options.tensorboard is not None:
        if not any("damage" not in row for row in rows):
            raise UsageError(why_none(every))
        return _write_events(store, rows, options)
    if not rows:  # what works on a hundred runs works on none
        Screen.of(sys.stderr).say(f"samebit: {why_none(every)}: the tables are empty")
    if options.columns:
        choosing.check_names(options.columns, choosing.keys_of(every))
    shapes = [_shape(name, rows, options) for name in _tables(options)]
    return _write(store, rows, shapes, options)


def _write_events(store: Path, rows: Sequence[taking.Row], options: argparse.Namespace) -> int:
    if options.tables or options.columns or options.to is not None:
        raise UsageError(
            "--tensorboard writes no tables", hint="leave out --table, --columns and --to"
        )
    # With it come readers and writers of other tools' files, which tables need not.
    from samebit.cli.events import export_events  # noqa: PLC0415

    whole = [row for row in rows if "damage" not in row]
    return export_events(store, whole, options.tensorboard)


def _tables(options: argparse.Namespace) -> list[str]:
    named = list(dict.fromkeys(options.tables or _EVERY))
    if options.columns and "runs" not in named:
        raise UsageError("--columns chooses those of the table runs, which is not among these")
    return named


def _shape(name: str, rows: Sequence[taking.Row], options: argparse.Namespace) -> Shape:
    shape = taking.shape_of(name, rows)
    return taking.only(shape, options.columns) if name == "runs" and options.columns else shape


def _write(
    store: Path, rows: Sequence[taking.Row], shapes: list[Shape], options: argparse.Namespace
) -> int:
    form = _form(options)
    screen = Screen.of(sys.stderr)
    failed: list[str] = []
    numpy = taking.load_numpy()

    with ProgressLine(screen, len(rows), "export") as line:
        batches = taking.read_batches(
            store,
            rows,
            shapes,
            numpy,
            failed=lambda run, why: failed.append(f"run {run}: {why}"),
            done=line.advance,
        )
        if options.to is None:
            sys.stdout.flush()
            write_stream(_only_one(shapes, form), form, batches, sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
            written = None
        else:
            paths = paths_of(options.to, shapes, form)
            written = write_files(paths, shapes, form, batches, numpy, replace=options.force)
    for text in failed:
        screen.say(visible(f"samebit: left out, it cannot be read: {text}"))
    if written is not None:
        runs = counted(len(rows) - len(failed), "run")
        screen.say(f"{visible(str(options.to))}: {runs}, {form}")
        told = ", ".join(f"{name}{_TIED}{count:,}" for name, count in written.items() if count)
        for line in textwrap.wrap(f"rows: {told or 'none'}", (screen.width or _PLAIN_WIDTH) - 2):
            screen.say(f"  {line.replace(_TIED, ' ')}")
    return Exit.NOT_FOUND if failed else Exit.DONE


def _form(options: argparse.Namespace) -> str:
    """What was asked for, else what the file's ending says, else Parquet."""
    asked = next((form for form in _FORMS if getattr(options, form)), None)
    place: Path | None = options.to
    if place is None or place.is_dir() or place.suffix.lower() not in ENDINGS:
        return asked or "parquet"
    ending = ENDINGS[place.suffix.lower()]
    if asked not in (None, ending):
        raise UsageError(f"{place.name} ends as {ending} does, and --{asked} was asked for")
    return ending


def _only_one(shapes: Sequence[Shape], form: str) -> Shape:
    if form not in TEXTS:
        raise UsageError("where to? Parquet is no text", hint="samebit export --to FOLDER")
    if len(shapes) > 1:
        hint = "--to FOLDER, or one of them: --table metrics"
        raise UsageError(f"these are {len(shapes)} tables, and there is one output", hint=hint)
    return shapes[0]
