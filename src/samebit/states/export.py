"""A model out of the store, for the user's own code: tensors, `.safetensors`, `.pt`, `.npz`.

A safetensors file is eight bytes with the length of its header (little endian), the header as
JSON, filled up with spaces to a multiple of eight, and the data. It is written here leaf by leaf,
without the package of that name. Equal models give equal files, to the byte.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samebit import disk
from samebit.errors import UsageError
from samebit.objects.store import Store
from samebit.records import LeafRecord
from samebit.states import dtypes, storing

__all__ = ["state_dict", "to_file", "to_npz", "to_pt", "to_safetensors"]

_SAFETENSORS = {
    "bool": "BOOL",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say


def state_dict(store: Store, name: str, prefix: str = "model") -> dict[str, Any]:
    """A stored model's tensors by name, for `load_state_dict`; tied names share one tensor."""
    manifest = storing.read_manifest(store, name)
    named = storing.leaves_below(manifest, prefix)
    for place, leaf in named.items():
        if not dtypes.torch_has(manifest.leaves[leaf].dtype):
            raise UsageError(f"torch has no {manifest.leaves[leaf].dtype}", leaf=place)
    tensors = {
        leaf: storing.read_leaf(store, leaf, manifest.leaves[leaf], as_torch=True)
        for leaf in dict.fromkeys(named.values())
    }
    return {place: tensors[leaf] for place, leaf in named.items()}


def to_file(
    store: Store, name: str, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix into a file of the kind that its suffix says."""
    write = _WRITERS.get(path.suffix)
    if write is None:
        raise UsageError(
            f"cannot write a model as {path.suffix or 'a file without suffix'}",
            path=path,
            known=", ".join(_WRITERS),
        )
    write(store, name, path, prefix, overwrite=overwrite)


def to_safetensors(
    store: Store, name: str, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix as a safetensors file.

    The format has no way to say that two names are one tensor: tied tensors are written under
    each name, and `samebit.tied` among the metadata lists them.
    """
    records, tied = _records_below(store, name, prefix)
    # Larger elements first keeps every tensor aligned to its own element.
    order = sorted(records, key=lambda place: (-_item_bytes(records[place][1]), place))
    header = _safetensors_header({place: records[place][1] for place in order}, tied)

    def pieces() -> Iterator[bytes]:
        yield header
        for place in order:
            yield from storing.pieces(store, *records[place])

    _write(path, pieces(), overwrite)


def _safetensors_header(records: dict[str, LeafRecord], tied: dict[str, str]) -> bytes:
    metadata = {"format": "pt"}  # some readers of models insist on a framework's name
    if tied:
        metadata["samebit.tied"] = _json(tied)
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for place, record in records.items():
        if record.dtype not in _SAFETENSORS or place in header:
            what = f"no {record.dtype}" if place not in header else "no room for that name"
            raise UsageError(f"safetensors has {what}", leaf=place, hint="write a .pt file")
        header[place] = {
            "dtype": _SAFETENSORS[record.dtype],
            "shape": record.shape,
            "data_offsets": [end, end + record.size_bytes],
        }
        end += record.size_bytes
    text = _json(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def to_pt(
    store: Store, name: str, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix as `torch.save` writes a plain `state_dict()`."""
    tensors = state_dict(store, name, prefix)
    import torch  # noqa: PLC0415  (a lazy door; loaded just now for the tensors)

    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    _write(path, iter([buffer.getbuffer()]), overwrite)


def to_npz(
    store: Store, name: str, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix as `numpy.savez` does, but with no time in it."""
    records, _ = _records_below(store, name, prefix)
    for place, (_, record) in records.items():
        # Of a dtype of another package a `.npy` file says the width alone.
        if record.dtype in dtypes.ITEM_BYTES and record.dtype not in dtypes.NUMPY_OWN:
            raise UsageError(f"NumPy has no {record.dtype}", leaf=place, hint="write a .pt file")
    _write(path, _npz_pieces(store, records), overwrite)


_WRITERS: dict[str, Callable[..., None]] = {
    ".safetensors": to_safetensors,
    ".pt": to_pt,
    ".npz": to_npz,
}


class _Drain(io.RawIOBase):
    """A file that cannot go back, and gives away what was written since it was last asked."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def drain(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        yield from pieces


def _npz_pieces(store: Store, records: dict[str, tuple[str, LeafRecord]]) -> Iterator[bytes]:
    drain = _Drain()
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_STORED) as archive:
        for place in sorted(records):
            array = storing.read_leaf(store, *records[place], as_torch=False)
            import numpy  # noqa: PLC0415  (a lazy door; loaded just now for the array)

            entry = zipfile.ZipInfo(f"{place}.npy", _ZIP_EPOCH)
            with archive.open(entry, "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, array, allow_pickle=False)
            yield from drain.drain()
    yield from drain.drain()


def _records_below(
    store: Store, name: str, prefix: str
) -> tuple[dict[str, tuple[str, LeafRecord]], dict[str, str]]:
    """The leaf of each place below a prefix; and of tied places, the first to have the leaf."""
    manifest = storing.read_manifest(store, name)
    named = storing.leaves_below(manifest, prefix)
    first: dict[str, str] = {}
    tied = {
        place: first[leaf]
        for place, leaf in named.items()
        if first.setdefault(leaf, place) != place
    }
    return {place: (leaf, manifest.leaves[leaf]) for place, leaf in named.items()}, tied


def _item_bytes(record: LeafRecord) -> int:
    return dtypes.item_bytes(record.dtype) or 1


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _write(path: Path, pieces: Iterator[bytes | memoryview], overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise _taken(path)

    def all_then_free_the_name() -> Iterator[bytes | memoryview]:
        yield from pieces
        # Only now, when every leaf has been read and found whole, is the old file given up.
        if overwrite:
            path.unlink(missing_ok=True)

    if not disk.publish(path, all_then_free_the_name(), path.parent):
        raise _taken(path)


def _taken(path: Path) -> UsageError:
    return UsageError(
        "a file of that name is there already",
        path=path,
        hint="choose another, or say to overwrite",
    )
