"""Rows that are nearly equal: fractions within a ten-thousandth of their column's spread.

Each column of numbers that are not all whole is divided by its standard deviation and cut into
cells of 0.0001; every other column has to be equal. Rows of one cell are near. What lies on both
sides of an edge is found in a second grid, half a cell further. Both are found by sorting: no two
rows are compared.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.data import frames, leaks, row_ids, rows
from samebit.data.leak_columns import Columns, without_empty
from samebit.data.leaks import Match
from samebit.data.members import numpy
from samebit.data.pieces import arrow
from samebit.data.row_ids import ID_BYTES

__all__ = ["CELL", "find"]

CELL = 1e-4  # of a standard deviation
_BY_CHANCE = 0.1  # expected pairs of rows, above which rows that agree say nothing
_TOGETHER = 1 << 16  # rows whose cells are put together


class _Block(Struct, frozen=True):
    """Some columns: of shape (rows, columns), float64 over their spread, or codes of int64."""

    values: Any
    is_float: bool


def find(features: Columns, exact: Any, parts: Mapping[str, Any]) -> list[Match] | str:
    """Rows of two parts that are nearly equal, and not equal; or why that cannot be judged.

    Args:
        features: the columns that are compared; a text of a number counts as one.
        exact: a code for each row, equal for equal ones.
        parts: row numbers by part.
    """
    blocks = _blocks(features)
    if not any(block.is_float for block in blocks):
        return []
    chance = _by_chance(blocks, parts)
    if chance > _BY_CHANCE:
        return (
            f"whether rows are nearly equal: of so few or such uneven columns, about {chance:,.1f} "
            "pairs of rows agree by chance"
        )
    grids = (matches(blocks, exact, parts, shift) for shift in (0.0, 0.5))
    both: dict[tuple[str, str], list[Match]] = {}
    for match in (one for grid in grids for one in grid):
        both.setdefault((match.first, match.second), []).append(match)
    return [_merged(each) for each in both.values()]


def matches(
    blocks: Sequence[_Block], exact: Any, parts: Mapping[str, Any], shift: float
) -> list[Match]:
    """Those of one grid."""
    np = numpy()
    total = len(exact)
    ids: list[Any] = []
    for at in range(0, total, _TOGETHER):
        some = slice(at, at + _TOGETHER)
        laid = np.concatenate([_cells(block, some, shift) for block in blocks], axis=1)
        raw = rows.of_cells(len(laid), [np.ascontiguousarray(laid).view("u1")])
        ids.append(np.frombuffer(raw, "u1").reshape(-1, rows.ROW_BYTES)[:, :ID_BYTES])
    if not ids:
        return []
    return list(leaks.matches(row_ids.codes_of(np.concatenate(ids)), parts, exact))


def _cells(block: _Block, some: slice, shift: float) -> Any:
    """In which cell each value is, as int64; what is no finite number is a cell of its own."""
    values = block.values[some]
    if not block.is_float:
        return values
    np = numpy()
    # Far out a float has no cells of this width: there its own bits say which it is.
    laid = np.floor(values / CELL + shift)
    far = ~(np.abs(laid) < 2.0**52)
    whole = np.where(far, 0, laid).astype("i8")
    kept = np.where(np.isnan(values), np.nan, values)
    return np.where(far, kept.view("i8"), whole)


def _merged(each: Sequence[Match]) -> Match:
    np = numpy()
    at = np.concatenate([match.at for match in each])
    partner = np.concatenate([match.partner for match in each])
    found, which = np.unique(at, return_index=True)
    return Match(each[0].first, each[0].second, found, partner[which])


def _by_chance(blocks: Sequence[_Block], parts: Mapping[str, Any]) -> float:
    """How many pairs of rows would be near and not equal if the columns knew nothing of each other.

    Of a column two rows agree as often as two draws from its own values do.
    """
    sizes = [len(one) for one in parts.values()]
    pairs = (sum(sizes) ** 2 - sum(size * size for size in sizes)) / 2
    near, equal = pairs, pairs
    # Columns of numbers first: with few of them it is known that it cannot be chance.
    for block in sorted(blocks, key=lambda one: not one.is_float):
        for column in range(block.values.shape[1]):
            values = block.values[:, column]
            cells = _cells(_Block(values[:, None], block.is_float), slice(None), 0.0)[:, 0]
            near *= _agree(cells)
            equal *= _agree(values)
            if near < _BY_CHANCE:
                return near
    return near - equal


def _agree(values: Any) -> float:
    np = numpy()
    ordered = np.sort(values)
    edges = np.flatnonzero(ordered[1:] != ordered[:-1])
    counts = np.diff(np.concatenate([[-1], edges, [len(ordered) - 1]])).astype("f8")
    return float((counts * counts).sum()) / max(len(values), 1) ** 2


def _blocks(features: Columns) -> list[_Block]:
    of = _of_column if features.is_table else _of_array
    return [block for one in features.held.values() for block in of(one)]


def _of_array(array: Any) -> list[_Block]:
    np = numpy()
    flat = array.reshape(len(array), math.prod(array.shape[1:]))
    if flat.dtype.kind == "f":
        return _of_floats(flat.astype("f8"))
    if flat.dtype.kind in "biu" and flat.dtype != np.uint64:
        return [_Block(flat.astype("i8"), False)]
    columns = [np.unique(flat[:, at], return_inverse=True)[1] for at in range(flat.shape[1])]
    return [_Block(column.astype("i8")[:, None], False) for column in columns]


def _of_column(column: Any) -> list[_Block]:
    np, library = numpy(), arrow()
    kinds = library.types
    made = column.combine_chunks()
    if kinds.is_large_string(made.type):
        made = _as_numbers(library, made)
    if kinds.is_floating(made.type):
        held = made.cast(library.float64()).to_numpy(zero_copy_only=False)
        return _of_floats(held[:, None])
    if kinds.is_integer(made.type) and not made.null_count and made.type != library.uint64():
        return [_Block(made.to_numpy(zero_copy_only=False).astype("i8")[:, None], False)]
    table = library.table({"": column})
    batches = iter(table.to_batches())
    found = row_ids.of_table(frames.from_batches(table.schema, batches, strict=False))
    codes = row_ids.codes_of(np.frombuffer(found.ids, "u1").reshape(-1, ID_BYTES))
    return [_Block(codes[:, None], False)]


def _as_numbers(library: Any, texts: Any) -> Any:
    """Texts that are numbers or empty as floats; others as they are."""
    try:
        return without_empty(library, texts).cast(library.float64())
    except library.ArrowInvalid:
        return texts


def _of_floats(values: Any) -> list[_Block]:
    """Columns of whole numbers count or name something: they are compared as they are."""
    np = numpy()
    with np.errstate(invalid="ignore"):
        whole = (~np.isfinite(values) | (values == np.floor(values))).all(axis=0)
    plain = np.where(np.isnan(values[:, whole]), np.nan, values[:, whole] + 0.0)
    blocks = [_Block(plain.view("i8"), False), _Block(_over_spread(values[:, ~whole]), True)]
    return [block for block in blocks if block.values.shape[1]]


def _over_spread(values: Any) -> Any:
    """Columns over their standard deviation, of finite values; one that has none stays as it is."""
    np = numpy()
    finite = np.isfinite(values)
    count = np.maximum(finite.sum(axis=0), 1)
    held = np.where(finite, values, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = held.sum(axis=0) / count
        spread = np.sqrt((np.where(finite, values - mean, 0) ** 2).sum(axis=0) / count)
    usable = np.isfinite(spread) & (spread > 0)
    return values / np.where(usable, spread, 1)
