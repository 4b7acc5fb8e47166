"""`wandb.Table`, and the charts that are made of one."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from samebit.compat.wandb.media import Media, WBValue, as_media
from samebit.media import given

__all__ = ["CustomChart", "Table", "from_json", "to_json"]

_COLUMNS = ("Input", "Output", "Expected")


class Table(Media):
    """Rows under columns, as lists; `data` and `columns` may be changed until it is logged.

    Types of a column may be mixed. Cells may hold media; lists and dicts become their JSON.
    """

    MAX_ROWS = 1_000_000

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: Any = True,
        allow_mixed_types: bool = False,
        log_mode: str | None = "IMMUTABLE",
    ) -> None:
        if columns is not None and not isinstance(columns, (list, tuple)):
            raise AssertionError("columns argument expects a `list` object")
        frame = dataframe if dataframe is not None else data
        self.log_mode = log_mode
        if hasattr(frame, "columns") and (hasattr(frame, "itertuples") or hasattr(frame, "rows")):
            self.columns: list[Any] = list(frame.columns)
            each = frame.itertuples(index=False, name=None) if _is_pandas(frame) else frame.rows()
            self.data: list[list[Any]] = [list(row) for row in each]
            return
        self.columns = list(_COLUMNS if columns is None else columns)
        self.data = []
        found = data if data is not None else rows
        for row in () if found is None else found:
            self.add_data(*row)

    def add_data(self, *data: Any) -> None:
        """Add a row; ValueError where it has not a cell for each column."""
        if len(data) != len(self.columns):
            raise ValueError(
                f"This table expects {len(self.columns)} columns: {self.columns}, found {len(data)}"
            )
        self.data.append(list(data))

    add_row = add_data

    def add_column(self, name: Any, data: Any, optional: bool = False) -> None:
        """Add a column at the right; AssertionError where it is not as long as the others."""
        values = list(data)
        if self.data and len(values) != len(self.data):
            raise AssertionError(f"Expected length {len(self.data)}, found {len(values)}")
        if not self.data:
            self.data = [[] for _ in values]
        for row, value in zip(self.data, values, strict=True):
            row.append(value)
        self.columns.append(name)

    def get_column(self, name: Any, convert_to: str | None = None) -> Any:
        """The cells of a column, as a list, or an array of NumPy; AssertionError without it."""
        if name not in self.columns:
            raise AssertionError(f"the table has no column {name!r}")
        at = self.columns.index(name)
        values = [row[at] for row in self.data]
        if convert_to == "numpy":
            import numpy as np  # noqa: PLC0415  (whoever asks has it)

            return np.array(values)
        return values

    def get_index(self) -> list[int]:
        """The numbers of the rows."""
        return list(range(len(self.data)))

    def get_dataframe(self) -> Any:
        """A frame of pandas."""
        import pandas as pd  # noqa: PLC0415  (whoever asks has it)

        return pd.DataFrame.from_records(self.data, columns=self.columns)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Each row with its number."""
        return iter(list(enumerate(self.data)))

    def add_computed_columns(self, fn: Any) -> None:
        """Add columns that are computed of each row: `fn(number, {column: cell})`."""
        made: dict[str, list[Any]] = {}
        for number, row in enumerate(self.data):
            values = dict(zip(self.columns, row, strict=True))
            for name, value in fn(number, values).items():
                made.setdefault(name, []).append(value)
        for name, values in made.items():
            self.add_column(name, values)

    def set_pk(self, col_name: Any) -> None:
        """Taken, and of no effect."""

    def set_fk(self, col_name: Any, table: Any, table_col: Any) -> None:
        """Taken, and of no effect."""

    def cast(self, col_name: Any, dtype: Any, optional: bool = False) -> None:
        """Taken, and of no effect: a cell is what it is."""

    def __eq__(self, other: object) -> bool:
        is_table = isinstance(other, Table)
        return is_table and self.columns == other.columns and self.data == other.data

    __hash__ = Media.__hash__

    def as_media(self) -> given.Media:
        """The table, as it is now."""
        return self.titled(None)

    def titled(self, caption: str | None) -> given.Media:
        """The same, with a caption."""
        rows = [[_cell(cell) for cell in row] for row in self.data]
        return given.Table([str(name) for name in self.columns], rows, caption)


def _is_pandas(frame: Any) -> bool:
    return hasattr(frame, "itertuples")


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Table):
        return to_json(value)
    if isinstance(value, WBValue):
        return value.as_media()
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        if getattr(value, "shape", None) == ():
            return value.item()
        return json.dumps(value.tolist(), default=str)
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return json.dumps(
            list(value) if isinstance(value, (set, frozenset)) else value, default=str
        )
    if hasattr(value, "isoformat"):
        return value
    return as_media(value) or str(value)


def to_json(table: Table) -> str:
    """A table as wandb's files have it, as far as its cells are plain."""
    data = [[_written(cell) for cell in row] for row in table.data]
    return json.dumps({"columns": table.columns, "data": data}, default=str)


def _written(cell: Any) -> Any:
    return cell.tolist() if hasattr(cell, "tolist") else cell


def from_json(text: str | bytes) -> Table:
    """The way back; ValueError or KeyError where it is none."""
    found = json.loads(text)
    return Table(columns=list(found["columns"]), data=found["data"])


class CustomChart(WBValue):
    """A chart: its table is kept, under the name that it is logged as, and its title with it."""

    def __init__(self, table: Table, title: str = "", kind: str = "") -> None:
        self.table = table
        self.title = title
        self.kind = kind

    def as_media(self) -> given.Media:
        """Its table."""
        return self.table.titled(self.title or None)


def rows_of(*columns: Iterable[Any]) -> list[list[Any]]:
    """Columns as rows."""
    return [list(row) for row in zip(*columns, strict=True)]
