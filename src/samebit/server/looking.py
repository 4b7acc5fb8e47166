"""The runs that a page shows: looked at while somebody looks, and answered as columns."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from starlette.datastructures import QueryParams

from samebit.digest import canonical_json
from samebit.errors import SamebitError, StoreNotFound
from samebit.query import choosing, where
from samebit.query.index import Row as TableRow
from samebit.query.index import Table, age
from samebit.query.watching import Seen, Watch
from samebit.server.answers import Fitting, Key, encode
from samebit.server.asked import condition, flag, words
from samebit.server.columns import Columns
from samebit.server.live import Live

__all__ = ["Here", "InThread", "Looking", "Source"]

Row = dict[str, Any]
T = TypeVar("T")

# What is shown at first where anything stands in it; then settings that vary, then metrics.
_LEADING = (
    *("id", "name", "state", "started", "seconds", "steps", "seed", "verdict", "missing"),
    *("cause", "kind", "of", "group", "tags", "note", "archived", "damage"),
)
_ALWAYS = ("id", "state", "damage")
_MOST_SHOWN = 60  # columns of settings at first, and of metrics
_MOST_TOLD = 500  # runs by name; what has more of them asks for everything
_EVERY_S = 0.5
_A_MOMENT_S = 0.05
_AGAIN_S = 3.0
_IDLE_S = 5.0  # nobody looks at what was asked for so long ago
_FIRST_S = 0.4  # that the first answer waits for, so that most stores come whole


class InThread(Protocol):
    """Calls something in a thread, and waits for what it gives."""

    def __call__(self, call: Callable[..., T], *given: Any) -> Awaitable[T]:
        """Call it."""
        ...


class Source(Protocol):
    """Where runs come from."""

    def look(self) -> Seen:
        """What has come since the last time; raises SamebitError where there is nothing."""
        ...

    def again(self, name: str) -> None:
        """Have a run read at the next look."""
        ...


class Here:
    """The runs of a store on this machine."""

    def __init__(self, store: Path, tables: Sequence[Table[TableRow]]) -> None:
        self._store = store
        self._watch = Watch(store, tables)

    def look(self) -> Seen:
        """What has come; a store that is gone raises, for as long as it is."""
        if not (self._store / "format").exists():
            hint = "it may come back; the page looks for it again"
            raise StoreNotFound("the store is gone", store=self._store, hint=hint)
        return self._watch.look()

    def again(self, name: str) -> None:
        """Have a run read at the next look."""
        self._watch.again(name)


class Looking:
    """All runs of a store, or a remote, as they are now."""

    def __init__(self, source: Source) -> None:
        self.live = Live()
        self.waiting = 0  # runs that are still to be read
        self.trouble: SamebitError | None = None  # why nothing can be seen
        self.source = source
        self._columns = Columns()
        self._lock = threading.Lock()
        self._asked = time.monotonic()
        self._begun = asyncio.Event()
        self._patient_until = 0.0
        self._asks_again = False  # pages are to ask for everything
        self._told_again = time.monotonic()

    async def keep_looking(self, in_thread: InThread) -> None:
        """Look for as long as the server lives; where nobody listens or asks, not at all."""
        while True:
            told = await in_thread(self._look)
            self._begun.set()
            if not self.waiting and any(name == "again" for name, _ in told):  # it will be asked
                await in_thread(partial(self.runs, None, replays=False))
            for name, value in told:
                self.live.tell(name, value)
            if self.waiting and not told:
                await asyncio.sleep(_A_MOMENT_S)  # one of them is being read
            while self.waiting == 0 or self.trouble is not None:
                await asyncio.sleep(_EVERY_S)
                if self.live.listeners or time.monotonic() - self._asked < _IDLE_S:
                    break

    def _look(self) -> list[tuple[str, Row]]:
        """Look once; what is to be told of it."""
        try:
            seen = self.source.look()
        except SamebitError as error:
            was_here, self.trouble = self.trouble is None, error
            return [("again", {"version": self._columns.version})] if was_here else []
        asks_again, self.trouble = self.trouble is not None or self._asks_again, None
        with self._lock:
            changed = self._columns.put(sorted(seen.changed.values(), key=age))
            gone = self._columns.drop(seen.gone)
            version = self._columns.version
        self.waiting = seen.waiting
        told: list[tuple[str, Row]] = []
        self._asks_again = asks_again = asks_again or len(changed) > _MOST_TOLD
        # While an index is read, everything changes at each look: that is told now and then.
        if asks_again and (not self.waiting or time.monotonic() > self._told_again + _AGAIN_S):
            self._asks_again, self._told_again = False, time.monotonic()
            told.append(("again", {"version": version}))
        elif changed and not asks_again:
            told.append(("rows", {"ids": changed, "version": version}))
        if gone:
            told.append(("gone", {"ids": gone, "version": version}))
        if seen.grown:
            told.append(("grown", {"ids": seen.grown}))
        return told

    async def begun(self) -> None:
        """Wait until something is known; the first who asks, a moment longer for the rest of it."""
        self._asked = time.monotonic()
        await self._begun.wait()
        self._patient_until = self._patient_until or self._asked + _FIRST_S
        while self.waiting and self.trouble is None and time.monotonic() < self._patient_until:
            await asyncio.sleep(_FIRST_S / 10)
        if self.trouble is not None:
            raise self.trouble

    @property
    def version(self) -> int:
        """Which changes with any row."""
        return self._columns.version

    @property
    def count(self) -> int:
        """How many runs there are, replays among them."""
        return len(self._columns.places)

    def has(self, run: str) -> bool:
        """Whether a run was seen."""
        return run in self._columns.places

    def row(self, run: str) -> Row:
        """What is known of one run."""
        with self._lock:
            return self._columns.row(run)

    def runs(
        self,
        keys: Sequence[str] | None,
        *,
        replays: bool,
        ids: Sequence[str] | None = None,
        since: int | None = None,
    ) -> bytes:
        """Columns of all runs, or of some: those asked for, or changed after a version."""
        with self._lock:
            columns = self._columns
            places = columns.places_of(replays=replays)
            if ids is not None:
                there = {columns.ids[at]: at for at in places}
                places = [there[run] for run in ids if run in there]
            elif since is not None:
                changed = columns.since(since)
                places = [at for at in places if at in changed]
            is_all = ids is None and since is None
            told = columns.keys(replays=replays) if is_all or keys is None else []
            chosen = _first_shown(told) if keys is None else self._meant(keys)
            parts = (
                canonical_json(name)
                + b":"
                + columns.encoded(key, None if is_all else places, replays=replays)
                for name, key in chosen
            )
            shown = [columns.ids[at] for at in places]
            head = canonical_json(
                {"version": columns.version, "waiting": self.waiting, "ids": shown}
            )
            whole = head[:-1] + b',"columns":{' + b",".join(parts) + b"}"
            return whole + (b',"keys":' + encode(told) if is_all else b"") + b"}"

    def filter(self, condition: str, *, replays: bool) -> Fitting:
        """The runs that fit a condition."""
        names = where.parse(condition).names()
        with self._lock:
            version, known = self._columns.version, self._known()
            keys = {"id", *(where.resolve(name, known) or name for name in names)}
            found = self._columns.rows(keys, replays=replays)
        ids = [row["id"] for row in _fitting(found, condition, known)]
        with self._lock:
            places = [at for run in ids if (at := self._columns.places.get(run)) is not None]
            return Fitting(version, ids, _shown_of(self._columns, places))

    def rows(
        self,
        condition: str | None,
        *,
        replays: bool,
        names: Iterable[str],
        beginnings: tuple[str, ...] = (),
    ) -> list[Row]:
        """What the runs that fit have under some names, and under all that begin so."""
        asked = where.parse(condition).names() if condition is not None else ()
        with self._lock:
            known = self._known()
            meant = {where.resolve(name, known) or name for name in (*names, *asked)}
            chosen = [
                key
                for key in self._columns.names()
                if key in meant or key in _ALWAYS or (beginnings and key.startswith(beginnings))
            ]
            rows = self._columns.rows(chosen, replays=replays)
        return rows if condition is None else _fitting(rows, condition, known)

    def meant(
        self, asked: QueryParams, names: Sequence[str], beginnings: tuple[str, ...] = ()
    ) -> list[Row]:
        """Of the runs that are meant (named, or fitting a condition) what is under some names."""
        rows = self.rows(
            condition(asked),
            replays=flag(asked, "replays"),
            names=names,
            beginnings=beginnings,
        )
        ids = words(asked, "ids")
        if ids is None:
            return rows
        by_id = {row["id"]: row for row in rows}
        return [by_id[run] for run in ids if run in by_id]

    def _known(self) -> set[str]:
        return choosing.keys_of([dict.fromkeys(self._columns.names())])

    def _meant(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Each name as it was asked for, and the key that it means; nobody need have it."""
        known = self._known()
        return [(name, where.resolve(name, known) or name) for name in names]


def _fitting(rows: list[Row], condition: str, known: set[str]) -> list[Row]:
    """The rows for which a condition holds; a name that no run has raises UsageError."""
    parsed = where.parse(condition)
    if rows:
        choosing.check_names(sorted(parsed.names()), known)
    return parsed.among(rows, known)


def _shown_of(columns: Columns, places: Sequence[int]) -> list[str]:
    """What `_first_shown` chooses of some runs alone, without counting what nobody asks for."""
    metrics = [name for name in columns.names() if name.startswith("metric.")]
    if len(metrics) > _MOST_SHOWN:
        metrics.sort(key=lambda name: columns.missing(name, places))
    varied = (name for name in columns.names() if name.startswith("config."))
    return [
        *(name for name in _LEADING if columns.has_any(name, places)),
        *islice((name for name in varied if columns.varies(name, places)), _MOST_SHOWN),
        *islice((name for name in metrics if columns.has_any(name, places)), _MOST_SHOWN),
    ]


def _first_shown(keys: Sequence[Key]) -> list[tuple[str, str]]:
    told = {key.key: key for key in keys}
    chosen = [key for key in _LEADING if key in told and told[key].distinct]
    varied = [
        key.key
        for key in keys
        if key.key.startswith("config.") and key.distinct + bool(key.missing) > 1
    ]
    metrics = [key for key in keys if key.key.startswith("metric.")]
    metrics.sort(key=lambda key: key.missing)
    chosen += [*varied[:_MOST_SHOWN], *(key.key for key in metrics[:_MOST_SHOWN])]
    return [(key, key) for key in chosen]
