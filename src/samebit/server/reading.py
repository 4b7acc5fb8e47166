"""Runs as they are now, read when a page asks; the last few kept while it asks for their parts."""

import threading
import time
from collections import OrderedDict
from pathlib import Path

from samebit.errors import NotFound, RunNotFound
from samebit.folders.folder import RunFolder, is_run_id
from samebit.folders.read import View, read_run
from samebit.query import index
from samebit.query.watching import journal_bytes

__all__ = ["Reader", "stamp"]

_KEPT = 3  # runs; each may be hundreds of megabytes
_KEPT_S = 20.0


class Reader:
    """Reads runs of a store by their ids."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._kept: OrderedDict[str, tuple[str, float, View]] = OrderedDict()
        self._lock = threading.Lock()  # a page asks for several parts at once: they share a reading

    def folder(self, run: str) -> RunFolder:
        """Where a run lies; RunNotFound where there is none."""
        folder = RunFolder(self.store / "runs" / run)
        if not is_run_id(run) or not folder.path.is_dir():
            raise RunNotFound("there is no such run here", run=run, hint="it may have been deleted")
        return folder

    def view(self, run: str, *, keep: bool = True) -> View:
        """A run as it is now; of many that are compared none is kept."""
        folder = self.folder(run)
        with self._lock:
            now = stamp(folder)
            kept = self._kept.get(run)
            if kept is not None and kept[0] == now:
                return kept[2]
            try:
                view = read_run(folder)
            except NotFound:
                self.folder(run)  # it may have been deleted meanwhile
                raise
            if keep:
                self._kept[run] = (now, time.monotonic(), view)
                self._kept.move_to_end(run)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return view

    def let_go(self) -> None:
        """Forget what was read a while ago."""
        now = time.monotonic()
        with self._lock:
            old = [run for run, (_, at, _) in self._kept.items() if now - at > _KEPT_S]
            for run in old:
                del self._kept[run]


def stamp(folder: RunFolder) -> str:
    """Another one whenever anything was added to a run."""
    executions = " ".join(map(str, folder.claimed()))
    folders = index.stamp(folder.store, folder.id, executions)
    return f"{folders} {journal_bytes(folder.store, folder.id)}"
