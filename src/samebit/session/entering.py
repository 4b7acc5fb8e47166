"""How a process comes into the run that `samebit run` started it for, and as what.

`samebit run` names the run in SAMEBIT_RUN (its folder), SAMEBIT_EXECUTION, and, for a replay,
SAMEBIT_RATES and SAMEBIT_SEEDS (a file). What is to end before its time has SAMEBIT_UNTIL (a step),
SAMEBIT_STOP (a file: when it is there), SAMEBIT_OPS (a step whose operations are noted). A Python
that it starts joins and writes its pid to SAMEBIT_PID; a rank of a launcher joins by its own RANK;
other children of what joined do not (`ranks.py`).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from samebit import places
from samebit.capture import console, parsing
from samebit.errors import SamebitError, in_a_line
from samebit.folders.folder import RunFolder
from samebit.session import resuming, spawned
from samebit.session.beginning_here import begin_first_job, begin_next_job
from samebit.session.ends import Ends, OpsWanted
from samebit.session.process import end_job, ends_with_the_process, here, leave
from samebit.session.ranks import (
    Role,
    find_around,
    find_role,
    is_spawned,
    opens_files,
    program,
)
from samebit.session.recording import Recording
from samebit.session.watching import watch_child
from samebit.trace.budget import Rate

__all__ = ["enter", "meet_rank"]


def enter() -> None:
    """Join the run that `samebit run` started this process for; called before the script."""
    role = find_role(os.environ, sys.orig_argv, os.getpid())
    run, execution = os.environ["SAMEBIT_RUN"], os.environ["SAMEBIT_EXECUTION"]
    if role is not None:
        _join(role, run, execution)
        return
    if "SAMEBIT_PID" in os.environ and opens_files(sys.orig_argv):
        _watch_child(int(os.environ["SAMEBIT_PID"]))
        parsing.watch_jobs(lambda found: begin_first_job(found, run, execution))
    spawned.tell_rank(lambda rank: _join_spawned(rank, run, execution))


def meet_rank() -> None:
    """Have a process that multiprocessing made of what `init()` records join once it is a rank.

    Called where a script, or a door, comes to us in it: under `samebit run` `enter` did so before.
    """
    found = find_around(os.environ)
    if found is not None:
        spawned.tell_rank(lambda rank: _join_spawned(rank, *found))


def _join_spawned(rank: int, run: str, execution: str) -> None:
    """Join as a rank that the script made; it runs already, so nothing of ours may stop it."""
    if here.supervised is None:
        os.environ["SAMEBIT_OR_RUN_ANYWAY"] = "1"
        _join(Role(str(rank), launched=True), run, execution, begun=True)


def _join(role: Role, run: str, number: str, *, begun: bool = False) -> None:
    claimed: tuple[RunFolder, int] | None = None
    try:
        folder, execution = RunFolder(Path(run)), int(number)
        claimed = folder, execution
        os.environ["SAMEBIT_PID"] = str(os.getpid())
        if role.launched:
            os.environ["SAMEBIT_AS_RANK"] = "1"
        part = folder.claim_rank(execution, role.rank)
        process = folder.claim_process(execution, role.rank, program(sys.orig_argv))
        start = folder.start(execution)
        went_before = execution > 1 or role.restart > 0
        left = resuming.left_by(folder, role.rank) if went_before else None
        given = _given_back(role.rank, process)
        if left is not None and given is not None and execution > 1:
            left = resuming.as_recorded(left, given)
        recording = Recording(
            folder,
            execution,
            places.read_settings(folder.store),
            rank=role.rank,
            rates=_rates(role.rank),
            # One that has begun has drawn already, and may have seeded.
            given=None if begun else given,
            left=left,
            ends=_ends(),
            keep=(given or {}).get("keep") or (),
        )
        joined = {"rank": role.rank, "execution": execution, "part": part, "process": process}
        recording.writer.fact(
            "joined", {**joined, "launched": role.launched, "restart": role.restart}
        )
    except Exception as error:
        if claimed is not None:
            problem = {"what": "nothing was recorded", "detail": in_a_line(error)}
            leave(*claimed, role.rank, [problem])
        _cannot_record(error)
        return
    here.active = here.supervised = recording
    here.role = role
    recording.next_job, recording.job_over = begin_next_job, end_job
    ends_with_the_process()
    # One that has begun may have seeded itself, and that wins.
    recording.begin(seed=None if begun else start.seed, deterministic=start.deterministic)


def _watch_child(keeper: int) -> None:
    try:
        watch_child(keeper, is_worker=is_spawned(sys.orig_argv))
    except Exception as error:
        sys.stderr.write(f"samebit: what this process opens is not recorded: {error}\n")


def _given_back(rank: str, process: str) -> Any:
    """What a replay gives back of its run's randomness; None where this is no replay."""
    path = os.environ.get("SAMEBIT_SEEDS")
    if path is None:
        return None
    given = json.loads(Path(path).read_bytes())
    return {name: _of_process(value, rank, process) for name, value in given.items()}


def _of_process(value: Any, rank: str, process: str) -> Any:
    if not isinstance(value, dict):
        return value
    by_process = value.get(rank, {})
    return by_process.get(process, by_process.get(""))  # "": the rank was one process


def _rates(rank: str) -> dict[tuple[int, int], Rate] | None:
    """The recorded sampling that a replay takes; None where this is none."""
    if "SAMEBIT_RATES" not in os.environ:
        return None
    by_rank = json.loads(os.environ["SAMEBIT_RATES"])
    return {(optimizer, count): (k, data) for optimizer, count, k, data in by_rank.get(rank, ())}


def _ends() -> Ends | None:
    """When this process is to end before its script does."""
    until, file = os.environ.get("SAMEBIT_UNTIL"), os.environ.get("SAMEBIT_STOP", "")
    ops = os.environ.get("SAMEBIT_OPS")
    if not (until or file or ops):
        return None
    return Ends(int(until) if until else None, file, OpsWanted(**json.loads(ops)) if ops else None)


def _cannot_record(error: Exception) -> None:
    """Before the script's first line, trouble stops; unless told otherwise."""
    text = str(error) if isinstance(error, SamebitError) else f"{type(error).__name__}: {error}"
    said = f"samebit: this run cannot be recorded: {text}\n"
    if os.environ.get("SAMEBIT_OR_RUN_ANYWAY"):
        console.say(said + "samebit: running it anyway, as you said")
        return
    console.say(said + "hint: `samebit run --or-run-anyway …` runs it without a record")
    os._exit(125)
