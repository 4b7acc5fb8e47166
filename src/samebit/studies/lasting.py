"""How long a study goes on, where each run takes as long as those that are over; and went on."""

import heapq
import math
from collections.abc import Iterable, Sequence

__all__ = ["Covered", "Span", "covered", "time_left"]

Span = tuple[float, float]  # from, to


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


def covered(spans: Iterable[Span]) -> float:
    """How much of a line some spans cover, together."""
    return math.fsum(end - begin for begin, end in _merged(spans))


class Covered:
    """The same of spans that come one after the other: of thousands a few are looked at again."""

    def __init__(self) -> None:
        self._before = 0.0  # by spans that no other will overlap
        self._spans: list[Span] = []

    def add(self, spans: Iterable[Span]) -> None:
        """Count some that grow no more."""
        self._spans += spans

    def total(self, growing: Sequence[Span] = ()) -> float:
        """By all that were added, and some that still grow.

        None that is added later may begin before the first of these, nor where there are none
        before the end of the last that was added.
        """
        first = min((begin for begin, _ in growing), default=math.inf)
        merged = _merged(self._spans)
        self._spans = [one for one in merged if one[1] >= first]
        self._before += covered(one for one in merged if one[1] < first)
        return self._before + covered([*self._spans, *growing])


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans that do not overlap, ascending."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found
