"""Rows of runs held as columns: what each has under a name, what that name is like, as JSON.

A run keeps its place for as long as the server lives: a later one comes behind, and one that is
gone leaves a hole, of which nobody hears. Ten thousand runs with two hundred keys are two million
values; a text that repeats is held once, and a column's JSON is made once for as long as nothing in
it changes.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from samebit.digest import canonical_json
from samebit.server.answers import Key

__all__ = ["Columns", "cut"]

Row = dict[str, Any]

_MOST_CHARACTERS = 10_000  # of a value in a table; its run has it whole
_NO_PLACE = -1
_HELD_AS_THEY_ARE = {float, bool, type(None), UnsetType}
_HASHED = {str, type(None), UnsetType}
_LARGE = 2**64
_TEXTS_REPEAT = 2  # texts are listed once where there are so many times fewer of them than rows


class _Column(Struct):
    """Values by place; UNSET where a run has none, or is gone: it may have had None."""

    values: list[Any]
    encoded: dict[bool, bytes] = {}  # with replays, and without
    told: dict[bool, Key] = {}
    is_same: dict[bool, bool] = {}  # everywhere

    def forget(self) -> None:
        """What was made of values that are others now."""
        self.encoded, self.told, self.is_same = {}, {}, {}

    def upto(self, count: int) -> list[Any]:
        """All of them; as long as nothing stands behind it, a column may be shorter."""
        return self.values + [UNSET] * (count - len(self.values))

    def at(self, places: Sequence[int], count: int) -> list[Any]:
        """Those at some places."""
        values = self.upto(count)
        return values if len(places) == count else [values[place] for place in places]


class Columns:
    """What is known of all runs; whoever shares it between threads holds a lock."""

    def __init__(self) -> None:
        self.ids: list[str | None] = []
        self.version = 0
        self.places: dict[str, int] = {}
        self._columns: dict[str, _Column] = {}
        self._changed: list[int] = []  # by place, in which version
        self._texts: dict[str, str] = {}

    def put(self, rows: Sequence[Row]) -> list[str]:
        """Take what was found of runs; the ids of those of which anything is new."""
        self._append([row for row in rows if row["id"] not in self.places])
        changed: list[str] = []
        for row in rows:
            place = self.places[row["id"]]
            if self._changed[place] > self.version or self._fill(place, row):
                changed.append(row["id"])
                self._changed[place] = self.version + 1
        self.version += bool(changed)
        return changed

    def _append(self, rows: Sequence[Row]) -> None:
        """Take many new runs at once, column by column: at first all of them are new."""
        if not rows:
            return
        begin = len(self.ids)
        for place, row in enumerate(rows, start=begin):
            self.places[row["id"]] = place
            self.ids.append(row["id"])
            self._changed.append(self.version + 1)
        for key, values in _transposed(rows):
            column = self._columns.setdefault(key, _Column([]))
            column.values += [UNSET] * (begin - len(column.values))
            column.values += self._all_held(values)
        self._forget()

    def drop(self, ids: Iterable[str]) -> list[str]:
        """Forget runs; the ids of those that were known."""
        gone = [run for run in ids if run in self.places]
        self.version += bool(gone)
        if gone:
            self._forget()
        for run in gone:
            place = self.places.pop(run)
            self._fill(place, {})
            self.ids[place] = None
            self._changed[place] = self.version
        return gone

    def _fill(self, place: int, row: Row) -> bool:
        changed = False
        for key in row:
            if key not in self._columns:
                self._columns[key] = _Column([])
        for key, column in self._columns.items():
            value = self._held(row.get(key, UNSET))
            values = column.values
            if place >= len(values):
                if value is UNSET:
                    continue
                values += [UNSET] * (place + 1 - len(values))
            if not _is_same(values[place], value):
                values[place] = value
                column.forget()
                changed = True
        return changed

    def _forget(self) -> None:
        """What was made of columns that had another length."""
        for column in self._columns.values():
            column.forget()

    def _all_held(self, values: Sequence[Any]) -> Sequence[Any]:
        kinds = {*map(type, values)}
        if kinds <= _HELD_AS_THEY_ARE:
            return values
        if kinds == {int} and min(values) > -_LARGE and max(values) < _LARGE:
            return values
        if kinds <= _HASHED:  # as they repeat, and no two of them are equal and not the same
            held = {value: self._held(value) for value in {*values}}
            return [held[value] for value in values]
        return list(map(self._held, values))

    def _held(self, value: Any) -> Any:
        if type(value) is str:
            value = cut(value)
            return self._texts.setdefault(value, value)
        if isinstance(value, (list, tuple, dict)):
            text = canonical_json(value)
            return value if len(text) <= _MOST_CHARACTERS else cut(text.decode())
        if type(value) is int and len(str(value)) > _MOST_CHARACTERS:
            return cut(str(value))
        return value

    def places_of(self, *, replays: bool) -> list[int]:
        """Where the runs stand that are there, without replays or with them."""
        kinds = (self._columns.get("kind") or _Column([])).upto(len(self.ids))
        hidden = () if replays else ("replay",)
        both = zip(self.ids, kinds, strict=True)
        return [at for at, (run, kind) in enumerate(both) if run is not None and kind not in hidden]

    def keys(self, *, replays: bool) -> list[Key]:
        """Every name and what stands under it, in order of first appearance."""
        places = self.places_of(replays=replays)
        for key, column in self._columns.items():
            if replays not in column.told:
                column.told[replays] = _told(key, column.at(places, len(self.ids)))
        return [column.told[replays] for column in self._columns.values()]

    def names(self) -> list[str]:
        """Every name."""
        return list(self._columns)

    def has_any(self, key: str, places: Iterable[int]) -> bool:
        """Whether any of some runs has something under a name."""
        return any(value is not None for value in self._at(key, places))

    def missing(self, key: str, places: Iterable[int]) -> int:
        """How many of some runs have nothing there."""
        return sum(value is None for value in self._at(key, places))

    def varies(self, key: str, places: Iterable[int]) -> bool:
        """Whether some runs differ there: as `Key` counts, to have nothing is another value."""
        values = self._at(key, places)
        first = next(values, None)
        return any(value is not first and _are_two(first, value) for value in values)

    def _at(self, key: str, places: Iterable[int]) -> Iterator[Any]:
        """What runs have there; None for nothing."""
        values = (self._columns.get(key) or _Column([])).values
        for place in places:
            value = values[place] if place < len(values) else UNSET
            yield None if value is UNSET else value

    def row(self, run: str) -> Row:
        """What one run has; nothing for one that is not there."""
        place = self.places.get(run, _NO_PLACE)
        return {
            key: column.values[place]
            for key, column in self._columns.items()
            if 0 <= place < len(column.values) and column.values[place] is not UNSET
        }

    def rows(self, keys: Iterable[str], *, replays: bool) -> list[Row]:
        """What each run has under these names, as rows are elsewhere."""
        places = self.places_of(replays=replays)
        everywhere: Row = {}
        others: list[tuple[str, list[Any]]] = []
        for key in keys:
            column = self._columns.get(key) or _Column([])
            values = column.at(places, len(self.ids))
            if replays not in column.is_same:
                column.is_same[replays] = _are_same(values)
            if not column.is_same[replays]:
                others.append((key, values))
            elif values and values[0] is not UNSET:
                everywhere[key] = values[0]
        found = [everywhere.copy() for _ in places]
        for key, values in others:
            for row, value in zip(found, values, strict=True):
                if value is not UNSET:
                    row[key] = value
        return found

    def since(self, version: int) -> set[int]:
        """The places of runs that have changed after a version."""
        return {place for place, at in enumerate(self._changed) if at > version}

    def encoded(self, key: str, places: Sequence[int] | None, *, replays: bool) -> bytes:
        """A column, or what some places have of it, as JSON."""
        column = self._columns.get(key) or _Column([])
        if places is not None:
            return _encoded(column.at(places, len(self.ids)))
        if replays not in column.encoded:
            every = self.places_of(replays=replays)
            column.encoded[replays] = _encoded(column.at(every, len(self.ids)))
        return column.encoded[replays]


def _transposed(rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[Any]]]:
    """What all rows have under each name, UNSET for nothing; most have the same names."""
    alike = {*map(tuple, rows)}
    if len(alike) == 1:
        yield from zip(alike.pop(), zip(*map(dict.values, rows), strict=True), strict=True)
        return
    for key in dict.fromkeys(chain.from_iterable(rows)):
        yield key, [row.get(key, UNSET) for row in rows]


def _told(key: str, values: Sequence[Any]) -> Key:
    found = [value for value in values if value is not UNSET and value is not None]
    return Key(key, _kind(found), _distinct(found), len(values) - len(found))


def cut(text: str) -> str:
    """A text, or its beginning where it is very long."""
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def _is_same(one: Any, other: Any) -> bool:
    """Whether nobody could tell them apart: 1, 1.0 and True are three values, NaN is one."""
    if one is other:
        return True
    return type(one) is type(other) and (one == other or (one != one and other != other))


def _are_same(values: Sequence[Any]) -> bool:
    return len({*map(type, values)}) <= 1 and all(_is_same(values[0], one) for one in values)


_KINDS = {bool: "bool", int: "number", float: "number", str: "text"}


def _kind(values: Sequence[Any]) -> str:
    kinds = {_KINDS.get(kind, "mixed") for kind in {*map(type, values)}}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _distinct(values: Sequence[Any]) -> int:
    kinds = {*map(type, values)}
    if kinds <= {str} or kinds <= {bool}:
        return len({*values})
    if kinds <= {int, float}:  # 1 and 1.0 are one number, and NaN is one value
        ordered = [value for value in values if value == value]
        return len({*ordered}) + (len(ordered) < len(values))
    return len({*map(repr, values)})


def _are_two(one: Any, other: Any) -> bool:
    """Whether `_distinct` counts two: 1 and 1.0 are one number, and NaN is one value."""
    if one == other:
        return not {type(one), type(other)} <= {int, float} and type(one) is not type(other)
    return one == one or other == other


def _encoded(values: Sequence[Any]) -> bytes:
    plain: list[Any] = [None if value is UNSET else value for value in values]
    kinds = {*map(type, plain)}
    if _are_same(plain):
        return b'{"same":' + canonical_json(plain[0] if plain else None) + b"}"
    if kinds <= {str, type(None)}:
        texts = [text for text in dict.fromkeys(plain) if text is not None]
        if len(texts) * _TEXTS_REPEAT <= len(plain):
            numbers = dict(zip(texts, range(len(texts)), strict=True))
            at = msgspec.json.encode([numbers.get(value) for value in plain])
            return b'{"texts":' + canonical_json(texts) + b',"at":' + at + b"}"
    if kinds == {float} and all(map(math.isfinite, plain)):
        return b'{"values":' + msgspec.json.encode(plain) + b"}"  # canonical as it is
    return b'{"values":' + canonical_json(plain) + b"}"
