"""Which operation made two runs part: both are run again, and one step is looked at closely.

The steps before are equal, which their fingerprints confirm; so no state has to be had. Where a run
does not come out again as it did, the two new executions are compared with one another.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from samebit.folders.read import View
from samebit.replay.pairs import compare_traces, main_step, rank_of
from samebit.replay.plan import Plan
from samebit.replay.starting import Ended, Ops
from samebit.trace.compare import Divergence
from samebit.trace.op_compare import Found, compare_ops

__all__ = ["Located", "locate"]

_MOST_TRIES = 4

# Runs a plan again: until a step, in full or not, noting a step's operations or not.
Start = Callable[[Plan, int | None, bool, Ops | None], Ended]


class Located(Struct, frozen=True):
    """What looking at one step has shown."""

    step: Divergence | None  # where the two new executions part; None: nowhere
    found: Found | None  # the first operation that differs
    operations: tuple[int, int]  # of that step, how many were noted of each
    remarks: tuple[str, ...]  # what did not come out as it was recorded


def locate(first: Plan, second: Plan, found: Divergence, start: Start) -> Located:
    """Run both again as far as they part, and compare the operations of that step.

    Args:
        first: of the one run.
        second: of the other.
        found: where they part, as they were recorded.
        start: runs a plan again.
    """
    plans, views = (first, second), (first.view, second.view)
    remarks: list[str] = []
    if found.cause == "length":
        return Located(found, None, (0, 0), ("one of the two has no such step",))
    if found.after is not None and found.after + 1 < found.step:
        at = (found.optimizer, found.step)
        again = [start(plan, main_step(plan.view, at, found.rank), True, None) for plan in plans]
        exact = _parting(again)
        if exact is None:
            return Located(None, None, (0, 0), (_nowhere(found),))
        found = exact
    for _ in range(_MOST_TRIES):
        ops = Ops(rank_of(found.rank), found.optimizer, max(1, found.step))
        again = [start(plan, None, True, ops) for plan in plans]
        for ended in again:
            remarks += [line for line in ended.problems if line not in remarks]
        exact = _parting(again)
        if exact is not None and exact.step < found.step:
            found = exact  # run to run: this time they part earlier
            continue
        remarks += _not_as_recorded(views, again)
        logs = [ended.ops for ended in again]
        if not all(logs):
            remarks.append("no operation of torch was noted in that step")
        parted = compare_ops(*logs)
        if exact is None and parted is None:
            remarks.append(_nowhere(found))
        return Located(exact, parted, (len(logs[0]), len(logs[1])), tuple(remarks))
    return Located(found, None, (0, 0), ("they part at another step each time",))


def _parting(again: Sequence[Ended]) -> Divergence | None:
    return compare_traces(again[0].view, again[1].view, cut=True).divergence


def _nowhere(found: Divergence) -> str:
    return f"run again here, both came out the same as far as step {found.step}"


def _not_as_recorded(views: Sequence[View], again: Sequence[Ended]) -> list[str]:
    lines: list[str] = []
    for view, ended in zip(views, again, strict=True):
        other = compare_traces(view, ended.view, cut=True).divergence
        if other is not None:
            lines.append(f"{view.id}, run again, is not as it was recorded: {other.where}")
    return lines
