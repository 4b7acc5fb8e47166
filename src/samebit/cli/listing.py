"""`samebit ls` and `metrics`: what runs came to, on the screen or as data.

With the index warm `ls` must answer in a blink, so what only `metrics` needs is imported there.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from samebit import places
from samebit.cli import tables, words
from samebit.cli.words import Screen, visible, write_data
from samebit.errors import NotFound
from samebit.query import choosing, index, where
from samebit.query.tabular.cells import utc
from samebit.report.table import rows_to_csv, runs_table

if TYPE_CHECKING:
    from samebit.folders.series import Column as Metric

__all__ = [
    "add_selection",
    "count",
    "fits",
    "ls",
    "ls_arguments",
    "metrics",
    "metrics_arguments",
    "names",
    "why_none",
]

Row = dict[str, object]

_LEADING = ("id", "name", "state", "started", "seconds", "seed", "verdict")
# Of most runs there is nothing to say in these.
_WHERE_ANY = ("cause", "ranks", "executions", "job")
_CURVE_COLUMNS = 20


def ls_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, in which order, and what of them."""
    add_selection(parser, order="started:desc")
    parser.add_argument(
        "--remote", metavar="NAME", help="the runs that lie there, without fetching them"
    )
    parser.add_argument("--limit", type=count, metavar="N", help="the first N runs only")
    parser.add_argument("--json", action="store_true", help="exact values, as a list of objects")


def metrics_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which run, which metrics, and for whom."""
    parser.add_argument("run", metavar="RUN", help="an id, its beginning, a name, @last, @last-1")
    parser.add_argument("names", metavar="NAME", nargs="*", help="a metric, or a pattern: 'val/*'")
    parser.add_argument("--machine", action="store_true", help="what the machine did, instead")
    parser.add_argument("--rank", metavar="N", help="as another rank logged them; else the first's")
    parser.add_argument(
        "--execution", type=count, metavar="N", help="all that one execution logged"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="every point: name, step, time, value")
    form.add_argument("--json", action="store_true", help="every point, exact, by name")


def add_selection(parser: argparse.ArgumentParser, order: str) -> None:
    """Which runs, in which order, and what of them."""
    parser.add_argument(
        "--where", metavar="EXPR", help="such as: acc > 0.9 and config.lr < 0.01 and name ~ 'b*'"
    )
    parser.add_argument(
        "--sort", metavar="KEY[:desc],…", default=order, help=f"such as acc:desc,seed; else {order}"
    )
    parser.add_argument("--columns", metavar="a,b,c", type=names, help="these, in this order")
    parser.add_argument("--replays", action="store_true", help="replays, too")


def count(text: str) -> int:
    """An option's whole number from 1."""
    if text.isdecimal() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"a whole number from 1, not {text!r}")


def names(text: str) -> list[str]:
    """An option's names, with a comma between them."""
    found = [name.strip() for name in text.split(",")]
    if all(found):
        return found
    raise argparse.ArgumentTypeError(f"names with a comma between them, not {text!r}")


def ls(options: argparse.Namespace) -> int:
    """List runs."""
    every = _every_run(options) if options.remote is None else _runs_there(options)
    chosen = _chosen(every, options)
    shown = chosen[: options.limit]
    screen = Screen.of(sys.stdout)
    if options.json:
        _write_json(_picked(shown, options.columns) if options.columns else shown)
    elif shown:
        screen.say(_listed(shown, options.columns, screen))
        if len(shown) < len(chosen) and screen.width is not None:
            screen.say(screen.paint.dim(f"{len(shown)} of {len(chosen)} runs: --limit"))
    else:
        screen.say(why_none(every))
    if options.remote is None and not options.json and screen.width is not None:
        _say_what_waits(screen)
    sys.stdout.flush()
    return 0


def _say_what_waits(screen: Screen) -> None:
    """A push by itself that always fails is seen nowhere else."""
    store = places.find_store(Path.cwd())
    if (store / "unpushed").is_dir():
        from samebit.launch import sending  # noqa: PLC0415  (most stores have none)

        if waiting := sending.waiting(store):
            runs = words.counted(len(waiting), "run")
            said = f"still to be pushed: {runs}; `samebit remote show NAME` says how it went"
            screen.say(screen.paint.dim(said))


def metrics(options: argparse.Namespace) -> int:
    """Show the metrics of a run."""
    # They take as long to import as all of `ls`.
    from samebit.folders.find import find_run  # noqa: PLC0415
    from samebit.folders.read import read_run  # noqa: PLC0415

    run = read_run(find_run(places.find_store(Path.cwd()), options.run))
    if options.execution is not None:
        run = run.at_execution(options.execution)
    if options.rank is not None:
        run = run.at_rank(options.rank)
    of_machine = options.machine
    found = _matching(run.machine if of_machine else run.metrics, options.names, run.id)
    if run.gaps:
        Screen.of(sys.stderr).say("samebit: points are missing, the journal is damaged")
    if options.json:
        _write_json({name: _points(metric) for name, metric in found.items()})
    elif options.csv:
        rows = [
            (name, step, utc(time_ns), value)
            for name, metric in found.items()
            for step, time_ns, value in zip(
                metric.steps, metric.times_ns, metric.values, strict=True
            )
        ]
        write_data(rows_to_csv(["name", "step", "time", "value"], rows))
    else:
        screen = Screen.of(sys.stdout)
        none = "no sample of the machine" if of_machine else "logged no metric"
        screen.say(_summary(found, screen) if found else f"run {run.id} has {none}")
        sys.stdout.flush()
    return 0


def _every_run(options: argparse.Namespace) -> list[Row]:
    return index.rows(places.find_store(Path.cwd()), replays=options.replays)


def _runs_there(options: argparse.Namespace) -> list[Row]:
    """The runs of a remote."""
    from samebit.remotes import contents, named  # noqa: PLC0415  (most lists are of what is here)
    from samebit.remotes.rows import read_rows  # noqa: PLC0415

    place = named.open_place(named.choose(places.find_store(Path.cwd()), options.remote))
    identity = contents.read_id(place)
    every = read_rows(place, identity) if identity is not None else []
    return [row for row in every if options.replays or row.get("kind") != "replay"]


def _chosen(every: list[Row], options: argparse.Namespace) -> list[Row]:
    """The runs that were asked for, in order; names that no run has raise UsageError."""
    known = choosing.keys_of(every)
    chosen = choosing.fitting(every, options.where) if options.where is not None else every
    if every and options.columns:
        choosing.check_names(options.columns, known)
    return choosing.sorted_by(chosen, options.sort, known)


def why_none(every: Sequence[Row]) -> str:
    """Why there is no run to show, of all that there are."""
    if every:
        return f"none of {len(every)} runs is so"
    return "no runs here yet; `samebit run train.py` records one"


def _picked(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    known = choosing.keys_of(rows)
    return [{name: row.get(where.resolve(name, known) or name) for name in names} for row in rows]


def _listed(rows: Sequence[Row], names: Sequence[str] | None, screen: Screen) -> str:
    known = choosing.keys_of(rows)
    everywhere: list[str] = []
    if names is None and screen.width is not None:
        rows, everywhere = _without_what_all_lack(rows)
    titles = names if names is not None else _default_titles(rows, screen)
    keys = [where.resolve(title, known) or title for title in titles]
    now_ns = time.time_ns()
    listed = tables.table(
        [
            _column(title, key, [row.get(key) for row in rows], screen)
            for title, key in zip(titles, keys, strict=True)
        ],
        [[_cell(key, row.get(key), now_ns, screen) for key in keys] for row in rows],
        columns_wide=screen.width,
        color=screen.color,
    )
    if everywhere:
        said = f"missing from each: {', '.join(everywhere)}; `samebit show RUN` says how to get it"
        listed += "\n" + screen.paint.dim(words.shorten(visible(said), screen.width or len(said)))
    return listed


def _without_what_all_lack(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """What every run here lacks is said once, so that the column is there for what differs."""
    lacking = [_lacks(row) for row in rows if "damage" not in row]
    everywhere = (
        [key for key in lacking[0] if all(key in lacks for lacks in lacking)] if lacking else []
    )
    left = [
        {**row, "missing": ", ".join(key for key in _lacks(row) if key not in everywhere) or None}
        for row in rows
    ]
    return left, everywhere


def _lacks(row: Row) -> list[str]:
    missing = row.get("missing")
    return missing.split(", ") if isinstance(missing, str) else []


def _default_titles(rows: Sequence[Row], screen: Screen) -> list[str]:
    # What cannot be read has no configuration: beside it every entry would be one that differs.
    whole = [row for row in rows if "damage" not in row]
    headers, _ = runs_table(whole, None)
    at = headers.index("seed")
    leading = [
        key
        for key in _LEADING
        if screen.width is None or any(row.get(key) is not None for row in rows)
    ]
    told = [key for key in _WHERE_ANY if any(row.get(key) is not None for row in rows)]
    leading[leading.index("state") + 1 : leading.index("state") + 1] = told
    last = ["missing"] if any(row.get("missing") for row in rows) else []
    last += ["damage"] if len(whole) < len(rows) else []
    return [*leading, *headers[headers.index("state") + 1 : at], *headers[at + 1 :], *last]


def _column(title: str, key: str, values: Iterable[object], screen: Screen) -> tables.Column:
    if key == "state":
        paint = screen.paint
        colors = {
            "finished": paint.green,
            "running": paint.cyan,
            "failed": paint.red,
            "damaged": paint.red,
            "killed": paint.yellow,
            "broken off": paint.yellow,
            "stopped early": paint.yellow,
            "not begun": paint.yellow,
            "too new": paint.yellow,
        }
        return tables.Column(title, style=lambda text: colors.get(text, str)(text))
    if key == "missing":  # whether a run can be done again outweighs one more of its numbers
        return tables.Column(title, shrink=3, stays=True, style=screen.paint.yellow)
    if _is_numeric(values) and key != "started":
        return tables.Column(title, align="right")
    return tables.Column(title, shrink=0 if key in ("id", "started") else 1 if key == "name" else 2)


def _is_numeric(values: Iterable[object]) -> bool:
    return all(
        value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        for value in values
    )


def _cell(key: str, value: object, now_ns: int, screen: Screen) -> object:
    if key == "started" and isinstance(value, int):
        # A file is read at some other time.
        return words.when(value) if screen.width is None else words.ago(value, now_ns)
    if key == "seconds" and isinstance(value, float):
        return words.duration(value)
    return value


def _matching(found: "dict[str, Metric]", names: Sequence[str], run: str) -> "dict[str, Metric]":
    for name in names:
        if not any(fits(metric, name) for metric in found):
            raise NotFound(
                f"run {run} has no metric {visible(name)!r}",
                metrics=", ".join(map(visible, found)) or "none were logged",
            )
    return {
        metric: column
        for metric, column in found.items()
        if not names or any(fits(metric, name) for name in names)
    }


def fits(metric: str, name: str) -> bool:
    """Whether a metric has a name, or one that a pattern like `val/*` means."""
    return metric == name or fnmatchcase(metric, name)  # a name may hold brackets of its own


def _points(metric: "Metric") -> dict[str, object]:
    times = [utc(time_ns) for time_ns in metric.times_ns]
    return {"step": metric.steps, "time": times, "value": metric.values}


def _summary(found: "dict[str, Metric]", screen: Screen) -> str:
    titles = ("points", "first", "last", "min", "max")
    rows: list[list[object]] = []
    for name, metric in found.items():
        values = metric.values
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        ordered = [value for value in numbers if value == value]
        low, high = (min(ordered), max(ordered)) if ordered else (None, None)
        curve = words.sparkline([_as_float(value) for value in numbers], _CURVE_COLUMNS)
        rows.append([name, len(values), values[0], values[-1], low, high, curve])
    return tables.table(
        [
            tables.Column("name", shrink=1),
            *(tables.Column(title, align="right") for title in titles),
            tables.Column("curve"),
        ],
        rows,
        columns_wide=screen.width,
        color=screen.color,
    )


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf") if value > 0 else float("-inf")


def _write_json(value: object) -> None:
    from samebit import digest  # noqa: PLC0415  (its libraries take as long as all of `ls`)

    write_data(digest.canonical_json(value).decode() + "\n")
