"""One segment's file: begun whole or not at all, cut back after a bad write; is it still ours?"""

import os
from collections.abc import Callable
from pathlib import Path

from samebit import disk
from samebit.errors import SamebitError
from samebit.journal.frame import read_frames

__all__ = ["FULL", "Abandoned", "Identity", "begin", "reason", "repeat", "size_if_ours"]

FULL = "the disk is full"

Identity = tuple[int, int]  # device and inode


class Abandoned(SamebitError):
    """The segment takes no more; the frame at hand is not in it."""


def begin(fd: int, path: Path, start: bytes, append: Callable[[int, bytes], int]) -> Identity:
    """Write a new file's first bytes; where they cannot be, no file is left: Abandoned.

    A script that closes descriptors by number while another thread of it opens this file may have
    given its number to a file of its own. So it is asked whether the bytes came into this one.
    """
    identity, why = (-1, -1), FULL  # no file's
    try:
        there = os.stat(path)
        identity = there.st_dev, there.st_ino
        whole = (
            size_if_ours(fd, identity) is not None
            and append(fd, start) == len(start)
            and os.stat(path).st_size == len(start)
        )
    except Exception as error:
        whole, why = False, reason(error)
    if whole:
        return identity
    for undo in (lambda: _close_ours(fd, identity), path.unlink):  # there is no frame in it
        try:
            undo()
        except OSError:
            pass
    raise Abandoned(f"a journal segment could not be begun: {why}", path=path)


def _close_ours(fd: int, identity: Identity) -> None:
    if size_if_ours(fd, identity) is not None:
        os.close(fd)


def size_if_ours(fd: int, identity: Identity) -> int | None:
    """The size of the file behind a descriptor, or None if it is another one by now."""
    # A script may close descriptors by number and open a file of its own under ours.
    if fd < 0:
        return None
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_size if (found.st_dev, found.st_ino) == identity else None


def repeat(fd: int, path: Path, frame: bytes, append: Callable[[int, bytes], int]) -> bool:
    """Cut the file back to its whole frames and append one; whether it is in it."""
    intact = read_frames(path.read_bytes())[1].intact
    disk.truncate(fd, intact)
    if append(fd, frame) == len(frame):
        return True
    disk.truncate(fd, intact)
    return False


def reason(error: Exception) -> str:
    """Why something failed, in the system's words where it has any."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
