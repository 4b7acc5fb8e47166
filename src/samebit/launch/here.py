"""A command as a child process on this machine: started, supervised, waited for, ended like.

The child stays in our session and process group and has our descriptors, so terminal, shell and
batch system deal with it as if we were not there. What was sent to us alone we pass on, and what
the whole group got we do not: a witness in the group tells the two apart. The reasons are in
`docs/design/003-supervisor-signals.md`. On Windows, where there are no groups, we only wait.
"""

import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, NoReturn, Self

from msgspec import Struct

from samebit.errors import CannotStart
from samebit.launch import landlock

__all__ = ["Child", "Outcome", "Stdio", "end_like", "start"]

Stdio = int | IO[bytes] | None

_PASSED_ON = frozenset(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT")
    if hasattr(signal, name)
)
# The terminal sends the first two to child and us; the child decides what they mean.
_NOTICED = _PASSED_ON | frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGQUIT", "SIGCHLD") if hasattr(signal, name)
)

_STOP_S = 10.0  # for a script to end when asked to
_SETTLE_S = 0.02  # for senders that go through a list of processes, as `pkill` and Slurm do
_ANSWER_S = 0.5  # a witness that takes longer was stopped
_ASK, _ANSWER = b"?", b"\0"  # no signal has the number 0


class Outcome(Struct, frozen=True):
    """How a process ended: with an exit code, or by a signal ("SIGKILL", "SIGRTMIN+3")."""

    exit_code: int | None
    signal: str | None


class Child:
    """A started command; until it was waited for, our signals are those of its supervisor."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", supervision: "_Supervision | None"
    ) -> None:
        self._process = process
        self._supervision = supervision

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end, passing signals on; TimeoutError leaves the child as it is."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (code := self._process.poll()) is None:
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if left_s == 0.0:
                raise TimeoutError(f"process {self.pid} still runs after {timeout_s} s")
            if self._supervision is not None:
                self._supervision.step(left_s, self._process.send_signal)
                continue
            try:
                self._process.wait(left_s)
            except subprocess.TimeoutExpired:
                pass
        self.release()
        return _outcome(code)

    def stop(self) -> Outcome:
        """End it: ask by SIGTERM, and take it away where it is still there ten seconds later."""
        self._process.terminate()
        try:
            return self.wait(_STOP_S)
        except TimeoutError:
            self._process.kill()
        return self.wait()

    def release(self) -> None:
        """Supervise no longer; a child that still runs goes on by itself."""
        if self._supervision is not None:
            self._supervision.end()
            self._supervision = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    sandbox: landlock.Ruleset | None = None,
    stdout: Stdio = None,
    stderr: Stdio = None,
    stdin: Stdio = None,
) -> Child:
    """Start a command in our session and process group, with our descriptors.

    Called in the main thread, it also takes our signals over, until the child was waited for or
    released; so it can supervise one child at a time. From other threads there is no supervision.
    `stdin`, `stdout`, `stderr` are descriptors or open files; None is our own.

    Raises:
        CannotStart: the command does not exist or cannot be executed; not a line of it ran.
    """
    supervision = _Supervision.begin()

    def between_fork_and_exec() -> None:
        if supervision is not None:
            supervision.undo_in_child()
        if sandbox is not None:
            sandbox.enter()

    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            close_fds=False,  # batch systems and shells hand descriptors down to the command
            preexec_fn=between_fork_and_exec if supervision or sandbox else None,
        )
    except BaseException as error:
        if supervision is not None:
            supervision.end()
        if isinstance(error, (OSError, ValueError, IndexError, subprocess.SubprocessError)):
            raise _cannot_start(argv, cwd, error) from error
        raise
    if supervision is not None:
        supervision.listen()
    return Child(process, supervision)


def _cannot_start(argv: Sequence[str], cwd: Path | None, error: Exception) -> CannotStart:
    command = argv[0] if argv else "an empty command"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if cwd is not None and isinstance(error, OSError) and str(error.filename) == str(cwd):
        what, hint = f"cannot enter the folder in which to start {command}", None
    else:
        what, hint = f"cannot start {command}", _hint(command, cwd, error)
    return CannotStart(what, hint=hint, reason=reason, folder=cwd or Path.cwd())


def _hint(command: str, cwd: Path | None, error: Exception) -> str | None:
    if isinstance(error, subprocess.SubprocessError):
        return "the kernel refused the sandbox; sandboxes can be nested only so deep"
    match getattr(error, "errno", None):
        case errno.ENOENT if (cwd or Path()).joinpath(command).is_file():
            return "the file is there; the interpreter that its first line (#!) names is not"
        case errno.ENOENT | errno.ENOTDIR:
            return "check the spelling; a program in the working folder is written ./name"
        case errno.EACCES:
            return f"it must be a file that you may execute: `chmod +x {command}`"
        case errno.ENOEXEC:
            return "put the program that understands the file in front of it, as in `sh file`"
        case errno.E2BIG:
            return "arguments and variables together are too long; pass them in a file"
        case _:
            return None


def _outcome(returncode: int) -> Outcome:
    if returncode >= 0:
        return Outcome(returncode, None)
    try:
        return Outcome(None, signal.Signals(-returncode).name)
    except ValueError:  # a realtime signal; only the first and the last have a name
        return Outcome(None, f"SIGRTMIN{-returncode - signal.SIGRTMIN:+d}")


def end_like(outcome: Outcome) -> NoReturn:
    """End this process as another one ended, so that who waits for us sees no difference.

    A signal that does not end us (we may be the first process of a container) becomes exit code
    128 + its number, as in a shell.
    """
    if outcome.signal is None:
        sys.exit(outcome.exit_code)
    if outcome.signal in signal.Signals.__members__:
        number = int(signal.Signals[outcome.signal])
    else:
        number = signal.SIGRTMIN + int(outcome.signal.removeprefix("SIGRTMIN"))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or nobody reads it any more
    _leave_no_core_dump()  # the child's own is the one that tells something
    try:
        signal.signal(number, signal.SIG_DFL)
    except OSError:
        pass  # SIGKILL always ends a process
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    sys.exit(128 + number)


def _leave_no_core_dump() -> None:
    import resource  # noqa: PLC0415  (not on Windows)

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _notice(number: int, frame: FrameType | None) -> None:
    """Let a signal do nothing but write its number to the wake-up descriptor.

    A handler and not SIG_IGN, because an ignored signal would stay ignored in the child.
    """


class _Supervision:
    """Our signals while a child runs; begun before the fork and ended after the child."""

    def __init__(self) -> None:
        self._came, self._wakeup = os.pipe()
        os.set_blocking(self._came, False)
        os.set_blocking(self._wakeup, False)
        # Blocked until the child is there: what comes before would reach nobody.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _NOTICED)
        self._wakeup_before = signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _notice) for number in _NOTICED}
        self._witness: _Witness | None = None

    @classmethod
    def begin(cls) -> Self | None:
        """Take the signals over, where this system and this thread can."""
        if os.name != "posix" or threading.current_thread() is not threading.main_thread():
            return None
        if signal.getsignal(signal.SIGTERM) is _notice:
            raise RuntimeError("a process supervises one child at a time: wait for the first")
        return cls()

    def undo_in_child(self) -> None:
        """Give the child the signals as we had them; what had a handler of ours gets none."""
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            ignored = before is signal.SIG_IGN
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def listen(self) -> None:
        """Let the signals come: the child is there to get them."""
        # After the child: a signal in between reaches it twice at worst. The other way round it
        # would have been lost, because the witness had it before there was a child.
        self._witness = _Witness.call()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTICED)

    def step(self, timeout_s: float | None, send: Callable[[int], None]) -> None:
        """Sleep until something happens, and pass on what was sent to us alone."""
        select.select([self._came], [], [], timeout_s)
        waiting = self._read()
        while waiting:
            time.sleep(_SETTLE_S)
            waiting |= self._read()
            sent_to_all = self._ask_witness()
            # What arrives while the witness answers may be in its answer, or in its next one.
            later = self._read()
            for number in waiting - sent_to_all:
                send(number)
            waiting = later - sent_to_all

    def end(self) -> None:
        """Let witness and signals go; they mean again what they meant before."""
        # Its death is a signal, too. While this thread takes signals it gets that one; a thread of
        # the journal that got it would find no handler any more, and Python says so on stderr.
        if self._witness is not None:
            self._witness.dismiss()
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOTICED)
        for number, before in self._before.items():
            # One that another thread of ours has just taken is handled by Python a moment later,
            # which complains on stderr where it finds that it has no handler any more. Of an ended
            # child there always is one: that handler, which does nothing, stays.
            if number != signal.SIGCHLD:
                signal.signal(number, signal.SIG_DFL if before is None else before)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._came)
        os.close(self._wakeup)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _read(self) -> set[int]:
        try:
            return set(os.read(self._came, 4096)) & _PASSED_ON
        except BlockingIOError:
            return set()

    def _ask_witness(self) -> set[int]:
        heard = self._witness.heard() if self._witness else None
        if heard is None:
            if self._witness:
                self._witness.dismiss()  # somebody stopped or killed it, alone
            self._witness = _Witness.call()
        return heard or set()


class _Witness:
    """A process that only stands in our group and tells which signals it got.

    What we got and it did not was sent to us alone. The kernel gives no other way to know.
    """

    def __init__(self) -> None:
        asked, self._ask = os.pipe()
        self._told, tell = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _NOTICED)
        self._pid = os.fork()
        if self._pid == 0:
            _bear_witness(asked, tell)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(asked)
        os.close(tell)

    @classmethod
    def call(cls) -> Self | None:
        """Make one; None where no more processes may be made, and then all is passed on."""
        try:
            return cls()
        except OSError:
            return None

    def heard(self) -> set[int] | None:
        """The signals that reached it since the last question; None if it does not answer.

        It gets its signals before it reads the question, so no answer comes too early, however
        busy the machine is.
        """
        told = b""
        try:
            os.write(self._ask, _ASK)
            while not told.endswith(_ANSWER):
                if not select.select([self._told], [], [], _ANSWER_S)[0]:
                    return None
                piece = os.read(self._told, 4096)
                if not piece:
                    return None
                told += piece
        except BrokenPipeError:
            return None
        return set(told)

    def dismiss(self) -> None:
        """Let it go."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._ask)
        os.close(self._told)


def _bear_witness(asked: int, tell: int) -> NoReturn:
    try:
        # What we close must be closed: a pipe's other end waits for the last copy of ours.
        for fd in {int(name) for name in os.listdir("/dev/fd")} - {asked, tell}:
            os.closerange(fd, fd + 1)  # as os.close, but takes one that is closed already
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTICED)
        while os.read(asked, 1):  # ends when the supervisor does, however it does
            os.write(tell, _ANSWER)
    finally:
        os._exit(0)
