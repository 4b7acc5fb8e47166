"""Early stopping of seeds: many are started, at some step the best go on, the others end.

After Dodge et al. (2020). A run ends once as many others as are kept are known to be better at that
step; until then it goes on. So the kept are those that would be kept if all were judged at once,
in whatever order and however few at a time they run; with few at a time more of each is run.
"""

import heapq
import math
import random
from collections.abc import Sequence

from msgspec import Struct

from samebit.studies.declared import Keeping
from samebit.studies.fates import Fate, goes_again
from samebit.studies.following import Point
from samebit.studies.stopping import Observed, Stop

__all__ = ["BestAt", "expected_share"]

_DRAWS, _MOST_EVENTS = 400, 100_000


class _Judged(Struct, frozen=True):
    value: float  # NaN where there is none
    lack: str = ""  # why


class BestAt:
    """Stops whatever is not among the best at a step; ties go to the lower number."""

    def __init__(self, keeping: Keeping, metric: str) -> None:
        self._keeping, self._metric = keeping, metric
        self._judged: dict[int, tuple[str, _Judged]] = {}  # by trial, of which run

    def look(self, observed: Observed) -> Sequence[Stop]:
        """Which of those that run cannot be among the kept any more."""
        for number in observed.changed:
            self._judge(number, observed)
        order = sorted(
            (self._rank(judged.value), number)
            for number, (run, judged) in self._judged.items()
            if _is_rival(observed.fates[number], run) and not math.isnan(judged.value)
        )
        if len(order) < self._keeping.keep:
            return []
        last = order[self._keeping.keep - 1]
        return [
            Stop(number, self._keeping.at, self._why(judged, observed, last[1]))
            for number, (run, judged) in self._judged.items()
            if observed.fates[number].state == "running"
            and _is_of(observed.fates[number], run)
            and (math.isnan(judged.value) or (self._rank(judged.value), number) > last)
        ]

    def _judge(self, number: int, observed: Observed) -> None:
        fate = observed.fates[number]
        run = fate.trial.last.run if fate.trial.last is not None else ""
        if number in self._judged and self._judged[number][0] == run:
            return
        judged = self._value(observed.points(number), fate)
        if judged is not None:
            self._judged[number] = run, judged

    def _value(self, points: Sequence[Point], fate: Fate) -> _Judged | None:
        """The last value up to the step, once there can be no other; None before."""
        at = self._keeping.at
        is_over = fate.state != "running" and not goes_again(fate)
        if not is_over and (not points or points[-1][0] < at):
            return None
        until = [point for point in points if point[0] <= at]
        if not until:
            return _Judged(math.nan, f"{self._metric} has no value by then")
        value = until[-1][1]
        return _Judged(value, f"{self._metric} is NaN" if math.isnan(value) else "")

    def _rank(self, value: float) -> float:
        return value if self._keeping.better == "lower" else -value

    def _why(self, judged: _Judged, observed: Observed, last: int) -> str:
        if judged.lack:
            return judged.lack
        best = self._judged[last][1].value
        kept = "the best" if self._keeping.keep == 1 else f"{self._keeping.keep} are"
        worst = "has" if self._keeping.keep == 1 else f"{self._keeping.better} or equal, the last"
        return f"{self._metric} {judged.value:.6g}; {kept} {worst} {best:.6g}"


def _is_of(fate: Fate, run: str) -> bool:
    return fate.trial.last is not None and fate.trial.last.run == run


def _is_rival(fate: Fate, run: str) -> bool:
    """Whether a run has finished, or may yet."""
    return _is_of(fate, run) and (
        fate.state == "finished" or (fate.state == "running" and fate.trial.early is None)
    )


def expected_share(start: int, keep: int, fraction: float, jobs: int) -> float:
    """The share of the steps of all runs that is run, on average over orders in which they come.

    With all at once it is (t f + p (1 - f)) / t, as Dodge et al. have it. With fewer at a time
    those go on that are among the best so far, and some of them for nothing; runs are taken to be
    equally fast, and each order of theirs at the fraction as likely.

    Args:
        start: runs that are started (t).
        keep: runs that are kept (p).
        fraction: of a run after which the others end (f).
        jobs: so many at a time.
    """
    draws = 1 if jobs >= start else max(10, min(_DRAWS, _MOST_EVENTS // start))
    source = random.Random(0)
    total = 0.0
    for _ in range(draws):
        ranks = list(range(start))
        source.shuffle(ranks)
        total += _simulated(ranks, keep, fraction, jobs)
    return total / draws / start


def _simulated(ranks: Sequence[int], keep: int, fraction: float, jobs: int) -> float:
    """How much is run, in whole runs; ranks come in the order of starting, 0 is the best."""
    waiting = iter(ranks)
    begun: dict[int, float] = {}  # of those that run, by rank
    best: list[int] = []  # of those judged, negated: the worst of the kept is first
    events: list[tuple[float, bool, int]] = []  # when, is it the end, of which
    total = 0.0

    def start(now: float) -> None:
        rank = next(waiting, None)
        if rank is not None:
            begun[rank] = now
            heapq.heappush(events, (now + fraction, False, rank))

    def end(rank: int, now: float) -> float:
        took = now - begun.pop(rank)
        start(now)
        return took

    for _ in range(jobs):
        start(0.0)
    while events:
        now, is_end, rank = heapq.heappop(events)
        if rank not in begun:
            continue
        if is_end:
            total += end(rank, now)
            continue
        heapq.heappush(events, (begun[rank] + 1, True, rank))
        heapq.heappush(best, -rank)
        if len(best) > keep and (out := -heapq.heappop(best)) in begun:
            total += end(out, now)
    return total
