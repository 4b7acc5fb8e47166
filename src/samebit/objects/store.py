"""The content-addressed store: put bytes, get them back verified.

Objects of 64 KiB and more are a file each; smaller ones that are put together share a pack.
Readers take no lock. Packs are found by listing the folder when a name is not yet known, so a
`Store` sees what other processes add.

That a name is there does not prove that its bytes are. What costs little is looked at before a
`put` is taken for done, and what is found damaged is written anew in its place.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import blake3

from samebit import digest, disk, places
from samebit.errors import Damaged, NotFound
from samebit.objects import encoding
from samebit.objects.encoding import PackEntry

__all__ = ["SMALL_BYTES", "Store"]

SMALL_BYTES = 64 * 1024
# Up to here a stored body is compared with what is put. Beyond it, an unchanged state would be read
# back from the disk at every checkpoint.
_COMPARED_BYTES = 1 << 20
_ONE_BY_ONE = 16  # objects of one pack that are compared; then the pack is, with its own name


class Store:
    """The objects of one `.samebit` folder."""

    def __init__(self, path: Path) -> None:
        places.check_format(path)
        self.path = path
        self._packed: dict[str, list[tuple[Path, PackEntry]]] = {}
        self._known_packs: set[str] = set()
        self._damaged_packs: set[str] = set()

    def put(self, data: bytes | memoryview) -> str:
        """Keep bytes and give their name; durable when this returns."""
        return self.put_all([data])[0]

    def put_all(self, pieces: Iterable[bytes | memoryview]) -> list[str]:
        """Keep many; small ones that are new go together into one pack."""
        names: list[str] = []
        small: dict[str, bytes | memoryview] = {}
        seen = _Seen()
        self._list_packs()
        for data in pieces:
            name = digest.of_bytes(data)
            names.append(name)
            if name in small or self._holds(name, data, seen):
                continue
            if memoryview(data).nbytes >= SMALL_BYTES:
                self._put_file(name, data)
            else:
                small[name] = data
        if small:
            self._put_pack(small)
        return names

    def has(self, name: str) -> bool:
        """Whether an object of that name is here (its bytes are checked when read)."""
        if self._object_path(name).exists():
            return True
        if name not in self._packed:
            self._list_packs()
        return name in self._packed

    def read(self, name: str) -> bytes:
        """An object's bytes, checked against its name; one whole copy is enough."""
        hurt: Damaged | None = None
        for path, entry in self._places(name):
            try:
                data = _read_object_file(path) if entry is None else _read_packed(path, entry)
            except Damaged as error:
                why = error.what
            except OSError as error:
                why = f"cannot be read: {error.strerror}"
            else:
                found = digest.of_bytes(data)
                if found == name:
                    return data
                why = f"its bytes hash to {digest.short(found)}"
            hurt = hurt or _damaged(name, path, why)
        if hurt is not None:
            raise hurt
        raise NotFound(
            f"object {digest.short(name)} is not in this store",
            digest=name,
            store=self.path,
            hint="a damaged pack may have held it; `samebit check` names it"
            if self._damaged_packs
            else None,
        )

    def names(self) -> Iterator[str]:
        """The names of all objects, in no order."""
        for path in (self.path / "objects").glob("*/*"):
            if not path.name.startswith("."):  # what NFS keeps of a file that is open
                yield f"{digest.ALGORITHM}:{path.parent.name}{path.name}"
        self._list_packs()
        yield from list(self._packed)

    def pack_paths(self) -> list[Path]:
        """Every pack file."""
        return sorted((self.path / "packs").glob("*.pack"))

    def check_pack(self, path: Path) -> list[str]:
        """Read a pack from end to end; the names in it. Raises Damaged."""
        found, _ = digest.of_file(path)
        if digest.hex_of(found) != path.stem:
            raise Damaged(f"pack {path.stem[:8]} is damaged: its bytes hash otherwise", path=path)
        return [f"{digest.ALGORITHM}:{entry.digest.hex()}" for entry in _read_pack_index(path)]

    def _object_path(self, name: str) -> Path:
        digits = digest.hex_of(name)
        return self.path / "objects" / digits[:2] / digits[2:]

    def _places(self, name: str) -> Iterator[tuple[Path, PackEntry | None]]:
        """Wherever an object lies: its own file, and each pack that has it."""
        path = self._object_path(name)
        if path.exists():
            yield path, None
        known = list(self._packed.get(name, ()))
        yield from known
        self._list_packs()  # no copy so far was whole
        yield from (place for place in self._packed.get(name, ()) if place not in known)

    def _holds(self, name: str, data: bytes | memoryview, seen: "_Seen") -> bool:
        """Whether bytes lie here whole, as far as can be seen without reading a large body."""
        size = memoryview(data).nbytes
        for path, entry in self._packed.get(name, ()):
            if entry.size == size and seen.is_whole(path, entry, data):
                return True
        return _is_whole(self._object_path(name), data)

    def _put_file(self, name: str, data: bytes | memoryview) -> None:
        path = self._object_path(name)
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.sync_folder(path.parent.parent)
        kind, body = encoding.encode(data)
        header = encoding.object_header(kind, memoryview(data).nbytes)
        disk.publish(path, [header, body], self.path / "tmp", replace=path.exists())

    def _put_pack(self, objects: dict[str, bytes | memoryview]) -> None:
        raw = [(bytes.fromhex(digest.hex_of(name)), data) for name, data in objects.items()]
        pieces = list(encoding.pack_pieces(raw))
        whole = blake3.blake3()
        for piece in pieces:
            whole.update(piece)
        path = self.path / "packs" / f"{whole.hexdigest()}.pack"
        disk.publish(path, pieces, self.path / "tmp", replace=path.exists())
        self._damaged_packs.discard(path.name)
        self._learn_pack(path)

    def _list_packs(self) -> None:
        folder = self.path / "packs"
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(".pack")]
        except OSError:
            return
        for file_name in names:
            if file_name not in self._known_packs:
                try:
                    self._learn_pack(folder / file_name)
                except Damaged:
                    # What is in a damaged pack counts as missing; `samebit check` names it.
                    self._known_packs.add(file_name)
                    self._damaged_packs.add(file_name)
                except OSError:
                    pass  # it may be readable the next time that something is missing

    def _learn_pack(self, path: Path) -> None:
        for entry in _read_pack_index(path):
            places_of = self._packed.setdefault(f"{digest.ALGORITHM}:{entry.digest.hex()}", [])
            if (path, entry) not in places_of:
                places_of.insert(0, (path, entry))
        self._known_packs.add(path.name)


class _Seen:
    """What one call has seen of packs: each object that is there, or from some number on all."""

    def __init__(self) -> None:
        self._times: dict[Path, int] = {}
        self._whole: dict[Path, bool] = {}

    def is_whole(self, path: Path, entry: PackEntry, data: bytes | memoryview) -> bool:
        """Whether the bytes of a pack's entry are these, of which the size is known to be right.

        The code of a run is thousands of objects in one pack. That its bytes still hash to its name
        is known in a hundredth of the time that it takes to decompress them all.
        """
        times = self._times[path] = self._times.get(path, 0) + 1
        try:
            if times <= _ONE_BY_ONE:
                return _read_packed(path, entry) == bytes(data)
            if path not in self._whole:
                self._whole[path] = digest.hex_of(digest.of_file(path)[0]) == path.stem
            # Where something of it is damaged, the others are still good.
            return self._whole[path] or _read_packed(path, entry) == bytes(data)
        except (Damaged, OSError):
            return False


def _read_object_file(path: Path) -> bytes:
    with open(path, "rb") as stream:
        kind, size = encoding.read_object_header(stream.read(encoding.HEADER_BYTES))
        return encoding.decode(kind, stream.read(), size)


def _read_packed(path: Path, entry: PackEntry) -> bytes:
    with open(path, "rb") as stream:
        stream.seek(entry.offset)
        body = stream.read(entry.stored)
    return encoding.decode(entry.encoding, body, entry.size)


def _is_whole(path: Path, data: bytes | memoryview) -> bool:
    """Whether an object file holds these bytes: header and length, of smaller ones every byte."""
    size = memoryview(data).nbytes
    try:
        with open(path, "rb", buffering=0) as stream:
            kind, declared = encoding.read_object_header(stream.read(encoding.HEADER_BYTES))
            stored = os.fstat(stream.fileno()).st_size - encoding.HEADER_BYTES
            if declared != size or (kind == encoding.RAW and stored != size):
                return False
            if stored > _COMPARED_BYTES:
                return True
            return encoding.decode(kind, stream.read(), size) == bytes(data)
    except PermissionError:
        return True  # another user's; nothing can be said of it, and nothing done
    except (Damaged, OSError):
        return False


def _read_pack_index(path: Path) -> list[PackEntry]:
    with open(path, "rb") as stream:
        file_bytes = os.fstat(stream.fileno()).st_size
        stream.seek(max(0, file_bytes - encoding.FOOTER_BYTES))
        at, length, checksum = encoding.read_footer(stream.read(encoding.FOOTER_BYTES), file_bytes)
        stream.seek(at)
        return encoding.read_index(stream.read(length), at, checksum)


def _damaged(name: str, path: Path, why: str) -> Damaged:
    return Damaged(
        f"object {digest.short(name)} is damaged: {why}",
        path=path,
        hint="`samebit check` lists what is hurt by it",
    )
