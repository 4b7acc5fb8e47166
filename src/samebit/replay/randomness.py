"""What was random in a run: whether its replay was given it back, and what that means."""

from collections.abc import Callable
from typing import Any

from samebit.capture.generators import LIBRARIES, drew_its_seed
from samebit.capture.unseeded import find_unseeded, in_words, seeded_libraries
from samebit.folders.read import View

__all__ = ["begins_late", "drawn_in_workers", "given_back", "not_given_back", "unseeded"]

_SEED_IT = "`samebit run --seed N` seeds it"


def unseeded(view: View) -> str:
    """Why a run would not come out the same by itself: what nobody seeded; else empty."""
    seed = view.seed
    if seed is not None:
        return ""
    called = seeded_libraries(view.all_facts, None)
    if "torch" in called if view.trace else called:
        return ""
    lines = [s for s in find_unseeded(view.all_facts, None) if s.at and s.matters == "likely"]
    named = f"; {in_words(lines)}" if lines else ""
    if view.trace:
        return f"the run was never seeded: {_SEED_IT}{named}"
    return f"nobody seeded Python's or NumPy's generators: {_SEED_IT}{named}"


def not_given_back(recorded: View, replayed: View) -> str:
    """What was random in a run and could not be given back to its replay; else empty."""
    if not _was_given(replayed) and (never := unseeded(recorded)):
        return never  # an older record, or two runs of which neither replays the other
    found = find_unseeded(recorded.all_facts, recorded.seed)
    lost = [s.short for s in found if not s.given_back and s.matters != "unlikely"]
    for source in find_unseeded(_only_new(replayed), 0):
        lost.append(f"{source.short}, of which the record has no seed")
    lost += [f"{name}, drawn in workers" for name in drawn_in_workers(recorded)]
    if begins_late(recorded):
        of_torch = [f for f in recorded.all_facts("generator") if f["library"] == "torch"]
        is_back = bool(of_torch) and drew_its_seed(of_torch[0]["state"])
        lost.append("what was drawn before init()" + (", but by torch" if is_back else ""))
    return f"random, and not given back: {', '.join(lost[:5])}" if lost else ""


def drawn_in_workers(recorded: View) -> list[str]:
    """Each `random_state` that nobody gave to what scikit-learn fitted in joblib's workers."""
    config = recorded.facts.get("config")
    told = config.get("sklearn") if isinstance(config, dict) else None
    return [
        f"{name} of {called}"
        for called, one in (told.items() if isinstance(told, dict) else ())
        if isinstance(one, dict)
        for name in one.get("unseeded_in_workers") or ()
    ]


def begins_late(recorded: View) -> bool:
    """Whether what was drawn before the record began is in no record."""
    is_late = recorded.start is not None and recorded.start.how == "init"
    return is_late and recorded.seed is None


def _was_given(replayed: View) -> bool:
    facts = (*replayed.all_facts("generator"), *replayed.all_facts("unseeded"))
    return any(fact.get("given") for fact in facts)


def _only_new(replayed: View) -> Callable[[str], list[Any]]:
    """The generators of a replay for which its run has no seed."""
    new = [fact for fact in replayed.all_facts("unseeded") if fact.get("given") is False]
    return lambda name: new if name == "unseeded" else []


def given_back(recorded: View, replayed: View) -> list[str]:
    """What of the run's randomness its replay was given; part of what the verdict rests on."""
    libraries = [f["library"] for f in replayed.all_facts("generator") if f.get("given")]
    seeded = seeded_libraries(recorded.all_facts, recorded.seed)
    lines: list[str] = []
    names = [name for name in LIBRARIES if name in libraries and name not in seeded]
    if names:
        lines.append(f"given back: how the generators began that nobody seeded: {', '.join(names)}")
    new = [fact for fact in replayed.all_facts("unseeded") if fact.get("given")]
    sources = find_unseeded(lambda name: new if name == "unseeded" else [], 0)
    shown = [source for source in sources if source.matters != "unlikely"]
    if shown:
        lines.append(f"given back: the seeds of {in_words(shown)}")
    for fact in replayed.all_facts("epoch"):
        if fact.get("given"):
            lines.append(f"given back: the state of {', '.join(fact['given'])} of a data loader")
    return list(dict.fromkeys(lines))
