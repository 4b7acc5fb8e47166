"""Fingerprints of tables: columns from any library, hashed some rows at a time.

`frames.py` knows where the columns come from; here they are named, put in order and hashed. The
columns of some rows are hashed on several threads; the rows of a `set` on one, since each is small.
"""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct, structs

from samebit.data.columns import Column
from samebit.data.forms import LEVELS, Fingerprint, named, sealed
from samebit.data.pieces import Piece
from samebit.data.rows import RowSum
from samebit.errors import UsageError

__all__ = ["ROWS", "Batch", "Head", "Table", "content_columns", "naming", "of_table"]

ROWS = 1 << 16  # looked at together: a column of them lies in the cache of a processor
_MOST_THREADS = 8
_KINDS = {"content": "table", "strict": "table-strict", "set": "table-set"}
_COUNTING = re.compile(r"__index_level_[0-9]+__")


class Head(Struct, frozen=True):
    """What is known of a column before its values.

    Attributes:
        label: the name as the library has it.
        dtype: pandas' name of the type; None of other libraries.
        index: whether it is a level of an index.
        whole: whether it holds whole numbers.
        categories: of a dictionary the values in their order, where that order is the user's.
        ordered: whether these can be compared.
    """

    label: Any
    dtype: str | None = None
    index: bool = False
    whole: bool = False
    categories: Piece | None = None
    ordered: bool = False

    @property
    def name(self) -> str:
        """The label as text."""
        return self.label if isinstance(self.label, str) else str(self.label)

    @property
    def counts(self) -> bool:
        """Whether it only counts rows, which is no content."""
        return self.whole and _COUNTING.fullmatch(self.name) is not None


class Batch(Struct, frozen=True):
    """Some rows: how many, and a function for each column that makes its piece of them."""

    rows: int
    columns: Sequence[Callable[[], Piece]]


class Table(Struct, frozen=True):
    """Columns by their heads, and their rows in batches, of which there is one at least.

    A batch is asked for when the one before it has been hashed.
    """

    heads: Sequence[Head]
    batches: Iterable[Batch]
    notes: tuple[str, ...] = ()


def of_table(table: Table, level: str, advance: Callable[[int], None] | None = None) -> Fingerprint:
    """The fingerprint of a table.

    Args:
        table: where its rows come from.
        level: content, strict or set.
        advance: is told how many more rows are done.

    Raises:
        UsageError: there is no such level, or a column has no bytes; the error names it.
    """
    if level not in LEVELS:
        raise UsageError(f"there is no level {level!r} of a table", known=", ".join(LEVELS))
    strict = level == "strict"
    kept = _kept(table.heads, strict=strict)
    heads = [table.heads[at] for at in kept]
    columns = [Column(strict=strict) for _ in kept]
    total = RowSum() if level == "set" else None
    rows = 0
    with ThreadPoolExecutor(_threads(len(kept))) as pool:
        for batch in table.batches:
            makers = [batch.columns[at] for at in kept]
            pieces = list(pool.map(_take, heads, columns, makers, [total is None] * len(kept)))
            if total is not None:
                total.take(batch.rows, [piece for piece in pieces if piece is not None])
            rows += batch.rows
            if advance is not None:
                advance(batch.rows)
    digests = [column.digest() for column in columns]
    header: dict[str, Any] = {"columns": [head.name for head in heads], "rows": rows}
    payload = digests
    if strict:
        header = _strict_header(heads, rows)
    elif total is not None:
        typed = zip(heads, columns, strict=True)
        header["columns"] = [[head.name, column.type] for head, column in typed]
        payload = [total.raw()]
    kind = _KINDS[level]
    return Fingerprint(
        kind,
        named(kind, sealed(kind, header, payload)),
        {"rows": rows, "columns": len(heads)},
        _parts(heads, digests),
        table.notes,
    )


def _take(head: Head, column: Column, make: Callable[[], Piece], drop: bool) -> Piece | None:
    with naming(head):
        piece = make()
        if head.categories is not None and piece.type[0] == "category":  # of strict
            piece = _with_categories(piece, head.categories, head.ordered)
        column.take(piece)
    return None if drop else piece


@contextlib.contextmanager
def naming(head: Head) -> Generator[None]:
    """Errors about the values of a column name it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(
            error.what, column=head.name, hint=error.hint or "convert the column, or leave it out"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"a text is no Unicode: {error}", column=head.name) from error


def _with_categories(piece: Piece, categories: Piece, ordered: bool) -> Piece:
    column = Column(strict=True)
    column.take(categories)
    return structs.replace(piece, type=["category", ordered, column.digest().hex(), piece.type[-1]])


def _kept(heads: Sequence[Head], *, strict: bool) -> list[int]:
    """Which columns enter, in which order."""
    places = list(range(len(heads)))
    return sorted(places, key=lambda at: heads[at].index) if strict else content_columns(heads)


def content_columns(heads: Sequence[Head]) -> list[int]:
    """Which columns are content, in the order of their names."""
    kept = [at for at, head in enumerate(heads) if not head.counts]
    return sorted(kept, key=lambda at: _utf8(heads[at].name))


def _utf8(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the name of a column is no Unicode: {name!r}") from error


def _parts(heads: Sequence[Head], digests: Sequence[bytes]) -> dict[str, str]:
    """The fingerprint of each column by its name; of one that is there twice with its position."""
    times = Counter(head.name for head in heads)
    parts: dict[str, str] = {}
    for at, (head, raw) in enumerate(zip(heads, digests, strict=True)):
        name = head.name if times[head.name] == 1 else f"{head.name}~{at}"
        parts[name] = named("column", raw)
    return parts


def _strict_header(heads: Sequence[Head], rows: int) -> dict[str, Any]:
    described = [(head, [head.name, _label_kind(head.label), head.dtype]) for head in heads]
    return {
        "columns": [what for head, what in described if not head.index],
        "index": [what for head, what in described if head.index],
        "rows": rows,
    }


def _label_kind(label: Any) -> str | None:
    return None if isinstance(label, str) else type(label).__name__


def _threads(columns: int) -> int:
    return max(1, min(columns, os.cpu_count() or 1, _MOST_THREADS))
