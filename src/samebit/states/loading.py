"""A stored state into memory: as arrays, mapped where it lies raw, or into a model's own tensors.

Each object is read to where it is wanted, by several threads, and compared with its name there; of
no leaf a second copy is made. A map is compared when it is made: what happens to the file later is
not noticed, and writing to the array changes a copy in memory, never the store.
"""

import math
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import UsageError
from samebit.records import LeafRecord
from samebit.states import dtypes, leaves
from samebit.states.shards import Box
from samebit.states.sources import Room, Source, all_of, map_of, reads, require

__all__ = ["Target", "arrays_of", "fill"]

_THREADS = 4
# What both libraries lay out in memory as in the store, on a machine that is little endian.
_NUMPY = frozenset(
    {
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *("float16", "float32", "float64", "complex64", "complex128"),
    }
)
_TORCH = _NUMPY | {
    "bfloat16",
    "complex32",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
}


class Target(Struct, frozen=True):
    """A tensor that is to hold a leaf, or, with an offset, the part of it that begins there."""

    leaf: str
    tensor: Any
    offset: tuple[int, ...] | None = None

    def box(self) -> Box:
        """Which part of the leaf that is."""
        shape = tuple(self.tensor.shape)
        return Box.whole(shape) if self.offset is None else Box(self.offset, shape)


def arrays_of(
    source: Source, names: Iterable[str], *, as_torch: bool, mapped: bool = False
) -> dict[str, Any]:
    """The arrays of some leaves by their names, each byte verified.

    Args:
        source: where they lie.
        names: which; of each one array is made.
        as_torch: tensors on the CPU, rather than arrays of NumPy.
        mapped: map what lies raw in one object instead of reading it.

    Raises:
        NotFound: only the digest of one of them was kept, or an object is gone.
        Damaged: the bytes are not what their name says.
    """
    wanted = {name: source.records[name] for name in names}
    require(source, [(name, all_of(record)) for name, record in wanted.items()])
    plain = {name: record for name, record in wanted.items() if _is_plain(record, as_torch)}
    maps: dict[str, memoryview | None] = {}

    def map_one(name: str, record: LeafRecord) -> None:
        maps[name] = map_of(source, name, record)

    if mapped:
        _run([partial(map_one, name, record) for name, record in plain.items()])
    flat: dict[str, Any] = {}
    later: list[Callable[[], None]] = []
    for name, record in plain.items():
        data = maps.get(name)
        flat[name] = _flat(data, record.size_bytes, as_torch)
        if data is None:
            later += reads(source, name, Room(_memory(flat[name]), all_of(record)))
    _run(later)
    found: dict[str, Any] = {}
    for name, record in wanted.items():
        if name in flat:
            found[name] = _shaped(flat[name], record, as_torch)
        else:
            data = _bytes_of(source, name)
            found[name] = leaves.restore(record, data, as_torch=as_torch, name=name)
    return found


def fill(
    source: Source,
    into: Iterable[Target],
    *,
    staged: bool = False,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Give tensors of the right dtype and shape the bits of leaves, in their own memory.

    One on a device, or whose elements do not lie in order, gets them by way of a copy.

    Args:
        source: where the leaves lie.
        into: which goes where.
        staged: all is read, and verified, before the first tensor is written.
        before: called just before that.

    Raises:
        NotFound, Damaged: as `arrays_of`. Tensors hold parts of both then, unless it was staged.
    """
    into = list(into)
    if not into:
        before()
        return
    torch = sys.modules["torch"]
    later: list[Callable[[], None]] = []
    written: list[Any] = []
    beside: list[Target] = []
    for target in into:
        room = None if staged else _room(target.tensor)
        if room is None:
            beside.append(target)
        else:
            written.append(target.tensor)
            later += reads(source, target.leaf, Room(room, target.box()))
    read = [_beside(source, target, later) for target in beside if staged]
    if staged:
        _run(later)
    before()
    if not staged:
        _run(later)
    with torch.no_grad():
        for tensor in written:
            # Nothing of it is changed, but autograd learns that it was written.
            tensor.detach().reshape(-1)[:0].zero_()
        for target in beside:
            calls: list[Callable[[], None]] = []
            part = read.pop(0) if staged else _beside(source, target, calls)
            _run(calls)  # one at a time in memory
            target.tensor.detach().copy_(part())


def _beside(source: Source, target: Target, calls: list[Callable[[], None]]) -> Callable[[], Any]:
    """Memory for a part of a leaf, and what makes a tensor of it when the calls have filled it."""
    record, box = source.records[target.leaf], target.box()
    size = math.prod(box.shape) * (dtypes.item_bytes(record.dtype) or 0)
    part = replace(record, shape=box.shape, size_bytes=size)
    if _is_plain(record, True):
        flat = _flat(None, size, True)
        calls += reads(source, target.leaf, Room(_memory(flat), box))
        return lambda: _shaped(flat, part, True)
    data = bytearray(size)
    calls += reads(source, target.leaf, Room(memoryview(data), box))
    return lambda: leaves.restore(part, data, as_torch=True, name=target.leaf)


def _bytes_of(source: Source, name: str) -> bytearray:
    """A leaf's canonical bytes in memory of their own."""
    record = source.records[name]
    require(source, [(name, all_of(record))])  # nothing is allocated on the word of a manifest
    data = bytearray(record.size_bytes)
    _run(reads(source, name, Room(memoryview(data), all_of(record))))
    return data


def _is_plain(record: LeafRecord, as_torch: bool) -> bool:
    return sys.byteorder == "little" and record.dtype in (_TORCH if as_torch else _NUMPY)


def _flat(data: memoryview | None, size_bytes: int, as_torch: bool) -> Any:
    """Bytes as a flat array: those of a map, or room for some."""
    try:
        if as_torch:
            import torch  # noqa: PLC0415  (a lazy door)

            if data is not None:
                return torch.frombuffer(data, dtype=torch.uint8)
            return torch.empty(size_bytes, dtype=torch.uint8, device="cpu")
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(f"cannot make an array: {error}", hint="install it") from error
    if data is not None:
        return numpy.frombuffer(data, numpy.uint8)
    return numpy.empty(size_bytes, numpy.uint8)


def _memory(flat: Any) -> memoryview:
    array = flat.numpy() if hasattr(flat, "numpy") else flat
    return memoryview(array) if array.size else memoryview(bytearray())


def _shaped(flat: Any, record: LeafRecord, as_torch: bool) -> Any:
    dtype = getattr(sys.modules["torch"], record.dtype) if as_torch else record.dtype
    return flat.view(dtype).reshape(record.shape)


def _room(tensor: Any) -> memoryview | None:
    """A tensor's own memory as bytes; None where its elements do not lie there in order."""
    torch = sys.modules["torch"]
    if (
        sys.byteorder != "little"
        or tensor.device.type != "cpu"
        or tensor.layout is not torch.strided
        or not tensor.is_contiguous()
        or tensor.is_conj()
        or tensor.is_neg()
        or str(tensor.dtype).removeprefix("torch.") not in _TORCH
    ):
        return None
    return _memory(tensor.detach().reshape(-1).view(torch.uint8))


def _run(calls: list[Callable[[], None]]) -> None:
    if len(calls) < 2:
        for call in calls:
            call()
        return
    # Reading and hashing let other threads run.
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1), "samebit-loading") as pool:
        running = [pool.submit(call) for call in calls]
        try:
            for one in running:
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
