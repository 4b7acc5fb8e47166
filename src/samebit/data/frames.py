"""Where the columns of a table come from: pandas, polars, Arrow, datasets of Hugging Face.

None of these libraries is imported for its own sake: whoever has such a value has loaded it.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from msgspec import structs

from samebit.data import pieces
from samebit.data.pieces import Piece, arrow
from samebit.data.tables import ROWS, Batch, Head, Table
from samebit.errors import NotFound, UsageError
from samebit.states.dtypes import NUMPY_OWN

__all__ = ["find_table", "from_batches", "has_media", "rows_together"]

_DATASETS_MEDIA = frozenset({"Image", "Audio", "Video"})
_WHOLE = "iu"
_TOGETHER_BYTES = 1 << 26  # of rows that are looked at together: some of them are copied
_LOOKED_AT = 1000  # rows of pandas by which the size of one is known
_MEDIA_ROWS = 16  # whose files are held together


def find_table(value: Any, *, strict: bool) -> Table | None:
    """A frame, a series or a table of any library as a table; None for what is none of these."""
    for library, make in _LIBRARIES:
        module = sys.modules.get(library)
        if module is not None and (table := make(module, value, strict)) is not None:
            return table
    return None


def from_batches(schema: Any, batches: Iterator[Any], *, strict: bool) -> Table:
    """A table of Arrow's record batches, which all have the schema."""
    arrow()
    heads = [_arrow_head(field.name, field.type) for field in schema]
    return Table(heads, _arrow_batches(schema, batches, strict))


def rows_together(rows: int, size_bytes: int) -> int:
    """How many rows to look at together of so many that have so many bytes."""
    return max(1, min(ROWS, _TOGETHER_BYTES * rows // max(size_bytes, 1)))


# Arrow


def _of_arrow(library: ModuleType, value: Any, strict: bool) -> Table | None:
    if isinstance(value, (library.Array, library.ChunkedArray)):
        arrow()
        chunks = value.chunks if isinstance(value, library.ChunkedArray) else [value]
        heads = [_arrow_head("", value.type)]
        columns = (
            Batch(len(one), [partial(pieces.of_arrow, one, strict=strict)]) for one in chunks
        )
        first = Batch(0, [_none_of(value.type, strict)])
        return Table(heads, _with(first, columns))
    if isinstance(value, library.RecordBatch):
        return from_batches(value.schema, iter([value]), strict=strict)
    if isinstance(value, library.Table):
        batches = iter(value.to_batches(max_chunksize=ROWS))
        table = from_batches(value.schema, batches, strict=strict)
        if not value.num_columns:  # of such a table `to_batches` makes none
            return Table([], [Batch(value.num_rows, [])])
        return table
    return None


def _arrow_head(name: str, kind: Any) -> Head:
    return Head(name, whole=sys.modules["pyarrow"].types.is_integer(kind))


def _arrow_batches(schema: Any, batches: Iterator[Any], strict: bool) -> Iterator[Batch]:
    # The first has no rows: by it the types are known even where there are none.
    yield Batch(0, [_none_of(field.type, strict) for field in schema])
    for whole in batches:
        step = rows_together(whole.num_rows, whole.nbytes)
        for at in range(0, whole.num_rows, step):
            some = whole.slice(at, step)
            columns = [partial(pieces.of_arrow, one, strict=strict) for one in some.columns]
            yield Batch(some.num_rows, columns)


def _none_of(kind: Any, strict: bool) -> Callable[[], Piece]:
    return lambda: pieces.of_arrow(pieces.nothing(kind), strict=strict)


def _with(first: Batch, rest: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from rest


# pandas


def _of_pandas(pandas: ModuleType, value: Any, strict: bool) -> Table | None:
    if isinstance(value, pandas.Index):
        raise UsageError("an index alone is no table", hint="hand over index.to_frame(index=False)")
    if isinstance(value, pandas.Series):
        labels, columns = [value.name if value.name is not None else ""], [value]
    elif isinstance(value, pandas.DataFrame):
        labels = list(value.columns)
        columns = [value.iloc[:, at] for at in range(len(labels))]
    else:
        return None
    read = [
        _pandas_column(pandas, *pair, False, strict) for pair in zip(labels, columns, strict=True)
    ]
    for at, name in enumerate(value.index.names):
        label = f"__index_level_{at}__" if name is None else name
        kind = getattr(value.index, "levels", [value.index])[at].dtype
        counts = name is None and getattr(kind, "kind", "") in _WHOLE
        if counts and not strict:
            continue
        level = pandas.Series(value.index.get_level_values(at))
        read.append(_pandas_column(pandas, label, level, True, strict))
    size_bytes = sum(int(column.iloc[:_LOOKED_AT].memory_usage(deep=True)) for column in columns)
    step = rows_together(min(len(value), _LOOKED_AT), size_bytes)
    return Table([head for head, _ in read], _cut(len(value), step, [make for _, make in read]))


def _cut(rows: int, step: int, columns: Sequence[Callable[[int, int], Piece]]) -> Iterator[Batch]:
    for at in range(0, max(rows, 1), step):
        end = min(at + step, rows)
        yield Batch(end - at, [partial(make, at, end) for make in columns])


_PandasColumn = tuple[Head, Callable[[int, int], Piece]]


def _pandas_column(
    pandas: ModuleType, label: Any, series: Any, index: bool, strict: bool
) -> _PandasColumn:
    dtype, name = series.dtype, str(series.dtype)
    whole = getattr(dtype, "kind", "") in _WHOLE
    head = Head(label, name, index, whole)
    if isinstance(dtype, (pandas.PeriodDtype, pandas.IntervalDtype)):
        raise UsageError(
            f"a column of pandas' type {name} has no fingerprint",
            column=str(label),
            hint="convert it: periods with .dt.to_timestamp(), intervals to their two ends",
        )
    if isinstance(dtype, pandas.CategoricalDtype):
        return _categories(label, series, index, strict)
    if isinstance(dtype, pandas.SparseDtype):
        return head, lambda a, b: pieces.of_numpy(_dense(series.iloc[a:b]), strict=strict)
    if not hasattr(dtype, "itemsize") or dtype.kind == "O" or not _is_numpy(dtype):
        return head, _converted(series, label, strict)
    values = series.to_numpy()
    return head, lambda a, b: pieces.of_numpy(values[a:b], strict=strict)


def _is_numpy(dtype: Any) -> bool:
    numpy = sys.modules["numpy"]
    return isinstance(dtype, numpy.dtype) and (dtype.name in NUMPY_OWN or dtype.kind in "mMfc")


def _dense(series: Any) -> Any:
    return sys.modules["numpy"].asarray(series)


def _converted(series: Any, label: Any, strict: bool) -> Callable[[int, int], Piece]:
    """A column that Arrow makes arrays of; of objects the type is found over all rows first."""
    library = arrow()
    kind = None
    if series.dtype.kind == "O" and isinstance(series.dtype, sys.modules["numpy"].dtype):
        with _Naming(library, label):
            kind = library.infer_type(series.to_numpy(), from_pandas=True)

    def make(begin: int, end: int) -> Piece:
        with _Naming(library, label):
            made = library.array(series.iloc[begin:end], type=kind, from_pandas=True)
            if isinstance(made, library.ChunkedArray):
                made = made.chunk(0) if made.num_chunks == 1 else _one(library, made)
        return pieces.of_arrow(made, strict=strict)

    return make


def _one(library: ModuleType, chunked: Any) -> Any:
    return (
        library.concat_arrays(chunked.chunks)
        if chunked.num_chunks
        else library.array([], chunked.type)
    )


class _Naming:
    """Turns what Arrow says of values that it cannot hold into an error with the column's name."""

    def __init__(self, library: ModuleType, label: Any) -> None:
        self._library, self._label = library, label

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        kinds = (self._library.ArrowException, UnicodeEncodeError, OverflowError, TypeError)
        if isinstance(error, kinds):
            said = str(error).partition("\n")[0][:200]
            raise UsageError(
                f"a column of objects has values that are not of one known type: {said}",
                column=str(self._label),
                hint="convert it to one type (astype), or leave it out",
            ) from error


def _categories(label: Any, series: Any, index: bool, strict: bool) -> _PandasColumn:
    library, numpy = arrow(), sys.modules["numpy"]
    with _Naming(library, label):
        values = library.array(series.cat.categories, from_pandas=True)
    if isinstance(values, library.ChunkedArray):
        values = _one(library, values)
    codes = series.cat.codes.to_numpy()
    ordered = bool(series.cat.ordered)

    def make(begin: int, end: int) -> Piece:
        some = numpy.ascontiguousarray(codes[begin:end])
        held = library.array(some, mask=some < 0)
        made = library.DictionaryArray.from_arrays(held, values, ordered=ordered)
        return pieces.of_arrow(made, strict=strict)

    held = pieces.of_arrow(values, strict=True)
    return Head(label, str(series.dtype), index, False, held, ordered), make


# polars


def _of_polars(polars: ModuleType, value: Any, strict: bool) -> Table | None:
    if isinstance(value, polars.LazyFrame):
        raise UsageError("a lazy frame has no rows yet", hint="hand over what .collect() gives")
    if isinstance(value, polars.Series):
        columns = [value]
    elif isinstance(value, polars.DataFrame):
        columns = value.get_columns()
    else:
        return None
    arrow()
    heads = [_polars_head(polars, series) for series in columns]
    makers = [_polars_maker(polars, series, strict) for series in columns]
    step = rows_together(len(value), value.estimated_size())
    return Table(heads, _cut(len(value), step, makers))


def _polars_head(polars: ModuleType, series: Any) -> Head:
    whole = str(series.dtype).lstrip("U").startswith("Int")
    enum = getattr(polars, "Enum", None)
    if enum is None or not isinstance(series.dtype, enum):
        return Head(series.name, whole=whole)
    categories = pieces.of_arrow(series.dtype.categories.to_arrow(), strict=True)
    return Head(series.name, categories=categories, ordered=True)


def _polars_maker(polars: ModuleType, series: Any, strict: bool) -> Callable[[int, int], Piece]:
    if series.dtype == polars.Object:
        raise UsageError(
            "a column of Python objects of polars has no fingerprint",
            column=series.name,
            hint="convert it to a type of polars, or leave it out",
        )
    kinds = [polars.Categorical, *([polars.Enum] if hasattr(polars, "Enum") else [])]
    is_category = any(series.dtype == kind for kind in kinds)
    ordered = is_category and series.dtype != polars.Categorical
    text = sys.modules["pyarrow"].large_string()

    def make(begin: int, end: int) -> Piece:
        some = series.slice(begin, end - begin)
        # A dictionary would be all categories that this process has met, for each few rows anew.
        held = (some.cast(polars.Utf8) if is_category else some).to_arrow()
        if is_category:
            held = held.cast(text)
        piece = pieces.of_arrow(held, strict=strict)
        if not (strict and is_category):
            return piece
        return structs.replace(piece, type=["category", ordered, None, piece.type])

    return make


# datasets of Hugging Face


def _of_datasets(library: ModuleType, value: Any, strict: bool) -> Table | None:
    if not isinstance(value, library.Dataset):
        return None
    arrow()
    schema = value.data.schema
    media = [
        at
        for at, name in enumerate(schema.names)
        if type(value.features[name]).__name__ in _DATASETS_MEDIA
    ]
    plain = value.with_format("arrow")
    step = _MEDIA_ROWS if media else rows_together(len(value.data), value.data.nbytes)

    def batches() -> Iterator[Batch]:
        yield Batch(
            0, [_media(at in media, pieces.nothing(f.type), strict) for at, f in enumerate(schema)]
        )
        for at in range(0, len(value), step):
            # With the format of Arrow these are the rows that the indices choose, as they lie.
            table = plain[at : min(at + step, len(value))]
            for some in table.to_batches():
                columns = [_media(n in media, one, strict) for n, one in enumerate(some.columns)]
                yield Batch(some.num_rows, columns)

    return Table([_arrow_head(field.name, field.type) for field in schema], batches())


def has_media(value: Any) -> bool:
    """Whether a value is a dataset of Hugging Face with images or sound, which lie in files."""
    library = sys.modules.get("datasets.arrow_dataset")
    if library is None or not isinstance(value, library.Dataset):
        return False
    return any(type(one).__name__ in _DATASETS_MEDIA for one in value.features.values())


def _media(is_media: bool, array: Any, strict: bool) -> Callable[[], Piece]:
    if not is_media:
        return partial(pieces.of_arrow, array, strict=strict)
    return lambda: pieces.of_arrow(_media_bytes(array), strict=strict)


def _media_bytes(array: Any) -> Any:
    """The bytes of images or sound, read from their files where a table has only paths."""
    library = sys.modules["pyarrow"]
    kinds = library.types
    if not kinds.is_struct(array.type):
        return array
    held = dict(zip([field.name for field in array.type], array.flatten(), strict=True))
    if "bytes" not in held:
        return array
    content = held["bytes"].to_pylist()
    for at, path in enumerate(held["path"].to_pylist() if "path" in held else []):
        if content[at] is None and path is not None:
            content[at] = _read(path)
    return library.array(content, library.large_binary())


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise NotFound("a file that a data set names is not there", path=os.fspath(path)) from error


_LIBRARIES: tuple[tuple[str, Callable[[ModuleType, Any, bool], Table | None]], ...] = (
    ("pandas", _of_pandas),
    ("polars", _of_polars),
    ("pyarrow", _of_arrow),
    ("datasets.arrow_dataset", _of_datasets),  # a script may have a `datasets` of its own
)
