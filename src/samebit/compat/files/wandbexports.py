"""What people get out of wandb's servers: histories in Parquet, CSV and JSON, and charts' curves.

A history has a row for each step, with a column `_step`: the Parquet files of a run (the artifact
`ID-history`, `download_history_exports`), or what `history()` and `scan_history()` gave, written
down. A chart's CSV has what it is drawn over in its first column, which is `Step` or any metric's
name, and for each curve `RUN - METRIC`, `RUN - METRIC__MIN` and `RUN - METRIC__MAX`; most have
`RUN - _step` so, too.
"""

import csv
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from samebit.capture.config import free_name
from samebit.compat.files.wandbrecords import in_ns
from samebit.compat.foreign import Column, Execution, ForeignRun, Found, Names, Problems
from samebit.digest import canonical_json, of_bytes, of_file
from samebit.errors import Damaged, UsageError
from samebit.journal.values import is_plain

__all__ = ["EXPORTS", "find_exports", "is_export"]

_STEP, _TIME = "_step", "_timestamp"
_OURS = (_STEP, _TIME, "_runtime", "_wandb")
_OVER, _BETWEEN = "Step", " - "
_SPREAD = ("__MIN", "__MAX")  # what a chart says beside each curve
_TIMES = ("Relative Time (Process)", "Relative Time (Wall)", "Wall Time")  # that it may be over
_GROUP = "Group: "  # before the name of a curve that is made of several runs
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WORDS = {
    "True": True,
    "False": False,
    "true": True,
    "false": False,
    "inf": float("inf"),
    "-inf": float("-inf"),
    "nan": float("nan"),
}
_UNNAMED = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # the numbers of a frame's rows
_HISTORY_OF = re.compile(r"(?:run-)?(.+?)-history(?:[:_-]v\d+)?")
_MOST_ROWS = 20_000_000
_MOST_COLUMNS = 20_000
_MOST_BYTES = 4 << 30  # of a column of Parquet, unpacked
_MOST_LINE = 16 << 20
_MOST_DEPTH = 32

Told = Callable[[int], object]
Row = Mapping[str, Any]


class _Into:
    """What is read of one run."""

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        self.problems: Problems = {}
        self.names = Names(self.problems)


def is_export(path: Path) -> bool:
    """Whether a file is called as one of these."""
    return path.suffix.lower() in EXPORTS


def find_exports(paths: Sequence[Path]) -> list[Found]:
    """The runs that such files are of; of a file that is none of them it is said that it is not."""
    found: list[Found] = []
    parts: dict[Path, list[Path]] = {}
    charts: list[Path] = []
    for path in paths:
        header = _header(path) if path.suffix.lower() == ".csv" else [_STEP]
        if path.suffix.lower() == ".parquet":
            parts.setdefault(path.parent, []).append(path)
        elif _is_chart(header):
            charts.append(path)
        elif _STEP in header:
            found.append(_found([path], path.stem))
        else:
            why = f"no history and no chart of wandb: it has neither `{_STEP}` nor `{_OVER}`"
            found.append(Found(str(path), 0, _nothing, why))
    for folder, mine in parts.items():
        is_numbered = len(mine) > 1 or mine[0].stem.isdigit()
        found.append(_found(sorted(mine), folder.absolute().name if is_numbered else mine[0].stem))
    return [*found, *_charted(charts)]


def _found(paths: Sequence[Path], name: str) -> Found:
    match = _HISTORY_OF.fullmatch(name)
    read = functools.partial(_read_history, tuple(paths), match[1] if match else name)
    return Found(str(paths[0]), sum(path.stat().st_size for path in paths), read)


def _nothing(told: Told) -> None:
    """What is left out is not read."""


# A history


def _read_history(paths: Sequence[Path], name: str, told: Told) -> ForeignRun | None:
    into = _Into()
    for path in paths:
        EXPORTS[path.suffix.lower()](path, into)
        told(path.stat().st_size)
    return _run(name, "history", paths, into)


def _run(name: str, kind: str, paths: Sequence[Path], into: _Into) -> ForeignRun | None:
    columns = into.columns
    if not columns and not into.problems:
        return None
    times = [min(known) for one in columns.values() if (known := [t for t in one.times_ns if t])]
    began_ns = min(times, default=0)
    return ForeignRun(
        tool="wandb",
        id=f"{kind}/{name}@{began_ns}",
        where=str(paths[0].absolute()),
        executions=[Execution(began_ns, series=[c.series(n) for n, c in columns.items()])],
        name=name,
        said={"files": [path.name for path in paths], "exported_as": kind},
        problems=[
            *into.problems,
            ("settings, end, machine and files", f"a {kind} that wandb exports has none"),
        ],
        digest=of_bytes(canonical_json([[path.name, of_file(path)[1]] for path in paths])),
    )


def _add_rows(rows: Iterable[Row], into: _Into) -> None:
    for number, row in enumerate(rows):
        if number >= _MOST_ROWS or len(into.columns) > _MOST_COLUMNS:
            raise Damaged(f"it has more than {_MOST_ROWS:,} rows or {_MOST_COLUMNS:,} columns")
        step = row.get(_STEP)
        if isinstance(step, float) and step.is_integer():
            step = int(step)
        if type(step) is not int or not -(1 << 63) <= step < 1 << 63:
            into.problems["_step", "rows without a step that can be read are left out"] = None
            continue
        time_ns = in_ns(row.get(_TIME))
        for key, value in _flat(row):
            name = into.names.of(key)
            if isinstance(value, (list, dict)):
                what = "is a medium, a list or a map, which has no place here"
                into.problems[name, what] = None
            elif value is not None:
                into.columns.setdefault(name, Column()).add(step, time_ns, value)


def _flat(row: Row) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in row.items():
        if name in _OURS or not isinstance(name, str) or _UNNAMED.fullmatch(name):
            continue
        if isinstance(value, dict) and "_type" not in value and is_plain(value, _MOST_DEPTH):
            yield from (((name, *inner), part) for inner, part in _flat(value))
        else:
            yield (name,), value


def _read_json(path: Path, into: _Into) -> None:
    _add_rows(_json_rows(path), into)


def _json_rows(path: Path) -> Iterator[Row]:
    """A list of rows, or a row on each line."""
    try:
        with path.open("rb") as stream:
            is_list = stream.read(1) == b"["
            stream.seek(0)
            if is_list and path.stat().st_size > _MOST_BYTES:
                raise Damaged("a list of JSON that is too long; JSON Lines may be of any length")
            found = _json(stream.read()) if is_list else map(_json, _lines(stream))
            for row in found:
                if not isinstance(row, dict):
                    raise Damaged("it holds something that is no row")
                yield row
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is no JSON: {error}", path=path) from error


def _lines(stream: Any) -> Iterator[bytes]:
    while line := stream.readline(_MOST_LINE):
        if len(line) == _MOST_LINE:
            raise Damaged(f"a line of more than {_MOST_LINE:,} bytes")
        if line.strip():
            yield line


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data)  # with NaN and infinities, as Python writes them


def _read_csv(path: Path, into: _Into) -> None:
    rows = _csv_rows(path)
    titles: list[str] = []
    for title in next(rows, []):
        titles.append(free_name(title, titles) if title else title)
        if titles[-1] != title:
            what = f"is the title of two columns: here the later is {titles[-1]!r}"
            into.problems[title, what] = None
    cells = (
        {title: _cell(cell) for title, cell in zip(titles, row, strict=False) if cell}
        for row in rows
    )
    _add_rows(cells, into)


def _csv_rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as stream:
            yield from csv.reader(stream)
    except csv.Error as error:
        raise Damaged(f"it is no CSV: {error}", path=path) from error


def _header(path: Path) -> list[str]:
    try:
        return next(_csv_rows(path), [])
    except (Damaged, OSError):
        return []


def _cell(text: str) -> Any:
    """A number where it is written as one, True and False; else the text."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _WORDS.get(text, text)
    if match[2] or match[3]:
        return float(text)
    return int(text) if len(text) < 20 else float(text)


def _read_parquet(path: Path, into: _Into) -> None:
    """Column by column, so that a file of many names is never in memory as a whole."""
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        hint = "pip install 'samebit[arrow]'"
        raise UsageError("Parquet is read with pyarrow", hint=hint) from error
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            _check_size(file)
            names = file.schema_arrow.names
            if _STEP not in names:
                raise Damaged(f"no history of wandb: it has no column `{_STEP}`", path=path)
            steps = _column(file, _STEP)
            times = _column(file, _TIME) if _TIME in names else [None] * len(steps)
            for name in dict.fromkeys(names):
                if name in _OURS:
                    continue
                values = _column(file, name)
                rows = (
                    {_STEP: step, _TIME: time, name: value}
                    for step, time, value in zip(steps, times, values, strict=True)
                    if value is not None
                )
                _add_rows(rows, into)
    except (ArrowException, ValueError, KeyError, OSError) as error:
        what = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise Damaged(f"it cannot be read as Parquet: {what}", path=path) from error


def _check_size(file: Any) -> None:
    about = file.metadata
    if about.num_rows > _MOST_ROWS or about.num_columns > _MOST_COLUMNS:
        raise Damaged(f"it claims {about.num_rows:,} rows of {about.num_columns:,} columns")
    # Not asked column by column: pyarrow ends the process over one whose description is damaged.
    for group in range(about.num_row_groups):
        if about.row_group(group).total_byte_size > _MOST_BYTES * about.num_columns:
            raise Damaged(f"it claims more than {_MOST_BYTES:,} bytes a column")


def _column(file: Any, name: str) -> list[Any]:
    return file.read(columns=[name]).column(name).to_pylist()


# A chart


def _is_chart(header: Sequence[str]) -> bool:
    """Over `Step`, or over anything else where each curve has its spread beside it."""
    if _STEP in header or not header:
        return False
    curves = [title for title in header if _BETWEEN in title and not title.endswith(_SPREAD)]
    has_spread = all(title + end in header for title in curves for end in _SPREAD)
    return _OVER in header or (bool(curves) and has_spread and header[0] not in curves)


def _charted(paths: Sequence[Path]) -> list[Found]:
    """The runs whose curves charts have, each with the files that it is in."""
    runs: dict[str, list[Path]] = {}
    left: list[Found] = []
    for path in paths:
        header = _header(path)
        for name in dict.fromkeys(run for run, _ in _curves(header).values()):
            runs.setdefault(name, []).append(path)
        if any(title.startswith(_GROUP) for title in header):
            why = "its curves of groups are made of several runs each, and are none of a run"
            left.append(Found(str(path), 0, _nothing, why))
    return left + [
        Found(
            f"{mine[0]}: {name}",
            sum(path.stat().st_size for path in mine) // len(runs),
            functools.partial(_read_chart, tuple(mine), name),
        )
        for name, mine in runs.items()
    ]


def _curves(header: Sequence[str]) -> dict[int, tuple[str, str]]:
    """By the number of a column the run and the metric that it is of."""
    found: dict[int, tuple[str, str]] = {}
    for at, title in enumerate(header):
        run, between, metric = title.rpartition(_BETWEEN)
        is_curve = between and run and metric and not title.startswith(_GROUP)
        if is_curve and not title.endswith(_SPREAD):
            found[at] = run, metric
    return found


def _read_chart(paths: Sequence[Path], name: str, told: Told) -> ForeignRun | None:
    into = _Into()
    for path in paths:
        rows = _csv_rows(path)
        header = next(rows, [])
        mine: dict[str, list[int]] = {}
        for at, (run, metric) in _curves(header).items():
            if run == name:
                mine.setdefault(metric, []).append(at)
        for metric, places in mine.items():
            if len(places) > 1:
                what = f"{len(places)} runs of the chart have one name; their curves are left out"
                into.problems[metric, what] = None
        taken = {metric: places[0] for metric, places in mine.items() if len(places) == 1}
        over = _OVER if _OVER in header else header[0]
        step_at = taken.pop(_STEP, header.index(over))  # the run's own counter, where it is there
        told(path.stat().st_size)
        if header[step_at] in _TIMES:
            what = f"{path.name} is over {over!r} and has no steps; it is not read"
            into.problems["step", what] = None
            continue
        if header[step_at] == over != _OVER:
            into.problems["step", f"{path.name} is over {over!r}, which is the step here"] = None
        cells = (
            {
                _STEP: _cell(row[step_at]),
                **{metric: _cell(row[at]) for metric, at in taken.items() if row[at]},
            }
            for row in rows
            if len(row) == len(header) and row[step_at]
        )
        _add_rows(cells, into)
    if into.columns:
        what = "points that wandb chose or averaged for a chart, and not all"
        into.problems["curves", what] = None
    return _run(name, "chart", paths, into)


EXPORTS = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
}
