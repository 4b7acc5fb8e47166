"""Digests of files: within a budget, remembered from run to run, and never of a moving file.

A digest is remembered under everything the system says of a file: device, inode, size, and both
times. It is not, where the file was changed less than two seconds before: a second change in the
same tick of the file system's clock would show none of it. Whoever verifies does not ask here.
"""

import os
import stat
import struct
import time
import zlib
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit import digest

__all__ = ["Found", "Hasher", "Remembered", "look"]

_KEY = struct.Struct("<5Q")
_SLOT = struct.Struct("<5Q32sII")  # the key, the digest, their CRC-32, nothing
_SLOTS = 1 << 17  # 10 MB, of which only what is used takes room
_NEAR = 8  # slots in which a key may lie
_SETTLED_NS = 2_000_000_000
_MASK = (1 << 64) - 1


class Found(Struct, frozen=True):
    """What the system says of a file; 0 for what is not known of one that a child opened."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0
    device: int = 0

    def is_same(self, other: "Found | None") -> bool:
        """Whether the two are of one file with one content."""
        if other is None or (self.size_bytes, self.mtime_ns) != (other.size_bytes, other.mtime_ns):
            return False
        return not (self.inode and other.inode) or self.inode == other.inode


def look(path: str) -> Found | None:
    """What the system says of a path; None for what is no file."""
    try:
        return found_of(os.stat(path))
    except (OSError, ValueError):
        return None


def found_of(status: os.stat_result) -> Found | None:
    """The same, of something that was asked for already."""
    if not stat.S_ISREG(status.st_mode):
        return None
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return Found(status.st_size, *times, status.st_ino, status.st_dev)


class Hasher:
    """Takes digests until the budget is spent; those that are remembered cost nothing."""

    def __init__(self, budget_bytes: int, cache: Path | None = None) -> None:
        self._left = budget_bytes
        self._remembered = Remembered(cache) if cache is not None else None

    def of(self, path: str, found: Found) -> dict[str, Any]:
        """What can be said of a file's content.

        Args:
            path: a regular file, as it was last seen.
            found: what it was when the script opened it.

        Returns:
            `digest`; or `changed` (since then, or while we read it), `unreadable`, or nothing
            where the budget is spent.
        """
        now = look(path)
        if now is None or not found.is_same(now):
            return {"changed": True}
        began_ns = time.time_ns()
        name = self._remembered.find(now) if self._remembered is not None else None
        if name is not None:
            return {"digest": name}
        if now.size_bytes > self._left:
            return {}
        self._left -= now.size_bytes
        try:
            name, _ = digest.of_file(path)
        except PermissionError:
            return {"unreadable": True}  # to the script it was, too
        except OSError:
            return {"changed": True}
        if not now.is_same(look(path)):
            return {"changed": True}
        if self._remembered is not None:
            self._remembered.add(now, name, began_ns)
        return {"digest": name}


class Remembered:
    """A table of digests in one file that processes share without a lock.

    Each entry carries a checksum: what two writers mixed, or a crash left half, is no entry. It is
    opened for each question, so that no script can close it and no fork inherits it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._works = True

    def find(self, found: Found) -> str | None:
        """The digest of a file that was hashed before, as it is now."""
        key = _key(found)
        for slot in self._near(key):
            if slot[: _KEY.size] == key:
                return "blake3:" + slot[_KEY.size : _KEY.size + 32].hex()
        return None

    def add(self, found: Found, name: str, hashed_ns: int) -> None:
        """Remember one, unless it was changed just before."""
        if hashed_ns - max(found.mtime_ns, found.ctime_ns) < _SETTLED_NS or not found.inode:
            return
        key = _key(found)
        near = self._near(key)
        if not self._works:
            return
        free = [at for at, slot in enumerate(near) if not slot]
        at = free[0] if free else zlib.crc32(key) % _NEAR  # the table forgets when it is full
        content = key + bytes.fromhex(digest.hex_of(name))
        slot = content + struct.pack("<II", zlib.crc32(content), 0)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                os.pwrite(fd, slot, _place(key) + at * _SLOT.size)
            finally:
                os.close(fd)
        except (OSError, AttributeError):
            self._works = False  # a cache that cannot be written is none

    def _near(self, key: bytes) -> list[bytes]:
        """The entries where a key may lie; empty ones for what is none."""
        if not self._works:
            return []
        try:
            fd = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            try:
                data = os.pread(fd, _NEAR * _SLOT.size, _place(key))
            finally:
                os.close(fd)
        except FileNotFoundError:
            data = b""
        except (OSError, AttributeError):
            self._works = False
            return []
        slots = [data[at : at + _SLOT.size] for at in range(0, _NEAR * _SLOT.size, _SLOT.size)]
        return [slot if _is_whole(slot) else b"" for slot in slots]


def _key(found: Found) -> bytes:
    numbers = (found.device, found.inode, found.size_bytes, found.mtime_ns, found.ctime_ns)
    return _KEY.pack(*(number & _MASK for number in numbers))


def _place(key: bytes) -> int:
    # Never so near to the end that the neighbours lie behind it.
    return zlib.crc32(key[::-1]) % (_SLOTS - _NEAR) * _SLOT.size


def _is_whole(slot: bytes) -> bool:
    if len(slot) < _SLOT.size:
        return False
    content = slot[: _KEY.size + 32]
    return _SLOT.unpack(slot)[6] == zlib.crc32(content)
