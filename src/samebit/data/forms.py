"""What a fingerprint is, and the one form in which everything but a file is hashed.

`docs/formats/fingerprint.md` specifies both.
"""

import struct
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from samebit import digest

__all__ = ["LEVELS", "Fingerprint", "begun", "little", "named", "sealed", "u64"]

LEVELS = ("content", "strict", "set")
_VERSION = "fp1"
_FORM = b"samebit-fp/1\0"

u64 = struct.Struct("<Q").pack


class Fingerprint(Struct, frozen=True):
    """The name of some data by its content, and what can be said about it beside that.

    `name` is None where nothing could be hashed that would come again; `notes` say why, and
    everything else that a reader should know before relying on the name.
    """

    kind: str
    name: str | None
    counts: dict[str, int] = field(default_factory=dict)  # rows, columns, entries, size_bytes …
    parts: dict[str, str] = field(default_factory=dict)  # of columns, files, members
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name or "no fingerprint"

    @property
    def is_whole(self) -> bool:
        """Whether all of the data as it is read stands behind the name."""
        return self.name is not None and not self.kind.endswith(("-sample", "-source"))


def named(kind: str, raw: bytes) -> str:
    """The text by which 32 bytes of a kind are known."""
    return f"{_VERSION}:{kind}:{raw.hex()}"


def begun(kind: str, header: object) -> digest.Hasher:
    """A hash that has everything before the payload."""
    written = digest.canonical_json(header)
    hasher = digest.Hasher()
    hasher.update(b"".join((_FORM, kind.encode(), b"\0", u64(len(written)), written)))
    return hasher


def sealed(kind: str, header: object, payload: Iterable[bytes | memoryview] = ()) -> bytes:
    """The 32 bytes of a kind, header and payload."""
    hasher = begun(kind, header)
    for piece in payload:
        hasher.update(piece)
    return hasher.raw()


def little(array: Any) -> memoryview:
    """The bytes of a NumPy array row by row, little endian; a view where they are so already."""
    flat = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).reshape(-1)
    return memoryview(flat.view("u1")) if flat.size else memoryview(b"")
