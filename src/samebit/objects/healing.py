"""Making damaged objects whole again from copies that lie elsewhere, each verified.

A copy comes from a `Source`: another store, or whatever else can give an object by its name.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from samebit import digest, disk
from samebit.errors import NotFound
from samebit.objects import encoding, sweeping, verifying
from samebit.objects.store import SMALL_BYTES, Store

__all__ = ["Healed", "Source", "heal", "heal_pack"]


class Source(Protocol):
    """A place that may have an object; a store is one."""

    def read(self, name: str) -> bytes:
        """Its bytes, checked against the name; raises NotFound, or OSError."""
        ...

    def read_pack(self, digits: str) -> bytes:
        """A whole pack by the digits of its name, likewise."""
        ...


class Healed(Struct, frozen=True):
    """One object that is whole again, and which source had it."""

    name: str
    source: str


def heal(
    store: Store, names: Iterable[str], sources: Mapping[str, Source]
) -> tuple[list[Healed], list[str]]:
    """Write objects anew from the first source that has each whole; also which none has."""
    healed: list[Healed] = []
    lost: list[str] = []
    with store.batch() as batch:
        for name in names:
            found = _find(name, sources)
            if found is None:
                lost.append(name)
                continue
            label, data = found
            if len(data) < SMALL_BYTES:
                batch.add(data)
            else:
                # Not by a put: of a large object that takes a look at the length for enough.
                store.write_object(name, *encoding.encode(data), len(data))
            healed.append(Healed(name, label))
    return healed, lost


def heal_pack(store: Store, path: Path, sources: Mapping[str, Source]) -> bool:
    """Write a damaged pack anew, of what is whole of it and elsewhere; whether all of it was.

    Where not even the names in it are known, only the same pack of a source helps.
    """
    whole: dict[str, bytes | memoryview] = dict(verifying.packed_whole(path))
    names = set(verifying.look_at(store, path).names)
    for name in names - set(whole):
        found = _find(name, {"here": store, **sources})
        if found is not None:
            whole[name] = found[1]
    if names and names == set(whole):
        if (
            store.write_pack(whole, path.suffix) != path
        ):  # the same objects are the same pack, in the old place
            disk.remove(path, sweeping.aside_of(store, path), lambda _: True)
        return True
    for source in sources.values():
        try:
            data = source.read_pack(path.stem)
        except (NotFound, OSError):
            continue
        if digest.hex_of(digest.of_bytes(data)) == path.stem:
            disk.publish(path, [data], store.path / "tmp", replace=True)
            return True
    if whole:
        store.write_pack(whole, path.suffix)  # what can be saved outlives the file
    return False


def _find(name: str, sources: Mapping[str, Source]) -> tuple[str, bytes] | None:
    for label, source in sources.items():
        try:
            data = source.read(name)
        except (NotFound, OSError):
            continue
        if digest.of_bytes(data) == name:
            return label, data
    return None
