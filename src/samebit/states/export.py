"""A model out of the store, for the user's own code: tensors, `.safetensors`, `.pt`, `.npz`.

A safetensors file is eight bytes with the length of its header (little endian), the header as
JSON, filled up with spaces to a multiple of eight, and the data. It is written here leaf by leaf,
without the package of that name. Equal models give equal files, to the byte.
"""

import contextlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from samebit import disk
from samebit.errors import UsageError
from samebit.records import LeafRecord
from samebit.states import dtypes, sources, storing
from samebit.states.stored import StoredState

__all__ = ["FOUR_BITS", "SAFETENSORS", "to_file", "to_npz", "to_pt", "to_safetensors"]

SAFETENSORS = {
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
    "float4_e2m1fn_x2": "F4",
}
FOUR_BITS = "F4"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say


def to_file(
    stored: StoredState, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix into a file of the kind that its suffix says."""
    write = _WRITERS.get(path.suffix)
    if write is None:
        raise UsageError(
            f"cannot write a model as {path.suffix or 'a file without suffix'}",
            path=path,
            known=", ".join(_WRITERS),
        )
    write(stored, path, prefix, overwrite=overwrite)


def to_safetensors(
    stored: StoredState, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix as a safetensors file.

    The format has no way to say that two names are one tensor: tied tensors are written under
    each name, and `samebit.tied` among the metadata lists them.
    """
    identity = stored.identity(prefix)  # of what lies in parts, this reads all of it
    records, tied = _records_below(stored, prefix)
    # Larger elements first keeps every tensor aligned to its own element.
    order = sorted(records, key=lambda place: (-_item_bytes(records[place][1]), place))
    # Some readers of models insist on a framework's name.
    metadata = {"format": "pt", "samebit.identity": identity}
    header = _safetensors_header({place: records[place][1] for place in order}, tied, metadata)

    def write(stream: BinaryIO) -> None:
        stream.write(header)
        for place in order:
            for piece in sources.pieces_of(stored.source, records[place][0]):
                stream.write(piece)

    _write(path, write, overwrite)


def _safetensors_header(
    records: dict[str, LeafRecord], tied: dict[str, str], metadata: dict[str, str]
) -> bytes:
    if tied:
        metadata["samebit.tied"] = _json(tied)
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for place, record in records.items():
        if record.dtype not in SAFETENSORS or place in header:
            what = f"no {record.dtype}" if place not in header else "no room for that name"
            raise UsageError(f"safetensors has {what}", leaf=place, hint=_elsewhere(record.dtype))
        shape = record.shape
        if SAFETENSORS[record.dtype] == FOUR_BITS:  # of which a byte holds two, and the shape all
            if not shape:
                what = "safetensors has no name for one byte of two numbers"
                raise UsageError(what, leaf=place, hint="write a .pt file")
            shape = (*shape[:-1], shape[-1] * 2)
        header[place] = {
            "dtype": SAFETENSORS[record.dtype],
            "shape": shape,
            "data_offsets": [end, end + record.size_bytes],
        }
        end += record.size_bytes
    text = _json(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def to_pt(
    stored: StoredState, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix as `torch.save` writes a plain `state_dict()`."""
    for place, (_, record) in _records_below(stored, prefix)[0].items():
        if record.dtype in dtypes.NARROW or not dtypes.torch_has(record.dtype):
            what = f"torch.save has no {record.dtype}"
            raise UsageError(what, leaf=place, hint=_elsewhere(record.dtype))
    tensors = stored.state_dict(prefix)
    import torch  # noqa: PLC0415  (a lazy door; loaded just now for the tensors)

    _write(path, lambda stream: torch.save(tensors, stream), overwrite)


def to_npz(
    stored: StoredState, path: Path, prefix: str = "model", *, overwrite: bool = False
) -> None:
    """Write what a state holds below a prefix as `numpy.savez` does, but with no time in it."""
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(f"cannot write arrays: {error}", hint="install NumPy") from error
    records, _ = _records_below(stored, prefix)
    kinds = {place: _numpy_dtype(numpy, place, record) for place, (_, record) in records.items()}
    for place in records:
        # A zip ends a name at its first NUL, and of `w` and `w.npy` NumPy would give `w` for both.
        if "\0" in place or f"{place}.npy" in records:
            raise UsageError("an .npz file has no room for that name", leaf=place)

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for place in sorted(records):
                entry = zipfile.ZipInfo(f"{place}.npy", _ZIP_EPOCH)
                shape = records[place][1].shape
                header = {"descr": kinds[place], "fortran_order": False, "shape": shape}
                with archive.open(entry, "w", force_zip64=True) as member:
                    numpy.lib.format.write_array_header_1_0(member, header)
                    for piece in sources.pieces_of(stored.source, records[place][0]):
                        member.write(piece)

    _write(path, write, overwrite)


def _numpy_dtype(numpy: Any, place: str, record: LeafRecord) -> str:
    """How a `.npy` file says a dtype; of one that is another package's it says the width alone."""
    with contextlib.suppress(TypeError):
        dtype = numpy.dtype(record.dtype).newbyteorder("<")
        if dtype.type.__module__ == "numpy":
            return dtype.str
    raise UsageError(f"NumPy has no {record.dtype}", leaf=place, hint=_elsewhere(record.dtype))


def _elsewhere(dtype: str) -> str | None:
    """What to do with a dtype that a format does not have; None where no other has it either."""
    if dtypes.torch_has(dtype):
        return None if dtype in dtypes.NARROW else "write a .pt file"
    return None if dtype in dtypes.ITEM_BYTES else "write an .npz file"


_WRITERS: dict[str, Callable[..., None]] = {
    ".safetensors": to_safetensors,
    ".pt": to_pt,
    ".npz": to_npz,
}


def _records_below(
    stored: StoredState, prefix: str
) -> tuple[dict[str, tuple[str, LeafRecord]], dict[str, str]]:
    """The leaf of each place below a prefix; and of tied places, the first to have the leaf."""
    manifest = stored.source.together.manifest
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


def _write(path: Path, write: Callable[[BinaryIO], object], overwrite: bool) -> None:
    """Give a path a file, whole or not at all; an old one is given up when every leaf was whole."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise _taken(path)

    def write_all(fd: int) -> None:
        with open(fd, "wb", closefd=False) as stream:
            write(stream)

    if not disk.publish_by(path, write_all, path.parent, replace=overwrite):
        raise _taken(path)


def _taken(path: Path) -> UsageError:
    return UsageError(
        "a file of that name is there already",
        path=path,
        hint="choose another, or say `--force`",
    )
