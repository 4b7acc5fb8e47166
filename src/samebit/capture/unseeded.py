"""What was random in a run and nobody seeded: pure, over the run's facts, most weighty first.

How much a source weighs is a guess by who asked: the script's own line, a library that the script
called, or a library that was being imported. Nothing shows what became of the numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.capture.callers import short_place
from samebit.capture.generators import digest_of

__all__ = ["Unseeded", "find_unseeded", "in_words", "seeded_libraries"]

_NAMES = {"python": "Python's", "numpy": "NumPy's", "torch": "torch's"}
_SHOWN = 5
_LIKELY, _MAYBE, _UNLIKELY = "likely", "maybe", "unlikely"
_ORDER = (_LIKELY, _MAYBE, _UNLIKELY)
_LIKE = {"time": "the time", "pid": "the process's id"}
# `torch.Generator.seed()` cannot be heard; it draws 64 bits, and people's own seeds are smaller.
# One that it draws below this is taken for somebody's: one in 2,000.
_DRAWN = 2**53
_FROM_TORCH = 2**63  # what torch's global generator gives as a whole number is below


class Unseeded(Struct, frozen=True):
    """A source of randomness that nobody seeded."""

    what: str  # `default_rng()`, `torch's global generator`, `uuid.uuid4()`
    at: str  # file:line of the script; empty for a global generator
    through: str  # the library's function that asked for the script; empty where it asked itself
    matters: str  # likely | maybe | unlikely: whether a result can depend on it
    given_back: bool  # whether a replay has what it takes to draw the same numbers
    count: int = 1

    @property
    def short(self) -> str:
        """`data.py:41 default_rng()`."""
        where = f"{short_place(self.at)} " if self.at else ""
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{where}{self.what or 'a generator'}{times}"


def find_unseeded(
    facts: Callable[[str], Sequence[Mapping[str, Any]]], seed: int | None
) -> list[Unseeded]:
    """Every unseeded source that the record names, most weighty first.

    Args:
        facts: gives all facts of a name, oldest first, as `View.all_facts` does.
        seed: the one that the run was given by us, if any.
    """
    counts: Counter[Unseeded] = Counter()
    for source in (*_globals(facts, seed), *_loaders(facts, seed), *_moments(facts)):
        counts[source] += 1
    for fact in facts("unseeded"):
        known = fact["seed"] is not None
        weight = _LIKELY if fact["kind"] == "child" else _weight(fact, _LIKELY)
        place = (fact.get("at", ""), fact.get("through", ""))
        counts[Unseeded(fact["what"], *place, weight, known)] += fact.get("count", 1)
    for fact in facts("entropy"):
        weight = _UNLIKELY if fact["what"].startswith("uuid.") else _weight(fact, _MAYBE)
        counts[Unseeded(fact["what"], fact["at"], fact["through"], weight, False)] += 1
    found = [_counted(source, count) for source, count in counts.items()]
    return sorted(found, key=lambda source: _ORDER.index(source.matters))  # else as it came


def seeded_libraries(
    facts: Callable[[str], Sequence[Mapping[str, Any]]], seed: int | None
) -> set[str]:
    """The libraries whose global generator somebody gave a seed."""
    if seed is not None:
        return set(_NAMES)
    return {call["library"] for call in facts("seed_call") if call["value"] is not None}


def in_words(sources: Sequence[Unseeded]) -> str:
    """`2 unseeded generators: data.py:41 default_rng(), model.py:7 random.Random()`; or empty."""
    if not sources:
        return ""
    count = len(sources)
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    shown = ", ".join(source.short for source in sources[:_SHOWN])
    return f"{count} unseeded generator{'s' if count > 1 else ''}: {shown}{more}"


def _globals(
    facts: Callable[[str], Sequence[Mapping[str, Any]]], seed: int | None
) -> list[Unseeded]:
    seeded = seeded_libraries(facts, seed)
    found: list[Unseeded] = []
    for fact in facts("generator"):
        library = fact["library"]
        if library not in _NAMES or library in seeded:
            continue
        later = [e["generators"][library] for e in facts("epoch") if library in e["generators"]]
        moved = any(name != digest_of(fact["state"]) for name in later)
        weight = _LIKELY if library == "torch" or moved else _UNLIKELY if later else _MAYBE
        found.append(Unseeded(f"{_NAMES[library]} global generator", "", "", weight, True))
    return list(dict.fromkeys(found))


def _moments(facts: Callable[[str], Sequence[Mapping[str, Any]]]) -> Iterator[Unseeded]:
    """Seeds that are the clock's, or the process's own number: each run has another."""
    for call in facts("seed_call"):
        if call.get("like"):
            what = f"{call['library']} seeded with {_LIKE.get(call['like'], call['like'])}"
            yield Unseeded(what, call["at"], call.get("through", ""), _LIKELY, False)


def _loaders(
    facts: Callable[[str], Sequence[Mapping[str, Any]]], seed: int | None
) -> Iterator[Unseeded]:
    """Torch's generators that a loader holds and that seeded themselves, by their seeds."""
    is_seeded = "torch" in seeded_libraries(facts, seed)
    heard = [seed, *(call["value"] for call in facts("seed_call"))]
    heard += [fact["seed"] for fact in facts("unseeded")]
    for fact in facts("generator"):
        if isinstance(fact["state"], Mapping):
            heard.append(fact["state"].get("seed"))
    known = {value for value in heard if isinstance(value, int)}
    for fact in facts("epoch"):
        for role, drawn in fact["seeds"].items():
            if isinstance(drawn, int) and drawn >= _DRAWN and drawn not in known:
                known.add(drawn)
                what = f"the data loader's own torch.Generator ({role})"
                # Trainers wrap a loader in one of theirs, and draw its seed from torch's generator.
                kind = str((fact.get("loader") or {}).get("class", ""))
                theirs = is_seeded and drawn < _FROM_TORCH and not kind.startswith("torch.")
                weight = _MAYBE if theirs else _LIKELY
                yield Unseeded(what, fact.get("at", ""), "", weight, role in fact.get("states", {}))


def _weight(fact: Mapping[str, Any], own: str) -> str:
    if fact.get("importing"):
        return _UNLIKELY
    return own if not fact.get("through") else _ORDER[_ORDER.index(own) + 1]


def _counted(source: Unseeded, count: int) -> Unseeded:
    parts = (source.what, source.at, source.through, source.matters, source.given_back)
    return Unseeded(*parts, count)
