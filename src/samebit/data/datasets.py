"""Fingerprints of torch's data sets: by position, or as a stream; never of what comes by chance.

Each item is made twice with the generators in different states. What differs is random, and then
only the source can have a fingerprint that comes again.
"""

import copy
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from samebit import digest
from samebit.data import arrays, generators
from samebit.data.forms import Fingerprint, named, sealed, u64
from samebit.data.items import digest_of_item
from samebit.errors import UsageError

__all__ = ["Keep", "find_fingerprint", "of_list", "sampled_positions"]

Advance = Callable[[int], None]
Keep = Callable[[Any], None]  # takes an item that was read; what it raises ends the reading

_SEEDS = 0x5A4D_0001, 0x5A4D_0002
_TRANSFORMS = ("transform", "target_transform", "transforms")
_RANDOM = "items are random: what two reads gave differs, first at {}"


def find_fingerprint(
    value: Any, sample: int | None, advance: Advance | None, keep: Keep | None = None
) -> Fingerprint | None:
    """The fingerprint of a data set of torch, or of what can be read as one; else None.

    Args:
        value: what has items by position and a length, or an `IterableDataset` of torch or of
            Hugging Face.
        sample: at most so many items; None for all.
        advance: is told how many more items are read.
        keep: takes each item as it is read first.
    """
    if sample is not None and sample < 1:
        raise UsageError(f"a sample has at least one item, not {sample}")
    torch = sys.modules.get("torch")
    data = torch.utils.data if torch is not None else None
    if data is not None and isinstance(value, data.DataLoader):
        raise UsageError("a loader shuffles and collates", hint="hand over its dataset")
    theirs = sys.modules.get("datasets.iterable_dataset")
    if (data is not None and isinstance(value, data.IterableDataset)) or (
        theirs is not None and isinstance(value, theirs.IterableDataset)
    ):
        return _of_stream(value, sample, advance, keep)
    if data is not None and (found := _of_tensors(data, value)) is not None:
        return found
    if isinstance(value, (str, bytes, list, tuple, range)) or not _has_positions(value):
        return None
    return _of_items(value, sample, advance, keep)


def of_list(items: Sequence[Any], *, streamed: bool = False) -> Fingerprint:
    """The fingerprint of items that lie in a list: that of a data set, or a stream, of these."""
    digests = [digest_of_item(item) for item in items]
    if not streamed:
        return _named("items", len(digests), range(len(digests)), digests, [])
    header = {"items": len(digests)}
    raw = sealed("stream", header, [digest.raw(b"".join(digests))])
    return Fingerprint("stream", named("stream", raw), header)


def sampled_positions(items: int, most: int) -> list[int]:
    """Which positions a sample takes: the first, the last, and others by a fixed choice."""
    if most >= items:
        return list(range(items))
    taken = {0, items - 1} if most > 1 else {0}
    count = 0
    while len(taken) < most:
        chosen = sealed("choice", {"count": count, "items": items})
        taken.add(int.from_bytes(chosen[:8], "little") % items)
        count += 1
    return sorted(taken)


def _has_positions(value: Any) -> bool:
    return hasattr(type(value), "__getitem__") and hasattr(type(value), "__len__")


def _of_tensors(data: Any, value: Any) -> Fingerprint | None:
    """Of a `TensorDataset`, or of rows of one."""
    rows: Any = None
    while type(value) is data.Subset:
        chosen = list(value.indices)
        rows = chosen if rows is None else [chosen[at] for at in rows]
        value = value.dataset
    if type(value) is not data.TensorDataset:
        return None
    return arrays.of_arrays(value.tensors, rows)


def _of_items(
    dataset: Any, sample: int | None, advance: Advance | None, keep: Keep | None
) -> Fingerprint:
    count = len(dataset)
    positions = range(count) if sample is None else sampled_positions(count, sample)
    is_sample = len(positions) < count
    random_at = _random_at(dataset, positions, advance, keep)
    notes = [f"a sample: {len(positions)} of {count} items were read"] if is_sample else []
    if isinstance(random_at, list):
        return _named("items-sample" if is_sample else "items", count, positions, random_at, notes)
    notes.append(_RANDOM.format(f"position {random_at}"))
    if (bare := _without_transforms(dataset)) is not None:
        source = _random_at(bare, positions, None)
        if isinstance(source, list):
            notes.append("the fingerprint is of the source, with its transforms off")
            return _named("items-source", count, positions, source, notes)
        notes.append(f"with its transforms off, too, first at position {source}")
    notes.append("a fingerprint could not come again: take one of its files, arrays or frames")
    return Fingerprint("items", None, {"items": count}, notes=tuple(notes))


def _named(
    kind: str, count: int, positions: Any, digests: list[bytes], notes: list[str]
) -> Fingerprint:
    header = {"items": count}
    if len(positions) < count:
        header["taken"] = len(positions)
        payload = [u64(at) + one for at, one in zip(positions, digests, strict=True)]
    else:
        payload = digests
    raw = sealed(kind, header, payload)
    return Fingerprint(kind, named(kind, raw), header, notes=tuple(notes))


def _random_at(
    dataset: Any, positions: Iterable[int], advance: Advance | None, keep: Keep | None = None
) -> list[bytes] | int:
    """The digests of items, or the first position at which two reads differ."""
    digests: list[bytes] = []
    with generators.kept(dataset):
        for at in positions:
            first = _item(dataset, at, _SEEDS[0], keep)
            if first != _item(dataset, at, _SEEDS[1]):
                return at
            digests.append(first)
            if advance is not None:
                advance(1)
    return digests


def _item(dataset: Any, at: int, seed: int, keep: Keep | None = None) -> bytes:
    # Another state at each position: a draw that is rare is not the same one at all of them.
    generators.set_to((seed + at) % (1 << 32))
    item = dataset[at]
    if keep is not None:
        keep(item)
    try:
        return digest_of_item(item)
    except UsageError as error:
        raise UsageError(error.what, item=at, hint=error.hint) from error


def _without_transforms(dataset: Any) -> Any:
    """A copy of a data set, and of the one in a subset of it, that transforms nothing; or None."""
    held = vars(dataset) if hasattr(dataset, "__dict__") else {}
    present = [name for name in _TRANSFORMS if held.get(name) is not None]
    inner = _without_transforms(held["dataset"]) if "dataset" in held else None
    if not present and inner is None:
        return None
    bare = copy.copy(dataset)
    for name in present:
        setattr(bare, name, None)
    if inner is not None:
        bare.dataset = inner
    return bare


def _of_stream(
    dataset: Any, sample: int | None, advance: Advance | None, keep: Keep | None
) -> Fingerprint:
    first, count, ended = _streamed(dataset, _SEEDS[0], sample, advance, keep)
    second, *_ = _streamed(dataset, _SEEDS[1], sample)
    notes: list[str] = []
    kind = "stream" if ended else "stream-sample"
    header = {"items" if ended else "taken": count}
    if not ended:
        notes.append(f"a sample: the first {count} items were read")
    if first != second:
        notes.append("items are random, or come in an order that is: two reads differ")
        notes.append("a fingerprint could not come again: take one of its files, arrays or frames")
        return Fingerprint("stream", None, header, notes=tuple(notes))
    return Fingerprint(kind, named(kind, sealed(kind, header, [first])), header, notes=tuple(notes))


def _streamed(
    dataset: Any,
    seed: int,
    sample: int | None,
    advance: Advance | None = None,
    keep: Keep | None = None,
) -> tuple[bytes, int, bool]:
    """The hash of the digests of the items that come, how many, and whether these were all."""
    hasher, count, ended = digest.Hasher(), 0, True
    with generators.kept(dataset):
        generators.set_to(seed)
        each: Iterator[Any] = iter(dataset)
        for item in each if sample is None else itertools.islice(each, sample + 1):
            if count == sample:
                ended = False
                break
            if keep is not None:
                keep(item)
            hasher.update(digest_of_item(item))
            count += 1
            if advance is not None:
                advance(1)
    return hasher.raw(), count, ended
