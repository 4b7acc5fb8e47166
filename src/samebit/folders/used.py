"""The data that a run says it uses, by name, as its journal tells of it."""

from samebit.errors import NotFound, UsageError
from samebit.folders.data_facts import DataFact
from samebit.folders.read import View

__all__ = ["data_of", "find_data"]


def data_of(view: View) -> dict[str, DataFact]:
    """What the lowest rank which has a name recorded of it last, oldest first."""
    by_rank: dict[str, dict[str, DataFact]] = {}
    for rank, fact in view.by_rank("data"):
        by_rank.setdefault(rank, {})[fact["name"]] = fact
    found: dict[str, DataFact] = {}
    for mine in by_rank.values():
        for name, fact in mine.items():
            found.setdefault(name, fact)
    return found


def find_data(view: View, name: str | None) -> DataFact:
    """What a run says of data of this name; without one the only data that it names.

    Raises:
        NotFound: there is none of that name, or none at all; those there are, are named.
        UsageError: there are several.
    """
    found = data_of(view)
    if name is None and len(found) == 1:
        name = next(iter(found))
    if name is not None and name in found:
        return found[name]
    names = ", ".join(map(repr, found)) or "none was recorded"
    if name is None and found:
        raise UsageError(f"run {view.id} has several data", names=names, hint="name one of them")
    what = f"no data {name!r}" if name is not None else "no data"
    raise NotFound(f"run {view.id} has {what}", names=names)
