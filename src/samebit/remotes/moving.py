"""Many transfers at a time, bounded in memory and perhaps in speed; the first trouble ends all."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct

__all__ = ["Job", "Pace", "all_of", "move"]

_WORKERS = 16
_MOST_BYTES = 256 << 20  # that are held at a time
_GLANCE_S = 0.1

R = TypeVar("R")


class Job(Struct, frozen=True):
    """One transfer: how many bytes it will hold, and the function that does it."""

    size_bytes: int
    do: Callable[[], object]


class Pace:
    """How many bytes a second may pass, all workers together; None for as many as will."""

    def __init__(self, bytes_per_s: float | None = None) -> None:
        self._bytes_per_s = bytes_per_s
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, size_bytes: int) -> None:
        """Wait until so many bytes may pass."""
        if self._bytes_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + size_bytes / self._bytes_per_s
        time.sleep(max(0.0, begin - now))


class _Room:
    """Bytes that are held at a time; one job that is larger than all of it goes alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = 0

    def take(self, size_bytes: int, given_up: Callable[[], bool]) -> None:
        with self._changed:
            while self._held and self._held + size_bytes > _MOST_BYTES and not given_up():
                self._changed.wait(_GLANCE_S)
            self._held += size_bytes

    def give(self, size_bytes: int) -> None:
        with self._changed:
            self._held -= size_bytes
            self._changed.notify_all()


def move(jobs: Iterable[Job], *, workers: int = _WORKERS) -> None:
    """Do all jobs, in no order; raises what went wrong first, and begins nothing after that.

    The threads end with the process: somebody who stops it does not wait for an answer that does
    not come.
    """
    waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    trouble: list[BaseException] = []
    room = _Room()

    def work() -> None:
        while (job := waiting.get()) is not None:
            try:
                if not trouble:
                    job.do()
            except BaseException as error:
                trouble.append(error)
            finally:
                room.give(job.size_bytes)

    threads: list[threading.Thread] = []
    try:
        for job in jobs:
            if trouble:
                break
            room.take(job.size_bytes, lambda: bool(trouble))
            waiting.put(job)
            if len(threads) < workers:
                threads.append(threading.Thread(target=work, name="samebit-move", daemon=True))
                threads[-1].start()
    except BaseException:
        trouble.append(RuntimeError("given up"))
        raise
    finally:
        for _ in threads:
            waiting.put(None)
    for thread in threads:
        while thread.is_alive():  # in short waits, so that Ctrl-C is heard
            thread.join(_GLANCE_S)
    if trouble:
        raise trouble[0]


def all_of(functions: Iterable[Callable[[], R]], *, workers: int = _WORKERS) -> list[R]:
    """What small requests give, in their order."""
    every = list(functions)
    found: dict[int, R] = {}

    def ask(at: int) -> None:
        found[at] = every[at]()

    move((Job(1, lambda at=at: ask(at)) for at in range(len(every))), workers=workers)
    return [found[at] for at in range(len(every))]
