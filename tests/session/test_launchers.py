"""Real launchers with real training on several processes: one run, verified rank by rank."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.clusters import free_ports
from tests.projects import SAMEBIT, Project

pytest.importorskip("torch.distributed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="gloo and forks")]

BIN = Path(sys.executable).parent
TORCHRUN = [str(BIN / "torchrun"), "--nproc-per-node", "2"]
# Two ranks that train together, on samples of their own.
TRAIN = """
import os, sys, torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
{wrap}
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
data = torch.Generator().manual_seed(rank)
for step in range(6):
    batch = torch.randn(4, 8, generator=data)
    {trouble}
    optimizer.zero_grad()
    loss = model(batch).square().mean()
    loss.backward()
    optimizer.step()
dist.destroy_process_group()
"""
DDP = "model = torch.nn.parallel.DistributedDataParallel(model)"
FSDP1 = """
from torch.distributed.fsdp import FullyShardedDataParallel
model = FullyShardedDataParallel(model, device_id=torch.device("cpu"))
"""
FSDP = """
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
"""
# In the replay, which has its own TMPDIR, rank 1 sees another batch at step 4.
TROUBLE = "if rank == 1 and step == 3 and 'samebit-replay' in os.getcwd(): batch = batch + 1"


def train(project: Project, wrap: str, trouble: str = "pass") -> None:
    project.write("train.py", TRAIN.format(wrap=wrap, trouble=trouble))
    ended = project.run("--", *TORCHRUN, "train.py", OMP_NUM_THREADS="1")
    assert ended.code == 0, ended


@pytest.mark.parametrize("wrap", [DDP, FSDP, FSDP1], ids=["DDP", "FSDP", "FSDP1"])
def test_two_ranks_that_share_gradients_come_out_identical(project: Project, wrap: str) -> None:
    train(project, wrap)
    view = project.view()
    assert (view.ranks, view.status, view.missing) == (["0", "1"], "finished", [])
    for rank in view.ranks:
        mine = view.at_rank(rank)
        assert [row.count for row in mine.trace] == [1, 2, 3, 4, 5, 6]
        assert {"input", "loss", "grad", "param", "entering"} <= set(mine.trace[0].groups)
        assert set(mine.states) == {"step 0", "final"}
    ours, theirs = (view.at_rank(rank) for rank in view.ranks)
    pairs = zip(ours.trace, theirs.trace, strict=True)
    shared = [r.groups["param"] == o.groups["param"] for r, o in pairs]
    assert shared == [wrap == DDP] * 6  # of a sharded model each rank has its own part
    verdict = project.call(SAMEBIT, "verify", view.id)
    assert (verdict.code, verdict.out.split()[0]) == (0, "identical"), verdict
    assert "12 steps of 2 ranks" in verdict.out


def test_the_rank_at_which_a_replay_parts_is_named_though_all_gradients_differ(
    project: Project,
) -> None:
    train(project, DDP, TROUBLE)
    verdict = project.call(SAMEBIT, "verify", "@last")
    assert verdict.code == 5, verdict
    assert verdict.out.startswith("different: step 4 of rank 1, the model's input differed")


ACCELERATED = """
import torch
from accelerate import Accelerator
accelerator = Accelerator(cpu=True)
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.eye(4).repeat(3, 1), batch_size=3)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for batch in loader:
    optimizer.zero_grad()
    accelerator.backward(model(batch).square().mean())
    optimizer.step()
"""


@pytest.mark.parametrize("action", ["raise", "error"])
def test_a_fault_of_ours_at_a_gradient_leaves_training_as_it_is(
    project: Project, action: str
) -> None:
    script = TRAIN.format(wrap=DDP, trouble="pass") + "print(model.module[0].bias.tolist())\n"
    project.write("train.py", script)
    alone = ["--", str(BIN / "torchrun"), "--nproc-per-node", "1", "train.py"]
    plain = project.run(*alone, OMP_NUM_THREADS="1")
    hurt = project.run(*alone, OMP_NUM_THREADS="1", SAMEBIT_FAULTS=f"hooks.local={action}")
    assert (hurt.code, hurt.out) == (plain.code, plain.out) == (0, plain.out)
    first, second = project.views()
    assert any("grad.local" in row.groups for row in first.trace)
    assert not any("grad.local" in row.groups for row in second.trace)
    assert any("hooks.local" in line for line in second.missing)
    assert all("grad" in row.groups for row in second.trace)


def test_accelerate_is_not_the_run_but_what_it_launches_is(project: Project) -> None:
    pytest.importorskip("accelerate")
    project.write("train.py", ACCELERATED)
    words = ["launch", "--cpu", "--num_processes", "1", "train.py"]
    ended = project.run("--", str(BIN / "accelerate"), *words)
    assert ended.code == 0, ended
    view = project.view()
    assert len(view.trace) == 4
    assert "config" not in view.facts  # accelerate parses a hundred options of its own
    assert project.call(SAMEBIT, "verify", view.id).code == 0


def test_ranks_that_the_script_spawns_itself_are_ranks(project: Project) -> None:
    project.write(
        "train.py",
        """
        import os, sys, tempfile, torch
        import torch.distributed as dist
        import torch.multiprocessing as mp

        def work(rank, place):
            torch.manual_seed(3)
            dist.init_process_group("gloo", f"file://{place}", rank=rank, world_size=2)
            model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
            optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
            data = torch.utils.data.TensorDataset(torch.eye(4) + rank)
            for (batch,) in torch.utils.data.DataLoader(data, batch_size=2, num_workers=1):
                optimizer.zero_grad()
                model(batch).square().mean().backward()
                optimizer.step()
            print("rank", rank, flush=True)
            dist.destroy_process_group()

        if __name__ == "__main__":
            with tempfile.TemporaryDirectory() as folder:
                mp.spawn(work, (f"{folder}/meet",), nprocs=2)
        """,
    )
    ended = project.run("train.py", OMP_NUM_THREADS="1")
    assert (ended.code, sorted(ended.out.split("\n"))) == (0, ["", "rank 0", "rank 1"]), ended
    view = project.view()
    assert (view.ranks, view.missing) == (["0", "1"], [])
    assert [len(view.at_rank(rank).trace) for rank in view.ranks] == [2, 2]
    verdict = project.call(SAMEBIT, "verify", view.id)
    assert (verdict.code, verdict.out.split()[0]) == (0, "identical"), verdict


MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"]
OF_MPI = """
import os, random, torch
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3 + rank):
    optimizer.zero_grad()
    model(torch.randn(2, 4) + random.random()).square().mean().backward()
    optimizer.step()
"""


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no Open MPI on this machine")
def test_the_tasks_of_mpirun_are_ranks_of_one_run(project: Project) -> None:
    project.write("train.py", OF_MPI)
    ended = project.run("--", *MPIRUN, sys.executable, "train.py", OMP_NUM_THREADS="1")
    assert ended.code == 0, ended
    view = project.view()
    assert (view.ranks, view.status) == (["0", "1"], "finished")
    assert {rank: len(rows) for rank, rows in view.traces.items()} == {"0": 3, "1": 4}
    verdict = project.call(SAMEBIT, "verify", view.id)
    assert (verdict.code, verdict.out.split()[0]) == (0, "identical"), verdict


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no Open MPI on this machine")
def test_two_processes_that_accelerate_starts_are_ranks_of_one_run(project: Project) -> None:
    """Without cards accelerate starts several processes by mpirun, and without it only one."""
    pytest.importorskip("accelerate")
    project.write("train.py", ACCELERATED)
    project.write("hosts", "localhost slots=2\n")
    words = ["launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    words += [
        "--main_process_port",
        str(free_ports(1)[0]),
        "--mpirun_hostfile",
        "hosts",
        "train.py",
    ]
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    ended = project.run("--", str(BIN / "accelerate"), *words, OMP_NUM_THREADS="1", **as_root)
    assert ended.code == 0, ended
    view = project.view()
    assert (view.ranks, view.status, view.gaps) == (["0", "1"], "finished", [])
    assert [len(view.at_rank(rank).trace) for rank in view.ranks] == [2, 2]
    assert "config" not in view.facts
    verdict = project.call(SAMEBIT, "verify", view.id, **as_root)
    assert (verdict.code, verdict.out.split()[0]) == (0, "identical"), verdict
    assert "4 steps of 2 ranks" in verdict.out
