"""What is logged and lies on a CUDA device: copied from there at once, written when it is here.

`log` waits for nothing: its row is written by a later hook or `log`, with the time at which it was
logged. What a kill can lose is what the device had not computed yet, or nobody had looked for.
"""

import functools
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from samebit.journal.values import flatten
from samebit.trace import cards
from samebit.trace.cards import HasCome

__all__ = ["Arriving"]

_MOST = 4096  # rows under way; beyond it the oldest is waited for
_PATIENCE_S = 10  # at the end, or for a checkpoint, for a device that hangs
_POLL_S = 0.0005


class _Waiting(Struct, frozen=True):
    write: Callable[[], object]
    has_come: tuple[HasCome, ...]


class Arriving:
    """The rows of one process that wait for their values, and whatever else waits for such.

    Args:
        write: takes a row: values, step, and when it was logged; monotonic ns.
        fetch: begins to copy an array; gives the copy, and whether it is filled.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, Any], int, int], None],
        fetch: Callable[[Any], tuple[Any, HasCome]],
    ) -> None:
        self._write = write
        self._fetch = fetch
        self._waiting: deque[_Waiting] = deque()

    def take(self, values: Mapping[str, Any], step: int) -> None:
        """Take a row of which some values lie on a device; UsageError where one is no number."""
        coming: list[HasCome] = []
        copies = self._copied(values, coming)
        flatten(copies)  # what cannot be logged is said now; what they hold is not there yet
        # The copies in the host's memory are being filled.
        write = functools.partial(self._write, copies, step, time.monotonic_ns())
        self.when_come(tuple(coming), write)

    def when_come(self, has_come: tuple[HasCome, ...], write: Callable[[], object]) -> None:
        """Do something on the script's thread, which alone asks devices, when all of it is here."""
        self._waiting.append(_Waiting(write, has_come))
        if len(self._waiting) > _MOST:
            self.wait(most=_MOST)

    def _copied(self, values: Mapping[str, Any], coming: list[HasCome]) -> dict[str, Any]:
        copies: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Mapping):
                copies[name] = self._copied(value, coming)
            elif not cards.is_there(value):
                copies[name] = value
            elif value.dim():
                copies[name] = [value.dim()]  # refused below, as any other that is no number
            else:
                copies[name], has_come = self._fetch(value)
                coming.append(has_come)
        return copies

    def look(self) -> None:
        """Write the rows that are whole."""
        while self._waiting and all(has_come() for has_come in self._waiting[0].has_come):
            self._waiting.popleft().write()

    def wait(self, most: int = 0) -> int:
        """Wait until no more than so many rows wait, but not for ever; how many do."""
        until = time.monotonic() + _PATIENCE_S
        self.look()
        while len(self._waiting) > most and time.monotonic() < until:
            time.sleep(_POLL_S)
            self.look()
        return len(self._waiting)
