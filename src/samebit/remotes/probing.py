"""What a place can guarantee, found out by real requests when it is added."""

import os

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import NotFound, SamebitError
from samebit.remotes.place import Guarantees, Place, RemoteError

__all__ = ["Probe", "probe"]

_BODY = bytes(range(256)) * 4


class Probe(Struct, frozen=True):
    """What was tried, and how it went; `trouble` says why the place cannot be used at all."""

    guarantees: Guarantees
    trouble: SamebitError | None = None


def probe(place: Place) -> Probe:
    """Write, read, list and delete a name of its own under `claims/`.

    The place must have been opened as one that can do everything.
    """
    path = f"claims/probe-{os.urandom(8).hex()}"
    found = Guarantees(creates=False, ranges=False)
    try:
        try:
            place.put(path, _BODY)
            if b"".join(place.read(path)) != _BODY:
                return Probe(found, RemoteError("what was written is not what is read there"))
            if not any(one.path == path for one in place.list("claims")):
                return Probe(found, RemoteError("what was written is not listed there"))
            found = replace(found, creates=not place.put(path, _BODY, new=True))
            found = replace(found, ranges=_gives_ranges(place, path))
        finally:
            place.remove(path)
        if place.find(path) is not None:
            return Probe(found, RemoteError("what was deleted is still there"))
    except SamebitError as error:
        return Probe(found, error)
    return Probe(found)


def _gives_ranges(place: Place, path: str) -> bool:
    try:
        return b"".join(place.read(path, 100, 300)) == _BODY[100:300]
    except NotFound:
        raise
    except SamebitError:
        return False
