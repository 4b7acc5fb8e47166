"""Runs as processes of this machine, a few at once, each in a session of its own.

So Ctrl-C at the controller's terminal does not reach them, and they go on where it is killed; a
later one finds them again by what their runs say of their processes. Each has processors and
graphics cards of its own; what is left of its session when its run is over is ended.
"""

import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from samebit.errors import CannotStart, NotFound, UsageError
from samebit.launch import alive, families
from samebit.studies.places.place import Handle, Job, Look

__all__ = ["CARDS", "Local", "processors", "visible_cards"]

CARDS = "CUDA_VISIBLE_DEVICES"
T = TypeVar("T")
_LEFT_S = 5.0  # for what a run leaves behind, when it is asked to end


class _Process(Struct):
    """A job as a process: started by us, or found again by pid, start time and boot."""

    job: Job
    child: "subprocess.Popen[bytes] | None" = None
    found: tuple[int, int, str] | None = None
    processors: tuple[int, ...] = ()  # its own
    cards: tuple[str, ...] = ()
    has_ended: bool = False  # by itself, when it was looked at last
    asked: float | None = None  # when what it has left behind was asked to end

    @property
    def pid(self) -> int:
        """Its process id, and that of its session."""
        return self.child.pid if self.child is not None else (self.found or (0, 0, ""))[0]


class Local:
    """So many processes at once on this machine, each with so many of the visible cards.

    Raises UsageError where these are too few.
    """

    name = "local"

    def __init__(self, jobs: int, *, gpus: int = 0, cards: Sequence[str] | None = None) -> None:
        self.jobs = self.takes = jobs
        self._gpus = gpus
        self._cards = [] if not gpus else visible_cards() if cards is None else list(cards)
        if jobs * gpus > len(self._cards):
            raise UsageError(
                f"too few graphics cards for {jobs} at once with {gpus} each",
                visible=", ".join(self._cards) or "none",
                hint=f"fewer --jobs or --gpus; {CARDS} says which may be used",
            )
        each = f", {gpus} of the graphics cards {','.join(self._cards)} for each" if gpus else ""
        self.where = f"on this machine, {jobs} at once{each}"
        self._going: list[_Process] = []

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Start each; what it prints goes into its log."""
        for job in jobs:
            try:
                yield self._start(job)
            except OSError as error:
                raise CannotStart(
                    f"cannot start a run: {error.strerror}", command=job.argv[0], folder=job.cwd
                ) from error

    def _start(self, job: Job) -> _Process:
        self._going = [one for one in self._going if not self._look(one).is_over]
        may = processors()
        its = _least_used(may, (one.processors for one in self._going), job.threads)
        cards = _least_used(self._cards, (one.cards for one in self._going), self._gpus)
        environ = {**job.environ, CARDS: ",".join(cards)} if cards else job.environ
        _keep_to(its)
        try:
            with open(job.log, "ab") as log:
                child = subprocess.Popen(
                    list(job.argv),
                    env=dict(environ),
                    cwd=job.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            _keep_to(may if its else ())
        self._going.append(_Process(job, child, processors=its, cards=cards))
        return self._going[-1]

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """How it is with each."""
        return [self._look(handle) for handle in handles if isinstance(handle, _Process)]

    def wait(self, handles: Sequence[Handle], most_s: float) -> None:
        """Until one ends. Those that have ended, of which something is left, end nothing more."""
        ours = [one for one in handles if isinstance(one, _Process)]
        alive.wait_for_end([one.pid for one in ours if not one.has_ended], most_s)

    def _look(self, process: _Process) -> Look:
        if process.child is not None:
            code = process.child.poll()
            process.has_ended = code is not None
        else:
            assert process.found is not None
            process.has_ended, code = alive.is_alive(*process.found) is False, None
        is_over = process.has_ended and _leaves_nothing(process)
        return Look(True, code) if is_over else Look(False)

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """SIGTERM to the supervisor, which passes it on; or SIGKILL to all of the session."""
        if not isinstance(handle, _Process) or self._look(handle).is_over:
            return
        if at_once:
            families.end_all(families.in_session(handle.pid), signal.SIGKILL)
        else:
            families.end_all([handle.pid], signal.SIGTERM)

    def reconnect(self, job: Job) -> Handle | None:
        """By the process that the run's record names, where that lives on this machine."""
        try:
            start = job.run.start(max(job.run.executions()))
        except (NotFound, ValueError):
            return None
        process = (start.pid, start.pid_started, start.boot)
        if start.host != socket.gethostname() or not alive.is_alive(*process):
            return None
        its = tuple(processors(start.pid)) if job.threads else ()
        self._going.append(_Process(job, None, process, its, _cards_of(start.pid)))
        return self._going[-1]


def _leaves_nothing(process: _Process) -> bool:
    """Whether nothing of a job's session is left, once its run is over; what is, is ended.

    Where the supervisor was killed the run is not over: what goes on is the run.
    """
    if not families.is_known() or not _has_ended(process):
        return True
    left = families.in_session(process.pid)
    if not left:
        return True
    now = time.monotonic()
    if process.asked is None:
        process.asked = now
        families.end_all(left, signal.SIGTERM)
    elif now - process.asked > _LEFT_S:
        families.end_all(left, signal.SIGKILL)
    return False


def _has_ended(process: _Process) -> bool:
    if not process.job.away:
        return process.job.run.has_ended()
    # Its run is not here yet; what makes it ends by itself when that is over and sent.
    return process.child is not None and (process.child.returncode or 0) >= 0


def _least_used(among: Sequence[T], used: Iterable[Sequence[T]], count: int) -> tuple[T, ...]:
    """So many of what there is, in its order, that the fewest others have."""
    times = Counter(one for those in used for one in those)
    chosen = sorted(among, key=times.__getitem__)[:count]
    return tuple(one for one in among if one in chosen)


def _keep_to(those: Sequence[int]) -> None:
    """Have this thread, and so what it starts, use these processors alone; none: as it is."""
    if those and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, those)


def processors(pid: int = 0) -> list[int]:
    """The processors that a process may use; else this one."""
    affinity = getattr(os, "sched_getaffinity", None)
    try:
        return sorted(affinity(pid)) if affinity is not None else [*range(os.cpu_count() or 1)]
    except OSError:  # it has just ended
        return []


def visible_cards(
    environ: Mapping[str, str] = os.environ, folder: Path = Path("/proc/driver/nvidia/gpus")
) -> list[str]:
    """The graphics cards that CUDA lets us use, as CUDA_VISIBLE_DEVICES names them."""
    said = environ.get(CARDS)
    if said is not None:
        return _named(said)
    try:
        return [str(number) for number, _ in enumerate(os.listdir(folder))]
    except OSError:
        return []


def _named(said: str) -> list[str]:
    names = [name.strip() for name in said.split(",")]
    # CUDA stops at the first that is none.
    return names[: next((n for n, name in enumerate(names) if name in ("", "-1")), len(names))]


def _cards_of(pid: int) -> tuple[str, ...]:
    """Those that a process was started with."""
    try:
        lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ()
    start = f"{CARDS}=".encode()
    said = [
        line[len(start) :].decode("utf-8", "replace")
        for line in lines
        if line[: len(start)] == start
    ]
    return tuple(_named(said[0])) if said else ()
