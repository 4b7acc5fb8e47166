"""Rows known by their cells within one process: cheap, and by any columns that two tables share.

An id of a row holds everything that was handed over. What a transformer is fitted on is often some
of its columns, an array made of a frame, or the output of another transformer; so here a cell is a
number of 64 bits, whatever holds it, and a row the sum of those columns that both sides have.
"""

import sys
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from samebit.data import row_ids
from samebit.data.members import numpy
from samebit.states import leaves

__all__ = ["Cells", "cells_of", "fitted_rows", "partners"]

_MOST_CELLS = 1 << 20  # of one thing: 8 MB, and some milliseconds
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_MIXES = ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB))  # of splitmix64


class Cells(Struct, frozen=True):
    """A number for each cell of shape (rows, columns), and the names of the columns if any."""

    values: Any
    names: tuple[str, ...] | None = None

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.values)


def cells_of(value: Any) -> Cells | None:
    """The cells of a frame, array, tensor or list of texts; None of others, and of very many."""
    np = numpy()
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(value, pandas.Series):
        value = value.to_frame()
    if pandas is not None and isinstance(value, pandas.DataFrame):
        if value.size > _MOST_CELLS:
            return None
        columns = [_column(pandas, value.iloc[:, at]) for at in range(value.shape[1])]
        names = tuple(map(str, value.columns))
        return Cells(np.stack(columns, axis=1), names) if columns else None
    if polars is not None and isinstance(value, polars.DataFrame):
        numeric = all(kind.is_numeric() for kind in value.dtypes)
        if not numeric or value.width * value.height > _MOST_CELLS:
            return None
        return Cells(_mixed(value.to_numpy().astype("f8", copy=False)), tuple(value.columns))
    if (texts := row_ids.texts_of(value)) is not None:
        if len(texts) > _MOST_CELLS:
            return None
        ids = row_ids.of_given(texts).ids
        return Cells(np.frombuffer(ids, "<u8").reshape(-1, 2)[:, :1])
    if not leaves.is_array(value) or not len(getattr(value, "shape", ())):
        return None
    if leaves.why_not(value) is not None or row_ids.is_elsewhere(value):
        return None
    held = value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)
    if held.dtype.kind not in "biuf" or held.size > _MOST_CELLS or not len(held):
        return None
    return Cells(_mixed(held.reshape(len(held), -1).astype("f8")))


def partners(wanted: Cells, there: Cells) -> Any:
    """For each row that is wanted the position of an equal one, or -1; None if not comparable.

    Of equal rows the first that is wanted gets the first that is there.
    """
    sums = _sums(wanted, there)
    if sums is None:
        return None
    np = numpy()
    # As ids of 16 bytes: whoever matches these knows about equal ones.
    ours, theirs = (np.repeat(one[:, None], 2, axis=1).astype(">u8").tobytes() for one in sums)
    return row_ids.match(ours, theirs)


def fitted_rows(fitted: Cells, data: Cells, parts: Sequence[Any]) -> Any:
    """Which rows of data are among those that something was fitted on, as an array of bools.

    Of equal rows those of the first part are taken before others: a test row that is equal to one
    of the training is not thereby fitted on. None where the two cannot be compared.

    Args:
        fitted: what was handed over.
        data: what was split.
        parts: row numbers, the part that is learned from first.
    """
    sums = _sums(data, fitted)
    if sums is None:
        return None
    np = numpy()
    ours, theirs = sums
    rank = np.full(len(ours), len(parts), "i8")
    for at in reversed(range(len(parts))):
        rank[parts[at]] = at
    distinct, counts = np.unique(theirs, return_counts=True)
    order = np.lexsort((np.arange(len(ours)), rank, ours))
    ordered = ours[order]
    begins = np.searchsorted(ordered, ordered, "left")
    place = np.minimum(np.searchsorted(distinct, ordered), len(distinct) - 1)
    allowed = np.where(distinct[place] == ordered, counts[place], 0)
    found = np.zeros(len(ours), bool)
    found[order] = np.arange(len(ours)) - begins < allowed
    return found


def _sums(first: Cells, second: Cells) -> tuple[Any, Any] | None:
    """A number for each row of both, of the columns that they share; None where they share none.

    By their names, where both have some and one has all of the other; else by their positions.
    """
    np = numpy()
    mine, other = first.values, second.values
    if first.names is not None and second.names is not None and first.names != second.names:
        few, many = sorted((first, second), key=lambda one: len(one.names or ()))
        if set(few.names or ()) <= set(many.names or ()):
            names = few.names or ()
            mine, other = (
                one.values[:, [(one.names or ()).index(name) for name in names]]
                for one in (first, second)
            )
    if mine.shape[1] != other.shape[1]:
        return None
    seeds = _mix(np.arange(1, mine.shape[1] + 1, dtype="u8") * np.uint64(_GOLDEN))
    return tuple(_mix(one ^ seeds).sum(axis=1, dtype="u8") for one in (mine, other))


def _column(pandas: Any, series: Any) -> Any:
    np = numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return _mixed(series.to_numpy().astype("f8"))
    try:
        return pandas.util.hash_array(series.to_numpy(), categorize=True)
    except TypeError:  # cells that have no hash: such a column tells nothing
        return np.zeros(len(series), "u8")


def _mixed(held: Any) -> Any:
    """A number for each, the same for a fraction and what float32 makes of it.

    Scripts hand what NumPy computed to torch as float32. Whole numbers are kept: they name rows.
    """
    np = numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        plain = np.where(held == np.rint(held), held, held.astype("f4"))
    plain = np.where(plain == 0, 0.0, plain)  # -0.0 is 0.0 here
    return _mix(np.where(np.isnan(plain), np.nan, plain).view("u8"))


def _mix(words: Any) -> Any:
    np = numpy()
    words = words + np.uint64(_GOLDEN)
    for shift, factor in _MIXES:
        words = (words ^ (words >> np.uint64(shift))) * np.uint64(factor)
    return words ^ (words >> np.uint64(31))
