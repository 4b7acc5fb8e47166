"""Kinds of seeds against each other: two as a grid with means, and what each kind contributes."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit import stats
from samebit.errors import UsageError
from samebit.query.seeds import Group, Number, Tested, tested

__all__ = ["Cell", "Crossing", "Line", "Part", "crossing"]

_MOST_SEEDS = 60  # of each kind, in a grid that people can read
_NAMED = 4  # seeds that are left out
_METHOD = (
    "two-way random effects, by mean squares (Searle et al. 1992); the rest holds what both do "
    "together and what cannot be repeated"
)
_METHOD_OF_MORE = (
    "random effects of each kind, by mean squares (Searle et al. 1992), with their interactions "
    "pooled; the rest holds what they do together and what cannot be repeated"
)

Row = Mapping[str, object]


class Line(Struct, frozen=True):
    """A row or a column of the grid: a seed, and the mean of its runs."""

    value: Any
    n: int
    mean: float | None


class Cell(Struct, frozen=True):
    """The runs with one seed of each kind, and their mean."""

    runs: list[str]
    mean: float | None


class Part(Struct, frozen=True):
    """What one kind of seed contributes to the variance of one more run, or what is left over."""

    over: str
    sd: float
    share: float
    test: Tested | None


class Crossing(Struct, frozen=True):
    """Two kinds of seeds against each other, and the parts of all kinds that are crossed."""

    down: str
    across: str
    rows: list[Line]
    columns: list[Line]
    cells: list[list[Cell]]
    parts: list[Part]  # rows, columns, other kinds, what is left over; none where the notes say why
    method: str
    notes: list[str]
    left_out: list[list[str]]
    kinds: dict[str, int] = {}  # how many seeds of each kind; parts have the same names
    floor: Number | None = None  # the spread of runs with the same seeds: what cannot be repeated


def crossing(
    group: Group, rows: Sequence[Row], down: str, across: str, others: Sequence[str] = ()
) -> Crossing:
    """Two kinds of seeds as a grid, with means, and the parts that each kind has in the variance.

    The parts need a value in each cell: a seed that lacks some is left out of them, as few as can
    be. Where each cell has as many runs as the others, what cannot be repeated is a part; else the
    mean of a cell's runs counts. All of it is noted.

    Args:
        group: what the runs came to.
        rows: of these runs, with the keys below.
        down: under which key rows have the seeds of the grid's rows, and
        across: of its columns.
        others: of further kinds, which share the variance; in the grid means are over them.

    Raises:
        UsageError: one of the kinds has so many seeds that nobody could read the grid.
    """
    by_id = {str(row["id"]): row for row in rows}
    values = dict(zip(group.runs, group.points, strict=True))
    keys = (down, across, *others)
    seeds: list[dict[str, object]] = [{} for _ in keys]
    cells: dict[tuple[str, ...], list[str]] = {}
    for run in group.runs:
        told = [by_id[run].get(key) for key in keys]
        place = tuple(map(repr, told))
        cells.setdefault(place, []).append(run)
        for kind, name, value in zip(seeds, place, told, strict=True):
            kind[name] = value
    if max(map(len, seeds)) > _MOST_SEEDS:
        raise UsageError(
            f"a grid of {_times(seeds)} seeds is too large to be read",
            at_most=f"{_MOST_SEEDS} of each kind",
            hint="choose other seeds, or fewer runs",
        )
    names = [sorted(kind, key=lambda name, kind=kind: _order(kind[name])) for kind in seeds]
    grid: dict[tuple[str, ...], list[str]] = {}
    for place, runs in cells.items():
        grid.setdefault(place[:2], []).extend(runs)
    shown = [
        [_cell(grid.get((row, column), []), values) for column in names[1]] for row in names[0]
    ]
    results = {place: [values[run] for run in runs] for place, runs in cells.items()}
    parts, notes = _parts([_plain(key) for key in keys], names, results)
    turned = [list(column) for column in zip(*shown, strict=True)]
    return Crossing(
        down,
        across,
        [_line(seeds[0][name], row, values) for name, row in zip(names[0], shown, strict=True)],
        [_line(seeds[1][name], one, values) for name, one in zip(names[1], turned, strict=True)],
        shown,
        parts,
        _METHOD if len(keys) == 2 else _METHOD_OF_MORE,
        notes,
        group.left_out,
        {_plain(key): len(some) for key, some in zip(keys, names, strict=True)},
    )


def _parts(
    kinds: Sequence[str], names: Sequence[list[str]], results: Mapping[tuple[str, ...], list[float]]
) -> tuple[list[Part], list[str]]:
    """What each kind contributes, and what must be known of it; nothing where it cannot be told."""
    import numpy as np  # noqa: PLC0415  (statistics say what to install where there is none)

    kept = _whole(names, results)
    there = [at for at, some in enumerate(kept) if len(some) > 1]
    if len(there) < 2:
        return [], ["two seeds of each kind with all of each other are needed to part the variance"]
    notes: list[str] = []
    if left := [
        f"{kind} {name}"
        for kind, some, whole in zip(kinds, names, kept, strict=True)
        for name in some
        if name not in whole
    ]:
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        notes.append(
            f"the parts are of {_times(kept)} seeds, those that have every result; "
            f"left out: {', '.join(left[:_NAMED])}{more}"
        )
    shape = [len(kept[at]) for at in there]
    cells = [results[place] for place in itertools.product(*kept)]
    repeats = {len(cell) for cell in cells}
    if repeats != {1} and len(repeats) == 1:
        table = np.reshape(cells, (*shape, *repeats))
    else:
        table = np.reshape([stats.mean(cell).value for cell in cells], shape)
        if several := sum(len(cell) > 1 for cell in cells):
            notes.append(f"cells of several runs, of which the mean counts: {several}")
    found = stats.crossed(table, over=[kinds[at] for at in there])
    parts = [
        Part(
            one.over,
            math.sqrt(one.variance),
            found.share(one),
            tested(one.test) if one.test else None,
        )
        for one in found.parts
    ]
    return parts, notes


def _whole(
    names: Sequence[list[str]], results: Mapping[tuple[str, ...], object]
) -> list[list[str]]:
    """Of each kind seeds between which no cell is empty: what lacks most is left out, one by one.

    Of those that lack as many the last of the last kind.
    """
    kept = [list(some) for some in names]
    there = list(results)
    while True:
        cells = math.prod(map(len, kept))
        if len(there) == cells or cells == 1:
            return kept
        counts = Counter((kind, name) for place in there for kind, name in enumerate(place))
        _, kind, nth = max(
            (1 - counts[kind, name] * len(some) / cells, kind, nth)
            for kind, some in enumerate(kept)
            for nth, name in enumerate(some)
            if len(some) > 1
        )
        left_out = kept[kind].pop(nth)
        there = [place for place in there if place[kind] != left_out]


def _times(kinds: Sequence[Sequence[object] | Mapping[str, object]]) -> str:
    return " × ".join(str(len(kind)) for kind in kinds)


def _cell(runs: list[str], values: Mapping[str, float]) -> Cell:
    return Cell(runs, stats.mean([values[run] for run in runs]).value if runs else None)


def _line(value: object, cells: list[Cell], values: Mapping[str, float]) -> Line:
    of = [values[run] for cell in cells for run in cell.runs]
    return Line(value, len(of), stats.mean(of).value if of else None)


def _order(value: object) -> tuple[int, float, str]:
    """Numbers by their size, then texts, then nothing."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (0, float(value), "")
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))


def _plain(key: str) -> str:
    return key.removeprefix("config.")
