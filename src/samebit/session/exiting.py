"""How this process's script ends, as far as that can be seen from inside it, at its exit.

An exception that nobody caught is in `sys.last_value` by then, but for SystemExit, which the
interpreter has freed. What can be seen of it is that the outermost frame was not left by a return;
its code is known where `sys.exit` or `exit` was called, or where the outermost frame itself raised
a constant. `samebit run`, which is told by the system, needs none of this.
"""

import builtins
import functools
import os
import sys
import threading
from types import FrameType
from typing import Any

from msgspec import Struct

__all__ = ["SystemExited", "as_seen_from_outside", "how_it_left", "watch"]


class SystemExited(Struct, frozen=True):
    """The script was left by SystemExit; a code of None is not known."""

    code: int | None
    failed: bool


class _Seen:
    """What was noted of this process."""

    def __init__(self) -> None:
        self.outermost: FrameType | None = None
        self.code: int | None = None  # what `sys.exit` was called with last, caught or not
        self.is_wrapped = False


_seen = _Seen()


def watch() -> None:
    """Note the outermost frame, and from now on what `sys.exit`, `exit` and `quit` are given."""
    _seen.outermost = _outermost()
    _seen.code = None
    if _seen.is_wrapped:
        return
    _seen.is_wrapped = True
    original = sys.exit

    @functools.wraps(original)
    def exit(code: Any = None, /) -> Any:
        _seen.code = as_seen_from_outside(code)
        return original(code)

    sys.exit = exit
    quitter = type(getattr(builtins, "exit", None))
    if quitter.__name__ != "Quitter":
        return  # with -S there is none; others have their own
    quit = quitter.__call__

    @functools.wraps(quit)
    def __call__(self: Any, code: Any = None) -> Any:
        _seen.code = as_seen_from_outside(code)
        return quit(self, code)

    quitter.__call__ = __call__


def _outermost() -> FrameType | None:
    # Of the main thread: `init` may be called in another.
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame


def as_seen_from_outside(code: Any) -> int:
    """The exit code of a process that ends by SystemExit with this code."""
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1  # a message, printed to stderr
    return code & 0xFF if os.name == "posix" else int(code)


def how_it_left() -> SystemExited | None:
    """How SystemExit ended the script; None where it did not. Only for the exit, when it is over.

    Where the code is not known, a script that raised `SystemExit(main())` is taken to have
    finished, and any other to have failed.
    """
    frame, _seen.outermost = _seen.outermost, None
    if frame is None:
        return SystemExited(_seen.code, bool(_seen.code)) if _seen.code is not None else None
    if _is_running(frame) or _instruction(frame).startswith("RETURN_"):
        return None  # an exit that was called before was caught, or a thread's
    if _seen.code is not None:
        return SystemExited(_seen.code, bool(_seen.code))
    return _raised_by(frame)


def _is_running(frame: FrameType) -> bool:
    caller: FrameType | None = sys._getframe()  # pyright: ignore[reportPrivateUsage]
    while caller is not None and caller is not frame:
        caller = caller.f_back
    return caller is frame


def _instruction(frame: FrameType) -> str:
    import opcode  # noqa: PLC0415  (not in init's time)

    return opcode.opname[frame.f_code.co_code[frame.f_lasti]]


def _raised_by(frame: FrameType) -> SystemExited:
    """What the last instructions of a frame say of the SystemExit that they raised."""
    import dis  # noqa: PLC0415  (heavy, and hardly ever needed)

    unknown = SystemExited(None, failed=True)
    done = [i for i in dis.get_instructions(frame.f_code) if i.offset <= frame.f_lasti]
    *before, raised = [i for i in done if i.opname not in ("CACHE", "EXTENDED_ARG")][-5:]
    if raised.opname != "RAISE_VARARGS" or raised.is_jump_target:
        return unknown
    # Where a jump leads into the middle, what stands before it may not be what was done.
    if any(i.is_jump_target for i in before if i.opname in ("PRECALL", "CALL")):
        return unknown
    values = [i for i in before if i.opname != "PRECALL"][-2:]
    if len(values) < 2 or values[1].opname != "CALL":  # `raise SystemExit`
        is_bare = bool(values) and values[-1].opname in ("LOAD_NAME", "LOAD_GLOBAL")
        return SystemExited(0, failed=False) if is_bare else unknown
    if values[1].arg == 0:
        return SystemExited(0, failed=False)
    if values[0].opname.startswith("CALL"):
        return SystemExited(None, failed=False)
    if values[0].opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
        code = as_seen_from_outside(values[0].argval)
        return SystemExited(code, failed=bool(code))
    return unknown
