"""Arrays in a file of others (`.safetensors`, `.npz`, `.pt`) as one side of a comparison.

Nothing in a file is run: `.pt` is read with `weights_only`, `.npz` without pickles. Of each only
the array that is asked for is read; what a header claims is checked against the file first.
"""

import mmap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samebit.errors import Damaged, SamebitError, UsageError
from samebit.records import LeafRecord
from samebit.states import leaves, skeleton
from samebit.states.comparing import Side
from samebit.states.containers import safetensors_layout
from samebit.states.plain import plain_values

__all__ = ["SUFFIXES", "is_file_name", "of_file"]

_CHUNK_BYTES = 4 << 20


def is_file_name(text: str) -> bool:
    """Whether a text names a file of a kind that can be read here, and not a state of a run."""
    return Path(text).suffix in SUFFIXES


def of_file(path: Path) -> Side:
    """A file as one side; Damaged where it is not what its suffix says."""
    try:
        return SUFFIXES[path.suffix](path)
    except SamebitError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # what a library's reader raises at a stranger's bytes is its own
        why = str(error).splitlines() or [type(error).__name__]
        raise Damaged(f"not a sound {path.suffix} file: {why[0]}", path=path) from error


def _safetensors(path: Path) -> Side:
    with open(path, "rb") as stream:
        found = safetensors_layout(stream, path)
        data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    records = {
        name: LeafRecord(dtype, shape, "", end - begin)
        for name, (dtype, shape, begin, end) in found.items()
    }
    where = {name: data[begin:end] for name, (_, _, begin, end) in found.items()}
    return Side(records, lambda place: iter([where[place]]), has_values=False)


def _record(dtype: str, shape: Any, size_bytes: int, name: str) -> LeafRecord:
    record = LeafRecord(dtype, tuple(int(length) for length in shape), "", size_bytes)
    leaves.check(record, name)
    return record


def _npz(path: Path) -> Side:
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(f"cannot read {path}: {error}", hint="install NumPy") from error
    records: dict[str, LeafRecord] = {}
    plain: dict[str, tuple[str, int]] = {}  # where the canonical bytes lie as they are
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            place = entry.filename.removesuffix(".npy")
            with archive.open(entry) as stream:
                version = numpy.lib.format.read_magic(stream)
                read = f"read_array_header_{version[0]}_0"
                shape, by_columns, dtype = getattr(numpy.lib.format, read)(stream)
                at = stream.tell()
            size_bytes = entry.file_size - at
            name = str(dtype.newbyteorder("=")) if dtype.kind in "US" else dtype.name
            records[place] = _record(name.lstrip("<>|="), shape, size_bytes, place)
            if by_columns or dtype.byteorder == ">":
                # It has to be turned as a whole; it is as large as the archive says.
                at = -1
            plain[place] = (entry.filename, at)

    def pieces(place: str) -> Iterator[bytes | memoryview]:
        member, at = plain[place]
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            if at < 0:
                array = numpy.lib.format.read_array(stream, allow_pickle=False)
                yield leaves.canonical(array).data
                return
            stream.read(at)
            left = records[place].size_bytes
            while left:
                piece = stream.read(min(left, _CHUNK_BYTES))
                if not piece:
                    raise Damaged(f"array {place!r} ends early", path=path)
                left -= len(piece)
                yield piece

    return Side(records, pieces, has_values=False)


def _pt(path: Path) -> Side:
    try:
        import torch  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(f"cannot read {path}: {error}", hint="install torch") from error
    try:
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # a file of before torch 1.6 cannot be mapped
        value = torch.load(path, map_location="cpu", weights_only=True)
    frame, arrays = skeleton.split(value, "text")
    places = dict(skeleton.references(frame))
    records = {
        place: _record(
            str(arrays[leaf].dtype).removeprefix("torch."),
            arrays[leaf].shape,
            leaves.size_bytes(arrays[leaf]),
            place,
        )
        for place, leaf in places.items()
    }
    return Side(
        records,
        lambda place: iter([leaves.canonical(arrays[places[place]]).data]),
        dict(plain_values(frame)),
    )


SUFFIXES: dict[str, Callable[[Path], Side]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
}
