"""A stored state into memory: as arrays, mapped where it lies raw, or into a model's own tensors.

Each object is read to where it is wanted, by several threads, and compared with its name there; of
no leaf a second copy is made. A map is compared when it is made: what happens to the file later is
not noticed, and writing to the array changes a copy in memory, never the store.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from samebit.errors import NotFound, UsageError
from samebit.objects.store import Store
from samebit.records import LeafRecord
from samebit.states import leaves, storing

__all__ = ["arrays_of", "fill", "require"]

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

Read = tuple[str, memoryview]  # an object, and where its bytes are wanted


def arrays_of(
    store: Store, records: Mapping[str, LeafRecord], *, as_torch: bool, mapped: bool = False
) -> dict[str, Any]:
    """The arrays of some leaves by their names, each byte verified.

    Args:
        store: where they lie.
        records: which; of each one array is made.
        as_torch: tensors on the CPU, rather than arrays of NumPy.
        mapped: map what lies raw in one object instead of reading it.

    Raises:
        NotFound: only the digest of one of them was kept, or an object is gone.
        Damaged: the bytes are not what their name says.
    """
    require(store, records)
    found: dict[str, Any] = {}
    later: list[Callable[[], None]] = []
    for name, record in records.items():
        if not _is_plain(record, as_torch):
            found[name] = storing.read_leaf(store, name, record, as_torch=as_torch)
            continue
        data = store.open_raw(record.digest, private=True) if _can_map(record, mapped) else None
        flat = _flat(data, record.size_bytes, as_torch)
        if data is None:
            later += _reads(store, name, record, _memory(flat))
        found[name] = _shaped(flat, record, as_torch)
    _run(later)
    return found


def require(store: Store, records: Mapping[str, LeafRecord]) -> None:
    """Raise before anything is allocated or written, where an object is missing or too short."""
    missing = [name for name, record in records.items() if not record.kept]
    if missing:
        raise NotFound(
            f"of {len(missing)} of {len(records)} leaves only the digests were kept",
            first=missing[0],
            hint="a larger `states.budget_mb` lets the next run keep its states",
        )
    for name, record in records.items():
        leaves.check(record, name)
        sizes = [store.size_bytes(part) for part in record.parts or (record.digest,)]
        if sum(sizes) != record.size_bytes:
            raise NotFound(
                f"leaf {name!r} has {sum(sizes)} bytes where {record.size_bytes} were recorded",
                digest=record.digest,
            )


def fill(store: Store, records: Mapping[str, LeafRecord], into: Iterable[tuple[str, Any]]) -> None:
    """Give tensors of the right dtype and shape the bits of leaves, in their own memory.

    One on a device, or whose elements do not lie in order, gets them by way of a copy. Raises as
    `arrays_of`; after Damaged the tensors hold parts of both.
    """
    later: list[Callable[[], None]] = []
    beside: list[tuple[str, Any]] = []
    written: list[Any] = []
    for name, tensor in into:
        room = _room(tensor)
        if room is None:
            beside.append((name, tensor))
        else:
            written.append(tensor)
            later += _reads(store, name, records[name], room)
    _run(later)
    torch = sys.modules["torch"]
    with torch.no_grad():
        for tensor in written:
            # Nothing of it is changed, but autograd learns that it was written.
            tensor.detach().reshape(-1)[:0].zero_()
        for name, tensor in beside:
            tensor.detach().copy_(storing.read_leaf(store, name, records[name], as_torch=True))


def _is_plain(record: LeafRecord, as_torch: bool) -> bool:
    return sys.byteorder == "little" and record.dtype in (_TORCH if as_torch else _NUMPY)


def _can_map(record: LeafRecord, mapped: bool) -> bool:
    return mapped and not record.parts and record.size_bytes > 0


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


def _reads(
    store: Store, name: str, record: LeafRecord, room: memoryview
) -> list[Callable[[], None]]:
    """What fills the room of a leaf: a call for each of its objects."""
    if not record.parts:
        return [lambda: storing.read_into(store, name, record, room)]
    step = storing.PART_BYTES
    return [
        lambda part=part, at=at: store.read_into(part, room[at * step : (at + 1) * step])
        for at, part in enumerate(record.parts)
    ]


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
