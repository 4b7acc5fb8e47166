"""How rare something must be to cost no more than its share of a step's time."""

import math
import statistics

__all__ = ["DATA_SHARE", "FULL_AT_FIRST", "Budget", "Rate"]

FULL_AT_FIRST = 10  # rows that are always full
_SHARE = 0.01  # of a step's time
DATA_SHARE = 0.05  # for reading what the model is given, which says most of why steps differ
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
