"""Child processes: which commands were started, and how the children's files come to be known.

Loader workers and other Python processes write what they open into journal segments of their own,
and hash nothing. What any of them has told is marked in memory that all share, so that each epoch's
new workers do not tell it again; the run's own process reads their segments and takes the digests.
"""

import io
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from samebit.capture import secrets
from samebit.capture.auditing import Watch, cause
from samebit.journal.frame import HEADER_BYTES, Kind, read_frames

__all__ = ["CommandWatch", "Marks", "ToldByChildren", "plain"]

_MARKS_NAME = "samebit-marks"
_MAX_COMMANDS = 1_000
_MAX_WORDS, _MAX_LETTERS = 200, 2_000
_OURS = (os.path.join("capture", "git.py"), os.path.join("launch", "here.py"))


class Marks:
    """A set of names in memory that a process shares with its children.

    Those made by fork have it already; others find it among the descriptors of the `keeper`, the
    process that made it. It takes no lock: where two come at once, both may be told that they were
    first.

    Args:
        most: how many names are taken.
        run: whose names they are; a process may have recorded another run before.
        keeper: where to look for it; None makes it.
    """

    def __init__(self, most: int, run: str, keeper: int | None = None) -> None:
        self._most = most
        size_bytes = 8 * (1 + 4 * most)  # the first counts; a table with room keeps searches short
        name = f"{_MARKS_NAME}-{run}"
        memory = None if keeper is None else _shared_by(keeper, name, size_bytes)
        self._shown = -1  # a descriptor by which others find it, however many the script closes
        if memory is None:
            self._shown = _memory(name, size_bytes)
            memory = mmap.mmap(self._shown, size_bytes)
        self._memory = memory
        self._slots = memoryview(memory).cast("q")

    @property
    def count(self) -> int:
        """How many names are in."""
        return self._slots[0]

    @property
    def is_full(self) -> bool:
        """Whether as many names are in as may be."""
        return self._slots[0] >= self._most

    def add(self, name: str) -> bool:
        """Put a name in; False where it is in already."""
        data = name.encode("utf-8", "surrogateescape")
        # Python's own hash of a text is another one in each process.
        mark = zlib.crc32(data) << 31 | zlib.crc32(data, 0x5EED) >> 1 or 1
        at = mark
        for _ in range(len(self._slots)):
            slot = 1 + at % (len(self._slots) - 1)
            if self._slots[slot] == mark:
                return False
            if not self._slots[slot]:
                self._slots[slot] = mark
                self._slots[0] += 1
                return True
            at += 1
        return False

    def close(self) -> None:
        """Give the memory back; children go on with theirs, and no more of them find it."""
        self._slots.release()
        self._memory.close()
        shown, self._shown = self._shown, -1
        if shown >= 0:
            with suppress(OSError):  # a script may have closed all there are
                os.close(shown)


def _shared_by(pid: int, shared: str, size_bytes: int) -> mmap.mmap | None:
    """The memory of the process that keeps the run, where it can be found."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return None  # not Linux, or it has ended
    for name in names:
        with suppress(OSError, ValueError):  # closed meanwhile; the script may close all there are
            if os.readlink(f"{folder}/{name}") == f"/memfd:{shared} (deleted)":
                fd = os.open(f"{folder}/{name}", os.O_RDWR | os.O_CLOEXEC)
                try:
                    return mmap.mmap(fd, size_bytes)
                finally:
                    os.close(fd)
    return None


def _memory(name: str, size_bytes: int) -> int:
    """A descriptor of memory that others can find, or -1 for memory that only forks share."""
    if not hasattr(os, "memfd_create"):
        return -1
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)

        fd = os.memfd_create(name, os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, size_bytes)
            return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200)  # above what scripts close by number
        finally:
            os.close(fd)
    except (ImportError, OSError):
        return -1


class ToldByChildren:
    """The facts about files in the segments that this process's children write.

    Args:
        folder: the run's `journal` folder.
        rank: theirs and ours.
        own: the writer of this process.
    """

    def __init__(self, folder: Path, rank: str, own: Callable[[], str]) -> None:
        self._folder = folder
        self._rank = rank
        self._own = own
        self._read = dict.fromkeys(self._segments(), -1)  # how far; -1: of an earlier execution

    def __call__(self) -> Iterable[dict[str, Any]]:
        """What has come since the last call."""
        own = f"{self._rank}-{self._own()}-"
        for name in self._segments():
            at = self._read.get(name, HEADER_BYTES)
            if at < 0 or name.startswith(own):
                continue
            with io.FileIO(self._folder / name) as stream:
                stream.seek(at)
                frames, tail = read_frames(stream.readall(), 0)
            self._read[name] = at + tail.intact
            for _, items in frames:
                if items[0] == Kind.FACT and len(items) > 3 and items[2] == "file":
                    yield items[3]

    def _segments(self) -> list[str]:
        try:
            return [n for n in os.listdir(self._folder) if n.startswith(f"{self._rank}-")]
        except OSError:
            return []


class CommandWatch(Watch):
    """The commands that this process and its forked children start.

    Args:
        emit: takes a fact about one command.
        later: has a job done off the script's thread.
        trouble: told once when something of ours failed; the script never notices.
    """

    events = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec")
    source = "capture.children"

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        later: Callable[[Callable[[], object]], None],
        trouble: Callable[[str, Exception], None],
    ) -> None:
        super().__init__(later, trouble)
        self._emit = emit
        self._seen: set[tuple[str, ...]] = set()

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if _is_ours(cause()):
            return
        given: Any = args[0] if event == "os.system" else args[1]
        if isinstance(given, (str, bytes, os.PathLike)):
            given = (given,)
        words = tuple(
            os.fsdecode(word) for word in given if isinstance(word, (str, bytes, os.PathLike))
        )
        if words in self._seen or len(self._seen) >= _MAX_COMMANDS:
            return  # `subprocess` may start it by a call that tells of it again
        self._seen.add(words)
        cwd = args[2] if event == "subprocess.Popen" else None
        if not isinstance(cwd, (str, bytes, os.PathLike)):
            cwd = None
        fact = {"command": plain(words), "cwd": None if cwd is None else _text(os.fsdecode(cwd))}
        if event == "os.exec":
            self._emit(fact)  # there is no later
        else:
            self._later(lambda: self._emit(fact))


def plain(words: Sequence[str]) -> list[str]:
    """The words of a command as they are written down: masked, and not without end."""
    # Cut before it is masked would leave half a secret, so that no pattern matches.
    masked, _ = secrets.mask_arguments([_text(word) for word in words[:_MAX_WORDS]])
    return [word[:_MAX_LETTERS] for word in masked]


def _text(word: str) -> str:
    return word.encode("utf-8", "replace").decode()


def _is_ours(frame: FrameType | None) -> bool:
    """Whether it is we who start something: git, which takes down the code."""
    while frame is not None:
        if frame.f_code.co_filename.endswith(_OURS) and "samebit" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
