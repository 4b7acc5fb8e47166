"""`samebit diff A B --trace --op`: the operation that made two runs part, on a screen."""

import os
from functools import partial
from pathlib import Path

from samebit.cli.verifying import execute
from samebit.cli.words import Screen, visible
from samebit.errors import UsageError
from samebit.folders.find import find_run
from samebit.folders.read import View, read_run
from samebit.replay.locating import Located, locate
from samebit.replay.plan import Plan, make_plan
from samebit.replay.running import refuse_unprotected
from samebit.replay.starting import Ended, Ops, run_again
from samebit.trace.compare import Divergence

__all__ = ["as_data", "look_closely", "say_located"]

_MEANS = {
    "op": "the same went in, and other bits came out: this operation",
    "control flow": "the two did not do the same here",
    "value": "a value that is no tensor differed",
    "generator": "something before it drew another number of times",
    "outside": "the value came from outside of torch: NumPy, a file, Python, other ranks",
}


def look_closely(
    store: Path, first: View, second: View, found: Divergence, *, allow_writes: bool
) -> Located:
    """Run both again and find the operation; UsageError says why one cannot be run."""
    plans = [_plan(store, view) for view in (first, second)]
    for plan in plans:
        refuse_unprotected(plan, allow_writes=allow_writes)
    return locate(plans[0], plans[1], found, partial(_start, allow_writes))


def _plan(store: Path, view: View) -> Plan:
    """Of a replay: what it replayed."""
    if view.record.kind == "replay" and view.record.of:
        view = read_run(find_run(store, view.record.of))
    plan = make_plan(view, os.environ)
    if plan.blockers:
        raise UsageError(
            f"run {view.id} cannot be run again, so its operations cannot be seen",
            why="; ".join(plan.blockers),
        )
    return plan


def _start(allow_writes: bool, plan: Plan, until: int | None, full: bool, ops: Ops | None) -> Ended:
    return run_again(plan, execute, allow_writes=allow_writes, until=until, full=full, ops=ops)


def say_located(located: Located, screen: Screen) -> None:
    """What was found, for people."""
    paint = screen.paint
    for line in located.remarks:
        screen.say(f"  {paint.yellow(visible(line))}")
    found = located.found
    if found is None:
        if located.step is not None and located.operations[0]:
            screen.say(f"  all {located.operations[0]} operations of that step agree")
        return
    screen.say(f"{paint.bold(f'{found.kind}:')} {visible(found.what)}")
    screen.say(f"  {_MEANS[found.kind]}")
    number, (ours, theirs) = found.at + 1, located.operations
    many = f"{ours}" if ours == theirs else f"{ours} and {theirs}"
    screen.say(paint.dim(f"  operation {number} of {many} in {_where(located)}"))


def _where(located: Located) -> str:
    return located.step.where if located.step is not None else "that step"


def as_data(located: Located) -> dict[str, object]:
    """What was found, for programs."""
    found = located.found
    entries = {"a": found.ours, "b": found.theirs} if found is not None else {}
    return {
        "kind": found.kind if found else None,
        "what": found.what if found else None,
        "operation": found.at + 1 if found else None,
        "operations": list(located.operations),
        "step": located.step.step if located.step else None,
        "remarks": list(located.remarks),
        **{
            side: None
            if entry is None
            else {
                "name": entry.name,
                "shapes": list(entry.shapes),
                "scalars": list(entry.scalars),
                "module": entry.module,
                "node": entry.node,
                "line": entry.line,
            }
            for side, entry in entries.items()
        },
    }
