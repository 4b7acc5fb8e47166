"""The one writer of a process's frames: each is with the kernel when the call returns.

All but the scalars of a schedule: those are held back for up to five seconds, and packed.

A writer belongs to the process that made it. After a fork the child's first frame opens a segment
of its own; nothing of the parent's is touched.
"""

import itertools
import os
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from samebit import disk
from samebit.errors import UsageError
from samebit.journal import keeping, segment
from samebit.journal.columns import MOST_HELD, Held
from samebit.journal.frame import CHECKED, FRAME, FRAME_BYTES, Header, Kind, pack, pack_header
from samebit.journal.refused import Refused
from samebit.journal.values import exact as _exact
from samebit.journal.values import flatten as _flatten
from samebit.journal.values import plain_step as _plain_step
from samebit.journal.values import sound, unwrap
from samebit.threads import Helper

__all__ = ["SEAL_BYTES", "Writer"]

SEAL_BYTES = 4 << 20
_MOST_FULL = 16  # segments that wait to be synced; beyond it, whoever writes so fast waits too
_CHECK_MASK = 63  # each 64th row looks whether the descriptor is still ours, and not full
_LETTERS = "0123456789abcdefghijklmnopqrstuv"  # 32 of them, so that a byte chooses evenly
_PLAIN = frozenset({bool, int, float, str})

_append = disk.append
_crc32 = zlib.crc32
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_pack_checked = CHECKED.pack
_pack_frame = FRAME.pack
_monotonic_ns = time.monotonic_ns
_ROW = int(Kind.ROW)
_ROWS_AT_ONCE = 4096  # of those that are given many at a time: some hundred kilobytes
_MOST_LATEST = 256  # sets of names whose last row is remembered from one segment to the next

_writers: "weakref.WeakSet[Writer]" = weakref.WeakSet()


class Writer:
    """Appends frames to the segments of one process in one run.

    A fact that the journal refuses is kept, and written when it takes frames again. `in_utc`: the
    times that are given are UTC, of what happened elsewhere, and one is given each time.
    """

    def __init__(self, folder: Path, run: str, rank: str = "0", *, in_utc: bool = False) -> None:
        self._folder = folder
        self._run = run
        self._rank = rank
        self._in_utc = in_utc
        self._lock = threading.RLock()  # re-entrant: a signal handler may log while log() runs
        self._syncing = threading.Lock()  # whoever has synced knows that nobody is still at it
        self._fd = -1
        self._reset()
        _writers.add(self)

    def _reset(self) -> None:
        self._writer = "".join(_LETTERS[byte & 31] for byte in os.urandom(12))
        self._segment = -1
        self._sequence = 0
        self._path = self._folder
        self._identity: tuple[int, int] = (0, 0)
        self._schemas: dict[tuple[str, ...], int] = {}
        self._schema_count = 0
        self._latest: dict[tuple[str, ...], bytes] = {}  # the last row of these names
        self._held = Held()
        self._full: list[int] = []  # segments that are left, and still to be synced and closed
        self._synced = 0  # the sequence number up to which everything is durable
        self._unsynced: Exception | None = None  # said when the writer is closed
        self._repeats = False
        self._refused = Refused()  # facts to be written
        self._keeper: Helper | None = None

    @property
    def writer(self) -> str:
        """The 12 letters that name this process's segments."""
        return self._writer

    def row(self, values: Mapping[str, Any], step: int, time_ns: int | None = None) -> None:
        """Append one row of metrics; the kernel has it when this returns.

        Values are bool, int, float, str, 0-d arrays (their exact value), or nested mappings, whose
        names are joined with dots. A step is any number. Anything else raises UsageError, or
        OnADevice where it would have to be waited for, and nothing is written. `time_ns` is on the
        monotonic clock, where it was logged before.
        """
        # The one place where a microsecond counts: `_append` and `pack` are unfolded, a loop looks
        # at the types faster than a set does, and a list is packed without being copied.
        is_plain = type(values) is dict
        items = values.values()
        for value in items:
            if type(value) is not float and type(value) not in _PLAIN:
                is_plain = False
                break
        if not is_plain:
            values = _flatten(values)
            items = values.values()
        names = tuple(values)
        if type(step) is not int:
            step = _plain_step(step)
        at = _monotonic_ns() if time_ns is None else time_ns
        with self._lock:  # acquire() would be quicker, and a Ctrl-C after it could leave it locked
            try:
                schema = self._schemas.get(names)
                if schema is None or not self._sequence & _CHECK_MASK:
                    schema = self._schema(names)
                try:
                    payload = _encode([_ROW, schema, step, at, *items])
                except (OverflowError, UnicodeEncodeError):  # beyond 64 bits, or no UTF-8
                    exact = map(_exact, items)
                    payload = _encode([_ROW, schema, _exact(step), at, *exact])
                sequence = self._sequence
                length = len(payload)
                checksum = _crc32(payload, _crc32(_pack_checked(length, sequence)))
                frame = _pack_frame(length, checksum, sequence) + payload
                try:
                    whole = _append(self._fd, frame) == length + FRAME_BYTES
                except OSError:
                    whole = False
                if not whole:
                    self._repeat(frame)
                self._sequence = sequence + 1
                self._latest[names] = payload
            except segment.Abandoned:
                self._once_more(self.row, values, step, at)

    def rows(self, names: Sequence[str], rows: Iterable[Sequence[Any]], kind: int = _ROW) -> None:
        """Append many rows of the same names, with few writes: (step, time, value…) of each.

        Of the kind SAMPLE rows are (time, value…). Values are plain; an integer beyond 64 bits, or
        a text that is no UTF-8, as `values.exact` makes it.
        """
        left = iter(rows)
        while some := list(itertools.islice(left, _ROWS_AT_ONCE)):
            self._rows(tuple(names), some, kind)

    def _rows(self, names: tuple[str, ...], some: Sequence[Sequence[Any]], kind: int) -> None:
        with self._lock:
            try:
                schema = self._schema(names)
                first = self._sequence
                frames = b"".join(
                    [pack(at, _encode([kind, schema, *row])) for at, row in enumerate(some, first)]
                )
                try:
                    whole = _append(self._fd, frames) == len(frames)
                except OSError:
                    whole = False
                if not whole:
                    self._repeat(frames)
                self._sequence = first + len(some)
            except segment.Abandoned:
                self._once_more(self._rows, names, some, kind)

    def latest(self, name: str) -> Any:
        """The value that was logged last under a name; None where it was not lately."""
        with self._lock:
            rows = [(names, data) for names, data in self._latest.items() if name in names]
        found = [(_decode(payload), names.index(name)) for names, payload in rows]
        # Kind, schema, step and time stand before the values.
        newest = max(found, key=lambda pair: pair[0][3], default=None)
        return None if newest is None else unwrap(newest[0][4 + newest[1]])

    @property
    def logged(self) -> Collection[tuple[str, ...]]:
        """The names of rows, as they were logged together, of the rows that are remembered."""
        return self._latest.keys()

    @property
    def unwritten(self) -> list[tuple[str, Any]]:
        """The facts that the journal never took, as far as they were kept: name and value."""
        with self._lock:
            return self._refused.facts()

    @property
    def dropped(self) -> int:
        """How many more there were, for which there was no room."""
        return self._refused.dropped

    @property
    def sequence(self) -> int:
        """The number of the next frame: it grows with each that is written."""
        return self._sequence

    def fact(self, name: str, value: Any, time_ns: int | None = None) -> None:
        """Append something learnt about the run; what raises is kept for later.

        `time_ns` is on the monotonic clock, where it happened before.
        """
        time_ns = _monotonic_ns() if time_ns is None else time_ns
        payload = _encode((int(Kind.FACT), time_ns, name, _exact(value)))
        try:
            self._write(payload)
        except Exception:
            with self._lock:
                self._refused.keep(name, payload)
            raise

    def trace(
        self, optimizer: int, count: int, mask: int, digests: bytes, time_ns: int | None = None
    ) -> None:
        """Append the fingerprints of one step; its time on the monotonic clock, where not now."""
        time_ns = _monotonic_ns() if time_ns is None else time_ns
        self._write(_encode((int(Kind.TRACE), optimizer, count, time_ns, mask, digests)))

    def hyper(self, optimizer: int, count: int, group: int, values: Mapping[str, Any]) -> None:
        """Append the scalars of a parameter group that changed.

        A float that changes again and again is held back until `flush`, which the writer's own
        thread calls every five seconds.
        """
        with self._lock:
            if self._held.take(optimizer, count, group, values):
                if self._held.size >= MOST_HELD:
                    self.flush()
            else:
                self.flush()  # first, so that each scalar's changes lie in their order
                self._write(_encode((int(Kind.HYPER), optimizer, count, group, _exact(values))))

    def flush(self) -> None:
        """Hand the scalars that are held back to the kernel."""
        with self._lock:
            items = self._held.release()
            if items is not None:
                self._write(_encode((int(Kind.SCALARS), *items)))

    def sample(self, values: Mapping[str, float | int | None]) -> None:
        """Append what the machine did; the values have names as those of a row have."""
        with self._lock:
            try:
                schema = self._schema(tuple(values))
                self._append(_encode((int(Kind.SAMPLE), schema, _monotonic_ns(), *values.values())))
            except segment.Abandoned:
                self._once_more(self.sample, values)

    def _write(self, payload: bytes) -> None:
        with self._lock:
            try:
                if self._fd < 0 or not self._sequence & _CHECK_MASK:
                    self._ready()
                self._append(payload)
            except segment.Abandoned:
                self._once_more(self._write, payload)

    def _once_more(self, write: Callable[..., None], *given: Any) -> None:
        """Write in the next segment what this one did not take; called in an `except`."""
        if self._repeats:
            raise
        self._repeats = True
        try:
            write(*given)
        finally:
            self._repeats = False

    def sync(self) -> None:
        """Make everything appended so far survive a power cut; raises where some of it may not."""
        with self._syncing:
            self.flush()
            self._sync_full()
            with self._lock:
                fd, sequence = self._fd, self._sequence
            if fd >= 0 and sequence != self._synced:
                disk.sync(fd)
                self._synced = sequence
            if self._unsynced is not None:
                raise self._unsynced

    def doubt(self, error: Exception) -> None:
        """Remember what kept frames from being synced; `close` raises it."""
        self._unsynced = error

    def _sync_full(self) -> None:
        with self._lock:
            full, self._full = self._full, []
        for fd in full:
            try:
                disk.sync(fd)
                os.close(fd)
            except Exception as error:
                self._unsynced = error

    def close(self) -> None:
        """Sync and end the segment; raises what kept any segment from being synced.

        A later frame would open a new one.
        """
        if self._keeper is not None:
            self._keeper.leave()
        try:
            self.flush()
        except Exception as error:
            self._unsynced = error
        self._sync_full()
        with self._lock:
            if self._refused.waiting:
                self._last_attempt()
            self._seal()
            self._keeper = None
            unsynced, self._unsynced = self._unsynced, None
        if unsynced is not None:
            raise unsynced

    def _last_attempt(self) -> None:
        try:
            self._ready()
        except Exception:
            pass  # that it failed was said when it was tried first; see `unwritten`

    def _schema(self, names: tuple[str, ...]) -> int:
        self._ready()
        known = self._schemas.get(names)
        if known is None:
            for name in names:
                if not isinstance(name, str):
                    raise UsageError(f"a metric's name must be a text, not {name!r}")
            # Never a number that an earlier segment used: a signal handler that logs may roll the
            # segment between the lookup of a row's schema and the row.
            known, self._schema_count = self._schema_count, self._schema_count + 1
            self._append(_encode((int(Kind.SCHEMA), known, list(map(sound, names)))))
            self._schemas[names] = known
        return known

    def _ready(self) -> None:
        """Have a segment that is ours, and not full if another can be had."""
        size = self._size_if_ours()
        if size is None:
            self._leave_segment()
            self._open_segment()
        elif size >= SEAL_BYTES:
            if len(self._full) >= _MOST_FULL:
                self._sync_full()
            try:
                self._open_segment()
            except Exception:
                return  # out of descriptors: the full one takes frames as before
        if self._refused.waiting:
            self._refused.write(self._append)
        if self._keeper is not None and not self._keeper.runs:
            self._keeper_again(self._keeper)

    def _keeper_again(self, keeper: Helper) -> None:
        """After a fork that failed."""
        try:
            keeper.begin()
        except RuntimeError:
            pass  # no thread can be had, as while the interpreter ends: `close` syncs

    def _size_if_ours(self) -> int | None:
        return segment.size_if_ours(self._fd, self._identity)

    def _open_segment(self) -> None:
        self._segment += 1
        path = self._folder / f"{self._rank}-{self._writer}-{self._segment}.sbj"
        fd = disk.open_for_append(path)
        payload = keeping.clock(self._rank, in_utc=self._in_utc)
        start = pack_header(Header(self._run, self._writer, self._segment))
        sequence = self._sequence
        identity = segment.begin(fd, path, start + pack(sequence, payload), _append)
        self._sequence = sequence + 1
        if self._fd >= 0:
            self._full.append(self._fd)  # log() does not wait for the disk: `sync` does
        self._fd, self._identity = fd, identity
        self._schemas = {}
        for names in list(self._latest)[:-_MOST_LATEST]:
            del self._latest[names]
        self._path = path
        if self._keeper is None:
            self._keeper = Helper("samebit-sync", keeping.keep(self), keeping.SYNC_EVERY_S)
            self._keeper.begin()

    def beat(self) -> None:
        """Show that this process lives; for a journal in which nothing else was written lately."""
        self._write(keeping.clock(self._rank, in_utc=self._in_utc))

    def _seal(self) -> None:
        """Sync the segment and leave it; a failed sync waits until `close`, for rows go on."""
        if self._size_if_ours() is not None:
            try:
                disk.sync(self._fd)
            except Exception as error:
                self._unsynced = error
        self._leave_segment()

    def _leave_segment(self) -> None:
        # One that was taken by somebody else is not ours to close.
        fd, is_ours = self._fd, self._size_if_ours() is not None
        self._fd, self._schemas = -1, {}
        if is_ours:
            try:
                os.close(fd)
            except OSError as error:  # NFS says here that earlier bytes did not arrive
                self._unsynced = error

    def _append(self, payload: bytes) -> None:
        sequence = self._sequence  # taken once: a signal handler that logs in here counts on, too
        frame = pack(sequence, payload)
        try:
            whole = _append(self._fd, frame) == len(frame)
        except Exception:
            whole = False
        if not whole:
            self._repeat(frame)
        self._sequence = sequence + 1

    def _repeat(self, frame: bytes) -> None:
        """After a short or failed write: cut back, try again; raises Abandoned where that fails."""
        reason = segment.FULL
        try:
            if self._size_if_ours() is None:
                reason = "somebody closed its file"
            elif segment.repeat(self._fd, self._path, frame, _append):
                return
        except Exception as error:
            reason = segment.reason(error)
        # The tail may be torn now: whatever follows goes into the next segment.
        self._leave_segment()
        raise segment.Abandoned(
            f"a journal frame could not be written: {reason}", folder=self._folder
        )


def _after_fork_in_child() -> None:
    for writer in _writers:
        writer._lock = threading.RLock()  # pyright: ignore[reportPrivateUsage]
        writer._syncing = threading.Lock()  # pyright: ignore[reportPrivateUsage]
        writer._leave_segment()  # pyright: ignore[reportPrivateUsage]
        for fd in writer._full:  # pyright: ignore[reportPrivateUsage]
            os.close(fd)
        writer._reset()  # pyright: ignore[reportPrivateUsage]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
