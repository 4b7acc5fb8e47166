"""Runs as processes of this machine, a few at once, each in a session of its own.

So Ctrl-C at the controller's terminal does not reach them, and they go on where it is killed; a
later one finds them again by what their runs say of their processes.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence

from msgspec import Struct

from samebit.errors import CannotStart, NotFound
from samebit.launch import alive
from samebit.studies.places.place import Handle, Job, Look

__all__ = ["Local", "processors"]


class _Process(Struct):
    """A job as a process: started by us, or found again by pid, start time and boot."""

    job: Job
    child: "subprocess.Popen[bytes] | None" = None
    found: tuple[int, int, str] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid if self.child is not None else (self.found or (0, 0, ""))[0]


class Local:
    """So many processes at once on this machine."""

    name = "local"

    def __init__(self, jobs: int) -> None:
        self.jobs = self.takes = jobs
        self.where = f"on this machine, {jobs} at once"

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Start each; what it prints goes into its log."""
        for job in jobs:
            try:
                with open(job.log, "ab") as log:
                    child = subprocess.Popen(
                        list(job.argv),
                        env=dict(job.environ),
                        cwd=job.cwd,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except OSError as error:
                raise CannotStart(
                    f"cannot start a run: {error.strerror}", command=job.argv[0], folder=job.cwd
                ) from error
            yield _Process(job, child)

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """How it is with each."""
        return [_look(handle) for handle in handles if isinstance(handle, _Process)]

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """SIGTERM to the supervisor, which passes it on; or SIGKILL to all of the session."""
        if not isinstance(handle, _Process) or _look(handle).is_over:
            return
        try:
            if at_once:
                os.killpg(handle.pid, signal.SIGKILL)
            else:
                os.kill(handle.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has just ended

    def reconnect(self, job: Job) -> Handle | None:
        """By the process that the run's record names, where that lives on this machine."""
        try:
            start = job.run.start(max(job.run.executions()))
        except (NotFound, ValueError):
            return None
        process = (start.pid, start.pid_started, start.boot)
        if start.host != socket.gethostname() or not alive.is_alive(*process):
            return None
        return _Process(job, found=process)


def _look(process: _Process) -> Look:
    if process.child is not None:
        code = process.child.poll()
        return Look(code is not None, code)
    assert process.found is not None
    return Look(alive.is_alive(*process.found) is False)


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
