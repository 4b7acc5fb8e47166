"""The content-addressed store: put bytes, get them back verified.

Objects of 64 KiB and more are a file each; smaller ones that are put together share a pack.
Readers take no lock. Packs are found by listing the folder when a name is not yet known, so a
`Store` sees what other processes add.
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


class Store:
    """The objects of one `.samebit` folder."""

    def __init__(self, path: Path) -> None:
        places.check_format(path)
        self.path = path
        self._packed: dict[str, tuple[Path, PackEntry]] = {}
        self._known_packs: set[str] = set()
        self._damaged_packs: set[str] = set()

    def put(self, data: bytes | memoryview) -> str:
        """Keep bytes and give their name; durable when this returns."""
        return self.put_all([data])[0]

    def put_all(self, pieces: Iterable[bytes | memoryview]) -> list[str]:
        """Keep many; small ones that are new go together into one pack."""
        names: list[str] = []
        small: dict[str, bytes | memoryview] = {}
        self._list_packs()
        for data in pieces:
            name = digest.of_bytes(data)
            names.append(name)
            if name in small or name in self._packed or self._object_path(name).exists():
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
        return self._object_path(name).exists() or self._find_packed(name) is not None

    def read(self, name: str) -> bytes:
        """An object's bytes, checked against its name."""
        path = self._object_path(name)
        try:
            if path.exists():
                data = _read_object_file(path)
            else:
                place = self._find_packed(name)
                if place is None:
                    raise NotFound(
                        f"object {digest.short(name)} is not in this store",
                        digest=name,
                        store=self.path,
                        hint="a damaged pack may have held it; `samebit check` names it"
                        if self._damaged_packs
                        else None,
                    )
                path, entry = place
                with open(path, "rb") as stream:
                    stream.seek(entry.offset)
                    body = stream.read(entry.stored)
                data = encoding.decode(entry.encoding, body, entry.size)
        except Damaged as error:
            raise _damaged(name, path, error.what) from error
        except OSError as error:
            raise _damaged(name, path, f"cannot be read: {error.strerror}") from error
        found = digest.of_bytes(data)
        if found != name:
            raise _damaged(name, path, f"its bytes hash to {digest.short(found)}")
        return data

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

    def _put_file(self, name: str, data: bytes | memoryview) -> None:
        path = self._object_path(name)
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.sync_folder(path.parent.parent)
        kind, body = encoding.encode(data)
        header = encoding.object_header(kind, memoryview(data).nbytes)
        disk.publish(path, [header, body], self.path / "tmp")

    def _put_pack(self, objects: dict[str, bytes | memoryview]) -> None:
        raw = [(bytes.fromhex(digest.hex_of(name)), data) for name, data in objects.items()]
        pieces = list(encoding.pack_pieces(raw))
        whole = blake3.blake3()
        for piece in pieces:
            whole.update(piece)
        path = self.path / "packs" / f"{whole.hexdigest()}.pack"
        disk.publish(path, pieces, self.path / "tmp")
        self._learn_pack(path)

    def _find_packed(self, name: str) -> tuple[Path, PackEntry] | None:
        if name not in self._packed:
            self._list_packs()
        return self._packed.get(name)

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
            self._packed.setdefault(f"{digest.ALGORITHM}:{entry.digest.hex()}", (path, entry))
        self._known_packs.add(path.name)


def _read_object_file(path: Path) -> bytes:
    with open(path, "rb") as stream:
        kind, size = encoding.read_object_header(stream.read(encoding.HEADER_BYTES))
        return encoding.decode(kind, stream.read(), size)


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
