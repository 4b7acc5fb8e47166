"""Tables: plain cells under columns, and media in cells (`docs/formats/media.md`)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from samebit import digest
from samebit.errors import UsageError
from samebit.media.given import Media

__all__ = ["FORMAT", "of_media", "plain", "size_bytes", "write"]

FORMAT = "samebit-table 1"
_MOST_CELLS = 1_000_000
_CELL_BYTES = 32  # that a cell is held in, about
_SCALARS = (bool, int, float, str)

Rows = list[list[Any]]


def plain(
    columns: Any, rows: Iterable[Sequence[Any]] | None, inside: Callable[[Media], Any]
) -> tuple[list[str], Rows]:
    """Names and cells that nobody else changes.

    Args:
        columns: names, or a frame.
        rows: of the cells; none beside a frame.
        inside: what is made of media in a cell.

    Raises:
        UsageError: it is no table, or a cell has no plain value.
    """
    if rows is None:
        columns, rows = _of_frame(columns)
    names = [_name(one) for one in columns]
    found: Rows = []
    for number, row in enumerate(rows):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__iter__"):
            raise UsageError(f"row {number} of the table is a {type(row).__name__}, and no row")
        cells = list(row)
        if len(cells) != len(names):
            raise UsageError(
                f"row {number} has {len(cells)} cells, and the table {len(names)} columns"
            )
        found.append(
            [_cell(cell, number, name, inside) for name, cell in zip(names, cells, strict=True)]
        )
        if len(found) * len(names) > _MOST_CELLS:
            raise UsageError(f"a table of more than {_MOST_CELLS:,} cells")
    return names, found


def _of_frame(frame: Any) -> tuple[Iterable[Any], Iterable[Sequence[Any]]]:
    if hasattr(frame, "itertuples"):  # pandas
        return list(frame.columns), frame.itertuples(index=False, name=None)
    if hasattr(frame, "iter_rows"):  # polars
        return list(frame.columns), frame.iter_rows()
    if hasattr(frame, "column_names") and hasattr(frame, "to_pydict"):  # Arrow
        return list(frame.column_names), zip(*frame.to_pydict().values(), strict=True)
    raise UsageError(
        f"a table is columns and rows, or a frame of pandas, polars or Arrow, not a "
        f"{type(frame).__name__}"
    )


def _name(name: Any) -> str:
    if isinstance(name, str):
        return name
    if isinstance(name, int):  # as pandas numbers its columns
        return str(name)
    raise UsageError(f"a column is called by a text, not {name!r}")


def _cell(value: Any, row: int, column: str, inside: Callable[[Media], Any]) -> Any:
    if value is None or type(value) in _SCALARS:
        return value
    if isinstance(value, Media):
        return inside(value)
    for kind in _SCALARS:
        if isinstance(value, kind):
            return kind(value)
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "shape", None) == ():  # NumPy's scalars, 0-d arrays
        if getattr(value, "is_cuda", False):
            raise UsageError(
                f"row {row}, column {column!r}: a number on a GPU would have to be waited for",
                hint="give its .item()",
            )
        value = item()
        if value is None or isinstance(value, _SCALARS):
            return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise UsageError(f"row {row}, column {column!r}: a {type(value).__name__} is no plain value")


def size_bytes(rows: Rows) -> int:
    """About how much memory they take until they are written."""
    texts = sum(len(cell) for row in rows for cell in row if isinstance(cell, str))
    return texts + _CELL_BYTES * sum(map(len, rows))


def of_media(
    kind: str, type_: str, data: bytes, about: dict[str, Any], caption: str | None
) -> dict[str, Any]:
    """What a cell says of media in it."""
    said = {
        "kind": kind,
        "type": type_,
        "object": digest.of_bytes(data),
        "size_bytes": len(data),
        "about": about,
    }
    return {"media": said if caption is None else {**said, "caption": caption}}


def write(columns: list[str], rows: Rows) -> bytes:
    """The object."""
    return digest.canonical_json({"format": FORMAT, "columns": columns, "rows": rows})
