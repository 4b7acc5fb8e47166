"""A run that begins in this process: of a script that nobody started, or of a job of a sweep.

A sweep of Hydra does many jobs in one process, each a run of its own, and a launcher of it makes
processes for them.
"""

import os
import sys
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from samebit import places
from samebit.capture import parsing, randomness
from samebit.folders.folder import RunFolder
from samebit.records import ExecutionStart
from samebit.session import beginning, coding, exiting, jobs, resuming, shortfall
from samebit.session.beginning import Wanted
from samebit.session.process import end_job, ends_with_the_process, here
from samebit.session.ranks import AROUND, around, program
from samebit.session.recording import Recording

__all__ = [
    "Asked",
    "begin_first_job",
    "begin_here",
    "begin_next_job",
    "does_jobs",
    "own_store",
    "say_too_late",
]


class Asked(Struct, frozen=True):
    """What `init()`, a door, or the sweep of a job asks of the run."""

    seed: int | None = None
    deterministic: bool = False
    name: str | None = None
    group: str | None = None
    resume: str | None = None  # a run that goes on


def begin_here(asked: Asked, of_sweep: ExecutionStart | None = None) -> Recording:
    """Begin a run in this process; what the script's exit completes.

    Args:
        asked: by whoever begins it.
        of_sweep: of a job, the start of the sweep that it is one of: its command is the job's.

    Raises:
        RunNotFound, AmbiguousRun, UsageError: of the run that is to be resumed.
        SamebitError, OSError: the store cannot be written.
    """
    start = beginning.starting(
        "init",
        sys.argv,
        _working_folder(),
        sys.executable,
        seed=asked.seed,
        deterministic=asked.deterministic,
        hash_seed=randomness.hash_seed(),
    )
    if of_sweep is not None:  # the process may be a launcher's own, with another command
        said = {"how": of_sweep.how, "argv": of_sweep.argv, "masked": of_sweep.masked}
        start = replace(start, **said, cwd=of_sweep.cwd)
    start = replace(start, shape=_shape())
    script = _script(of_sweep)
    store = own_store()
    settings = places.read_settings(store)
    is_within = "SAMEBIT_RUN" in os.environ
    wanted = Wanted(
        start,
        job=None if is_within else jobs.find_launched(os.environ),
        parent=Path(os.environ["SAMEBIT_RUN"]).name if is_within else None,
        group=asked.group,
        name=asked.name,
        resume=asked.resume,
    )
    begun = beginning.begin(store, wanted)
    rank = str(begun.job.rank) if begun.job is not None else "0"
    try:
        recording = Recording(
            begun.folder,
            begun.execution,
            settings,
            rank=rank,
            left=resuming.left_by(begun.folder, rank) if begun.execution > 1 else None,
        )
        process = begun.folder.claim_process(begun.execution, rank, program(sys.orig_argv))
        joined = {"rank": rank, "execution": begun.execution, "part": 1, "process": process}
        recording.fact("joined", {**joined, "launched": begun.job is not None, "restart": 0})
    except BaseException as error:
        if begun.is_first:
            shortfall.abandon(begun.folder, begun.execution, error)
        raise
    here.active = recording
    here.writes_end = begun.is_first
    here.sending = beginning.sending_of(begun, settings)
    os.environ[AROUND] = around(begun.folder.path, begun.execution)
    ends_with_the_process()
    exiting.watch()
    recording.next_job, recording.job_over = begin_next_job, end_job
    recording.job.is_whole = of_sweep is not None
    recording.begin(seed=asked.seed, deterministic=asked.deterministic)
    if of_sweep is None:
        recording.taken_by_init(looks_back=True)
    if begun.problem is not None:
        recording.problem(*begun.problem)
    say_too_late(recording, deterministic=asked.deterministic)
    if begun.is_first:
        where = script.parent if script is not None else Path(_working_folder())
        coding.begin(recording, where, script)
    return recording


def _shape() -> str:
    """Of which tracker ours stands in its place here, by the `samebit run --as` around."""
    around_it = os.environ.get("SAMEBIT_RUN")
    if around_it is None:
        return ""
    return RunFolder(Path(around_it)).start(int(os.environ["SAMEBIT_EXECUTION"])).shape


def _script(of_sweep: ExecutionStart | None) -> Path | None:
    """The script of a run that begins here; None where none is known."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if of_sweep is not None and of_sweep.how == "script":
        main = os.path.join(of_sweep.cwd, of_sweep.argv[0])
    elif does_jobs() and main is not None and parsing.is_installed(main):  # a launcher's own
        main = os.path.join(_working_folder(), sys.argv[0])
        if parsing.is_installed(main):
            return None
    return Path(main).absolute() if main and Path(main).is_file() else None


def say_too_late(recording: Recording, *, deterministic: bool) -> None:
    """Mark what makes a run repeatable and can only be set before its interpreter starts."""
    for line in randomness.too_late(deterministic):
        what, _, detail = line.partition(": ")
        recording.problem(f"too late for {what}", f"{detail}; `samebit run` sets it in time")


def does_jobs() -> bool:
    """Whether a launcher of Hydra has made this process for jobs of a sweep, of which it does one.

    What such a job forks is a worker as any.
    """
    if os.getpid() != here.pid or "hydra.core.hydra_config" not in sys.modules:
        return False
    from samebit.capture.composed import is_in_job  # noqa: PLC0415  (for Hydra alone)

    return is_in_job()


def begin_next_job(before: Recording) -> None:
    """A further job of a sweep begins in this process: a run of its own, begun as the first was."""
    if before is here.active:  # where Hydra did not say that it was over
        end_job(before, None)
    start, group = before.folder.start(before.execution), before.folder.record().group
    _begin_job(start, group)


def begin_first_job(found: parsing.Parsed, around: str, execution: str) -> None:
    """A process that a launcher of Hydra made within `samebit run` begins a job: it is a run.

    A script that does a sweep itself, in a process that a recorded one started, stays unrecorded.
    """
    if found.job is not None and not found.at and here.active is None:
        folder = RunFolder(Path(around))
        _begin_job(folder.start(int(execution)), folder.record().group)


def _begin_job(start: ExecutionStart, group: str | None) -> None:
    here.taken = True
    here.of_job = begin_here(Asked(start.seed, start.deterministic, group=group), start)


def own_store() -> Path:
    """The store of what this process begins, made where there is none."""
    return places.make_store(places.choose_store(Path(_working_folder())))


def _working_folder() -> str:
    """The working folder, as it was before Hydra changed into that of its output."""
    if "hydra.core.hydra_config" not in sys.modules:
        return os.getcwd()
    from samebit.capture.composed import first_folder  # noqa: PLC0415  (for Hydra alone)

    return first_folder()
