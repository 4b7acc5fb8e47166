"""What Python's audit events say about files: which path, for what, and where its name begins."""

import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from samebit.capture.openers import READ, UPDATE, WRITE

__all__ = ["FILE_EVENTS", "FOLDER", "Opening", "absolute", "openings", "use_of", "watch_dir_fd"]

FILE_EVENTS = (
    *("open", "os.mkdir", "os.rename", "os.remove", "os.truncate", "os.link"),
    "sqlite3.connect",
)
FOLDER = "folder"  # it is about to be made

_relative_to = threading.local()  # `folder`: the open one that a name of `os.open` begins at


class Opening(Struct, frozen=True):
    """Something is about to happen to a path."""

    path: Any  # as the script gave it: a text, bytes, or an object that stands for a path
    use: str
    folder: int | None = None  # the descriptor of the folder that the name is relative to
    must_be_known: bool = False  # of no interest where the file has not been met before


def openings(event: str, args: tuple[Any, ...]) -> Iterator[Opening]:
    """What one event says."""
    if event == "open":
        path, mode, flags = args
        if isinstance(path, (str, bytes, os.PathLike)):  # else a descriptor, opened before
            yield Opening(path, use_of(mode, flags), getattr(_relative_to, "folder", None))
    elif event == "os.rename":
        source, target, source_folder, target_folder = args
        yield Opening(source, UPDATE, source_folder, must_be_known=True)
        yield Opening(target, WRITE, target_folder)
    elif event == "os.link":
        yield Opening(args[1], WRITE, args[3])
    elif event == "os.mkdir":
        yield Opening(args[0], FOLDER, args[2])
    elif event == "os.truncate":
        if not isinstance(args[0], int):
            yield Opening(args[0], UPDATE)
    elif event == "os.remove":
        yield Opening(args[0], UPDATE, args[1], must_be_known=True)
    elif event == "sqlite3.connect":
        yield from _database(args[0])


def use_of(mode: Any, flags: int) -> str:
    """What an opening means for the bytes that were there."""
    if isinstance(mode, str):
        if "w" in mode or "x" in mode:
            return WRITE
        if "+" in mode:
            return UPDATE
        return WRITE if "a" in mode else READ
    if flags & os.O_RDWR and not flags & (os.O_TRUNC | os.O_EXCL):
        return UPDATE
    return WRITE if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) else READ


def absolute(name: str, folder: int | None) -> str:
    """A name as an absolute path; one that is relative to an open folder begins there."""
    if folder is not None and folder >= 0 and not os.path.isabs(name):
        name = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
    return os.path.abspath(name)


def watch_dir_fd() -> None:
    """Have `os.open` say which folder its name is relative to: its audit event does not."""
    original = os.open
    if original not in os.supports_dir_fd or hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is None:
            return original(path, flags, mode)
        _relative_to.folder = dir_fd
        try:
            return original(path, flags, mode, dir_fd=dir_fd)
        finally:
            _relative_to.folder = None

    os.open = open
    os.supports_dir_fd.add(open)  # `shutil.rmtree` asks


def _database(name: Any) -> Iterator[Opening]:
    """SQLite opens its file in C; it may also be none, or in memory."""
    if isinstance(name, (bytes, os.PathLike)):
        name = os.fsdecode(name)
    if not isinstance(name, str):
        return
    options = ""
    if name.startswith("file:"):
        name, _, options = name.removeprefix("file:").removeprefix("//").partition("?")
    if name not in ("", ":memory:") and "mode=memory" not in options:
        yield Opening(name, READ if "mode=ro" in options else UPDATE)
