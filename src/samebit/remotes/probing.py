"""What a place can guarantee, found out by real requests when it is added."""

import os

from msgspec import Struct
from msgspec.structs import replace

from samebit import places
from samebit.errors import NotFound, SamebitError
from samebit.remotes.place import Guarantees, Place, RemoteError

__all__ = ["Probe", "probe"]

_BODY = bytes(range(256)) * 4
_FORMAT_BYTES = 4096  # as nobody writes one


class Probe(Struct, frozen=True):
    """What was tried, and how it went; `trouble` says why the place cannot be used at all."""

    guarantees: Guarantees
    trouble: SamebitError | None = None


def probe(place: Place) -> Probe:
    """Write, read, list and delete a name of its own under `claims/`.

    Where nothing may be written, but something of ours lies there already, that is read: whoever
    may only read can pull. The place must have been opened as one that can do everything.
    """
    path = f"claims/probe-{os.urandom(8).hex()}"
    found = Guarantees(creates=False, ranges=False)
    try:
        place.put(path, _BODY)
    except SamebitError as error:
        readable = _readable(place)
        return Probe(found, error) if readable is None else Probe(readable)
    try:
        try:
            if b"".join(place.read(path)) != _BODY:
                return Probe(found, RemoteError("what was written is not what is read there"))
            if not any(one.path == path for one in place.list("claims")):
                return Probe(found, RemoteError("what was written is not listed there"))
            found = replace(found, creates=not place.put(path, _BODY, new=True))
            found = replace(found, ranges=_gives_ranges(place, path, _BODY))
        finally:
            place.remove(path)
        if place.find(path) is not None:
            return Probe(found, RemoteError("what was deleted is still there"))
    except SamebitError as error:
        return Probe(found, error)
    return Probe(found)


def _readable(place: Place) -> Guarantees | None:
    """What can be had of a remote that others write; None where there is none to be read."""
    data = bytearray()
    try:
        for piece in place.read("format"):
            data += piece
            if len(data) > _FORMAT_BYTES:
                return None
        places.read_format(bytes(data), place.url)
    except SamebitError:
        return None
    ranges = _gives_ranges(place, "format", bytes(data))
    return Guarantees(creates=False, ranges=ranges, writes=False)


def _gives_ranges(place: Place, path: str, data: bytes) -> bool:
    begin, end = len(data) // 4, len(data) // 2
    try:
        return b"".join(place.read(path, begin, end)) == data[begin:end]
    except NotFound:
        raise
    except SamebitError:
        return False
