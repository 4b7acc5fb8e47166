"""The media of one process on their way into the store: promised at once, written beside it.

`log` writes into the journal that something was logged, and hands over a draft that nobody changes
any more. A thread of our own makes the bytes, has them durable, and then says which they are.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit import digest, disk
from samebit.errors import SamebitError, UsageError, in_a_line
from samebit.media.drafts import Draft, Made, draft
from samebit.media.given import Media
from samebit.objects.store import Store
from samebit.session import telling
from samebit.session.arriving import Arriving
from samebit.threads import Helper
from samebit.trace import cards

__all__ = ["SessionMedia"]

_EVERY_S = 2.0  # what has come by then lies in one pack
_SOON_BYTES = 16 << 20  # that wait: the thread begins at once
_MOST_BYTES = 256 << 20  # that wait: `log` lends a hand
_TOGETHER_BYTES = 32 << 20  # that are made before they are written
_FREE_SHARE = 0.5  # of what is free on the disk, at most, for what is written at once
_INTERRUPTED_S = 2.0  # beside the five of states

Emit = Callable[[dict[str, Any], int], None]


class _Waiting(Struct, frozen=True):
    """One thing, and what its fact says already."""

    draft: Draft
    fact: dict[str, Any]
    time_ns: int


class SessionMedia:
    """What one process logged beside numbers.

    Args:
        store: where it goes.
        emit: takes a fact, and when it was logged.
        problem: says what could not be done, and marks the run.
        trouble: told of an error.
        arriving: waits for what lies on a device.
        free_bytes: on the disk of the store.
        budget_bytes: beyond it digests alone are kept; None to keep nothing else from the start.
        most: things; beyond it nothing is recorded.
    """

    def __init__(
        self,
        store: Store,
        emit: Emit,
        problem: Callable[[str, str], object],
        trouble: Callable[[str, Exception], object],
        arriving: Arriving,
        free_bytes: Callable[[], int],
        *,
        budget_bytes: int | None,
        most: int,
    ) -> None:
        self._store = store
        self._emit = emit
        self._problem = problem
        self._trouble = trouble
        self._arriving = arriving
        self._free_bytes = free_bytes
        self._budget = budget_bytes
        self._most = most
        self._count = 0
        self._kept_bytes = 0
        self._waiting: deque[_Waiting] = deque()
        self._held_bytes = 0
        self._held = threading.Lock()  # of that number
        self._writing = threading.Lock()  # one thread writes at a time
        self._helper = Helper("samebit-media", self._tick, _EVERY_S)
        self._is_over = False

    def take(self, media: Mapping[str, Sequence[Media]], step: int) -> None:
        """Take what was logged; what cannot be meant so is said once for each name."""
        time_ns = time.monotonic_ns()
        for name, given in media.items():
            try:
                with telling.unheard():
                    drafts = [draft(_one(one, given), cards.fetch) for one in given]
            except Exception as error:
                self._refused(name, error)
                continue
            self._count += len(drafts)
            if self._count > self._most:
                said = f"more than {self._most:,} things were logged: later ones are not recorded"
                self._problem("media.most", said)
                return
            self._promise(name, step, drafts, time_ns)
        if self._held_bytes > _MOST_BYTES:
            self._write_waiting()
        elif self._held_bytes > _SOON_BYTES:
            self._helper.do(self._safely_write)
        elif not self._helper.runs:
            try:
                self._helper.begin()
            except RuntimeError:
                pass  # no thread can be had, as while the interpreter ends: `finish` writes

    def _promise(self, name: str, step: int, drafts: Sequence[Draft], time_ns: int) -> None:
        fact = {"name": name, "step": step, "kind": drafts[0].kind, "of": len(drafts)}
        self._emit(fact, time_ns)
        for at, one in enumerate(drafts):
            waiting = _Waiting(one, {**fact, "at": at}, time_ns)
            self._hold(one.size_bytes)
            if one.has_come:
                self._arriving.when_come(one.has_come, lambda w=waiting: self._waiting.append(w))
            else:
                self._waiting.append(waiting)

    def _refused(self, name: str, error: Exception) -> None:
        if isinstance(error, SamebitError) and error.hint:
            error = UsageError(f"{error.what} ({error.hint})")
        self._trouble(f"log of {name!r}", error)

    def _hold(self, size_bytes: int) -> None:
        with self._held:
            self._held_bytes += size_bytes

    def finish(self, *, interrupted: bool) -> None:
        """Write what waits, and end the thread; not for long after an interrupt."""
        self._helper.do(self._safely_write)
        if not self._helper.finish(_INTERRUPTED_S if interrupted else None):
            self._is_over = True
            said = f"still being written {_INTERRUPTED_S:.0f} s after the interrupt"
            self._trouble("media", TimeoutError(f"{said}; those before are whole"))
        elif self._waiting:
            self._write_waiting()

    # On the thread of media, but where `log` lends a hand.

    def _tick(self) -> float:
        self._safely_write()
        return _EVERY_S

    def _safely_write(self) -> None:
        try:
            self._write_waiting()
        except Exception as error:
            self._trouble("media", error)

    def _write_waiting(self) -> None:
        with self._writing:
            while self._waiting and not self._is_over:
                some: list[_Waiting] = []
                held = 0
                while self._waiting and held < _TOGETHER_BYTES:
                    some.append(self._waiting.popleft())
                    held += some[-1].draft.size_bytes
                try:
                    self._write(some)
                finally:
                    self._hold(-held)

    def _write(self, some: Sequence[_Waiting]) -> None:
        disk.fault("media.make")
        ready: list[tuple[_Waiting, Made]] = []
        for one in some:
            try:
                ready.append((one, one.draft.make()))
            except Exception as error:
                self._emit({**one.fact, "why": in_a_line(error)}, one.time_ns)
                self._refused(one.fact["name"], error)
        kept = [self._keeps(made) for _, made in ready]
        objects = [
            data
            for (_, made), keeps in zip(ready, kept, strict=True)
            if keeps
            for data in (*made.parts, made.data)
        ]
        if objects:
            self._store.put_all(objects)
        disk.fault("media.tell")
        for (one, made), keeps in zip(ready, kept, strict=True):
            if not self._is_over:
                self._emit(_told(one, made, keeps=keeps), one.time_ns)

    def _keeps(self, made: Made) -> bool:
        """Whether there is room for it in the budget of the run, and on the disk."""
        if self._budget is None:
            return False
        size_bytes = len(made.data) + sum(map(len, made.parts))
        most = min(self._budget, self._kept_bytes + int(_FREE_SHARE * self._free_bytes()))
        if self._kept_bytes + size_bytes <= most:
            self._kept_bytes += size_bytes
            return True
        limit = f"{most >> 20} MiB (or half of the free disk)"
        self._problem("media.budget_mb", f"more than {limit}: of later ones only digests are kept")
        return False


def _one(one: object, given: Sequence[Media]) -> Media:
    """A thing of a list, all of which are of one kind."""
    if not isinstance(one, Media) or type(one) is not type(given[0]):
        kind = type(given[0]).__name__
        raise UsageError(f"a {type(one).__name__} in a list of samebit.{kind}")
    return one


def _told(one: _Waiting, made: Made, *, keeps: bool) -> dict[str, Any]:
    fact: dict[str, Any] = {
        **one.fact,
        "type": made.type,
        "object": digest.of_bytes(made.data),
        "size_bytes": len(made.data),
        "exact": one.draft.exact,
        "kept": keeps,
        "about": made.about,
    }
    return fact if one.draft.caption is None else {**fact, "caption": one.draft.caption}
