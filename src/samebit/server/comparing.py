"""Several runs beside each other, and two traces step by step."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from samebit.errors import UsageError
from samebit.folders.read import View
from samebit.folders.steps import TraceRow, row_at, steps_of
from samebit.server.answers import (
    Comparison,
    FirstDifference,
    Section,
    SectionRow,
    Trace,
    TraceStep,
)
from samebit.server.given import Given
from samebit.server.reading import Reader
from samebit.trace.groups import GROUPS

__all__ = ["Comparer"]

_MOST_RUNS = 100
_MOST_ROWS = 1000  # of a trace in one answer
_KEPT = 8  # pairs whose first difference is known

Step = tuple[int, int]  # optimizer, count


class Comparer:
    """Compares runs; what takes a while to find, the first difference, is kept of a few pairs."""

    def __init__(self, reader: Reader, given: Given) -> None:
        self._reader = reader
        self._given = given
        self._found: OrderedDict[tuple[int, int], tuple[View, View, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def compare(self, ids: Sequence[str]) -> Comparison:
        """Each thing that is told of runs, with what each of them has."""
        if not 1 <= len(ids) <= _MOST_RUNS:
            raise UsageError(f"1 to {_MOST_RUNS} runs can be compared, not {len(ids)}")
        labels: list[str] = []
        told: dict[str, list[Mapping[str, str]]] = {}
        for run in ids:
            view = self._reader.view(run, keep=len(ids) <= 2)
            labels.append(view.name or view.id)
            for title, facts in self._given.compare(view).items():
                told.setdefault(title, []).append(facts)
        sections = [Section(title, _rows(facts)) for title, facts in told.items()]
        return Comparison(list(ids), labels, [one for one in sections if one.rows])

    def trace(self, ids: Sequence[str], begin: int, count: int) -> Trace:
        """Steps of two runs, group by group equal or not."""
        if len(ids) != 2:
            raise UsageError(f"two traces are compared, not {len(ids)}")
        first, second = (self._reader.view(run) for run in ids)
        divergence, note = self._divergence(first, second)
        rank = divergence.rank if divergence is not None else ""
        ours, theirs = (view.traces.get(rank, view.trace) for view in (first, second))
        steps, others = steps_of(ours), steps_of(theirs)
        mine = set(steps)
        every = [*steps, *(step for step in others if step not in mine)]
        begin = max(0, begin)
        part = every[begin : begin + min(max(1, count), _MOST_ROWS)]
        before = every[begin - 1 : begin]
        pairs = [
            (_row(ours, steps, at, step), _row(theirs, others, at, step))
            for at, step in enumerate([*before, *part], start=begin - len(before))
        ]
        has = {name for pair in pairs for row in pair if row is not None for name in row.groups}
        groups = [name for name in GROUPS if name in has]
        equal = _equal(pairs, groups)[len(before) :]
        told = [TraceStep(step[0], step[1], row) for step, row in zip(part, equal, strict=True)]
        if divergence is not None:
            row = _place(every, (divergence.optimizer, divergence.step))
            divergence = replace(divergence, row=row)
        labels = [view.name or view.id for view in (first, second)]
        return Trace(list(ids), labels, groups, len(every), begin, told, divergence, note)

    def _divergence(self, first: View, second: View) -> tuple[FirstDifference | None, str | None]:
        # A view that is kept is the run as it still is; a new one has another identity.
        key = id(first), id(second)
        with self._lock:
            if key in self._found:
                return self._found[key][2]
        found = self._given.first_difference(first, second)
        with self._lock:
            self._found[key] = first, second, found
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return found


def _rows(facts: Sequence[Mapping[str, str]]) -> list[SectionRow]:
    keys = dict.fromkeys(key for one in facts for key in one)
    rows: list[SectionRow] = []
    for key in keys:
        values = [one.get(key) for one in facts]
        rows.append(SectionRow(key, values, len({*values}) == 1))
    return rows


def _place(every: Sequence[Step], step: Step) -> int | None:
    return every.index(step) if step in every else None


def _row(rows: Sequence[TraceRow], steps: Sequence[Step], at: int, step: Step) -> TraceRow | None:
    """The row of a step; most often it stands at the same place in both."""
    return rows[at] if at < len(steps) and steps[at] == step else row_at(rows, step)


def _equal(
    pairs: Sequence[tuple[TraceRow | None, TraceRow | None]], groups: Sequence[str]
) -> list[list[bool | None]]:
    """Of each row each group; None where not both have it, or a generator was not drawn from."""
    found: list[list[bool | None]] = []
    streams: dict[str, tuple[bytes, bytes]] = {}
    for ours, theirs in pairs:
        row: list[bool | None] = []
        for name in groups:
            mine = ours.groups.get(name) if ours is not None else None
            other = theirs.groups.get(name) if theirs is not None else None
            if mine is None or other is None:
                row.append(None)
                continue
            is_equal = mine == other
            if name.startswith("rng."):
                last = streams.get(name)
                streams[name] = mine, other
                is_unused = not is_equal and last in (None, (mine, other))
                row.append(None if is_unused else is_equal)
            else:
                row.append(is_equal)
        found.append(row)
    return found
