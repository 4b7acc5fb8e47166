"""The run and execution that a process records into: a new one, one that goes on, or a job's.

`samebit run` and `init()` begin alike. Of a job of several processes rank 0 begins, and the others
take what it began; where it does not come in time, they are runs of their own.
"""

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from samebit.capture import secrets
from samebit.errors import UsageError
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder, Trial
from samebit.launch import alive
from samebit.places import Settings
from samebit.records import ExecutionStart
from samebit.session import jobs, resuming, shortfall
from samebit.session.jobs import Job

if TYPE_CHECKING:
    from samebit.launch.sending import Sending

__all__ = ["AUTO", "Begun", "Wanted", "begin", "sending_of", "starting"]

AUTO = "auto"  # in place of a run: the one of this job before it was requeued, else a new one
_FOR_EVER_S = float("inf")


class Wanted(Struct, frozen=True):
    """What is to be begun."""

    start: ExecutionStart  # its number is found out
    job: Job | None = None
    kind: str = "run"
    of: str | None = None
    parent: str | None = None
    group: str | None = None
    name: str | None = None
    resume: str | None = None  # a run, or AUTO
    batch: Job | None = None  # where AUTO looks: an mpirun has another name after a requeue
    goes_on: RunFolder | None = None  # a replay of which this is a further execution
    trial: Trial | None = None  # of a study


class Begun(Struct, frozen=True):
    """What was begun."""

    folder: RunFolder
    execution: int
    job: Job | None = None  # with which other processes, where there are any
    problem: tuple[str, str] | None = None  # what, detail: of something that went otherwise
    sending: "Sending | None" = None  # by which it is pushed

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for the execution: takes the code, writes how it ended."""
        return self.job is None or self.job.rank == 0


def starting(
    how: str,
    words: Sequence[str],
    cwd: str,
    python: str,
    *,
    seed: int | None,
    deterministic: bool,
    hash_seed: str | None,
) -> ExecutionStart:
    """What is known of an execution that this process begins now; its number is found out.

    Args:
        how: script, module, command, or init.
        words: the command behind the interpreter; what is secret in it is masked.
        cwd: its working folder.
        python: its interpreter.
        seed: that we give it.
        deterministic: whether we switch to deterministic algorithms.
        hash_seed: its PYTHONHASHSEED; None where it has none.
    """
    arguments, masked = secrets.mask_arguments(words)
    return ExecutionStart(
        number=0,
        started_ns=time.time_ns(),
        how=how,
        argv=tuple(arguments),
        masked=tuple(masked),
        cwd=cwd,
        python=python,
        host=socket.gethostname(),
        boot=alive.boot_id(),
        pid=os.getpid(),
        pid_started=alive.process_started(os.getpid()) or 0,
        user=runs.user_name(),
        seed=seed,
        deterministic=deterministic,
        hash_seed=hash_seed,
    )


def sending_of(begun: Begun, settings: Settings) -> "Sending | None":
    """Have a run pushed by itself, if that is wanted; what goes wrong with it never matters."""
    if not begun.is_first or settings.push_auto == "off":
        return None
    from samebit.launch.sending import Sending  # noqa: PLC0415  (most runs stay where they are)

    try:
        return Sending(begun.folder.store, settings, begun.folder.id)
    except OSError:
        return None


def begin(store: Path, wanted: Wanted) -> Begun:
    """Begin a run or go on with one, or take the one that rank 0 of the job has begun.

    Raises:
        RunNotFound, AmbiguousRun, UsageError: of the run that is to be resumed.
        SamebitError, OSError: the store cannot be written.
    """
    job = wanted.job
    if job is None:
        return _begin_first(store, wanted, 1)
    turn = jobs.take_turn(store, job)
    if job.rank == 0:
        return _begin_first(store, wanted, turn)
    found = jobs.wait(store, job, turn)
    if found is not None:
        return Begun(RunFolder(store / "runs" / found[0]), found[1], job)
    alone = _begin_first(store, replace(wanted, job=None, batch=None), turn)
    what = f"rank 0 of {job.name} began no run: rank {job.rank} is a run of its own"
    return replace(alone, problem=("the other ranks", what))


def _begin_first(store: Path, wanted: Wanted, turn: int) -> Begun:
    job = wanted.job
    known = [] if job is None else [(job, turn)]  # under which names the run is found
    if wanted.batch is not None and wanted.batch != job:
        known = [(wanted.batch, jobs.take_turn(store, wanted.batch)), *known]
    again = wanted.goes_on or _to_resume(store, wanted, known)
    folder = again or runs.begin(
        store,
        kind=wanted.kind,
        of=wanted.of,
        parent=wanted.parent,
        group=wanted.group,
        name=wanted.name,
        trial=wanted.trial,
    )
    start = wanted.start
    if job is not None:
        start = replace(start, job=job.name, ranks=job.ranks)
    execution: int | None = None
    try:
        alone = again is not None and wanted.trial is not None
        execution = folder.begin_execution(start, alone=alone).number
        if again is not None and wanted.name is not None:
            folder.add_note("name", wanted.name)
        for name, its_turn in known:
            jobs.publish(store, name, its_turn, folder.id, execution)
    except BaseException as error:
        if again is None or execution is not None:
            shortfall.abandon(folder, execution, error)
        raise
    return Begun(folder, execution, job)


def _to_resume(store: Path, wanted: Wanted, known: Sequence[tuple[Job, int]]) -> RunFolder | None:
    """The run that goes on; None for a new one."""
    if wanted.resume is None or wanted.resume == AUTO:
        job, turn = known[0] if known else (None, 0)
        if wanted.trial is not None and wanted.resume == AUTO:
            return _run_of(store, wanted.trial, is_again=job is not None and job.restart > 0)
        if job is None or (wanted.resume is None and not job.restarts_go_on):
            return None
        return _before_restart(store, job, turn)
    folder = resuming.find_resumable(store, wanted.resume)
    group = folder.record().group
    if wanted.group is not None and wanted.group != group:
        raise UsageError(f"run {folder.id} keeps the group it has: {group or 'none'}")
    return folder


def _run_of(store: Path, trial: Trial, *, is_again: bool) -> RunFolder | None:
    """The run of a trial that goes on; None for a new one.

    Whoever controls the study says that it does, or the very same job is started again; where the
    run cannot go on then, a new one is for the controller to begin.
    """
    own = RunFolder(store / "runs" / trial.run)
    if is_again:
        return own if own.path.is_dir() and resuming.can_go_on(own) else None
    if trial.execution == 1:
        return None
    if len(own.executions()) != trial.execution - 1 or not resuming.can_go_on(own):
        raise UsageError(
            f"run {own.id} does not go on: it does already, or has no checkpoint any more",
            hint="the command of its study says what next",
        )
    return own


def _before_restart(store: Path, job: Job, turn: int) -> RunFolder | None:
    """The run that this command of the job had before; it may not have come so far each time."""
    for restart in reversed(range(job.restart)):
        before = replace(job, restart=restart)
        found = jobs.read(store, before, turn, within_s=_FOR_EVER_S)
        if found is not None and (store / "runs" / found[0]).is_dir():
            return RunFolder(store / "runs" / found[0])
    return None
