"""Where the bytes of a state's leaves lie, and how they are read: whole, in order, or a part.

Where a leaf lies in parts, of which each rank of a run kept one, they are put together here; who
wants a part of a leaf, as a rank does, is given that. Every object of which a byte is wanted is
read whole, so that it can be compared with its name.
"""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from samebit import digest
from samebit.errors import Damaged, NotFound
from samebit.objects.store import Store
from samebit.records import LeafRecord
from samebit.states import dtypes, leaves, shards, storing
from samebit.states.shards import Box, Piece, Together

__all__ = ["Room", "Source", "all_of", "digest_of", "map_of", "pieces_of", "reads", "require"]


class Source(Struct, frozen=True):
    """A state of the store, and what its leaves are made of."""

    store: Store
    together: Together
    hint: str | None = None  # said where an object is not there

    @property
    def records(self) -> Mapping[str, LeafRecord]:
        """Of each leaf, as a whole."""
        return self.together.manifest.leaves


def require(source: Source, wanted: Iterable[tuple[str, Box]]) -> None:
    """Raise before anything is allocated or written, where a part is missing or too short."""
    wanted = list(wanted)
    needed = {
        (piece.rank, piece.leaf): piece
        for name, box in wanted
        for piece in _needed(source, name, box)
    }
    missing = [piece for piece in needed.values() if not piece.record.kept]
    if missing:
        raise NotFound(
            f"of {len(missing)} of {len(needed)} leaves only the digests were kept",
            **{**_where(missing[0]), "first": missing[0].leaf},
            hint="a larger `states.budget_mb` lets the next run keep its states",
        )
    for piece in needed.values():
        record = piece.record
        leaves.check(record, piece.leaf)
        with _naming(source, piece):
            sizes = [source.store.size_bytes(part) for part in record.parts or (record.digest,)]
            if sum(sizes) != record.size_bytes:
                what = f"has {sum(sizes)} bytes where {record.size_bytes} were recorded"
                raise Damaged(f"leaf {piece.leaf!r} {what}", digest=record.digest)


def _needed(source: Source, name: str, box: Box) -> Sequence[Piece]:
    """What a part of a leaf is made of; NotFound where something of it is not there."""
    pieces = shards.boxes_of(source.together, name)
    if name not in source.together.pieces:
        return pieces
    box = _as_cut(box, source.records[name].shape, pieces)
    needed: list[Piece] = []
    found = 0
    for piece in pieces:
        common = box.common(piece.box)
        if common is not None:
            needed.append(piece)
            found += math.prod(common.shape)
    if found != math.prod(box.shape):
        raise _not_whole(source.together, name, found, box)
    return needed


def _as_cut(box: Box, shape: Sequence[int], pieces: Sequence[Piece]) -> Box:
    """The least part that holds a box and is a run, where pieces are, or a box as they are."""
    if any(len(piece.box.shape) != len(shape) for piece in pieces):
        return box.run(shape)
    is_run = len(box.shape) != len(shape)
    return Box.whole(shape) if is_run and pieces else box


def _not_whole(together: Together, name: str, found: int, box: Box) -> NotFound:
    facts: dict[str, object] = {"leaf": name, "elements": f"{found} of {math.prod(box.shape)}"}
    if ranks := dict.fromkeys(piece.rank for piece in together.pieces[name] if piece.rank):
        facts["parts of ranks"] = ", ".join(ranks)
    if not together.absent:
        what = f"leaf {name!r} is not whole: parts of other ranks are not here"
        return NotFound(what, **facts, hint="the run's state is that of all ranks")
    ranks = ", ".join(together.absent)
    facts |= {f"rank {rank}": why for rank, why in together.absent.items()}
    what = f"leaf {name!r} is not whole: the part of rank {ranks} is not here"
    return NotFound(what, **facts, hint="a store that has this rank's part, too, can be read")


def pieces_of(source: Source, name: str) -> Iterator[bytes | memoryview]:
    """The canonical bytes of one leaf in order, verified; of a large leaf one piece at a time."""
    record = source.records[name]
    parts = _needed(source, name, all_of(record))
    boxes = [piece.box.shape for piece in parts if len(piece.box.shape) == len(record.shape)]
    if any(shape[1:] != record.shape[1:] for shape in boxes):
        # Rows of several parts lie side by side.
        require(source, [(name, all_of(record))])
        data = memoryview(bytearray(record.size_bytes))
        for call in reads(source, name, Room(data, all_of(record))):
            call()
        yield data
        return
    for piece in parts:
        with _naming(source, piece):
            yield from storing.pieces(source.store, piece.leaf, piece.record)


def digest_of(source: Source, name: str) -> str:
    """The digest of a leaf; one that lies in parts is read. Raises NotFound where one is gone."""
    if name not in source.together.pieces:
        return source.records[name].digest
    hasher = digest.Hasher()
    for piece in pieces_of(source, name):
        hasher.update(piece)
    return hasher.digest()


class Room(Struct, frozen=True):
    """Memory for a part of a leaf, its elements in order."""

    memory: memoryview
    box: Box


def reads(source: Source, name: str, room: Room) -> list[Callable[[], None]]:
    """What fills a room: a call for each object that lies where it is wanted, or for each piece."""
    item = dtypes.item_bytes(source.records[name].dtype) or 0
    pieces = _needed(source, name, room.box)
    if any(len(piece.box.shape) != len(room.box.shape) for piece in pieces):
        shape = source.records[name].shape
        runs = [piece.box.run(shape) for piece in pieces]
        run = room.box.run(shape)
        boxes = [room.box, *(piece.box for piece in pieces)]
        if any(
            math.prod(a.shape) != math.prod(b.shape)
            for a, b in zip(boxes, [run, *runs], strict=True)
        ):
            return [lambda: _by_the_whole(source, name, room, item)]
        pieces = [replace(piece, box=at) for piece, at in zip(pieces, runs, strict=True)]
        room = Room(room.memory, run)
    calls: list[Callable[[], None]] = []
    for piece in pieces:
        common = room.box.common(piece.box)
        if common is None:
            if piece.record.size_bytes == 0:  # what is empty is read, too: its object is there
                calls.append(
                    lambda piece=piece: _read_whole(source, piece, memoryview(bytearray()))
                )
            continue
        rows = math.prod(room.box.shape[1:]) * item
        if common == piece.box and common.shape[1:] == room.box.shape[1:]:
            at = (common.offset[0] - room.box.offset[0]) * rows if common.shape else 0
            whole = room.memory[at : at + piece.record.size_bytes]
            calls += _whole_reads(source, piece, whole)
        else:
            calls.append(
                lambda piece=piece, common=common: _copy(source, piece, common, room, item)
            )
    return calls


def _by_the_whole(source: Source, name: str, room: Room, item: int) -> None:
    """Read all of a leaf for a part of it that is cut in quite another way than it lies here."""
    import numpy  # noqa: PLC0415  (a lazy door; loaded already, for the room)

    record = source.records[name]
    data = numpy.frombuffer(b"".join(pieces_of(source, name)), numpy.uint8)
    shape = record.shape if len(room.box.shape) == len(record.shape) else (len(data) // item,)
    ours = numpy.frombuffer(room.memory, numpy.uint8).reshape(*room.box.shape, item)
    ours[...] = data.reshape(*shape, item)[_slices(room.box, (0,) * len(shape))]


def _whole_reads(source: Source, piece: Piece, memory: memoryview) -> list[Callable[[], None]]:
    if not piece.record.parts:
        return [lambda: _read_whole(source, piece, memory)]
    step = storing.PART_BYTES
    return [
        lambda part=part, at=at: _read_part(source, piece, part, memory[at : at + step])
        for at, part in zip(range(0, len(memory), step), piece.record.parts, strict=True)
    ]


def _read_whole(source: Source, piece: Piece, memory: memoryview) -> None:
    with _naming(source, piece):
        storing.read_into(source.store, piece.leaf, piece.record, memory)


def _read_part(source: Source, piece: Piece, part: str, memory: memoryview) -> None:
    with _naming(source, piece):
        source.store.read_into(part, memory)


def _copy(source: Source, piece: Piece, common: Box, room: Room, item: int) -> None:
    """Read as many rows of a piece as hold what is wanted, and lay that out in its room."""
    import numpy  # noqa: PLC0415  (a lazy door; loaded already, for the room)

    rows = math.prod(piece.box.shape[1:]) * item
    first = (common.offset[0] - piece.box.offset[0]) * rows
    last = first + common.shape[0] * rows
    data = _read_range(source, piece, first, last)
    theirs = numpy.frombuffer(data, numpy.uint8).reshape(
        common.shape[0], *piece.box.shape[1:], item
    )
    ours = numpy.frombuffer(room.memory, numpy.uint8).reshape(*room.box.shape, item)
    start = (common.offset[0], *piece.box.offset[1:])
    ours[_slices(common, room.box.offset)] = theirs[_slices(common, start)]


def _slices(common: Box, start: Sequence[int]) -> tuple[slice, ...]:
    places = zip(common.offset, common.shape, start, strict=True)
    return tuple(slice(at - begin, at - begin + length) for at, length, begin in places)


def _read_range(source: Source, piece: Piece, first: int, last: int) -> memoryview:
    """Bytes of a piece; only those of its objects are read that hold some of them."""
    with _naming(source, piece):
        if not piece.record.parts:
            data = storing.read_bytes(source.store, piece.leaf, piece.record)
            return memoryview(data)[first:last]
        step = storing.PART_BYTES
        begin, end = first // step, -(-last // step)
        base, size = begin * step, min(end * step, piece.record.size_bytes) - begin * step
        room = memoryview(bytearray(size))
        for at in range(begin, end):
            source.store.read_into(
                piece.record.parts[at], room[at * step - base : (at + 1) * step - base]
            )
        return room[first - base : last - base]


def map_of(source: Source, name: str, record: LeafRecord) -> memoryview | None:
    """A leaf that lies raw in one object, mapped and verified; None for any other."""
    if name in source.together.pieces or record.parts or not record.size_bytes:
        return None
    with _naming(source, shards.boxes_of(source.together, name)[0]):
        return source.store.open_raw(record.digest, private=True)


def all_of(record: LeafRecord) -> Box:
    """The whole of a leaf."""
    return Box.whole(record.shape)


@contextmanager
def _naming(source: Source, piece: Piece) -> Generator[None]:
    """Whatever is wrong with an object is said of its leaf and rank."""
    try:
        yield
    except NotFound as error:
        error.facts = {**_where(piece), **error.facts}
        if not isinstance(error, Damaged):
            error.hint = source.hint or error.hint
        raise


def _where(piece: Piece) -> dict[str, object]:
    where: dict[str, object] = {"leaf": piece.leaf}
    return where | {"rank": piece.rank} if piece.rank else where
