"""What a place elsewhere promises, whoever keeps it: names, bytes, and little more.

A path is a text with `/` between its parts, below the place's own beginning. Bytes appear under a
name all at once. Everything else (packs, runs, who may sweep) is built on these few calls, so an
implementation is short, and one suite tests them all (`tests/contract/test_places.py`).
"""

import functools
import os
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from samebit.errors import Damaged, SamebitError

__all__ = ["Found", "Guarantees", "Piece", "Place", "RemoteError", "cut_short", "read_whole"]
Piece = bytes | memoryview


class RemoteError(SamebitError):
    """A remote that cannot be reached, refuses us, or does not answer as it should."""


class Found(Struct, frozen=True):
    """One name at a place: its size in bytes, and when it got these bytes by the place's clock."""

    path: str
    size_bytes: int
    modified_ns: int


class Guarantees(Struct, frozen=True):
    """What was seen of a place by trying (`samebit.remotes.probing`).

    Attributes:
        creates: of two who create one name, the second is refused.
        ranges: a part of what lies under a name can be read alone.
        writes: not only what others have put there may be read.
    """

    creates: bool = True
    ranges: bool = True
    writes: bool = True


class Place(Protocol):
    """A bucket, or a folder, of which only this is asked. May be used by several threads."""

    @property
    def url(self) -> str:
        """Where it is, for people and settings: without secrets."""
        ...

    @property
    def guarantees(self) -> Guarantees:
        """What it can do."""
        ...

    def put(self, path: str, data: bytes, *, new: bool = False) -> bool:
        """Give bytes a name, all at once; with `new` False where the name is taken.

        Where a place cannot create, `new` looks first, and two who race both succeed.
        """
        ...

    def read(self, path: str, begin: int = 0, end: int | None = None) -> Iterator[Piece]:
        """The bytes under a name, or some of them, in pieces; NotFound where there is none.

        May give fewer than were asked for where the connection is lost or the place errs.
        """
        ...

    def find(self, path: str) -> Found | None:
        """What lies under a name; None where there is nothing."""
        ...

    def list(self, folder: str) -> Iterator[Found]:
        """Everything below a folder, in no order; nothing where there is no such folder."""
        ...

    def folders(self, folder: str) -> Iterator[str]:
        """The names of the folders that lie in a folder; one with nothing in it is none."""
        ...

    def remove(self, path: str) -> None:
        """Take a name away; one that is not there is no error."""
        ...


def read_whole(place: Place, path: str, size_bytes: int, begin: int = 0) -> bytes:
    """So many bytes from a place; RemoteError where it gives fewer or more, and reads no further.

    However much a stranger's place sends, no more than was asked for is held. What it says is
    longer than all memory of this machine is Damaged, and not asked for.
    """
    if size_bytes > _memory_bytes():
        raise Damaged(
            f"{size_bytes:,} bytes are said to lie there, more than this machine can hold",
            path=path,
            remote=place.url,
        )
    pieces: list[Piece] = []
    came = 0
    for piece in place.read(path, begin, begin + size_bytes):
        came += len(piece)
        if came > size_bytes:
            raise RemoteError("the remote sends more than it said", path=path, size=size_bytes)
        pieces.append(piece)
    if came != size_bytes:
        raise cut_short(place, path, came, size_bytes)
    return b"".join(pieces)


@functools.cache
def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 40  # where the system does not say


def cut_short(place: Place, path: str, got: int, size_bytes: int) -> RemoteError:
    """Fewer bytes came than should."""
    return RemoteError(
        f"the remote sent {got:,} of {size_bytes:,} bytes",
        path=path,
        remote=place.url,
        hint="the same command goes on where this one stopped",
    )
