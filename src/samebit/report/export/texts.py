"""A table as CSV, as JSON or as JSON Lines, written batch by batch.

CSV is RFC 4180 in UTF-8, as `rows_to_csv` has it: numbers exact, texts as they are, nothing put in
front of a text that a spreadsheet might take for a formula. JSON is canonical, row by row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from samebit.digest import canonical_json
from samebit.journal.values import sound
from samebit.query.tabular.cells import exact, utc
from samebit.query.tabular.columns import Batch, Same, Shape, values_of
from samebit.report.table import csv_field

__all__ = ["CsvText", "JsonText", "LinesText"]

Write = Callable[[bytes], object]


class CsvText:
    """A table as CSV."""

    def __init__(self, shape: Shape, write: Write) -> None:
        self._types = [column.type for column in shape.columns]
        self._write = write
        write(_csv_lines([[csv_field(sound(name))] for name in shape.names]))

    def add(self, batch: Batch) -> None:
        """Write its rows."""
        columns = [
            self._fields(column, type_, batch.rows)
            for column, type_ in zip(batch.columns, self._types, strict=True)
        ]
        self._write(_csv_lines(columns))

    def _fields(self, column: Any, type_: str, rows: int) -> Iterable[str]:
        write = _CSV.get(type_, csv_field)
        if isinstance(column, Same):
            return [write(column.value)] * rows
        return map(write, values_of(column, rows))

    def close(self) -> None:
        """Nothing stands at the end."""


def _csv_lines(columns: Sequence[Iterable[str]]) -> bytes:
    # Readers skip an empty line, and with it the row.
    lines = ((line or '""') + "\r\n" for line in map(",".join, zip(*columns, strict=True)))
    return "".join(lines).encode()


def _text_field(value: Any) -> str:
    return csv_field(value if value is None else sound(exact(value)))


_CSV: dict[str, Callable[[Any], str]] = {
    "text": _text_field,
    "any": _text_field,
    "int": exact,
    "float": exact,
    "bool": exact,
    "time": lambda value: "" if value is None else utc(value),
    "json": lambda value: csv_field(canonical_json(value).decode()),
}


class LinesText:
    """A table as JSON Lines: an object for each row."""

    _between, _begin, _end = b"\n", b"", b"\n"

    def __init__(self, shape: Shape, write: Write) -> None:
        self._names = shape.names
        self._times = [at for at, column in enumerate(shape.columns) if column.type == "time"]
        self._write = write
        self._is_empty = True
        write(self._begin)

    def add(self, batch: Batch) -> None:
        """Write its rows."""
        rows = self._between.join(self._rows(batch))
        self._write(rows if self._is_empty else self._between + rows)
        self._is_empty = False

    def _rows(self, batch: Batch) -> Iterator[bytes]:
        columns: list[Iterable[Any]] = [values_of(one, batch.rows) for one in batch.columns]
        for at in self._times:
            columns[at] = (None if time is None else utc(time) for time in columns[at])
        for row in zip(*columns, strict=True):
            yield canonical_json(dict(zip(self._names, row, strict=True)))

    def close(self) -> None:
        """Write what stands at the end."""
        self._write(b"" if self._is_empty and not self._begin else self._end)


class JsonText(LinesText):
    """A table as JSON: a list of objects, each on a line."""

    _between, _begin, _end = b",\n", b"[\n", b"\n]\n"
