r"""The figures and tables of a paper as plain TeX files that carry where they came from.

A figure is pgfplots code with its data inline: the mean of a metric over the runs of a selection
at the steps that all of them logged, and a band around it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit import stats
from samebit.errors import NotFound, UsageError
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.report import latex, tables
from samebit.report.curves import thinned
from samebit.report.paper.macros import HEAD
from samebit.report.paper.settings import Figure, Paper, TableOf, load_toml
from samebit.report.paper.values import Row, Selected
from samebit.report.table import few
from samebit.report.tables.settings import of_project, read

__all__ = ["Drawing", "wanted"]

_COLUMNS = 160  # points of a curve, at most
_COLORS = ("0072B2", "D55E00", "009E73", "CC79A7", "56B4E9", "E69F00", "000000", "7F7F7F")
_DASHES = ("solid", "densely dashed", "densely dotted", "dash dot")
_SHOWN_RUNS = 16
_BANDS = {
    "t": "95 % t interval of the mean",
    "sd": "standard deviation",
    "sem": "standard error of the mean",
    "range": "lowest and highest run",
    "none": "none",
}
Point = tuple[float, float]


class Drawing(Struct, frozen=True):
    """A file of TeX, and whose numbers are in it."""

    text: str
    runs: tuple[str, ...]


class _Curve(Struct, frozen=True):
    selection: str
    line: tuple[Point, ...]
    low: tuple[Point, ...]
    high: tuple[Point, ...]
    runs: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def wanted(
    store: Path, paper: Paper, selected: Mapping[str, Selected]
) -> Iterator[tuple[str, str, Callable[[], Drawing]]]:
    """What is asked for: `tables` or `figures`, a name, and what draws it."""
    for name, table in paper.tables.items():
        yield "tables", name, lambda table=table: _table(store, paper, table, selected)
    for name, figure in paper.figures.items():
        yield "figures", name, lambda figure=figure: draw(store, figure, selected)


def _table(store: Path, paper: Paper, asked: TableOf, selected: Mapping[str, Selected]) -> Drawing:
    """A table as `samebit table` makes it, of the runs of some selections."""
    rows: dict[object, Row] = {}
    for name in asked.selections:
        _refuse_problem(name, selected)
        rows |= {row["id"]: row for row in selected[name].rows}
    own = load_toml(paper.file).get("table")
    said = tables.Settings() if own is None else read(own, paper.file)
    options = tables.Options(
        group=asked.group,
        columns=asked.columns,
        metrics=asked.metrics,
        take=asked.take,
        how=asked.interval,
        confidence=asked.confidence,
        test=asked.test,
        against=asked.against,
        transpose=asked.transpose,
        settings=(of_project(store) if own is None else said).with_direction(asked.direction),
        caption=asked.caption,
        label=asked.label,
    )
    made = tables.make(asked.shape, list(rows.values()), options)
    text = tables.to_latex(made, plain=not paper.siunitx, made_by="samebit paper build")
    return Drawing(text, made.runs)


def _refuse_problem(name: str, selected: Mapping[str, Selected]) -> None:
    if selected[name].problem:
        raise NotFound(f"selection {name}: {selected[name].problem}")


def draw(store: Path, figure: Figure, selected: Mapping[str, Selected]) -> Drawing:
    """A figure; NotFound where a selection has no run with such a curve."""
    curves: list[_Curve] = []
    for name in figure.selections:
        _refuse_problem(name, selected)
        curves.append(_curve(store, figure, name, selected[name]))
    runs = tuple(dict.fromkeys(run for curve in curves for run in curve.runs))
    return Drawing(_tex(figure, curves), runs)


def _curve(store: Path, figure: Figure, name: str, selected: Selected) -> _Curve:
    series: dict[str, dict[float, float]] = {}
    left_out: list[tuple[str, str]] = []
    for row in selected.rows:
        run = str(row["id"])
        if row.get("state") != "finished":
            left_out.append((run, str(row.get("state"))))
            continue
        column = read_run(RunFolder(store / "runs" / run)).metrics.get(figure.metric)
        points = _points(column.steps, column.values) if column is not None else {}
        if len(points) < 2:
            left_out.append((run, "no such curve"))
            continue
        series[run] = points
    if not series:
        why = few([f"{run} {why}" for run, why in left_out])
        raise NotFound(f"no run of {name} has a curve of {figure.metric}", runs=why or "none")
    steps = sorted(set.intersection(*(set(points) for points in series.values())))
    if len(steps) < 2:
        raise UsageError(
            f"the runs of {name} logged {figure.metric} at different steps, and no mean is theirs",
            runs=few(list(series)),
        )
    thin = [
        thinned(steps, [points[step] for step in steps], _COLUMNS) for points in series.values()
    ]
    lines = [curve.points for curve in thin if curve is not None]
    bands = [_band([line[at][1] for line in lines], figure.band) for at in range(len(lines[0]))]
    xs = [x for x, _ in lines[0]]
    middle, low, high = (
        tuple(zip(xs, (band[at] for band in bands), strict=True)) for at in range(3)
    )
    return _Curve(name, middle, low, high, tuple(series), tuple(left_out))


def _points(steps: Sequence[float], values: Sequence[object]) -> dict[float, float]:
    return {
        float(step): float(value)
        for step, value in zip(steps, values, strict=True)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _band(values: Sequence[float], band: str) -> tuple[float, float, float]:
    """The mean of the runs at one step, and from where to where; NaN where one is no number."""
    if not all(map(math.isfinite, values)):
        return math.nan, math.nan, math.nan
    if band in ("t", "sd", "sem"):
        found = stats.mean(values, how=band)  # pyright: ignore[reportArgumentType]
        low, high = found.low, found.high
        return (
            found.value,
            found.value if low is None else low,
            found.value if high is None else high,
        )
    mean = stats.mean(values).value
    return (mean, min(values), max(values)) if band == "range" else (mean, mean, mean)


def _tex(figure: Figure, curves: Sequence[_Curve]) -> str:
    lines = [latex.comment(HEAD)]
    lines.append("% Needs \\usepackage{pgfplots} and \\pgfplotsset{compat=1.16}.\n")
    for curve in curves:
        said = f"{curve.selection}: {figure.metric}, mean of {len(curve.runs)} runs at the steps "
        said += f"that all of them logged; band: {_BANDS[figure.band]}"
        lines.append(latex.comment(f"{said}\nruns: {few(curve.runs, _SHOWN_RUNS)}"))
        for run, why in curve.left_out[:_SHOWN_RUNS]:
            lines.append(latex.comment(f"without {run}: {why}"))
    lines += [
        f"\\definecolor{{samebit{at}}}{{HTML}}{{{c}}}%\n"
        for at, c in enumerate(_COLORS[: len(curves)])
    ]
    lines.append("\\begin{tikzpicture}\n\\begin{axis}[\n")
    lines.append(f"  width=\\linewidth, height={{{figure.height}}}, enlarge x limits=false,\n")
    lines.append(f"  xlabel={{{latex.escape(figure.x)}}},\n")
    lines.append(f"  ylabel={{{latex.escape(figure.y or figure.metric)}}},\n")
    lines.append("  unbounded coords=jump, legend cell align=left, legend style={draw=none},\n")
    lines.append(f"  legend pos={_corner(curves)}, scaled x ticks=false,\n")
    lines.append("  ymode=log,\n" if figure.log else "")
    lines.append("  tick label style={font=\\small}, axis lines=left]\n")
    for at, curve in enumerate(curves):
        lines += _drawn(figure, at, curve)
    lines.append("\\end{axis}\n\\end{tikzpicture}%\n")
    return "".join(lines)


def _drawn(figure: Figure, at: int, curve: _Curve) -> Iterator[str]:
    color = f"samebit{at % len(_COLORS)}"
    dash = _DASHES[at // len(_COLORS) % len(_DASHES)]
    if figure.band != "none" and len(curve.runs) > 1:
        for low, high in _unbroken(figure, curve):
            ring = [*high, *low[::-1]]
            yield f"\\addplot[fill={color}, fill opacity=0.2, draw=none, forget plot]\n"
            yield f"  coordinates {{{_coordinates(ring)}}} -- cycle;\n"
    yield f"\\addplot[{color}, {dash}, thick, mark=none]\n"
    yield f"  coordinates {{{_coordinates(curve.line)}}};\n"
    label = figure.labels.get(curve.selection, curve.selection)
    yield f"\\addlegendentry{{{latex.escape(label)}}}\n"


def _unbroken(figure: Figure, curve: _Curve) -> Iterator[tuple[list[Point], list[Point]]]:
    """The stretches of a band that can be drawn: a logarithm has no room below 0."""
    low: list[Point] = []
    high: list[Point] = []
    for (x, below), (_, above), (_, value) in zip(curve.low, curve.high, curve.line, strict=True):
        if math.isfinite(value) and not (figure.log and value <= 0):
            low.append((x, value / 100 if figure.log and below <= 0 else below))
            high.append((x, above))
            continue
        if len(low) > 1:
            yield low, high
        low, high = [], []
    if len(low) > 1:
        yield low, high


def _coordinates(points: Sequence[Point]) -> str:
    pieces: list[str] = []
    for at, (x, y) in enumerate(points):
        value = f"{y:.6g}" if math.isfinite(y) else "nan"
        pieces.append(f"({x:.10g},{value})" + ("\n    " if at % 6 == 5 else " "))
    return "".join(pieces).rstrip()


def _corner(curves: Sequence[_Curve]) -> str:
    """Where a legend hides least: curves that fall leave the top right, others the bottom right."""
    falls = sum(curve.line[-1][1] < curve.line[0][1] for curve in curves)
    return "north east" if falls * 2 > len(curves) else "south east"
