"""The sum of the digests of rows, in which their order does not matter.

Cells are put together for many rows at once; only the hash itself is called row by row.
"""

import itertools
import math
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from samebit import digest
from samebit.data.forms import little, u64
from samebit.data.pieces import Piece, arrow

__all__ = ["SUM_BYTES", "RowSum", "row_digests"]

SUM_BYTES = 32
_MODULUS = 1 << 8 * SUM_BYTES
_BEGINNING = b"samebit-fp/1\0row\0" + u64(2) + b"{}"

# What each row has: an array of shape (rows, bytes), or where each begins and ends, and all bytes.
_Fixed = Any
_Cells = Any


class RowSum:
    """The sum modulo 2^256 of the digests of all rows so far."""

    def __init__(self) -> None:
        self._sum = 0

    def take(self, rows: int, pieces: Sequence[Piece]) -> None:
        """Add rows, given a piece of each column in the order of the columns."""
        if not rows:
            return
        numpy = sys.modules["numpy"]
        words = numpy.frombuffer(row_digests(rows, pieces), "<u4").reshape(rows, SUM_BYTES // 4)
        for at, part in enumerate(words.sum(axis=0, dtype="u8").tolist()):
            self._sum += part << 32 * at
        self._sum %= _MODULUS

    def raw(self) -> bytes:
        """The sum as 32 bytes."""
        return self._sum.to_bytes(SUM_BYTES, "little")


def row_digests(rows: int, pieces: Sequence[Piece]) -> bytes:
    """The digests of some rows, 32 bytes each, given a piece of each column in their order."""
    numpy = sys.modules["numpy"]
    beginning = numpy.frombuffer(_BEGINNING, "u1")[None, :].repeat(rows, axis=0)
    places, data = _varying(_joined([beginning, *map(_cells, pieces)]))
    view, raw = memoryview(data), digest.raw
    cuts = places.tolist()
    return b"".join([raw(view[a:b]) for a, b in itertools.pairwise(cuts)])


def _cells(piece: Piece) -> _Cells:
    """The cell of each row of a piece."""
    numpy = sys.modules["numpy"]
    present = numpy.ones(piece.rows, "u1") if piece.valid is None else piece.valid.view("u1")
    if piece.type == "null":
        return present[:, None]
    fixed = [present[:, None], *(_bytes_of(words) for words in piece.words)]
    if piece.lengths is not None:
        fixed.append(_bytes_of(piece.lengths))
    head = numpy.concatenate(fixed, axis=1)
    if piece.lengths is None and not piece.children:
        return _where_present(head, piece.valid)
    if piece.lengths is None:
        return _where_present(_joined([head, *map(_cells, piece.children)]), piece.valid)
    ends = numpy.concatenate([[0], numpy.cumsum(piece.lengths.astype("i8"))])
    if piece.data is not None:
        body = ends, numpy.frombuffer(piece.data, "u1")
    else:
        places, data = _varying(_cells(piece.children[0]))
        body = places[ends], data
    return _joined([_where_present(head, piece.valid), body])


def _bytes_of(words: Any) -> _Fixed:
    flat = sys.modules["numpy"].frombuffer(little(words), "u1")
    return flat.reshape(len(words), words.itemsize * math.prod(words.shape[1:]))


def _where_present(cells: _Cells, valid: Any) -> _Cells:
    """The same, but of a missing value only its first byte, the 0."""
    if valid is None or valid.all():
        return cells
    numpy = sys.modules["numpy"]
    places, data = _varying(cells)
    kept = numpy.where(valid, numpy.diff(places), 1)
    keeps = valid.repeat(numpy.diff(places))
    keeps[places[:-1]] = True
    return numpy.concatenate([[0], numpy.cumsum(kept)]), data[keeps]


def _varying(cells: _Cells) -> tuple[Any, Any]:
    """Any cells as places and bytes."""
    if isinstance(cells, tuple):
        return cells
    rows, wide = cells.shape
    places = sys.modules["numpy"].arange(rows + 1, dtype="i8") * wide
    return places, cells.reshape(-1)


def _joined(parts: Sequence[_Cells]) -> _Cells:
    """Row by row one behind the other."""
    numpy = sys.modules["numpy"]
    merged: list[_Cells] = []
    for part in parts:
        if merged and not isinstance(part, tuple) and not isinstance(merged[-1], tuple):
            merged[-1] = numpy.concatenate([merged[-1], part], axis=1)
        else:
            merged.append(part)
    if len(merged) == 1:
        return merged[0]
    library = arrow()
    columns = [_as_arrow(library, part) for part in merged]
    nothing = library.scalar(b"", library.large_binary())
    joined = library.compute.binary_join_element_wise(*columns, nothing)
    _, places, data = joined.buffers()
    count = len(joined) + 1
    held = numpy.frombuffer(data, "u1") if data is not None else numpy.empty(0, "u1")
    return numpy.frombuffer(places, "i8")[joined.offset : joined.offset + count], held


def _as_arrow(library: ModuleType, cells: _Cells) -> Any:
    """Cells as binaries of Arrow, over the same memory."""
    places, data = _varying(cells)
    held = sys.modules["numpy"].ascontiguousarray(places)
    buffers = [None, library.py_buffer(held), library.py_buffer(data)]
    return library.Array.from_buffers(library.large_binary(), len(places) - 1, buffers)
