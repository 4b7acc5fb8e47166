"""The files that a run read, on their way into the store: those that are small soon, others last.

What is stored must be what was read: its digest is taken again from the bytes that are stored.
"""

from collections.abc import Callable, Iterable
from typing import Any

from samebit.data.adding import keep_files
from samebit.errors import SamebitError
from samebit.objects.store import Store

__all__ = ["Saver"]

_SOON_BYTES = 8 << 20  # a larger file waits until the training needs the disk no more
_AT_ONCE_BYTES = 32 << 20  # a fork waits a second for what our thread is at
_FREE_SHARE = 0.5  # of the disk's free space, at most, for one file


class Saver:
    """Keeps files that were read.

    Args:
        store: where they go.
        emit: takes the fact of a file that is durable.
        problem: says what could not be kept, and marks the run.
        free_bytes: how much is free on the disk of the store.
    """

    def __init__(
        self,
        store: Store,
        emit: Callable[[dict[str, Any]], None],
        problem: Callable[[str, str], object],
        free_bytes: Callable[[], int],
    ) -> None:
        self._store = store
        self._emit = emit
        self._problem = problem
        self._free_bytes = free_bytes
        self._waiting: dict[str, dict[str, Any]] = {}

    def take(self, fact: dict[str, Any]) -> None:
        """A fact about a file was recorded; one that was read, and is known by digest, is kept."""
        path = fact["path"]
        if fact["how"] != "read" or fact.get("written") or fact.get("changed"):
            gone = self._waiting.pop(path, None)
            if gone is not None and fact.get("changed"):
                self._problem(f"data {path}", "not kept: it was changed since it was read")
        elif fact.get("digest"):
            self._waiting[path] = fact

    def tick(self) -> None:
        """Keep what is small, as much as takes no time; called by the thread that hashes."""
        room = _AT_ONCE_BYTES
        some: list[str] = []
        for path, fact in self._waiting.items():
            if fact["size_bytes"] <= min(_SOON_BYTES, room):
                room -= fact["size_bytes"]
                some.append(path)
        self._keep(some)

    def finish(self, *, interrupted: bool) -> None:
        """Keep everything that is left; not after an interrupt, which is said."""
        if interrupted and self._waiting:
            count = f"{len(self._waiting):,} of the files that were read"
            self._problem("data", f"{count} are not kept: the run was interrupted")
            return
        for path in [p for p, f in self._waiting.items() if f["size_bytes"] > _SOON_BYTES]:
            self._keep([path])
        self._keep(list(self._waiting))

    def _keep(self, paths: Iterable[str]) -> None:
        facts = {path: self._waiting.pop(path) for path in paths}
        free = _FREE_SHARE * self._free_bytes() if facts else 0
        for path in [path for path, fact in facts.items() if fact["size_bytes"] > free]:
            del facts[path]
            self._problem(f"data {path}", "not kept: the disk has not twice as much free")
        if not facts:
            return
        try:
            found = keep_files(self._store, facts)
        except SamebitError as error:
            self._problem("data", f"files that were read are not kept: {error.what}")
            return
        for path, fact in facts.items():
            one = found[path]
            if isinstance(one, SamebitError):
                self._problem(f"data {path}", f"not kept: {one.what}")
            elif one[0] != fact["digest"]:
                self._problem(f"data {path}", "not kept: it was changed since it was read")
            else:
                self._emit({**fact, "saved": one[1]})
