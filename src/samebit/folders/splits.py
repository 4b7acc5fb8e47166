"""The splits of a run by name, as its journal tells of them."""

from pathlib import Path

from samebit.errors import NotFound, RunNotFound, UsageError
from samebit.folders.data_facts import SplitFact
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run

__all__ = ["GIVEN", "find_split", "open_reference", "splits_of"]

GIVEN = ("given", "recorded")  # methods of splits that the script named itself


def splits_of(view: View) -> dict[str, SplitFact]:
    """The splits that the lowest rank which has one of a name recorded last, oldest first."""
    by_rank: dict[str, dict[str, SplitFact]] = {}
    for rank, fact in view.by_rank("split"):
        by_rank.setdefault(rank, {})[fact["name"]] = fact
    found: dict[str, SplitFact] = {}
    for mine in by_rank.values():
        for name, fact in mine.items():
            found.setdefault(name, fact)
    return found


def find_split(view: View, name: str | None) -> SplitFact:
    """The split of a name; without one the only one, or the only one that the script named.

    Raises:
        NotFound: there is none of that name, or none at all; those there are, are named.
        UsageError: there are several.
    """
    found = splits_of(view)
    if name is not None and name in found:
        return found[name]
    if name is not None or not found:
        what = f"no split {name!r}" if name is not None else "no split"
        names = _names(list(found)) or "none were recorded"
        raise NotFound(f"run {view.id} has {what}", splits=names)
    given = [fact for fact in found.values() if fact["method"] in GIVEN]
    for some in (list(found.values()), given):
        if len(some) == 1:
            return some[0]
    raise UsageError(
        f"run {view.id} has {len(found)} splits",
        splits=_names(list(found)),
        hint=f"name one: {view.id}:{next(iter(found))}",
    )


def open_reference(store: Path, reference: str) -> tuple[View, str | None]:
    """The run and the name of a split that `RUN` or `RUN:NAME` means."""
    run, colon, name = reference.rpartition(":")
    run, name = (run, name.strip()) if colon else (reference, None)
    try:
        return read_run(find_run(store, run)), name
    except RunNotFound as error:
        try:
            return read_run(find_run(store, reference)), None  # a name with a colon in it
        except RunNotFound:
            raise error from None


def _names(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
