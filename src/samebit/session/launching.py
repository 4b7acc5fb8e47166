"""`samebit run`: begin a run, take its code, start the command under the recorder, say how it went.

What is run, and in which environment, is in `request.py`.
"""

import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from samebit import places
from samebit.capture import console
from samebit.errors import CannotStart, RunNotFound, SamebitError, UsageError, in_a_line
from samebit.folders.folder import RunFolder
from samebit.folders.streams import LAUNCH
from samebit.journal import reader
from samebit.journal.writer import Writer
from samebit.launch import here, memory
from samebit.launch.families import Bound
from samebit.launch.here import Child, Outcome
from samebit.places import Settings
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.session import beginning, jobs, shortfall, studied
from samebit.session.beginning import AUTO, Begun, Wanted
from samebit.session.request import (
    SHAPES,
    Replay,
    Request,
    arguments,
    code_start,
    environment,
    hash_seed,
)
from samebit.session.taking import Taking, refuse_changes

if TYPE_CHECKING:
    from samebit.launch.sending import Sending

__all__ = ["Launched", "launch"]

_TICK_S = 0.2
_NEXT_STEP_S = 10.0  # how long a replay may take to the step after which it ends


class Launched(Struct, frozen=True):
    """A run that has ended."""

    folder: RunFolder | None  # None where it could not be recorded and was run anyway
    outcome: Outcome
    seconds: float
    cause: str | None = None  # "out of memory", of the machine or of what it was allowed
    is_of_job: bool = False  # the first of a sweep, whose own end came before the command's


def launch(request: Request, begun: Callable[[RunFolder], None] | None = None) -> Launched:
    """Run a command to its end under the recorder.

    Args:
        request: what to run.
        begun: called with the run's folder once it exists, before the command starts.

    Raises:
        CannotStart: before the first line of the command; nothing of it ran.
        UsageError, RunNotFound, AmbiguousRun: of the run that is to be resumed; the same.
    """
    argv = arguments(request)
    if request.shape not in ("", *SHAPES):  # it may be a stranger's word
        raise CannotStart(f"there is no shape of {request.shape!r} here", known=", ".join(SHAPES))
    if request.replay is None and studied.CODE not in request.environ:
        start, _ = code_start(request.how, request.words, request.cwd)
        refuse_changes(request.store or places.choose_store(request.cwd), start)
    seeded = {**request.environ, "PYTHONHASHSEED": hash_seed(request)}
    request = replace(request, environ=seeded)
    try:
        begun_run, writer, take = _begin(request)
    except Exception as error:  # whatever it is: not a line of the command has run
        if request.resume and isinstance(error, (UsageError, RunNotFound)):
            raise
        if not request.or_run_anyway:
            raise _cannot(error) from error
        began = time.monotonic()
        with here.start(argv, env=request.environ, cwd=request.cwd) as child:
            return Launched(None, child.wait(), time.monotonic() - began)
    folder, execution = begun_run.folder, begun_run.execution
    replay = request.replay
    sending = begun_run.sending
    began = time.monotonic()
    oom_before = memory.oom_kills()
    try:
        if begun is not None:
            begun(folder)
        environ = environment(request, begun_run)
        if take is not None:  # a command may be anything, and would not wait
            environ |= take.before(waits=request.how != "command")
        child = here.start(
            argv,
            env=environ,
            cwd=request.cwd,
            sandbox=replay.sandbox(folder) if replay else None,
            stdin=replay.input if replay else None,
            stdout=replay.output if replay else None,
            stderr=replay.output if replay else None,
        )
    except BaseException as error:  # not a line of the command has run
        if take is not None:
            take.give_up()
        _end(begun_run, writer, "failed", Outcome(125, None), exception=in_a_line(error))
        raise
    with child:
        try:
            if take is not None:
                take.after()
        except Exception as error:
            outcome = child.wait()
            _end(begun_run, writer, "failed", outcome, exception=in_a_line(error))
            if request.or_run_anyway:
                return Launched(folder, outcome, time.monotonic() - began)
            raise _cannot(error) from error
        bound = Bound(request.memory) if request.memory is not None else None
        outcome = _wait(child, folder, replay, writer, sending, bound)
    status = "killed" if outcome.signal else "failed" if outcome.exit_code else "finished"
    _say_what_was_not_recorded(folder, execution, writer)
    cause = bound.cause if bound is not None else None
    cause = cause or _out_of_memory(outcome, oom_before, memory.oom_kills())
    is_end = _end(begun_run, writer, status, outcome, cause=cause)
    if sending is not None and not sending.end():
        console.say("samebit: not all is pushed yet; the next command in this store goes on")
    return Launched(folder, outcome, time.monotonic() - began, cause, is_of_job=not is_end)


def _out_of_memory(
    outcome: Outcome, before: Mapping[str, int], after: Mapping[str, int]
) -> str | None:
    """Whether the kernel killed it for want of memory; it, or a process that it needed."""
    if not outcome.signal and not outcome.exit_code:
        return None
    if after.get("group", 0) > before.get("group", 0):
        return "out of memory"
    # Somewhere on this machine, while this was killed as such a process is.
    killed = outcome.signal == "SIGKILL" or outcome.exit_code == 128 + signal.SIGKILL
    somewhere = after.get("machine", 0) > before.get("machine", 0)
    return "out of memory, probably" if killed and somewhere else None


def _wait(
    child: Child,
    folder: RunFolder,
    replay: Replay | None,
    writer: Writer,
    sending: "Sending | None",
    bound: Bound | None,
) -> Outcome:
    while replay is not None:
        try:
            return child.wait(_TICK_S)
        except TimeoutError:
            if replay.tick(folder):
                return _stop(child, replay, writer)
    send_every_s = sending.every_s if sending is not None else None
    sent = time.monotonic()
    while bound is not None or send_every_s is not None:
        try:
            return child.wait(bound.every_s if bound is not None else send_every_s)
        except TimeoutError:
            if bound is not None:
                bound.check(child.pid)
            is_due = send_every_s is not None and time.monotonic() - sent >= send_every_s
            if sending is not None and is_due:
                sending.now()
                sent = time.monotonic()
    return child.wait()


def _stop(child: Child, replay: Replay, writer: Writer) -> Outcome:
    """End a replay after its next step; or now, where it makes none."""
    replay.stop.touch()
    try:
        return child.wait(_NEXT_STEP_S)
    except TimeoutError:
        writer.fact("stopped", {"why": "parted", "count": None})
        return child.stop()


def _say_what_was_not_recorded(folder: RunFolder, execution: int, writer: Writer) -> None:
    if not folder.path.exists():
        console.say(f"samebit: the run's folder is gone: something deleted {folder.path}")
        return
    left = list(shortfall.take_over(folder, execution))
    for problem in left:  # whoever left it said so then
        _mark(writer, problem["what"], problem["detail"])
    if left or any(segment.rank != LAUNCH for segment in reader.list_segments(folder.journal)):
        return
    what = "nothing was recorded"
    if any((folder.path / "executions" / str(execution)).glob("joined-*")):
        _mark(writer, what, "the Python that was to record ended before its first frame")
        return
    detail = "no Python was started that has samebit and may use it"
    console.say(f"samebit: {what}: {detail}")
    _mark(writer, what, detail)


def _trouble(writer: Writer, what: str, error: Exception) -> None:
    console.say(f"samebit: {what}: {in_a_line(error)} (the run is marked)")
    _mark(writer, what, in_a_line(error))


def _mark(writer: Writer, what: str, detail: str) -> None:
    try:
        writer.fact("problem", {"what": what, "detail": detail})
    except Exception:
        pass  # the writer keeps it; `end.json` says so where the journal never takes it


def _begin(request: Request) -> tuple[Begun, Writer, Taking | None]:
    store = places.make_store(request.store or places.choose_store(request.cwd))
    settings = places.read_settings(store)
    replay = request.replay
    job = None if replay else jobs.find_job(request.environ)
    batch = jobs.requeued(request.environ) if request.resume == AUTO else None
    settings_of_sweep = {} if replay else studied.settings_of(request.environ)
    wanted = Wanted(
        _start(request),
        job or batch,
        kind="replay" if replay else request.kind,
        of=replay.of if replay else None,
        parent=_parent(request.environ),
        group=request.group,
        name=request.name,
        resume=request.resume,
        batch=batch,
        goes_on=replay.goes_on if replay else None,
        trial=None if replay else studied.trial_of(request.environ),
    )
    begun = beginning.begin(store, wanted)
    if replay is None:
        begun = replace(begun, sending=beginning.sending_of(begun, settings))
    try:
        writer = Writer(begun.folder.journal, begun.folder.id, LAUNCH)
        writer.beat()  # a journal that takes nothing is met here, before anything is started
        if settings_of_sweep:
            writer.fact("searched", settings_of_sweep)
        if begun.problem is not None:
            console.say(f"samebit: {': '.join(begun.problem)}")
            _mark(writer, *begun.problem)
    except BaseException as error:
        if begun.is_first:
            shortfall.abandon(begun.folder, begun.execution, error)
        raise
    take = None
    if replay is None and begun.is_first:
        take = Taking(partial(_record_code, request, begun.folder, settings, writer))
    return begun, writer, take


def _record_code(request: Request, folder: RunFolder, settings: Settings, writer: Writer) -> None:
    # While the child starts.
    from samebit.session.snapshot import record_code, record_sent  # noqa: PLC0415

    told = writer.fact, partial(_trouble, writer)
    if sent := request.environ.get(studied.CODE):
        record_sent(Path(sent), *told)
        return
    start = code_start(request.how, request.words, request.cwd)
    record_code(folder, *start, settings, *told)


def _start(request: Request) -> ExecutionStart:
    start = beginning.starting(
        request.how,
        request.words,
        str(request.cwd),
        request.python,
        seed=request.seed,
        deterministic=request.deterministic,
        hash_seed=request.environ["PYTHONHASHSEED"],
    )
    return replace(start, shape=request.shape, roles=dict(request.roles))


def _parent(environ: Mapping[str, str]) -> str | None:
    around = environ.get("SAMEBIT_RUN")
    return Path(around).name if around else None


def _end(
    begun: Begun,
    writer: Writer,
    status: str,
    outcome: Outcome,
    *,
    exception: str | None = None,
    cause: str | None = None,
) -> bool:
    """Say how the command ended; False where its run has an end already, which is its own."""
    if not begun.is_first:  # rank 0's supervisor writes how the execution ended
        said = {"execution": begun.execution, "status": status, "signal": outcome.signal}
        try:
            writer.fact("end", {**said, "cause": cause, "exit_code": outcome.exit_code})
        except Exception as error:
            _trouble(writer, "journal", error)
    try:
        writer.close()
    except Exception as error:  # what the kernel has, it keeps; only a power cut could lose it
        _trouble(writer, "journal", error)
    if not begun.is_first:
        return True
    end = ExecutionEnd(
        ended_ns=time.time_ns(),
        status=status,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        exception=exception,
        cause=cause,
        problems=shortfall.unwritten_problems(writer),
    )
    try:
        return begun.folder.end_execution(begun.execution, end)
    except Exception as error:
        console.say(f"samebit: how the run ended could not be written down: {error}")
        return True


def _cannot(error: Exception) -> CannotStart:
    what = error.what if isinstance(error, SamebitError) else str(error)
    cannot = CannotStart(
        f"nothing was started, because the run cannot be recorded: {what}",
        hint="--or-run-anyway runs it without a record",
    )
    if isinstance(error, SamebitError):
        cannot.facts.update(error.facts)
    return cannot
