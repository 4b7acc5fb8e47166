"""What lies at a remote, by its listings: runs and their bundles, names of data, rows."""

import re
import time
from collections.abc import Collection, Iterable

from samebit.errors import Damaged
from samebit.folders.folder import is_run_id
from samebit.remotes import moving
from samebit.remotes.place import Found, Place, read_whole

__all__ = [
    "BUNDLE",
    "ROWS",
    "WORD",
    "list_bundles",
    "list_names",
    "list_rows",
    "list_runs",
    "next_ns",
    "read_word",
    "time_of",
]

BUNDLE = re.compile(r"runs/([0-9a-z]{10})/([0-9a-f]{16})-([0-9a-f]{64})")
ROWS = re.compile(r"rows/[0-9a-f]{16}-([0-9a-f]{64})")
WORD = re.compile(r"data/([A-Za-z0-9][A-Za-z0-9._-]{0,99})/(\d{20}-[0-9a-f]{8}\.json)")
_ASKED_ONE_BY_ONE = 10  # runs; of more of them all are listed
_MOST_WORD_BYTES = 1 << 20
_LAST_NS = (1 << 64) - 1


def list_runs(place: Place) -> list[str]:
    """The ids of the runs that are at a remote; one request for each thousand."""
    return sorted(name for name in place.folders("runs") if is_run_id(name))


def list_names(place: Place) -> list[str]:
    """The names of data of which anything is said there."""
    found = {match[1] for one in place.list("data") if (match := WORD.fullmatch(one.path))}
    return sorted(found)


def list_rows(place: Place) -> list[Found]:
    """The files of rows, oldest first."""
    found = (one for one in place.list("rows") if ROWS.fullmatch(one.path))
    return sorted(found, key=lambda one: one.path)


def list_bundles(place: Place, runs: Collection[str]) -> dict[str, list[Found]]:
    """Of each run its bundles: by one listing of all where many are asked for."""
    found: dict[str, list[Found]] = {run: [] for run in runs}
    if len(found) <= _ASKED_ONE_BY_ONE:
        asked = [lambda run=run: list(place.list(f"runs/{run}")) for run in found]
        listed = [one for some in moving.all_of(asked) for one in some]
    else:
        listed = list(place.list("runs"))
    for one in listed:
        match = BUNDLE.fullmatch(one.path)
        if match and match[1] in found:
            found[match[1]].append(one)
    return found


def read_word(place: Place, found: Found) -> bytes:
    """What was said of a version of data; NotFound, and Damaged where it is far too long."""
    if found.size_bytes > _MOST_WORD_BYTES:
        raise Damaged("a record of data that is far too large", path=found.path)
    return read_whole(place, found.path, found.size_bytes)


def time_of(path: str) -> int:
    """The nanoseconds in the name of a bundle, or of rows."""
    return int(path.rpartition("/")[2].partition("-")[0], 16)


def next_ns(paths: Iterable[str]) -> int:
    """A time for a new name beside these: now, but behind them all, whatever clocks they are of."""
    return min(_LAST_NS, max([time.time_ns(), *(time_of(path) + 1 for path in paths)]))
