"""What `samebit ls` shows of runs that are at a remote, without having them here."""

from collections.abc import Iterable
from typing import Any

from samebit import digest, disk, places
from samebit.errors import Damaged, NotFound, UsageError
from samebit.remotes import bundles, moving
from samebit.remotes.listing import ROWS, list_rows, list_runs, next_ns
from samebit.remotes.place import Found, Place, RemoteError, read_whole

__all__ = ["encode", "find", "gather", "read_rows"]

_FORMAT = "samebit-rows 1"
_MOST_BYTES = 64 << 20
_TOGETHER = 5000  # rows in one file


def read_rows(place: Place, remote_id: str) -> list[dict[str, Any]]:
    """A row of each run that is there; of one that no row tells of its id alone.

    Each file of rows is read once, and kept in the user's cache.
    """
    ids = list_runs(place)
    newest = _newest(_read_all(place, remote_id).values())
    return [newest.get(run, {"id": run, "state": "there"}) for run in ids]


def find(every: list[dict[str, Any]], reference: str, url: str) -> str:
    """The id of the run that a name, an id or the beginning of one means; of rows of a remote.

    Raises:
        NotFound: none of them.
        UsageError: several.
    """
    fits = [row["id"] for row in every if row.get("name") == reference]
    fits = fits or [row["id"] for row in every if row["id"].startswith(reference.lower())]
    if len(fits) == 1:
        return fits[0]
    if fits:
        shown = ", ".join(sorted(fits)[:8])
        raise UsageError(f"{reference!r} fits {len(fits)} runs", runs=shown, hint="give the id")
    raise NotFound(
        f"there is no run, and no data, {reference!r} at the remote",
        remote=url,
        hint="`samebit ls --remote NAME` lists the runs there",
    )


def encode(rows: list[dict[str, Any]], at_ns: int) -> tuple[str, bytes]:
    """The path and the bytes of a file of rows; of two the later one counts."""
    digits, file = bundles.encode_object(digest.canonical_json({"format": _FORMAT, "rows": rows}))
    return f"rows/{at_ns:016x}-{digits}", file


def gather(place: Place, remote_id: str) -> None:
    """Put the rows of the runs that are there into few files, in place of one for each push.

    The caller holds the claim to sweep, so nobody adds any meanwhile.
    """
    files = _read_all(place, remote_id)
    there = set(list_runs(place))
    left = [row for run, row in sorted(_newest(files.values()).items()) if run in there]
    if len(files) <= 1 + len(left) // _TOGETHER:
        return
    at_ns = next_ns(files)
    for at in range(0, len(left), _TOGETHER):
        place.put(*encode(left[at : at + _TOGETHER], at_ns))
    for path in files:
        place.remove(path)


def _read_all(place: Place, remote_id: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each file that can be read, the oldest file first."""
    listed = list_rows(place)
    read = moving.all_of([lambda one=one: _read(place, one, remote_id) for one in listed])
    return {one.path: rows for one, rows in zip(listed, read, strict=True) if rows is not None}


def _newest(files: Iterable[list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {str(row["id"]): row for rows in files for row in rows}


def _read(place: Place, found: Found, remote_id: str) -> list[dict[str, Any]] | None:
    cached = places.cache_folder() / "remotes" / remote_id / "rows" / found.path.rpartition("/")[2]
    try:
        return _rows(cached.read_bytes())
    except (OSError, Damaged):
        pass
    match = ROWS.fullmatch(found.path)
    if match is None or found.size_bytes > _MOST_BYTES:
        return None
    try:
        file = read_whole(place, found.path, found.size_bytes)
        data = bundles.decode_object(file, match[1])
        rows = _rows(data)
    except (NotFound, RemoteError):
        return None  # a cache: what it would have told is known once the run is pulled
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
