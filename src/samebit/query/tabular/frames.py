"""Batches of a table as one frame of pandas, polars or pyarrow, each loaded when it is asked for.

`pip install pandas`, `polars` or `pyarrow`: none is needed for anything else here. Types are the
same whatever is in the rows. `float` in pandas is its plain float64, where nothing is NaN, too.
"""

import importlib
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Any

from samebit.digest import canonical_json
from samebit.errors import UsageError
from samebit.journal.values import sound
from samebit.query.tabular.cells import exact
from samebit.query.tabular.columns import Batch, Column, Masked, Repeats, Shape, gather

__all__ = ["KINDS", "arrow_schema", "load", "make_frame"]


def load(module: str, extra: str) -> Any:
    """A library that is not needed otherwise; UsageError says how it is installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise UsageError(f"this needs {name}: {error}", hint=f"pip install {extra}") from error


def make_frame(shape: Shape, batches: Sequence[Batch], kind: str, numpy: Any) -> Any:
    """All batches of a table as a frame of `kind`: pandas, polars or pyarrow."""
    if kind not in KINDS:
        raise UsageError(f"there are no frames of {kind!r}", known=", ".join(KINDS))
    make = KINDS[kind]
    library = load(kind, kind)
    columns = [
        _written(column, gather(batches, at, column.type, numpy))
        for at, column in enumerate(shape.columns)
    ]
    return make(library, shape.columns, columns, numpy)


def _written(column: Column, found: Any) -> Any:
    """With texts as they can be written, in which what has no type of its own is written, too."""
    writes = {"text": sound, "any": lambda value: sound(exact(value)), "json": _json}
    write: Callable[[Any], str] | None = writes.get(column.type)
    if write is None:
        return found
    values = found.values if isinstance(found, Repeats) else found
    if column.type == "text" and all(value is None or value.isascii() for value in values):
        return found
    values = [None if value is None else write(value) for value in values]
    return Repeats(values, found.counts) if isinstance(found, Repeats) else values


def _json(value: Any) -> str:
    return canonical_json(value).decode()


def _places(found: Repeats, numpy: Any) -> Any:
    """For each row which of the values it has."""
    every = range(len(found.values))
    if numpy is not None:
        return numpy.repeat(numpy.arange(len(every)), found.counts)
    return list(chain.from_iterable(map(repeat, every, found.counts)))


def _pandas(pandas: Any, columns: Sequence[Column], found: Sequence[Any], numpy: Any) -> Any:
    return pandas.DataFrame(
        {c.name: _series(pandas, c, one) for c, one in zip(columns, found, strict=True)}
    )


def _series(pandas: Any, column: Column, found: Any) -> Any:
    if column.type in ("text", "any", "json"):
        if not isinstance(found, Repeats):
            return pandas.Series(found, dtype="str" if _has_str(pandas) else "string")
        once = _series(pandas, column, found.values)
        return once.repeat(found.counts).reset_index(drop=True)
    if column.type == "bool":
        return pandas.Series(found, dtype="boolean")
    masked = isinstance(found, Masked)
    if column.type == "float":
        if masked:
            found.values[found.is_null] = float("nan")
        return pandas.Series(found.values if masked else found, dtype="float64")
    if column.type == "int":
        if masked:
            return pandas.Series(pandas.arrays.IntegerArray(found.values, found.is_null))
        return pandas.Series(found, dtype="Int64")
    values = (found.values if masked else found).astype("datetime64[ns]")
    if masked:
        values[found.is_null] = "NaT"
    return pandas.Series(values).dt.tz_localize("UTC")


def _has_str(pandas: Any) -> bool:
    """Whether `str` is a type of texts, as from pandas 3 on, and not of any objects."""
    return int(pandas.__version__.partition(".")[0]) > 2


def _polars(polars: Any, columns: Sequence[Column], found: Sequence[Any], numpy: Any) -> Any:
    types = {"int": polars.Int64, "float": polars.Float64, "bool": polars.Boolean}
    types |= {"time": polars.Datetime("ns", "UTC")}

    def series(column: Column, one: Any) -> Any:
        kind = types.get(column.type, polars.String)
        if isinstance(one, Repeats):
            once = polars.Series(column.name, one.values, dtype=kind)
            return once.gather(_places(one, numpy))
        if isinstance(one, Masked):
            whole = polars.Series(column.name, one.values)
            there = polars.Series(~one.is_null)
            nothing = polars.Series(column.name, [None], dtype=whole.dtype)
            return whole.zip_with(there, nothing).cast(kind)
        integers = polars.Int64 if column.type == "time" else kind
        return polars.Series(column.name, one, dtype=integers).cast(kind)

    return polars.DataFrame([series(c, one) for c, one in zip(columns, found, strict=True)])


def _pyarrow(pyarrow: Any, columns: Sequence[Column], found: Sequence[Any], numpy: Any) -> Any:
    arrays = [arrow_array(pyarrow, c, one, numpy) for c, one in zip(columns, found, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=arrow_schema(pyarrow, columns))


def arrow_schema(pyarrow: Any, columns: Sequence[Column]) -> Any:
    """The columns as Arrow has them; what each says is in its metadata."""
    return pyarrow.schema(
        [
            pyarrow.field(c.name, _arrow_type(pyarrow, c.type), metadata={"what": c.what})
            for c in columns
        ]
    )


def _arrow_type(pyarrow: Any, type_: str) -> Any:
    types = {"int": pyarrow.int64, "float": pyarrow.float64, "bool": pyarrow.bool_}
    if type_ == "time":
        return pyarrow.timestamp("ns", "UTC")
    return types.get(type_, pyarrow.string)()


def arrow_array(pyarrow: Any, column: Column, found: Any, numpy: Any) -> Any:
    """A gathered column, its texts written, as an array."""
    kind = _arrow_type(pyarrow, column.type)
    if isinstance(found, Repeats):
        once = pyarrow.array(found.values, kind)
        return once.take(pyarrow.array(_places(found, numpy), pyarrow.int64()))
    if isinstance(found, Masked):
        return pyarrow.array(found.values, mask=found.is_null).cast(kind)
    if column.type == "time":
        return pyarrow.array(found, pyarrow.int64()).cast(kind)
    return pyarrow.array(found, kind)


KINDS: dict[str, Callable[[Any, Sequence[Column], Sequence[Any], Any], Any]] = {
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _pyarrow,
}
