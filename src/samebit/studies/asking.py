"""Whoever says which trials a study is to have: the promise, and a list known beforehand."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from samebit.studies.declared import Design
from samebit.studies.fates import Fate
from samebit.studies.trials import History

__all__ = ["Asked", "Listed"]


class Asked(Protocol):
    """Which trials a study is to have, one after the other. Asked by one thread.

    It begins with those that were decided by an earlier controller, in the same order each time.
    """

    def next(self, history: History, fates: Mapping[int, Fate], free: int) -> Design | None:
        """The next one; None where there is none, or none yet.

        Args:
            history: what was decided and started so far.
            fates: of the trials that were given before, by their numbers.
            free: how many could be started at once, beside those that are waiting.
        """
        ...

    def left_s(self, fates: Mapping[int, Fate]) -> float | None:
        """In how many seconds no more will be begun; None where no time bounds it."""
        ...

    def total(self, given: int) -> int | None:
        """How many it will be at most, after so many were given; None where nobody knows."""
        ...


class Listed:
    """Trials that are all known, and decided at once."""

    def __init__(self, wanted: Sequence[Design]) -> None:
        self._wanted, self._at = wanted, 0

    def next(self, history: History, fates: Mapping[int, Fate], free: int) -> Design | None:
        """The next of the list, however many are free."""
        if self._at == len(self._wanted):
            return None
        self._at += 1
        return self._wanted[self._at - 1]

    def left_s(self, fates: Mapping[int, Fate]) -> None:
        """A list is bounded by its length alone."""

    def total(self, given: int) -> int:
        """As many as the list has."""
        return len(self._wanted)
