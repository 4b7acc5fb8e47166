"""Whether each file of a store is what its name says, file by file: what `samebit check` reads."""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from samebit import digest
from samebit.errors import Damaged, NotFound
from samebit.objects import encoding
from samebit.objects.store import Store
from samebit.objects.stored import is_pack, read_pack_index

__all__ = ["Look", "hurt_in", "look_at", "packed_whole", "sizes_in", "stored_files"]

_CHUNK_BYTES = 1 << 20


class Look(Struct, frozen=True):
    """What was found in one file; sizes are of the canonical bytes."""

    path: Path
    names: tuple[str, ...] = ()  # the objects in it, as far as it can be told
    size_bytes: int = 0
    damage: str = ""  # empty where all is well


def stored_files(store: Store) -> list[Path]:
    """Every pack and object file, always in the same order."""
    return [*sorted(store.object_paths()), *store.pack_paths()]


def look_at(store: Store, path: Path, *, quick: bool = False) -> Look:
    """Read one file from end to end, or with `quick` only its header or index, and its length."""
    try:
        if is_pack(path):
            return _pack(store, path, quick=quick)
        name = store.name_of(path)
        size, found = _object(path, quick=quick)
    except FileNotFoundError:
        return Look(path)  # it was swept meanwhile, which harms nobody
    except Damaged as error:
        return Look(path, _names_of(store, path), damage=error.what)
    except OSError as error:
        return Look(path, _names_of(store, path), damage=f"cannot be read: {error.strerror}")
    if found not in (None, name):
        why = f"object {digest.short(name)} is damaged: its bytes hash to {digest.short(found)}"
        return Look(path, (name,), size, why)
    return Look(path, (name,), size)


def sizes_in(store: Store, path: Path) -> list[tuple[str, int, int]]:
    """Of each object in a file its name, its canonical bytes, and those that it takes there."""
    if is_pack(path):
        return [(entry.name, entry.size, entry.stored) for entry in read_pack_index(path)]
    with open(path, "rb", buffering=0) as stream:
        _, size = encoding.read_object_header(stream.read(encoding.HEADER_BYTES))
        return [(store.name_of(path), size, os.fstat(stream.fileno()).st_size)]


def hurt_in(store: Store, look: Look) -> Iterator[str]:
    """Those names of a damaged file of which no whole copy lies anywhere in the store."""
    for name in look.names:
        try:
            store.read(name)
        except NotFound:
            yield name


def packed_whole(path: Path) -> Iterator[tuple[str, bytes]]:
    """What can be saved of a damaged pack: names and bytes; nothing if its index is hurt."""
    try:
        entries = read_pack_index(path)
    except (Damaged, OSError):
        return
    with open(path, "rb") as stream:
        for entry in entries:
            stream.seek(entry.offset)
            try:
                data = encoding.decode(entry.encoding, stream.read(entry.stored), entry.size)
            except Damaged:
                continue
            if digest.of_bytes(data) == entry.name:
                yield entry.name, data


def _names_of(store: Store, path: Path) -> tuple[str, ...]:
    if not is_pack(path):
        return (store.name_of(path),)
    try:
        return tuple(entry.name for entry in read_pack_index(path))
    except (Damaged, OSError):
        return ()


def _object(path: Path, *, quick: bool) -> tuple[int, str | None]:
    """Size of an object file's content, and the name that its bytes have."""
    with open(path, "rb", buffering=0) as stream:
        kind, size = encoding.read_object_header(stream.read(encoding.HEADER_BYTES))
        stored = os.fstat(stream.fileno()).st_size - encoding.HEADER_BYTES
        if kind == encoding.RAW and stored != size:
            raise Damaged(f"an object of {size} bytes has {stored}")
        if quick:
            return size, None
        if kind != encoding.RAW:
            return size, digest.of_bytes(encoding.decode(kind, stream.read(), size))
        found = digest.Hasher()
        while piece := stream.read(_CHUNK_BYTES):
            found.update(piece)
        return size, found.digest()


def _pack(store: Store, path: Path, *, quick: bool) -> Look:
    entries = read_pack_index(path)
    if not quick:
        store.check_pack(path)
        if len(list(packed_whole(path))) < len(entries):  # made so: its own name is right
            raise Damaged(f"pack {path.stem[:8]} holds an object that is not what its index says")
    names = tuple(entry.name for entry in entries)
    return Look(path, names, sum(entry.size for entry in entries))
