"""The digest of a column, which takes its rows some at a time and holds none of them."""

from typing import Any

from samebit import digest
from samebit.data.forms import little, sealed
from samebit.data.pieces import Piece
from samebit.errors import UsageError

__all__ = ["Column"]

_ONES = b"\1" * (1 << 16)


class Column:
    """A column of which pieces are given in order; where they are cut does not matter."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._type: Any = None
        self._rows = 0
        self._missing = 0
        self._valid: digest.Hasher | None = None
        self._streams: list[digest.Hasher] = []
        self._children: list[Column] = []
        self._begun = False

    @property
    def type(self) -> Any:
        """The type as its header names it; where nothing is present `content` knows none."""
        return "null" if not self._strict and self._missing == self._rows else self._type

    def take(self, piece: Piece) -> None:
        """Take the next rows; UsageError where they are of another type than those before."""
        if not self._begun:
            self._begin(piece)
        elif piece.type != self._type:
            raise UsageError(f"a column is first {self._type} and later {piece.type}")
        self._take_missing(piece)
        held = list(piece.words) if piece.lengths is None else [*piece.words, piece.lengths]
        for stream, words in zip(self._streams, held, strict=False):
            stream.update(little(words))
        if piece.data is not None:
            self._streams[-1].update(piece.data)
        for column, child in zip(self._children, piece.children, strict=True):
            column.take(child)
        self._rows += piece.rows

    def digest(self) -> bytes:
        """The 32 bytes of all rows so far."""
        header = {"missing": self._missing, "rows": self._rows, "type": self.type}
        if self.type == "null":
            return sealed("column", header)
        payload = [self._valid.raw()] if self._valid is not None else []
        payload += [stream.raw() for stream in self._streams]
        payload += [column.digest() for column in self._children]
        return sealed("column", header, payload)

    def _begin(self, piece: Piece) -> None:
        self._begun, self._type = True, piece.type
        count = len(piece.words) + (piece.lengths is not None) + (piece.data is not None)
        self._streams = [digest.Hasher() for _ in range(count)]
        self._children = [Column(strict=self._strict) for _ in piece.children]

    def _take_missing(self, piece: Piece) -> None:
        missing = 0 if piece.valid is None else piece.rows - int(piece.valid.sum())
        if missing and self._valid is None:
            self._valid = digest.Hasher()
            _add_ones(self._valid, self._rows)
        if self._valid is not None:
            if missing and piece.valid is not None:
                self._valid.update(little(piece.valid.view("u1")))
            else:
                _add_ones(self._valid, piece.rows)
        self._missing += missing


def _add_ones(hasher: digest.Hasher, count: int) -> None:
    for at in range(0, count, len(_ONES)):
        hasher.update(_ONES[: count - at])
