"""The arrays of a model in somebody's file or folder, by name and digest, whatever wrote it.

Nothing in a file is run: pickles are read by torch's weights-only loader, `.npz` without pickles.
What a header declares is checked against the file's size before anything is read or made.
"""

import contextlib
import math
import mmap
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from samebit import digest
from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.records import LeafRecord, StateManifest
from samebit.states import distcp, dtypes, foreign, leaves, orbax, skeleton
from samebit.states.export import FOUR_BITS, SAFETENSORS

__all__ = ["read_container", "safetensors_layout"]

_OURS = {theirs: ours for ours, theirs in SAFETENSORS.items()}
_PACKED = frozenset({"F6_E2M3", "F6_E3M2"})
_MAX_HEADER_BYTES = 100_000_000  # as safetensors' own readers
_MAX_INDEX_BYTES = 100_000_000
_CHUNK_BYTES = 1 << 20


def read_container(path: Path) -> StateManifest:
    """What a file or folder holds, as the manifest of a state of which only digests were kept.

    Raises NotFound, Damaged, or UsageError for a kind that is not read.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise NotFound("there is no such file", path=path)
    read = _READERS.get(path.suffix)
    if read is None:
        raise UsageError(
            f"cannot read arrays from {path.suffix or 'a file without suffix'}",
            path=path,
            known=", ".join(_READERS),
        )
    return read(path)


def _folder(path: Path) -> StateManifest:
    """A folder of Hugging Face (one file, or an index of several), of torch, or of Orbax."""
    index = path / "model.safetensors.index.json"
    if (path / "model.safetensors").is_file():
        return _safetensors(path / "model.safetensors")
    if index.is_file():
        return _indexed(path, index)
    if (path / distcp.METADATA).is_file():
        return _manifest(distcp.read_records(path))
    if orbax.is_orbax(path):
        return _manifest(orbax.read_records(path, _record))
    raise UsageError(
        "there is no model in that folder",
        path=path,
        known=f"model.safetensors, model.safetensors.index.json, {distcp.METADATA}, _METADATA",
    )


def _indexed(folder: Path, index: Path) -> StateManifest:
    if index.stat().st_size > _MAX_INDEX_BYTES:
        raise Damaged("an index of safetensors files is too large", path=index)
    found = foreign.parse_json(index.read_bytes(), index)
    places = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(places, dict) or not all(isinstance(v, str) for v in places.values()):
        raise Damaged("an index of safetensors files says no file of each array", path=index)
    records: dict[str, LeafRecord] = {}
    for name in sorted(set(places.values())):
        if not foreign.is_name(name):
            raise Damaged("an index names a file outside its folder", path=index, file=repr(name))
        if not (folder / name).is_file():
            raise NotFound("a file of the model is missing", path=folder / name)
        for place, record in _safetensors(folder / name).leaves.items():
            if places.get(place) != name:
                what = "an array lies in another file than the index says"
                raise Damaged(what, array=place, path=folder / name)
            records[place] = record
    if missing := sorted(set(places) - set(records)):
        raise Damaged("an array of the index is in no file", array=missing[0], path=index)
    return _manifest(records)


def _safetensors(path: Path) -> StateManifest:
    records: dict[str, LeafRecord] = {}
    with path.open("rb") as file:
        found = safetensors_layout(file, path)
        with _mapped(file) as data:
            for name, (dtype, shape, begin, end) in found.items():
                piece = data[begin:end]
                records[name] = LeafRecord(dtype, shape, _digest(piece, dtype), end - begin, False)
                piece.release()  # else the file could not be closed
    return _manifest(records)


def safetensors_layout(
    file: BinaryIO, path: Path
) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """Of each array of a safetensors file: dtype, shape, and where in the file it begins and ends.

    Damaged unless the arrays lie side by side and fill the file, as its header says.
    """
    size = path.stat().st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
        raise Damaged(
            "not a safetensors file: its header is longer than it", path=path, header=length
        )
    first = 8 + length
    found = _checked(foreign.parse_json(file.read(length), path), size - first, path)
    return {
        name: (dtype, shape, first + begin, first + end)
        for name, (dtype, shape, begin, end) in found.items()
    }


def _checked(
    header: Any, data_bytes: int, path: Path
) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """The arrays of a safetensors header, which must lie side by side and fill the file."""
    if not isinstance(header, dict):
        raise Damaged("not a safetensors file: its header is no object", path=path)
    found: dict[str, tuple[str, tuple[int, ...], int, int]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        match entry:
            case {"dtype": str(theirs), "shape": list(shape), "data_offsets": [begin, end]} if all(
                type(n) is int and 0 <= n < 2**63 for n in (*shape, begin, end)
            ):
                pass
            case _:
                raise Damaged("a safetensors header describes no array", path=path, array=name)
        if theirs in _PACKED:
            what = f"safetensors dtype {theirs} is not read: nobody says how its bits are packed"
            raise UsageError(what, path=path, array=name)
        if theirs not in _OURS:
            raise Damaged(f"safetensors dtype {theirs!r} is not known", path=path, array=name)
        dtype, ours = _OURS[theirs], tuple(shape)
        if theirs == FOUR_BITS:  # whose shape counts numbers, and ours the bytes that hold two
            if not shape or shape[-1] % 2:
                raise Damaged("half a byte has no number in it", path=path, array=name)
            ours = (*shape[:-1], shape[-1] // 2)
        leaves.check(LeafRecord(dtype, ours, "", end - begin), name)
        found[name] = (dtype, ours, begin, end)
    at = 0
    for name, (_, _, begin, end) in sorted(found.items(), key=lambda one: one[1][2:]):
        if begin != at:
            what = "arrays of a safetensors file overlap, or leave a hole"
            raise Damaged(what, path=path, array=name)
        at = end
    if at != data_bytes:
        raise Damaged(
            "a safetensors file is not as long as its header says",
            path=path,
            data_bytes=data_bytes,
            declared=at,
        )
    return found


@contextlib.contextmanager
def _mapped(file: BinaryIO) -> Generator[memoryview]:
    """A file's bytes, read when they are looked at."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        with memoryview(mapping) as view:
            yield view


def _digest(data: memoryview, dtype: str) -> str:
    # A bool is 0 or 1 in a leaf, and may be anything else in a file.
    if dtype == "bool" and data.nbytes and max(data) > 1:
        return digest.of_bytes(bytes(byte != 0 for byte in data))
    return digest.of_bytes(data)


def _torch(path: Path) -> StateManifest:
    return _of_value(foreign.load_weights(path, path, mmap=zipfile.is_zipfile(path)))


def _numpy_file(path: Path) -> StateManifest:
    with path.open("rb") as file:
        size = path.stat().st_size
        return _manifest({"value": _npy(file, size, size, path)})


def _numpy_files(path: Path) -> StateManifest:
    records: dict[str, LeafRecord] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name in records:
                    raise Damaged("a name is there twice", path=path, array=name)
                with archive.open(entry) as file:
                    found = _npy(file, entry.file_size, entry.compress_size, path)
                    records[name] = found
    except SamebitError:
        raise
    except Exception as error:  # of a stranger's archive zipfile and zlib raise many kinds
        raise Damaged(f"not readable as .npz: {error}", path=path) from error
    return _manifest(records)


def _npy(file: Any, size_bytes: int, stored_bytes: int, path: Path) -> LeafRecord:
    """One `.npy`: its bytes are hashed as they come, so what it unpacks to costs no memory."""
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError("NumPy is not installed", hint="install NumPy") from error
    form = numpy.lib.format
    try:
        version = form.read_magic(file)
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # whatever a stranger's header makes of NumPy's parser
        raise Damaged(f"not readable as .npy: {str(error)[:200]}", path=path) from error
    name = dtypes.name_of_numpy(dtype)
    if name is None:
        raise UsageError(f"arrays of dtype {dtype} are not read", path=path)
    record = LeafRecord(name, tuple(shape), "", math.prod(shape) * dtype.itemsize, False)
    leaves.check(record, "array")
    if record.size_bytes > size_bytes:
        raise Damaged("an array is longer than its file", path=path, shape=shape)
    if dtype.newbyteorder("<") == dtype and not fortran and name != "bool":
        hasher, left = digest.Hasher(), record.size_bytes
        while left and (piece := file.read(min(left, _CHUNK_BYTES))):
            hasher.update(piece)
            left -= len(piece)
        if left:
            raise Damaged("an array is cut off", path=path)
        return LeafRecord(name, record.shape, hasher.digest(), record.size_bytes, False)
    if foreign.unpacks_to_too_much(record.size_bytes, stored_bytes):
        raise Damaged("an array unpacks to much more than its file holds", path=path, shape=shape)
    data = file.read(record.size_bytes)
    if len(data) != record.size_bytes:
        raise Damaged("an array is cut off", path=path)
    array = numpy.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return _record(array)


def _of_value(value: Any) -> StateManifest:
    frame, arrays = skeleton.split(value)
    return StateManifest(frame, {name: _record(array) for name, array in arrays.items()})


def _record(array: Any) -> LeafRecord:
    leaf = leaves.canonical(array)
    return LeafRecord(leaf.dtype, leaf.shape, digest.of_bytes(leaf.data), leaf.data.nbytes, False)


def _manifest(records: dict[str, LeafRecord]) -> StateManifest:
    pairs = [[name, {"$leaf": name}] for name in sorted(records)]
    return StateManifest({"$dict": pairs}, records)


_READERS = {
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".npz": _numpy_files,
    ".npy": _numpy_file,
}
