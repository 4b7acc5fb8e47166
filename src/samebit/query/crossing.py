"""Two kinds of seeds against each other: a grid with means, and what each kind contributes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit import stats
from samebit.errors import UsageError
from samebit.query.seeds import Group, Number, Tested, tested

__all__ = ["Cell", "Crossing", "Line", "Part", "crossing"]

_MOST_SEEDS = 60  # of each kind, in a grid that people can read

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
    """What one kind of seed contributes to the variance of one more run."""

    over: str
    sd: float
    share: float
    test: Tested | None


class Crossing(Struct, frozen=True):
    """Two kinds of seeds against each other."""

    down: str
    across: str
    rows: list[Line]
    columns: list[Line]
    cells: list[list[Cell]]
    parts: list[Part]  # rows, columns, rest; nothing where the notes say why
    method: str
    notes: list[str]
    left_out: list[list[str]]
    floor: Number | None = None  # the spread of runs with the same seeds: what cannot be repeated


def crossing(group: Group, rows: Sequence[Row], down: str, across: str) -> Crossing:
    """Two kinds of seeds as a grid, with means, and the parts that each has in the variance.

    The parts need one value in each cell: a seed that lacks some is left out of them, as few as
    can be, and of a cell with several runs their mean counts; both are noted.

    Raises:
        UsageError: one of the kinds has so many seeds that nobody could read the grid.
    """
    by_id = {str(row["id"]): row for row in rows}
    values = dict(zip(group.runs, group.points, strict=True))
    places: dict[tuple[str, str], list[str]] = {}
    seeds: tuple[dict[str, object], dict[str, object]] = ({}, {})
    for run in group.runs:
        pair = by_id[run].get(down), by_id[run].get(across)
        place = repr(pair[0]), repr(pair[1])
        places.setdefault(place, []).append(run)
        for kind, name, value in zip(seeds, place, pair, strict=True):
            kind[name] = value
    if max(map(len, seeds)) > _MOST_SEEDS:
        raise UsageError(
            f"a grid of {len(seeds[0])} × {len(seeds[1])} seeds is too large to be read",
            at_most=f"{_MOST_SEEDS} of each kind",
            hint="choose other seeds, or fewer runs",
        )
    names = [sorted(kind, key=lambda name, kind=kind: _order(kind[name])) for kind in seeds]
    cells = [
        [_cell(places.get((row, column), []), values) for column in names[1]] for row in names[0]
    ]
    parts, notes = _parts(cells, down, across)
    turned = [list(column) for column in zip(*cells, strict=True)]
    return Crossing(
        down,
        across,
        [_line(seeds[0][name], row, values) for name, row in zip(names[0], cells, strict=True)],
        [_line(seeds[1][name], one, values) for name, one in zip(names[1], turned, strict=True)],
        cells,
        parts,
        "two-way random effects, by mean squares (Searle et al. 1992); the rest holds what both "
        "do together and what cannot be repeated",
        notes,
        group.left_out,
    )


def _parts(cells: list[list[Cell]], down: str, across: str) -> tuple[list[Part], list[str]]:
    """What each kind contributes, and what must be known of it; nothing where it cannot be told."""
    rows, columns = _whole(cells)
    notes: list[str] = []
    if min(len(rows), len(columns)) < 2:
        return [], ["two seeds of each kind with all of each other are needed to part the variance"]
    if (len(rows), len(columns)) != (len(cells), len(cells[0])):
        notes.append(
            f"the parts are of {len(rows)} × {len(columns)} seeds, those that have every result"
        )
    table = [[cells[row][column].mean or 0.0 for column in columns] for row in rows]
    repeated = sum(len(cells[row][column].runs) > 1 for row in rows for column in columns)
    if repeated:
        notes.append(f"cells of several runs, of which the mean counts: {repeated}")
    found = stats.crossed(table, rows=_plain(down), columns=_plain(across))
    parts = [
        Part(
            one.over,
            math.sqrt(one.variance),
            found.share(one),
            tested(one.test) if one.test else None,
        )
        for one in (found.rows, found.columns, found.rest)
    ]
    return parts, notes


def _whole(cells: list[list[Cell]]) -> tuple[list[int], list[int]]:
    """Rows and columns between which no cell is empty: what lacks most is left out, one by one."""
    rows, columns = list(range(len(cells))), list(range(len(cells[0]) if cells else 0))
    while True:
        lacking = [
            (sum(not cells[row][column].runs for column in columns) / len(columns), 0, row)
            for row in rows
        ] + [
            (sum(not cells[row][column].runs for row in rows) / len(rows), 1, column)
            for column in columns
        ]
        if not lacking or (worst := max(lacking))[0] == 0:
            return rows, columns
        (rows, columns)[worst[1]].remove(worst[2])
        if not rows or not columns:
            return [], []


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
