"""The promise of a place where runs are made: start one, look, end one, find one again."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from samebit.folders.folder import RunFolder

__all__ = ["IN_VAIN", "Handle", "Job", "Look", "Place"]

# What a place says of a job begins so where another start would end as this one did.
IN_VAIN = ("OUT_OF_MEMORY", "TIMEOUT")


class Job(Struct, frozen=True):
    """A command that makes one run."""

    key: str  # `<study>-<trial>-<attempt>`: no other job ever has it
    argv: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path
    log: Path  # what it prints outside of its run
    run: RunFolder  # where its run will be
    threads: int = 0  # for which a place keeps processors free; 0: as the environment has it
    name: str = ""  # of its study, for whoever looks at the place
    away: bool = False  # where it runs neither `cwd` nor `log` need be seen, and nothing of `run`
    goes_on: Sequence[str] = ()  # says there by its exit code whether the run can go on, where away


class Handle(Protocol):
    """A job that was submitted; what is in it is its place's own."""

    @property
    def job(self) -> Job:
        """Which."""
        ...


class Look(Struct, frozen=True):
    """How it is with a job, as the place sees it. How its run went, the run says."""

    is_over: bool
    exit_code: int | None = None  # None while it goes on, and where the place does not know
    said: str = ""  # by the place: why it waits, or what ended it that its run cannot know of


class Place(Protocol):
    """Where runs are made. Called by one thread.

    A place promises: a job that was submitted is started at most once; `look` says that it is over
    only when nothing of it will write any more, as far as the place can know; a job goes on when
    the process that submitted it dies, and `reconnect` finds it then; jobs do not get the Ctrl-C
    that is meant for whoever submitted them.
    """

    name: str
    where: str  # for people
    jobs: int  # so many run at once
    takes: int  # so many may be submitted at a time; above `jobs` they wait there

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        """Have jobs started, in this order; a handle comes when its job has been submitted.

        Raises CannotStart where one cannot be; those whose handles came before are.
        """
        ...

    def look(self, handles: Sequence[Handle]) -> list[Look]:
        """How it is with each, in this order."""
        ...

    def wait(self, handles: Sequence[Handle], most_s: float) -> None:
        """Return after so many seconds, or sooner where `look` may say something else of one."""
        ...

    def cancel(self, handle: Handle, *, at_once: bool = False) -> None:
        """Ask a job to end, or end it; what is over already is left alone."""
        ...

    def reconnect(self, job: Job) -> Handle | None:
        """A job that an earlier process submitted and that goes on; None where there is none."""
        ...
