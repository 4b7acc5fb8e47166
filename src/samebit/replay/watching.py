"""Looking at a replay while it goes on: has it parted from its run?"""

import time

from samebit.errors import SamebitError
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.replay.executions import Part
from samebit.replay.pairs import Pair, compare_part, compare_traces

__all__ = ["Watch"]

_EVERY_S = 1.0
_TIMES = 20  # as long as the last look took: looking costs a twentieth of a core at most


class Watch:
    """Says when a replay has parted from its run; what it does not have yet is no difference.

    Args:
        recorded: the run; of one that was resumed, the execution that is run again now.
        part: that execution.
    """

    def __init__(self, recorded: View, part: Part | None = None) -> None:
        self._recorded = recorded
        self._part = part
        self._next = time.monotonic() + _EVERY_S

    def has_parted(self, folder: RunFolder) -> bool:
        """Whether the trace that is there by now differs; False until it is time to look again."""
        began = time.monotonic()
        if began < self._next:
            return False
        try:
            found = read_run(folder)
            if self._part is not None:
                found = found.at_execution(found.starts[-1].number)
            parted = self._parted(found)
        except SamebitError:
            return False  # what is wrong with it is said when it has ended
        ended = time.monotonic()
        self._next = ended + max(_EVERY_S, _TIMES * (ended - began))
        return parted

    def _parted(self, replay: View) -> bool:
        for rank in self._recorded.ranks:
            # Several processes of one rank are told apart when all of them are there.
            if self._recorded.processes(rank) and (
                rank not in replay.ranks
                or sorted(replay.processes(rank)) != sorted(self._recorded.processes(rank))
            ):
                return False
        if self._part is not None:
            return compare_part(Pair(self._part, replay), cut=True).divergence is not None
        return compare_traces(self._recorded, replay, cut=True).divergence is not None
