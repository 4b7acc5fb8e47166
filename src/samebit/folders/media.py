"""The media of a run, as its journal tells of them: what is there, and what never was written."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from samebit.errors import NotFound
from samebit.folders.data_facts import MediaFact

if TYPE_CHECKING:
    from samebit.folders.read import View

__all__ = ["Logged", "find_media", "logged_media", "media_of", "unwritten"]

_NAMED = 3  # names in one line


class Logged(Struct):
    """What was logged under one name at one step: how many things, and what is known of each.

    Of one that is not there nothing is known; its process ended before it was written.
    """

    of: int
    things: dict[int, MediaFact] = field(default_factory=dict)


def logged_media(view: "View") -> Mapping[tuple[str, int], Logged]:
    """Everything that was logged, by name and step."""
    return _logged(view.by_rank("media"))


def media_of(view: "View") -> dict[str, list[MediaFact]]:
    """The things that have an object, by name, in the order in which they were logged first."""
    found: dict[str, list[MediaFact]] = {}
    for (name, _), logged in logged_media(view).items():
        mine = found.setdefault(name, [])
        mine += [one for _, one in sorted(logged.things.items()) if "object" in one]
    return {name: mine for name, mine in found.items() if mine}


def find_media(view: "View", name: str | None) -> list[MediaFact]:
    """Those of one name, or all; NotFound names those there are."""
    found = media_of(view)
    if name is None:
        return [one for mine in found.values() for one in mine]
    if name not in found:
        names = ", ".join(map(repr, found)) or "none were logged"
        raise NotFound(f"run {view.id} has no media {name!r}", media=names)
    return found[name]


def unwritten(facts: Iterable[tuple[str, Any]]) -> list[str]:
    """A line about what was logged and is not there, for a run that has ended.

    Args:
        facts: of the name `media`, each with its rank.
    """
    steps: dict[str, list[int]] = {}
    count = 0
    for (name, step), logged in _logged(facts).items():
        lacking = logged.of - len(logged.things)
        if lacking:
            count += lacking
            steps.setdefault(name, []).append(step)
    if not count:
        return []
    some = [f"{name!r} at step {mine[0]}" for name, mine in list(steps.items())[:_NAMED]]
    places = sum(map(len, steps.values())) - len(some)
    more = f" and {places:,} more place{'s' if places > 1 else ''}" if places else ""
    are = "1 thing was" if count == 1 else f"{count:,} things were"
    return [
        f"media: {are} logged and not written before the process ended: {', '.join(some)}{more}"
    ]


def _logged(facts: Iterable[tuple[str, Any]]) -> Mapping[tuple[str, int], Logged]:
    """By name and step, as the lowest rank that has a name logged it last."""
    by_rank: dict[str, dict[tuple[str, int], Logged]] = {}
    for rank, fact in facts:
        mine = by_rank.setdefault(rank, {})
        key = fact["name"], fact["step"]
        if "at" not in fact:
            mine[key] = Logged(fact["of"])
        elif "object" in fact or "why" in fact:
            logged = mine.setdefault(key, Logged(fact["of"]))
            if fact["at"] < logged.of:
                logged.things[fact["at"]] = fact
    found: dict[tuple[str, int], Logged] = {}
    of_names: dict[str, str] = {}
    for rank, mine in by_rank.items():
        for key, logged in mine.items():
            if of_names.setdefault(key[0], rank) == rank:
                found[key] = logged
    return found
