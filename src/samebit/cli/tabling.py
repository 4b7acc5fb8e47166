"""`samebit table`: runs as a table for a paper, of the shape and in the form that it needs."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from samebit import disk, places
from samebit.cli import tables
from samebit.cli.listing import names, why_none
from samebit.cli.searched import by_sweep, sweeps_of, with_search
from samebit.cli.words import Screen, counted, visible, write_data
from samebit.errors import RunNotFound, SamebitError, UsageError
from samebit.query import choosing
from samebit.report.facts import facts
from samebit.report.results import TAKES
from samebit.report.tables import (
    SHAPES,
    Options,
    Table,
    make,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
)
from samebit.report.tables.cells import group_runs
from samebit.report.tables.keys import folded, sort_keys, whole_keys
from samebit.report.tables.settings import Settings, of_project
from samebit.report.tables.testing import TESTS

__all__ = ["table", "table_arguments"]

Row = dict[str, object]

_FORMS: dict[str, Callable[[Table], str]] = {
    "markdown": to_markdown,
    "html": to_html,
    "csv": to_csv,
    "json": to_json,
}
_ENDINGS = {
    ".tex": "latex",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
    ".json": "json",
}
_INTERVALS = ("t", "sd", "sem", "percentile", "bca")


def table_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, in which order, what of them, and for which document."""
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="*", help="these runs; without any, all that there are")
    add("--where", metavar="EXPR", help="such as: acc > 0.9 and config.lr < 0.01 and name ~ 'b*'")
    add("--sort", metavar="KEY[:desc],…", help="such as acc:desc,seed; else as they began")
    add("--replays", action="store_true", help="replays, too")
    shapes = ", ".join(SHAPES)
    add("--shape", choices=SHAPES, metavar="SHAPE", help=f"{shapes}; else results or runs")
    add("--group", metavar="KEY,…", type=names, help="a row or column for each value of these")
    add("--columns", metavar="a,b,c", type=names, help="these settings, in this order")
    add("--metric", metavar="a,b,c", type=names, help="these metrics, in this order")
    takes, kinds, tests = (", ".join(some) for some in (TAKES, _INTERVALS, TESTS))
    add("--take", choices=TAKES, default="last", metavar="POINT", help=f"{takes}; else last")
    add("--interval", choices=_INTERVALS, default="t", metavar="KIND", help=f"{kinds}; else t")
    add("--confidence", type=float, default=0.95, metavar="P", help="of the interval; else 0.95")
    add("--test", choices=TESTS, metavar="TEST", help=f"of each group against one: {tests}")
    add(
        "--against",
        metavar="VALUE",
        help="the group that others are tested against; else the first",
    )
    add("--direction", metavar="METRIC=higher|lower,…", type=names, help="which way is better")
    add("--transpose", action="store_true", help="what stood down the table across it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="rounded, for people (the default)")
    form.add_argument("--latex", action="store_true", help="for \\input, with booktabs and siunitx")
    form.add_argument("--html", action="store_true", help="a fragment of a page")
    form.add_argument("--csv", action="store_true", help="exact values, for programs")
    form.add_argument("--json", action="store_true", help="exact values, and what they are made of")
    add("--plain", action="store_true", help="LaTeX without siunitx")
    add("--caption", metavar="TEXT", help="with it LaTeX is a whole float")
    add("--label", metavar="NAME", help="for \\ref, beside a caption")
    add(
        "--to",
        metavar="FILE",
        type=Path,
        help="in the form of its ending: .tex .md .html .csv .json",
    )
    add("--explain", action="store_true", help="how each setting was sorted, by which rule")


def table(options: argparse.Namespace) -> int:
    """Write runs as a table for a document."""
    form = _form(options)
    store = places.find_store(Path.cwd())
    every = facts(store, replays=options.replays)
    try:
        chosen = choosing.choose(store, every, options.runs, options.where, options.sort)
    except RunNotFound as error:
        for word in (word for word in options.runs if word in SHAPES):
            what = f"no run is called {word!r}, but a shape of tables is"
            raise UsageError(what, hint=f"samebit table --shape {word}") from error
        raise
    sweeps = sweeps_of(store, chosen)
    wanted = _wanted(options, with_search(store, of_project(store), sweeps))
    errors = Screen.of(sys.stderr)
    damaged = sum("damage" in row for row in chosen)
    if damaged:
        said = f"runs that cannot be read, left out: {damaged}; `samebit ls --where damage`"
        errors.say(f"samebit: {said}")
    shape = options.shape or _shape(options)
    if every and shape == "runs" and options.columns:
        choosing.check_names(options.columns, choosing.keys_of(every))
    if damaged == len(chosen):
        if shape != "runs" or options.explain:
            raise UsageError(why_none(every))
        errors.say(why_none(every))
    if options.explain:
        _explain([row for row in chosen if "damage" not in row], wanted)
        return 0
    made = make(shape, chosen, by_sweep(wanted, sweeps) if shape == "search" else wanted)
    text = (
        to_latex(made, plain=options.plain, made_by=_command(options))
        if form == "latex"
        else _FORMS[form](made)
    )
    if options.to is None:
        write_data(text)
        return 0
    _write(options.to, text)
    errors.say(f"{options.to}: {counted(len(made.runs), 'run')}, {form}")
    for note in made.notes:
        errors.say(f"  {visible(note)}")
    return 0


def _shape(options: argparse.Namespace) -> str:
    return "results" if options.group or options.metric or options.test else "runs"


def _form(options: argparse.Namespace) -> str:
    """What was asked for, else what the file's ending says, else Markdown."""
    for form in ("latex", *_FORMS):
        if getattr(options, form):
            return form
    if options.to is None:
        return "markdown"
    form = _ENDINGS.get(options.to.suffix.lower())
    if form is None:
        raise UsageError(
            f"the ending of {str(options.to)!r} says no form",
            known=" ".join(_ENDINGS),
            hint="or say it: --latex, --markdown, --html, --csv, --json",
        )
    return form


def _wanted(options: argparse.Namespace, settings: Settings) -> Options:
    """What was asked for, over what the project says."""
    return Options(
        group=tuple(options.group or ()),
        columns=None if options.columns is None else tuple(options.columns),
        metrics=None if options.metric is None else tuple(options.metric),
        take=options.take,
        how=options.interval,
        confidence=options.confidence,
        test=options.test,
        against=options.against,
        transpose=options.transpose,
        settings=settings.with_direction(options.direction or ()),
        caption=options.caption or "",
        label=options.label or "",
    )


def _command(options: argparse.Namespace) -> str:
    """What would make the table again."""
    parser = argparse.ArgumentParser()
    table_arguments(parser)
    words = ["samebit", "table", *options.runs]
    for name, value in vars(options).items():
        if name == "runs" or value == parser.get_default(name):
            continue
        said = ",".join(value) if isinstance(value, list) else str(value)
        words += [f"--{name}"] if value is True else [f"--{name}", said]
    return shlex.join(words)


def _write(path: Path, text: str) -> None:
    try:
        disk.publish(path, [text.encode()], path.parent, replace=True)
    except OSError as error:
        raise SamebitError(f"cannot write the table: {error.strerror}", path=path) from error


def _explain(rows: Sequence[Row], options: Options) -> None:
    """Each setting, what it does over these runs, and by which rule."""
    screen = Screen.of(sys.stdout)
    across = whole_keys(options.group, rows)
    once, merged, notes = folded(rows, across)
    group_runs(once, across)  # refuses a key that no run has
    lines = [(key.key, key.kind, key.why) for key in sort_keys(once, across, options.settings)]
    lines += [(key, "the same", f"as {fact}, which is shown") for key, fact in merged.items()]
    screen.say(
        tables.table(
            [
                tables.Column("setting", shrink=1),
                tables.Column("is"),
                tables.Column("by", shrink=2),
            ],
            lines,
            columns_wide=screen.width,
            color=screen.color,
        )
    )
    for note in notes:
        screen.say(visible(note))
    sys.stdout.flush()
