"""The folder of a new paper: its settings, made of the runs there are, and a text that compiles."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from samebit import disk
from samebit.errors import UsageError
from samebit.report import latex
from samebit.report.paper.compiling import BUILD
from samebit.report.paper.settings import CLAIMS, NAME
from samebit.report.results import is_seed, varied
from samebit.report.table import shown

__all__ = ["proposed", "start"]

Row = Mapping[str, object]

_MOST_SELECTIONS, _MOST_METRICS = 6, 3
_SHARE = re.compile(r"acc|precision|recall|f1|auc|iou|dice|top.?[15]", re.IGNORECASE)
_TEST = re.compile(r"test|eval|val", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][\w.]*")  # a name that needs no quotes in a condition
_SLUG = re.compile(r"[^A-Za-z0-9]+")


def start(folder: Path, rows: Sequence[Row], is_volatile: Callable[[str], bool]) -> list[Path]:
    """Write the files of a new paper, and say which; nothing is ever written over.

    Args:
        folder: where; it may be there already.
        rows: of `report.facts`, of which selections and values are proposed.
        is_volatile: whether a metric is a fact of the clock or the machine.
    """
    wanted = proposed(rows, is_volatile)
    settings = folder / NAME
    has_settings = settings.is_file() and "[paper" in settings.read_text(encoding="utf-8")
    taken = [name for name in wanted if name != NAME and (folder / name).exists()]
    if has_settings or taken:
        raise UsageError(
            "there is a paper already, and nothing was written",
            path=folder,
            has=", ".join([*([NAME] if has_settings else []), *taken]),
            hint="`samebit paper init OTHER` sets up another folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, text in wanted.items():
        path = folder / name
        if name == NAME and path.is_file():  # that of the project, with its settings
            before = path.read_text(encoding="utf-8")
            disk.publish(path, [f"{before.rstrip()}\n\n{text}".encode()], folder, replace=True)
        else:
            disk.create(path, text.encode(), folder)
        written.append(path)
    return written


def proposed(rows: Sequence[Row], is_volatile: Callable[[str], bool]) -> dict[str, str]:
    """The files by name."""
    finished = [row for row in rows if row.get("state") == "finished"]
    grouping = _grouping(finished)
    selections = _selections(finished, grouping)
    metrics = {name: _metrics(members, is_volatile) for name, (_, members) in selections.items()}
    return {
        NAME: _settings(selections, metrics, grouping),
        "main.tex": _main(metrics, _curve(selections, metrics)),
        CLAIMS: _CLAIMS,
        ".gitignore": f"{BUILD}/\n",
    }


def _grouping(finished: Sequence[Row]) -> str | None:
    """What the paper compares: groups where runs have them, else a setting that is a word."""
    if any(isinstance(row.get("group"), str) for row in finished):
        return "group"
    for key in varied(finished):
        counts = Counter(row.get(key) for row in finished if isinstance(row.get(key), str))
        is_word = counts.total() == len(finished) and not is_seed(key)
        if is_word and 1 < len(counts) <= _MOST_SELECTIONS and min(counts.values()) > 1:
            return key
    return None


def _selections(finished: Sequence[Row], grouping: str | None) -> dict[str, tuple[str, list[Row]]]:
    """By name a condition, and who of those that fit it has finished: the groups, else all runs.

    A condition takes in runs that failed, so that `samebit paper check` tells who is left out.
    """
    if grouping is None:
        return {"runs": ("kind = run", list(finished))}
    groups: dict[str, list[Row]] = {}
    for row in finished:
        if isinstance(row.get(grouping), str):
            groups.setdefault(str(row[grouping]), []).append(row)
    found: dict[str, tuple[str, list[Row]]] = {}
    for group, members in list(groups.items())[:_MOST_SELECTIONS]:
        name = base = _SLUG.sub("-", group).strip("-").lower()[:40] or "group"
        at = 1
        while name in found:
            at += 1
            name = f"{base}-{at}"
        condition = " = ".join((_quoted(grouping, "`"), _quoted(group, "'")))
        found[name] = (condition, members)
    return found


def _quoted(text: str, quote: str) -> str:
    """A name or a value of the filter language; a plain name needs no quotes."""
    if quote == "`" and _PLAIN.fullmatch(text):
        return text
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


def _metrics(members: Sequence[Row], is_volatile: Callable[[str], bool]) -> list[str]:
    """Numbers that at least half of them have, those of a test or an accuracy first."""
    keys = dict.fromkeys(key for row in members for key in row if key.startswith("metric."))
    found = [
        key.removeprefix("metric.")
        for key in keys
        if not is_volatile(key.removeprefix("metric."))
        and all(type(row[key]) in (int, float) for row in members if key in row)
        and 2 * sum(_is_finite(row.get(key)) for row in members) >= len(members)
    ]
    found.sort(key=lambda name: (not _TEST.search(name), not _SHARE.search(name)))
    return found[:_MOST_METRICS]


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _curve(
    selections: Mapping[str, tuple[str, list[Row]]], metrics: Mapping[str, Sequence[str]]
) -> tuple[str, list[str]] | None:
    """A metric with several points in every selection, for a figure."""
    for metric in dict.fromkeys(name for names in metrics.values() for name in names):
        of = [
            name
            for name, (_, members) in selections.items()
            if any(_points(row, metric) > 2 for row in members)
        ]
        if of:
            return metric, of
    return None


def _points(row: Row, metric: str) -> int:
    found = row.get(f"points.{metric}")
    return found if isinstance(found, int) else 0


def _keys(selection: str, metrics: Sequence[str]) -> dict[str, str]:
    """A key for each metric of a selection; no two are the same."""
    found: dict[str, str] = {}
    for metric in metrics:
        key = base = f"{selection}/{_SLUG.sub('-', metric).strip('-')[:40] or 'metric'}"
        at = 1
        while key in found.values() or key == f"{selection}/runs":
            at += 1
            key = f"{base}-{at}"
        found[metric] = key
    return found


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _settings(
    selections: Mapping[str, tuple[str, list[Row]]],
    metrics: Mapping[str, Sequence[str]],
    grouping: str | None,
) -> str:
    lines = ["# The paper: which runs, which numbers. `samebit paper build` derives them,"]
    lines += ["# `samebit paper check` says which lines of the text are no longer true.", "[paper]"]
    lines += ['main = "main.tex"', "", "[paper.selections]"]
    lines += ["# name = a condition as in `samebit ls --where`, or a list of runs"]
    lines += [f"{name} = {_toml(condition)}" for name, (condition, _) in selections.items()]
    lines += [
        "",
        "[paper.values]",
        "# \\val{key} in the text; key/interval, key/sd, key/n and more",
    ]
    lines += ["# come by themselves"]
    for name, (_, members) in selections.items():
        lines.append(f'"{name}/runs" = {{ of = "{name}", aggregate = "count" }}')
        for metric, key in _keys(name, metrics[name]).items():
            percent = ", percent = true" if _is_share(members, metric) else ""
            of = f'of = "{name}", metric = {_toml(metric)}'
            lines.append(f'"{key}" = {{ {of}{percent} }}')
    if any(metrics.values()):
        names = ", ".join(f'"{name}"' for name in selections)
        group = f", group = [{_toml(grouping)}]" if grouping and len(selections) > 1 else ""
        shown_metrics = dict.fromkeys(name for each in metrics.values() for name in each)
        said = ", ".join(map(_toml, shown_metrics))
        lines += ["", "[paper.tables]"]
        lines.append(f"results = {{ of = [{names}]{group}, metrics = [{said}] }}")
    curve = _curve(selections, metrics)
    if curve is not None:
        metric, of = curve
        names = ", ".join(f'"{name}"' for name in of)
        lines += ["", "[paper.figures]"]
        lines += [f"curves = {{ of = [{names}], metric = {_toml(metric)} }}"]
    return "\n".join(lines) + "\n"


def _is_share(members: Sequence[Row], metric: str) -> bool:
    values = [row.get(f"metric.{metric}") for row in members]
    return bool(_SHARE.search(metric)) and all(
        isinstance(value, (int, float)) and 0 <= value <= 1 for value in values
    )


def _main(metrics: Mapping[str, Sequence[str]], curve: tuple[str, list[str]] | None) -> str:
    said: list[str] = []
    for name, names in metrics.items():
        for metric, key in _keys(name, names[:1]).items():
            said.append(
                f"The mean of \\texttt{{{latex.escape(shown(metric))}}} over the runs "
                f"\\textit{{{latex.escape(name)}}} is \\val{{{key}/interval}} "
                f"(\\val{{{key}/method}})."
            )
    if not said:
        said = ["There are no finished runs yet."]
    figure = _TABLE if any(metrics.values()) else ""
    if curve is not None:
        metric = latex.escape(shown(curve[0]))
        figure += _FIGURE.replace("METRIC", f"\\texttt{{{metric}}}")
    return _MAIN.replace("SENTENCES", "\n".join(said)).replace("FIGURE", figure)


_MAIN = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage{longtable}
\usepackage{pgfplots}
\pgfplotsset{compat=1.16}
\input{generated/values}

\title{A paper whose numbers are those of its runs}
\author{}
\date{}

\begin{document}
\maketitle

SENTENCES
FIGURE
\end{document}
"""

_TABLE = r"""
\begin{table}[h]
  \centering
  \input{generated/tables/results}
  \caption{Mean over seeds.}
\end{table}
"""

_FIGURE = r"""
\begin{figure}[h]
  \centering
  \input{generated/figures/curves}
  \caption{METRIC: mean over runs, and its interval.}
\end{figure}
"""

_CLAIMS = """\
# A sentence of the paper, and the comparison that must support it. `samebit paper check` compares
# again, and says when a claim does not hold any more, or stands in no text any more.
#
# [[claim]]
# key = "beats"                 # \\claim{beats} in the text prints the sentence
# text = "Our method is better than the baseline."
# better = "ours"               # a selection of samebit.toml
# than = "baseline"             # another one, or a number
# metric = "acc"
# by = 0.01                     # at least so much; lower = true where lower is better
"""
