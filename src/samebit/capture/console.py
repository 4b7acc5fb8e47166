"""What the run printed: a tee on `sys.stdout` and `sys.stderr` at the level of Python.

The real stream comes first and gets everything unchanged; its errors are the script's own. What
goes wrong on our side is reported once, and from then on nothing is kept. Only what goes through
the stream's own methods is seen: not what C code or a child program writes, nor what goes to
`sys.stdout.buffer`, nor a `logging.StreamHandler` made before, which keeps the stream it found.
"""

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TextIO

from samebit.capture.secrets import LineMasker

__all__ = ["Installed", "Keeper", "Tee", "install", "say"]

LIMIT_BYTES = 64 << 20  # of console per process
_LONGEST_LINE = 64 << 10  # characters without a newline; then they are handed over as they are
_LONG_PIECE = 1 << 10  # shorter ones may wait for a newline
_MOST_PIECES = 200  # that wait
_CUT = b"[samebit: the console was cut here, after %d bytes]\n"


class Keeper:
    """Makes whole, masked lines of what any thread prints, and hands them on one call at a time.

    The write function gets UTF-8 bytes that end with a line, but for a line without end. Of a line
    that a progress bar wrote over and over, only the last state is kept.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        on_problem: Callable[[Exception], None],
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self.silent = False
        self._write = write
        self._on_problem = on_problem
        self._left_bytes = self._limit_bytes = limit_bytes
        self._pieces: deque[tuple[_Line, str]] = deque()
        self._lines: list[_Line] = []
        self._busy = False
        self._lock = threading.RLock()
        _keepers.add(self)

    def new_line(self) -> "_Line":
        """The line that one stream is in the middle of."""
        line = _Line()
        self._lines.append(line)
        return line

    def take(self, line: "_Line", text: str) -> None:
        """Take the next piece of a stream; never raises an Exception."""
        try:
            self._pieces.append((line, text))
            # `print` writes its newline apart, and a progress bar never writes one.
            if "\n" in text or len(text) > _LONG_PIECE or len(self._pieces) > _MOST_PIECES:
                self._hand_over()
        except Exception as error:
            self._fail(error)

    def flush_rest(self) -> None:
        """Hand over the lines that are not yet complete; never raises an Exception."""
        if self.silent:
            return
        try:
            self._hand_over()
            for line in self._lines:
                self._put(line.rest())
        except Exception as error:
            self._fail(error)

    def _hand_over(self) -> None:
        # Nobody waits here: a thread that did, while it holds a lock of the script's, could wait
        # for ever on a finalizer in here that wants the same. Who finds it taken leaves the piece,
        # and who has it looks again after letting go.
        while self._pieces:
            lock = self._lock  # a fork in here puts another in its place
            if not lock.acquire(blocking=False):
                return
            try:
                # A signal handler or a finalizer may print while this thread is in here already.
                if self._busy:
                    return
                self._busy = True
                try:
                    while self._pieces:
                        line, text = self._pieces.popleft()
                        self._put(line.add(text))
                finally:
                    self._busy = False
            finally:
                lock.release()

    def _put(self, text: str) -> None:
        if not text or self.silent:
            return
        data = text.encode("utf-8", "backslashreplace")  # lone surrogates become \udc80
        if len(data) > self._left_bytes:
            self.silent = True
            self._write(_CUT % (self._limit_bytes - self._left_bytes))
            return
        self._left_bytes -= len(data)
        self._write(data)

    def _fail(self, error: Exception) -> None:
        if self.silent:
            return
        self.silent = True
        try:
            self._on_problem(error)
        except Exception:
            pass  # whoever wanted to hear of it cannot; the script goes on

    def after_fork(self) -> None:
        """In a child: another thread of the parent may have held the lock, and never lets go here.

        The child's lines go on. What was unfinished at the fork is the parent's to hand over.
        """
        self._lock = threading.RLock()
        self._busy = False
        self._pieces.clear()
        for line in self._lines:
            line.forget()


_keepers: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for keeper in list(_keepers):
        keeper.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class _Line:
    """The unfinished line of one stream."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._masker = LineMasker()

    def forget(self) -> None:
        self._parts = []
        self._size = 0

    def add(self, text: str) -> str:
        """Add a piece; returns the lines that are now complete, masked."""
        *complete, rest = text.split("\n")
        if complete:
            complete[0] = "".join([*self._parts, complete[0]])
            self.forget()
        done = "".join([self._masker.mask(_last_state(line)) + "\n" for line in complete])
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if "\r" in rest:
                self._parts = [_last_state("".join(self._parts), end="\r")]
                self._size = len(self._parts[0])
            if self._size > _LONGEST_LINE:
                done += self._beginning()
        return done

    def _beginning(self) -> str:
        # Cut at a blank, so that no secret is cut in two and missed.
        text = "".join(self._parts)
        cut = text.rfind(" ") + 1 or len(text)
        self._parts = [text[cut:]]
        self._size = len(text) - cut
        return self._masker.mask(text[:cut])

    def rest(self) -> str:
        """What there is of the unfinished line, masked, without a newline."""
        text = _last_state("".join(self._parts))
        self.forget()
        return self._masker.mask(text) if text else ""


def _last_state(line: str, end: str = "") -> str:
    """What a terminal shows of a line that returned to its beginning; `end` if it stands there."""
    if "\r" not in line:
        return line
    shown = line.rstrip("\r")
    return shown.rpartition("\r")[2] + (end if len(shown) < len(line) else "")


class Tee:
    """A stream that also shows a keeper what goes through it; for everything else the stream."""

    def __init__(self, stream: TextIO, keeper: Keeper) -> None:
        self._stream = stream
        self._keeper = keeper
        self._line = keeper.new_line()
        self._is_inside = False  # a line that has no end yet

    # Scripts ask `isinstance(sys.stdout, io.TextIOWrapper)` before they reconfigure it. To inherit
    # from it will not do: it would bring a second buffer, and close the stream when collected.
    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __repr__(self) -> str:
        return f"<samebit tee of {self._stream!r}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._stream.__reduce_ex__(protocol)  # says that it cannot be pickled

    def write(self, text: str) -> int:
        """Write to the stream, and show the keeper what was written."""
        written = self._stream.write(text)
        self._is_inside = text[-1:] != "\n" if text else self._is_inside
        if not self._keeper.silent:
            self._keeper.take(self._line, text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each, as the stream itself would."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __next__(self) -> str:
        return next(self._stream)

    def __enter__(self) -> Self:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stream.__exit__(*error)


class Installed:
    """The tees on this process's output; `remove` takes them off."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._tees: dict[str, Tee] = {}
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:  # as under pythonw, or with a closed descriptor
                self._tees[name] = Tee(stream, keeper)
                setattr(sys, name, self._tees[name])

    def flush_rest(self) -> None:
        """Hand over the lines that are not yet complete."""
        self._keeper.flush_rest()

    def remove(self) -> None:
        """Hand over the rest and keep no more; a stream that others have replaced since stays."""
        self._keeper.flush_rest()
        self._keeper.silent = True
        for name, tee in self._tees.items():
            if getattr(sys, name) is tee:
                setattr(sys, name, tee._stream)  # pyright: ignore[reportPrivateUsage]


def say(line: str) -> None:
    """Write a line of our own to `sys.stderr`; never raises.

    In one piece, and after the end of a line that the script is in the middle of, where a tee
    knows that: another thread of ours may say something at any time.
    """
    stream = sys.stderr
    is_inside = type(stream) is Tee and stream._is_inside  # pyright: ignore[reportPrivateUsage]
    try:
        stream.write(("\n" if is_inside else "") + line + "\n")
    except Exception:
        pass  # a script may have closed it, or put something of its own there


def install(
    write_out: Callable[[bytes], None], on_problem: Callable[[Exception], None]
) -> Installed:
    """Keep what this process prints from now on.

    Args:
        write_out: gets whole lines, masked, as UTF-8; one call at a time within a process, also
            from forked children, so it should append in one system call.
        on_problem: gets the one error after which nothing more is kept.
    """
    return Installed(Keeper(write_out, on_problem))
