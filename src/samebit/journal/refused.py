"""The facts that a journal refused: they wait, within bounds, until it takes frames again."""

from collections.abc import Callable
from typing import Any

import msgspec

from samebit.journal.values import unwrap

__all__ = ["Refused"]

MOST_BYTES = 8 << 20

_decode = msgspec.msgpack.Decoder().decode


class Refused:
    """Facts that are still to be written, oldest first; whoever uses it holds the writer's lock."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, bytes]] = []  # name and payload
        self.dropped = 0  # facts for which there was no room among these
        self._size_bytes = 0

    def keep(self, name: str, payload: bytes) -> None:
        """Hold a fact, if there is room; there is more for a `problem`."""
        most_bytes = MOST_BYTES * 2 if name == "problem" else MOST_BYTES
        if self._size_bytes + len(payload) > most_bytes:
            self.dropped += 1
            return
        self.waiting.append((name, payload))
        self._size_bytes += len(payload)

    def write(self, append: Callable[[bytes], None]) -> None:
        """Append each; what cannot be appended waits on, and its error is raised."""
        while self.waiting:
            name, payload = self.waiting.pop(0)  # a signal handler in here must not write it, too
            try:
                append(payload)
            except BaseException:
                self.waiting.insert(0, (name, payload))
                raise
            self._size_bytes -= len(payload)

    def facts(self) -> list[tuple[str, Any]]:
        """Name and value of those that wait."""
        return [(name, unwrap(_decode(payload)[3])) for name, payload in self.waiting]
