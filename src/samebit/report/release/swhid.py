"""The name that Software Heritage gives a folder: git's SHA-1 of its tree, `swh:1:dir:…`."""

import hashlib
from collections.abc import Callable, Iterable

from samebit.records import TreeEntry

__all__ = ["of_tree", "tree_sha1"]

_MODES = {"file": b"100644", "exec": b"100755", "link": b"120000"}
_FOLDER = b"40000"
Blob = tuple[bytes, bytes]  # mode and SHA-1


def of_tree(entries: Iterable[TreeEntry], read: Callable[[str], bytes]) -> str:
    """The SWHID of a tree of files, whose bytes are read by their digests."""
    return f"swh:1:dir:{tree_sha1(entries, read).hex()}"


def tree_sha1(entries: Iterable[TreeEntry], read: Callable[[str], bytes]) -> bytes:
    """What `git write-tree` says of the same files with the same bytes and modes."""
    blobs = {
        entry.path.encode("utf-8", "surrogateescape"): (
            _MODES[entry.kind],
            _object(b"blob", read(entry.digest)),
        )
        for entry in entries
    }
    return _tree(blobs)


def _tree(blobs: dict[bytes, Blob]) -> bytes:
    lines: list[tuple[bytes, bytes]] = []
    folders: dict[bytes, dict[bytes, Blob]] = {}
    for path, (mode, sha1) in blobs.items():
        name, slash, below = path.partition(b"/")
        if slash:
            folders.setdefault(name, {})[below] = mode, sha1
        else:
            lines.append((name, mode + b" " + name + b"\0" + sha1))
    # A folder's name is compared as if it ended with a slash.
    for name, inside in folders.items():
        lines.append((name + b"/", _FOLDER + b" " + name + b"\0" + _tree(inside)))
    return _object(b"tree", b"".join(line for _, line in sorted(lines)))


def _object(kind: bytes, data: bytes) -> bytes:
    header = b"%b %d\0" % (kind, len(data))
    return hashlib.sha1(header + data, usedforsecurity=False).digest()
