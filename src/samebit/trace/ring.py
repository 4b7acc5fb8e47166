"""Digests on their way from a device: so many launches at a time at most, and nobody waits.

What the device is asked is begun at once, in the order of its own work, and looked for later. A
device that answers late, or never, costs rows and no time.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Busy", "Device", "Leaf", "Ring", "Work"]

_MOST = 1024  # launches under way; so long is a device's own queue, and it is never reached
_POLL_S = 0.0005


class Busy(Exception):
    """So many digests are under way that no more are asked for."""


class Device(Protocol):
    """What is asked of a device; none of it waits."""

    def begin(self, arrays: Sequence[Any]) -> Any:
        """Begin the digests of arrays as they are now; gives what the others are asked with."""

    def has_come(self, token: Any) -> bool:
        """Whether all of them are here; False also where that cannot be asked just now."""
        ...

    def read(self, token: Any) -> tuple[Sequence[bytes], float]:
        """The digests, sixteen bytes each, and the seconds that the device spent on them; once."""
        ...

    def generator(self) -> bytes | None:
        """The state of its own generator; None where that cannot be asked just now."""
        ...


class Work:
    """One launch: the digests of some arrays."""

    __slots__ = ("digests", "seconds", "token")

    def __init__(self, token: Any) -> None:
        self.token = token
        self.digests: Sequence[bytes] | None = None
        self.seconds = 0.0  # that the device spent on it


class Leaf:
    """The digest of one array, which may be under way."""

    __slots__ = ("_at", "work")

    def __init__(self, work: Work, at: int) -> None:
        self.work = work
        self._at = at

    @property
    def has_come(self) -> bool:
        """Whether it was found here; who wants to know of new ones looks at the ring."""
        return self.work.digests is not None

    @property
    def value(self) -> bytes:
        """Its sixteen bytes; only where it has come."""
        if self.work.digests is None:
            raise RuntimeError("a digest was asked for that has not come from its device")
        return self.work.digests[self._at]


class Ring:
    """What is under way from one device, in the order in which it was begun."""

    def __init__(self, device: Device, most: int = _MOST) -> None:
        self.device = device
        self._most = most
        self._under_way: deque[Work] = deque()

    def put(self, arrays: Sequence[Any]) -> list[Leaf]:
        """Begin the digests of arrays; Busy where too much is under way."""
        if len(self._under_way) >= self._most:
            self.look()
            if len(self._under_way) >= self._most:
                raise Busy
        work = Work(self.device.begin(arrays))
        self._under_way.append(work)
        return [Leaf(work, at) for at in range(len(arrays))]

    def look(self) -> bool:
        """Take what has come; whether nothing is under way any more."""
        while self._under_way:
            work = self._under_way[0]
            if not self.device.has_come(work.token):
                return False
            work.digests, work.seconds = self.device.read(work.token)
            work.token = None
            self._under_way.popleft()
        return True

    def wait(self, until: float) -> bool:
        """Wait for everything, until `time.monotonic()` says so; whether it has come."""
        while not self.look():
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_S)
        return True
