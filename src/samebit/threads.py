"""The threads of our own, of which none is there while the script forks.

From Python 3.12 on a fork in a process with other threads is warned of, and with `-W error` fails:
a script that has none would be warned because of ours. So each ends before `os.fork()`, and begins
again after it (docs/design/009-no-thread-at-a-fork.md).
"""

import functools
import itertools
import operator
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["Helper"]

_PATIENCE_S = 1.0  # of a fork with a piece of work that is being done; once for each piece
_GLANCE_S = 50e-6

_begun: "dict[Helper, None]" = {}  # a dict: its copy is made in one go
_forker: int | None = None  # the thread that forks, until ours have begun again
_installed: list[bool] = []


class Helper:
    """A thread that does jobs in their order, and something of its own from time to time.

    Args:
        name: of the thread.
        tick: done when its time has come; gives the seconds until the next time, None to end.
        first_s: seconds until it is first done.
    """

    def __init__(
        self, name: str, tick: Callable[[], float | None] | None = None, first_s: float = 0.0
    ) -> None:
        self._name = name
        self._tick = tick
        self._due = None if tick is None else time.monotonic() + first_s
        # A queue that may be filled while it is being filled: by a signal handler or a finalizer.
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stops = False  # as soon as the job at hand is done
        self._leaves = False  # when no job is left
        self._pieces = 0  # of work that were begun
        self._waited_for = -1

    @property
    def runs(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None

    def begin(self) -> None:
        """Have the thread run, now or after the fork that is under way."""
        _install()
        _begun[self] = None
        if _forker is None:
            self.go_on()
        elif _forker == threading.get_ident():  # what this thread did was no fork: it failed
            _go_on()
            self.go_on()  # of this one it is told that no thread can be had

    def do(self, job: Callable[[], object]) -> None:
        """Have a job done on the thread; it begins with the first."""
        self._jobs.put(job)
        if self._thread is None:
            self.begin()

    def finish(self, wait_s: float | None = None) -> bool:
        """Wait until all jobs are done and the thread has ended.

        False where that took longer: the job at hand goes on, and those after it are not done.
        """
        _begun.pop(self, None)
        self._leaves = True
        if self._thread is not None or not self._jobs.empty():
            try:
                self.go_on()
            except Exception:
                pass  # no thread can be had: the interpreter ends, or the script took them away
        thread = self._thread
        self._jobs.put(None)
        if thread is not None:
            thread.join(wait_s)
            if thread.is_alive():
                self._stops = True
                return False
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None:
                job()
        return True

    def leave(self) -> None:
        """End after the job at hand, and do not wait for it."""
        _begun.pop(self, None)
        self.pause()

    def pause(self) -> None:
        """End after the job at hand, to `go_on` later."""
        self._stops = True
        self._jobs.put(None)

    def wait(self, until: float) -> None:
        """Wait until the thread has ended, but not twice for one piece of work."""
        thread, piece = self._thread, self._pieces
        if thread is None or thread is threading.current_thread() or self._waited_for == piece:
            return
        thread.join(max(until - time.monotonic(), 0))
        if thread.is_alive():
            self._waited_for = piece
            return
        # Joined, it may still be on its last steps, in which the kernel counts it.
        own = f"/proc/self/task/{thread.native_id}"
        while os.path.exists(own) and time.monotonic() < until:
            time.sleep(_GLANCE_S)

    def go_on(self) -> None:
        """Begin the thread, unless it is there."""
        with self._lock:
            self._stops = False
            if self._thread is None:
                # Named at once: `Thread` would count it, and the script's own be called Thread-2.
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread = thread  # before it starts: a signal handler may come here, too
                try:
                    thread.start()
                except BaseException:
                    self._thread = None
                    raise

    def forget(self) -> None:
        """In a forked child, where the thread is not: nothing is taken up again."""
        self._lock = threading.RLock()
        self._thread = None

    def _work(self) -> None:
        while not self._has_ended():
            try:
                job = self._jobs.get(timeout=self._wait_s())
            except Empty:
                job = None if self._leaves else self._tick_now
            self._pieces += 1
            if job is not None:
                job()
            del job  # and what it holds: it may be a model's whole state

    def _has_ended(self) -> bool:
        with self._lock:  # `go_on` either finds the thread gone, or is in time for it
            ends = self._stops or (self._leaves and self._jobs.empty())
            if ends:
                self._thread = None
            return ends

    def _wait_s(self) -> float | None:
        if self._leaves:
            return 0
        return None if self._due is None else max(self._due - time.monotonic(), 0)

    def _tick_now(self) -> None:
        next_s = None if self._tick is None else self._tick()
        if next_s is None:
            self.leave()
        else:
            self._due = time.monotonic() + next_s


def _install() -> None:
    if _installed or not hasattr(os, "fork"):
        return
    _installed.append(True)
    os.register_at_fork(after_in_child=_in_child)
    for name in ("fork", "forkpty"):
        if hasattr(os, name):
            setattr(os, name, _around(getattr(os, name)))


def _around(fork: Any) -> Any:
    """A fork that meets no thread of ours.

    It calls without a frame of its own: Python's warning, where the script has threads, is about
    the line that called it. What `register_at_fork` calls in the parent would begin them too early:
    Python counts after that.
    """
    forks = map(_after, map(operator.call, map(_before, itertools.repeat(fork))))
    return functools.update_wrapper(functools.partial(next, forks), fork)


def _before(fork: Any) -> Any:
    global _forker
    _forker = threading.get_ident()
    try:
        until = time.monotonic() + _PATIENCE_S
        helpers = tuple(_begun)
        for helper in helpers:
            helper.pause()
        for helper in helpers:
            helper.wait(until)
    except Exception:
        pass  # then it meets a thread, as it would have
    return fork


def _after(forked: Any) -> Any:
    if _begun:
        _go_on()
    return forked


def _go_on() -> None:
    global _forker
    _forker = None
    for helper in tuple(_begun):
        try:
            helper.go_on()
        except Exception:
            pass  # no thread can be had now: the next job tries again


def _in_child() -> None:
    global _forker
    _forker = None
    for helper in _begun:
        helper.forget()
    _begun.clear()
