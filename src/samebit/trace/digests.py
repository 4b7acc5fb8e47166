"""Digests, and what stands for one that is still under way from a device.

A *leaf* is the digest of an array, sixteen bytes; a *group* that of several, eight. Either may be
promised: it has not come, and whoever needs its bytes asks later.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import xxhash

from samebit.trace.ring import Leaf, Work

__all__ = [
    "Digest",
    "Group",
    "NotTraceable",
    "Reading",
    "Symbolic",
    "combine",
    "has_come",
    "of_bytes",
    "value_of",
    "works",
]

_digest128 = xxhash.xxh3_128_digest


class NotTraceable(Exception):
    """A value that has no bytes to be read here; the text says why."""


class Symbolic(NotTraceable):
    """A value that stands for one to come, as where a model is built: there is nothing to read."""


class Group:
    """The digest of leaves of which some have not come."""

    __slots__ = ("_header", "_parts")

    def __init__(self, header: bytes, parts: "Sequence[Digest]") -> None:
        self._header = header
        # Those that are here need nobody who remembers how they came.
        self._parts = [value_of(part) if has_come(part) else part for part in parts]

    @property
    def parts(self) -> "Sequence[Digest]":
        """What it is made of."""
        return self._parts

    @property
    def value(self) -> bytes:
        """Its eight bytes; only where all of its parts have come."""
        return of_bytes(self._header + b"".join(map(value_of, self._parts)))


class Reading:
    """The digest of a scalar that is being read from a device: of its `repr`."""

    __slots__ = ("_has_come", "_read")

    def __init__(self, has_come: Callable[[], bool], read: Callable[[], Any]) -> None:
        self._has_come = has_come
        self._read = read

    @property
    def has_come(self) -> bool:
        """Whether it is here."""
        return self._has_come()

    @property
    def value(self) -> bytes:
        """Its eight bytes; only where it has come."""
        return of_bytes(repr(self._read()).encode())


Digest = bytes | Leaf | Reading | Group


def of_bytes(data: bytes) -> bytes:
    """The eight bytes of some bytes."""
    return _digest128(data)[:8]


def combine(header: bytes, parts: Sequence[Digest]) -> bytes | Group:
    """The eight bytes of a group."""
    try:
        return of_bytes(header + b"".join(parts))  # type: ignore[arg-type]
    except TypeError:
        return Group(header, parts)


def has_come(digest: Digest) -> bool:
    """Whether its bytes are here."""
    if isinstance(digest, bytes):
        return True
    if not isinstance(digest, Group):
        return digest.has_come
    return all(map(has_come, digest.parts))


def value_of(digest: Digest) -> bytes:
    """Its bytes; only where they have come."""
    return digest if isinstance(digest, bytes) else digest.value


def works(digest: Digest) -> Iterator[Work]:
    """The work on a device that a digest was promised by, as often as it has parts of it."""
    if isinstance(digest, Leaf):
        yield digest.work
    elif isinstance(digest, Group):
        for part in digest.parts:
            yield from works(part)
