"""Which states a run has, and which of them a name means.

A state is named `RUN:STATE`; without the second part its final one is meant. STATE is a name that
`samebit state ls` shows (`final`, `step 0`, `checkpoint 400`), or a step: `400` and `step 400` are
the state that a run began with there, else the checkpoint of that step; `initial` is `step 0`.
"""

import re
from pathlib import Path

from msgspec import Struct

from samebit.errors import NotFound, RunNotFound
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run

__all__ = [
    "FINAL",
    "Stated",
    "find_state",
    "manifests_by_rank",
    "manifests_of",
    "open_state",
    "split_reference",
    "states_of",
]

FINAL = "final"
_INITIAL = frozenset({"initial", "init", "step0", "step-0"})
_STEP = re.compile(r"(?:step[ -]?|checkpoint[ -])?(\d+)")


class Stated(Struct, frozen=True):
    """What a run says of one of its states."""

    name: str
    manifest: str
    rank: str
    step: int | None = None
    optimizer: int | None = None
    size_bytes: int = 0
    kept: bool = True  # False: digests only
    whole: bool = True  # False: of a checkpoint only the modules are left
    dropped: bool = False  # let go of: its bytes are here until the next sweep

    @property
    def is_checkpoint(self) -> bool:
        """Whether training would go on without it: it is neither a beginning nor an end."""
        return self.name.startswith("checkpoint")


def split_reference(reference: str) -> tuple[str, str]:
    """A run and a state out of `RUN:STATE`, at the last colon: a run's name may have one, too."""
    run, colon, state = reference.rpartition(":")
    return (run, state.strip() or FINAL) if colon else (state, FINAL)


def open_state(store: Path, reference: str, rank: str | None = None) -> tuple[View, Stated]:
    """Read the run that `RUN:STATE` names and find the state; NotFound says what there is."""
    run, state = split_reference(reference)
    try:
        view = read_run(find_run(store, run))
    except RunNotFound as error:
        try:
            view, state = read_run(find_run(store, reference)), FINAL  # a name with a colon in it
        except RunNotFound:
            raise error from None
    if rank is not None:
        view = view.at_rank(rank)
    return view, find_state(view, state)


def states_of(view: View) -> list[Stated]:
    """The states of a run as the view shows it, oldest first; those let go of are marked."""
    rank = view.rank or next(iter(view.ranks), "0")
    return [
        Stated(
            name,
            fact["manifest"],
            rank,
            fact.get("step"),
            fact.get("optimizer"),
            fact.get("size_bytes", 0),
            fact.get("kept", True),
            fact.get("whole", True),
            fact.get("dropped", False),
        )
        for name, fact in view.states.items()
    ]


def find_state(view: View, word: str) -> Stated:
    """The state that a word means; NotFound names the states there are."""
    found = {state.name: state for state in states_of(view)}
    for name in (word, *_meant(word)):
        if name in found:
            return found[name]
    of_rank = f" of rank {view.rank}" if view.rank else ""
    raise NotFound(
        f"run {view.id}{of_rank} has no state {word!r}",
        states=", ".join(map(repr, found)) or "none were recorded",
    )


def manifests_by_rank(view: View, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The manifest that each rank of a run has of a state; and of the others, why they have none.

    A view of one rank has that rank's. Where a later execution saved it anew, the ranks that took
    no part in that are in neither.
    """
    ranks = {rank: view.at_rank(rank) for rank in ([view.rank] if view.rank else view.ranks)}
    facts = {rank: of.states[name] for rank, of in ranks.items() if name in of.states}
    latest = max((fact.get("execution", 0) for fact in facts.values()), default=0)
    found: dict[str, str] = {}
    absent: dict[str, str] = {}
    for rank, of in ranks.items():
        if rank in facts and facts[rank].get("execution", 0) == latest:
            found[rank] = facts[rank]["manifest"]
        elif not latest or latest in {fact["execution"] for fact in of.all_facts("joined")}:
            absent[rank] = f"it has recorded no state {name!r}"
    return found, absent


def manifests_of(view: View, name: str) -> list[str]:
    """Every manifest that was given a name, of whichever execution; the last one counts."""
    said = [fact["manifest"] for fact in view.all_facts("state") if fact["name"] == name]
    return list(dict.fromkeys(said))


def _meant(word: str) -> list[str]:
    if word in _INITIAL:
        return ["step 0"]
    step = _STEP.fullmatch(word)
    return [f"step {step[1]}", f"checkpoint {step[1]}"] if step else []
