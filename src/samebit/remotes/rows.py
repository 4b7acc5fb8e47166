"""What `samebit ls` shows of runs that are at a remote, without having them here."""

from typing import Any

from samebit import digest, disk, places
from samebit.errors import Damaged, NotFound
from samebit.remotes import bundles, moving
from samebit.remotes.listing import ROWS, list_rows, list_runs
from samebit.remotes.place import Found, Place, RemoteError, read_whole

__all__ = ["read_rows"]

_FORMAT = "samebit-rows 1"
_MOST_BYTES = 64 << 20


def read_rows(place: Place, remote_id: str) -> list[dict[str, Any]]:
    """A row of each run that is there; of one that no row tells of its id alone.

    Each file of rows is read once, and kept in the user's cache.
    """
    ids = list_runs(place)
    listed = list_rows(place)
    newest: dict[str, dict[str, Any]] = {}
    for some in moving.all_of([lambda one=one: _read(place, one, remote_id) for one in listed]):
        newest.update({str(row.get("id")): row for row in some})
    return [newest.get(run, {"id": run, "state": "there"}) for run in ids]


def _read(place: Place, found: Found, remote_id: str) -> list[dict[str, Any]]:
    cached = places.cache_folder() / "remotes" / remote_id / "rows" / found.path.rpartition("/")[2]
    try:
        return _rows(cached.read_bytes())
    except (OSError, Damaged):
        pass
    match = ROWS.fullmatch(found.path)
    if match is None or found.size_bytes > _MOST_BYTES:
        return []
    try:
        file = read_whole(place, found.path, found.size_bytes)
        data = bundles.decode_object(file, match[1])
        rows = _rows(data)
    except (NotFound, RemoteError):
        return []  # a cache: what it would have told is known once the run is pulled
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        disk.replace_cache(cached, data)
    except OSError:
        pass
    return rows


def _rows(data: bytes) -> list[dict[str, Any]]:
    said = digest.from_json(data)
    rows = said.get("rows") if isinstance(said, dict) else None
    if not isinstance(rows, list) or said.get("format") != _FORMAT:
        raise Damaged("rows of another form")
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
