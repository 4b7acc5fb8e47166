"""The rows of a store as they become: what is new, changed or gone since somebody last looked.

At first the newest runs are told of, which are those that somebody wants to see; what is read is
put into the index now and then, as that costs as much for one run as for hundreds.

A run that has ended stays as it is but for its notes, and for a resume: of those a part is looked
at each time. Of a run that goes on only what its journal has got is read, so that its metrics are
those of this moment however long it is. Where there is more to say of it, it is read anew, but
never so often that reading takes more than a small share of the time, and a long one beside the
looks; that it died nobody writes down, so a silent one is read again, too.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from samebit.folders.folder import is_run_id
from samebit.folders.growing import Added, Growing
from samebit.folders.summaries import Summary, with_point
from samebit.query import index
from samebit.query.index import Entry, Row, Table

if TYPE_CHECKING:
    from samebit.folders.read import View

__all__ = ["Seen", "Watch", "journal_bytes"]

_RECALLED = 500  # runs that are asked of the index at once
_AT_ONCE = 2000  # settled runs whose folders are looked at each time
_READING_S = 0.3  # in which one look reads runs; the others wait for the next
_ORDERING_S = 0.3  # in which the ages of new runs are looked up; slow disks know the others' later
_KEPT = 1000  # runs that were read and are not in the index yet, at most
_REST = 10.0  # times as long as reading a run took, it is left alone
_REST_ON = 1.0  # the same of reading on: what comes too fast for that is read less often
_SILENT_S = 5.0  # after which a run is read though nothing came; of one that does not go on
_LONG_BYTES = 8 << 20  # of a journal; reading it takes longer than a look may
_JOURNAL_AT = 3  # among the folders of `index.stamp`
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
    read_at: float = 0.0  # by the monotonic clock; or when it was last seen to grow
    due: float = 0.0  # from when on it may be read again
    patience_s: float = _SILENT_S  # how long it may be silent before that
    going: "_GoingOn | None" = None  # while it does


class _GoingOn(Struct):
    """A run that goes on: what is kept up as it grows."""

    row: Row
    metrics: dict[str, Summary]
    growing: Growing | None  # None where it must be read anew
    due: float = 0.0  # from when on more of it may be read


class _Reading(Struct, frozen=True):
    """A run as it was read anew."""

    name: str
    read: list[Entry[Row]] | Row | None  # None where it is gone
    is_settled: bool
    size: int
    took_s: float
    going: _GoingOn | None


class Watch:
    """Looks at a store again and again; not from several threads at once."""

    def __init__(self, store: Path, tables: Sequence[Table[Row]]) -> None:
        self._store = store
        self._tables = tables
        self._known: dict[str, _Known] = {}
        self._sweep: list[str] = []
        # What the index has, by run its executions and stamp; taken from it a part at each look,
        # since ten thousand rows as dicts are a few hundred megabytes.
        self._indexed: dict[str, tuple[str, str]] | None = None
        self._beside = ""  # the run that is read beside the looks
        self._done: deque[_Reading] = deque()  # what was read so
        self._learnt: list[dict[str, Entry[Row]]] = [{} for _ in tables]  # for the index

    def look(self) -> Seen:
        """What has come since the last look; at the first ones all there is, part by part."""
        there = index.names(self._store)
        there -= {name for name in there - self._known.keys() if not is_run_id(name)}
        if self._indexed is None:
            self._indexed = self._all_know(there)
        gone = [name for name in self._known if name not in there]
        for name in gone:
            del self._known[name]
        changed = self._recall(there) if self._indexed else {}
        unseen = there - self._known.keys() - self._indexed.keys()
        self._known |= {name: _Known() for name in _newest_first(self._store, unseen)}
        grown = self._mark()
        changed |= self._read_on(grown)
        changed |= self._read()
        now, known = time.monotonic(), self._known.values()
        waiting = sum(one.is_stale and one.going is None and one.due <= now for one in known)
        self._keep(at_least=_KEPT if waiting else 1)
        return Seen(changed, gone, grown, waiting + len(self._indexed))

    def again(self, name: str) -> None:
        """Have a run read at the next look, whatever its folders say."""
        one = self._known.get(name)
        if one is not None:
            one.is_stale, one.due = True, 0.0

    def _all_know(self, there: set[str]) -> dict[str, tuple[str, str]]:
        """The runs of which every table of the index knows the same state."""
        first, *others = (index.stamps(self._store, table) for table in self._tables)
        found = [
            (name, said)
            for name, said in first.items()
            if name in there and all(other.get(name) == said for other in others)
        ]
        # By the text: nobody promises that what an index holds are numbers.
        return dict(sorted(found, key=lambda one: one[1][1].partition(" ")[0], reverse=True))

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
            if one.is_settled or not one.read_at:
                continue
            size = journal_bytes(self._store, name)
            if size != one.size:
                grown.append(name)
                one.size, one.read_at = size, now
            stamp = index.stamp(self._store, name, one.executions)
            if one.going is None:
                one.is_stale |= name in grown[-1:] or stamp != one.stamp
            elif _beside_journal(stamp) != _beside_journal(one.stamp):
                one.is_stale = True
            else:
                one.stamp = stamp
            one.is_stale |= now - one.read_at > one.patience_s
        unseen = sum(one.is_stale and not one.read_at for one in self._known.values())
        if self._indexed or unseen > _AT_ONCE / 10:
            return grown  # first what nobody has seen yet
        if not self._sweep:
            self._sweep = [name for name, one in self._known.items() if one.is_settled]
        part, self._sweep = self._sweep[:_AT_ONCE], self._sweep[_AT_ONCE:]
        for name in part:
            one = self._known.get(name)
            if one is not None and one.stamp != index.stamp(self._store, name, one.executions):
                one.is_stale = True
                one.is_settled = False
        return grown

    def _read_on(self, grown: Sequence[str]) -> dict[str, Row]:
        """What has come of runs that go on, as far as it needs no reading anew."""
        changed: dict[str, Row] = {}
        began = before = time.monotonic()
        for name in grown:
            one = self._known[name]
            if one.going is None or one.going.due > began:
                one.size = -1 if one.going is not None else one.size  # it comes with the next look
                continue
            row, is_told = _grown(one.going, self._tables)
            one.is_stale |= not is_told
            if row is not None:
                changed[name] = row
            now = time.monotonic()
            one.going.due, before = now + _REST_ON * (now - before), now
        return changed

    def _read(self) -> dict[str, Row]:
        """Read what is due, the longest unread first, for as long as one look may take."""
        began = time.monotonic()
        due = [name for name, one in self._known.items() if one.is_stale and one.due <= began]
        due.sort(key=lambda name: self._known[name].read_at)
        changed: dict[str, Row] = {}
        readings = list(self._done)
        self._done.clear()
        for name in due:
            if time.monotonic() - began > _READING_S:
                break
            if journal_bytes(self._store, name) > _LONG_BYTES:
                self._read_beside(name)
            else:
                readings.append(_reading(self._store, name, self._tables))
        for reading in readings:
            row = self._take(reading)
            if row is not None:
                changed[reading.name] = row
        return changed

    def _keep(self, at_least: int) -> None:
        """Put what was read into the index, where it is so many runs."""
        if len(self._learnt[0]) >= at_least:
            for table, learnt in zip(self._tables, self._learnt, strict=True):
                index.keep(self._store, table, learnt, ())
                learnt.clear()

    def _read_beside(self, name: str) -> None:
        """Read a long run in a thread of its own, where none is being read so."""
        if self._beside or self._done:
            return
        self._beside = name

        def read() -> None:
            self._done.append(_reading(self._store, name, self._tables))
            self._beside = ""

        threading.Thread(target=read, daemon=True, name="samebit-watch").start()

    def _take(self, reading: _Reading) -> Row | None:
        """A run's row as it was read, with what has come meanwhile; None where it is gone."""
        one = self._known.get(reading.name)
        if one is None or reading.read is None:
            return None
        one.is_stale, one.size, one.going = False, reading.size, reading.going
        row = reading.read if isinstance(reading.read, dict) else _merged(reading.read)
        if isinstance(reading.read, list):
            first = reading.read[0]
            one.executions, one.stamp = first.executions, first.stamp
            one.is_settled = reading.is_settled
            if reading.is_settled:
                for learnt, entry in zip(self._learnt, reading.read, strict=True):
                    learnt[reading.name] = entry
        is_going_on = row.get("state") == "running"
        one.patience_s = _SILENT_S if is_going_on else min(2 * one.patience_s, _LONGEST_S)
        one.read_at = now = time.monotonic()
        one.due = now + _REST * reading.took_s
        if one.going is None:
            return row
        more, is_told = _grown(one.going, self._tables)
        one.is_stale = not is_told
        return more or row


def _newest_first(store: Path, names: Iterable[str]) -> list[str]:
    """Runs by when a name last came into their folders: when they began, or were copied."""
    until = time.monotonic() + _ORDERING_S
    at = {
        name: index.modified_ns(f"{store}/runs/{name}") if time.monotonic() < until else 0
        for name in names
    }
    return sorted(at, key=lambda name: at[name], reverse=True)


def _reading(store: Path, name: str, tables: Sequence[Table[Row]]) -> _Reading:
    """Read a run anew."""
    began = time.monotonic()
    size = journal_bytes(store, name)  # before reading: what comes later shows
    views: list[tuple[dict[str, Summary], Growing]] = []

    def keep(view: "View") -> None:
        if view.end is None:
            views.append((view.summaries, view.growing()))

    for _, read, is_settled in index.read_each(store, [name], tables, keep):
        row = read if isinstance(read, dict) else _merged(read)
        is_going_on = bool(views) and row.get("state") == "running"
        going = _GoingOn(row, *views[0]) if is_going_on else None
        return _Reading(name, read, is_settled, size, time.monotonic() - began, going)
    return _Reading(name, None, False, size, time.monotonic() - began, None)


def _grown(going: _GoingOn, tables: Sequence[Table[Row]]) -> tuple[Row | None, bool]:
    """A run's row with what was appended, None where it is as before; whether that is all."""
    added = going.growing.read_on() if going.growing is not None else None
    if added is None or not _count(added, going.metrics):
        going.growing = None
        return None, False
    row = dict(going.row)
    for table in tables:
        row |= table.grown(going.metrics, added.steps) if table.grown is not None else {}
    is_new, going.row = row != going.row, row
    return row if is_new else None, not added.says_more


def _count(added: Added, metrics: dict[str, Summary]) -> bool:
    """Count what was appended; False where that takes the whole."""
    for rank, logged in added.logged:
        rows = [row for part in logged for row in part.rows()]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            return False
        for step, time_ns, values in sorted(known, key=itemgetter(1)):
            for name, value in values.items():
                if added.rank_of[name] < rank:
                    continue
                after = with_point(metrics.get(name), step, time_ns, value)
                if after is None:
                    return False
                metrics[name] = after
    return True


def _beside_journal(stamp: str) -> list[str]:
    """A stamp without that of the journal's folder, which a new segment changes."""
    parts = stamp.split(" ")
    return parts[:_JOURNAL_AT] + parts[_JOURNAL_AT + 1 :]


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
