"""The rows of a store as they become: what is new, changed or gone since somebody last looked.

A run that has ended stays as it is but for its notes, and for a resume: of those a part is looked
at each time. A run that goes on is read anew where its journal has grown, but never so often that
reading takes more than a small share of the time; that it died nobody writes down, so a silent one
is read again, too.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from samebit.folders.folder import is_run_id
from samebit.query import index
from samebit.query.index import Entry, Row, Table

__all__ = ["Seen", "Watch", "journal_bytes"]

_RECALLED = 500  # runs that are asked of the index at once
_AT_ONCE = 2000  # settled runs whose folders are looked at each time
_READING_S = 0.3  # in which one look reads runs; the others wait for the next
_REST = 10.0  # times as long as reading a run took, it is left alone
_SILENT_S = 5.0  # after which a run is read though nothing came; of one that does not go on
_LONGEST_S = 3600.0  # the time doubles with each reading, up to this


class Seen(Struct, frozen=True):
    """What a look found."""

    changed: dict[str, Row]  # new ones, too
    gone: list[str]
    grown: list[str]  # whose journals have become longer
    waiting: int  # that are still to be read


class _Known(Struct):
    """What is known of one run between two looks."""

    executions: str = ""
    stamp: str = ""
    is_settled: bool = False
    is_stale: bool = True
    size: int = 0  # of its journal, in bytes
    read_at: float = 0.0  # by the monotonic clock
    due: float = 0.0  # from when on it may be read again
    patience_s: float = _SILENT_S  # how long it may be silent before that


class Watch:
    """Looks at a store again and again; not from several threads at once."""

    def __init__(self, store: Path, tables: Sequence[Table[Row]]) -> None:
        self._store = store
        self._tables = [replace(table, parse=_parsed) for table in tables]
        self._known: dict[str, _Known] = {}
        self._sweep: list[str] = []
        # What the index has, by run its executions and stamp; taken from it a part at each look,
        # since ten thousand rows as dicts are a few hundred megabytes.
        self._indexed: dict[str, tuple[str, str]] | None = None

    def look(self) -> Seen:
        """What has come since the last look; at the first ones all there is, part by part."""
        there = set(filter(is_run_id, index.names(self._store)))
        if self._indexed is None:
            self._indexed = self._all_know(there)
        gone = [name for name in self._known if name not in there]
        for name in gone:
            del self._known[name]
        changed = self._recall(there) if self._indexed else {}
        for name in there - self._known.keys() - self._indexed.keys():
            self._known[name] = _Known()
        grown = self._mark()
        changed |= self._read()
        waiting = sum(one.is_stale for one in self._known.values()) + len(self._indexed)
        return Seen(changed, gone, grown, waiting)

    def again(self, name: str) -> None:
        """Have a run read at the next look, whatever its folders say."""
        one = self._known.get(name)
        if one is not None:
            one.is_stale, one.due = True, 0.0

    def _all_know(self, there: set[str]) -> dict[str, tuple[str, str]]:
        """The runs of which every table of the index knows the same state."""
        first, *others = (index.stamps(self._store, table) for table in self._tables)
        return {
            name: said
            for name, said in first.items()
            if name in there and all(other.get(name) == said for other in others)
        }

    def _recall(self, there: set[str]) -> dict[str, Row]:
        """The next runs that are still as the index has them."""
        assert self._indexed is not None
        until = time.monotonic() + _READING_S
        found: dict[str, Row] = {}
        while self._indexed and time.monotonic() < until:
            part = {
                name: said
                for name, said in islice(self._indexed.items(), _RECALLED)
                if name in there and said[1] == index.stamp(self._store, name, said[0])
            }
            for name in list(islice(self._indexed, _RECALLED)):
                del self._indexed[name]
            entries = [index.recall(self._store, table, part) for table in self._tables]
            for name, (executions, stamp) in part.items():
                mine = [one[name] for one in entries if name in one]
                if len(mine) == len(self._tables):
                    found[name] = _merged(mine)
                    self._known[name] = _Known(executions, stamp, is_settled=True, is_stale=False)
        return found

    def _mark(self) -> list[str]:
        """Which runs are to be read again; the names of those whose journals have grown."""
        now = time.monotonic()
        grown: list[str] = []
        for name, one in self._known.items():
            if one.is_settled or one.is_stale:
                continue
            size = journal_bytes(self._store, name)
            if size != one.size:
                grown.append(name)
                one.size = size
                one.is_stale = True
            else:
                is_new = one.stamp != index.stamp(self._store, name, one.executions)
                one.is_stale = is_new or now - one.read_at > one.patience_s
        if not self._sweep:
            self._sweep = [name for name, one in self._known.items() if one.is_settled]
        part, self._sweep = self._sweep[:_AT_ONCE], self._sweep[_AT_ONCE:]
        for name in part:
            one = self._known.get(name)
            if one is not None and one.stamp != index.stamp(self._store, name, one.executions):
                one.is_stale = True
                one.is_settled = False
        return grown

    def _read(self) -> dict[str, Row]:
        """Read what is due, the longest unread first, for as long as one look may take."""
        began = time.monotonic()
        due = [name for name, one in self._known.items() if one.is_stale and one.due <= began]
        due.sort(key=lambda name: self._known[name].read_at)
        changed: dict[str, Row] = {}
        learnt: list[dict[str, Entry[Row]]] = [{} for _ in self._tables]
        before = began
        for name in due:
            one = self._known[name]
            one.size = journal_bytes(self._store, name)  # before reading: what comes later shows
            one.is_stale = False
            for _, read, settled in index.read_each(self._store, [name], self._tables):
                if isinstance(read, dict):
                    changed[name] = read
                else:
                    changed[name] = _merged(read)
                    one.executions, one.stamp = read[0].executions, read[0].stamp
                    one.is_settled = settled
                    if settled:
                        for kept, entry in zip(learnt, read, strict=True):
                            kept[name] = entry
                is_going_on = changed[name].get("state") == "running"
                one.patience_s = _SILENT_S if is_going_on else min(2 * one.patience_s, _LONGEST_S)
            one.read_at = now = time.monotonic()
            one.due = now + _REST * (now - before)
            before = now
            if now - began > _READING_S:
                break
        for table, kept in zip(self._tables, learnt, strict=True):
            index.keep(self._store, table, kept, ())
        return changed


def _parsed(text: str) -> Row:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError):  # a NaN, an infinity, a lone surrogate
        return json.loads(text)


def _merged(entries: Sequence[Entry[Row]]) -> Row:
    row: Row = {}
    for entry in entries:
        row |= entry.value
    return row


def journal_bytes(store: Path, name: str) -> int:
    """How long a run's journal is; it never becomes shorter but by damage."""
    try:
        with os.scandir(f"{store}/runs/{name}/journal") as entries:
            return sum(entry.stat().st_size for entry in entries)
    except OSError:
        return 0
