"""Rows of two traces beside each other: which groups are equal, and all rows as one strip."""

import sys
from collections.abc import Sequence
from typing import Any

from samebit.folders.steps import Steps, TraceRow, row_at, steps_of
from samebit.server.beside import Strip
from samebit.trace.groups import GROUPS

__all__ = ["equal_rows", "row_of", "strip"]

_PLACES = 240  # of a strip
_GENERATORS = "rng."

Pair = tuple[TraceRow | None, TraceRow | None]


def row_of(
    rows: Sequence[TraceRow], steps: Sequence[tuple[int, int]], at: int, step: tuple[int, int]
) -> TraceRow | None:
    """The row of a step; most often it stands at the same place in both."""
    return rows[at] if at < len(steps) and steps[at] == step else row_at(rows, step)


def equal_rows(
    pairs: Sequence[Pair], groups: Sequence[str], unknown: Sequence[str] = ()
) -> list[list[bool | None]]:
    """Of each row each group; None where not both have it, or a generator was not drawn from.

    Of `unknown` groups nothing can be said, whatever both have.
    """
    found: list[list[bool | None]] = []
    streams: dict[str, tuple[bytes, bytes]] = {}
    for ours, theirs in pairs:
        row: list[bool | None] = []
        for name in groups:
            mine = ours.groups.get(name) if ours is not None else None
            other = theirs.groups.get(name) if theirs is not None else None
            if mine is None or other is None or name in unknown:
                row.append(None)
                continue
            is_equal = mine == other
            if name.startswith(_GENERATORS):
                last = streams.get(name)
                streams[name] = mine, other
                is_unused = not is_equal and last in (None, (mine, other))
                row.append(None if is_unused else is_equal)
            else:
                row.append(is_equal)
        found.append(row)
    return found


def strip(
    ours: Sequence[TraceRow], theirs: Sequence[TraceRow], without: Sequence[str] = ()
) -> Strip:
    """All rows of both at once, without some groups; rows that only one has differ in nothing."""
    rows = max(len(ours), len(theirs))
    each = max(1, -(-rows // _PLACES))
    places = -(-rows // each)
    if isinstance(ours, Steps) and isinstance(theirs, Steps) and _begin_alike(ours, theirs):
        counted = _of_columns(ours, theirs, each, places)
    else:
        counted = _of_rows(ours, theirs, each, places)
    counted = {name: rows for name, rows in counted.items() if name not in without}
    both, differing = zip(*counted.values(), strict=True) if counted else ((), ())
    return Strip(each, list(counted), list(both), list(differing))


def _of_rows(
    ours: Sequence[TraceRow], theirs: Sequence[TraceRow], each: int, places: int
) -> dict[str, tuple[list[int], list[int]]]:
    by_step = dict(zip(steps_of(theirs), theirs, strict=True))
    pairs: list[Pair] = [(row, by_step.get((row.optimizer, row.count))) for row in ours]
    groups = [name for name in GROUPS if any(_both(pair, name) for pair in pairs)]
    counted = {name: ([0] * places, [0] * places) for name in groups}
    for at, row in enumerate(equal_rows(pairs, groups)):
        for name, is_equal in zip(groups, row, strict=True):
            both, differing = counted[name]
            both[at // each] += is_equal is not None
            differing[at // each] += is_equal is False
    return counted


def _both(pair: Pair, name: str) -> bool:
    return all(row is not None and name in row.groups for row in pair)


def _begin_alike(ours: Steps, theirs: Steps) -> bool:
    both = min(len(ours), len(theirs))
    alike = (ours.counts[:both] == theirs.counts[:both]).all()
    return bool(alike and (ours.optimizers[:both] == theirs.optimizers[:both]).all())


def _of_columns(
    ours: Steps, theirs: Steps, each: int, places: int
) -> dict[str, tuple[list[int], list[int]]]:
    """The same of rows in columns, of which the shorter is the beginning of the longer."""
    numpy: Any = sys.modules["numpy"]  # they are its arrays
    both = min(len(ours), len(theirs))
    counted: dict[str, tuple[list[int], list[int]]] = {}
    for name in GROUPS:
        if name not in ours.groups or name not in theirs.groups:
            continue
        (mine, has), (other, others) = ours.groups[name], theirs.groups[name]
        at = numpy.flatnonzero(has[:both] & others[:both])
        if not len(at):
            continue
        mine, other = mine[at], other[at]
        differs = mine != other
        told = numpy.ones(len(at), bool)
        if name.startswith(_GENERATORS):
            moved = (mine[1:] != mine[:-1]) | (other[1:] != other[:-1])
            told = ~differs | numpy.concatenate(([False], moved))
        counted[name] = tuple(
            numpy.bincount(at[some] // each, minlength=places).tolist()
            for some in (told, differs & told)
        )
    return counted
