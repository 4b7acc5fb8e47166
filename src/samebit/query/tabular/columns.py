"""What a table of runs consists of: its columns with their types, and rows in batches.

A batch holds columns, because whoever writes a hundred million points must not look at each. A
column of a batch is a list of plain values (None where there is none), an array of NumPy's, or one
value that is the same in all of its rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from samebit.folders.read import View

__all__ = [
    "Batch",
    "Column",
    "Masked",
    "Repeats",
    "Rows",
    "Same",
    "Shape",
    "batch_of",
    "gather",
    "values_of",
]

Rows = Iterable[Sequence[Any]]


class Column(Struct, frozen=True):
    """One column, of these types.

    text; int of 64 bits; float of 64 bits; bool; time in nanoseconds of UTC; json, any plain value
    as canonical JSON; any, whose values are of several types and a text where a file has one type
    for a column.
    """

    name: str
    type: str
    what: str  # what it says, with its unit


class Shape(Struct, frozen=True):
    """A table: its columns, and where its rows come from."""

    name: str
    what: str
    columns: tuple[Column, ...]
    # Of one run, without the first column, which is the run's id; None where it takes more.
    rows: "Callable[[View], Rows] | None" = None
    is_large: bool = False  # there only for who asks for it by name

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [column.name for column in self.columns]


class Same(Struct, frozen=True):
    """One value for each row of a batch."""

    value: Any


class Repeats(Struct, frozen=True):
    """Values, each so many times."""

    values: list[Any]
    counts: list[int]


class Masked(Struct, frozen=True):
    """An array, and where there is nothing in it."""

    values: Any
    is_null: Any


class Batch(Struct, frozen=True):
    """Some rows of a table: a column each, in the order of its shape."""

    rows: int
    columns: tuple[Any, ...]


def values_of(column: Any, rows: int) -> Iterable[Any]:
    """The plain values of a column."""
    if isinstance(column, Same):
        return repeat(column.value, rows)
    if isinstance(column, Masked):
        pairs = zip(column.values.tolist(), column.is_null.tolist(), strict=True)
        return (None if is_null else value for value, is_null in pairs)
    return column if isinstance(column, list) else column.tolist()


def gather(batches: Sequence[Batch], at: int, type_: str, numpy: Any) -> Any:
    """A column of all batches as one: a list, `Repeats`, an array or `Masked`."""
    pieces = [batch.columns[at] for batch in batches]
    if type_ not in ("int", "float", "time"):
        if any(isinstance(piece, Same) for piece in pieces):
            return _repeats(batches, pieces)
        return [value for piece in pieces for value in piece]
    if numpy is None:
        return [
            v for b, piece in zip(batches, pieces, strict=True) for v in values_of(piece, b.rows)
        ]
    arrays = [_array(p, b.rows, type_, numpy) for b, p in zip(batches, pieces, strict=True)]
    values = numpy.concatenate([array.values for array in arrays]) if arrays else numpy.array([])
    if all(array.is_null is None for array in arrays):
        return values.astype(numpy.float64 if type_ == "float" else numpy.int64, copy=False)
    nulls = [
        numpy.zeros(len(array.values), bool) if array.is_null is None else array.is_null
        for array in arrays
    ]
    return Masked(values, numpy.concatenate(nulls))


def _repeats(batches: Sequence[Batch], pieces: Sequence[Any]) -> Repeats:
    values: list[Any] = []
    counts: list[int] = []
    for batch, piece in zip(batches, pieces, strict=True):
        found = [piece.value] if isinstance(piece, Same) else list(piece)
        values += found
        counts += [batch.rows] if isinstance(piece, Same) else [1] * len(found)
    return Repeats(values, counts)


def _array(piece: Any, rows: int, type_: str, numpy: Any) -> Masked:
    if isinstance(piece, Masked):
        return piece
    kind = numpy.float64 if type_ == "float" else numpy.int64
    if isinstance(piece, Same):
        if piece.value is not None:
            return Masked(numpy.full(rows, piece.value, kind), None)
        return Masked(numpy.zeros(rows, kind), numpy.ones(rows, bool))
    if not isinstance(piece, list):
        return Masked(piece, None)
    is_null = [value is None for value in piece]
    values = numpy.array([0 if value is None else value for value in piece], kind)
    return Masked(values, numpy.array(is_null, bool) if any(is_null) else None)


def batch_of(run: str, rows: Rows) -> Iterator[Batch]:
    """Rows of one run as a batch, with its id before them; none where there are none."""
    listed = [*rows]
    if listed:
        yield Batch(
            len(listed), (Same(run), *(list(column) for column in zip(*listed, strict=True)))
        )
