"""The rows of a trace on their way to the journal: in order, each when its digests have come.

Of what lies in the host's memory that is at once. A row with a digest that is still under way from
a device waits, and those behind it; nobody else does.
"""

import functools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from msgspec import Struct

from samebit.errors import UsageError
from samebit.trace import cards
from samebit.trace.digests import (
    Digest,
    NotTraceable,
    Reading,
    has_come,
    of_bytes,
    value_of,
    works,
)
from samebit.trace.groups import FULL_ROWS_ONLY, GROUPS, OF_DATA
from samebit.trace.ring import Work
from samebit.trace.scalars import plain

__all__ = ["ALGORITHM", "ON_DEVICES", "Costs", "Emit", "Rows"]

ALGORITHM = "xxh3-128/8"
ON_DEVICES = "tf128"
_BIT = {name: 1 << at for at, name in enumerate(GROUPS)}
_POLL_S = 0.0005
_PATIENCE_S = 10  # at the end, for a device that is far behind, or hangs

Leaves = Mapping[str, tuple[Sequence[str], Sequence[Digest]]]  # by group, names and digests
Kept = Mapping[str, tuple[Sequence[str], Sequence[bytes]]]


class KeepLeaves(Protocol):
    """Keeps the digests of a row's leaves, where there is room for them."""

    def __call__(
        self,
        optimizer: int,
        count: int,
        groups: Kept,
        *,
        first: bool,
    ) -> None:
        """Of each group the names and digests; `first`: of one of the first rows."""


class Emit(Struct, frozen=True):
    """Where the rows go, and what belongs to them."""

    trace: Callable[[int, int, int, bytes, int], None]  # number, count, mask, digests, time
    hyper: Callable[[int, int, int, Mapping[str, Any]], None]
    fact: Callable[[str, Any], None]
    leaves: KeepLeaves | None = None


class Costs(Struct, frozen=True):
    """What a device spent on a row; seconds."""

    full: float = 0.0  # on what only full rows have
    data: float = 0.0  # on what the model was given


_NOTHING = Costs()


class _Item(Struct, frozen=True):
    """What is done when it can be, and not before what was asked for earlier."""

    can_be: Callable[[], bool]
    do: Callable[[], None]
    is_row: bool = False


class _Row(Struct, frozen=True):
    index: int
    count: int
    time_ns: int
    groups: Mapping[str, Digest]
    leaves: Leaves
    first: bool
    written: Callable[[Costs], None]


class Rows:
    """The rows of one process."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._waiting: deque[_Item] = deque()
        self._begun = False
        self._on_devices: set[str] = set()  # groups
        # Of each set of groups that a row had, they in their order, and their mask.
        self._kinds: dict[tuple[str, ...], tuple[list[str], int]] = {}

    def put(
        self,
        index: int,
        count: int,
        groups: Mapping[str, Digest],
        leaves: Leaves | None = None,
        *,
        first: bool = False,
        written: Callable[[Costs], None] = lambda _: None,
    ) -> None:
        """Write a row, or more of one, as soon as those before it are written and it is whole.

        Args:
            index: the number of its optimizer or loop.
            count: its step.
            groups: its digests.
            leaves: of some of them those of their arrays, to be kept.
            first: whether it is one of the first rows.
            written: told what it cost a device, when it is written.
        """
        time_ns = time.monotonic_ns()
        if not self._waiting:
            try:  # the way of every row where there is no device: it costs each step
                self._emit_row(index, count, time_ns, groups)  # type: ignore[arg-type]
            except TypeError:
                pass  # a digest that has not come
            else:
                if leaves and self._emit.leaves is not None:
                    self._emit.leaves(index, count, cast("Kept", leaves), first=first)
                written(_NOTHING)
                return
        row = _Row(index, count, time_ns, groups, leaves or {}, first, written)
        can_be = functools.partial(_has_come, groups)
        self._waiting.append(_Item(can_be, functools.partial(self._write, row), is_row=True))
        self.look()

    def then(self, do: Callable[[], None], can_be: Callable[[], bool] = lambda: True) -> None:
        """Do something when it can be done, behind what was put before."""
        if self._waiting or not can_be():
            self._waiting.append(_Item(can_be, do))
        else:
            do()

    def read(self, value: Any, told: Callable[[Any], None]) -> Digest:
        """Tell what a scalar is, as plain data and behind what was put before; its digest.

        One on a device is read as it is now, and told when it has come.
        """
        if not cards.is_there(value):
            now = plain(value)
            self.then(lambda: told(now))
            return of_bytes(repr(now).encode())
        try:
            copy, has_come = cards.fetch(value)
        except UsageError as error:
            raise NotTraceable(error.what) from error
        self.then(lambda: told(plain(copy)), has_come)
        return Reading(has_come, lambda: plain(copy))

    def look(self) -> None:
        """Write what has become whole."""
        if self._waiting:
            cards.look()
        while self._waiting and self._waiting[0].can_be():
            self._waiting.popleft().do()

    def wait(self) -> None:
        """Wait for what is under way from devices, but not for ever, and write what is whole."""
        until = time.monotonic() + _PATIENCE_S
        cards.wait(until)
        self.look()
        while self._waiting and time.monotonic() < until:  # for a scalar
            time.sleep(_POLL_S)
            self.look()

    def finish(self) -> int:
        """The same at the end; how many rows were given up."""
        if self._waiting:
            self.wait()
        left = sum(item.is_row for item in self._waiting)
        self._waiting.clear()
        return left

    def _write(self, row: _Row) -> None:
        costs = self._costs(row.groups)
        groups = {name: value_of(digest) for name, digest in row.groups.items()}
        self._emit_row(row.index, row.count, row.time_ns, groups)
        if row.leaves and self._emit.leaves is not None:
            kept = {
                name: (names, list(map(value_of, found)))
                for name, (names, found) in row.leaves.items()
            }
            self._emit.leaves(row.index, row.count, kept, first=row.first)
        row.written(costs)

    def _emit_row(self, index: int, count: int, time_ns: int, groups: Mapping[str, bytes]) -> None:
        """Write a row; TypeError, and nothing is written, where a digest has not come."""
        kind = self._kinds.get(tuple(groups))
        if kind is None:
            present = [name for name in GROUPS if name in groups]
            kind = present, sum(_BIT[name] for name in present)
            self._kinds[tuple(groups)] = kind
        digests = b"".join([groups[name] for name in kind[0]])
        if not self._begun:
            self._begun = True
            self._emit.fact("trace", {"algorithm": ALGORITHM, "groups": list(GROUPS)})
        self._emit.trace(index, count, kind[1], digests, time_ns)

    def _costs(self, groups: Mapping[str, Digest]) -> Costs:
        """What a device spent; a group that has digests of one for the first time is said so."""
        found = {group: set(works(digest)) for group, digest in groups.items()}
        for group in GROUPS:
            if found.get(group) and group not in self._on_devices:
                self._on_devices.add(group)
                self._emit.fact("digested", {"group": group, "algorithm": ON_DEVICES})
        full, data = (
            sum(
                work.seconds for work in set[Work]().union(*(found[g] for g in found if g in which))
            )
            for which in (FULL_ROWS_ONLY, OF_DATA)
        )
        return Costs(full, data)


def _has_come(groups: Mapping[str, Digest]) -> bool:
    return all(map(has_come, groups.values()))
