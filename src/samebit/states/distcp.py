"""The arrays of a folder that `torch.distributed.checkpoint` wrote, each put together from parts.

Its index, `.metadata`, is a pickle. It is read by an unpickler in which every name is one of
torch's metadata, and stands for a thing that does nothing: no class is looked up, none is called.
The parts are what `torch.save` writes of a tensor, one behind the other, and are read by torch's
weights-only loader.
"""

import io
import math
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samebit import digest
from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.records import LeafRecord
from samebit.states import dtypes, foreign, leaves
from samebit.states.shards import Box, refuse_overlaps

__all__ = ["METADATA", "read_records"]

METADATA = ".metadata"
_MAX_INDEX_BYTES = 100_000_000
_OF_TORCH = "torch.distributed.checkpoint"
# What else torch's metadata names: shapes, layouts, where the folder lay, dicts in an order.
_PLAIN = frozenset(
    {
        ("torch", "Size"),
        ("torch.serialization", "_get_layout"),
        ("collections", "OrderedDict"),
        ("pathlib", "PosixPath"),
        ("pathlib", "WindowsPath"),
        ("pathlib", "PurePosixPath"),
        ("pathlib", "PureWindowsPath"),
        ("pathlib._local", "PosixPath"),
        ("pathlib._local", "WindowsPath"),
    }
)


class _Thing:
    """Stands for an object of a pickle: what it would have been made of, and nothing that runs."""

    name = ""

    args: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]

    def __new__(cls, *args: Any) -> "_Thing":
        self = object.__new__(cls)
        self.args, self.state, self.items = args, None, {}
        return self

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value  # of an OrderedDict


class _Unpickler(pickle._Unpickler):  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUntypedBaseClass]
    """Python's own, and not the one in C: that one makes room for any number that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in dtypes.ITEM_BYTES:
            return name
        if (module, name) in _PLAIN or module.partition(f"{_OF_TORCH}.")[0] == "":
            return type("Thing", (_Thing,), {"name": name})
        raise UsageError(
            f"the index of a checkpoint names {module[:80]}.{name[:80]}, which is not torch's",
            hint="it is not read, because reading it could run code",
        )


def read_records(folder: Path) -> dict[str, LeafRecord]:
    """The record of each array of such a folder; plain values are left out.

    Raises NotFound where a file is gone, Damaged, or UsageError for what is not read.
    """
    path = folder / METADATA
    if path.stat().st_size > _MAX_INDEX_BYTES:
        raise Damaged("the index of a checkpoint is too large", path=path)
    try:
        index = _Unpickler(io.BytesIO(path.read_bytes())).load()
        arrays = {
            name: entry
            for name, entry in _items(_state(index, "Metadata")["state_dict_metadata"])
            if isinstance(name, str) and entry.name != "BytesStorageMetadata"
        }
        stored = {_place(key): info for key, info in _items(index.state["storage_data"])}
        wanted = {name: _array(name, entry, stored) for name, entry in sorted(arrays.items())}
        return {name: _record(folder, name, *found) for name, found in wanted.items()}
    except SamebitError:
        raise
    except Exception as error:  # whatever a stranger's pickle makes of it
        what = f"{type(error).__name__}: {error}"
        raise Damaged(
            f"not readable as the index of a checkpoint: {what[:200]}", path=path
        ) from error


_Parts = list[tuple[Box, Any]]  # each part, and where it is stored


def _array(
    name: str, entry: Any, stored: Mapping[tuple[str, tuple[int, ...]], Any]
) -> tuple[str, tuple[int, ...], _Parts]:
    """Dtype, shape and parts of one array; its parts cover it, and none lies above another."""
    state = _state(entry, "TensorStorageMetadata")
    properties = _state(state["properties"], "TensorProperties")
    dtype = properties[0] if isinstance(properties, tuple) else properties["dtype"]
    shape = _shape(state["size"])
    parts: _Parts = []
    for chunk in state["chunks"]:
        found = _state(chunk, "ChunkStorageMetadata")
        box = Box(_shape(found["offsets"]), _shape(found["sizes"]))
        fits = len(box.offset) == len(box.shape) == len(shape)
        if not fits or any(map(int.__gt__, box.ends(), shape)):
            raise Damaged("a part of an array lies outside it", array=name)
        if 0 not in box.shape:  # of an uneven split a rank got nothing
            parts.append((box, stored[name, box.offset]))
    parts.sort(key=lambda part: part[0].offset)
    refuse_overlaps([box for box, _ in parts], name)
    found = sum(math.prod(box.shape) for box, _ in parts)
    if found != math.prod(shape):
        raise Damaged(
            "an array is not whole", array=name, elements=f"{found} of {math.prod(shape)}"
        )
    return dtype, shape, parts


def _record(
    folder: Path, name: str, dtype: str, shape: tuple[int, ...], parts: _Parts
) -> LeafRecord:
    size = math.prod(shape) * (dtypes.item_bytes(dtype) or 0)
    record = LeafRecord(dtype, shape, "", size, False)
    leaves.check(record, name)
    hasher = digest.Hasher()
    for piece in _in_order(folder, name, record, parts):
        hasher.update(piece)
    return LeafRecord(dtype, shape, hasher.digest(), size, False)


def _in_order(folder: Path, name: str, record: LeafRecord, parts: _Parts) -> Iterator[memoryview]:
    """The canonical bytes of an array: part by part where each has whole rows."""
    item = dtypes.item_bytes(record.dtype) or 0
    if all(box.shape[1:] == record.shape[1:] for box, _ in parts):
        for box, info in parts:
            yield _read(folder, name, record.dtype, box, info)
        return
    import numpy  # noqa: PLC0415  (a lazy door; loaded already, with torch)

    read = [(box, _read(folder, name, record.dtype, box, info)) for box, info in parts]
    whole = numpy.empty((*record.shape, item), numpy.uint8)
    for box, data in read:
        places = zip(box.offset, box.ends(), strict=True)
        part = numpy.frombuffer(data, numpy.uint8).reshape(*box.shape, item)
        whole[tuple(slice(at, end) for at, end in places)] = part
    yield memoryview(whole.reshape(-1))  # pyright: ignore[reportArgumentType]


def _read(folder: Path, name: str, dtype: str, box: Box, info: Any) -> memoryview:
    """One part, as canonical bytes."""
    state = _state(info, "_StorageInfo")
    file, at, length = state["relative_path"], state["offset"], state["length"]
    if state.get("transform_descriptors"):
        raise UsageError("parts that were transformed when written are not read", array=name)
    if not foreign.is_name(file):
        raise Damaged("a checkpoint names a file outside its folder", array=name, file=repr(file))
    path = folder / file
    if not path.is_file():
        raise NotFound("a file of the checkpoint is missing", array=name, path=path)
    if not all(type(n) is int and n >= 0 for n in (at, length)):
        raise Damaged("a checkpoint says no place of a part", array=name)
    if at + length > path.stat().st_size:
        raise Damaged("a part of a checkpoint lies beyond the end of its file", path=path)
    if math.prod(box.shape) * (dtypes.item_bytes(dtype) or 0) > length:
        raise Damaged("a part of an array is longer than what is stored", array=name, path=path)
    with path.open("rb") as stream:
        stream.seek(at)
        data = stream.read(length)
    tensor = foreign.load_weights(io.BytesIO(data), path)
    if not leaves.is_array(tensor) or leaves.why_not(tensor):
        raise Damaged("a part of an array is no plain tensor", array=name, path=path)
    if (str(tensor.dtype), tuple(tensor.shape)) != (f"torch.{dtype}", box.shape):
        raise Damaged("a part of an array is another than the index says", array=name, path=path)
    return leaves.canonical(tensor).data


def _state(thing: Any, name: str) -> Any:
    """The fields of an object of that class."""
    if not isinstance(thing, _Thing) or thing.name != name or not thing.state:
        raise Damaged(f"the index of a checkpoint has no {name} where one must be")
    return thing.state


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list((value.items if isinstance(value, _Thing) else value).items())


def _place(key: Any) -> tuple[str, tuple[int, ...]]:
    """Which part of which array something is: of a plain value, none."""
    state = _state(key, "MetadataIndex")
    offset = state.get("offset")
    return state["fqn"], () if offset is None else _shape(offset)


def _shape(size: Any) -> tuple[int, ...]:
    """A `torch.Size`, as a tuple of whole numbers that a shape can have."""
    value: Any = size
    if isinstance(size, _Thing) and size.name == "Size":
        (value,) = size.args or ((),)
    numbers: tuple[Any, ...] = tuple(value)
    if len(numbers) > 64 or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        raise Damaged("the index of a checkpoint has a shape that no array has")
    return numbers
