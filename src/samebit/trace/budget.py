"""How rare full rows must be for what only they have to cost no more than its share of a step."""

import math
import statistics

__all__ = ["FULL_AT_FIRST", "Budget"]

FULL_AT_FIRST = 10  # rows that are always full
_SHARE = 0.01  # of a step's time
_WINDOW = 10  # full rows over which cost and step time are taken


class Budget:
    """Costs and times of the last rows of one optimizer or loop; seconds.

    Args:
        grows: whether each row costs more than the one before, as of a booster: then the last two
            say what the next one will.
    """

    def __init__(self, *, grows: bool = False) -> None:
        self._grows = grows
        self._costs: list[float] = []
        self._steps: list[float] = []

    def step(self, seconds: float) -> None:
        """So long passed from one step to the next."""
        self._steps = [*self._steps[1 - _WINDOW :], seconds]

    def full(self, seconds: float) -> None:
        """A full row cost so much."""
        self._costs = [*self._costs[1 - _WINDOW :], seconds]

    @property
    def needed(self) -> int:
        """The k by which every 2^k-th row may be full; 0 where nothing is known yet."""
        if not self._costs or not self._steps:
            return 0
        cost = statistics.median(self._costs)
        if self._grows:
            cost = max(cost, min(self._costs[-2:]))
        share = _SHARE * statistics.median(self._steps)
        return math.ceil(math.log2(cost / share)) if cost > share > 0 else 0
