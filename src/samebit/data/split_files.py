"""Splits as files: row numbers of parts as JSON, CSV or `.npz`, and the ids of rows of a file.

Equal splits give equal bytes: no time is written.
"""

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebit.data import reading, row_ids
from samebit.data.members import numpy
from samebit.data.recorded import RecordedSplit
from samebit.data.row_ids import Rows
from samebit.digest import canonical_json
from samebit.errors import NotFound, UsageError

__all__ = ["read_rows", "written"]

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_FORMAT = "samebit-split-export 1"

Numbers = Mapping[str, Any]
Ids = Mapping[str, list[str | int]]


def written(found: RecordedSplit, numbers: Numbers | None, ids: Ids | None, suffix: str) -> bytes:
    """The bytes of a file.

    Args:
        found: the split.
        numbers: the row numbers of each part, in order.
        ids: the ids of the same rows; one of the two is there.
        suffix: `.json`, `.csv` or `.npz`.
    """
    if suffix == ".json":
        return _json(found, numbers, ids)
    if suffix == ".csv":
        return _csv(numbers, ids)
    if suffix == ".npz":
        return _npz(numbers, ids)
    raise UsageError(
        f"no split is written as {suffix or 'a file without suffix'}", known=".json, .csv, .npz"
    )


def _json(found: RecordedSplit, numbers: Numbers | None, ids: Ids | None) -> bytes:
    said: dict[str, Any] = {
        "format": _FORMAT,
        "run": found.run,
        "name": found.name,
        "split": found.digest,
    }
    if numbers is not None:
        said["parts"] = {name: rows.tolist() for name, rows in numbers.items()}
    if ids is not None:
        said["ids"] = dict(ids)
    return canonical_json(said) + b"\n"


def _csv(numbers: Numbers | None, ids: Ids | None) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = [("row", numbers), ("id", ids)]
    there = [(title, held) for title, held in columns if held is not None]
    writer.writerow(["part", *(title for title, _ in there)])
    for name in there[0][1]:
        lists = [_list(held[name]) for _, held in there]
        writer.writerows((name, *row) for row in zip(*lists, strict=True))
    return stream.getvalue().encode()


def _list(held: Any) -> list[Any]:
    return held if isinstance(held, list) else held.tolist()


def _npz(numbers: Numbers | None, ids: Ids | None) -> bytes:
    np = numpy()
    arrays: dict[str, Any] = {}
    if numbers is not None:
        arrays |= {name: rows.astype("<i8") for name, rows in numbers.items()}
    if ids is not None:
        suffix = " ids" if numbers is not None else ""
        arrays |= {f"{name}{suffix}": _as_array(found) for name, found in ids.items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH), "w") as member:
                np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)
    return stream.getvalue()


def _as_array(ids: list[str | int]) -> Any:
    whole = all(type(one) is int for one in ids)
    return numpy().array(ids, "<i8") if whole and ids else numpy().array(list(map(str, ids)), "<U")


def read_rows(path: Path) -> Rows:
    """The ids of the rows of a file: a table, an array, or a `.txt` of ids, one a line."""
    if path.suffix.lower() == ".txt":
        try:
            return row_ids.of_given(path.read_text("utf-8").splitlines())
        except FileNotFoundError:
            raise NotFound("there is no such file", path=path) from None
        except UnicodeDecodeError:
            raise UsageError("a list of ids is a text of UTF-8, one a line", path=path) from None
    with reading.open_content(path) as content:
        found = content.ids()
    if isinstance(found, str):
        raise UsageError(f"the rows of this file have no ids: {found}", path=path)
    return found
