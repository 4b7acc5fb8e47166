"""States in the store: saved leaf by leaf under a manifest, read back with every byte checked."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from samebit import digest, disk, records
from samebit.errors import Damaged, NotFound, SamebitError
from samebit.objects.batch import Batch, Slot
from samebit.objects.store import Store
from samebit.records import LeafRecord, StateManifest
from samebit.states import leaves, skeleton
from samebit.states.skeleton import Unknown
from samebit.states.torch import NON_PERSISTENT

__all__ = [
    "PART_BYTES",
    "identity",
    "leaves_below",
    "names_of",
    "objects_of",
    "pieces",
    "read_bytes",
    "read_into",
    "read_manifest",
    "save",
    "size_bytes",
]

# Tensors do not shift: where a large one changes, its other parts are the objects that are there.
PART_BYTES = 16 << 20
_WHOLE_BYTES = 64 << 20  # up to here a leaf is one object
_ARRAYS = frozenset({"$sparse", "$quantized", "$shard"})  # forms whose heads make another array


def save(store: Store, state: object, *, keep: bool = True, unknown: Unknown = "refuse") -> str:
    """Keep a state, or with `keep=False` only its leaves' digests; the name of its manifest.

    The arrays must not change until this returns (`frozen_copy` makes some that cannot). Raises
    UsageError for what a state cannot hold, before anything is written (see `skeleton.split`), and
    SamebitError where the disk does not take it: then there is no manifest.
    """
    frame, arrays = skeleton.split(state, unknown)
    try:
        disk.fault("state.save")
        with store.batch() as batch:
            put = [_put_leaf(batch if keep else None, array) for array in arrays.values()]
            batch.settle()
            found = {name: finish() for name, finish in zip(arrays, put, strict=True)}
            slot = batch.add(records.encode(StateManifest(frame, found)))
    except OSError as error:
        why = error.strerror or str(error)
        raise SamebitError(f"the store cannot be written: {why}", store=store.path) from error
    return slot.name


def _put_leaf(batch: Batch | None, array: Any) -> Callable[[], LeafRecord]:
    """Begin to put one array; what is returned gives its record once the batch has settled."""
    leaf = leaves.canonical(array)
    size = leaf.data.nbytes
    if batch is None:
        record = LeafRecord(leaf.dtype, leaf.shape, digest.of_bytes(leaf.data), size, kept=False)
        return lambda: record
    word = _float_bytes(leaf.dtype)
    if size <= _WHOLE_BYTES:
        slot = batch.add(leaf.data, word)
        return lambda: LeafRecord(leaf.dtype, leaf.shape, slot.name, size)
    whole = digest.Hasher()
    slots: list[Slot] = []
    for at in range(0, size, PART_BYTES):
        part = leaf.data[at : at + PART_BYTES]
        slots.append(batch.add(part, word))
        whole.update(part)
    name = whole.digest()
    return lambda: LeafRecord(
        leaf.dtype, leaf.shape, name, size, parts=tuple(slot.name for slot in slots)
    )


def _float_bytes(dtype: str) -> int:
    """How many bytes a floating-point number of a dtype has; 1 where there are none, or tiny ones.

    A complex number is two.
    """
    if dtype.startswith("complex"):
        return leaves.ITEM_BYTES[dtype] // 2
    return leaves.ITEM_BYTES[dtype] if "float" in dtype else 1


def objects_of(store: Store, name: str) -> set[str]:
    """The names of all objects that make up a state, its manifest's among them."""
    return {name, *names_of(read_manifest(store, name).leaves.values())}


def names_of(found: Iterable[LeafRecord]) -> Iterator[str]:
    """The objects that hold some leaves, of each in order; none of one that was not kept."""
    for record in found:
        if record.kept:
            yield from record.parts or (record.digest,)


def read_manifest(store: Store, name: str) -> StateManifest:
    """The manifest of a state, its leaves' records checked; raises NotFound or Damaged."""
    data = store.read(name)
    try:
        manifest = records.decode(data, StateManifest, where=name)
    except (RecursionError, TypeError) as error:
        raise Damaged(f"a damaged state: {error}", digest=name) from error
    if manifest.format != records.STATE_FORMAT:
        raise Damaged("not a state", format=repr(manifest.format), digest=name)
    for leaf_name, record in manifest.leaves.items():
        leaves.check(record, leaf_name)
        if record.parts and len(record.parts) != -(-record.size_bytes // PART_BYTES):
            raise Damaged(
                f"leaf {leaf_name!r} has {len(record.parts)} parts, which its size does not fit",
                size_bytes=record.size_bytes,
            )
    return manifest


def read_bytes(store: Store, name: str, record: LeafRecord) -> bytes | bytearray:
    """The canonical bytes of one leaf, verified; NotFound where only its digest was kept."""
    if not record.parts:
        return next(pieces(store, name, record))
    data = bytearray()
    for piece in pieces(store, name, record):
        data += piece  # grows with what is there, not on the word of a manifest
    return data


def pieces(store: Store, name: str, record: LeafRecord) -> Iterator[bytes]:
    """The canonical bytes of one leaf in order, each piece verified; a large leaf has several."""
    _refuse_digest_only(name, record)
    left = record.size_bytes
    for part in record.parts:
        yield store.read(part, size_bytes=min(left, PART_BYTES))
        left -= PART_BYTES
    if not record.parts:
        yield store.read(record.digest, size_bytes=left)


def read_into(store: Store, name: str, record: LeafRecord, buffer: memoryview) -> None:
    """Fill a buffer of just its size with a leaf's canonical bytes, every object of it verified."""
    _refuse_digest_only(name, record)
    room = buffer.cast("B")
    if room.nbytes != record.size_bytes:
        raise Damaged(
            f"leaf {name!r} has {record.size_bytes} bytes where room is for {room.nbytes}",
            digest=record.digest,
        )
    for at, part in enumerate(record.parts):
        piece = room[at * PART_BYTES : (at + 1) * PART_BYTES]
        store.read_into(part, piece)
    if not record.parts:
        store.read_into(record.digest, room)


def _refuse_digest_only(name: str, record: LeafRecord) -> None:
    if not record.kept:
        raise NotFound(
            f"leaf {name!r} was not kept, only its digest",
            digest=record.digest,
            size_bytes=record.size_bytes,
            hint="a larger `states.budget_mb` lets the next run keep its states",
        )


def leaves_below(manifest: StateManifest, prefix: str) -> dict[str, str]:
    """What a state holds below a prefix: names without the prefix, and the leaf at each.

    A tied leaf is there under each of its names; buffers that `state_dict()` leaves out are not.
    """
    start = f"{prefix}." if prefix else ""
    found: dict[str, str] = {}
    for place, leaf_name in skeleton.references(manifest.skeleton):
        below = place.removeprefix(start)
        if place.startswith(start) and not below.startswith(f"{NON_PERSISTENT}."):
            if leaf_name not in manifest.leaves:
                raise Damaged(f"a state names a leaf that it does not have: {leaf_name!r}")
            found[below] = leaf_name
    if not found:
        raise NotFound(f"the state holds no array below {prefix!r}")
    return found


def identity(manifest: StateManifest, prefix: str = "model") -> str:
    """The content name of what lies below a prefix: equal exactly for equal names and arrays."""
    rows: list[list[object]] = []
    for place, leaf_name in sorted(leaves_below(manifest, prefix).items()):
        record = manifest.leaves[leaf_name]
        rows.append([place, record.dtype, record.shape, record.digest])
    rows += [[place, mark, head] for place, mark, head in _heads_below(manifest, prefix)]
    return digest.of_bytes(digest.canonical_json(rows))


def _heads_below(manifest: StateManifest, prefix: str) -> Iterator[tuple[str, str, object]]:
    """What sparse, quantised and sharded tensors below a prefix say beside their arrays."""
    start = f"{prefix}." if prefix else ""
    for place, mark, head in skeleton.heads(manifest.skeleton):
        below = place.removeprefix(start)
        hidden = below.startswith(f"{NON_PERSISTENT}.")
        if mark in _ARRAYS and place.startswith(start) and not hidden:
            yield below, mark, head


def size_bytes(state: object) -> int:
    """How many bytes of arrays a state has; tied ones count once."""
    _, arrays = skeleton.split(state, "text")
    return sum(leaves.size_bytes(array) for array in arrays.values())
