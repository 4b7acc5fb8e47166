"""The digests of single leaves, of the first rows and the last: which array it was that differed.

A file has slots of fixed size for the first ten full rows and, in turn, for the last 64. A slot is
written in place by one `pwrite`, so that a kill leaves all of it or what was there; a torn one is
known by its checksum. `docs/formats/trace.md` has the bytes. The file is opened for each row: a
descriptor of ours that the script closed would be somebody else's by then.
"""

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit import disk
from samebit.errors import Damaged

__all__ = ["LeafFiles", "Row", "read_leaves"]

MAGIC = b"samebit-leaves 1"
FIRST, LAST = 10, 64  # rows
_MOST_BYTES = 4 << 20  # of one file; a model of many leaves keeps fewer of the last rows
_LEAF_BYTES = 8
_HEAD = struct.Struct("<16sI")  # magic, length of the description
_SLOT = struct.Struct("<QII")  # count of the row, crc32 of the whole slot, number of the slot
_MOST_HEADER_BYTES = 64 << 20

Row = Mapping[str, Mapping[str, bytes]]  # by group, by leaf


class _File(Struct):
    """The file that the rows of one optimizer go to."""

    path: Path
    layout: tuple[tuple[str, tuple[str, ...]], ...]  # groups with their leaves
    begin: int  # of the slots, in bytes
    slots: int  # for the last rows
    first: int = 0  # how many of the first rows there are
    rows: int = 0  # how many went to the others

    @property
    def size(self) -> int:
        """The bytes of a slot."""
        return _SLOT.size + _LEAF_BYTES * sum(len(leaves) for _, leaves in self.layout)


class LeafFiles:
    """Where the leaves of one process's rows go.

    Args:
        folder: for the files; made with the first one.
        name: of the process; the files are `<name>-<n>.leaves`.
        trouble: told once when the disk does not take them; the trace goes on without.
    """

    def __init__(
        self,
        folder: Path,
        name: Callable[[], str],
        trouble: Callable[[str, Exception], None],
    ) -> None:
        self._folder = folder
        self._name = name
        self._files: dict[int, _File] = {}
        self._count = 0
        self._trouble = trouble
        self._is_off = False

    def keep(
        self,
        optimizer: int,
        count: int,
        groups: Mapping[str, tuple[Sequence[str], Sequence[bytes]]],
        *,
        first: bool,
    ) -> None:
        """Keep the leaves of a row: of each group their names, and digests; never raises."""
        if self._is_off:
            return
        try:
            layout = tuple((group, tuple(names)) for group, (names, _) in groups.items())
            file = self._files.get(optimizer)
            if file is None or file.layout != layout:
                file = self._files[optimizer] = self._begin(optimizer, layout)
            digests = b"".join(
                digest[:_LEAF_BYTES].ljust(_LEAF_BYTES, b"\0")
                for _, found in groups.values()
                for digest in found
            )
            if first and file.first < FIRST:
                slot, file.first = file.first, file.first + 1
            else:
                slot, file.rows = FIRST + file.rows % file.slots, file.rows + 1
            data = _SLOT.pack(count, _checksum(count, slot, digests), slot) + digests
            disk.write_at(file.path, data, file.begin + slot * file.size)
        except Exception as error:
            self._is_off = True
            self._trouble("trace.leaves", error)

    def _begin(self, optimizer: int, layout: tuple[tuple[str, tuple[str, ...]], ...]) -> _File:
        described = {"optimizer": optimizer, "groups": [[g, list(names)] for g, names in layout]}
        text = json.dumps(described).encode()
        path = self._folder / f"{self._name()}-{self._count}.leaves"
        self._count += 1
        file = _File(path, layout, _HEAD.size + len(text), LAST)
        file.slots = max(2, min(LAST, _MOST_BYTES // file.size - FIRST))
        self._folder.mkdir(exist_ok=True)
        disk.write_at(path, _HEAD.pack(MAGIC, len(text)) + text, 0)
        return file


def read_leaves(folder: Path, rank: str) -> dict[tuple[int, int], Row]:
    """What is kept of a rank's rows, by optimizer and count; slots that are torn are passed over.

    Raises Damaged for a file that is none of ours.
    """
    found: dict[tuple[int, int], dict[str, dict[str, bytes]]] = {}
    for path in sorted(folder.glob(f"{rank}-*.leaves")) if folder.is_dir() else ():
        for key, row in _rows(path):
            found.setdefault(key, {}).update(row)
    return dict(found)


def _rows(path: Path) -> Iterator[tuple[tuple[int, int], dict[str, dict[str, bytes]]]]:
    data = path.read_bytes()
    if len(data) < _HEAD.size:
        return  # begun, and nothing of it was written
    magic, length = _HEAD.unpack_from(data)
    if magic != MAGIC or length > _MOST_HEADER_BYTES:
        raise Damaged("not a file of leaves", path=path)
    if len(data) < _HEAD.size + length:
        return
    optimizer, layout = _described(data[_HEAD.size : _HEAD.size + length], path)
    leaves = sum(len(names) for _, names in layout)
    size = _SLOT.size + _LEAF_BYTES * leaves
    for at in range(_HEAD.size + length, len(data) - size + 1, size):
        count, checksum, slot = _SLOT.unpack_from(data, at)
        digests = data[at + _SLOT.size : at + size]
        if not count or _checksum(count, slot, digests) != checksum:
            continue
        pieces = iter(
            digests[i : i + _LEAF_BYTES] for i in range(0, leaves * _LEAF_BYTES, _LEAF_BYTES)
        )
        yield (
            (optimizer, count),
            {group: {name: next(pieces) for name in names} for group, names in layout},
        )


def _checksum(count: int, slot: int, digests: bytes) -> int:
    return zlib.crc32(_SLOT.pack(count, 0, slot) + digests)


def _described(text: bytes, path: Path) -> tuple[int, list[tuple[str, list[str]]]]:
    try:
        described = json.loads(text)
        layout = [(str(group), [str(n) for n in names]) for group, names in described["groups"]]
        return int(described["optimizer"]), layout
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"a damaged file of leaves: {error}", path=path) from error
