"""States in the store: saved leaf by leaf under a manifest, read back with every byte checked."""

from collections.abc import Iterator
from typing import Any

from samebit import digest, disk, records
from samebit.errors import Damaged, NotFound
from samebit.objects.store import Store
from samebit.records import LeafRecord, StateManifest
from samebit.states import leaves, skeleton
from samebit.states.skeleton import Unknown
from samebit.states.torch import NON_PERSISTENT

__all__ = [
    "identity",
    "leaves_below",
    "load",
    "read_bytes",
    "read_leaf",
    "read_manifest",
    "save",
    "size_bytes",
]

_ARRAYS = frozenset({"$sparse", "$quantized", "$shard"})  # forms whose heads make another array


def save(store: Store, state: object, *, keep: bool = True, unknown: Unknown = "refuse") -> str:
    """Keep a state, or with `keep=False` only its leaves' digests; the name of its manifest.

    The arrays must not change until this returns (`frozen_copy` makes some that cannot). Raises
    UsageError for what a state cannot hold, before anything is written; see `skeleton.split`.
    """
    disk.fault("state.save")
    frame, arrays = skeleton.split(state, unknown)
    described: list[tuple[str, tuple[int, ...], int]] = []

    def pieces() -> Iterator[memoryview]:
        for array in arrays.values():
            leaf = leaves.canonical(array)
            described.append((leaf.dtype, leaf.shape, leaf.data.nbytes))
            yield leaf.data

    digests = store.put_all(pieces()) if keep else [digest.of_bytes(data) for data in pieces()]
    found = {
        name: LeafRecord(dtype, shape, leaf_digest, size, kept=keep)
        for name, leaf_digest, (dtype, shape, size) in zip(arrays, digests, described, strict=True)
    }
    return store.put(records.encode(StateManifest(frame, found)))


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
    return manifest


def load(store: Store, name: str, *, as_torch: bool) -> Any:
    """The state of that name as it was saved, its arrays as torch tensors or as NumPy arrays."""
    manifest = read_manifest(store, name)
    arrays = {
        leaf_name: read_leaf(store, leaf_name, record, as_torch=as_torch)
        for leaf_name, record in manifest.leaves.items()
    }
    return skeleton.join(manifest.skeleton, arrays)


def read_leaf(store: Store, name: str, record: LeafRecord, *, as_torch: bool) -> Any:
    """One array of a state, verified; NotFound where only its digest was kept."""
    return leaves.restore(record, read_bytes(store, name, record), as_torch=as_torch, name=name)


def read_bytes(store: Store, name: str, record: LeafRecord) -> bytes:
    """The canonical bytes of one leaf, verified; NotFound where only its digest was kept."""
    if not record.kept:
        raise NotFound(
            f"leaf {name!r} was not kept, only its digest",
            digest=record.digest,
            size_bytes=record.size_bytes,
            hint="a larger `states.budget_mb` lets the next run keep its states",
        )
    data = store.read(record.digest)
    leaves.check_size(record, data, name)
    return data


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
