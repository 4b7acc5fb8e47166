"""The columns of a file in which leaks are looked for: keys as numbers, times, texts, features."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.data import frames, row_ids
from samebit.data.members import numpy
from samebit.data.pieces import arrow
from samebit.data.reading import Content
from samebit.data.row_ids import ID_BYTES
from samebit.errors import UsageError

__all__ = [
    "Columns",
    "Times",
    "codes_of_key",
    "feature_codes",
    "read",
    "texts_of",
    "times_of",
    "without_empty",
]


class Columns(Struct, frozen=True):
    """What a file holds, by name: of tables chunked arrays of Arrow, else arrays of NumPy."""

    rows: int
    held: Mapping[str, Any]
    is_table: bool

    def named(self, name: str) -> Any:
        """A column; UsageError where there is none of that name."""
        if name not in self.held:
            known = ", ".join(self.held) or "none"
            raise UsageError(f"there is no column {name!r} in the data", columns=known)
        return self.held[name]

    def without(self, names: Sequence[str]) -> "Columns":
        """The others."""
        for name in names:
            self.named(name)
        left = {name: one for name, one in self.held.items() if name not in names}
        return Columns(self.rows, left, self.is_table)


def read(content: Content) -> Columns:
    """All of an opened file; UsageError where its columns have no common rows or no names."""
    if content.batches is not None:
        table = arrow().Table.from_batches(list(content.batches()), content.schema)
        if len(set(table.column_names)) < table.num_columns:
            raise UsageError("two columns of the data have one name")
        held = dict(zip(table.column_names, map(_plain, table.columns), strict=True))
        return Columns(table.num_rows, held, True)
    arrays = content.arrays() if content.arrays is not None else {}
    lengths = {name: one.shape[0] if one.shape else 0 for name, one in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError("the arrays of the data have rows of different number", rows=lengths)
    return Columns(next(iter(lengths.values()), 0), arrays, False)


def _plain(column: Any) -> Any:
    """A column without a dictionary, and with room for texts beyond 2 GB in one piece."""
    library = arrow()
    kinds, kind = library.types, column.type
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    kind = library.large_string() if kinds.is_string(kind) else kind
    return column.cast(kind) if kind != column.type else column


def codes_of_key(columns: Columns, name: str, *, missing: bool) -> Any:
    """A number from 0 for each row, equal for equal values of a column.

    Args:
        columns: the data.
        name: which; of arrays one of one dimension.
        missing: whether missing values are a value, too; else theirs and that of empty texts is -1.
    """
    np = numpy()
    held = columns.named(name)
    if not columns.is_table:
        flat = _flat(held, name)
        codes = np.unique(flat, return_inverse=True)[1].astype("i8")
        return codes if missing or flat.dtype.kind != "U" else np.where(flat == "", -1, codes)
    library = arrow()
    whole = held.combine_chunks()
    if not missing and library.types.is_large_string(held.type):
        whole = without_empty(library, whole)
    try:
        encoded = whole.dictionary_encode()
    except library.ArrowNotImplementedError as error:
        raise UsageError(f"column {name!r} has no single values: {held.type}") from error
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype("i8")
    if missing and (codes < 0).any():
        codes += 1  # the missing ones become 0
    return codes


def feature_codes(columns: Columns) -> Any:
    """A number from 0 for each row, equal for rows of equal content; UsageError if it has none."""
    np = numpy()
    if not columns.held:
        raise UsageError("no column is left as a feature")
    if columns.is_table:
        table = arrow().table(dict(columns.held))
        batches = iter(table.to_batches())
        found = row_ids.of_table(frames.from_batches(table.schema, batches, strict=False))
    else:
        found = row_ids.find_rows(tuple(columns.held.values()), row_ids.ASKED)
        if isinstance(found, str):
            raise UsageError(found)
    return row_ids.codes_of(np.frombuffer(found.ids, "u1").reshape(-1, ID_BYTES))


def texts_of(columns: Columns, name: str) -> list[str]:
    """The texts of a column, empty where missing; UsageError where it has no texts."""
    held = columns.named(name)
    values = held.to_pylist() if columns.is_table else _flat(held, name).tolist()
    if not all(one is None or isinstance(one, str) for one in values):
        raise UsageError(f"column {name!r} has values that are no texts")
    return [one or "" for one in values]


def without_empty(library: Any, texts: Any) -> Any:
    """Texts of Arrow, of which empty ones are missing."""
    nothing = library.scalar(None, texts.type)
    return library.compute.if_else(library.compute.equal(texts, ""), nothing, texts)


class Times(Struct, frozen=True):
    """A time for each row: a number that can be compared, whether it is known, and as read."""

    values: Any
    known: Any
    as_read: Any

    def said(self, row: int) -> str:
        """One as text."""
        value = self.as_read[row]
        return str(value.as_py() if hasattr(value, "as_py") else value)


def times_of(columns: Columns, name: str) -> Times:
    """Times, dates or numbers of a column; texts are read as one of these. UsageError for others.

    Of texts, a time without a zone is UTC.
    """
    np = numpy()
    held = columns.named(name)
    if not columns.is_table:
        flat = _flat(held, name)
        if flat.dtype.kind not in "iufM":
            raise UsageError(f"column {name!r} holds {flat.dtype}, which is no time")
        known = ~np.isnat(flat) if flat.dtype.kind == "M" else flat == flat
        return Times(flat.astype("i8") if flat.dtype.kind == "M" else flat, known, flat)
    library = arrow()
    chunk = held.combine_chunks()
    if library.types.is_large_string(chunk.type):
        chunk = without_empty(library, chunk)
        kinds = (library.float64(), library.timestamp("us"), library.timestamp("us", "UTC"))
    elif library.types.is_date(chunk.type):
        kinds = (library.timestamp("ms"),)
    else:
        kinds = (chunk.type,)
    for kind in kinds:
        try:
            made = chunk.cast(kind)
            numbers = made.cast(library.int64()) if library.types.is_timestamp(kind) else made
            filled = numbers.fill_null(0).to_numpy(zero_copy_only=False)
        except (library.ArrowInvalid, library.ArrowNotImplementedError, TypeError):
            continue
        if filled.dtype.kind in "iuf":
            known = made.is_valid().to_numpy(zero_copy_only=False) & (filled == filled)
            return Times(filled, known, chunk)
    raise UsageError(
        f"column {name!r} is no time: {held.type}",
        hint="times, dates, numbers, or texts like 2026-01-31T12:00:00",
    )


def _flat(held: Any, name: str) -> Any:
    if held.ndim == 2 and held.shape[1] == 1:
        held = held[:, 0]
    if held.ndim != 1:
        raise UsageError(f"array {name!r} has {held.ndim} axes, and not one value for each row")
    return held
