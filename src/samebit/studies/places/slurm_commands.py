"""Slurm's commands, and what their answers mean: sbatch, squeue, scancel.

Accounting (sacct) is not asked: many clusters have none, and `squeue` knows of jobs that have ended
for some minutes more.
"""

import getpass
import os
import re
import subprocess
import time
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
# Said of a node that nobody reaches: what runs there may go on.
_OUT_OF_REACH = frozenset({"BOOT_FAIL", "NODE_FAIL", "REVOKED"})
_ENDED = LOST | {"COMPLETED", "FAILED"}
_COLUMNS = ("Name", "ArrayTaskID", "ArrayJobID", "State", "Reason", "exit_code", "NodeList")
_WITHIN_S, _LOOK_S = 120.0, 0.3
# What sbatch says when it is to be asked again: nobody answers, or there are too many jobs now.
_AWAY = ("unable to contact", "timed out", "connection", "communication", "zero bytes", "transport")
_FULL = ("submit", "temporarily", "too many", "maxjob", "job limit", "try again")
_TOO_LONG = ("invalid job array", "array size")
# After which it would ask by itself for two minutes, and nobody could be told why.
_ASKS_AGAIN = ", sleeping and retrying"
# What its commands say where they find no cluster at all.
_NO_CONFIGURATION = ("configuration source", "configuration file")
_NO_CLUSTER = (*_NO_CONFIGURATION, "control machine", "authentication")
_CAUSES = ("munge encode", "parsing error", "cannot stat", "unable to resolve")  # before the end
_BEGINS = re.compile(  # names of programs and of their functions
    r"^(s\w+: )?((error|fatal): )?(\w*_\w+( error)?: )?(Batch job submission failed: )?"
)
_LOGIN = "a study on Slurm is begun where jobs are submitted: on a login node"


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

    @property
    def is_gone(self) -> bool:
        """Whether its node has said that none of its processes is left."""
        return self.is_over and self.state not in _OUT_OF_REACH


class Answer(Struct, frozen=True):
    """What sbatch said."""

    taken: bool
    why: str = ""  # not
    too_many: bool = False  # fewer at a time may be taken; else it is asked again later
    for_good: bool = False  # so many never are


def submit(options: Sequence[str], script: Path) -> Answer:
    """Hand a script to Slurm; CannotStart where it will never be taken."""
    done = _call("sbatch", *options, str(script))
    if done.returncode == 0:
        return Answer(True)
    lines = _said(done)
    text, last = " ".join(lines).lower(), lines[-1].lower()
    if any(sign in last for sign in _TOO_LONG + _FULL):
        is_long = any(sign in last for sign in _TOO_LONG)
        why = lines[-1].removesuffix(_ASKS_AGAIN)
        return Answer(False, why, too_many=True, for_good=is_long)
    if any(sign in text for sign in _AWAY):
        return Answer(False, lines[-1])
    if any(sign in text for sign in _NO_CLUSTER):
        raise _no_cluster(lines)
    raise CannotStart(
        "Slurm does not take the jobs",
        it_said=" | ".join(lines),
        script=script,
        hint='--sbatch "partition=… time=…" gives options to sbatch',
    )


def _no_cluster(lines: Sequence[str]) -> CannotStart:
    """Why nothing can be asked here, by what a command said."""
    causes = (line for line in lines if any(sign in line.lower() for sign in _CAUSES))
    is_without = any(sign in lines[-1].lower() for sign in _NO_CONFIGURATION)
    conf = os.environ.get("SLURM_CONF")
    return CannotStart(
        f"{'no configuration of Slurm works' if is_without else 'Slurm cannot be reached'} here",
        it_said=next(causes, lines[-1]),
        configuration=conf if conf is not None else "Slurm's default: SLURM_CONF is not set",
        hint=f"{_LOGIN}, where `sinfo` answers; there the same command goes on",
    )


def _said(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines of what a command that failed said, without what it begins each with."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    said = [_BEGINS.sub("", line, count=1) for line in lines]
    return said or [f"nothing, and exit code {done.returncode}"]


def queue(names: Sequence[str], *, or_raise: bool = False) -> dict[tuple[str, int], Row] | None:
    """The tasks of arrays, by name and index: those in the queue, and those that ended lately.

    Args:
        names: of the arrays; none: all of this user.
        or_raise: CannotStart, rather than None, where Slurm does not answer.

    Returns None where Slurm does not answer.
    """
    words = ["squeue", f"--user={getpass.getuser()}", "--noheader", "--array", "--states=all"]
    words += [f"--name={','.join(names)}"] if names else []
    done = _call(*words, "--Format=" + ",".join(f"{column}:|" for column in _COLUMNS))
    if done.returncode != 0:
        if or_raise:
            raise _no_cluster(_said(done))
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
        with subprocess.Popen(
            words,
            env=ours,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as child:
            try:
                out, err = _wait(child)
            finally:
                child.kill()  # where this was interrupted
    except FileNotFoundError as error:
        raise CannotStart(f"there is no {words[0]} on this machine", hint=_LOGIN) from error
    texts = [text.decode("utf-8", "replace") for text in (out, err)]
    return subprocess.CompletedProcess(words, child.returncode, *texts)


def _wait(child: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """What a command says; one that only asks again and again, or never ends, is ended."""
    until = time.monotonic() + _WITHIN_S
    while True:
        try:
            return child.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired as waits:
            if _ASKS_AGAIN.encode() in (waits.stderr or b""):
                child.kill()
            elif time.monotonic() > until:
                child.kill()
                child.communicate()
                return b"", b"timed out after %d s" % _WITHIN_S
