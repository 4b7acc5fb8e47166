"""A table as Parquet, written in groups of rows, so that any number of them takes little memory."""

from typing import Any, BinaryIO

from samebit.query.tabular.columns import Batch, Shape
from samebit.query.tabular.frames import arrow_schema, load, make_frame

__all__ = ["ParquetFile"]

_GROUP_ROWS = 1 << 20
# Whole numbers that ascend, as steps and times do, take a byte or two each.
_DELTAS = ("int", "time")


class ParquetFile:
    """A table as Parquet: zstd, statistics for each group of rows, what a column says beside it."""

    def __init__(self, shape: Shape, stream: BinaryIO, numpy: Any) -> None:
        parquet = load("pyarrow.parquet", "'samebit[arrow]'")
        pyarrow = load("pyarrow", "'samebit[arrow]'")
        self._shape, self._numpy = shape, numpy
        self._held: list[Batch] = []
        self._rows = 0
        schema = arrow_schema(pyarrow, shape.columns)
        deltas = [column.name for column in shape.columns if column.type in _DELTAS]
        numbers = [*deltas, *(c.name for c in shape.columns if c.type in ("float", "bool"))]
        self._file = parquet.ParquetWriter(
            stream,
            schema.with_metadata({"samebit": "export 1", "table": shape.name}),
            compression="zstd",
            use_dictionary=[c.name for c in shape.columns if c.name not in numbers],
            column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
        )

    def add(self, batch: Batch) -> None:
        """Take its rows; a group of them is written when it is whole."""
        self._held.append(batch)
        self._rows += batch.rows
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        frame = make_frame(self._shape, self._held, "pyarrow", self._numpy)
        self._file.write_table(frame, row_group_size=_GROUP_ROWS)
        self._held, self._rows = [], 0

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self._rows:
            self._flush()
        self._file.close()
