"""Which rows of the parts of a split something was fitted on; found while the data is there.

What a transformer gives has other rows than what it was given, and a split of it is none of what
it was fitted on, by content. So what came out of which call is remembered: by the object itself,
and by its cells where it was copied or put into a frame.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.data.cells import Cells, cells_of, fitted_rows, partners
from samebit.data.leaks import pairs_of
from samebit.data.members import numpy
from samebit.data.parts import row_count
from samebit.session.fits import FitCall

__all__ = ["Fitted"]

_MOST_FITS = 256
_MOST_MADE = 256  # outputs of transformers that are remembered
_MOST_CELLS = 16 << 20  # of a process: 128 MB
_MOST_FACTS = 1_000
_DEEPEST = 8  # transformers one behind the other
_LISTED = 10  # rows of each part
_NOT_KNOWN = "none of its rows is known among those of the split"
_TOO_MANY = "its rows or those of the split are too many, or not of a kind, to be told apart"


class _Data(Struct, frozen=True):
    """Rows that were handed over: their cells, and the call whose output they are, as they are."""

    rows: int | None
    cells: Cells | None
    made: "_Made | None" = None
    part: tuple[str, Any] | None = None  # of which split, and its row numbers


class _Made(Struct, frozen=True, eq=False):
    """What a call gave, row for row, for what it was given."""

    given: _Data
    cells: Cells | None


class _Fit(Struct, frozen=True):
    """Something that learned from rows."""

    number: int
    method: str
    at: str
    data: _Data
    turns: "_Turns"


class _Split(Struct, frozen=True):
    """What was split, and into what; the part that is learned from first."""

    name: str
    parts: dict[str, Any]
    data: _Data
    turns: "_Turns"  # its own among them


# Of each data that was split, which split of it was the last; None behind the last of its folds. Of
# a loop over folds, or seeds, what is fitted in one turn is nothing to the splits of another.
_Turns = dict[tuple[Any, ...], str | None]


class Fitted:
    """What one process fitted, and on which rows of its splits.

    Args:
        emit: takes the name and the value of a fact.
        problem: says what is not recorded, and marks the run.
    """

    def __init__(
        self, emit: Callable[[str, Any], None], problem: Callable[[str, str], object]
    ) -> None:
        self._emit = emit
        self._problem = problem
        self._fits: list[_Fit] = []
        self._made: list[_Made] = []
        self._splits: dict[str, _Split] = {}
        self._turns: _Turns = {}
        self._outputs: dict[int, tuple[weakref.ref[Any], _Made | tuple[str, Any]]] = {}
        self._cells = 0
        self._facts = 0

    # Calls that fit.

    def begins(self, call: FitCall | None) -> tuple[FitCall, _Data] | None:
        """A transformer is given rows, which it may change; what `ends` is to be told."""
        if call is None:
            return None
        if len(self._fits) >= _MOST_FITS or len(self._made) >= _MOST_MADE:
            self._problem("fitted rows", f"more than {_MOST_FITS} calls: later ones are not judged")
            return None
        return call, self._data(call.data)

    def ends(self, begun: tuple[FitCall, _Data], found: Any) -> None:
        """It has learned, or transformed, or both."""
        call, data = begun
        if call.learns:
            fit = _Fit(len(self._fits), call.method, call.at, data, dict(self._turns))
            self._fits.append(fit)
            kind = "selection" if call.selects else "preprocessing"
            fact = {"number": fit.number, "method": fit.method, "kind": kind}
            self._emit("fit", {**fact, "at": fit.at, "rows": data.rows})
            for split in self._splits.values():
                self._judge(fit, split)
        if call.gives and row_count(found) == data.rows:
            made = _Made(data, _named_as(data.cells, self._cells_of(found)))
            self._made.append(made)
            self._remember(found, made)

    # Splits.

    def data(self, first: Any) -> Any:
        """What is to be split, as `split` takes it; None where the script did not hand it over."""
        return self._data(first)

    def split(self, name: str, parts: Mapping[str, Any], data: Any, given: Sequence[Any]) -> None:
        """Data was split; of what was given for its parts in their order, if anything was."""
        ordered = dict.fromkeys(one for pair in pairs_of(list(parts)) for one in pair)
        if len(ordered) < 2:
            return
        self._turns[self._family(name, data)] = name
        split = _Split(name, {part: parts[part] for part in ordered}, data, dict(self._turns))
        self._splits[name] = split
        for part, one in zip(parts, given, strict=False):
            self._remember(one, (name, parts[part]))
        for fit in self._fits:
            self._judge(fit, split)

    def ended(self, splitter: str, data: Any) -> None:
        """A splitter has given its last fold: what is fitted now is for none of them."""
        self._turns[self._family(splitter, data)] = None

    def _family(self, name: str, data: _Data) -> tuple[Any, ...]:
        """By what other splits of the same data are known, or of what was made of it."""
        first = data
        for _, one in self._earlier(data):
            first = one
        if first.cells is None:
            return first.rows, name.partition("/")[0].partition(" ")[0]
        values = first.cells.values
        return *values.shape, int(values.sum(dtype="u8"))

    def _data(self, value: Any) -> _Data:
        cells = self._cells_of(value)
        held = self._outputs.get(id(value))
        known = held[1] if held is not None and held[0]() is value else None
        made = known if isinstance(known, _Made) else None
        part = known if isinstance(known, tuple) else None
        return _Data(row_count(value), cells, made, part)

    def _cells_of(self, value: Any) -> Cells | None:
        if self._cells > _MOST_CELLS:
            return None
        found = cells_of(value)
        self._cells += found.values.size if found is not None else 0
        return found

    def _remember(self, value: Any, as_: "_Made | tuple[str, Any]") -> None:
        key = id(value)
        try:
            reference = weakref.ref(value, lambda _: self._outputs.pop(key, None))
        except TypeError:
            return  # a list
        self._outputs[key] = reference, as_

    # Both together.

    def _judge(self, fit: _Fit, split: _Split) -> None:
        if any(fit.turns.get(of, name) != name for of, name in split.turns.items()):
            return
        if self._facts >= _MOST_FACTS:
            self._problem("fitted rows", f"more than {_MOST_FACTS:,} of splits: not all are told")
            return
        self._facts += 1
        found = self._find(fit.data, split)
        fact: dict[str, Any] = {"number": fit.number, "split": split.name, "parts": []}
        if found is None or not found.any():
            is_known = fit.data.cells is not None and split.data.cells is not None
            self._emit("fitted", {**fact, "unknown": _NOT_KNOWN if is_known else _TOO_MANY})
            return
        for name, rows in split.parts.items():
            at = rows[found[rows]]
            listed = numpy().sort(at)[:_LISTED].tolist()
            fact["parts"].append([name, len(at), len(rows), listed])
        self._emit("fitted", {**fact, "unknown": None})

    def _find(self, fitted: _Data, split: _Split) -> Any:
        """Which rows of what was split are among those, as an array of bools; None if unknown."""
        np = numpy()
        if fitted.part is not None and fitted.part[0] == split.name:
            return _marked(fitted.part[1], split)
        best: Any = None
        parts = list(split.parts.values())
        for rows, ours in self._earlier(split.data):
            if ours is fitted:  # row for row what it was fitted on
                return np.ones(ours.rows or 0, bool) if rows is None else rows >= 0
            if ours.cells is None:
                continue
            for _, theirs in self._earlier(fitted):
                if theirs.cells is None:
                    continue
                there = fitted_rows(theirs.cells, ours.cells, _placed(parts, rows))
                if there is None:
                    continue
                found = there if rows is None else (rows >= 0) & there[rows]
                if best is None or found.sum() > best.sum():
                    best = found
        return best

    def _earlier(self, data: _Data) -> Iterator[tuple[Any, _Data]]:
        """Some rows, and what they were made of: for each row the position there, or -1.

        Without positions it is row for row the same.
        """
        np = numpy()
        rows: Any = None
        for _ in range(_DEEPEST):
            yield rows, data
            found = self._made_of(data)
            if found is None:
                return
            at, data = found
            if at is not None:
                rows = at if rows is None else np.where(rows >= 0, at[rows], -1)

    def _made_of(self, data: _Data) -> tuple[Any, _Data] | None:
        if data.made is not None:
            return None, data.made.given
        for made in reversed(self._made):
            if data.cells is None or made.cells is None or made.given is data:
                continue
            at = partners(data.cells, made.cells)
            if at is not None and (at >= 0).any():
                return at, made.given
        return None


def _named_as(given: Cells | None, found: Cells | None) -> Cells | None:
    """What came out, under the names of what went in: scripts put it back into their frame."""
    if given is None or found is None or given.names is None or found.names is not None:
        return found
    return Cells(found.values, given.names) if given.values.shape == found.values.shape else found


def _marked(numbers: Any, split: _Split) -> Any:
    np = numpy()
    count = max(int(rows.max()) + 1 if len(rows) else 0 for rows in split.parts.values())
    found = np.zeros(count, bool)
    found[numbers] = True
    return found


def _placed(parts: Sequence[Any], rows: Any) -> list[Any]:
    """The row numbers of parts where their rows lie in what they were made of."""
    if rows is None:
        return list(parts)
    there = [rows[part] for part in parts]
    return [one[one >= 0] for one in there]
