"""How rare something must be to cost no more than its share of a step's time."""

import math
import statistics
import time
from collections.abc import Mapping
from typing import Any

__all__ = ["Pace", "Rate"]

_FULL_AT_FIRST = 10  # rows that are always full
_SHARE = 0.01  # of a step's time
_DATA_SHARE = 0.05  # for reading what the model is given, which says most of why steps differ
_WINDOW = 10  # rows over which cost and step time are taken

Rate = tuple[int, int]  # full rows are multiples of 2^k, data is read at those of 2^data


class Budget:
    """Costs and times of the last rows of one optimizer or loop; seconds.

    Args:
        share: of a step's time.
        grows: whether each row costs more than the one before, as of a booster: then the last two
            say what the next one will.
    """

    def __init__(self, share: float = _SHARE, *, grows: bool = False) -> None:
        self._share, self._grows = share, grows
        self._costs: list[float] = []
        self._steps: list[float] = []

    def step(self, seconds: float) -> None:
        """So long passed from one step to the next."""
        self._steps = [*self._steps[1 - _WINDOW :], seconds]

    def cost(self, seconds: float) -> None:
        """It cost so much, this time."""
        self._costs = [*self._costs[1 - _WINDOW :], seconds]

    @property
    def needed(self) -> int:
        """The k by which every 2^k-th step may have it; 0 where nothing is known yet."""
        if not self._costs or not self._steps:
            return 0
        cost = statistics.median(self._costs)
        if self._grows:
            cost = max(cost, min(self._costs[-2:]))
        share = self._share * statistics.median(self._steps)
        return math.ceil(math.log2(cost / share)) if cost > share > 0 else 0


class Pace:
    """Which rows of one optimizer or loop are full, and in which of them the data is read.

    Args:
        rates: of a replay, the recorded ones, by number and count; nothing is adapted then.
        grows: whether each full row costs more than the one before.
    """

    def __init__(
        self, rates: Mapping[tuple[int, int], Rate] | None = None, *, grows: bool = False
    ) -> None:
        self.k = 0
        self.data = 0
        self._rates = rates
        self._full = Budget(_SHARE, grows=grows)
        self._data = Budget(_DATA_SHARE)
        self._is_known = False  # that something cost what it did, since it was last adapted
        self._stepped_at = 0.0

    def is_first(self, row: int) -> bool:
        """Whether a row, counted from 1 in this execution, is one of those that are always full."""
        return row <= _FULL_AT_FIRST

    def is_full(self, row: int, count: int) -> bool:
        """Whether a row is full: its number in this execution, and what its rate goes by."""
        return self.is_first(row) or count % (1 << self.k) == 0

    def reads_data(self, count: int) -> bool:
        """Whether the data is read of a row that need not be full."""
        return count % (1 << self.data) == 0

    def stepped(self) -> None:
        """A step is over, and the next one begins."""
        now = time.perf_counter()
        if self._stepped_at:
            self._full.step(now - self._stepped_at)
            self._data.step(now - self._stepped_at)
        self._stepped_at = now

    def cost(self, full_s: float | None, data_s: float) -> None:
        """What a row cost, as soon as that is known: of a device, some rows later.

        Args:
            full_s: what only full rows have took so long; None where the row was none.
            data_s: reading what the model is given took so long; 0 where it was not read.
        """
        if data_s:
            self._data.cost(data_s)
        if full_s is not None:
            self._full.cost(full_s)
            self._is_known = True

    def adapt(self, index: int, count: int, row: int) -> dict[str, Any] | None:
        """Make rarer what costs more than its budget, never more frequent; the fact of a change.

        Args:
            index: the optimizer's or loop's number.
            count: its step.
            row: how many rows there were in this execution.
        """
        if self._rates is not None:
            self.k, self.data = self._rates.get((index, count), (self.k, self.data))
            return None
        if not self._is_known:
            return None
        self._is_known = False
        if row < _FULL_AT_FIRST:
            return None
        data = max(self.data, self._data.needed)
        k = max(self.k, self._full.needed, data)  # a full row has the data, too
        if (k, data) == (self.k, self.data):
            return None
        self.k, self.data = k, data
        return {"optimizer": index, "count": count, "k": k, "data": data}
