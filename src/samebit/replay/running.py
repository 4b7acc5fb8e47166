"""From a plan to a verdict: run it again, judge, and run it once more where it differs.

What starts the command is given; this room knows no session.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import CannotStart, SamebitError
from samebit.folders.find import list_runs
from samebit.folders.folder import DROPPED, user_name
from samebit.folders.read import View, read_run
from samebit.launch import landlock
from samebit.records import Verdict
from samebit.replay.again import tell_apart
from samebit.replay.doubts import first_few, what_to_do
from samebit.replay.grades import RTOL, regrade
from samebit.replay.pairs import main_step
from samebit.replay.plan import Plan, environment_differences
from samebit.replay.rebuild import Layout
from samebit.replay.starting import Ended, Execute, run_again
from samebit.replay.verify import judge

__all__ = [
    "Replayed",
    "refuse",
    "refuse_rebuilding",
    "refuse_unprotected",
    "replay_and_judge",
]


_NAMED = 5  # files in one sentence


class Replayed(Struct, frozen=True):
    """A verdict, with what the replay printed last."""

    verdict: Verdict
    console: str


def refuse(plan: Plan) -> Verdict:
    """The verdict on a run that cannot be run again as it was."""
    return Verdict(
        grade="unknown",
        run=plan.view.id,
        cause=first_few(plan.blockers),
        differences=plan.differences,
        remedies=plan.remedies,
        at_ns=time.time_ns(),
        by=user_name(),
    )


def refuse_rebuilding(plan: Plan, reasons: Sequence[str], likeness: str) -> Verdict:
    """The verdict on a run whose environment cannot be made again; all that is missing is in it."""
    cause = f"its environment cannot be rebuilt: {first_few(reasons)}"
    here = f"`samebit verify {plan.view.id} --env current` runs it with what is here: {likeness}"
    return replace(
        refuse(plan),
        cause=cause,
        remedies=(here,),
        evidence={"environment": {"cannot_be_rebuilt": list(reasons)}},
    )


def replay_and_judge(
    plan: Plan,
    execute: Execute,
    *,
    allow_writes: bool,
    keep_folder: Path | None = None,
    steps: int | None = None,
    to_the_end: bool = False,
    again: bool = True,
    rtol: float = RTOL,
) -> Replayed:
    """Run a planned replay, compare, and run it once more where it came out otherwise.

    Args:
        plan: without blockers.
        execute: starts the command; see `Execute`.
        allow_writes: go on where nothing holds back writes outside the replay's folder.
        keep_folder: a new folder to lay the replay out in, which stays; else a temporary one.
        steps: run only so many, of the main optimizer.
        to_the_end: whether it goes on where it has parted from the run.
        again: whether a difference is run once more, to tell of which kind it is.
        rtol: the tolerance within which a replay that went to its end is close.

    Raises:
        CannotStart: writes cannot be held back, and `allow_writes` was not given; or the command
            could not be started.
    """
    refuse_unprotected(plan, allow_writes=allow_writes)
    start = partial(run_again, plan, execute, allow_writes=allow_writes)
    first = start(until=steps, watched=not to_the_end, keep=keep_folder)
    each = [first]
    replayed = first.view
    verdict = judge(
        plan.view,
        replayed,
        differences=_differences(plan, first),
        problems=first.problems,
        pairs=first.pairs,
    )
    if replayed.status != plan.view.status:
        verdict = replace(verdict, remedies=what_to_do(replayed, allow_writes=allow_writes))
    if again and verdict.grade == "different":
        until, most = _step_of(verdict, replayed, steps), len(first.pairs) or None
        second = start(until=until, watched=False, keep=None, most=most)
        each.append(second)
        verdict = tell_apart(
            plan.view, replayed, second.view, verdict, rebuilt=plan.rebuilt is not None
        )
    if to_the_end and verdict.grade == "different":
        verdict = regrade(plan.view, replayed, verdict, _others(plan.view), rtol)
    around, told = _surroundings(plan)
    variables = {"variables_set": list(plan.changed_variables)}
    verdict = replace(
        verdict,
        scope=(
            *verdict.scope,
            *first.remarks,
            *plan.left_out,
            *_data(plan),
            *_outputs(plan, first.layout, replayed, allow_writes=allow_writes),
            *around,
        ),
        evidence={**verdict.evidence, **variables, **told},
    )
    for run in (plan.view.folder, replayed.folder):
        run.add_note("verdict", verdict)
    for ended in each:
        _let_go(ended.view)
    return Replayed(verdict, first.printed)


def _let_go(replayed: View) -> None:
    """Let go of the checkpoints that a replay kept for its own later executions."""
    for rank in replayed.ranks:
        for name, fact in replayed.at_rank(rank).states.items():
            if name.startswith("checkpoint ") and fact.get("kept") and not fact.get("dropped"):
                said = {"name": name, "manifest": fact["manifest"]}
                replayed.folder.add_note(DROPPED, said)


def _differences(plan: Plan, ended: Ended) -> Sequence[str]:
    """How the replay's packages, interpreter and machine differ from the run's."""
    if not ended.view.ranks:
        return ()
    views = [(pair.recorded, pair.replayed) for pair in ended.pairs] or [(plan.view, ended.view)]
    found = [environment_differences(then, now.facts) for then, now in views]
    return tuple(dict.fromkeys(line for lines in found for line in lines))


def _others(view: View) -> Iterator[View]:
    """The other runs of its store that can be read; each is read when it is asked for."""
    for folder in list_runs(view.folder.store):
        with suppress(SamebitError):
            yield read_run(folder)


def _surroundings(plan: Plan) -> tuple[list[str], dict[str, Any]]:
    """What a verdict says of an environment that was made for it: in words, and as evidence."""
    rebuilt = plan.rebuilt
    if rebuilt is None:
        return [], {}
    told = {
        "python": rebuilt.python,
        "by": rebuilt.by,
        "made_from": rebuilt.key,
        "packages": len(rebuilt.recipe.pins),
        "not_installed": len(rebuilt.recipe.mapped),
        "left_out": list(rebuilt.recipe.left_out),
    }
    return [rebuilt.sentence], {"environment": told}


def refuse_unprotected(plan: Plan, *, allow_writes: bool) -> None:
    """Raise CannotStart where nothing can keep a replay from overwriting the user's files."""
    sandboxed = landlock.available() > 0
    by_daemon = _starts_by_a_daemon(plan)
    held = sandboxed and not by_daemon
    unprotected = [str(path) for path in plan.outputs if _is_unprotected(path, plan, held)]
    if unprotected and not allow_writes:
        why = "; by srun it starts outside of its sandbox" if sandboxed and by_daemon else ""
        raise CannotStart(
            f"this run wrote files that nothing here can keep a replay from writing{why}",
            files=", ".join(unprotected[:5]),
            hint="--allow-writes runs it all the same",
        )


def _step_of(verdict: Verdict, replayed: View, steps: int | None) -> int | None:
    """How far a second replay has to go to show what the first one showed; None: to its end."""
    found = verdict.evidence.get("divergence")
    if found is None:
        return steps
    at = (found["optimizer"], found["step"])
    return main_step(replayed, at, found.get("rank", ""))


def _starts_by_a_daemon(plan: Plan) -> bool:
    """Whether Slurm's daemon starts the processes, and not a process that we hold back."""
    variables = plan.view.facts.get("variables") or {}
    is_task = any(fact.get("launched") for fact in plan.view.all_facts("joined"))
    return plan.how == "command" and (
        Path(plan.words[0]).name == "srun" or (is_task and "SLURM_STEP_ID" in variables)
    )


def _is_unprotected(path: Path, plan: Plan, sandboxed: bool) -> bool:
    if sandboxed:
        return (
            path.is_relative_to("/dev/shm") and path.exists()
        )  # open, for CUDA's and torch's sake
    return not path.is_relative_to(plan.root)


def _data(plan: Plan) -> list[str]:
    """What is known of the files that the run read."""
    hashed = [item for item in plan.inputs if item.digest or item.kept]
    lines: list[str] = []
    if hashed:
        lines.append(f"data: {len(hashed)} files that were read had the recorded bytes")
    for name, count in plan.laid_out.items():
        lines.append(f"data: {count} of them laid out from {name}")
    if len(hashed) < len(plan.inputs):
        others = len(plan.inputs) - len(hashed)
        lines.append(f"data: {others} files that were read had the recorded size and time only")
    for listing in plan.listings:
        if listing.count:
            lines.append(
                f"data: {listing.count} files of {listing.path} had the recorded size and time only"
            )
    for problem in plan.view.all_facts("problem"):
        if problem["what"] == "capture.files":
            lines.append(f"data: not all files are known: {problem['detail']}")
    return lines


def _outputs(plan: Plan, layout: Layout, replayed: View, *, allow_writes: bool) -> Sequence[str]:
    """How many of the files that the run wrote came out with the same bytes.

    A write that was held back has left what the run itself wrote there.
    """
    ours = _written(plan.view)
    theirs = {
        layout.original(path): name
        for path, name in _written(replayed).items()
        if allow_writes or layout.is_inside(path)
    }
    both = [path for path in ours if path in theirs]
    if not both:
        return []
    equal = sum(ours[path] == theirs[path] for path in both)
    return [f"files written: {equal} of {len(both)} have the same bytes (not judged)"]


def _written(view: View) -> dict[str, str]:
    found = [
        (fact["path"], fact.get("digest") if fact["how"] == "write" else fact.get("left"))
        for fact in view.files
    ]
    return {path: name for path, name in found if name}
