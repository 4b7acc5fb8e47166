"""The runs that lie at a remote: their rows as they are there, a run's record when it is asked for.

A record is pulled into a store in the user's cache folder, without states, data and code: nothing
comes into the store that the page was opened in.
"""

import threading
import time
from pathlib import Path

from samebit import places
from samebit.digest import canonical_json
from samebit.errors import NotFound, RunNotFound, SamebitError
from samebit.folders.folder import RunFolder
from samebit.objects.store import Store
from samebit.query.index import Row
from samebit.query.watching import Seen
from samebit.remotes import contents, named
from samebit.remotes.pulling import pull
from samebit.remotes.rows import read_rows
from samebit.server.reading import Reader

__all__ = ["There"]

_EVERY_S = 30.0  # a remote is looked at; each look lists it


class There(Reader):
    """A remote, as a source of rows and as a place to read runs from."""

    def __init__(self, store: Path, remote: str) -> None:
        self._remote = named.choose(store, remote)
        self._place = named.open_place(self._remote)
        identity = self._remote.id or "unknown"
        mirror = places.cache_folder() / "remotes" / identity / places.STORE_NAME
        mirror.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(places.make_store(mirror))
        self._rows: dict[str, Row] = {}
        self._pulled: dict[str, bytes] = {}  # by run, the row that it had then
        self._due = 0.0
        self._trouble: SamebitError | None = None
        self._pulling = threading.Lock()

    def look(self) -> Seen:
        """What has changed there; a remote that cannot be reached raises what is wrong with it."""
        if time.monotonic() < self._due:
            if self._trouble is not None:
                raise self._trouble
            return Seen({}, [], [], 0)
        try:
            identity = contents.read_id(self._place)
            if identity is None and self._remote.id:
                raise NotFound("what was pushed there is not there", remote=self._remote.url)
            rows = read_rows(self._place, identity) if identity is not None else []
        except (SamebitError, OSError) as error:
            self._trouble = _as_ours(error, self._remote.name)
            raise self._trouble from error
        finally:
            self._due = time.monotonic() + _EVERY_S
        self._trouble = None
        now = {str(row["id"]): row for row in rows}
        changed = {run: row for run, row in now.items() if self._rows.get(run) != row}
        gone = [run for run in self._rows if run not in now]
        self._rows = now
        return Seen(changed, gone, [], 0)

    def again(self, name: str) -> None:
        """Look there at once."""
        self._due = 0.0

    def folder(self, run: str) -> RunFolder:
        """A run's record, pulled where it is not here as it is there."""
        row = self._rows.get(run)
        if row is None:
            raise RunNotFound("there is no such run at this remote", run=run)
        with self._pulling:
            as_it_is = canonical_json(row)
            if self._pulled.get(run) != as_it_is:
                pulled = pull(Store(self.store), self._place, [run], (), kinds=())
                if run in pulled.failed:
                    raise NotFound(f"this run cannot be fetched: {pulled.failed[run]}", run=run)
                self._pulled[run] = as_it_is
        return super().folder(run)


def _as_ours(error: SamebitError | OSError, remote: str) -> SamebitError:
    what = error.what if isinstance(error, SamebitError) else str(error)
    hint = error.hint if isinstance(error, SamebitError) else None
    return NotFound(f"the remote {remote!r} cannot be read: {what}", hint=hint)
