"""Several runs beside each other, and two traces step by step."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import NotFound, SamebitError, UsageError, in_a_line
from samebit.folders.read import View
from samebit.folders.steps import TraceRow, steps_of
from samebit.folders.streams import FACE
from samebit.server.answers import Long
from samebit.server.beside import (
    ComparedText,
    Comparison,
    GroupLeaves,
    Section,
    SectionRow,
    Strip,
    Trace,
    TracedLeaves,
    TraceStep,
)
from samebit.server.given import Given, TracesApart
from samebit.server.long import MOST_FACTS, beginning
from samebit.server.reading import Reader, stamp
from samebit.server.strips import equal_rows, row_of, strip
from samebit.trace.groups import GROUPS
from samebit.trace.leaves import Row, read_leaves

__all__ = ["Comparer"]

_MOST_RUNS = 100
_MOST_ROWS = 1000  # of a trace in one answer
_MOST_CHARACTERS = 1_000_000  # of a text that is looked at; its run has all of it as a file
_MOST_LEAVES = 1000  # of a group that are named
_KEPT = 8  # pairs of traces of which this is known

Step = tuple[int, int]  # optimizer, count
_Value = tuple[str | None, Long | None]  # or its beginning, and how long all of it is


class _Pair(Struct, frozen=True):
    """What is known of two traces once they were compared."""

    apart: TracesApart
    rank: str  # whose rows are shown: that of the difference, or of the runs' face
    strip: Strip
    with_leaves: frozenset[Step]  # rows of which both kept the leaves


class Comparer:
    """Compares runs; what takes a while to find in traces is kept of a few pairs."""

    def __init__(self, reader: Reader, given: Given) -> None:
        self._reader = reader
        self._given = given
        self._found: OrderedDict[tuple[str, ...], _Pair] = OrderedDict()
        self._lock = threading.Lock()

    def compare(self, ids: Sequence[str]) -> Comparison:
        """Each thing that is told of runs, with what each of them has."""
        if not 1 <= len(ids) <= _MOST_RUNS:
            raise UsageError(f"1 to {_MOST_RUNS} runs can be compared, not {len(ids)}")
        found: dict[str, str] = {}
        left_out: list[list[str]] = []
        told: dict[str, list[Mapping[str, _Value]]] = {}
        for run in dict.fromkeys(ids):
            try:
                view = self._reader.view(run, keep=len(ids) <= 2)
                sections = self._given.compare(view)
            except SamebitError as error:
                left_out.append([run, in_a_line(error)])
                if len(left_out) == len({*ids}):
                    raise
                continue
            for title, facts in sections.items():
                values = {key: beginning(text, len(found)) for key, text in facts.items()}
                told.setdefault(title, []).append(values)
            found[run] = view.name or view.id
        whole = [_section(title, facts) for title, facts in told.items()]
        sections = [section for section in whole if section.rows]
        return Comparison([*found], [*found.values()], sections, left_out)

    def text(self, run: str, section: str, key: str) -> ComparedText:
        """What `compare` has of a run under a name, as long as it is; NotFound where nothing."""
        whole = self._given.compare(self._reader.view(run)).get(section, {}).get(key)
        if whole is None:
            raise NotFound("nothing of this run is compared there", section=section, key=key)
        return ComparedText(whole[:_MOST_CHARACTERS], len(whole))

    def trace(self, ids: Sequence[str], begin: int, count: int) -> Trace:
        """Steps of two runs, group by group equal or not."""
        if len(ids) != 2:
            raise UsageError(f"two traces are compared, not {len(ids)}")
        pair, ours, theirs = self._pair(ids)
        steps, others = steps_of(ours), steps_of(theirs)
        mine = set(steps)
        every = [*steps, *(step for step in others if step not in mine)]
        begin = max(0, begin)
        part = every[begin : begin + min(max(1, count), _MOST_ROWS)]
        before = every[begin - 1 : begin]
        pairs = [
            (row_of(ours, steps, at, step), row_of(theirs, others, at, step))
            for at, step in enumerate([*before, *part], start=begin - len(before))
        ]
        has = {name for pair in pairs for row in pair if row is not None for name in row.groups}
        groups = [name for name in GROUPS if name in has]
        unknown = groups if pair.apart.is_nothing else pair.apart.apart
        equal = equal_rows(pairs, groups, unknown)[len(before) :]
        told = [
            TraceStep(step[0], step[1], row, step in pair.with_leaves)
            for step, row in zip(part, equal, strict=True)
        ]
        found = pair.apart.first
        if found is not None:
            found = replace(found, row=_place(every, (found.optimizer, found.step)))
        labels = [view.name or view.id for view in map(self._reader.view, ids)]
        return Trace(
            ids=list(ids),
            labels=labels,
            groups=groups,
            total=len(every),
            begin=begin,
            rows=told,
            strip=pair.strip,
            first=found,
            compared=pair.apart.rows,
            note=pair.apart.note,
        )

    def leaves(self, ids: Sequence[str], optimizer: int, step: int) -> TracedLeaves:
        """The leaves of one row, where both traces kept their fingerprints."""
        pair, _, _ = self._pair(ids)
        views = [self._reader.view(run) for run in ids]
        ours, theirs = (_leaves(view, pair.rank).get((optimizer, step), {}) for view in views)
        groups = [
            _of_group(name, ours[name], theirs[name])
            for name in GROUPS
            if name in ours and name in theirs
        ]
        if not groups:
            raise NotFound("not both runs kept the leaves of this step", step=step)
        return TracedLeaves(list(ids), optimizer, step, groups)

    def _pair(self, ids: Sequence[str]) -> tuple[_Pair, Sequence[TraceRow], Sequence[TraceRow]]:
        if len(ids) != 2:
            raise UsageError(f"two traces are compared, not {len(ids)}")
        views = [self._reader.view(run) for run in ids]
        key = tuple(f"{view.id} {stamp(view.folder)}" for view in views)
        with self._lock:
            pair = self._found.get(key)
        rows: list[Sequence[TraceRow]] = []
        if pair is None:
            pair = self._compared(*views)
            with self._lock:
                self._found[key] = pair
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
        rows = [view.traces.get(pair.rank, view.trace) for view in views]
        return pair, rows[0], rows[1]

    def _compared(self, first: View, second: View) -> _Pair:
        apart = self._given.first_difference(first, second)
        rank = apart.first.rank if apart.first is not None else ""
        ours, theirs = (view.traces.get(rank, view.trace) for view in (first, second))
        kept = [frozenset(_leaves(view, rank)) for view in (first, second)]
        told = strip(ours, () if apart.is_nothing else theirs, without=apart.apart)
        return _Pair(apart, rank, told, kept[0] & kept[1])


def _leaves(view: View, rank: str) -> Mapping[Step, Row]:
    try:
        return read_leaves(view.folder.trace, rank or next(iter(view.traces), FACE))
    except (SamebitError, OSError):
        return {}  # they say more of a difference, and are no part of it


def _of_group(name: str, ours: Mapping[str, bytes], theirs: Mapping[str, bytes]) -> GroupLeaves:
    leaves = [*ours, *(leaf for leaf in theirs if leaf not in ours)]
    differing = [leaf for leaf in leaves if ours.get(leaf) != theirs.get(leaf)]
    equal = len(leaves) - len(differing)
    return GroupLeaves(name, equal, differing[:_MOST_LEAVES], max(0, len(differing) - _MOST_LEAVES))


def _section(title: str, facts: Sequence[Mapping[str, _Value]]) -> Section:
    keys = dict.fromkeys(key for one in facts for key in one)
    rows = [_row(key, [one.get(key, (None, None)) for one in facts]) for key in keys]
    if len(rows) <= MOST_FACTS:
        return Section(title, rows)
    rows.sort(key=lambda row: row.same)
    return Section(title, rows[:MOST_FACTS], len(rows) - MOST_FACTS)


def _row(key: str, values: Sequence[_Value]) -> SectionRow:
    apart = {(text, whole.digest if whole is not None else "") for text, whole in values}
    long = [whole for _, whole in values if whole is not None]
    return SectionRow(key, [text for text, _ in values], len(apart) == 1, long)


def _place(every: Sequence[Step], step: Step) -> int | None:
    return every.index(step) if step in every else None
