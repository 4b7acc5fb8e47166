"""How the media of two runs differ; each thing is paired with that of its name, step and place."""

from collections.abc import Callable, Iterator, Mapping

from samebit.folders.data_facts import MediaFact
from samebit.folders.media import Logged, logged_media
from samebit.folders.read import View

__all__ = ["Pair", "differences", "pairs", "place"]

Key = tuple[str, int, int]  # name, step, which of a list
Pair = tuple[MediaFact | None, MediaFact | None]


def pairs(first: View, second: View) -> dict[Key, Pair]:
    """What either has whose bytes follow from the logged values, by step.

    Left out is what one of them logged and did not come to write: nothing is known of it there.
    """
    ours, theirs = logged_media(first), logged_media(second)
    keys = sorted({*_exact(ours), *_exact(theirs)}, key=lambda key: (key[1], key[0], key[2]))
    found: dict[Key, Pair] = {}
    for key in keys:
        if _is_known(ours, key) and _is_known(theirs, key):
            found[key] = _thing(ours, key), _thing(theirs, key)
    return found


def _exact(logged: Mapping[tuple[str, int], Logged]) -> list[Key]:
    return [
        (name, step, at)
        for (name, step), one in logged.items()
        for at, fact in one.things.items()
        if fact.get("exact")
    ]


def _thing(logged: Mapping[tuple[str, int], Logged], key: Key) -> MediaFact | None:
    one = logged.get(key[:2])
    return one.things.get(key[2]) if one is not None else None


def _is_known(logged: Mapping[tuple[str, int], Logged], key: Key) -> bool:
    """Whether it is told what was logged there, or that nothing was."""
    one = logged.get(key[:2])
    return one is None or key[2] >= one.of or key[2] in one.things


def place(step: int, at: int, pair: Pair) -> str:
    """Where a thing was logged: `step 40`, of a list `step 40 (2 of 8)`."""
    of = next((fact["of"] for fact in pair if fact is not None), 1)
    return f"step {step}" + (f" ({at + 1} of {of})" if of > 1 else "")


def differences(
    first: View, second: View, is_volatile: Callable[[str], bool] = lambda _: False
) -> Iterator[str]:
    """A sentence for each name that differs: how much of it, and where first."""
    found: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for (name, step, at), (mine, other) in pairs(first, second).items():
        if is_volatile(name):
            continue
        counts[name] = counts.get(name, 0) + 1
        if mine is None or other is None:
            lacking = "first" if mine is None else "second"
            where = f"{place(step, at, (mine, other))}, which the {lacking} lacks"
        elif mine.get("object") != other.get("object"):
            where = place(step, at, (mine, other))
        else:
            continue
        found.setdefault(name, []).append(where)
    for name, places in found.items():
        yield f"{name}: {len(places)} of {counts[name]} differ, first at {places[0]}"
