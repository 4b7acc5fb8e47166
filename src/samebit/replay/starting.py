"""One replay: laid out, run in the sandbox, and looked at.

Of a run that was resumed its executions are run one after the other, in one folder and as one run,
each with its own command, code and variables. What starts a command is given.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.launch import landlock
from samebit.replay.doubts import began_elsewhere, checkpoints_to_go_on_from, doubts, why_it_ended
from samebit.replay.executions import Checkpoint, as_given
from samebit.replay.pairs import Pair, compare_part, lacking
from samebit.replay.plan import Plan
from samebit.replay.rebuild import Layout, lay_out_run
from samebit.trace.ops import Entry, read_log

__all__ = ["Ended", "Execute", "Execution", "Ops", "run_again"]

_CONSOLE_TAIL = 2000
_SHORT = "/tmp"  # TMPDIR is what is too long
# The system takes 107 bytes for a name; Python adds pymp-12345678/listener-12345678.
_LONGEST_TMPDIR = 70


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
    goes_on: RunFolder | None = None  # the replay of which this is a further execution
    begins: Mapping[str, Any] = field(
        default_factory=dict[str, Any]
    )  # of a run that was resumed, what its processes are given of it

    @property
    def ops_file(self) -> Path:
        """Where the operations are noted."""
        return self.layout.folder / "ops"


# Starts the recorded command under the recorder; gives the replay's folder once it has ended.
Execute = Callable[[Plan, Execution], RunFolder]


class Ended(Struct, frozen=True):
    """A replay that has ended."""

    view: View
    printed: str
    problems: Sequence[str]  # why it can prove nothing
    layout: Layout
    ops: Sequence[Entry]
    pairs: Sequence[Pair] = ()  # of a run that was resumed, the executions that were run again
    remarks: Sequence[str] = ()  # what those went on from


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
    most: int | None = None,
) -> Ended:
    """Lay a plan out, run it, and read what came of it; see `Execution` and `replay_and_judge`.

    Of a run that was resumed at most `most` executions are run.
    """
    sandboxed = landlock.available() > 0
    plans = _to_run(plan, until, ops)[:most]
    ended: Ended | None = None
    found = _Found()
    with _folder(keep) as folder, _temporary(folder) as temporary:
        console = folder / "console.log"

        def sandbox(run: RunFolder) -> landlock.Ruleset | None:
            if not sandboxed or allow_writes:
                return None
            store = run.store
            own = [folder, temporary, run.path]
            return landlock.build([*own, *(store / name for name in ("objects", "packs", "tmp"))])

        for at, one in enumerate(plans):
            if ended is not None and not _may_go_on(one, ended.view, found, watched=watched):
                break
            before = plans[at - 1] if at else None
            layout = lay_out_run(one, folder, temporary, link=sandboxed, before=before)
            with open(console, "ab") as output:
                wanted = Execution(
                    layout,
                    sandbox,
                    output.fileno(),
                    _until(one, until),
                    watched,
                    full,
                    ops if one is plans[-1] else None,
                    ended.view.folder if ended is not None else None,
                    as_given(one.part, found.going_on) if one.part is not None else {},
                )
                run = execute(one, wanted)
            printed = console.read_text(encoding="utf-8", errors="replace")[-_CONSOLE_TAIL:]
            replayed = read_run(run)
            _look_at(one, layout, replayed, printed, found)
            entries = read_log(wanted.ops_file) if wanted.ops is not None else []
            ended = Ended(replayed, printed, found.problems, layout, entries)
    assert ended is not None  # every plan has an execution
    return replace(ended, pairs=found.pairs, remarks=found.remarks)


class _Found(Struct):
    """What the executions of a replay have shown so far."""

    problems: list[str] = field(default_factory=list[str])
    pairs: list[Pair] = field(default_factory=list[Pair])
    remarks: list[str] = field(default_factory=list[str])
    going_on: Mapping[str, Checkpoint] = field(default_factory=dict[str, Checkpoint])


def _look_at(plan: Plan, layout: Layout, replayed: View, printed: str, found: _Found) -> None:
    """Note what the execution that has just ended was."""
    if plan.part is None:
        found.problems += doubts(plan, layout, replayed, printed)
        return
    newest = replayed.at_execution(replayed.starts[-1].number)
    pair = Pair(plan.part, newest)
    said = [*doubts(plan, layout, newest, printed), *began_elsewhere(pair)]
    found.problems += [f"execution {plan.part.number}: {line}" for line in said]
    found.pairs.append(pair)


def _may_go_on(plan: Plan, replayed: View, found: _Found, *, watched: bool) -> bool:
    """Whether the next execution is begun: those before came to where it begins, and alike.

    Notes what it goes on from, and what stands in the way.
    """
    last, part = found.pairs[-1], plan.part
    if reasons := why_it_ended(last):
        found.problems += reasons
        return False
    if part is None or lacking(last) is not None:
        return False
    if watched and compare_part(last, cut=False).divergence is not None:
        return False
    found.going_on, reasons, others = checkpoints_to_go_on_from(part, replayed)
    if reasons:
        found.problems += reasons
        return False
    for rank, one in found.going_on.items():
        is_recorded = one is part.resumed[rank]
        why = ": its digests are those of the replay's" if is_recorded else ""
        whose = "the run's own" if is_recorded else "the replay's own"
        remark = f"execution {part.number} went on from {whose} {one.name}{why}"
        if remark not in found.remarks:
            found.remarks.append(remark)
    return not (watched and others)


def _to_run(plan: Plan, until: int | None, ops: Ops | None) -> Sequence[Plan]:
    """The executions that have to be run to come to a step."""
    found: list[Plan] = []
    for one in plan.executions:
        bases = one.part.bases if one.part is not None else {}
        main = plan.view.facts.get("main", 0)
        if found and until is not None and bases.get(main, 0) >= until:
            break
        if found and ops is not None and bases.get(ops.optimizer, 0) >= ops.step:
            break
        found.append(one)
    return found


def _until(plan: Plan, until: int | None) -> int | None:
    """The step after which an execution ends: the first that is asked for."""
    own = plan.part.until if plan.part is not None else None
    return min((step for step in (own, until) if step is not None), default=None)


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
