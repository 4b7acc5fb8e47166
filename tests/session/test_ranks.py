"""As which rank a process joins: what launchers, workers, shells and batch systems make of it."""

import pytest

from samebit.session.ranks import Role, find_role

SCRIPT = ["/usr/bin/python", "train.py", "--lr", "0.1"]
RANK = {"RANK": "3", "LOCAL_RANK": "1"}
ME = 77


def role(environ: dict[str, str], words: list[str] | None = None) -> Role | None:
    return find_role(environ, SCRIPT if words is None else words, ME)


def test_the_first_python_is_rank_0() -> None:
    assert role({}) == Role("0")


@pytest.mark.parametrize(
    "task",
    [
        {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
        {"PMI_RANK": "1", "PMI_SIZE": "2"},
        {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1"}
        | {"SLURM_STEP_NUM_TASKS": "2"},
    ],
    ids=["Open MPI", "PMI", "Slurm"],
)
def test_the_tasks_that_a_command_starts_are_its_ranks(task: dict[str, str]) -> None:
    assert role(task) == Role("1", launched=True)
    assert role({**task, "SAMEBIT_PID": "5", "SAMEBIT_AS_RANK": "1"}) is None
    assert role({**task, "SAMEBIT_RANK": "0"}) == Role("0", launched=True)  # `srun samebit run …`


def test_a_child_of_what_records_is_no_part_of_it() -> None:
    assert role({"SAMEBIT_PID": "5"}) is None


def test_a_script_that_replaced_itself_goes_on() -> None:
    assert role({"SAMEBIT_PID": str(ME)}) == Role("0", again=True)
    assert role({"SAMEBIT_PID": str(ME), "SAMEBIT_AS_RANK": "1", **RANK}) == Role(
        "3", launched=True, again=True
    )


@pytest.mark.parametrize("above", [{}, {"SAMEBIT_PID": "5"}], ids=["a launcher", "a script"])
def test_a_rank_of_a_launcher_is_that_rank(above: dict[str, str]) -> None:
    assert role({**RANK, **above}) == Role("3", launched=True)
    again = {"TORCHELASTIC_RESTART_COUNT": "2"}
    assert role({**RANK, **again, **above}) == Role("3", launched=True, restart=2)


def test_a_child_of_a_rank_has_its_variables_and_is_none() -> None:
    assert role({**RANK, "SAMEBIT_PID": "5", "SAMEBIT_AS_RANK": "1"}) is None


def test_what_a_batch_system_started_has_the_rank_that_it_was_given() -> None:
    assert role({"SAMEBIT_RANK": "2"}) == Role("2", launched=True)
    assert role({"SAMEBIT_RANK": "2", **RANK}) == Role("3", launched=True)


@pytest.mark.parametrize("rank", ["", "-1", "x", "../0", "١"])
def test_a_rank_that_is_no_number_is_none(rank: str) -> None:
    assert role({"RANK": rank, "LOCAL_RANK": "0"}) == Role("0")


def test_a_rank_has_one_name() -> None:
    assert role({"RANK": "007", "LOCAL_RANK": "0"}) == Role("7", launched=True)


@pytest.mark.parametrize(
    "words",
    [
        ["python", "/usr/bin/torchrun", "--nproc-per-node", "2", "train.py"],
        ["python", "-m", "torch.distributed.run", "train.py"],
        ["python", "-u", "-W", "ignore", "-m", "torch.distributed.launch", "train.py"],
        ["python", "-X", "dev", "/env/bin/accelerate", "launch", "train.py"],
        ["python", "-m", "accelerate.commands.launch", "train.py"],
        ["python", "-u", "-m", "deepspeed.launcher.launch", "train.py"],
        ["python", "/env/bin/samebit", "run", "train.py"],
        ["python", "-m", "samebit.cli.main", "run", "train.py"],
        ["python", "-c", "from multiprocessing.spawn import spawn_main", "--multiprocessing-fork"],
        ["python", "-c", "from multiprocessing.resource_tracker import main;main(4)"],
    ],
)
def test_what_only_starts_others_records_nothing(words: list[str]) -> None:
    assert role({}, words) is None


@pytest.mark.parametrize(
    "words",
    [
        ["python", "train.py", "torchrun"],
        ["python", "accelerate.py"],
        ["python", "-c", "print()", "torchrun"],
        ["python", "-m", "train", "-m", "torch.distributed.run"],
        ["python"],
        ["python", "-u"],
    ],
)
def test_a_script_that_only_looks_like_one_is_recorded(words: list[str]) -> None:
    assert role({}, words) == Role("0")
