"""What this process records into, and how that ends: at its exit, or when the next run begins."""

import atexit
import gc
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING

from samebit.capture import secrets
from samebit.folders.folder import RunFolder
from samebit.records import ExecutionEnd
from samebit.session import coding, exiting, shortfall
from samebit.session.ranks import AROUND, Role
from samebit.session.recording import Recording
from samebit.session.shortfall import Problem

if TYPE_CHECKING:
    from samebit.launch.sending import Sending

__all__ = ["end", "end_job", "ends_with_the_process", "here", "leave"]

_EXCEPTION_LENGTH = 4000
_UNKNOWN_CODE = "SystemExit with a code that is not known; `samebit run` would know it"


class _Process:
    """What this process records now."""

    def __init__(self) -> None:
        self.pid = os.getpid()  # that loaded us: a fork of it has another
        self.active: Recording | None = None
        self.supervised: Recording | None = None
        self.role = Role("0")  # in the supervised run
        self.taken = False  # an init() of the script has joined the supervised run
        self.entered = False  # a door has, and an init() of the script still may
        self.door: Recording | None = None  # begun by a door, and by no init() joined (doors.py)
        self.trains = False  # that was for one training
        self.is_over = False  # which has come to its end
        self.of_job: Recording | None = None  # begun for a job, and no init() has joined it
        self.writes_end = True  # of a run that `init()` began
        self.sending: Sending | None = None  # by which such a run is pushed
        self.registered = False


here = _Process()


def leave(folder: RunFolder, execution: int, role: str, problems: list[Problem]) -> None:
    """Leave problems that no journal took where the supervisor finds them."""
    try:
        shortfall.leave(folder, execution, role, problems)
    except Exception:
        pass  # nothing can be written at all; what there was to say is on stderr


def ends_with_the_process() -> None:
    """From now on, what is recorded is completed at the exit."""
    if not here.registered:
        here.registered = True
        atexit.register(_at_exit)


def _at_exit() -> None:
    recording = here.active
    if recording is None or not recording.is_here:
        return
    # Python collects when it ends, and would once more for what we make now: of torch's and
    # scikit-learn's objects that takes 0.2 s.
    collects = gc.isenabled()
    gc.disable()
    try:
        _complete(recording)
    finally:
        if collects:
            gc.enable()


def _complete(recording: Recording) -> None:
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    left = None if recording is here.supervised else _how_it_left(recording)
    if error is None or hasattr(sys, "ps1"):  # in a notebook a cell that failed is no end
        if left is None:
            end(recording, "finished")
        elif left.failed:
            unknown = _UNKNOWN_CODE if left.code is None else None
            end(recording, "failed", exit_code=left.code, exception=unknown)
        else:
            end(recording, "finished", exit_code=left.code)
    elif isinstance(error, KeyboardInterrupt):
        end(recording, "killed", signal="SIGINT")
        _die_of_the_interrupt()
    else:
        end(recording, "failed", exception=_as_text(error))


def end_job(recording: Recording, error: BaseException | None) -> None:
    """Complete the record of a job of a sweep, whose function has returned or raised this."""
    here.taken = True  # what the script does behind it is no part of it
    if error is None:
        end(recording, "finished", is_job=True)
    else:
        end(recording, "failed", exception=_as_text(error), is_job=True)


def _as_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_EXCEPTION_LENGTH:]


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


def end(
    recording: Recording,
    status: str,
    *,
    exit_code: int | None = None,
    exception: str | None = None,
    signal: str | None = None,
    is_job: bool = False,
) -> None:
    """Complete the record of a run; rank 0 of a run that `init()` began says how it ended.

    So it does of a job of a sweep (`is_job`) that has the run of `samebit run`: its end is not that
    of the command.
    """
    if not recording.is_here:
        return
    try:
        coding.finish()
        recording.finish(status, exception=exception, signal=signal)
    except Exception as error:
        recording.trouble("finish", error)
    if here.active is recording:
        here.active = None
        os.environ.pop(AROUND, None)
    unwritten = recording.unwritten
    is_supervised = recording is here.supervised
    if is_supervised and not is_job:  # the supervisor writes how it ended
        if unwritten:
            leave(recording.folder, recording.execution, recording.rank, list(unwritten))
        return
    writes_end = recording.rank == "0" if is_supervised else here.writes_end
    if not writes_end:  # rank 0 does
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
        if here.sending is not None:
            here.sending.end()
    except Exception as error:
        recording.trouble("end.json", error)
