"""Runs that went on, where the kill came in the middle of something, and of more than one rank."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import free_ports
from tests.projects import SAMEBIT, TOLD, Project

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

# The kill is no part of the script: it depends on HOME, which a replay has from who verifies.
TRAIN = """
import os, signal, sys, time
import torch, samebit

def killed(where):
    if os.path.basename(os.environ["HOME"]) == where:
        run._recording.checkpoints.wait()
        os.kill(os.getpid(), signal.SIGKILL)

torch.manual_seed(1)
model = torch.nn.Linear(16, 4)
optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
run = samebit.init()
at = run.resume_state(model, optimizer)
for epoch in range(at.step // 6 if at else 0, 4):
    for _ in range(6):
        optimizer.zero_grad()
        x = torch.randn(8, 16)
        if NOISE:
            x = x + int.from_bytes(os.urandom(2), "big")
        model(x).square().mean().backward()
        optimizer.step()
        run.log({"loss": float(model.bias.sum())})
        killed(f"step {run.step}")
    run.checkpoint()
    killed(f"before valid {run.step}")
    run.log({"valid": float(model.weight.sum())})
"""

# Takes the newest of the files that lie in a folder, and lets older ones go.
NEWEST = (
    TOLD
    + """
import signal
import torch

os.makedirs("out", exist_ok=True)
torch.manual_seed(0)
model = torch.nn.Linear(20, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
found = sorted(os.listdir("out"))
if found:
    state = torch.load(f"out/{found[-1]}")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
for step in range(int(found[-1][:3]) + 1 if found else 1, 25):
    optimizer.zero_grad()
    model(torch.randn(8, 20)).square().mean().backward()
    optimizer.step()
    if not found and step == 15:
        wait_until_told("out/004.pt", "out/008.pt", "out/012.pt")
        os.kill(os.getpid(), signal.SIGKILL)
    if step % 4 == 0:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({**state, "rng": torch.get_rng_state()}, f"out/{step:03}.pt")
        if step > 8:
            os.remove(f"out/{step - 8:03}.pt")
"""
)

NO_COUNT = (
    TOLD
    + """
import signal
import torch

torch.manual_seed(0)
model = torch.nn.Linear(20, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
begin = 0
if os.path.exists("out.pt"):
    begin, state, rng = torch.load("out.pt")
    model.load_state_dict(state)
    torch.set_rng_state(rng)
for step in range(begin + 1, 25):
    optimizer.zero_grad()
    model(torch.randn(8, 20)).square().mean().backward()
    optimizer.step()
    if os.path.basename(os.environ["HOME"]) == f"step {step}":
        wait_until_told("out.pt")
        os.kill(os.getpid(), signal.SIGKILL)
    if step % 4 == 0:
        torch.save((step, model.state_dict(), torch.get_rng_state()), "out.pt")
"""
)

# Saves at once where it is told to end, by HOME in place of a signal.
LATE = """
import os, sys
import torch, samebit

torch.manual_seed(0)
model = torch.nn.Linear(20, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
run, begin = samebit.init(), 0
if sys.argv[1] == "checkpoint":
    at = run.resume_state(model, optimizer)
    begin = at.step if at else 0
elif os.path.exists("out.pt"):
    begin, state, of_optimizer, rng = torch.load("out.pt")
    model.load_state_dict(state)
    optimizer.load_state_dict(of_optimizer)
    torch.set_rng_state(rng)
for step in range(begin + 1, 25):
    optimizer.zero_grad()
    model(torch.randn(8, 20)).square().mean().backward()
    optimizer.step()
    ends = os.path.basename(os.environ["HOME"]) == f"step {step}"
    if (ends or step % 4 == 0) and sys.argv[1] == "checkpoint":
        run.checkpoint()
    elif ends or step % 4 == 0:
        state = model.state_dict(), optimizer.state_dict(), torch.get_rng_state()
        torch.save((step, *state), "out.pt")
    if ends:
        sys.exit(3)
"""

RANKS = """
import os, signal, sys, time
import torch, samebit
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(1 + rank)
model = DistributedDataParallel(torch.nn.Linear(16, 4))
optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
run = samebit.init()
at = run.resume_state(model, optimizer)
while run.step < 12:
    optimizer.zero_grad()
    model(torch.randn(8, 16)).square().mean().backward()
    optimizer.step()
    run.log({"loss": float(model.module.bias.sum())})
    if run.step % 4 == 0:
        run.checkpoint()
    if at is None and run.step == 6:
        run._recording.checkpoints.wait()
        dist.barrier()
        os.kill(os.getpid(), signal.SIGKILL)
dist.destroy_process_group()
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "work").mkdir()
    project = Project(tmp_path / "work")
    project.call("git", "init", "-q")
    project.write(".gitignore", "out/\n")
    project.write("train.py", TRAIN.replace("NOISE", "False"))
    return project


def killed_and_resumed(project: Project, where: str, *, script: str = "train.py") -> None:
    ended = project.run(script, HOME=str(project.path / where))
    assert ended.code == -signal.SIGKILL, ended
    ended = project.run("--resume", "@last", script, HOME=str(project.path))
    assert ended.code == 0, ended


def verify(project: Project, *options: str) -> tuple[int, str, dict[str, Any]]:
    ended = project.call(
        SAMEBIT, "verify", "@last", "--json", *options, HOME=str(project.path.parent)
    )
    verdict = json.loads(ended.out)
    where = (verdict["evidence"].get("divergence") or {}).get("where", "")
    return ended.code, f"{verdict['grade']}: {where}{verdict['cause']}", verdict


@pytest.mark.parametrize(
    ("where", "steps"),
    [("step 13", "1 to 13 and 13 to 24"), ("step 12", "1 to 7 and 7 to 24")],
)
def test_a_kill_from_outside(project: Project, where: str, steps: str) -> None:
    killed_and_resumed(project, where)
    code, said, verdict = verify(project)
    assert (code, said) == (0, "identical: ")
    assert verdict["scope"][0].startswith(f"2 executions, steps {steps}: ")


def test_what_the_replay_logs_and_the_kill_prevented_is_no_difference(project: Project) -> None:
    killed_and_resumed(project, "before valid 12")
    code, said, verdict = verify(project)
    assert (code, said) == (0, "identical: ")
    # Of `valid` those behind the steps 6, 18 and 24: that of step 12 was never logged.
    assert "metrics identical: 2 names, 27 values" in verdict["scope"]


def test_a_step_that_was_made_again_is_compared_too(project: Project) -> None:
    project.write("train.py", TRAIN.replace("NOISE", "at is None and run.step == 6"))
    killed_and_resumed(project, "step 8")
    code, said, verdict = verify(project)
    assert code == 5
    assert said.startswith("different: execution 1, step 7")
    assert verdict["evidence"]["divergence"]["execution"] == 1
    assert verdict["kind"] == "run-to-run"
    # The second replay has no more executions than the first: their seventh steps are compared.
    replays = [view for view in project.views() if view.record.kind == "replay"]
    assert [len(view.starts) for view in replays] == [1, 1]


def test_an_optimizer_that_keeps_no_count_is_counted_on_as_it_was(project: Project) -> None:
    project.write("train.py", NO_COUNT)
    killed_and_resumed(project, "step 15")
    code, said, verdict = verify(project)
    assert (code, said) == (0, "identical: ")
    # It was gone on from step 12, and by the journal from the last one, which was 15.
    assert verdict["scope"][0].startswith("2 executions, steps 1 to 15 and 16 to 27: ")


@pytest.mark.parametrize("how", ["own", "checkpoint"])
def test_what_was_saved_because_of_a_signal_is_not_there_again(project: Project, how: str) -> None:
    project.write("train.py", LATE)
    assert project.run("train.py", how, HOME=str(project.path / "step 14")).code == 3
    ended = project.run("--resume", "@last", "train.py", how, HOME=str(project.path))
    assert ended.code == 0, ended
    code, said, _ = verify(project)
    assert code == 6
    assert "what a script saves when it gets a signal is not saved again" in said
    own = "it went on from step 14, and its replay from step 12"
    assert (own if how == "own" else "the replay has no checkpoint 14, from which") in said


def test_the_newest_file_of_a_folder_is_the_one_that_was_the_newest(project: Project) -> None:
    project.write("train.py", NEWEST)
    killed_and_resumed(project, "anywhere")
    code, said, verdict = verify(project)
    assert (code, said) == (0, "identical: ")
    assert verdict["scope"][0].startswith("2 executions, steps 1 to 13 and 13 to 24: ")


def test_the_operation_in_a_later_execution_is_found(project: Project) -> None:
    project.write("train.py", TRAIN.replace("NOISE", "run.step == 15"))
    killed_and_resumed(project, "step 13")
    code, said, verdict = verify(project, "--once")
    assert code == 5
    assert said.startswith("different: execution 2, step 16")
    words = (verdict["run"], verdict["replay"], "--trace", "--op")
    ended = project.call(SAMEBIT, "diff", *words, HOME=str(project.path.parent))
    assert "aten.add" in ended.out, ended
    assert "train.py:20) was given" in ended.out, ended


def test_a_run_of_two_ranks(project: Project) -> None:
    project.write("train.py", RANKS)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    words = ["--", *torchrun, "--master-port", str(free_ports(1)[0]), "train.py"]
    assert project.run(*words).code != 0
    ended = project.run("--resume", "@last", *words)
    assert ended.code == 0, ended
    code, said, verdict = verify(project)
    assert (code, said) == (0, "identical: ")
    assert verdict["scope"][0].startswith("2 executions, 10 steps of 2 ranks and 16 steps of 2 ")


def test_a_run_that_is_going_on_again_is_not_verified(project: Project) -> None:
    killed_and_resumed(project, "step 13")
    child = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    project.write("inside.py", child)
    words = ("inside.py", SAMEBIT, "verify", "@last")
    ended = project.run("--resume", "@last", *words)
    assert ended.code == 2
    assert "is still going on" in ended.err
