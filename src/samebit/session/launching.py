"""`samebit run`: begin a run, take its code, start the command under the recorder, say how it went.

The environment of the child is complete before its interpreter starts: the hash seed, what level
strict needs, and the folder by which the recorder enters.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from samebit import places
from samebit.capture import randomness, secrets
from samebit.errors import CannotStart, SamebitError
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal import reader
from samebit.journal.writer import Writer
from samebit.launch import alive, here, landlock
from samebit.launch.here import Child, Outcome
from samebit.places import Settings
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.session.snapshot import record_code

__all__ = ["Launched", "Replay", "Request", "launch"]

_TICK_S = 0.2
_RANK = "launch"  # the supervisor's place in the journal
ENTRY = Path(__file__).parent / "entry"


@dataclass(frozen=True)
class Replay:
    """What makes a launch a replay of a recorded run."""

    of: str
    rates: Sequence[tuple[int, int, int]]  # optimizer, count, k: the recorded sampling
    sandbox: Callable[[RunFolder], landlock.Ruleset | None]
    output: int  # a descriptor for the child's console; it reads nothing
    tick: Callable[[RunFolder], None]  # called now and then while it runs
    seeds: Path  # the file of what is given back of the run's randomness


@dataclass(frozen=True)
class Request:
    """What is to be run, and how."""

    how: str  # script | module | command
    words: Sequence[str]  # the script, module or program, and its arguments
    cwd: Path
    environ: Mapping[str, str]
    seed: int | None = None
    deterministic: bool = False
    name: str | None = None
    group: str | None = None
    or_run_anyway: bool = False
    python: str = field(default=sys.executable)
    store: Path | None = None  # found from `cwd` where it is not given
    replay: Replay | None = None


@dataclass(frozen=True)
class Launched:
    """A run that has ended."""

    folder: RunFolder | None  # None where it could not be recorded and was run anyway
    outcome: Outcome
    seconds: float


def launch(request: Request, begun: Callable[[RunFolder], None] | None = None) -> Launched:
    """Run a command to its end under the recorder.

    Args:
        request: what to run.
        begun: called with the run's folder once it exists, before the command starts.

    Raises:
        CannotStart: before the first line of the command; nothing of it ran.
    """
    argv = _arguments(request)
    hash_seed = _hash_seed(request)
    request = replace(request, environ={**request.environ, "PYTHONHASHSEED": hash_seed})
    try:
        folder, execution, writer = _begin(request)
    except Exception as error:  # whatever it is: not a line of the command has run
        if not request.or_run_anyway:
            raise _cannot(error) from error
        began = time.monotonic()
        with here.start(argv, env=request.environ, cwd=request.cwd) as child:
            return Launched(None, child.wait(), time.monotonic() - began)
    if begun is not None:
        begun(folder)
    replay = request.replay
    began = time.monotonic()
    try:
        child = here.start(
            argv,
            env=_environment(request, folder, execution),
            cwd=request.cwd,
            sandbox=replay.sandbox(folder) if replay else None,
            stdin=subprocess.DEVNULL if replay else None,
            stdout=replay.output if replay else None,
            stderr=replay.output if replay else None,
        )
    except CannotStart as error:
        _end(folder, execution, writer, "failed", Outcome(125, None), error.what)
        raise
    with child:
        outcome = _wait(child, folder, replay)
    status = "killed" if outcome.signal else "failed" if outcome.exit_code else "finished"
    _say_if_nobody_joined(folder, writer)
    _end(folder, execution, writer, status, outcome, None)
    return Launched(folder, outcome, time.monotonic() - began)


def _wait(child: Child, folder: RunFolder, replay: Replay | None) -> Outcome:
    while replay is not None:
        try:
            return child.wait(_TICK_S)
        except TimeoutError:
            replay.tick(folder)
    return child.wait()


def _say_if_nobody_joined(folder: RunFolder, writer: Writer) -> None:
    if any(segment.rank != _RANK for segment in reader.list_segments(folder.journal)):
        return
    detail = "no Python was started that has samebit and may use it"
    _problem(writer, "nothing was recorded", detail)


def _problem(writer: Writer, what: str, detail: str) -> None:
    sys.stderr.write(f"samebit: {what}: {detail}\n")
    try:
        writer.fact("problem", {"what": what, "detail": detail})
    except Exception:
        pass  # the disk is full; that is said where the end is written


def _begin(request: Request) -> tuple[RunFolder, int, Writer]:
    store = places.make_store(request.store or places.choose_store(request.cwd))
    settings = places.read_settings(store)
    folder = runs.begin(
        store,
        kind="replay" if request.replay else "run",
        of=request.replay.of if request.replay else None,
        parent=_parent(request.environ),
        group=request.group,
        name=request.name,
    )
    words, masked = secrets.mask_arguments(request.words)
    start = folder.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how=request.how,
            argv=tuple(words),
            masked=tuple(masked),
            cwd=str(request.cwd),
            python=request.python,
            host=socket.gethostname(),
            boot=alive.boot_id(),
            pid=os.getpid(),
            pid_started=alive.process_started(os.getpid()) or 0,
            user=runs.user_name(),
            seed=request.seed,
            deterministic=request.deterministic,
            hash_seed=request.environ["PYTHONHASHSEED"],
        )
    )
    writer = Writer(folder.journal, folder.id, _RANK)
    if request.replay is None:
        _record_code(request, folder, settings, writer)
    return folder, start.number, writer


def _record_code(request: Request, folder: RunFolder, settings: Settings, writer: Writer) -> None:
    script = request.cwd / request.words[0] if request.how == "script" else None
    start = script.parent if script is not None and script.is_file() else request.cwd
    record_code(folder, start, script, settings, writer.fact)


def _parent(environ: Mapping[str, str]) -> str | None:
    around = environ.get("SAMEBIT_RUN")
    return Path(around).name if around else None


def _arguments(request: Request) -> list[str]:
    if request.how == "command":
        return list(request.words)
    if request.how == "module":
        return [request.python, "-m", *request.words]
    script = request.cwd / request.words[0]
    if not script.exists():
        raise CannotStart(
            f"there is no script {request.words[0]}",
            folder=request.cwd,
            hint="a command that is no Python script goes after `--`: samebit run -- torchrun …",
        )
    return [request.python, *request.words]


def _hash_seed(request: Request) -> str:
    """PYTHONHASHSEED: the user's, else the seed, else drawn at random."""
    given = request.environ.get("PYTHONHASHSEED", "")
    if given.isdigit():
        return given
    return str(request.seed if request.seed is not None else int.from_bytes(os.urandom(4), "big"))


def _environment(request: Request, folder: RunFolder, execution: int) -> dict[str, str]:
    environ = {name: value for name, value in request.environ.items() if not _is_ours(name)}
    if request.deterministic:
        environ.update(randomness.strict_variables(environ, _threads()))
    path = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = f"{ENTRY}{os.pathsep}{path}" if path else str(ENTRY)
    environ["SAMEBIT_RUN"] = str(folder.path)
    environ["SAMEBIT_EXECUTION"] = str(execution)
    if request.replay is not None:
        environ["SAMEBIT_RATES"] = json.dumps(list(request.replay.rates))
        environ["SAMEBIT_SEEDS"] = str(request.replay.seeds)
    if request.or_run_anyway:
        environ["SAMEBIT_OR_RUN_ANYWAY"] = "1"
    return environ


def _is_ours(name: str) -> bool:
    return name in (
        "SAMEBIT_RUN",
        "SAMEBIT_EXECUTION",
        "SAMEBIT_PID",
        "SAMEBIT_RATES",
        "SAMEBIT_SEEDS",
        "SAMEBIT_OR_RUN_ANYWAY",
    )


def _threads() -> int:
    """The processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _end(
    folder: RunFolder,
    execution: int,
    writer: Writer,
    status: str,
    outcome: Outcome,
    exception: str | None,
) -> None:
    end = ExecutionEnd(
        ended_ns=time.time_ns(),
        status=status,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        exception=exception,
    )
    try:
        writer.close()
    except Exception as error:  # what the kernel has, it keeps; only a power cut could lose it
        _problem(writer, "journal", f"{type(error).__name__}: {error}")
    try:
        folder.end_execution(execution, end)
    except Exception as error:
        sys.stderr.write(f"samebit: how the run ended could not be written down: {error}\n")


def _cannot(error: Exception) -> CannotStart:
    what = error.what if isinstance(error, SamebitError) else str(error)
    cannot = CannotStart(
        f"nothing was started, because the run cannot be recorded: {what}",
        hint="--or-run-anyway runs it without a record",
    )
    if isinstance(error, SamebitError):
        cannot.facts.update(error.facts)
    return cannot
