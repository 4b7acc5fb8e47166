"""How long a study goes on, where each run takes as long as those that are over."""

import heapq
from collections.abc import Sequence

__all__ = ["time_left"]


def time_left(
    took: Sequence[float], running: Sequence[float], waiting: int, free: int
) -> float | None:
    """Seconds until all are over: each waiting run goes to whichever place is free first.

    None where nothing is known: no run is over, or those that wait have no place to run at.

    Args:
        took: seconds of each run that is over.
        running: for how many seconds each run goes on already.
        waiting: how many are still to be started.
        free: places at which none runs now.
    """
    slots = [0.0] * free
    if not took or not (running or slots):
        return None
    each = sum(took) / len(took)
    slots += [max(0.0, each - seconds) for seconds in running]
    heapq.heapify(slots)
    for _ in range(waiting):
        heapq.heapreplace(slots, slots[0] + each)
    return max(slots)
