"""Two states leaf by leaf: what their digests tell at once, and the numbers of a leaf on request.

No leaf is read for the list. For the numbers of one a few megabytes are held at a time, and only
some of the server's threads do that at once: the others go on answering.
"""

import math
import threading
from collections.abc import Sequence

from samebit.digest import canonical_json
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.folders.stated import Stated, find_state
from samebit.records import LeafRecord
from samebit.server.beside import LeafApart, LeafRow, StatesApart, StateSide, ValueRow
from samebit.server.given import Given
from samebit.server.reading import Reader
from samebit.states import comparing
from samebit.states.comparing import Side

__all__ = ["Leaves"]

_MOST_ROWS = 5000  # of one answer; those that differ come first
_MOST_VALUES = 1000
_LONGEST = 1000  # letters of a plain value
_AT_ONCE = 2  # of the server's threads


class Leaves:
    """Compares states of runs."""

    def __init__(self, reader: Reader, given: Given) -> None:
        self._reader = reader
        self._given = given
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def compare(self, names: Sequence[str], rank: str | None) -> StatesApart:
        """Every leaf of two states, `RUN:STATE` each; those that are not equal first."""
        (first, ours), (second, theirs) = self._sides(names, rank)
        places = sorted({*ours.records, *theirs.records})
        rows = [_row(place, ours.records.get(place), theirs.records.get(place)) for place in places]
        rows.sort(key=lambda row: row.equal is True)
        values = comparing.compare_values(ours, theirs)
        return StatesApart(
            sides=[first, second],
            total=len(rows),
            equal=sum(row.equal is True for row in rows),
            leaves=rows[:_MOST_ROWS],
            values=[ValueRow(p, _said(a), _said(b)) for p, a, b in values[:_MOST_VALUES]],
        )

    def leaf(self, names: Sequence[str], rank: str | None, place: str) -> LeafApart:
        """How far apart the elements of one leaf are, for which all of it is read."""
        (_, ours), (_, theirs) = self._sides(names, rank)
        mine, other = ours.records.get(place), theirs.records.get(place)
        if mine is None or other is None:
            raise NotFound("not both states have such a leaf", leaf=place)
        if not self._free.acquire(blocking=False):
            hint = "ask again when one of them is done"
            raise SamebitError(f"{_AT_ONCE} leaves are being compared already", hint=hint)
        try:
            found = comparing.compare_leaf(place, ours, theirs)
        finally:
            self._free.release()
        elements = math.prod(mine.shape)
        if found is None:
            return LeafApart(place, 0, elements, None, None, 0, "")
        apart = found.apart
        if apart is None:
            return LeafApart(place, None, elements, None, None, 0, found.why)
        numbers = (None, None) if apart.only else (apart.max_abs, apart.max_ulp)
        return LeafApart(place, apart.count, elements, *numbers, apart.nan, apart.only)

    def _sides(self, names: Sequence[str], rank: str | None) -> list[tuple[StateSide, Side]]:
        if len(names) != 2:
            raise UsageError(f"two states are compared, not {len(names)}")
        return [self._side(name, rank) for name in names]

    def _side(self, name: str, rank: str | None) -> tuple[StateSide, Side]:
        run, _, word = name.partition(":")
        view = self._reader.view(run)
        view = view.at_rank(rank) if rank else view
        one: Stated = find_state(view, word)
        side = comparing.of_state(self._given.open_state(view, one, rank is not None))
        return StateSide(view.id, view.name or view.id, one.name, one.step, one.size_bytes), side


def _row(place: str, ours: LeafRecord | None, theirs: LeafRecord | None) -> LeafRow:
    sides = [
        (None, None) if one is None else (one.dtype, list(one.shape)) for one in (ours, theirs)
    ]
    size = max(one.size_bytes for one in (ours, theirs) if one is not None)
    is_known, can_measure = comparing.known(ours, theirs)
    return LeafRow(
        place,
        [dtype for dtype, _ in sides],
        [shape for _, shape in sides],
        size,
        is_known,
        can_measure,
    )


def _said(value: object) -> str | None:
    if value is ...:
        return None
    text = value if isinstance(value, str) else canonical_json(value).decode()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
