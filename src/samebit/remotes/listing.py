"""Which runs and which data lie at a remote, by its listings."""

import re
from collections.abc import Collection

from samebit.folders.folder import is_run_id
from samebit.remotes import moving
from samebit.remotes.place import Found, Place

__all__ = ["BUNDLE", "WORD", "list_bundles", "list_names", "list_runs"]

BUNDLE = re.compile(r"runs/([0-9a-z]{10})/([0-9a-f]{16})-([0-9a-f]{64})")
WORD = re.compile(r"data/([A-Za-z0-9][A-Za-z0-9._-]{0,99})/(\d{20}-[0-9a-f]{8}\.json)")
_ASKED_ONE_BY_ONE = 10  # runs; of more of them all are listed


def list_runs(place: Place) -> list[str]:
    """The ids of the runs that are at a remote; one request for each thousand."""
    return sorted(name for name in place.folders("runs") if is_run_id(name))


def list_names(place: Place) -> list[str]:
    """The names of data of which anything is said there."""
    found = {match[1] for one in place.list("data") if (match := WORD.fullmatch(one.path))}
    return sorted(found)


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
