"""What each bundle of a run holds, kept in the user's cache: a bundle never changes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from samebit import disk, places
from samebit.errors import Damaged
from samebit.folders.folder import is_run_id
from samebit.remotes import bundles, moving
from samebit.remotes.bundles import Part
from samebit.remotes.listing import BUNDLE
from samebit.remotes.place import Found, Place, read_whole

__all__ = ["Recalled", "read_bundle"]


class Recalled:
    """The parts of the bundles of runs at a remote, each bundle read once."""

    def __init__(self, place: Place, remote_id: str) -> None:
        self._place = place
        self._cache = places.cache_folder() / "remotes" / remote_id / "runs"

    def parts(self, run: str, found: Iterable[Found]) -> dict[str, list[Part]]:
        """Of each bundle of a run its parts, in the order of their times."""
        listed = sorted(found, key=lambda one: one.path)
        known = self.known(run)
        new = [one for one in listed if one.path not in known]
        asked = [lambda one=one: list(_parts(self._place, one)) for one in new]
        learnt = dict(zip((one.path for one in new), moving.all_of(asked), strict=True))
        if learnt:
            self.add(run, learnt)
        return {one.path: {**known, **learnt}[one.path] for one in listed}

    def add(self, run: str, parts: Mapping[str, list[Part]]) -> None:
        """Keep what bundles hold that were just written or read."""
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            whole = msgspec.msgpack.encode({**self.known(run), **parts})
            disk.replace_cache(self._file(run), whole)
        except OSError:
            pass  # they are read again

    def known(self, run: str) -> dict[str, list[Part]]:
        """The parts of those bundles of a run that were read or written before."""
        try:
            return msgspec.msgpack.decode(self._file(run).read_bytes(), type=dict[str, list[Part]])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _file(self, run: str) -> Path:
        return self._cache / run


def read_bundle(place: Place, found: Found) -> bytes:
    """The canonical bytes of a bundle, checked; Damaged, NotFound, RemoteError."""
    match = BUNDLE.fullmatch(found.path)
    if match is None or not is_run_id(match[1]):
        raise Damaged("not the name of a bundle", path=found.path)
    most = bundles.MOST_BYTES + bundles.HEADER_BYTES
    if found.size_bytes > most:
        raise Damaged(f"a bundle of {found.size_bytes:,} bytes", path=found.path)
    try:
        return bundles.decode_object(read_whole(place, found.path, found.size_bytes), match[3])
    except Damaged as error:
        raise Damaged(error.what, remote=place.url, path=found.path, hint=error.hint) from error


def _parts(place: Place, found: Found) -> Iterable[Part]:
    return [part for part, _ in bundles.parts_of(read_bundle(place, found))]
