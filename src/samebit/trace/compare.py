"""Where two runs part: the first step that differs, and the cause in causal order.

A pure function of what was recorded: nothing here knows a file, a process or torch.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.folders.series import Schedule
from samebit.folders.steps import TraceRow, last_counts
from samebit.trace.groups import FULL_ROWS_ONLY, GROUPS, NOT_IN_ALL_ROWS
from samebit.trace.scanning import Scanned, scan

__all__ = ["GROUPS", "Divergence", "Matched", "Side", "compare", "compare_ranks", "in_order"]

# What the first differing group says. `samples` only refines `batch`.
_CAUSES = {
    "batch": "the batch differed: other samples, or other content",
    "input": "the model's input differed",
    "rng.torch": "the torch generator was in another state",
    "rng.cuda": "torch's generator on the GPU was in another state",
    "rng.numpy": "NumPy's global generator was in another state",
    "rng.python": "Python's global generator was in another state",
    "hyper": "a hyper-parameter differed",
    "entering": "the parameters were changed outside the optimizer",
    "output": "the forward pass differed: same input, parameters and generators, other output",
    "loss": "the loss differed",
    "grad.local": "the backward pass differed: same loss, other gradients",
    "grad.raw": "the backward pass differed: same loss, other gradients",
    "grad": "the backward pass differed: same loss, other gradients",
    "param": "the optimizer's update differed: same gradients and hyper-parameters",
    "state": "the optimizer's state differed: same gradients and parameters",
    "buffers": "a buffer of the model differed, and nothing before it",
}
# What is said instead where the row has none of the groups that the sentence speaks of: a loop that
# is not torch's gives what it likes.
_CAUSES_ALONE = {
    "output": (("batch", "input"), "the model's output differed"),
    "loss": (("batch", "input"), "the loss differed"),
    "grad": (("loss",), "the gradients differed"),
    "param": (("grad",), "the parameters differed after the step"),
    "state": (("grad", "param"), "the state differed after the step"),
}
_NAMED = 3  # leaves in one sentence


def _whose(rank: str) -> str:
    return f"rank {rank}" if rank.isdigit() else rank


class Side(Struct, frozen=True):
    """One run's trace, as it was read."""

    rows: Sequence[TraceRow]
    schedules: Callable[[], Sequence[Schedule]]
    initial: Mapping[str, str] | None  # leaf name to digest of the state at step 0
    algorithm: str | None
    # By optimizer and count, of the rows of which it is kept: by group, the digests of the leaves.
    leaves: Callable[[], Mapping[tuple[int, int], Mapping[str, Mapping[str, bytes]]]] = dict
    on_devices: frozenset[str] = frozenset()  # groups of arrays that a device digested


class Divergence(Struct, frozen=True):
    """The first step that differs, and why."""

    step: int  # of that optimizer; 0 is before the first
    cause: str  # a group's name, `init`, or `length`
    what: str  # one sentence
    optimizer: int = 0
    after: int | None = None  # set where only (after, step] is known
    groups: tuple[str, ...] = ()  # every group that differs in that row
    facts: tuple[str, ...] = ()  # what both sides had
    rank: str = ""  # set where more than one was traced; or a process, where a rank was several
    execution: int = 0  # set where the run was resumed: the one in which they part

    @property
    def where(self) -> str:
        """The step in words."""
        text = f"step {self.step}"
        if self.after is not None and self.after + 1 < self.step:
            text = f"between step {self.after} and {self.step}"
        if self.execution:
            text = f"execution {self.execution}, {text}"
        return f"{text} of {_whose(self.rank)}" if self.rank else text


class Matched(Struct, frozen=True):
    """What was compared: rows, and per group how many rows had it on both sides."""

    rows: int
    groups: dict[str, int]
    divergence: Divergence | None
    apart: tuple[str, ...] = ()  # groups that lay on a device in one of the two, not comparable


def compare(ours: Side, theirs: Side, *, cut: bool = False) -> Matched:
    """Find the first difference of two traces.

    Rows match by (optimizer, count); a group counts where both have it. Where the traces were made
    by different algorithms nothing is compared, and `rows` is 0; a group that only one of them has
    from a device is left out. With `cut` the second one was
    ended, or goes on: that it lacks rows is no difference.
    """
    if ours.algorithm != theirs.algorithm:
        return Matched(0, {}, None)
    found = _initial(ours.initial, theirs.initial)
    if found is not None:
        return Matched(0, {}, found)
    apart = ours.on_devices ^ theirs.on_devices
    scanned = scan(ours.rows, theirs.rows, cut=cut, without=apart)
    if scanned.row is None:
        divergence = None
    elif scanned.only_in == "first":
        divergence = _length(scanned.row, "the second run", ours, theirs)
    elif scanned.only_in == "second":
        divergence = _length(scanned.row, "the first run", theirs, ours)
    else:
        divergence = _explain(scanned.row, scanned, ours, theirs)
    return Matched(scanned.compared, scanned.counted, divergence, in_order(apart))


def compare_ranks(
    ours: Mapping[str, Side], theirs: Mapping[str, Side], *, cut: bool = False
) -> Matched:
    """Find the first difference of two runs of several ranks: rank by rank, the earliest step.

    Of ranks that part at the same step that one is told whose cause comes first: what they share
    of their gradients carries one rank's other batch to all of them. A rank that only one of the
    two runs has is a difference at its first step.
    """
    ranks = dict.fromkeys([*ours, *theirs])
    rows, groups, apart = 0, dict[str, int](), set[str]()
    found: list[Divergence] = []
    for rank in ranks:
        if rank in ours and rank in theirs:
            matched = compare(ours[rank], theirs[rank], cut=cut)
        elif cut and rank in ours:
            continue
        else:
            matched = Matched(0, {}, _no_such_rank(rank, ours, theirs))
        rows += matched.rows
        apart.update(matched.apart)
        for name, count in matched.groups.items():
            groups[name] = groups.get(name, 0) + count
        if matched.divergence is not None:
            found.append(replace(matched.divergence, rank=rank if len(ranks) > 1 else ""))
    return Matched(rows, groups, min(found, key=_when_and_why, default=None), in_order(apart))


def in_order(groups: Collection[str]) -> tuple[str, ...]:
    """Groups in causal order."""
    return tuple(name for name in GROUPS if name in groups)


def _when_and_why(found: Divergence) -> tuple[int, int]:
    return found.step, GROUPS.index(found.cause) if found.cause in GROUPS else -1


def _no_such_rank(
    rank: str, ours: Mapping[str, Side], theirs: Mapping[str, Side]
) -> Divergence | None:
    if not all(any(side.rows for side in run.values()) for run in (ours, theirs)):
        return None  # one of them was not traced: not comparable, and no difference
    side, other = (
        (ours[rank], "the second run") if rank in ours else (theirs[rank], "the first run")
    )
    row = side.rows[0]
    what = f"{other} has no trace of {_whose(rank)}"
    return Divergence(row.count, "length", what, optimizer=row.optimizer)


def _initial(ours: Mapping[str, str] | None, theirs: Mapping[str, str] | None) -> Divergence | None:
    if ours is None or theirs is None or ours == theirs:
        return None
    names = [
        n for n in [*ours, *(t for t in theirs if t not in ours)] if ours.get(n) != theirs.get(n)
    ]
    facts = []
    for name in names[:3]:
        if name not in theirs or name not in ours:
            facts.append(f"{name} is only in the {'first' if name in ours else 'second'} run")
        else:
            facts.append(f"{name} differs")
    if len(names) > 3:
        facts.append(f"and {len(names) - 3} more of {len(ours)} arrays")
    what = "the initial state differed, before the first step"
    return Divergence(0, "init", what, groups=("init",), facts=tuple(facts))


def _explain(row: TraceRow, scanned: Scanned, ours: Side, theirs: Side) -> Divergence:
    differing, groups = scanned.differing, scanned.other
    cause = differing[0] if differing[0] != "samples" else differing[-1]
    what = _CAUSES[cause]
    facts: list[str] = []
    rests_on, alone = _CAUSES_ALONE.get(cause, ((), ""))
    if alone and not any(name in row.groups and name in groups for name in rests_on):
        what = alone
    elif cause == "batch" and "samples" in row.groups and "samples" in groups:
        if "samples" not in differing:
            what = "the batch differed: the same samples in another order"
    elif cause == "input" and "batch" in row.groups:
        what += ", though the loader's batch was the same"
    elif cause == "loss":
        what += (
            " though the model's output was the same"
            if "output" in row.groups and "output" in groups
            else ": same input and generators"
        )
    elif cause == "grad" and "grad.raw" in row.groups and "grad.raw" in groups:
        what = "the gradients differed from their clipping on: they were the same before it"
    elif cause in ("grad.raw", "grad") and "grad.local" in row.groups and "grad.local" in groups:
        what = "the gradients differed from their reduction over the ranks on"
        facts.append("before it they were the same on this rank")
    elif cause == "hyper":
        facts = _hyper_facts(row, ours, theirs)
    if cause == "batch" and not any(name.startswith("rng.") for name in differing):
        facts.append("the global generators agree: what chose it has a generator of its own")
    facts += _leaf_facts(row, cause, ours, theirs)
    after = None
    if cause in NOT_IN_ALL_ROWS:
        after = scanned.last.get((row.optimizer, cause), 0)
    return Divergence(
        step=row.count,
        cause=cause,
        what=what,
        optimizer=row.optimizer,
        after=after,
        groups=tuple(differing),
        facts=tuple(facts),
    )


def _leaf_facts(row: TraceRow, cause: str, ours: Side, theirs: Side) -> list[str]:
    """Which leaves of the group differ, where both sides have kept them of this row."""
    if cause not in FULL_ROWS_ONLY:
        return []
    at = (row.optimizer, row.count)
    mine, other = (side.leaves().get(at, {}).get(cause, {}) for side in (ours, theirs))
    differing = [name for name in mine if name in other and mine[name] != other[name]]
    if not differing:
        return []
    more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
    return [f"{len(differing)} of {len(mine)} arrays: {', '.join(differing[:_NAMED])}{more}"]


def _hyper_facts(row: TraceRow, ours: Side, theirs: Side) -> list[str]:
    mine, other = (_in_force(side.schedules(), row.optimizer, row.count) for side in (ours, theirs))
    return [
        f"{name} of parameter group {group}: {mine.get((group, name))!r} in the first run, "
        f"{other.get((group, name))!r} in the second"
        for group, name in sorted({*mine, *other})
        if group >= 0 and repr(mine.get((group, name))) != repr(other.get((group, name)))
    ]


def _in_force(
    schedules: Sequence[Schedule], optimizer: int, count: int
) -> dict[tuple[int, str], Any]:
    values: dict[tuple[int, str], Any] = {}
    for schedule in schedules:  # of processes that have the same step, the last one's
        values |= schedule.at(optimizer, count)
    return values


def _length(row: TraceRow, shorter: str, longer: Side, short: Side) -> Divergence:
    counts = [last_counts(side.rows).get(row.optimizer, 0) for side in (longer, short)]
    return Divergence(
        step=row.count,
        cause="length",
        what=f"{shorter} has no such step",
        optimizer=row.optimizer,
        facts=(f"one run made {counts[0]} steps, the other {counts[1]}",),
    )
