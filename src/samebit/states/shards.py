"""The states of all ranks as one: of a sharded tensor one leaf, and which rank has which part.

Writers never talk to each other; each says where its part begins. Manifests alone are read here:
what lies where is known, and checked, before a byte of any part is.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from samebit import digest
from samebit.errors import Damaged
from samebit.records import LeafRecord, StateManifest
from samebit.states import dtypes, leaves, skeleton
from samebit.states.forms import FORMS
from samebit.states.plain import below

__all__ = [
    "PARTS",
    "Box",
    "Piece",
    "Together",
    "boxes_of",
    "is_sharded",
    "put_together",
    "refuse_overlaps",
]

# In place of the digest of a leaf that lies in parts: how it is cut, and the digest of each part.
# Equal ones are equal leaves; those that differ may be the same leaf, cut in another way.
PARTS = "parts:"


class Box(Struct, frozen=True):
    """A part of an array: where it begins along each axis, and how far it reaches."""

    offset: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "Box":
        """All of an array."""
        return cls((0,) * len(shape), tuple(shape))

    def run(self, whole: Sequence[int]) -> "Box":
        """The run of elements, row by row, that reaches from its first to its last one.

        `whole` is the shape of the array. A box of one axis in an array of another number of axes
        is a run already.
        """
        if len(self.shape) != len(whole):
            return self
        steps = [math.prod(whole[axis + 1 :]) for axis in range(len(whole))]
        first = sum(map(int.__mul__, self.offset, steps))
        if 0 in self.shape:
            return Box((first,), (0,))
        ends = (length - 1 for length in self.shape)
        return Box((first,), (1 + sum(map(int.__mul__, ends, steps)),))

    def common(self, other: "Box") -> "Box | None":
        """What two parts of one array have in common; None where that is no element."""
        begin = tuple(map(max, self.offset, other.offset))
        ends = map(min, self.ends(), other.ends())
        shape = tuple(end - at for at, end in zip(begin, ends, strict=True))
        return None if any(length <= 0 for length in shape) else Box(begin, shape)

    def ends(self) -> tuple[int, ...]:
        """Where it ends along each axis."""
        return tuple(at + length for at, length in zip(self.offset, self.shape, strict=True))


class Piece(Struct, frozen=True):
    """What one rank holds of a leaf.

    The box is one of the leaf as it is, or, where ranks hold runs of its elements, of the leaf laid
    out as one row.
    """

    rank: str
    leaf: str  # the name that it has in the state of that rank
    record: LeafRecord
    box: Box


class Together(Struct, frozen=True):
    """One state of several ranks: a manifest in which every leaf is whole, and the parts.

    Ranks that are `absent` may hold what is missing of a leaf; why is said of each.
    """

    manifest: StateManifest
    pieces: Mapping[str, Sequence[Piece]] = field(default_factory=dict[str, Sequence[Piece]])
    absent: Mapping[str, str] = field(default_factory=dict[str, str])


def is_sharded(manifest: StateManifest) -> bool:
    """Whether a rank's state holds parts of tensors; Damaged where its skeleton is not sound."""
    return any(mark == "$shard" for _, mark, _ in skeleton.heads(manifest.skeleton))


def boxes_of(together: Together, name: str) -> Sequence[Piece]:
    """What a leaf is made of; one that is whole on a rank is a single piece."""
    if name in together.pieces:
        return together.pieces[name]
    record = together.manifest.leaves[name]
    return [Piece("", name, record, Box.whole(record.shape))]


def put_together(
    manifests: Mapping[str, StateManifest], absent: Mapping[str, str] | None = None
) -> Together:
    """The states of ranks as one: each sharded tensor one leaf, all else from the first to have it.

    A part that several ranks have (replicas of shards) must be the same on each. That every part
    is there is not asked before somebody wants it.

    Args:
        manifests: of each rank; the first one's order of names is that of the whole.
        absent: the ranks of which there is none, and why.

    Raises:
        Damaged: parts do not fit the whole, overlap, or differ between replicas.
    """
    for manifest in manifests.values():
        is_sharded(manifest)  # every mark has its form
    merger = _Merger(manifests)
    frame = merger.merge(
        [(rank, manifest.skeleton) for rank, manifest in manifests.items()], "", ""
    )
    return Together(StateManifest(frame, merger.leaves), merger.pieces, absent or {})


_Marks = list[tuple[str, Any]]  # what each rank has at one place


class _Merger:
    def __init__(self, manifests: Mapping[str, StateManifest]) -> None:
        self._manifests = manifests
        self._seen: dict[tuple[object, ...], str] = {}
        self.leaves: dict[str, LeafRecord] = {}
        self.pieces: dict[str, Sequence[Piece]] = {}

    def merge(self, marks: _Marks, path: str, above: str) -> Any:
        """The mark of the whole; `above` is the mark that it lies in."""
        first = marks[0][1]
        tag = _tag(first)
        if any(_tag(mark) == "$shard" for _, mark in marks):
            if not all(_tag(mark) == "$shard" for _, mark in marks):
                raise Damaged("a tensor is sharded on one rank and whole on another", at=path)
            return {"$leaf": self._whole(marks, path)}
        if isinstance(first, list):
            rows = [m for m in marks if isinstance(m[1], list) and len(m[1]) == len(first)]
            return [
                self.merge([(rank, row[i]) for rank, row in rows], below(path, i), above)
                for i in range(len(first))
            ]
        if not isinstance(first, dict):
            return first
        if tag in ("$leaf", "$scalar", "$bytes"):
            return {tag: self._plain(marks[0][0], first[tag])}
        if tag in ("", "$dict", "$ordered"):
            return self._dict(marks, path, tag)
        inner = [(rank, mark[tag]) for rank, mark in marks if _tag(mark) == tag]
        if tag == "$tuple":
            return {tag: self.merge(inner, path, tag)}
        if tag in FORMS:
            parts = [name for name in first[tag] if name not in FORMS[tag].HEAD]
            made = {
                name: self.merge([(rank, mark[name]) for rank, mark in inner], path, tag)
                for name in parts
            }
            return {tag: {**first[tag], **made}}
        return first

    def _dict(self, marks: _Marks, path: str, tag: str) -> Any:
        """Every key that a rank has: of a pipeline each rank holds other layers."""
        found: dict[bytes, tuple[Any, _Marks]] = {}
        for rank, mark in marks:
            for key, item in _pairs(mark):
                found.setdefault(digest.canonical_json(key), (key, []))[1].append((rank, item))
        made = [[key, self.merge(items, below(path, key), tag)] for key, items in found.values()]
        return dict(made) if not tag else {tag: made}

    def _plain(self, rank: str, name: str) -> str:
        record = self._record(rank, name)
        return self._named(("", record.dtype, record.shape, rank, name), name, record, rank)

    def _named(self, key: tuple[object, ...], name: str, record: LeafRecord, rank: str) -> str:
        """The name of a leaf; what was met before has the one that it was given."""
        if key not in self._seen:
            free = name if name not in self.leaves else f"{name}@{rank}"
            while free in self.leaves:
                free += "~"
            self._seen[key] = free
            self.leaves[free] = record
        return self._seen[key]

    def _record(self, rank: str, name: str) -> LeafRecord:
        try:
            return self._manifests[rank].leaves[name]
        except KeyError:
            what = f"a state's skeleton names a leaf that it does not have: {name!r}"
            raise Damaged(what) from None

    def _whole(self, marks: _Marks, path: str) -> str:
        """The name of the leaf that parts make, which are checked against each other."""
        pieces = list(self._pieces(marks, path))
        shape = tuple(marks[0][1]["$shard"]["shape"])
        if any(tuple(mark["$shard"]["shape"]) != shape for _, mark in marks):
            raise Damaged("ranks do not agree on the shape of a sharded tensor", at=path)
        known: dict[tuple[int, ...], Piece] = {}
        are_runs = all(len(piece.box.offset) == 1 for piece in pieces)
        axes = (math.prod(shape),) if are_runs else shape
        for piece in pieces:
            if len(piece.box.shape) != len(axes) or len(piece.box.offset) != len(axes):
                raise Damaged("a part of a sharded tensor lies outside it", at=path, shape=shape)
            if 0 in piece.box.shape and 0 not in axes:
                continue  # of an uneven split this rank got nothing
            if any(map(int.__gt__, piece.box.ends(), axes)):
                raise Damaged("a part of a sharded tensor lies outside it", at=path, shape=shape)
            other = known.setdefault(piece.box.offset, piece)
            if other.record.dtype != piece.record.dtype:
                raise Damaged("parts of a sharded tensor have several dtypes", at=path)
            same = (other.box, other.record.digest) == (piece.box, piece.record.digest)
            if not same:
                raise Damaged("replicas of a part of a sharded tensor differ", at=path)
            if piece.record.kept and not other.record.kept:
                known[piece.box.offset] = piece
        parts = [known[offset] for offset in sorted(known)]
        if len({piece.record.dtype for piece in parts or pieces}) != 1:
            raise Damaged("parts of a sharded tensor have several dtypes", at=path)
        refuse_overlaps([piece.box for piece in parts], path)
        key = ("shard", *((piece.rank, piece.leaf, piece.box.offset) for piece in pieces))
        record = _record_of(shape, parts, (parts or pieces)[0].record.dtype)
        name = self._named(key, pieces[0].leaf, record, pieces[0].rank)
        self.pieces[name] = parts
        leaves.check(record, name)
        return name

    def _pieces(self, marks: _Marks, path: str) -> Iterator[Piece]:
        for rank, mark in marks:
            match mark["$shard"]:
                case {"offset": list(offset), "value": {"$leaf": str(leaf)}}:
                    record = self._record(rank, leaf)
                    yield Piece(rank, leaf, record, Box(tuple(offset), tuple(record.shape)))
                case _:
                    raise Damaged("a part of a sharded tensor is no plain array", at=path)


def _record_of(shape: tuple[int, ...], parts: Sequence[Piece], dtype: str) -> LeafRecord:
    cut = [[piece.box.offset, piece.box.shape, piece.record.digest] for piece in parts]
    name = digest.of_bytes(digest.canonical_json([dtype, shape, cut]))
    size = math.prod(shape) * (dtypes.item_bytes(dtype) or 0)
    kept = all(piece.record.kept for piece in parts)
    return LeafRecord(dtype, shape, PARTS + digest.hex_of(name), size, kept)


def refuse_overlaps(boxes: Sequence[Box], path: str) -> None:
    """Damaged where two parts of an array, in the order of where they begin, have an element."""
    # By the first axis, so that of very many parts few are compared.
    active: list[Box] = []
    for box in boxes:
        if not box.offset and active:
            raise Damaged("parts of a sharded tensor overlap", at=path)
        active = [one for one in active if one.ends()[0] > box.offset[0]]
        if any(one.common(box) for one in active):
            raise Damaged("parts of a sharded tensor overlap", at=path)
        active.append(box)


def _tag(mark: Any) -> str:
    """The name of a mark; empty for a dict that is none, and for all else."""
    if isinstance(mark, dict) and len(mark) == 1 and next(iter(mark)).startswith("$"):
        return next(iter(mark))
    return ""


def _pairs(mark: Any) -> list[tuple[Any, Any]]:
    """Keys and items of a dict, whatever mark it has; none of anything else."""
    tag = _tag(mark)
    if tag in ("$dict", "$ordered"):
        return [(key, item) for key, item in mark[tag]]
    return list(mark.items()) if isinstance(mark, dict) and not tag else []
