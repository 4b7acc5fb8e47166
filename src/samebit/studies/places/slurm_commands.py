"""Slurm's commands, and what their answers mean: sbatch, squeue, scancel.

Accounting (sacct) is not asked: many clusters have none, and `squeue` knows of jobs that have ended
for some minutes more.
"""

import getpass
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from samebit.errors import CannotStart

__all__ = ["LOST", "Answer", "Row", "cancel", "queue", "submit"]

# Ended by something that its script has no part in; what ends otherwise is COMPLETED or FAILED.
LOST = frozenset(
    {"BOOT_FAIL", "CANCELLED", "DEADLINE", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED"}
    | {"TIMEOUT"}
)
_ENDED = LOST | {"COMPLETED", "FAILED"}
_COLUMNS = ("Name", "ArrayTaskID", "ArrayJobID", "State", "Reason", "exit_code", "NodeList")
_WITHIN_S = 120.0
# What sbatch says when it is to be asked again: nobody answers, or there are too many jobs now.
_AWAY = ("unable to contact", "timed out", "connection", "communication", "zero bytes", "transport")
_FULL = ("submit", "temporarily", "too many", "maxjob", "job limit", "try again")
_TOO_LONG = ("invalid job array", "array size")


class Row(Struct, frozen=True):
    """A task of an array, as the queue has it."""

    name: str  # of its array
    array: int  # the job id of that
    index: int
    state: str  # PENDING, RUNNING, TIMEOUT …
    reason: str  # why it waits or failed; "None" where there is none
    exit_code: int
    nodes: str

    @property
    def id(self) -> str:
        """As Slurm's commands take it."""
        return f"{self.array}_{self.index}"

    @property
    def is_over(self) -> bool:
        """Whether it will not be started or started again."""
        return self.state in _ENDED


class Answer(Struct, frozen=True):
    """What sbatch said."""

    taken: bool
    why: str = ""  # not
    too_many: bool = False  # fewer at a time may be taken; else it is asked again later


def submit(options: Sequence[str], script: Path) -> Answer:
    """Hand a script to Slurm; CannotStart where it will never be taken."""
    done = _call("sbatch", *options, str(script))
    if done.returncode == 0:
        return Answer(True)
    said = done.stderr.strip() or done.stdout.strip()
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in said.splitlines()]
    last = lines[-1].removeprefix("Batch job submission failed: ") if lines else ""
    low = last.lower()
    if any(sign in low for sign in _TOO_LONG + _FULL):
        return Answer(False, last, too_many=True)
    if any(sign in low for sign in _AWAY):
        return Answer(False, last)
    raise CannotStart(
        "Slurm does not take the jobs",
        it_said=" | ".join(lines) or f"nothing, and exit code {done.returncode}",
        script=script,
        hint='--sbatch "partition=… time=…" gives options to sbatch',
    )


def queue(names: Sequence[str]) -> dict[tuple[str, int], Row] | None:
    """The tasks of arrays, by name and index: those in the queue, and those that ended lately.

    Args:
        names: of the arrays; none: all of this user.

    Returns None where Slurm does not answer.
    """
    words = ["squeue", f"--user={getpass.getuser()}", "--noheader", "--array", "--states=all"]
    words += [f"--name={','.join(names)}"] if names else []
    done = _call(*words, "--Format=" + ",".join(f"{column}:|" for column in _COLUMNS))
    if done.returncode != 0:
        return None
    found: dict[tuple[str, int], Row] = {}
    for line in done.stdout.splitlines():
        name, index, array, state, reason, code, nodes, *_ = [*line.strip().split("|"), *" " * 7]
        if index.isdecimal() and array.isdecimal():
            exit_code = os.waitstatus_to_exitcode(int(code)) if code.isdecimal() else 0
            row = Row(name, int(array), int(index), state, reason, exit_code, nodes)
            found[name, row.index] = row
    return found


def cancel(ids: Sequence[str], *, at_once: bool) -> bool:
    """End jobs: SIGTERM to their processes, or SIGKILL; False where Slurm does not answer."""
    how = ["--full", "--signal=KILL"] if at_once else []
    done = _call("scancel", *how, *ids)
    return done.returncode == 0 or not any(sign in done.stderr.lower() for sign in _AWAY)


def _call(*words: str) -> "subprocess.CompletedProcess[str]":
    """Call one, in a session of its own: a Ctrl-C is not to reach it in the middle of its work."""
    ours = {
        name: value
        for name, value in os.environ.items()
        # Those of a job in which we are ourselves are not of the jobs that are submitted.
        if not name.startswith("SLURM_") or name in ("SLURM_CONF", "SLURM_CLUSTERS")
    }
    try:
        return subprocess.run(
            words,
            env=ours,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN_S,
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotStart(
            f"there is no {words[0]} on this machine",
            hint="a study on Slurm is begun where jobs are submitted: on a login node",
        ) from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"timed out after {_WITHIN_S:.0f} s")
