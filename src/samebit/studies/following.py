"""The values of one metric in runs that go on: only what their journals have got is read.

Fifty runs are looked at many times a second: of one that has logged nothing since, its journal's
size is all that is asked for.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.folders.growing import Added, Growing
from samebit.folders.read import View, read_run
from samebit.journal.traced import numpy_for
from samebit.query.watching import journal_bytes

__all__ = ["Following", "Point"]

_REST = 10.0  # times as long as reading a whole run took, it is not read whole again

Point = tuple[float, float]  # step, value


class _Followed(Struct):
    points: list[Point] = field(default_factory=list[Point])
    size: int = -1  # of the journal, when it was read
    growing: Growing | None = None  # None where the whole must be read
    due: float = 0.0  # from when on it may be


class Following:
    """One metric of some runs of a store; not for several threads at once."""

    def __init__(self, store: Path, metric: str) -> None:
        self._store, self._metric = store, metric
        self._runs: dict[str, _Followed] = {}

    def points(self, run: str) -> Sequence[Point]:
        """What a run has logged of the metric so far: each step once, ascending; NaN stays NaN.

        Steps and values are those that count, as `View.metrics` has them; what is no number is left
        out. Of a run that was never looked at, it is read now.
        """
        if run not in self._runs:
            self.look([run])
        return self._runs[run].points

    def look(self, runs: Iterable[str], *, is_last: bool = False) -> list[str]:
        """Read what has come; the runs, of those given, that have other values than before.

        What must be read whole is left for later where that was just done, unless `is_last`.
        """
        return [run for run in runs if self._has_more(run, is_last)]

    def _has_more(self, run: str, is_last: bool) -> bool:
        one = self._runs.setdefault(run, _Followed())
        size = journal_bytes(self._store, run)
        if size == one.size:
            return False
        added = one.growing.read_on() if one.growing is not None else None
        if added is not None:
            one.size = size
            return self._take(one, added)
        one.growing = None
        began = time.monotonic()
        if one.due > began and not is_last:
            return False
        before = one.points
        view = _read(RunFolder(self._store / "runs" / run))
        if view is not None:
            one.size, one.growing = size, view.growing()
            one.points = _points(view, self._metric)
        now = time.monotonic()
        one.due = now + _REST * (now - began)
        return not _same(before, one.points)

    def _take(self, one: _Followed, added: Added) -> bool:
        """Count what was appended; whether that is anything."""
        is_new = False
        for rank, logged in added.logged:
            rows = [row for part in logged for row in part.rows() if row is not None]
            for step, _, values in sorted(rows, key=itemgetter(1)):
                value = _number(values.get(self._metric))
                if value is not None and added.rank_of[self._metric] == rank:
                    _put(one.points, step, value)
                    is_new = True
        return is_new


def _read(folder: RunFolder) -> View | None:
    try:
        return read_run(folder)
    except SamebitError:
        return None  # it has hardly begun, or is damaged: its state tells which


def _points(view: View, metric: str) -> list[Point]:
    numpy = numpy_for(sum(map(len, view.journal.logged)))
    if numpy is not None:
        found = view.points(numpy).get(metric)
        return list(zip(found.steps.tolist(), found.values.tolist(), strict=True)) if found else []
    column = view.metrics.get(metric)
    if column is None:
        return []
    both = zip(column.steps, map(_number, column.values), strict=True)
    return sorted((step, value) for step, value in both if value is not None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _put(points: list[Point], step: float, value: float) -> None:
    """The value of a step; the later one counts."""
    if not points or points[-1][0] < step:
        points.append((step, value))
        return
    at = bisect_left(points, step, key=itemgetter(0))
    points[at : at + (points[at][0] == step)] = [(step, value)]


def _same(ours: Sequence[Point], theirs: Sequence[Point]) -> bool:
    """Whether they are equal, where NaN is NaN."""
    return len(ours) == len(theirs) and all(
        a == b or (a[0] == b[0] and math.isnan(a[1]) and math.isnan(b[1]))
        for a, b in zip(ours, theirs, strict=True)
    )
