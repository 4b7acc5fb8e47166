"""Ids of rows, by which a row is known wherever it stands: of content, or as the script gave them.

An id has 16 bytes. Equal rows have equal ones; when ids are matched, equal ones are taken in the
order in which they stand.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from samebit import digest
from samebit.data import frames, rows
from samebit.data.arrays import is_array
from samebit.data.forms import named, sealed
from samebit.data.members import numpy
from samebit.data.tables import Table, content_columns, naming
from samebit.errors import UsageError
from samebit.states import leaves

__all__ = [
    "ASKED",
    "BY_ITSELF",
    "ID_BYTES",
    "Most",
    "Rows",
    "codes_of",
    "find_rows",
    "id_digests",
    "is_elsewhere",
    "is_readable",
    "match",
    "of_given",
    "of_table",
    "size_bytes",
    "sort_order",
    "tensors_of",
    "texts_of",
]

ID_BYTES = 16
_TEXT_LENGTH = 256  # of one that is kept as it is; a longer one is content, and known by its digest


class Most(Struct, frozen=True):
    """Of how much data ids and fingerprints are made."""

    rows: int
    size_bytes: int
    loads: bool  # whether Arrow may be imported for it


ASKED = Most(2_000_000, 2 << 30, loads=True)
BY_ITSELF = Most(100_000, 64 << 20, loads=False)


class Rows(Struct, frozen=True):
    """The ids of all rows of some data, in their order."""

    ids: bytes
    columns: tuple[tuple[str, Any], ...] = ()  # of content: what each cell is
    given: tuple[str | int, ...] | None = None  # the ids that the script gave

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.ids) // ID_BYTES

    def called(self, at: int) -> str:
        """What a row is called: by the id that the script gave it, else by its number."""
        return repr(self.given[at]) if self.given is not None else f"row {at}"


def find_rows(value: Any, most: Most) -> Rows | str:
    """The ids of the rows of some data, or why it has none.

    Args:
        value: a frame, series or table; an array of one dimension or more; a `TensorDataset`; a
            data set of files as torchvision has it, with `samples` and a `root`; a list of texts; a
            tuple of these, which belong together row by row.
        most: more than this is not read.

    Raises:
        UsageError: a column or array has no bytes; the error names it.
    """
    if (texts := texts_of(value)) is not None:
        return _of_texts(texts, most)
    if (samples := _samples_of(value)) is not None:
        root, files = samples
        few_enough = len(files) <= most.rows
        return of_given(_below(root, files)) if few_enough else _too_many(len(files), most)
    members = tensors_of(value)
    if members is None and isinstance(value, tuple):
        members = value
    if members is None:
        return _of_one(value, most)
    if len(members) == 1:
        return find_rows(members[0], most)
    if all(is_array(member) and texts_of(member) is None for member in members):
        found = _of_arrays(members, most)
        return found if isinstance(found, str) else Rows(_cut(found.raw), found.columns)
    each: list[_Digests] = []
    for at, member in enumerate(members):
        found = _digests(member, most)
        if isinstance(found, str):
            return found
        each.append(_Digests(found.raw, tuple((f"{at}.{n}", kind) for n, kind in found.columns)))
    cells = [_present(_split(one.raw, rows.ROW_BYTES)) for one in each]
    joined = _of_cells(cells)
    return Rows(_cut(joined), tuple(column for one in each for column in one.columns))


def tensors_of(value: Any) -> tuple[Any, ...] | None:
    """The tensors of a `TensorDataset` of torch; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or type(value) is not torch.utils.data.TensorDataset:
        return None
    return tuple(value.tensors)


def _samples_of(value: Any) -> tuple[str, list[Any]] | None:
    """Root and files of a data set of files: `samples` of (path, label); None of any other."""
    held = getattr(value, "__dict__", {})
    root, samples = held.get("root"), held.get("samples")
    if not isinstance(root, (str, os.PathLike)) or not isinstance(samples, list) or not samples:
        return None
    are_files = all(isinstance(one, tuple) and one and type(one[0]) is str for one in samples)
    return (os.fspath(root), samples) if are_files else None


def _below(root: str, samples: list[Any]) -> list[str]:
    """The paths of files below their root, which is another one elsewhere."""
    beginning = root.rstrip(os.sep) + os.sep
    return [path.removeprefix(beginning).replace(os.sep, "/") for path, *_ in samples]


def texts_of(value: Any) -> list[str] | None:
    """A list, array or series of nothing but texts as a list; None for anything else."""
    if isinstance(value, list):
        return value if value and all(type(one) is str for one in value) else None
    np = sys.modules.get("numpy")
    if np is not None and isinstance(value, np.ndarray) and value.ndim == 1:
        held = value.tolist() if value.dtype.kind in "UTO" else None
        return texts_of(held) if held is not None else None
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, (pandas.Series, pandas.Index)):
        holds = value.dtype.kind == "O" if hasattr(value.dtype, "kind") else False
        return texts_of(value.tolist()) if holds else None
    return None


def of_given(ids: Sequence[str | int]) -> Rows:
    """Ids that a script gave: texts and whole numbers."""
    raw = b"".join([digest.raw(digest.canonical_json(one))[:ID_BYTES] for one in ids])
    return Rows(raw, given=tuple(ids))


def _of_texts(texts: list[str], most: Most) -> Rows | str:
    if len(texts) > most.rows:
        return _too_many(len(texts), most)
    found = of_given(texts)
    if max(map(len, texts)) > _TEXT_LENGTH:
        return Rows(found.ids, (("", "text"),))
    return found


def _of_one(value: Any, most: Most) -> Rows | str:
    found = _digests(value, most)
    return found if isinstance(found, str) else Rows(_cut(found.raw), found.columns)


class _Digests(Struct, frozen=True):
    """The 32 bytes of each row of one thing."""

    raw: bytes
    columns: tuple[tuple[str, Any], ...]


def _digests(value: Any, most: Most) -> _Digests | str:
    if (texts := texts_of(value)) is not None:
        if len(texts) > most.rows:
            return _too_many(len(texts), most)
        raw = b"".join([digest.raw(digest.canonical_json(one)) for one in texts])
        return _Digests(raw, (("", "text"),))
    if is_array(value):
        return _of_arrays([value], most)
    size_bytes = _table_bytes(value)
    if size_bytes is None:
        return f"a {_class(value)} has no rows that can be told apart"
    if len(value) > most.rows or size_bytes > most.size_bytes:
        return _too_many(len(value), most)
    if not most.loads and frames.has_media(value):
        return "the ids of its rows need its images or sound, which are not read by themselves"
    if not most.loads and "pyarrow" not in sys.modules and not _is_plain(value):
        return "the ids of its rows need Arrow, which the script has not loaded"
    table = frames.find_table(value, strict=False)
    return _of_columns(table) if table is not None else f"a {_class(value)} has no rows"


def _of_arrays(arrays: Sequence[Any], most: Most) -> _Digests | str:
    np = numpy()
    if any(not array.shape for array in arrays):
        return "a number alone has no rows"
    for array in arrays:
        if not most.loads and is_elsewhere(array):
            return "no ids of rows that lie on a device: they would be waited for"
        if reason := leaves.why_not(array):
            return f"there are no ids of the rows of {reason}"
    count = int(arrays[0].shape[0])
    if count > most.rows or sum(map(leaves.size_bytes, arrays)) > most.size_bytes:
        return _too_many(count, most)
    cells: list[Any] = []
    columns: list[tuple[str, Any]] = []
    for at, array in enumerate(arrays):
        found = leaves.canonical(array)
        held = np.frombuffer(found.data, "u1")
        each = int(array.shape[0])
        cells.append(_present(held.reshape(each, len(held) // max(each, 1))))
        name = str(at) if len(arrays) > 1 else ""
        columns.append((name, [found.dtype, *found.shape[1:]]))
    return _Digests(_of_cells(cells), tuple(columns))


def _of_cells(cells: Sequence[Any]) -> bytes:
    counts = list(map(len, cells))
    if len(set(counts)) != 1:
        lengths = ", ".join(map(str, counts))
        raise UsageError(f"what belongs together has rows of different number: {lengths}")
    return rows.of_cells(counts[0], cells)


def of_table(table: Table) -> Rows:
    """The ids of all rows of a table, however many."""
    found = _of_columns(table)
    return Rows(_cut(found.raw), found.columns)


def _of_columns(table: Table) -> _Digests:
    kept = content_columns(table.heads)
    types: dict[int, Any] = {}
    raw: list[bytes] = []
    for batch in table.batches:
        made: list[Any] = []
        for at in kept:
            with naming(table.heads[at]):
                made.append(batch.columns[at]())
            types[at] = made[-1].type
        if batch.rows:
            raw.append(rows.of_pieces(batch.rows, made))
    return _Digests(b"".join(raw), tuple((table.heads[at].name, types.get(at)) for at in kept))


def _present(held: Any) -> Any:
    """Cells of values that are there."""
    np = numpy()
    return np.concatenate([np.ones((len(held), 1), "u1"), held], axis=1)


def _split(raw: bytes, wide: int) -> Any:
    return numpy().frombuffer(raw, "u1").reshape(-1, wide)


def _cut(raw: bytes) -> bytes:
    return _split(raw, rows.ROW_BYTES)[:, :ID_BYTES].tobytes()


def is_readable(value: Any, most: Most) -> bool:
    """Whether a fingerprint of all of some data costs little enough."""
    members = tensors_of(value) or (value if isinstance(value, tuple) else (value,))
    sizes = [size_bytes(one) for one in members]
    if None in sizes or sum(filter(None, sizes)) > most.size_bytes:
        return False
    if not most.loads and any(is_elsewhere(one) or frames.has_media(one) for one in members):
        return False
    return most.loads or "pyarrow" in sys.modules or all(map(_is_plain, members))


def size_bytes(value: Any) -> int | None:
    """About how much memory some data has; None for what is no array, table or list of texts."""
    if is_array(value):
        return leaves.size_bytes(value) if leaves.why_not(value) is None else None
    if isinstance(value, list):
        return sum(map(len, value)) if texts_of(value) is not None else None
    return _table_bytes(value)


def _table_bytes(value: Any) -> int | None:
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return int(value.memory_usage(index=False).sum())
    if pandas is not None and isinstance(value, pandas.Series):
        return int(value.memory_usage(index=False))
    if polars is not None and isinstance(value, (polars.DataFrame, polars.Series)):
        return int(value.estimated_size())
    arrow, datasets = sys.modules.get("pyarrow"), sys.modules.get("datasets.arrow_dataset")
    if datasets is not None and isinstance(value, datasets.Dataset):
        return int(value.data.nbytes)
    kinds = ("Table", "RecordBatch", "Array", "ChunkedArray")
    if arrow is not None and isinstance(value, tuple(getattr(arrow, kind) for kind in kinds)):
        return int(value.nbytes)
    return None


def is_elsewhere(array: Any) -> bool:
    """Whether an array lies on a device."""
    device = getattr(array, "device", None) if is_array(array) else None
    return getattr(device, "type", getattr(device, "platform", "cpu")) != "cpu"


def _is_plain(value: Any) -> bool:
    """Whether data needs no Arrow: arrays, texts, and numbers of pandas."""
    if is_array(value) or isinstance(value, list):
        return True
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series)):
        return False
    kinds = value.dtypes if isinstance(value, pandas.DataFrame) else [value.dtype]
    np = numpy()
    return all(isinstance(kind, np.dtype) and kind.kind in "biufcmM" for kind in kinds)


def _class(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _too_many(count: int, most: Most) -> str:
    return (
        f"no ids of {count:,} rows: they are made of at most {most.rows:,} rows "
        f"and {most.size_bytes >> 20:,} MB"
    )


# Ids beside each other.


def sort_order(ids: Any) -> Any:
    """Which positions put ids (an array of shape (rows, 16)) in order; equal ones as they stand."""
    np = numpy()
    words = np.ascontiguousarray(ids).view(">u8")
    return np.lexsort((words[:, 1], words[:, 0]))


def codes_of(ids: Any) -> Any:
    """A number for each id of shape (rows, 16), from 0, equal for equal ones."""
    np = numpy()
    order = sort_order(ids)
    ordered = ids[order]
    codes = np.empty(len(order), "i8")
    news = np.concatenate([[0], (ordered[1:] != ordered[:-1]).any(axis=1)])
    codes[order] = np.cumsum(news[: len(order)])
    return codes


def id_digests(ids: Any) -> tuple[str, str]:
    """The names of ids of shape (rows, 16): sorted, and in their order."""
    header = {"count": len(ids)}
    ordered = ids[sort_order(ids)]
    return (
        named("row-ids-set", sealed("row-ids-set", header, [ordered.tobytes()])),
        named("row-ids", sealed("row-ids", header, [ids.tobytes()])),
    )


def match(wanted: bytes, there: bytes) -> Any:
    """For each row that is wanted the position of the row of other data that has its id, or -1.

    Of equal ids the first that is wanted gets the first that is there.
    """
    np = numpy()
    before, after = _split(wanted, ID_BYTES), _split(there, ID_BYTES)
    both = np.concatenate([before, after])
    order = sort_order(both)
    ordered = both[order]
    news = np.ones(len(both), bool)
    news[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    group = np.cumsum(news) - 1
    is_after = order >= len(before)
    found = np.full(len(before), -1, "i8")
    # The how-manieth of its id each is, on its own side.
    ours, theirs = _counted(group[~is_after]), _counted(group[is_after])
    width = max(len(both), 1)
    keys_ours = group[~is_after].astype("i8") * width + ours
    keys_theirs = group[is_after].astype("i8") * width + theirs
    if len(keys_theirs):
        at = np.searchsorted(keys_theirs, keys_ours)
        at[at == len(keys_theirs)] = 0
        hits = keys_theirs[at] == keys_ours
        found[order[~is_after][hits]] = order[is_after][at[hits]] - len(before)
    return found


def _counted(group: Any) -> Any:
    """For each of sorted groups, the how-manieth of its group it is."""
    np = numpy()
    if not len(group):
        return group
    begins = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    return np.arange(len(group)) - begins[np.cumsum(np.concatenate([[0], np.diff(group) != 0]))]
