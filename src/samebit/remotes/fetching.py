"""Objects from a remote, each asked for once: files of their own, whole packs, or parts of packs.

Several come at the same time. What comes is checked against its name before it is stored.
"""

import os
import threading
from collections.abc import Callable, Iterable

from samebit import digest
from samebit.errors import Damaged, NotFound
from samebit.objects.store import Store
from samebit.remotes import moving
from samebit.remotes.contents import Contents, Packed, object_path
from samebit.remotes.moving import Job, Pace
from samebit.remotes.objects import read_body, read_file
from samebit.remotes.place import Place, read_whole

__all__ = ["Advance", "Fetching"]

_HALF = 0.5

Advance = Callable[[int], object]


class Fetching:
    """What has come of a remote into a store.

    Args:
        store: to where.
        place: from where.
        contents: what there is.
        pace: how fast.
        expects: is told how many bytes more will come.
        advance: is told how many have come.

    Attributes:
        contents: what there is.
        looked_for: raw digests of what is not there, or damaged.
        damaged: why, of those that are.
        objects: how many came.
        size_bytes: how many bytes came.
    """

    def __init__(
        self,
        store: Store,
        place: Place,
        contents: Contents,
        pace: Pace,
        expects: Callable[[int], object],
        advance: Advance,
    ) -> None:
        self.contents = contents
        self.looked_for: set[bytes] = set()
        self.damaged: dict[bytes, str] = {}
        self.objects = 0
        self.size_bytes = 0
        self._store = store
        self._place = place
        self._pace = pace
        self._expects = expects
        self._advance = advance
        self._lock = threading.Lock()

    def fetch(self, raws: set[bytes]) -> None:
        """Have these here, by their raw digests; those that cannot be had are in `looked_for`."""
        contents = self.contents
        self.looked_for |= contents.learn_of(raws)
        packed: dict[str, list[Packed]] = {}
        jobs: list[Job] = []
        for raw in raws:
            if raw in contents.files:
                size = contents.files[raw]
                jobs.append(Job(size, lambda raw=raw, size=size: self._fetch_file(raw, size)))
            elif raw in contents.packed:
                one = contents.packed[raw]
                packed.setdefault(one.pack.path, []).append(one)
        for some in packed.values():
            size = self._pack_bytes(some)
            jobs.append(Job(size, lambda some=some, size=size: self._fetch_pack(some, size)))
        self._expects(sum(job.size_bytes for job in jobs))
        moving.move(jobs)

    def _pack_bytes(self, some: list[Packed]) -> int:
        """How many bytes come of a pack: all, or those that are wanted where they are few."""
        pack = some[0].pack
        wanted = sum(one.entry.stored for one in some)
        whole = not self._place.guarantees.ranges or wanted >= _HALF * pack.size_bytes
        return pack.size_bytes if whole else wanted

    def _fetch_file(self, raw: bytes, size_bytes: int) -> None:
        self._pace.wait(size_bytes)
        try:
            body = read_file(self._place, raw, size_bytes)
        except NotFound as error:
            self._hurt([raw], object_path(raw.hex()), error)
            return
        self._store.write_object(digest.name_of(raw), body.encoding, body.stored, body.size)
        self.came(size_bytes, 1)

    def _fetch_pack(self, some: list[Packed], size_bytes: int) -> None:
        pack = some[0].pack
        name = pack.path.rpartition("/")[2]
        self._pace.wait(size_bytes)
        try:
            if size_bytes == pack.size_bytes:
                data = read_whole(self._place, pack.path, size_bytes)
                self._store.write_whole_pack(name, data)
            else:
                bodies = [read_body(self._place, one) for one in some]
                self._store.write_bodies(sorted(bodies), os.path.splitext(name)[1])
        except NotFound as error:
            self.contents.forget(pack)
            self._hurt([one.entry.digest for one in some], pack.path, error)
            return
        self.came(size_bytes, len(some))

    def _hurt(self, raws: Iterable[bytes], path: str, error: NotFound) -> None:
        """Nothing of it is stored, and it is not asked for again; some is listed, and is gone."""
        with self._lock:
            for raw in raws:
                self.looked_for.add(raw)
                if isinstance(error, Damaged):
                    why = f"{path} at the remote is damaged: {error.what}"
                    self.damaged[raw] = f"{why}; `samebit remote repair` where it is whole mends it"

    def came(self, size_bytes: int, objects: int = 0) -> None:
        """Count something that has come, and say so."""
        with self._lock:
            self.size_bytes += size_bytes
            self.objects += objects
            self._advance(size_bytes)
