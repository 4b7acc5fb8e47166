"""From a plan to a verdict: lay out, run in the sandbox, see that it was the recorded code, judge.

What starts the command is given; this room knows no session.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import CannotStart, SamebitError
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder, user_name
from samebit.folders.read import View, read_run
from samebit.launch import landlock
from samebit.records import Verdict
from samebit.replay.again import tell_apart
from samebit.replay.grades import RTOL, regrade
from samebit.replay.pairs import main_step
from samebit.replay.plan import Plan, environment_differences
from samebit.replay.rebuild import Layout, lay_out_run
from samebit.replay.verify import judge
from samebit.trace.ops import Entry, read_log

__all__ = [
    "Ended",
    "Execute",
    "Execution",
    "Ops",
    "Replayed",
    "refuse",
    "refuse_rebuilding",
    "refuse_unprotected",
    "replay_and_judge",
    "run_again",
]


class Ops(Struct, frozen=True):
    """The step whose operations are noted."""

    rank: str
    optimizer: int
    step: int


class Execution(Struct, frozen=True):
    """One execution of a plan, as it is to be started."""

    layout: Layout
    sandbox: Callable[[RunFolder], landlock.Ruleset | None]
    output: int  # a descriptor for its console
    until: int | None  # the step after which it ends; None: when it ends by itself
    watched: bool  # whether it ends where it parts from the run
    full: bool = False  # whether every step is traced in full, whatever the run did
    ops: Ops | None = None  # the step whose operations are noted, and after which it ends

    @property
    def ops_file(self) -> Path:
        """Where the operations are noted."""
        return self.layout.folder / "ops"


# Starts the recorded command under the recorder; gives the replay's folder once it has ended.
Execute = Callable[[Plan, Execution], RunFolder]
_CONSOLE_TAIL = 2000
_NAMED = 5  # files in one sentence

_SHORT = "/tmp"  # TMPDIR is what is too long
# The system takes 107 bytes for a name; Python adds pymp-12345678/listener-12345678.
_LONGEST_TMPDIR = 70


class Replayed(Struct, frozen=True):
    """A verdict, with what the replay printed last."""

    verdict: Verdict
    console: str


def refuse(plan: Plan) -> Verdict:
    """The verdict on a run that cannot be run again as it was."""
    return Verdict(
        grade="unknown",
        run=plan.view.id,
        cause=_first_few(plan.blockers),
        differences=plan.differences,
        at_ns=time.time_ns(),
        by=user_name(),
    )


def refuse_rebuilding(plan: Plan, reasons: Sequence[str], likeness: str) -> Verdict:
    """The verdict on a run whose environment cannot be made again; all that is missing is in it."""
    cause = f"its environment cannot be rebuilt: {_first_few(reasons)}"
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
    replayed = first.view
    verdict = judge(
        plan.view,
        replayed,
        differences=environment_differences(plan.view, replayed.facts) if replayed.ranks else (),
        problems=first.problems,
    )
    if again and verdict.grade == "different":
        second = start(until=_step_of(verdict, replayed, steps), watched=False, keep=None)
        verdict = tell_apart(
            plan.view, replayed, second.view, verdict, rebuilt=plan.rebuilt is not None
        )
    if to_the_end and verdict.grade == "different":
        verdict = regrade(plan.view, replayed, verdict, _others(plan.view), rtol)
    around, told = _surroundings(plan)
    variables = {"variables_set": list(plan.changed_variables)}
    verdict = replace(
        verdict,
        scope=(*verdict.scope, *_data(plan), *first.outputs, *around),
        evidence={**verdict.evidence, **variables, **told},
    )
    for run in (plan.view.folder, replayed.folder):
        run.add_note("verdict", verdict)
    return Replayed(verdict, first.printed)


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


class Ended(Struct, frozen=True):
    """A replay that has ended."""

    view: View
    printed: str
    problems: Sequence[str]  # why it can prove nothing
    outputs: Sequence[str]
    ops: Sequence[Entry]


def run_again(
    plan: Plan,
    execute: Execute,
    *,
    allow_writes: bool,
    until: int | None = None,
    watched: bool = False,
    keep: Path | None = None,
    full: bool = False,
    ops: Ops | None = None,
) -> Ended:
    """Lay a plan out, run it, and read what came of it; see `Execution` and `replay_and_judge`."""
    sandboxed = landlock.available() > 0
    with _folder(keep) as folder, _temporary(folder) as temporary:
        layout = lay_out_run(plan, folder, temporary, link=sandboxed)
        console = folder / "console.log"

        def sandbox(run: RunFolder) -> landlock.Ruleset | None:
            if not sandboxed or allow_writes:
                return None
            store = run.store
            own = [folder, temporary, run.path]
            return landlock.build([*own, *(store / name for name in ("objects", "packs", "tmp"))])

        with open(console, "wb") as output:
            wanted = Execution(layout, sandbox, output.fileno(), until, watched, full, ops)
            run = execute(plan, wanted)
        printed = console.read_text(encoding="utf-8", errors="replace")[-_CONSOLE_TAIL:]
        replayed = read_run(run)
        problems = _nothing_joined(plan, replayed)
        problems += [*_other_code(plan, layout, replayed), *_other_data(plan, layout, replayed)]
        if replayed.status != plan.view.status:
            problems += _blocked_write(printed)
        entries = read_log(wanted.ops_file) if ops is not None else []
        return Ended(replayed, printed, problems, _outputs(plan, layout, replayed), entries)


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


@contextmanager
def _temporary(folder: Path) -> Generator[Path]:
    """The replay's TMPDIR: in its folder, or where a socket in it would have too long a name.

    A loader's workers and their trainer meet at sockets there. Where these cannot be made, each
    waits for the other for ever.
    """
    inside = folder / "tmp"
    if len(os.fsencode(inside)) <= _LONGEST_TMPDIR or not os.access(_SHORT, os.W_OK):
        inside.mkdir()
        yield inside
        return
    short = Path(tempfile.mkdtemp(prefix="samebit-", dir=_SHORT))
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="samebit-replay-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _first_few(lines: Sequence[str]) -> str:
    more = len(lines) - _NAMED
    return "; ".join(lines[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _nothing_joined(plan: Plan, replayed: View) -> list[str]:
    """Said of a launcher that could not start the processes which were to record."""
    if replayed.ranks or not plan.view.ranks:
        return []
    program = Path(plan.words[0]).name if plan.how == "command" else "the command"
    end = replayed.end
    how = f" ended with exit code {end.exit_code}" if end and end.exit_code else " ended"
    return [f"the replay recorded nothing: {program}{how} before a process of the run began"]


def _other_code(plan: Plan, layout: Layout, replayed: View) -> list[str]:
    """Sources that the replay loaded and that are not the recorded ones."""
    by_file = {file: content for _, file, content in plan.sources}
    by_file.update({str(plan.root / entry.path): entry.digest for entry in plan.tree.entries})
    by_module = {module: file for module, file, _ in plan.sources if module}
    found = replayed.sources
    problems: list[str] = []
    for module, file, content in found["modules"]:
        original = layout.original(file)
        recorded = by_file.get(original, by_file.get(by_module.get(module, "")))
        if recorded != content and not file.startswith(str(layout.temporary) + os.sep):
            problems.append(f"ran other code: {module or 'a file'} from {original}")
    return [_first_few(problems)] if problems else []


def _other_data(plan: Plan, layout: Layout, replayed: View) -> list[str]:
    """Files that the replay read in place and that are not what the run read there."""
    recorded = {str(item.path): item.kept or item.digest for item in plan.inputs}
    recorded |= {str(plan.root / entry.path): entry.digest for entry in plan.tree.entries}
    made = {str(path) for path in plan.outputs}
    loaded = {file for _, file, _ in replayed.sources["modules"]}
    problems: list[str] = []
    for fact in replayed.all_facts("file"):
        path = fact["path"]
        if fact["how"] != "read" or layout.is_inside(path) or path in loaded:
            continue
        content = fact.get("kept") or fact.get("digest")
        wanted = recorded.get(path)
        if (content and wanted and content != wanted) or (path in made and wanted is None):
            problems.append(f"read other data: {path}")
    return [_first_few(problems)] if problems else []


def _data(plan: Plan) -> list[str]:
    """What is known of the files that the run read."""
    hashed = [item for item in plan.inputs if item.digest or item.kept]
    lines: list[str] = []
    if hashed:
        lines.append(f"data: {len(hashed)} files that were read had the recorded bytes")
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


def _blocked_write(printed: str) -> list[str]:
    """The write that the sandbox held back, if a replay that failed speaks of one at its end."""
    for line in reversed(printed.splitlines()):
        if "Permission denied" in line or "PermissionError" in line:
            return [f"a write outside the replay's folder was held back: {line.strip()[:200]}"]
    return []


def _outputs(plan: Plan, layout: Layout, replayed: View) -> Sequence[str]:
    """How many of the files that the run wrote came out with the same bytes."""
    ours = _written(plan.view)
    theirs = {layout.original(path): name for path, name in _written(replayed).items()}
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
