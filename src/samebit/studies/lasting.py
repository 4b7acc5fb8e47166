"""How long a study goes on, where each run takes as long as those that are over."""

import heapq
from collections.abc import Sequence

__all__ = ["time_left"]


def time_left(
    each: float | None, running: Sequence[float], waiting: int, free: int
) -> float | None:
    """Seconds until all are over: each waiting run goes to whichever place is free first.

    None where nothing is known: no run is over, or those that wait have no place to run at.

    Args:
        each: seconds of a run, as the mean of those that are over; None where none is.
        running: for how many seconds each run goes on already.
        waiting: how many are still to be started.
        free: places at which none runs now.
    """
    slots = [0.0] * free
    if each is None or not (running or slots):
        return None
    slots += [max(0.0, each - seconds) for seconds in running]
    heapq.heapify(slots)
    rounds, rest = divmod(waiting, len(slots))  # no place is behind another by more than one run
    for _ in range(rest):
        heapq.heapreplace(slots, slots[0] + each)
    return max(slots) + rounds * each
