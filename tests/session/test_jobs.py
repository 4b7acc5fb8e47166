"""Which processes of a batch system are one run, by its variables, and how they agree."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from samebit import places
from samebit.session import jobs
from samebit.session.jobs import Job

STEP = {"SLURM_JOB_ID": "71", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def test_the_tasks_of_one_srun_are_one_job() -> None:
    found = [jobs.find_job({**STEP, "SLURM_PROCID": str(rank)}) for rank in range(4)]
    assert [(job.rank, job.ranks) for job in found if job] == [(r, 4) for r in range(4)]
    assert len({job.key for job in found if job}) == 1
    assert found[0] is not None
    assert found[0].name == "Slurm job 71.0"
    for other in ({"SLURM_JOB_ID": "72"}, {"SLURM_STEP_ID": "1"}, {"SLURM_CLUSTER_NAME": "b"}):
        another = jobs.find_job({**STEP, "SLURM_PROCID": "0", **other})
        assert another is not None
        assert another.key != found[0].key


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SLURM_JOB_ID": "71", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"},  # a batch script
        {**STEP, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
        {**STEP},
        {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"},
        {"PMI_RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "2"},  # not a launcher's
    ],
)
def test_one_process_is_no_job(environ: dict[str, str]) -> None:
    assert jobs.find_job(environ) is None
    assert jobs.find_launched(environ) is None


def test_processes_of_mpi_are_one_job() -> None:
    for names in ("OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE", "PMI_RANK PMI_SIZE"):
        rank, size = names.split()
        first, second = (jobs.find_job({rank: str(at), size: "2"}) for at in range(2))
        assert first is not None
        assert second == replace(first, rank=1)


def test_ranks_of_mpi_are_not_the_nodes_on_which_slurm_started_its_helpers() -> None:
    helpers = {**STEP, "SLURM_PROCID": "2"}  # orted or Hydra's proxy: one on each of four nodes
    mpi = {"OMPI_COMM_WORLD_RANK": "17", "OMPI_COMM_WORLD_SIZE": "32", "PMIX_NAMESPACE": "a.b"}
    found = jobs.find_job({**helpers, **mpi})
    assert found == jobs.find_job(mpi)
    assert found is not None
    assert (found.rank, found.ranks) == (17, 32)
    by_pmi = [
        jobs.find_job({**helpers, "PMI_RANK": str(rank), "PMI_SIZE": "32"}) for rank in (16, 17)
    ]
    assert by_pmi[0] is not None
    assert (by_pmi[0].rank, by_pmi[0].ranks, by_pmi[0].name) == (16, 32, "Slurm job 71.0")
    assert by_pmi[1] == replace(by_pmi[0], rank=17)  # the same job on whatever node


def test_ranks_of_a_torch_launcher_are_one_job_for_init() -> None:
    ranks = {"LOCAL_RANK": "0", "WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"}
    first, second = (jobs.find_launched({**ranks, "RANK": str(at)}) for at in range(2))
    assert first is not None
    assert second == replace(first, rank=1)
    again = jobs.find_launched({**ranks, "RANK": "0", "TORCHELASTIC_RESTART_COUNT": "1"})
    assert again == replace(first, restart=1)
    two_nodes = {**ranks, "GROUP_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "a/b", "RANK": "1"}
    found = jobs.find_launched(two_nodes)
    assert found is not None
    assert "/" not in found.key


def test_each_rank_meets_the_others_command_by_command(store: Path) -> None:
    ranks = [Job("a job", "key", rank, 2) for rank in range(2)]
    assert jobs.take_turn(store, ranks[0]) == 1
    jobs.publish(store, ranks[0], 1, "prepare000", 1)
    assert jobs.take_turn(store, ranks[0]) == 2
    jobs.publish(store, ranks[0], 2, "train00000", 3)
    assert jobs.take_turn(store, ranks[1]) == 1
    assert jobs.wait(store, ranks[1], 1) == ("prepare000", 1)
    assert jobs.take_turn(store, ranks[1]) == 2
    assert jobs.wait(store, ranks[1], 2) == ("train00000", 3)


def test_what_is_old_is_of_another_job_with_this_name(store: Path) -> None:
    job = Job("a job", "key", 0, 2)
    jobs.publish(store, job, 1, "prepare000", 1)
    (path,) = (store / "jobs").iterdir()
    old = time.time() - 7200
    os.utime(path, (old, old))
    assert jobs.read(store, job, 1) is None
    assert jobs.read(store, job, 1, within_s=10_000) == ("prepare000", 1)


def test_turns_are_taken_by_one_each_however_many_come_at_once(store: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from samebit.session import jobs\n"
        "print(jobs.take_turn(Path(sys.argv[1]), jobs.Job('a', 'key', 0, 2)))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, store], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert sorted(int(child.communicate()[0]) for child in children) == [1, 2, 3, 4, 5, 6]
