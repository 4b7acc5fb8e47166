"""The arrays of a checkpoint of Orbax: by its own list of names, through TensorStore.

A folder holds the arrays as zarr, each in a folder of its own or all in one OCDBT database, and
`_METADATA` says which they are. Values of Python that lie beside them are no arrays of a model.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samebit.errors import Damaged, NotFound, UsageError
from samebit.records import LeafRecord
from samebit.states import dtypes, leaves
from samebit.states.foreign import first_line, parse_json, unpacks_to_too_much

__all__ = ["is_orbax", "read_records"]

_CHECKPOINT, _METADATA = "_CHECKPOINT_METADATA", "_METADATA"
_MAX_METADATA_BYTES = 100_000_000
_ARRAYS = ("jax.Array", "np.ndarray", "jax.Array.random_key")


def is_orbax(folder: Path) -> bool:
    """Whether Orbax wrote it: a checkpoint, the part of one that holds arrays, or several."""
    if any((folder / name).is_file() for name in (_CHECKPOINT, _METADATA, "manifest.ocdbt")):
        return True
    return next(folder.glob(f"*/{_CHECKPOINT}"), None) is not None


def read_records(folder: Path, hashed: Callable[[Any], LeafRecord]) -> dict[str, LeafRecord]:
    """Each array of a checkpoint by the names that lead to it, joined with dots.

    Args:
        folder: of the checkpoint, or of one of its items.
        hashed: gives the record of an array of NumPy.

    Raises:
        UsageError: TensorStore is not installed, or it has several items.
        NotFound, Damaged: it says not what it holds, or does not hold it.
    """
    try:
        import tensorstore  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        hint = "pip install tensorstore, with which Orbax wrote it"
        raise UsageError("TensorStore is not installed", path=folder, hint=hint) from error
    item = _item(folder)
    metadata = _metadata(item / _METADATA)
    stored_bytes = sum(path.stat().st_size for path in item.rglob("*") if path.is_file())
    records: dict[str, LeafRecord] = {}
    for name in _names(metadata, item):
        if name in records:
            raise Damaged("a name is there twice", path=item, array=name)
        try:
            array = tensorstore.open(_spec(metadata, item, name), open=True, read=True).result()
            dtype = array.dtype.numpy_dtype
            shape = tuple(array.shape)
        except Exception as error:  # whatever a stranger's folder makes of its reader
            raise Damaged(f"an array is not there: {first_line(error)}", array=name) from error
        ours = dtypes.name_of_numpy(dtype)
        if ours is None:
            raise UsageError(f"arrays of dtype {dtype} are not read", path=item, array=name)
        size = math.prod(shape) * dtype.itemsize
        leaves.check(LeafRecord(ours, shape, "", size, False), name)
        if unpacks_to_too_much(size, stored_bytes):
            what = "an array unpacks to much more than its folder holds"
            raise Damaged(what, path=item, array=name, shape=shape)
        try:
            values = array.read().result()
        except Exception as error:
            raise Damaged(f"an array is unreadable: {first_line(error)}", array=name) from error
        records[name] = hashed(values)
    return records


def _item(folder: Path) -> Path:
    """The folder of the arrays: itself, or the one item of a checkpoint that has any."""
    if (folder / _METADATA).is_file():
        return folder
    found = sorted(path.parent for path in folder.glob(f"*/{_METADATA}"))
    if len(found) == 1:
        return found[0]
    if steps := sorted(path.parent.name for path in folder.glob(f"*/{_CHECKPOINT}")):
        raise UsageError("it holds checkpoints; name one", path=folder, has=", ".join(steps[-5:]))
    if not found:
        raise NotFound("no list of arrays is there; `_METADATA` was not written", path=folder)
    names = ", ".join(path.name for path in found)
    raise UsageError("several items are there; name one of them", path=folder, items=names)


def _metadata(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_METADATA_BYTES:
        raise Damaged("a list of arrays is too large", path=path)
    found = parse_json(path.read_bytes(), path)
    if not isinstance(found, dict) or not isinstance(found.get("tree_metadata"), dict):
        raise Damaged("it does not list what a checkpoint holds", path=path)
    return found


def _names(metadata: dict[str, Any], item: Path) -> Iterator[str]:
    for entry in metadata["tree_metadata"].values():
        match entry:
            case {"key_metadata": list(keys), "value_metadata": {"value_type": str(kind)}} if all(
                isinstance(key, dict) and isinstance(key.get("key"), str) for key in keys
            ):
                if kind in _ARRAYS:
                    yield ".".join(key["key"] for key in keys)
            case _:
                raise Damaged("an entry names no value", path=item / _METADATA)


def _spec(metadata: dict[str, Any], item: Path, name: str) -> dict[str, Any]:
    driver = "zarr3" if metadata.get("use_zarr3") else "zarr"
    if (item / "manifest.ocdbt").is_file():
        base = {"driver": "file", "path": f"{item.absolute()}/"}
        return {"driver": driver, "kvstore": {"driver": "ocdbt", "base": base, "path": f"{name}/"}}
    if name.startswith("/") or ".." in name.split("/"):
        raise Damaged("a name leads out of the folder", path=item, array=name)
    return {"driver": driver, "kvstore": {"driver": "file", "path": f"{item.absolute() / name}/"}}
