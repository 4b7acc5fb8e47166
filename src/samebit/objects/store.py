"""The content-addressed store: put bytes, get them back verified.

Objects of 64 KiB and more are a file each; smaller ones that are put together share a pack.
Readers take no lock. Packs are found by listing the folder when a name is not yet known, so a
`Store` sees what other processes add. One `Store` may be used by several threads.

That a name is there does not prove that its bytes are. What costs little is looked at before a
`put` is taken for done, and what is found damaged is written anew in its place. What is found is
touched first: nothing that was touched lately is ever swept (`samebit.objects.sweeping`).
"""

import contextlib
import errno
import functools
import itertools
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import blake3

from samebit import digest, disk, places
from samebit.errors import Damaged, NotFound
from samebit.objects import encoding
from samebit.objects.batch import Batch, Pace
from samebit.objects.encoding import Body, PackEntry
from samebit.objects.stored import (
    PACK,
    PIECES,
    Place,
    check_pack,
    is_pack,
    is_whole,
    read_header,
    read_pack_index,
    read_place,
    read_place_into,
)

__all__ = ["SMALL_BYTES", "Reads", "Store"]

SMALL_BYTES = 64 * 1024
_POPULATE_READ = 22  # of madvise: all pages of a map at once, and none copied
_ONE_BY_ONE = 16  # objects of one pack that are compared; then the pack is, with its own name

T = TypeVar("T")


class Reads(Protocol):
    """Whatever gives an object by its name, checked: a store, or a remote."""

    def read(self, name: str) -> bytes:
        """Its bytes; raises NotFound, or Damaged."""
        ...


class Store:
    """The objects of one `.samebit` folder."""

    def __init__(self, path: Path) -> None:
        places.check_format(path)
        self.path = path
        # Files that were written through here, and the time they have since: while a file still has
        # it, nobody else has put what is in it (`samebit.objects.sweeping.take_back`).
        self.made: dict[Path, int] = {}
        self.pace = Pace()
        # By the digest's bytes. Packs of pieces of data are looked at when something is missing.
        self._packed: dict[bytes, list[tuple[Path, PackEntry]]] = {}
        self._known_packs: set[str] = set()
        self._damaged_packs: set[str] = set()
        self._learning = threading.RLock()

    def put(self, data: bytes | memoryview, *, word: int = 1) -> str:
        """Keep bytes and give their name; durable when this returns.

        `word` is how many bytes a number has, where they are floating-point numbers.
        """
        with self.batch() as batch:
            slot = batch.add(data, word)
        return slot.name

    def put_all(self, pieces: Iterable[bytes | memoryview]) -> list[str]:
        """Keep many; small ones that are new go together into one pack."""
        with self.batch() as batch:
            slots = [batch.add(data) for data in pieces]
        return [slot.name for slot in slots]

    def batch(self) -> Batch:
        """A context in which pieces are put one by one; all of them are durable at its end."""
        self.list_packs()
        return Batch(self, functools.partial(self._holds, seen=_Seen()), SMALL_BYTES)

    def has(self, name: str) -> bool:
        """Whether an object of that name is here (its bytes are checked when read)."""
        return next(self.places_of(name), None) is not None

    def read(self, name: str, *, size_bytes: int | None = None) -> bytes:
        """An object's bytes, checked against its name; one whole copy is enough.

        One that declares another size than `size_bytes` is damaged, before its body is read.
        """

        def whole(place: Place) -> bytes:
            data = read_place(place, size_bytes)
            _compare(name, data)
            return data

        return self._first_whole(name, whole)

    def read_into(self, name: str, buffer: memoryview) -> None:
        """Fill a buffer with an object of just its size, checked; no second copy is made of it.

        After an error the buffer's content means nothing.
        """
        room = buffer.cast("B")
        self._first_whole(name, lambda place: _refuse_other(name, read_place_into(place, room)))

    def size_bytes(self, name: str) -> int:
        """How many bytes an object has: read of its header, which its file was found to fit."""

        def whole(place: Place) -> int:
            path, entry = place
            if entry is not None:
                return entry.size
            with open(path, "rb", buffering=0) as stream:
                return read_header(stream.fileno())[1]

        return self._first_whole(name, whole)

    def open_raw(self, name: str, *, private: bool = False) -> memoryview | None:
        """A read-only memory map of an object, checked now; None where it lies encoded or packed.

        The bytes begin 64 bytes into the file. A change of the file after this is not noticed.
        A `private` map can be written to: that changes a copy in memory, and never the file.
        """
        access = mmap.ACCESS_COPY if private else mmap.ACCESS_READ
        path = self.object_path(name)

        def whole(place: Place) -> memoryview | None:
            if place[1] is not None:
                return None
            with open(place[0], "rb") as stream:
                kind, size = read_header(stream.fileno())
                if kind != encoding.RAW or not size:
                    return None
                mapped = mmap.mmap(stream.fileno(), 0, access=access)
                with contextlib.suppress(OSError):  # an older kernel
                    mapped.madvise(_POPULATE_READ)
            view = memoryview(mapped)[encoding.HEADER_BYTES :]
            _compare(name, view)
            return view

        if not path.exists():
            return None
        return self._first_whole(name, whole)

    def names(self) -> Iterator[str]:
        """The names of all objects, in no order."""
        for path in self.object_paths():
            yield self.name_of(path)
        self.list_packs()
        self.list_packs(PIECES)
        yield from [found[0][1].name for found in list(self._packed.values())]

    def object_paths(self) -> Iterator[Path]:
        """Every object file, in no order; strange files are passed over."""
        for folder in _scan(self.path / "objects"):
            if len(folder.name) == 2 and folder.is_dir():
                for entry in _scan(folder.path):
                    # 62 digits: not what NFS keeps of a file that is open
                    if len(entry.name) == 62:
                        yield Path(entry.path)

    def pack_paths(self) -> list[Path]:
        """Every pack file."""
        return sorted(path for path in (self.path / "packs").glob("*.p*") if is_pack(path))

    def check_pack(self, path: Path) -> list[str]:
        """Read a pack from end to end; the names in it. Raises Damaged."""
        self.read_pack(path.stem)
        return [entry.name for entry in read_pack_index(path)]

    def read_pack(self, digits: str) -> bytes:
        """A whole pack by the digits of its name, checked."""
        path = self._pack_path(digits, PACK)
        if not path.exists():
            path = self._pack_path(digits, PIECES)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"pack {digits[:8]} is not in this store", store=self.path) from None
        if digest.hex_of(digest.of_bytes(data)) != digits:
            raise Damaged(f"pack {digits[:8]} is damaged: its bytes hash otherwise", path=path)
        return data

    def object_path(self, name: str) -> Path:
        """Where an object's own file is, or would be."""
        digits = digest.hex_of(name)
        return self.path / "objects" / digits[:2] / digits[2:]

    def _object_text(self, digits: str) -> str:
        # As text: of a hundred thousand files of data most have no object file.
        return f"{self.path}/objects/{digits[:2]}/{digits[2:]}"

    def name_of(self, path: Path) -> str:
        """The name of the object of a file."""
        return f"{digest.ALGORITHM}:{path.parent.name}{path.name}"

    def places_of(self, name: str) -> Iterator[Place]:
        """Wherever an object lies: its own file, and each pack that has it."""
        if os.path.exists(self._object_text(digest.hex_of(name))):
            yield self.object_path(name), None
        known = self._in_packs(name)
        yield from (place for place in known if os.path.exists(place[0]))
        self.list_packs()  # no copy so far was whole
        self.list_packs(PIECES)
        yield from (place for place in self._in_packs(name) if place not in known)

    def _in_packs(self, name: str) -> list[tuple[Path, PackEntry]]:
        """Where an object lies in the packs that are known so far."""
        return list(self._packed.get(bytes.fromhex(digest.hex_of(name)), ()))

    def _holds(self, name: str, data: bytes | memoryview, *, seen: "_Seen") -> bool:
        """Touch an object, and say whether its bytes lie here whole.

        Of large ones only what can be seen without reading the body. The touch comes first: a
        sweep that moves a file away after it sees it, and one before it leaves nothing to look at.
        """
        size = memoryview(data).nbytes
        for pack, entry in self._in_packs(name):
            if entry.size == size and seen.is_whole(pack, entry, data, self._touch):
                return True
        path = self.object_path(name)
        return self._touch(path) and is_whole(path, data)

    def write_object(self, name: str, kind: int, body: bytes | memoryview, size_bytes: int) -> None:
        """Give an object a file of its own, in place of what is there."""
        path = self.object_path(name)
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.sync_folder(path.parent.parent)
        header = encoding.object_header(kind, size_bytes)
        self._publish(path, [header, body])

    def write_pack(self, objects: dict[str, bytes | memoryview], suffix: str = PACK) -> Path:
        """Put small objects into one pack."""
        raw = [(bytes.fromhex(digest.hex_of(name)), data) for name, data in objects.items()]
        return self._write_pack(list(encoding.pack_pieces(raw)), suffix)

    def write_bodies(self, bodies: Iterable[Body], suffix: str) -> Path:
        """Put objects into one pack as they are encoded, in their order, which is the caller's."""
        return self._write_pack(list(encoding.framed(bodies)), suffix)

    def write_whole_pack(self, name: str, data: bytes) -> None:
        """Put a pack as it lies elsewhere, under its name there; Damaged if anything in it is."""
        if not is_pack(name):
            raise Damaged(f"{name[:80]!r} is not the name of a pack")
        check_pack(name, data)
        path = self.path / "packs" / name
        self._publish(path, [data])
        self._learn_pack(path)

    def _write_pack(self, parts: list[bytes] | list[bytes | memoryview], suffix: str) -> Path:
        whole = blake3.blake3()
        for part in parts:
            whole.update(part)
        path = self._pack_path(whole.hexdigest(), suffix)
        self._publish(path, parts)
        self._damaged_packs.discard(path.name)
        self._learn_pack(path)
        return path

    def _pack_path(self, digits: str, suffix: str) -> Path:
        return self.path / "packs" / (digits + suffix)

    def hold(self, names: Iterable[bytes], *, read: bool = False) -> set[bytes]:
        """Touch whatever lies under some raw digests; those of them that are not here.

        That one is there is enough, or with `read` that its bytes are whole. Packs that other
        processes have written since they were last listed are not known.
        """
        alive: dict[str, bool] = {}
        return {name for name in names if not self._is_held(name, alive, read=read)}

    def _is_held(self, name: bytes, alive: dict[str, bool], *, read: bool) -> bool:
        digits = name.hex()
        packs = [str(place[0]) for place in self._packed.get(name, ())]
        for path in packs or [self._object_text(digits)]:
            if path not in alive:
                # It is looked for after the touch: so is what a sweep does (`sweeping`).
                alive[path] = self._touch(path) and os.path.exists(path)
            if alive[path] and not read:
                return True
        if not read or not any(alive.values()):
            return False
        try:
            self.read(f"{digest.ALGORITHM}:{digits}")
        except NotFound:
            return False
        return True

    def list_packs(self, suffix: str = PACK) -> None:
        """Learn what other processes have packed meanwhile.

        Packs of pieces of data are for whoever reads data. There may be very many of them, and a
        training that puts its states has no use for them.
        """
        folder = self.path / "packs"
        try:
            listed = {name for name in os.listdir(folder) if name.endswith(suffix)}
        except OSError:
            return
        known = {name for name in self._known_packs if name.endswith(suffix)}
        for file_name in listed - known:
            try:
                self._learn_pack(folder / file_name)
            except Damaged:
                # What is in a damaged pack counts as missing; `samebit check` names it.
                self._known_packs.add(file_name)
                self._damaged_packs.add(file_name)
            except OSError:
                pass  # it may be readable the next time that something is missing
        if gone := known - listed:
            self._forget(gone)

    def _forget(self, packs: set[str]) -> None:
        with self._learning:
            for name, found in list(self._packed.items()):
                left = [place for place in found if place[0].name not in packs]
                if left:
                    self._packed[name] = left
                else:
                    del self._packed[name]
            self._known_packs -= packs
            self._damaged_packs -= packs

    def _learn_pack(self, path: Path) -> None:
        entries = read_pack_index(path)
        with self._learning:
            for entry in entries:
                place = path, entry
                places_of = self._packed.setdefault(entry.digest, [place])
                if place not in places_of:
                    places_of.insert(0, place)
            self._known_packs.add(path.name)

    def _first_whole(self, name: str, whole: Callable[[Place], T]) -> T:
        """What the first place gives that does not raise; else the error of the first that did."""
        hurt: Damaged | None = None
        # Twice: a file that a sweep moved away and put back was gone for a moment.
        for place in itertools.chain(self.places_of(name), self.places_of(name)):
            try:
                return whole(place)
            except Damaged as error:
                why = error.what
            except FileNotFoundError:
                continue  # it was swept between being found and being opened
            except OSError as error:
                why = f"cannot be read: {error.strerror}"
            hurt = hurt or _damaged(name, place[0], why)
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

    def _publish(self, path: Path, pieces: list[bytes | memoryview] | list[bytes]) -> None:
        # Whoever put it between the look and this has the same bytes: not ours to take back.
        if stamp_ns := disk.publish(path, pieces, self.path / "tmp", replace=path.exists()):
            self.made[path] = stamp_ns

    def _touch(self, path: Path | str) -> bool:
        """Put off the sweep of a file; False where there is none, or none that we may touch."""
        try:
            os.utime(path)
        except OSError as error:
            # A store that cannot be written cannot be swept from here either. Another user's file
            # is written anew, and then it is ours.
            return error.errno == errno.EROFS
        self.made.pop(
            Path(path), None
        )  # put twice: no more to be taken back for the first one's sake
        return True


class _Seen:
    """What one batch has seen of packs: each object that is there, or from some number on all.

    A pack is touched when it is first looked at; a batch is over long before that is of no use.
    """

    def __init__(self) -> None:
        self._times: dict[Path, int] = {}
        self._touched: dict[Path, bool] = {}
        self._whole: dict[Path, bool] = {}

    def is_whole(
        self,
        path: Path,
        entry: PackEntry,
        data: bytes | memoryview,
        touch: Callable[[Path], bool],
    ) -> bool:
        """Whether the bytes of a pack's entry are these, of which the size is known to be right.

        The code of a run is thousands of objects in one pack. That its bytes still hash to its name
        is known in a hundredth of the time that it takes to decompress them all.
        """
        if path not in self._touched:
            self._touched[path] = touch(path)
        if not self._touched[path]:
            return False
        times = self._times[path] = self._times.get(path, 0) + 1
        try:
            if times <= _ONE_BY_ONE:
                return read_place((path, entry), entry.size) == bytes(data)
            if path not in self._whole:
                self._whole[path] = digest.hex_of(digest.of_file(path)[0]) == path.stem
            # Where something of it is damaged, the others are still good.
            return self._whole[path] or read_place((path, entry), entry.size) == bytes(data)
        except (Damaged, OSError):
            return False


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _compare(name: str, data: bytes | memoryview) -> None:
    _refuse_other(name, digest.of_bytes(data))


def _refuse_other(name: str, found: str) -> None:
    if found != name:
        raise Damaged(f"its bytes hash to {digest.short(found)}")


def _damaged(name: str, path: Path, why: str) -> Damaged:
    return Damaged(
        f"object {digest.short(name)} is damaged: {why}",
        path=path,
        hint="`samebit check` lists what is hurt by it",
    )
