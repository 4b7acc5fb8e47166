"""Two states leaf by leaf: what is equal to the bit, and how far apart the rest is.

A side is a state of the store or a file; of either only a few megabytes are held at a time. Leaves
of equal digest are equal and are not read.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from samebit import digest
from samebit.errors import Damaged, NotFound
from samebit.records import LeafRecord
from samebit.states import numbers, skeleton, sources
from samebit.states.numbers import Apart
from samebit.states.plain import plain_values
from samebit.states.shards import PARTS
from samebit.states.stored import StoredState
from samebit.states.torch import NON_PERSISTENT

__all__ = [
    "LeafDifference",
    "Pieces",
    "Side",
    "compare_leaf",
    "compare_leaves",
    "compare_values",
    "known",
    "of_state",
    "shape_of",
]

_BLOCK_BYTES = 4 << 20

Pieces = Callable[[str], Iterator[bytes | memoryview]]


class Side(Struct, frozen=True):
    """One of the two: the record of the array at each place, and how its bytes are read.

    A record's digest is empty where it is not known without reading.
    """

    records: Mapping[str, LeafRecord]
    pieces: Pieces
    values: Mapping[str, Any] = field(default_factory=dict)
    has_values: bool = True  # False: a file that holds arrays alone

    def as_state_dict(self) -> "Side":
        """Without the buffers that `state_dict()` leaves out: no file has them."""
        hidden = f"{NON_PERSISTENT}."
        records = {place: r for place, r in self.records.items() if hidden not in place}
        return replace(self, records=records)

    def below(self, prefix: str, *, strictly: bool) -> "Side":
        """What lies below a prefix, without it; where nothing does all, or NotFound if strictly."""
        if not prefix:
            return self
        records = _below(self.records, prefix)
        if not records:
            if strictly:
                raise NotFound(f"the state holds no array below {prefix!r}")
            return self
        places = _below({place: place for place in self.records}, prefix)
        values = _below(self.values, prefix)
        return Side(records, lambda place: self.pieces(places[place]), values, self.has_values)


def _below(named: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        place.removeprefix(f"{prefix}."): item
        for place, item in named.items()
        if place.startswith(f"{prefix}.")
    }


class LeafDifference(Struct, frozen=True):
    """One place at which two sides differ."""

    place: str
    ours: LeafRecord | None  # None: the place is on the other side alone
    theirs: LeafRecord | None
    apart: Apart | None = None  # None where dtype or shape differ, or bytes are missing
    why: str = ""  # why there is nothing to measure


def of_state(stored: StoredState) -> Side:
    """A state of the store as one side; a tied leaf is there under each of its names."""
    source = stored.source
    manifest = source.together.manifest
    places = dict(skeleton.references(manifest.skeleton))
    for leaf in places.values():
        if leaf not in manifest.leaves:
            what = f"a state names a leaf that it does not have: {leaf!r}"
            raise Damaged(what, digest=stored.digest)
    return Side(
        {place: manifest.leaves[leaf] for place, leaf in places.items()},
        lambda place: sources.pieces_of(source, places[place]),
        dict(plain_values(manifest.skeleton)),
    )


def compare_leaves(first: Side, second: Side) -> Iterator[LeafDifference | None]:
    """Each place of either side, in order of names: None where it is equal, else how it differs."""
    # What is tied is compared once.
    seen: dict[tuple[LeafRecord, LeafRecord], LeafDifference | None] = {}
    for place in sorted({*first.records, *second.records}):
        ours, theirs = first.records.get(place), second.records.get(place)
        if ours is None or theirs is None:
            yield LeafDifference(place, ours, theirs)
            continue
        is_known = bool(ours.digest and theirs.digest)
        if is_known and (ours, theirs) in seen:
            before = seen[ours, theirs]
            yield before and LeafDifference(place, ours, theirs, before.apart, before.why)
            continue
        found = compare_leaf(place, first, second)
        if is_known:
            seen[ours, theirs] = found
        yield found


def known(ours: LeafRecord | None, theirs: LeafRecord | None) -> tuple[bool | None, bool]:
    """What records alone tell of one place: whether it is equal, and whether numbers can say more.

    None where only reading tells: ranks hold parts of it, or a file does.
    """
    if ours is None or theirs is None or (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return False, False
    has_digests = all(one.digest and not one.digest.startswith(PARTS) for one in (ours, theirs))
    is_equal = ours.digest == theirs.digest if ours.digest and theirs.digest else None
    if not is_equal and not has_digests:
        is_equal = None
    return is_equal, is_equal is not True and ours.kept and theirs.kept


def compare_leaf(place: str, first: Side, second: Side) -> LeafDifference | None:
    """One place that both sides have: None where it is equal, else how it differs."""
    ours, theirs = first.records[place], second.records[place]
    if ours.dtype != theirs.dtype:
        return LeafDifference(place, ours, theirs, why=f"{ours.dtype} → {theirs.dtype}")
    if ours.shape != theirs.shape:
        return LeafDifference(place, ours, theirs, why=f"{shape_of(ours)} → {shape_of(theirs)}")
    if ours.digest and ours.digest == theirs.digest:
        return None
    if not (ours.kept and theirs.kept):
        return _by_digest(place, first, second, ours, theirs)
    apart = Apart()
    item_bytes = max(ours.size_bytes // max(math.prod(ours.shape), 1), 1)
    pairs = zip(
        _blocks(first.pieces(place), item_bytes),
        _blocks(second.pieces(place), item_bytes),
        strict=True,
    )
    try:
        for mine, other in pairs:
            block = numbers.block_apart(ours.dtype, item_bytes, mine, other)
            apart = numbers.together(apart, block)
    except NotFound as error:
        if isinstance(error, Damaged) or not (ours.digest and theirs.digest):
            raise
        return LeafDifference(place, ours, theirs, why="the bytes are not here any more")
    return LeafDifference(place, ours, theirs, apart) if apart.count else None


def _by_digest(
    place: str, first: Side, second: Side, ours: LeafRecord, theirs: LeafRecord
) -> LeafDifference | None:
    """Where only digests were kept, all that can be told is whether they are equal."""
    names: list[str] = []
    for side, record in ((first, ours), (second, theirs)):
        in_parts = record.digest.startswith(PARTS)
        if in_parts and not record.kept:
            return LeafDifference(place, ours, theirs, why="only digests of parts were kept")
        known = record.digest and not in_parts
        names.append(record.digest if known else _digest(side.pieces(place)))
    if names[0] == names[1]:
        return None
    return LeafDifference(place, ours, theirs, why="only digests were kept")


def _digest(pieces: Iterator[bytes | memoryview]) -> str:
    whole = digest.Hasher()
    for piece in pieces:
        whole.update(piece)
    return whole.digest()


def shape_of(record: LeafRecord) -> str:
    """The shape of a leaf in words: `3×4`, or `scalar`."""
    return "×".join(map(str, record.shape)) or "scalar"


def _blocks(pieces: Iterator[bytes | memoryview], item_bytes: int) -> Iterator[memoryview]:
    """The same bytes in blocks of one size, of whole elements, whatever the pieces were."""
    size = max(_BLOCK_BYTES // item_bytes, 1) * item_bytes
    left = bytearray()
    for piece in pieces:
        view = memoryview(piece).cast("B")
        if left:
            taken = min(size - len(left), view.nbytes)
            left += view[:taken]
            view = view[taken:]
            if len(left) < size:
                continue
            yield memoryview(left)
            left = bytearray()
        while view.nbytes >= size:
            yield view[:size]
            view = view[size:]
        left += view
    if left:
        yield memoryview(left)


def compare_values(first: Side, second: Side) -> list[tuple[str, Any, Any]]:
    """Place and both values, where plain values differ; what a side lacks is `...`.

    Nothing is compared with a file that holds arrays alone.
    """
    if not (first.has_values and second.has_values):
        return []
    found: list[tuple[str, Any, Any]] = []
    for place in [*first.values, *(p for p in second.values if p not in first.values)]:
        ours, theirs = first.values.get(place, ...), second.values.get(place, ...)
        if ours is ... or theirs is ... or _bytes_of(ours) != _bytes_of(theirs):
            found.append((place, ours, theirs))
    return found


def _bytes_of(value: Any) -> bytes:
    return digest.canonical_json(value)  # 1 and 1.0, and 0.0 and -0.0, are told apart by it
