"""How a process comes into a run: started by `samebit run`, or by calling `init()`.

`samebit run` names the run in SAMEBIT_RUN (its folder), SAMEBIT_EXECUTION, and, for a replay,
SAMEBIT_RATES and SAMEBIT_SEEDS (a file). A Python that it starts joins and writes its pid to
SAMEBIT_PID; a rank of a launcher joins by its own RANK; other children of what joined do not
(`ranks.py`).
"""

import atexit
import json
import os
import socket
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from samebit import places
from samebit.capture import console, randomness, secrets
from samebit.errors import RunNotFound, SamebitError, UsageError, in_a_line
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.session import beginning, exiting, jobs, resuming, shortfall, spawned
from samebit.session.beginning import Wanted
from samebit.session.ranks import (
    Role,
    find_role,
    is_spawned,
    is_worker,
    opens_files,
    program,
)
from samebit.session.recording import Recording
from samebit.session.run import Run
from samebit.session.shortfall import Problem
from samebit.session.watching import watch_child
from samebit.threads import Helper

__all__ = ["enter", "init"]

_EXCEPTION_LENGTH = 4000
_IMPORT_GLANCE_S = 0.01
_UNKNOWN_CODE = "SystemExit with a code that is not known; `samebit run` would know it"


class _Process:
    """What this process records now."""

    def __init__(self) -> None:
        self.active: Recording | None = None
        self.supervised: Recording | None = None
        self.role = Role("0")  # in the supervised run
        self.taken = False  # an init() has joined the supervised run
        self.writes_end = True  # of a run that `init()` began
        self.registered = False
        self.code_helper: Helper | None = None


_process = _Process()


def enter() -> None:
    """Join the run that `samebit run` started this process for; called before the script."""
    role = find_role(os.environ, sys.orig_argv, os.getpid())
    if role is not None:
        _join(role)
        return
    if "SAMEBIT_PID" in os.environ and opens_files(sys.orig_argv):
        _watch_child(int(os.environ["SAMEBIT_PID"]))
    spawned.tell_rank(_join_spawned)


def _join_spawned(rank: int) -> None:
    """Join as a rank that the script made; it runs already, so nothing of ours may stop it."""
    if _process.supervised is None:
        os.environ["SAMEBIT_OR_RUN_ANYWAY"] = "1"
        _join(Role(str(rank), launched=True), begun=True)


def _join(role: Role, *, begun: bool = False) -> None:
    claimed: tuple[RunFolder, int] | None = None
    try:
        folder = RunFolder(Path(os.environ["SAMEBIT_RUN"]))
        execution = int(os.environ["SAMEBIT_EXECUTION"])
        claimed = folder, execution
        os.environ["SAMEBIT_PID"] = str(os.getpid())
        if role.launched:
            os.environ["SAMEBIT_AS_RANK"] = "1"
        part = folder.claim_rank(execution, role.rank)
        process = folder.claim_process(execution, role.rank, program(sys.orig_argv))
        start = folder.start(execution)
        went_before = execution > 1 or role.restart > 0
        recording = Recording(
            folder,
            execution,
            places.read_settings(folder.store),
            rank=role.rank,
            rates=_rates(role.rank),
            # One that has begun has drawn already, and may have seeded.
            given=None if begun else _given_back(role.rank, process),
            left=resuming.left_by(folder, role.rank) if went_before else None,
        )
        joined = {"rank": role.rank, "execution": execution, "part": part, "process": process}
        recording.writer.fact(
            "joined", {**joined, "launched": role.launched, "restart": role.restart}
        )
    except Exception as error:
        if claimed is not None:
            problem = {"what": "nothing was recorded", "detail": in_a_line(error)}
            _leave(*claimed, role.rank, [problem])
        _cannot_record(error)
        return
    _process.active = _process.supervised = recording
    _process.role = role
    _register()
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


def _rates(rank: str) -> dict[tuple[int, int], int] | None:
    """The recorded sampling that a replay takes; None where this is none."""
    if "SAMEBIT_RATES" not in os.environ:
        return None
    by_rank = json.loads(os.environ["SAMEBIT_RATES"])
    return {(optimizer, count): k for optimizer, count, k in by_rank.get(rank, ())}


def _leave(folder: RunFolder, execution: int, role: str, problems: list[Problem]) -> None:
    try:
        shortfall.leave(folder, execution, role, problems)
    except Exception:
        pass  # nothing can be written at all; what there was to say is on stderr


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
        The run. A second call in one process ends the first run and begins another.

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
    if is_worker() and not _is_rank():
        _set(seed, deterministic)
        return Run(None, _end)
    try:
        recording = _join_or_begin(seed, deterministic, name, group, resume)
    except Exception as error:
        if resume is not None and isinstance(error, (UsageError, RunNotFound)):
            raise
        text = str(error) if isinstance(error, SamebitError) else f"{type(error).__name__}: {error}"
        console.say(f"samebit: no record is kept: {text}")
        _set(seed, deterministic)  # the numbers of a training do not depend on its record
        return Run(None, _end)
    if config is not None:
        recording.set_config(config)
    if volatile:
        recording.fact("volatile", list(volatile))
    return Run(recording, _end)


def _is_rank() -> bool:
    """Whether this worker has joined as a rank."""
    return _process.supervised is not None and _process.supervised.is_here


def _set(seed: int | None, deterministic: bool) -> None:
    if deterministic:
        randomness.make_deterministic()
    if seed is not None:
        randomness.seed_everything(seed)


def _join_or_begin(
    seed: int | None,
    deterministic: bool,
    name: str | None,
    group: str | None,
    resume: str | None,
) -> Recording:
    supervised = _process.supervised
    if supervised is not None and not _process.taken and _may_take(supervised, resume):
        _process.taken = True
        supervised.begin_seeding(seeded=seed is not None)
        supervised.taken_by_init(looks_back=False)
        _set(seed, deterministic)
        if seed is not None or deterministic:
            supervised.fact("asked", {"seed": seed, "deterministic": deterministic})
        if name is not None:
            supervised.folder.add_note("name", name)
        if group is not None and group != supervised.folder.record().group:
            supervised.problem(
                "group", f"a run's group is given to it: samebit run --group {group}"
            )
        _say_too_late(supervised, deterministic=deterministic)
        return supervised
    if _process.active is not None:
        _end(_process.active, "finished")
    return _begin_here(seed, deterministic, name, group, resume)


def _may_take(supervised: Recording, resume: str | None) -> bool:
    """Whether an `init()` here means the run that `samebit run` began."""
    if not supervised.is_here:
        return False
    if resume is not None and resuming.find(_store(), resume).id != supervised.folder.id:
        supervised.problem("resume", f"the script went on in run {resume}")
        return False
    # Of several Pythons that one command starts, each a run to its author, the first has it.
    role = _process.role
    return role.launched or role.again or supervised.folder.claim(supervised.execution, "init")


def _store() -> Path:
    return places.make_store(places.choose_store(Path.cwd()))


def _begin_here(
    seed: int | None,
    deterministic: bool,
    name: str | None,
    group: str | None,
    resume: str | None,
) -> Recording:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    script = Path(main).absolute() if main and Path(main).is_file() else None
    store = _store()
    settings = places.read_settings(store)
    is_within = "SAMEBIT_RUN" in os.environ
    wanted = Wanted(
        _start(seed, deterministic),
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
    _process.active = recording
    _process.writes_end = begun.is_first
    _register()
    exiting.watch()
    recording.begin(seed=seed, deterministic=deterministic)
    recording.taken_by_init(looks_back=True)
    if begun.problem is not None:
        recording.problem(*begun.problem)
    _say_too_late(recording, deterministic=deterministic)
    if begun.is_first:
        where = script.parent if script is not None else Path.cwd()
        _begin_code(recording, where, script)
    return recording


def _begin_code(recording: Recording, where: Path, script: Path | None) -> None:
    given = [recording.folder, where, script, recording.settings]
    helper = Helper("samebit-code")
    _no_import.clear()
    _process.code_helper = helper
    try:
        helper.do(partial(_record_code, *given, recording.fact, recording.trouble))
        helper.do(helper.leave)
    except Exception as error:
        _no_import.set()
        recording.trouble("code", error)


def _start(seed: int | None, deterministic: bool) -> ExecutionStart:
    arguments, masked = secrets.mask_arguments(sys.argv)
    return ExecutionStart(
        number=0,
        started_ns=time.time_ns(),
        how="init",
        argv=tuple(arguments),
        masked=tuple(masked),
        cwd=os.getcwd(),
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


_no_import = threading.Event()  # of a thread of ours is under way
_no_import.set()


def _record_code(*given: Any) -> None:
    try:
        from samebit.session.snapshot import (  # noqa: PLC0415  (subprocess: not in init's time)
            record_code,
        )
    finally:
        _no_import.set()
    record_code(*given)


def _wait_for_import() -> None:
    """A child forked while a thread imports finds the lock of that module taken for ever."""
    helper = _process.code_helper
    # One that makes room for the fork may not have begun with it, and will not now.
    while helper is not None and helper.runs and not _no_import.wait(_IMPORT_GLANCE_S):
        pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_import)


def _say_too_late(recording: Recording, *, deterministic: bool) -> None:
    for line in randomness.too_late(deterministic):
        what, _, detail = line.partition(": ")
        recording.problem(f"too late for {what}", f"{detail}; `samebit run` sets it in time")


def _register() -> None:
    if not _process.registered:
        _process.registered = True
        atexit.register(_at_exit)


def _at_exit() -> None:
    recording = _process.active
    if recording is None or not recording.is_here:
        return
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    left = None if recording is _process.supervised else _how_it_left(recording)
    if error is None or hasattr(sys, "ps1"):  # in a notebook a cell that failed is no end
        if left is None:
            _end(recording, "finished")
        elif left.failed:
            unknown = _UNKNOWN_CODE if left.code is None else None
            _end(recording, "failed", exit_code=left.code, exception=unknown)
        else:
            _end(recording, "finished", exit_code=left.code)
    elif isinstance(error, KeyboardInterrupt):
        _end(recording, "killed", signal="SIGINT")
        _die_of_the_interrupt()
    else:
        text = "".join(traceback.format_exception(error))[-_EXCEPTION_LENGTH:]
        _end(recording, "failed", exception=text)


def _how_it_left(recording: Recording) -> exiting.SystemExited | None:
    try:
        return exiting.how_it_left()
    except Exception as error:
        recording.trouble("exit", error)
        return None


def _die_of_the_interrupt() -> None:
    """Let Python end by SIGINT, as it was about to.

    It forgets so when a text is executed after the interrupt, as each dataclass and namedtuple that
    we load at the end does; a text that is interrupted makes it remember.
    """
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        pass


def _end(
    recording: Recording,
    status: str,
    *,
    exit_code: int | None = None,
    exception: str | None = None,
    signal: str | None = None,
) -> None:
    if not recording.is_here:
        return
    if _process.code_helper is not None:
        _process.code_helper.finish()
        _process.code_helper = None
    recording.finish(status, exception=exception, signal=signal)
    if _process.active is recording:
        _process.active = None
    unwritten = recording.unwritten
    if recording is _process.supervised:  # the supervisor writes how it ended
        if unwritten:
            _leave(recording.folder, recording.execution, recording.rank, list(unwritten))
        return
    if not _process.writes_end:  # rank 0 of this job does
        return
    end = ExecutionEnd(
        ended_ns=time.time_ns(),
        status=status,
        exit_code=exit_code,
        signal=signal,
        exception=secrets.mask_text(exception) if exception else None,
        problems=unwritten,
    )
    try:
        recording.folder.end_execution(recording.execution, end)
    except Exception as error:
        recording.trouble("end.json", error)
