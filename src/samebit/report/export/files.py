"""Tables of runs in files of a folder, or in one: all of them are written, or none.

A file gets its name when every table is whole; what stops before that leaves nothing behind.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from samebit import disk
from samebit.digest import canonical_json
from samebit.errors import SamebitError, UsageError
from samebit.query.tabular.columns import Batch, Shape
from samebit.report.export.parquet import ParquetFile
from samebit.report.export.texts import CsvText, JsonText, LinesText

__all__ = ["ENDINGS", "TEXTS", "paths_of", "write_files", "write_stream"]

_FORMAT = "samebit-export 1"
_DESCRIPTION = "tables.json"
_BUFFER_BYTES = 1 << 20

Batches = Iterable[tuple[str, Batch]]
ENDINGS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "jsonl"}
TEXTS: dict[str, Any] = {"csv": CsvText, "json": JsonText, "jsonl": LinesText}


class _Table(Protocol):
    """What takes the batches of one table."""

    def add(self, batch: Batch) -> None: ...
    def close(self) -> None: ...


def paths_of(place: Path, shapes: Sequence[Shape], form: str) -> dict[str, Path]:
    """Where each table goes: into a file of this name, or into a folder with a file for each."""
    if place.suffix.lower() in ENDINGS and not place.is_dir():
        if len(shapes) > 1:
            raise UsageError(
                f"{place.name} would be one file, and these are {len(shapes)} tables",
                tables=", ".join(shape.name for shape in shapes),
                hint="name a folder, or one table: --table metrics",
            )
        return {shapes[0].name: place}
    return {shape.name: place / f"{shape.name}.{form}" for shape in shapes}


def write_files(
    paths: Mapping[str, Path],
    shapes: Sequence[Shape],
    form: str,
    batches: Batches,
    numpy: Any,
    *,
    replace: bool,
) -> dict[str, int]:
    """Write tables into files, and say how many rows each has.

    In a folder a description of their columns lies beside them.

    Args:
        paths: as `paths_of` gives them.
        shapes: of the tables.
        form: parquet, csv, json or jsonl.
        batches: of the tables, in any order; read once, after the files could be opened.
        numpy: or None.
        replace: what is there already.

    Raises:
        UsageError: something is there already, or a library is missing.
        SamebitError: the system refuses to write there.
    """
    rows = {shape.name: 0 for shape in shapes}
    aside = None if _is_one_file(paths, form) else next(iter(paths.values())).parent / _DESCRIPTION
    _refuse_what_is_there([*paths.values(), *([aside] if aside else [])], replace=replace)
    tables: dict[str, _Table] = {}

    def write_all() -> None:
        for name, batch in batches:
            tables[name].add(batch)
            rows[name] += batch.rows

    def opened(left: Sequence[Shape]) -> None:
        """Each file is open while those behind it are written."""
        if not left:
            write_all()
            return
        shape, path = left[0], paths[left[0].name]

        def write(fd: int) -> None:
            with open(fd, "wb", buffering=_BUFFER_BYTES, closefd=False) as stream:
                tables[shape.name] = _table(shape, form, stream, numpy)
                opened(left[1:])
                tables[shape.name].close()

        if not disk.publish_by(path, write, path.parent, replace=replace):
            raise _is_there(path)

    try:
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        opened(shapes)
        if aside is not None:
            disk.publish(aside, [_described(shapes)], aside.parent, replace=True)
    except OSError as error:
        what = f"cannot write there: {error.strerror or error}"
        raise SamebitError(what, path=error.filename or next(iter(paths.values()))) from error
    return rows


def _is_one_file(paths: Mapping[str, Path], form: str) -> bool:
    ((name, path), *others) = paths.items()
    return not others and path.name != f"{name}.{form}"


def _table(shape: Shape, form: str, stream: BinaryIO, numpy: Any) -> _Table:
    if form == "parquet":
        return ParquetFile(shape, stream, numpy)
    return TEXTS[form](shape, stream.write)


def _refuse_what_is_there(paths: Iterable[Path], *, replace: bool) -> None:
    for path in paths:
        if path.is_dir():
            raise UsageError("a folder is where a file is to be", path=path)
        if not replace and os.path.lexists(path):
            raise _is_there(path)


def _is_there(path: Path) -> UsageError:
    hint = "choose another place, or say `--force`"
    return UsageError("a file of that name is there already", path=path, hint=hint)


def write_stream(shape: Shape, form: str, batches: Batches, write: Callable[[bytes], Any]) -> None:
    """One table as text, wherever bytes go."""
    table = TEXTS[form](shape, write)
    for _, batch in batches:
        table.add(batch)
    table.close()


def _described(shapes: Sequence[Shape]) -> bytes:
    """The columns of tables, for readers of files that do not say their types."""
    told = {
        shape.name: {
            "what": shape.what,
            "columns": [
                {"name": column.name, "type": column.type, "what": column.what}
                for column in shape.columns
            ],
        }
        for shape in shapes
    }
    return canonical_json({"format": _FORMAT, "tables": told}) + b"\n"
