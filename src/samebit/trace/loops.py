"""The rows that a loop gives itself, where no optimizer of PyTorch steps.

What is given counts, and nothing else: no hook adds to it but the state of the global generators.
What only full rows have is read, and paid for, in full rows alone.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from samebit.errors import in_a_line
from samebit.trace import fingerprint, given
from samebit.trace.budget import Pace, Rate
from samebit.trace.digests import Digest, NotTraceable, combine
from samebit.trace.groups import FULL_ROWS_ONLY
from samebit.trace.rows import Costs, Emit
from samebit.trace.scalars import Scalars

__all__ = ["Loop"]

_PYTHON_EVERY = 16  # rows; see the recorder

Write = Callable[[int, int, Mapping[str, Digest], Callable[[Costs], None]], None]


class Loop:
    """One loop: its number among the optimizers, and how far it is.

    Args:
        index: its number.
        write: takes a row: number, count, the digest of each group, and who hears what that cost a
            device.
        emit: takes schedule and facts.
        rates: of a replay, the recorded ones, by number and count; nothing is adapted then.
        base: the steps of earlier executions, which count on.
    """

    def __init__(
        self,
        index: int,
        write: Write,
        emit: Emit,
        rates: Mapping[tuple[int, int], Rate] | None = None,
        base: int = 0,
    ) -> None:
        self.index = index
        self.count = base
        self._write = write
        self._emit = emit
        self._rows = 0  # in this execution
        self._full = True
        self._row: dict[str, Digest] = {}
        self._unread: dict[str, int] = {}  # groups that a row was given and did not read
        self._scalars = Scalars()
        self._skipped: set[str] = set()
        self._spent_s = 0.0
        self._on_devices_s = 0.0  # of some rows before this one: so late is it known
        self._pace = Pace(rates, grows=True)

    @property
    def has_rows(self) -> bool:
        """Whether it was given a row in this execution."""
        return self._rows > 0

    def give(self, groups: Mapping[str, Any], hyper: Any = None, count: int | None = None) -> None:
        """Take a row, or more of the one that was given last.

        Args:
            groups: what each group of the trace is made of.
            hyper: scalars by name, or None.
            count: its step: the next one where it is None, more of the last where it is that one.
        """
        if count is None or count != self.count or not self._rows:
            self._begin(self.count + 1 if count is None else count)
        row: dict[str, Digest] = {}
        if not self._row:
            python = self._full or self._rows % _PYTHON_EVERY == 0
            row.update(fingerprint.generators(python=python))
        for group, value in groups.items():
            self._take(row, group, value)
        if hyper is not None:
            row["hyper"] = self._hyper(hyper)
        self._row.update(row)
        if row:
            self._write(self.index, self.count, row, self._written)

    def complete(self, groups: Mapping[str, Any]) -> None:
        """Read what the last rows were given and did not read; there will be no more."""
        for group, value in groups.items():
            if group in self._unread:
                row: dict[str, Digest] = {}
                self._read(row, group, value)
                count = self._unread.pop(group)
                if row:
                    self._write(self.index, count, row, self._written)

    def _begin(self, count: int) -> None:
        self._pace.stepped()
        if self._rows:
            if self._full:
                self._pace.cost(self._spent_s + self._on_devices_s, 0.0)
                self._on_devices_s = 0.0
            rate = self._pace.adapt(self.index, self.count, self._rows)
            if rate is not None:
                self._emit.fact("rate", rate)
        self.count = count
        self._rows += 1
        self._row = {}
        self._spent_s = 0.0
        self._full = self._pace.is_full(self._rows, self._rows)

    def _written(self, costs: Costs) -> None:
        self._on_devices_s += costs.full

    def _take(self, row: dict[str, Digest], group: str, value: Any) -> None:
        if group not in FULL_ROWS_ONLY:
            self._read(row, group, value)
        elif self._full:
            at = time.perf_counter()
            self._read(row, group, value)
            self._spent_s += time.perf_counter() - at
            self._unread.pop(group, None)
        else:
            self._unread[group] = self.count

    def _read(self, row: dict[str, Digest], group: str, value: Any) -> None:
        try:
            found = given.digest(value)
            if group == "batch" and self._full:
                self._samples(row, value, found)
        except Exception as reason:  # a stranger's class may raise anything when it is asked
            if group not in self._skipped:
                self._skipped.add(group)
                said = str(reason) if isinstance(reason, NotTraceable) else in_a_line(reason)
                self._emit.fact("problem", {"what": f"{group} not traced", "detail": said})
            return
        before = self._row.get(group)
        row[group] = found if before is None else combine(b"", [before, found])

    def _samples(self, row: dict[str, Digest], value: Any, whole: Digest) -> None:
        at = time.perf_counter()
        twin = given.samples(value)
        before = self._row.get("samples")
        if before is not None:  # of a batch in several parts their order counts
            row["samples"] = combine(b"", [before, whole])
        elif twin is not None and "batch" not in self._row:
            row["samples"] = twin
        self._spent_s += time.perf_counter() - at

    def _hyper(self, hyper: Any) -> bytes:
        scalars: dict[str, Any] = given.scalars(hyper)
        for group, changed in self._scalars.changes([scalars]).items():
            self._emit.hyper(self.index, self.count, group, changed)
        return self._scalars.digest
