"""Tables of chosen runs, batch by batch: what is exported, and what frames are made of.

Rows of runs come from the index; for any other table each run is read once, whatever many tables
are wanted, and is let go of before the next is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from samebit.errors import UsageError, in_a_line
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.query import choosing, index, where
from samebit.query.tabular.cells import in_64_bits
from samebit.query.tabular.columns import Batch, Column, Shape, batch_of
from samebit.query.tabular.metrics import long_batches, wide_batches
from samebit.query.tabular.shapes import RUN_COLUMNS, SHAPES, WIDE_COLUMNS

__all__ = ["ORDER", "choose_rows", "load_numpy", "only", "read_batches", "shape_of", "take"]

Row = Mapping[str, object]
ORDER = "started:desc"  # of `samebit ls`

_KINDS: dict[type, str] = {bool: "bool", float: "float", str: "text"}
_EXACT = 2**53  # up to which float64 has every whole number


def load_numpy() -> Any:
    """NumPy, or None where it is not installed: then everything takes longer, and is the same."""
    try:
        import numpy  # noqa: PLC0415  (seconds of a script that asks for no points)
    except ImportError:
        return None
    return numpy


def choose_rows(
    store: Path,
    references: Sequence[str] = (),
    condition: str | None = None,
    order: str | None = None,
    *,
    replays: bool = False,
) -> list[Row]:
    """The rows of the runs that are meant, in an order as that of `samebit ls`; see `choose`."""
    every = index.rows(store, replays=replays)
    return choosing.choose(store, every, references, condition, order or ORDER)


def shape_of(name: str, rows: Sequence[Row]) -> Shape:
    """A table with all the columns that it has for these runs; UsageError where there is none."""
    shape = SHAPES.get(name)
    if shape is None:
        raise UsageError(f"there is no table {name!r}", tables=", ".join(SHAPES))
    if name == "runs":
        return replace(shape, columns=_columns_of_rows(rows))
    if name == "metrics_wide":
        found = (Column(key, "float", "its number at the step") for key in _metric_keys(rows))
        return replace(shape, columns=(*WIDE_COLUMNS, *found))
    return shape


def only(shape: Shape, names: Sequence[str]) -> Shape:
    """The table of runs with some of its columns, by short names or in full."""
    by_name = {column.name: column for column in shape.columns}
    meant = (where.resolve(name, by_name.keys()) for name in names)
    return replace(shape, columns=tuple(by_name[name] for name in meant if name is not None))


def _metric_keys(rows: Sequence[Row]) -> list[str]:
    return sorted({key for row in rows for key in row if key.startswith("metric.")})


def _columns_of_rows(rows: Sequence[Row]) -> tuple[Column, ...]:
    keys = sorted({key for row in rows for key in row})
    found = [*RUN_COLUMNS]
    for kind, what in (("config.", "a setting"), ("metric.", "the last value of a metric")):
        for key in (key for key in keys if key.startswith(kind)):
            found.append(Column(key, _type_of(row.get(key) for row in rows), what))
    return tuple(found)


def _type_of(values: Iterable[object]) -> str:
    """The type that has all of these as they are."""
    kinds: set[str] = set()
    for value in values:
        if in_64_bits(value):
            is_rounded = abs(value) > _EXACT
            kinds.add("large int" if is_rounded else "int")
        elif value is not None:
            kinds.add(_KINDS.get(type(value), "any"))
    if kinds <= {"int", "large int"}:
        return "int" if kinds else "text"
    if kinds <= {"int", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 else "any"


def _rows_of(rows: Sequence[Row], shape: Shape) -> Batch:
    columns: list[list[Any]] = []
    for column in shape.columns:
        values: list[Any] = [row.get(column.name) for row in rows]
        if column.type in ("int", "time"):  # a step may be any number, and a record a stranger's
            values = [value if in_64_bits(value) else None for value in values]
        columns.append(values)
    return Batch(len(rows), tuple(columns))


def read_batches(
    store: Path,
    rows: Sequence[Row],
    shapes: Sequence[Shape],
    numpy: Any,
    *,
    failed: Callable[[str, str], object],
    done: Callable[[], object] = lambda: None,
) -> Iterator[tuple[str, Batch]]:
    """Each table's rows, run by run, with the table's name.

    Args:
        store: where the runs lie.
        rows: of the runs, in the order that is wanted; those with `damage` are passed over.
        shapes: as `shape_of` gave them.
        numpy: or None.
        failed: called with a run's id and why it cannot be read.
        done: called after each run.
    """
    readable = [row for row in rows if "damage" not in row]
    for row in rows:
        if "damage" in row:
            failed(str(row["id"]), str(row["damage"]))
    others = [shape for shape in shapes if shape.name != "runs"]
    for shape in shapes:
        if shape.name == "runs" and readable:
            yield shape.name, _rows_of(readable, shape)
    for row in readable if others else ():
        run = str(row["id"])
        try:
            # All of a run or nothing: one that is damaged has a part in no table.
            view = read_run(RunFolder(store / "runs" / run))
            found = [(s.name, batch) for s in others for batch in take(view, s, numpy)]
        except Exception as error:  # it may be a stranger's run, with anything in it
            failed(run, in_a_line(error))
        else:
            yield from found
        done()


def take(view: View, shape: Shape, numpy: Any) -> Iterator[Batch]:
    """The rows that a run has in a table other than `runs`."""
    if shape.rows is not None:
        return batch_of(view.id, shape.rows(view))
    if shape.name == "metrics_wide":
        names = [name.removeprefix("metric.") for name in shape.names[len(WIDE_COLUMNS) :]]
        return wide_batches(view, names, numpy)
    return long_batches(view, numpy)
