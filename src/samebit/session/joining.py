"""The run of a script that asks for one: that of `samebit run`, or one that begins here.

`init()` asks, or a door that the script has; how a process comes into the run that `samebit run`
started it for is in `entering.py`.
"""

from typing import Any

from samebit.capture import console, randomness
from samebit.errors import RunNotFound, SamebitError, UsageError
from samebit.folders.folder import RunFolder
from samebit.session import resuming
from samebit.session.beginning_here import Asked, begin_here, does_jobs, own_store, say_too_late
from samebit.session.entering import meet_rank
from samebit.session.process import end, here
from samebit.session.ranks import is_worker
from samebit.session.recording import Recording
from samebit.session.run import Run

__all__ = ["begin_for_a_door", "init"]


def init(
    config: Any = None,
    *,
    seed: int | None = None,
    deterministic: bool = False,
    name: str | None = None,
    group: str | None = None,
    volatile: tuple[str, ...] | list[str] = (),
    resume: str | None = None,
) -> Run:
    """Begin a run in this process, or join the one that `samebit run` began.

    Args:
        config: the hyper-parameters: a mapping, a dataclass, an argparse namespace, a pydantic
            model; values that are not plain keep a readable text.
        seed: 0 to 2^32 - 1; seeds Python, NumPy and PyTorch with this same number, as people's own
            seed functions do, also those imported later.
        deterministic: switch to deterministic algorithms, strictly. What has to be set before the
            interpreter starts is named as too late; `samebit run --deterministic` sets it in time.
        name: a name for people; need not be unique.
        group: runs that belong together.
        volatile: names (or patterns) of metrics that are facts of clock or machine, never judged.
        resume: a run that goes on here: its id, the beginning of it, or its name. What it logs
            again counts instead of what it had logged from there on.

    Returns:
        The run. A second call in one process ends the first run and begins another; the first one
        joins what a door (a callback, `autolog()`, `wandb.init`) has begun.

    Raises:
        UsageError: for wrong arguments. Everything else that goes wrong is said once, and training
            goes on without a record.
        RunNotFound, AmbiguousRun: there is no such run to resume.
    """
    if seed is not None:
        randomness.check_seed(seed)
    for argument, value in (("name", name), ("group", group), ("resume", resume)):
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{argument} must be a text, not {value!r}")
    if not isinstance(deterministic, bool):
        raise UsageError(f"deterministic must be True or False, not {deterministic!r}")
    if not isinstance(volatile, (list, tuple)) or not all(isinstance(n, str) for n in volatile):
        raise UsageError(f"volatile must be a list of texts, not {volatile!r}")
    asked = Asked(seed, deterministic, name, group, resume)
    if not _may_record():
        _set(asked)
        return Run(None, end)
    try:
        recording = _join_or_begin(_to_join(resume), asked)
        here.door = None  # what a door began is the script's from now on
        here.taken = here.taken or recording is here.supervised
    except Exception as error:
        if resume is not None and isinstance(error, (UsageError, RunNotFound)):
            raise
        _keeps_none(error)
        _set(asked)  # the numbers of a training do not depend on its record
        return Run(None, end)
    if config is not None:
        recording.set_config(config)
    if volatile:
        recording.fact("volatile", list(volatile))
    return Run(recording, end)


def _keeps_none(error: Exception) -> None:
    text = str(error) if isinstance(error, SamebitError) else f"{type(error).__name__}: {error}"
    console.say(f"samebit: no record is kept: {text}")


def _may_record() -> bool:
    """Whether this process is none that multiprocessing made, or does a job, or is a rank."""
    if not is_worker() or does_jobs():
        return True
    meet_rank()
    return here.supervised is not None and here.supervised.is_here


def _set(asked: Asked) -> None:
    if asked.deterministic:
        randomness.make_deterministic()
    if asked.seed is not None:
        randomness.seed_everything(asked.seed)


def begin_for_a_door(
    name: str | None = None, group: str | None = None, resume: str | None = None
) -> bool:
    """As `init` of a script that says nothing more, but that an `init` of its own still joins.

    Returns:
        Whether there is a run now; where there is none it was said why.

    Raises:
        UsageError, RunNotFound, AmbiguousRun: there is no such run to resume.
    """
    if not _may_record():
        return False
    try:
        waits = None if here.entered else _waiting(resume)
        recording = _join_or_begin(waits, Asked(name=name, group=group, resume=resume))
    except Exception as error:
        if resume is not None and isinstance(error, (UsageError, RunNotFound)):
            raise
        _keeps_none(error)
        return False
    is_supervised = recording is here.supervised
    here.entered = here.entered or is_supervised
    # A replay of what a door began ends where that ended.
    is_begun = not is_supervised or recording.seeding.is_late
    here.door, here.is_over = recording if is_begun else None, False
    return True


def _to_join(resume: str | None) -> Recording | None:
    """The run that an `init()` of the script means: one that a door came into first, or none."""
    active, supervised = here.active, here.supervised
    of_job, here.of_job = here.of_job, None
    if of_job is not None and of_job is active and resume is None:
        return of_job
    if active is not None and active is here.door:
        return active if active.is_here and not here.is_over and resume is None else None
    if here.entered and not here.taken and supervised is not None and supervised is active:
        return supervised if _is_meant(supervised, resume) else None
    return _waiting(resume)


def _waiting(resume: str | None) -> Recording | None:
    """The run of `samebit run`, where nothing of the script has joined it."""
    supervised = here.supervised
    if supervised is None or here.taken or here.entered or not _is_meant(supervised, resume):
        return None
    # Of several Pythons that one command starts, each a run to its author, the first has it.
    role = here.role
    is_first = role.launched or role.again or supervised.folder.claim(supervised.execution, "init")
    return supervised if is_first else None


def _join_or_begin(there: Recording | None, asked: Asked) -> Recording:
    if there is None:
        if here.active is not None:
            end(here.active, "finished")
        return begin_here(asked)
    there.begin_seeding(seeded=asked.seed is not None)
    there.taken_by_init(looks_back=False)
    _set(asked)
    if asked.seed is not None or asked.deterministic:
        there.fact("asked", {"seed": asked.seed, "deterministic": asked.deterministic})
    if there.folder.record().kind != "replay":  # which has no name, so as not to have two
        _say_of(there, asked.name, asked.group)
    say_too_late(there, deterministic=asked.deterministic)
    return there


def _say_of(there: Recording, name: str | None, group: str | None) -> None:
    """A run that has no group gets its script's; of two the one that it began with counts."""
    if name is not None:
        there.folder.add_note("name", name)
    given = there.folder.record().group
    if group is None:
        return
    if given is None:
        there.folder.add_note("group", group)
    elif given != group:
        began = f"--group {given}" if there is here.supervised else f"the group {given} of a door"
        detail = f"the script's {group!r} is passed over: it was started with {began}"
        there.problem("group", detail)


def _is_meant(supervised: Recording, resume: str | None) -> bool:
    """Whether an `init()` here means the run that `samebit run` began."""
    if not supervised.is_here:
        return False
    if resume is not None and not _is_named(supervised.folder, resume):
        supervised.problem("resume", f"the script went on in run {resume}")
        return False
    return True


def _is_named(folder: RunFolder, resume: str) -> bool:
    """Whether a script that goes on with a run means this one; its replay goes on with itself."""
    record = folder.record()
    if record.kind != "replay":
        return resuming.find(own_store(), resume).id == folder.id
    return resuming.find(folder.store, resume).id in (folder.id, record.of)
