"""Who stops runs of a study early sees their values as they come, and says which are to end.

What is decided is in `trials.jsonl` before the run is asked to end, so that a controller that comes
after a kill ends the same runs. A run that finishes meanwhile has finished.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from samebit.studies.fates import Fate
from samebit.studies.following import Following, Point

__all__ = ["Observed", "Stop", "Stops"]

_REST = 20.0  # times as long as a look took, none is taken


class Stop(Struct, frozen=True):
    """A trial that is to end."""

    number: int
    step: float  # at which it was judged
    why: str  # in a few words: what it was worth, beside what


class Stops(Protocol):
    """Whoever stops trials early. Called by one thread."""

    def look(self, observed: "Observed") -> Sequence[Stop]:
        """Which trials that run are to end, now.

        Called when a run has other values than before, when one has begun or has ended, and once
        when a controller takes up a study. Of trials that do not run, or are to end already,
        nothing is done.
        """
        ...


class Observed:
    """The trials that were started, and what their runs have logged of the study's metric.

    Attributes:
        fates: of every trial, by number.
        changed: since the last look; at the first one every trial that has begun.
    """

    fates: Mapping[int, Fate]
    changed: Collection[int]

    def __init__(self, store: Path, metric: str) -> None:
        self._following = Following(store, metric)
        self.fates = {}
        self.changed = ()
        self._states: dict[int, tuple[str, str]] = {}  # of each trial that began
        self._due = 0.0

    def points(self, number: int) -> Sequence[Point]:
        """(step, value) of a trial's last run: each step once, ascending; a value may be NaN.

        Empty where it has logged none, or was not started. Of a run that is over they are read at
        the first asking.
        """
        trial = self.fates[number].trial
        return self._following.points(trial.last.run) if trial.last is not None else ()

    def look(self, fates: Mapping[int, Fate]) -> bool:
        """See what has come; whether anything has."""
        if time.monotonic() < self._due:
            return False
        began = time.monotonic()
        self.fates = fates
        states: dict[int, tuple[str, str]] = {
            number: (one.state, one.trial.last.run)
            for number, one in fates.items()
            if one.trial.last is not None
        }
        changed = {number for number, state in states.items() if self._states.get(number) != state}
        going = {run: n for n, (state, run) in states.items() if state == "running"}
        over = {states[n][1]: n for n in changed if states[n][0] != "running" and n in self._states}
        new = self._following.look(going)
        self._following.look(over, is_last=True)
        changed |= {going[run] for run in new}
        self._states, self.changed = states, sorted(changed)
        now = time.monotonic()
        self._due = now + _REST * (now - began)
        return bool(changed)
