"""Which processes of a batch system or of MPI are one run, and how they agree on it.

`srun samebit run train.py` starts a supervisor for each task, and none knows the others. Rank 0
begins the run and publishes it as `jobs/<key>-<turn>` in the store; the others wait for that file.
The turn counts the commands that a rank has run within one job step, so that the second
`samebit run` of a task meets the second of rank 0.
"""

import itertools
import os
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from samebit import disk
from samebit.launch import alive

__all__ = ["Job", "find_job", "find_launched", "publish", "read", "requeued", "take_turn", "wait"]

_WAIT_S = 120.0  # for rank 0: its node may be the slowest
_POLL_S = 0.05
_FRESH_S = 3600.0  # by the file server's clock; what is older is of another job with this name
_UNSAFE = re.compile(r"[^a-z0-9.-]+")


class Job(Struct, frozen=True):
    """One process's place in a job."""

    name: str  # for people
    key: str  # the same for all processes of the job, and for no other job
    rank: int
    ranks: int
    restart: int = 0
    restarts_go_on: bool = False  # a launcher that starts its ranks again means the same run


def find_job(environ: Mapping[str, str]) -> Job | None:
    """The job in which a supervisor is one of several; None where there is none."""
    # Slurm last: an mpirun starts one process on each further node by `srun`, and what that one
    # starts has Slurm's variables of it, which count nodes.
    for found in (_open_mpi(environ), _pmi(environ), _slurm(environ)):
        if found is not None and found.ranks > 1:
            return found
    return None


def requeued(environ: Mapping[str, str]) -> Job | None:
    """The job as the batch system names it when it starts it again, also of a single process."""
    return _slurm(environ)


def find_launched(environ: Mapping[str, str]) -> Job | None:
    """The launcher's job of which this process is a rank, for `init()` without `samebit run`."""
    rank, ranks = _number(environ, "RANK"), _number(environ, "WORLD_SIZE")
    if rank is not None and ranks and _number(environ, "LOCAL_RANK") is not None:
        restart = _number(environ, "TORCHELASTIC_RESTART_COUNT") or 0
        if _number(environ, "GROUP_WORLD_SIZE") in (None, 1):
            key = _of_parent()
        else:
            named = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
            key = "-".join(environ.get(name, "") for name in named)
        job = Job("torchrun", _safe(f"torch-{key}"), rank, ranks, restart, restarts_go_on=True)
        return job if ranks > 1 else None
    return find_job(environ)


def _slurm(environ: Mapping[str, str]) -> Job | None:
    job, step = environ.get("SLURM_JOB_ID"), environ.get("SLURM_STEP_ID")
    if not job:
        return None
    rank, ranks = _number(environ, "SLURM_PROCID"), _number(environ, "SLURM_STEP_NUM_TASKS")
    # A batch script has SLURM_PROCID, too; only the tasks of a step have the step's variables.
    if not step or rank is None or not ranks:
        step, rank, ranks = "batch", 0, 1
    restart = _number(environ, "SLURM_RESTART_COUNT") or 0
    cluster = environ.get("SLURM_CLUSTER_NAME", "")
    name = f"Slurm job {job}" + ("" if step == "batch" else f".{step}")
    return Job(name, _safe(f"slurm-{cluster}-{job}-{step}"), rank, ranks, restart)


def _open_mpi(environ: Mapping[str, str]) -> Job | None:
    rank = _number(environ, "OMPI_COMM_WORLD_RANK")
    ranks = _number(environ, "OMPI_COMM_WORLD_SIZE")
    job = environ.get("PMIX_NAMESPACE") or environ.get("OMPI_MCA_ess_base_jobid")
    if rank is None or not ranks:
        return None
    return Job("an MPI job", _safe(f"openmpi-{job or _of_parent()}"), rank, ranks)


def _pmi(environ: Mapping[str, str]) -> Job | None:
    rank, ranks = _number(environ, "PMI_RANK"), _number(environ, "PMI_SIZE")
    if rank is None or not ranks:
        return None
    if (step := _slurm(environ)) is not None and step.ranks > 1:
        return replace(step, rank=rank, ranks=ranks)  # `srun --mpi=pmi2`, or mpirun by way of it
    # Nothing in the variables names the job; on one machine the process that started us does.
    return Job("an MPI job", _safe(f"pmi-{environ.get('PMI_PORT') or _of_parent()}"), rank, ranks)


def _of_parent() -> str:
    pid = os.getppid()
    return f"{socket.gethostname()}-{pid}-{alive.process_started(pid) or 0}"


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text.lower())[:200]


def take_turn(store: Path, job: Job) -> int:
    """Which command of its job step this is for this rank, from 1."""
    folder = store / "jobs"
    folder.mkdir(exist_ok=True)
    for turn in itertools.count(1):
        try:
            (folder / f"{_file(job, turn)}-{job.rank}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return turn
    raise AssertionError


def publish(store: Path, job: Job, turn: int, run: str, execution: int) -> None:
    """Tell the other ranks which run it is; later calls change nothing."""
    (store / "jobs").mkdir(exist_ok=True)
    disk.publish(
        store / "jobs" / _file(job, turn), [f"{run} {execution}\n".encode()], store / "tmp"
    )


def wait(store: Path, job: Job, turn: int) -> tuple[str, int] | None:
    """The run and execution that rank 0 has begun; None where it did not come in time."""
    until = time.monotonic() + _WAIT_S
    while (found := read(store, job, turn)) is None and time.monotonic() < until:
        time.sleep(_POLL_S)
    return found


def read(store: Path, job: Job, turn: int, *, within_s: float = _FRESH_S) -> tuple[str, int] | None:
    """What rank 0 has published, if it did so lately."""
    path = store / "jobs" / _file(job, turn)
    try:
        run, execution = path.read_text(encoding="ascii").split()
        if time.time() - path.stat().st_mtime < within_s:
            return run, int(execution)
    except (OSError, ValueError):
        pass
    return None


def _file(job: Job, turn: int) -> str:
    return f"{job.key}-{job.restart}-{turn}"
