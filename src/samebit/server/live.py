"""What happens in the store, told to every page that listens: numbered, so that none misses any."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

from samebit.digest import canonical_json

__all__ = ["Live"]

_REMEMBERED = 10_000  # events; a page that slept through more asks for everything
_SILENCE_S = 15.0  # after which a line is sent that says nothing, so that a lost page is noticed


class Live:
    """The events since the server began; used by the thread that answers requests alone."""

    def __init__(self) -> None:
        # Numbers of another server, that had this port before, are not ours.
        self._own = secrets.token_hex(4)
        self._last = 0
        # Each with its number, and the version of the rows that it leads to, if to any.
        self._events: deque[tuple[int, int, bytes]] = deque()
        self._forgotten = -1  # up to this version of the rows
        self._more = asyncio.Event()
        self._is_over = False
        self.listeners = 0

    def tell(self, name: str, value: dict[str, Any]) -> None:
        """Something has happened."""
        self._last += 1
        data = canonical_json(value).decode()
        event = f"id: {self._own}-{self._last}\nevent: {name}\ndata: {data}\n\n".encode()
        self._events.append((self._last, value.get("version", -1), event))
        if len(self._events) > _REMEMBERED:
            self._forgotten = max(self._forgotten, self._events.popleft()[1])
        self._wake()

    def close(self) -> None:
        """End every stream."""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    async def stream(
        self, last_id: str | None, version: int, since: int | None = None
    ) -> AsyncIterator[bytes]:
        """Events as they come.

        Args:
            last_id: go on after this one; a page that was cut off knows it.
            version: of the rows as they are now.
            since: of the rows that a new page has: what has led from it to `version` comes first.
        """
        heard = self._number(last_id)
        if last_id is None:
            heard = self._last
            if since is not None:
                later = (number for number, at, _ in self._events if at > since)
                knows = self._forgotten <= since <= version
                heard = next(later, heard + 1) - 1 if knows else None
            if heard is not None:
                # The number from which a page goes on that is cut off.
                yield f"retry: 1000\nid: {self._own}-{heard}\n\n".encode()
        self.listeners += 1
        try:
            while not self._is_over:
                more = self._more
                # Its number is another server's, or it was asleep, or too slow to take them.
                if heard is None or heard + 1 < self._first():
                    heard = self._last
                    yield self._again(version)
                for number, event in self._after(heard):
                    yield event
                    heard = number
                try:
                    await asyncio.wait_for(more.wait(), _SILENCE_S)
                except TimeoutError:
                    yield b": nothing new\n\n"
        finally:
            self.listeners -= 1

    def _again(self, version: int) -> bytes:
        data = canonical_json({"version": version}).decode()
        return f"retry: 1000\nid: {self._own}-{self._last}\nevent: again\ndata: {data}\n\n".encode()

    def _first(self) -> int:
        """The number of the first event that is remembered; of the next one where there is none."""
        return self._last + 1 - len(self._events)

    def _after(self, number: int) -> list[tuple[int, bytes]]:
        later = islice(self._events, number + 1 - self._first(), None)
        return [(number, event) for number, _, event in later]

    def _number(self, last_id: str | None) -> int | None:
        own, _, number = (last_id or "").partition("-")
        is_ours = own == self._own and number.isdecimal() and int(number) <= self._last
        return int(number) if is_ours else None
