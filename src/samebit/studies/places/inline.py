"""Runs one after the other, at this terminal, each waited for: for looking into what goes wrong.

A debugger, `input()` and what is printed are there as in `samebit run`; Ctrl-C reaches it, too.
"""

import subprocess
from collections.abc import Iterator, Sequence

from msgspec import Struct

from samebit.errors import CannotStart
from samebit.studies.places.local import Local
from samebit.studies.places.place import Handle, Job, Look

__all__ = ["Inline"]


class _Over(Struct, frozen=True):
    job: Job
    exit_code: int


class Inline:
    """One run at a time; its handle comes when it is over."""

    name = "inline"
    where = "at this terminal, one after the other"
    jobs = takes = 1

    def __init__(self) -> None:
        self._left = Local(1)  # for what a controller that was killed has left running

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Run each to its end."""
        for job in jobs:
            try:
                child = subprocess.Popen(list(job.argv), env=dict(job.environ), cwd=job.cwd)
            except OSError as error:
                raise CannotStart(
                    f"cannot start a run: {error.strerror}", command=job.argv[0], folder=job.cwd
                ) from error
            try:
                yield _Over(job, child.wait())
            except KeyboardInterrupt as stop:
                if stop.args:  # by a signal that came to us alone
                    child.terminate()
                child.wait()  # a Ctrl-C of the terminal has reached it, too
                raise

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """They are over, but for one that was found again."""
        return [
            Look(True, handle.exit_code)
            if isinstance(handle, _Over)
            else self._left.look([handle])[0]
            for handle in handles
        ]

    def wait(self, handles: Sequence[Handle], most_s: float) -> None:
        """Not at all where one is over; else for one that was found again."""
        if not any(isinstance(one, _Over) for one in handles):
            self._left.wait(handles, most_s)

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """Nothing is left to end, but for one that was found again."""
        if not isinstance(handle, _Over):
            self._left.cancel(handle, at_once=at_once)

    def reconnect(self, job: Job) -> Handle | None:
        """As for processes of this machine."""
        return self._left.reconnect(job)
