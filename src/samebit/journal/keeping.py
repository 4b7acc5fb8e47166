"""What a writer's own thread does: it makes frames durable, and shows that the process lives."""

import os
import time
import weakref
from collections.abc import Callable
from typing import Protocol

import msgspec

from samebit.journal.frame import Kind

__all__ = ["BEAT_EVERY_S", "SYNC_EVERY_S", "clock", "keep"]

SYNC_EVERY_S = 5.0
BEAT_EVERY_S = 60.0  # of silence: elsewhere only a journal that grows shows that its run goes on
_READING_NS = 50_000  # of both clocks takes a microsecond where nothing comes between

_encode = msgspec.msgpack.Encoder().encode
_monotonic_ns = time.monotonic_ns


class Kept(Protocol):
    """What the thread needs of a writer."""

    @property
    def sequence(self) -> int:
        """The number of the next frame."""
        ...

    def beat(self) -> None:
        """Write a frame that says nothing but the time."""

    def sync(self) -> None:
        """Make what was written durable."""

    def doubt(self, error: Exception) -> None:
        """Take what kept it from being durable, for later."""


def keep(writer: Kept) -> Callable[[], float | None]:
    """What is to be done from time to time, as long as there is the writer."""
    reference = weakref.ref(writer)
    written, since = -1, _monotonic_ns()

    def once() -> float | None:
        nonlocal written, since
        alive = reference()
        if alive is None:
            return None
        try:
            now, sequence = _monotonic_ns(), alive.sequence
            if sequence != written:
                written, since = sequence, now
            elif now - since >= BEAT_EVERY_S * 1e9:
                alive.beat()
            alive.sync()
        except Exception as error:
            alive.doubt(error)
        return SYNC_EVERY_S

    return once


def clock(rank: str, *, in_utc: bool = False) -> bytes:
    """The payload that ties the process's monotonic clock to the time of day.

    `in_utc`: the times of the frames are UTC themselves.
    """
    if in_utc:
        now = time.time_ns()
        return _encode((int(Kind.CLOCK), now, now, os.getpid(), rank))
    before, now, after = _monotonic_ns(), time.time_ns(), _monotonic_ns()
    for _ in range(4):  # whatever runs between the readings parts them
        if after - before < _READING_NS:
            break
        before, now, after = _monotonic_ns(), time.time_ns(), _monotonic_ns()
    return _encode((int(Kind.CLOCK), now, after, os.getpid(), rank))
