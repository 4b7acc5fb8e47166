"""Digests of what the store has of a foreign run, by which it is seen whether it is the same."""

import contextlib
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samebit import digest
from samebit.compat.foreign import Series, Thing

__all__ = ["name_of", "name_of_files", "name_of_things"]

_CODES = {int: "q", float: "d"}


def name_of(one: Series, count: int) -> str:
    """A digest of the first points of a series, the same from lists and from arrays."""
    parts = (part[:count] for part in (one.steps, one.times_ns, one.values))
    return _short(b"".join(_as_bytes(part) for part in parts))


def _as_bytes(part: Any) -> bytes:
    if hasattr(part, "dtype"):
        return part.tobytes()
    values = list(part)
    kinds = set(map(type, values))
    try:
        if len(kinds) == 1 and kinds <= _CODES.keys():
            return array(_CODES[kinds.pop()], values).tobytes()
    except OverflowError:
        pass  # an integer beyond 64 bits
    return digest.canonical_json(values)


def name_of_things(things: Sequence[Thing]) -> str:
    """Of what was logged beside numbers: when, and how many times."""
    return _short(digest.canonical_json([[one.step, one.time_ns] for one in things]))


def name_of_files(outputs: Mapping[str, Path]) -> str:
    """Of what they look like: files of gigabytes are not read once more to see that they are."""
    looks: list[Any] = []
    for path, place in sorted(outputs.items()):
        with contextlib.suppress(OSError):
            found = place.stat()
            looks.append([path, found.st_size, found.st_mtime_ns])
    return _short(digest.canonical_json(looks))


def _short(data: bytes) -> str:
    return digest.of_bytes(data).rpartition(":")[2][:16]
