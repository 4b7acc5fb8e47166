"""A table as a value: what stands in it and what it is made of, before any form is chosen."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from samebit import digest
from samebit.stats.values import Estimate

__all__ = [
    "Cell",
    "Column",
    "Digest",
    "Line",
    "Several",
    "Table",
    "Words",
    "cells_by_column",
    "is_numeric",
    "names_of",
    "record_digest",
]

Row = Mapping[str, object]

# What may change of a run without any of its numbers: looked at, verified, tagged, moved.
_PASSING = frozenset({"verdict", "verified", "replays_seen", "missing", "user", "host"})


class Words(Struct, frozen=True):
    """A sentence of ours, in which numbers may be set as numbers."""

    text: str


class Digest(Struct, frozen=True):
    """A content name, of which people are shown the beginning."""

    text: str


class Several(Struct, frozen=True):
    """Values of which none may be taken for all: those of a cell, or those that were tried."""

    values: tuple[object, ...]
    is_list: bool = False  # as seeds are, which are listed; else a set in braces


class Cell(Struct, frozen=True):
    """One value, exact: a number, a text, a bool, None, a list, an `Estimate`, one of the above."""

    value: object = None
    is_best: bool = False
    across: int = 1  # columns that it stands for


class Column(Struct, frozen=True):
    """What a column is called, for people and for programs."""

    title: str
    name: str = ""  # for programs; else the title
    above: str = ""  # a title over neighbours that share it
    digits: int | None = None  # significant ones for people; else the whole number


class Line(Struct, frozen=True):
    """One row; or a title over the rows that follow."""

    cells: tuple[Cell, ...] = ()
    section: str = ""
    is_apart: bool = False  # a rule above it


class Table(Struct, frozen=True):
    """A table, with what a reader must know of it and which runs it is made of."""

    shape: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()  # a run's id, and why
    method: str = ""  # of the estimates in it
    records: str = ""  # the digest of the rows that it is made of
    caption: str = ""
    label: str = ""


def cells_by_column(table: Table) -> list[list[Cell]]:
    """The cells of each column from above; one that spans columns is in each of them."""
    found: list[list[Cell]] = [[] for _ in table.columns]
    for line in table.lines:
        at = 0
        for cell in line.cells:
            for column in found[at : at + cell.across]:
                column.append(cell)
            at += cell.across
    return found


def is_numeric(cells: Sequence[Cell]) -> bool:
    """Whether a column holds numbers and estimates only, and any at all."""
    values = [cell.value for cell in cells if cell.value is not None]
    return bool(values) and all(
        isinstance(value, (int, float, Estimate)) and not isinstance(value, bool)
        for value in values
    )


def names_of(table: Table) -> list[str]:
    """What programs call the columns; each name once, and of characters that UTF-8 has."""
    found: list[str] = []
    for column in table.columns:
        name = column.name or " ".join(filter(None, [column.above, column.title]))
        name = name.encode("utf-8", "backslashreplace").decode()
        while name in found:
            name += "'"
        found.append(name)
    return found


def record_digest(rows: Sequence[Row]) -> str:
    """The name of what is recorded of some runs, in their order."""
    # Pairs, since a name may be a text that no key of JSON can be.
    kept = [[[key, row[key]] for key in sorted(row) if key not in _PASSING] for row in rows]
    return digest.of_bytes(digest.canonical_json(kept))
