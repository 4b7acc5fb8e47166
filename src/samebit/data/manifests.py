"""What a version of data is made of, as it lies in the store: a manifest, its shards, its lists.

`docs/formats/data_version.md` specifies them. A manifest is small; its shards hold the files, some
sixty each, cut by names, so that two versions share those in which nothing changed. A list holds
the pieces of one large file.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from samebit import digest
from samebit.errors import Damaged
from samebit.objects.store import Reads
from samebit.records import DATA_FORMAT, decode

__all__ = [
    "Item",
    "Manifest",
    "Piece",
    "content",
    "may_hold",
    "put_list",
    "put_manifest",
    "read_items",
    "read_list",
    "read_manifest",
    "read_shard",
]

FILES_FORMAT = "samebit-files 1"
LIST_FORMAT = "samebit-list 1"
_KINDS = frozenset("fxld")
_MEAN_ITEMS, _MOST_ITEMS = 64, 512
# Before the name of a list: what it names is to be kept, too (`samebit.folders.naming`).
_LIST = "list:"
_FORBIDDEN = frozenset((b"", b".", b"..", b".git"))

Put = Callable[[bytes], str]


class Item(Struct, frozen=True):
    """One file, link or empty folder of a version.

    Attributes:
        path: the bytes of its name below the root; empty for a version that is one file.
        kind: f | x (its owner may execute it) | l | d.
        size_bytes: of a file.
        digest: of a file, that of its bytes: also the object that holds it, unless there is a list.
        target: of a link.
        pieces: the list of the pieces of a file that lies in several.
    """

    path: bytes
    kind: str
    size_bytes: int = 0
    digest: str = ""
    target: bytes = b""
    pieces: str = ""


class Piece(Struct, frozen=True, array_like=True):
    """A part of a large file: the object that holds it, and its size in bytes."""

    name: str
    size_bytes: int


class ShardRef(Struct, frozen=True, array_like=True):
    """A shard in a manifest: its object, and how many items it has."""

    name: str
    items: int


class Manifest(Struct, frozen=True):
    """A version of data. Equal data has the same one."""

    fingerprint: str
    items: int
    files: int
    size_bytes: int
    shards: tuple[ShardRef, ...]
    kept: bool = True  # False: a reference, of which the store has no bytes
    format: str = DATA_FORMAT

    @property
    def is_file(self) -> bool:
        """Whether it is one file, and no folder."""
        return self.fingerprint.startswith("fp1:file:")


class _Shard(Struct):
    items: list[tuple[Any, ...]]
    format: str


class _List(Struct):
    pieces: list[Piece]
    format: str


def content(item: Item) -> tuple[str, str, bytes]:
    """What must be equal for two items of one path to be the same."""
    return item.kind, item.digest, item.target


def put_manifest(
    put: Put, fingerprint: str, items: Sequence[Item], *, kept: bool
) -> tuple[str, Manifest]:
    """Write what a version is made of, its items sorted by path; the manifest's name, and it."""
    shards = tuple(ShardRef(put(_shard_bytes(some)), len(some)) for some in _cut(items) if some)
    files = [item.size_bytes for item in items if item.digest]
    found = Manifest(fingerprint, len(items), len(files), sum(files), shards, kept)
    data = msgspec.to_builtins(found)
    return put(digest.canonical_json(data)), found


def put_list(put: Put, pieces: Sequence[Piece]) -> str:
    """Write which pieces make up a file; the list's name."""
    rows = [[piece.name, piece.size_bytes] for piece in pieces]
    return put(digest.canonical_json({"format": LIST_FORMAT, "pieces": rows}))


def _cut(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items in groups that begin where a name says so."""
    some: list[Item] = []
    for item in items:
        if some and (len(some) == _MOST_ITEMS or not zlib.crc32(item.path) % _MEAN_ITEMS):
            yield some
            some = []
        some.append(item)
    yield some


def _shard_bytes(items: Iterable[Item]) -> bytes:
    # As `canonical_json` would write it, but for 100,000 files in a tenth of the time.
    return msgspec.json.encode({"format": FILES_FORMAT, "items": [_row(item) for item in items]})


def _row(item: Item) -> list[Any]:
    path = _text(item.path)
    if item.kind == "l":
        return [path, item.kind, _text(item.target)]
    if item.kind == "d":
        return [path, item.kind]
    row = [path, item.kind, item.size_bytes, item.digest]
    return [*row, _LIST + item.pieces] if item.pieces else row


def _text(data: bytes) -> str | dict[str, str]:
    return digest.escaped(data.decode("utf-8", "surrogateescape"))


def read_manifest(store: Reads, name: str) -> Manifest:
    """A version's manifest; raises NotFound or Damaged."""
    found = decode(store.read(name), Manifest, where=name)
    if found.format != DATA_FORMAT:
        raise Damaged("not a version of data", format=repr(found.format), digest=name)
    return found


def read_items(store: Reads, manifest: Manifest) -> Iterator[Item]:
    """All that a version is made of, in the order of the paths; raises NotFound or Damaged."""
    before = None
    for shard in manifest.shards:
        for item in read_shard(store, shard.name):
            if before is not None and before >= item.path:
                raise Damaged("a version of data names its files out of order", shard=shard.name)
            before = item.path
            if manifest.is_file != (not item.path):
                raise Damaged("a version of data is a file and a folder", shard=shard.name)
            yield item


def read_shard(store: Reads, name: str) -> list[Item]:
    """The items of one shard; one that names what it may not raises Damaged."""
    data = store.read(name)
    try:
        shard = msgspec.json.decode(data, type=_Shard)
        if shard.format != FILES_FORMAT:
            raise ValueError(f"its format is {shard.format!r}")
        return [_item(row) for row in shard.items]
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError) as error:
        raise Damaged(f"a damaged list of files: {error}", digest=name) from error


def may_hold(path: bytes) -> bool:
    """Whether a version may have a file of this path: none that leads out, or into a repository."""
    return _FORBIDDEN.isdisjoint(path.lower().split(b"/")) and b"\0" not in path


def _item(row: tuple[Any, ...]) -> Item:
    path, kind = _bytes(row[0]), row[1]
    if kind not in _KINDS or (path and not may_hold(path)):
        raise ValueError(f"it names a path that it may not: {path!r}")
    if kind == "l":
        return Item(path, kind, target=_bytes(row[2]))
    if kind == "d":
        return Item(path, kind)
    size_bytes, name = int(row[2]), str(row[3])
    digest.hex_of(name)
    if size_bytes < 0:
        raise ValueError(f"it has a file of {size_bytes} bytes")
    pieces = str(row[4]).removeprefix(_LIST) if len(row) > 4 else ""
    return Item(path, kind, size_bytes, name, pieces=pieces)


def _bytes(text: Any) -> bytes:
    if isinstance(text, dict):
        text = digest.unescaped(text["$escaped"])
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no name")
    return text.encode("utf-8", "surrogateescape")


def read_list(store: Reads, item: Item) -> list[Piece]:
    """The pieces of a file in their order; one that lies in one piece has that."""
    if not item.pieces:
        return [Piece(item.digest, item.size_bytes)]
    data = store.read(item.pieces)
    try:
        found = msgspec.json.decode(data, type=_List)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Damaged(f"a damaged list of pieces: {error}", digest=item.pieces) from error
    sizes = [piece.size_bytes for piece in found.pieces]
    if found.format != LIST_FORMAT or min(sizes, default=0) < 0 or sum(sizes) != item.size_bytes:
        raise Damaged("a list of pieces that does not fit its file", digest=item.pieces)
    return found.pieces
