"""The fingerprint of any data: which kind it is, and by whose rules it is hashed."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samebit.data import arrays, datasets, files, frames, tables
from samebit.data.forms import LEVELS, Fingerprint, named, sealed
from samebit.errors import UsageError

__all__ = ["fingerprint"]


def fingerprint(
    value: Any,
    *,
    level: str = "content",
    sample: int | None = None,
    advance: Callable[[int], None] | None = None,
    keep: datasets.Keep | None = None,
) -> Fingerprint:
    """The name of data by its content: equal data has the same one, whichever library holds it.

    Args:
        value: a path (a `pathlib.Path`) of a file or folder; an array or tensor; a frame, series
            or table of pandas, polars or Arrow; a data set of torch or Hugging Face; a dict of
            these.
        level: `content`, or `strict` (declared types, order of columns, index; of a folder which
            files may be executed), or of tables `set` (rows in any order). Arrays and the items
            of datasets have one level.
        sample: of a dataset that is read item by item, at most so many items. What was sampled has
            a kind of its own, and never the name of the whole.
        advance: is told how many more bytes (of files), rows or items are done.
        keep: takes each item of a dataset that is read item by item, as it is read first.

    Raises:
        UsageError: there is nothing in it that has bytes; the error says where and what to do.
        NotFound: a file is not there.
    """
    if level not in LEVELS:
        raise UsageError(f"there is no level {level!r}", known=", ".join(LEVELS))
    if isinstance(value, os.PathLike):
        return files.of_path(Path(value), level=level, advance=advance)
    if arrays.is_array(value):
        return arrays.of_array(value)
    if (table := frames.find_table(value, strict=level == "strict")) is not None:
        return tables.of_table(table, level, advance)
    if isinstance(value, Mapping):
        return group(
            {key: fingerprint(one, level=level, sample=sample) for key, one in value.items()}
        )
    if type(value).__module__.startswith("scipy.sparse"):
        hint = "hand over its arrays, as (m.data, m.indices, m.indptr), or m.toarray()"
        raise UsageError("there is no fingerprint of a sparse matrix", hint=hint)
    if (found := datasets.find_fingerprint(value, sample, advance, keep)) is not None:
        return found
    raise UsageError(
        f"there is no fingerprint of a {type(value).__module__}.{type(value).__qualname__}",
        hint=_hint(value),
    )


def group(members: Mapping[Any, Fingerprint]) -> Fingerprint:
    """Several fingerprints as one; UsageError where a key is no text or a member has no name."""
    for key, one in members.items():
        if not isinstance(key, str):
            raise UsageError(f"a member must be named by a text, not {key!r}")
        if one.name is None:
            raise UsageError("a member has no fingerprint", member=key, why="; ".join(one.notes))
    names = {key: one.name for key, one in sorted(members.items())}
    notes = tuple(f"{key}: {note}" for key, one in members.items() for note in one.notes)
    kind = "group" if all(one.is_whole for one in members.values()) else "group-sample"
    name = named(kind, sealed(kind, {"members": names}))
    parts = {key: str(one) for key, one in members.items()}
    return Fingerprint(kind, name, {"members": len(members)}, parts, notes)


def _hint(value: Any) -> str:
    if isinstance(value, str):
        return "for a file or folder hand over a pathlib.Path"
    if isinstance(value, (list, tuple, range)):
        return "row numbers: of_indices(value); numbers: make an array of them"
    if "torch" in sys.modules and type(value).__name__ == "DataLoader":
        return "hand over its dataset"
    return "hand over its arrays, its frames or its files"
