"""How a process comes into a run: started by `samebit run`, or by calling `init()`.

`samebit run` names the run in SAMEBIT_RUN (its folder), SAMEBIT_EXECUTION, and, for a replay,
SAMEBIT_RATES and SAMEBIT_SEEDS (a file). What is to end before its time has SAMEBIT_UNTIL (a step),
SAMEBIT_STOP (a file: when it is there), SAMEBIT_OPS (a step whose operations are noted). A Python
that it starts joins and writes its pid to SAMEBIT_PID; a rank of a launcher joins by its own RANK;
other children of what joined do not (`ranks.py`).
"""

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from samebit import places
from samebit.capture import console, parsing, randomness, secrets
from samebit.errors import RunNotFound, SamebitError, UsageError, in_a_line
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.launch import alive
from samebit.records import ExecutionStart
from samebit.session import beginning, coding, exiting, jobs, resuming, shortfall, spawned
from samebit.session.beginning import Wanted
from samebit.session.ends import Ends, OpsWanted
from samebit.session.process import end, end_job, ends_with_the_process, here, leave
from samebit.session.ranks import (
    AROUND,
    Role,
    around,
    find_around,
    find_role,
    is_spawned,
    is_worker,
    opens_files,
    program,
)
from samebit.session.recording import Recording
from samebit.session.run import Run
from samebit.session.watching import watch_child
from samebit.trace.budget import Rate

__all__ = ["begin_for_a_door", "enter", "init", "meet_rank"]


def enter() -> None:
    """Join the run that `samebit run` started this process for; called before the script."""
    role = find_role(os.environ, sys.orig_argv, os.getpid())
    run, execution = os.environ["SAMEBIT_RUN"], os.environ["SAMEBIT_EXECUTION"]
    if role is not None:
        _join(role, run, execution)
        return
    if "SAMEBIT_PID" in os.environ and opens_files(sys.orig_argv):
        _watch_child(int(os.environ["SAMEBIT_PID"]))
        parsing.watch_jobs(lambda found: _begin_first_job(found, run, execution))
    spawned.tell_rank(lambda rank: _join_spawned(rank, run, execution))


def meet_rank() -> None:
    """Have a process that multiprocessing made of what `init()` records join once it is a rank.

    Called where a script, or a door, comes to us in it: under `samebit run` `enter` did so before.
    """
    found = find_around(os.environ)
    if found is not None:
        spawned.tell_rank(lambda rank: _join_spawned(rank, *found))


def _join_spawned(rank: int, run: str, execution: str) -> None:
    """Join as a rank that the script made; it runs already, so nothing of ours may stop it."""
    if here.supervised is None:
        os.environ["SAMEBIT_OR_RUN_ANYWAY"] = "1"
        _join(Role(str(rank), launched=True), run, execution, begun=True)


def _join(role: Role, run: str, number: str, *, begun: bool = False) -> None:
    claimed: tuple[RunFolder, int] | None = None
    try:
        folder, execution = RunFolder(Path(run)), int(number)
        claimed = folder, execution
        os.environ["SAMEBIT_PID"] = str(os.getpid())
        if role.launched:
            os.environ["SAMEBIT_AS_RANK"] = "1"
        part = folder.claim_rank(execution, role.rank)
        process = folder.claim_process(execution, role.rank, program(sys.orig_argv))
        start = folder.start(execution)
        went_before = execution > 1 or role.restart > 0
        left = resuming.left_by(folder, role.rank) if went_before else None
        given = _given_back(role.rank, process)
        if left is not None and given is not None and execution > 1:
            left = resuming.as_recorded(left, given)
        recording = Recording(
            folder,
            execution,
            places.read_settings(folder.store),
            rank=role.rank,
            rates=_rates(role.rank),
            # One that has begun has drawn already, and may have seeded.
            given=None if begun else given,
            left=left,
            ends=_ends(),
            keep=(given or {}).get("keep") or (),
        )
        joined = {"rank": role.rank, "execution": execution, "part": part, "process": process}
        recording.writer.fact(
            "joined", {**joined, "launched": role.launched, "restart": role.restart}
        )
    except Exception as error:
        if claimed is not None:
            problem = {"what": "nothing was recorded", "detail": in_a_line(error)}
            leave(*claimed, role.rank, [problem])
        _cannot_record(error)
        return
    here.active = here.supervised = recording
    here.role = role
    recording.next_job, recording.job_over = _begin_next_job, end_job
    ends_with_the_process()
    # One that has begun may have seeded itself, and that wins.
    recording.begin(seed=None if begun else start.seed, deterministic=start.deterministic)


def _watch_child(keeper: int) -> None:
    try:
        watch_child(keeper, is_worker=is_spawned(sys.orig_argv))
    except Exception as error:
        sys.stderr.write(f"samebit: what this process opens is not recorded: {error}\n")


def _given_back(rank: str, process: str) -> Any:
    """What a replay gives back of its run's randomness; None where this is no replay."""
    path = os.environ.get("SAMEBIT_SEEDS")
    if path is None:
        return None
    given = json.loads(Path(path).read_bytes())
    return {name: _of_process(value, rank, process) for name, value in given.items()}


def _of_process(value: Any, rank: str, process: str) -> Any:
    if not isinstance(value, dict):
        return value
    by_process = value.get(rank, {})
    return by_process.get(process, by_process.get(""))  # "": the rank was one process


def _rates(rank: str) -> dict[tuple[int, int], Rate] | None:
    """The recorded sampling that a replay takes; None where this is none."""
    if "SAMEBIT_RATES" not in os.environ:
        return None
    by_rank = json.loads(os.environ["SAMEBIT_RATES"])
    return {(optimizer, count): (k, data) for optimizer, count, k, data in by_rank.get(rank, ())}


def _ends() -> Ends | None:
    """When this process is to end before its script does."""
    until, file = os.environ.get("SAMEBIT_UNTIL"), os.environ.get("SAMEBIT_STOP", "")
    ops = os.environ.get("SAMEBIT_OPS")
    if not (until or file or ops):
        return None
    return Ends(int(until) if until else None, file, OpsWanted(**json.loads(ops)) if ops else None)


def _cannot_record(error: Exception) -> None:
    """Before the script's first line, trouble stops; unless told otherwise."""
    text = str(error) if isinstance(error, SamebitError) else f"{type(error).__name__}: {error}"
    said = f"samebit: this run cannot be recorded: {text}\n"
    if os.environ.get("SAMEBIT_OR_RUN_ANYWAY"):
        console.say(said + "samebit: running it anyway, as you said")
        return
    console.say(said + "hint: `samebit run --or-run-anyway …` runs it without a record")
    os._exit(125)


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
    if not _may_record():
        _set(seed, deterministic)
        return Run(None, end)
    try:
        recording = _join_or_begin(_to_join(resume), seed, deterministic, name, group, resume)
        here.door = None  # what a door began is the script's from now on
        here.taken = here.taken or recording is here.supervised
    except Exception as error:
        if resume is not None and isinstance(error, (UsageError, RunNotFound)):
            raise
        _keeps_none(error)
        _set(seed, deterministic)  # the numbers of a training do not depend on its record
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
    if not is_worker() or _does_jobs():
        return True
    meet_rank()
    return here.supervised is not None and here.supervised.is_here


def _set(seed: int | None, deterministic: bool) -> None:
    if deterministic:
        randomness.make_deterministic()
    if seed is not None:
        randomness.seed_everything(seed)


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
        recording = _join_or_begin(waits, None, False, name, group, resume)
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


def _join_or_begin(
    there: Recording | None,
    seed: int | None,
    deterministic: bool,
    name: str | None,
    group: str | None,
    resume: str | None,
) -> Recording:
    if there is not None:
        there.begin_seeding(seeded=seed is not None)
        there.taken_by_init(looks_back=False)
        _set(seed, deterministic)
        if seed is not None or deterministic:
            there.fact("asked", {"seed": seed, "deterministic": deterministic})
        if there.folder.record().kind != "replay":  # which has no name, so as not to have two
            _say_of(there, name, group)
        _say_too_late(there, deterministic=deterministic)
        return there
    if here.active is not None:
        end(here.active, "finished")
    return _begin_here(seed, deterministic, name, group, resume)


def _does_jobs() -> bool:
    """Whether a launcher of Hydra has made this process for jobs of a sweep, of which it does one.

    What such a job forks is a worker as any.
    """
    if os.getpid() != here.pid or "hydra.core.hydra_config" not in sys.modules:
        return False
    from samebit.capture.composed import is_in_job  # noqa: PLC0415  (for Hydra alone)

    return is_in_job()


def _begin_next_job(before: Recording) -> None:
    """A further job of a sweep begins in this process: a run of its own, begun as the first was."""
    if before is here.active:  # where Hydra did not say that it was over
        end_job(before, None)
    start, group = before.folder.start(before.execution), before.folder.record().group
    _begin_job(start, group)


def _begin_first_job(found: parsing.Parsed, around: str, execution: str) -> None:
    """A process that a launcher of Hydra made within `samebit run` begins a job: it is a run.

    A script that does a sweep itself, in a process that a recorded one started, stays unrecorded.
    """
    if found.job is not None and not found.at and here.active is None:
        folder = RunFolder(Path(around))
        _begin_job(folder.start(int(execution)), folder.record().group)


def _begin_job(start: ExecutionStart, group: str | None) -> None:
    here.taken = True
    here.of_job = _begin_here(start.seed, start.deterministic, None, group, None, of_sweep=start)


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
        return resuming.find(_store(), resume).id == folder.id
    return resuming.find(folder.store, resume).id in (folder.id, record.of)


def _store() -> Path:
    return places.make_store(places.choose_store(Path(_where())))


def _where() -> str:
    """The working folder, as it was before Hydra changed into that of its output."""
    if "hydra.core.hydra_config" not in sys.modules:
        return os.getcwd()
    from samebit.capture.composed import first_folder  # noqa: PLC0415  (for Hydra alone)

    return first_folder()


def _begin_here(
    seed: int | None,
    deterministic: bool,
    name: str | None,
    group: str | None,
    resume: str | None,
    *,
    of_sweep: ExecutionStart | None = None,
) -> Recording:
    """Begin a run in this process; of a job, with the start of the sweep that it is one of."""
    start = _start(seed, deterministic)
    if of_sweep is not None:  # the process may be a launcher's own, with another command
        said = {"how": of_sweep.how, "argv": of_sweep.argv, "masked": of_sweep.masked}
        start = replace(start, **said, cwd=of_sweep.cwd)
    script = _script(of_sweep)
    store = _store()
    settings = places.read_settings(store)
    is_within = "SAMEBIT_RUN" in os.environ
    wanted = Wanted(
        start,
        job=None if is_within else jobs.find_launched(os.environ),
        parent=Path(os.environ["SAMEBIT_RUN"]).name if is_within else None,
        group=group,
        name=name,
        resume=resume,
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
    recording.next_job, recording.job_over = _begin_next_job, end_job
    recording.begins_with_job = of_sweep is not None
    recording.begin(seed=seed, deterministic=deterministic)
    if of_sweep is None:
        recording.taken_by_init(looks_back=True)
    if begun.problem is not None:
        recording.problem(*begun.problem)
    _say_too_late(recording, deterministic=deterministic)
    if begun.is_first:
        where = script.parent if script is not None else Path(_where())
        coding.begin(recording, where, script)
    return recording


def _script(of_sweep: ExecutionStart | None) -> Path | None:
    """The script of a run that begins here; None where none is known."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if of_sweep is not None and of_sweep.how == "script":
        main = os.path.join(of_sweep.cwd, of_sweep.argv[0])
    elif _does_jobs() and main is not None and parsing.is_installed(main):  # a launcher's own
        main = os.path.join(_where(), sys.argv[0])
        if parsing.is_installed(main):
            return None
    return Path(main).absolute() if main and Path(main).is_file() else None


def _start(seed: int | None, deterministic: bool) -> ExecutionStart:
    arguments, masked = secrets.mask_arguments(sys.argv)
    return ExecutionStart(
        number=0,
        started_ns=time.time_ns(),
        how="init",
        argv=tuple(arguments),
        masked=tuple(masked),
        cwd=_where(),
        python=sys.executable,
        host=socket.gethostname(),
        boot=alive.boot_id(),
        pid=os.getpid(),
        pid_started=alive.process_started(os.getpid()) or 0,
        user=runs.user_name(),
        seed=seed,
        deterministic=deterministic,
        hash_seed=randomness.hash_seed(),
    )


def _say_too_late(recording: Recording, *, deterministic: bool) -> None:
    for line in randomness.too_late(deterministic):
        what, _, detail = line.partition(": ")
        recording.problem(f"too late for {what}", f"{detail}; `samebit run` sets it in time")
