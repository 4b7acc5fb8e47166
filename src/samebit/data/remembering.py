"""What the files of a folder were when they were last read: one cache file for each folder.

A file is taken for what it was where the system says of it what it said then: device, inode, size
and both times. One that had been changed less than two seconds before it was read is not
remembered: a second change in the same tick of the file system's clock would show in none of these.
Only what is added and laid out asks here; whoever verifies reads.
"""

import os
from pathlib import Path

import msgspec
from msgspec import Struct, field

from samebit import digest, disk, places
from samebit.capture.hashing import Found

__all__ = ["Known", "Memory"]

_SETTLED_NS = 2_000_000_000
_CHECKSUM_BYTES = 16
_VERSION = 1


class Known(Struct, frozen=True, array_like=True):
    """A file as it was read, with its digest, and the list of its pieces where it has several."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    raw: bytes
    pieces: str = ""


class _Content(Struct, array_like=True):
    version: int = _VERSION
    root: bytes = b""
    files: dict[bytes, Known] = field(default_factory=dict)


class Memory:
    """What is remembered of the files below one root; everything by paths below it."""

    def __init__(self, store: Path, root: Path) -> None:
        self._root = os.fsencode(root.resolve())
        name = digest.raw(places.store_id(store).encode() + self._root).hex()[:32]
        self._path = places.cache_folder() / f"data-{name}.known"
        self._before = self._load()
        self._now: dict[bytes, Known] = {}

    def find(self, path: bytes, found: Found | None) -> Known | None:
        """A file as it was read before, if it is what it was."""
        known = self._before.get(path)
        if known is None or found is None or not found.inode:
            return None
        then = Found(known.size_bytes, known.mtime_ns, known.ctime_ns, known.inode, known.device)
        return known if then == found else None

    def keep(self, path: bytes, known: Known) -> None:
        """Go on remembering what was found."""
        self._now[path] = known

    def add(self, path: bytes, found: Found, raw: bytes, pieces: str, read_ns: int) -> None:
        """Remember what was read when the clock said `read_ns`, unless it was changed just then."""
        if read_ns - max(found.mtime_ns, found.ctime_ns) >= _SETTLED_NS:
            self._now[path] = Known(
                found.size_bytes,
                found.mtime_ns,
                found.ctime_ns,
                found.inode,
                found.device,
                raw,
                pieces,
            )

    def save(self, *, is_whole: bool) -> None:
        """Write it down; what was not looked at stays known unless that `is_whole`."""
        files = self._now if is_whole else {**self._before, **self._now}
        data = msgspec.msgpack.encode(_Content(_VERSION, self._root, files))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            disk.replace_cache(self._path, digest.raw(data)[:_CHECKSUM_BYTES] + data)
        except OSError:
            pass  # the next one reads everything again

    def _load(self) -> dict[bytes, Known]:
        try:
            data = self._path.read_bytes()
            if digest.raw(data[_CHECKSUM_BYTES:])[:_CHECKSUM_BYTES] != data[:_CHECKSUM_BYTES]:
                return {}
            content = msgspec.msgpack.decode(data[_CHECKSUM_BYTES:], type=_Content)
        except (OSError, msgspec.MsgspecError):
            return {}
        return content.files if (content.version, content.root) == (_VERSION, self._root) else {}
