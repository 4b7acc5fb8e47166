"""Which executions of a resumed run are run again, how far each, and what each began from. Pure.

A replay of such a run is one replay with as many executions, in one folder. An execution that a
later one took over is needed as far as the step from which that one went on, and one step more: by
the end of that all is done that was done before it, and nothing that came later.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.folders.read import View
from samebit.folders.steps import last_counts

__all__ = ["Checkpoint", "Found", "Part", "as_given", "bases_of", "parts_of"]


class Checkpoint(Struct, frozen=True):
    """The one that an execution went on from, as it was recorded."""

    name: str
    manifest: str
    count: int


class Part(Struct, frozen=True):
    """An execution that is run again."""

    number: int
    view: View  # of this execution alone
    bases: Mapping[int, int]  # by optimizer, its steps before the first one here
    limits: Mapping[int, int]  # by optimizer: of its steps only those up to here count
    until: int | None  # the step after which it ends; None: when it ends by itself
    counts: Mapping[str, Mapping[int, int]]  # by rank and optimizer: what was there when it began
    resumed: Mapping[str, Checkpoint]  # by rank
    keep: tuple[str, ...] = ()  # the checkpoints that later ones went on from

    @property
    def is_last(self) -> bool:
        """Whether it ends as the run did."""
        return self.until is None


class Found(Struct, frozen=True):
    """The executions of a run: those that are run again, and why others are not."""

    parts: tuple[Part, ...]
    left_out: tuple[str, ...]  # a sentence for each of the others
    blockers: tuple[str, ...]


class _Execution(Struct, frozen=True):
    """What is asked about one execution."""

    number: int
    view: View
    bases: Mapping[int, int]  # by optimizer, where it went on from
    ends: Mapping[int, int]  # by optimizer, its last step
    resumed: Mapping[str, Checkpoint]
    states: frozenset[str]  # manifests of the states that it took
    reads: frozenset[str]
    writes: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a training was recorded."""
        return not (self.ends or self.bases or self.view.metrics)


def parts_of(view: View) -> Found:
    """The executions of a run that a replay consists of.

    An execution is needed where some of its steps or metrics count, where a needed later one went
    on from a checkpoint that it took, or read a file that it wrote; and the last one is.
    """
    main: int = view.facts.get("main", 0)
    every = [_read(view, start.number) for start in view.starts]
    last = max((one.number for one in every if not one.is_empty), default=every[-1].number)
    needed: list[_Execution] = []
    parts: list[Part] = []
    left_out: list[str] = []
    blockers: list[str] = []
    for one in reversed(every):
        limits = _limits([later for later in every if later.number > one.number])
        reason = "" if one.number == last else _not_needed(one, limits, needed)
        if one.number > last or reason:
            left_out.append(f"execution {one.number} not run again: {reason or 'it has no step'}")
            continue
        needed.insert(0, one)
        until = None if one.number == last else _until(one, limits, main, needed[1:])
        if one.number != last and not one.ends and one.view.status not in ("finished", "failed"):
            what = "was ended from outside, and has no steps by which its replay could be ended"
            blockers.append(f"execution {one.number} {what} at the same point")
        names = {found.name for later in needed[1:] for found in later.resumed.values()}
        before = [earlier for earlier in every if earlier.number < one.number]
        parts.insert(
            0,
            Part(
                number=one.number,
                view=one.view,
                bases=one.bases,
                limits=limits,
                until=until,
                counts=_counts(before),
                resumed=one.resumed,
                keep=tuple(sorted(names)),
            ),
        )
    for one in needed:
        if any(one.view.processes(rank) for rank in view.ranks):
            blockers.append(f"in execution {one.number} of several, several Pythons recorded")
    return Found(tuple(parts), tuple(reversed(left_out)), tuple(blockers))


def _read(view: View, number: int) -> _Execution:
    mine = view.at_execution(number)
    is_first = number == view.starts[0].number
    bases = {} if is_first else bases_of(mine)
    resumed: dict[str, Checkpoint] = {}
    for rank in view.ranks:
        found = _resumed(view, mine.at_rank(rank), rank, number)
        if found is not None:
            resumed[rank] = found
    ends: dict[int, int] = {}
    for rows in mine.traces.values():
        for optimizer, count in last_counts(rows).items():
            ends[optimizer] = max(count, ends.get(optimizer, 0))
    files = mine.files
    return _Execution(
        number=number,
        view=mine,
        bases=bases,
        ends=ends,
        resumed=resumed,
        states=frozenset(fact["manifest"] for fact in mine.all_facts("state")),
        reads=frozenset(fact["path"] for fact in files if fact["how"] == "read"),
        writes=frozenset(
            fact["path"] for fact in files if fact["how"] == "write" or fact.get("written")
        ),
    )


def bases_of(execution: View) -> dict[int, int]:
    """By optimizer, after how many steps of the run it stepped first in a later execution."""
    bases: dict[int, int] = {}
    for fact in execution.all_facts("continued"):
        bases.setdefault(fact["optimizer"], fact["count"])
    return bases


def _resumed(whole: View, mine: View, rank: str, number: int) -> Checkpoint | None:
    """The checkpoint that a rank's execution went on from."""
    for fact in mine.all_facts("resumed"):
        return Checkpoint(fact["name"], fact["manifest"], fact["count"])
    # An older record says only after how many steps it was taken.
    for fact in mine.all_facts("continued"):
        if fact["by"] != "checkpoint":
            continue
        earlier = [start.number for start in whole.starts if start.number < number]
        for before in reversed(earlier):
            states = whole.at_execution(before).at_rank(rank).all_facts("state")
            for state in reversed(states):
                of_checkpoint = state["name"].startswith("checkpoint ")
                if of_checkpoint and state.get("count") == fact["count"]:
                    return Checkpoint(state["name"], state["manifest"], fact["count"])
    return None


def _limits(later: Sequence[_Execution]) -> dict[int, int]:
    """By optimizer, the smallest step from which one of these went on."""
    found: dict[int, int] = {}
    for one in later:
        for optimizer, base in one.bases.items():
            found[optimizer] = min(base, found.get(optimizer, base))
    return found


def _not_needed(one: _Execution, limits: Mapping[int, int], needed: Sequence[_Execution]) -> str:
    """Why an execution need not be run again; empty where it must."""
    if any(one.writes & later.reads for later in needed):
        return ""
    if _took_a_checkpoint_of(one, needed):
        return ""
    if one.is_empty:
        return "it recorded no step"
    counts = [
        optimizer
        for optimizer in one.ends
        if one.bases.get(optimizer, 0) < limits.get(optimizer, math.inf)
    ]
    if counts or not one.ends:
        return ""
    return "a later one made all of its steps again"


def _took_a_checkpoint_of(one: _Execution, needed: Sequence[_Execution]) -> bool:
    """Whether one of these went on from a checkpoint that this execution took."""
    return any(found.manifest in one.states for later in needed for found in later.resumed.values())


def _until(
    one: _Execution, limits: Mapping[int, int], main: int, needed: Sequence[_Execution]
) -> int:
    """The main optimizer's step after which an execution ends that a later one took over."""
    end, limit = one.ends.get(main, 0), limits.get(main, math.inf)
    if limit > one.bases.get(main, 0) or _took_a_checkpoint_of(one, needed):
        return int(min(end, limit)) + 1
    return end + 1  # its files alone are wanted, as it left them


def _counts(before: Sequence[_Execution]) -> dict[str, dict[int, int]]:
    """By rank and optimizer, the last step that there was before an execution began."""
    found: dict[str, dict[int, int]] = {}
    for one in before:
        for rank, rows in one.view.traces.items():
            counts = found.setdefault(rank, {})
            for optimizer, base in one.bases.items():
                counts[optimizer] = min(base, counts.get(optimizer, base))
            counts.update(last_counts(rows))
    return found


def as_given(part: Part, going_on: Mapping[str, Checkpoint]) -> dict[str, Any]:
    """What a process of this execution is given of it, as JSON can hold it; by rank.

    Args:
        part: the execution.
        going_on: by rank, the checkpoint that it goes on from here.
    """
    ranks = part.view.ranks
    return {
        "counts": {rank: {"": part.counts.get(rank, {})} for rank in ranks},
        "resumed": {
            rank: {"": {"name": one.name, "manifest": one.manifest, "count": one.count}}
            for rank, one in going_on.items()
        },
        "keep": {rank: {"": list(part.keep)} for rank in ranks},
    }
