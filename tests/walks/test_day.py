"""A user's day: record, crash, look, edit, verify, compare, export, check; all for real."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

SCRIPT = """
import argparse, sys, time
import torch
import samebit

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--pause", type=float, default=0.0)
args = parser.parse_args()
run = samebit.init()
values = torch.tensor([float(line) for line in open("data/values.txt")])
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
for step in range(1, args.steps + 1):
    loss = (model(values.reshape(-1, 4)) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.log({"loss": loss.item()})
    print("step", step, flush=True)
    time.sleep(args.pause)
"""


class Project:
    """A project of a user's, with its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "samebit.cli.main", *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def samebit(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"{words} ended with {process.returncode}\n{out}{err}"
        assert "Traceback" not in err
        return out

    def json(self, *words: str) -> object:
        return json.loads(self.samebit(*words, "--json"))

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    project = Project(folder)
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    (folder / ".gitignore").write_text("data/\n", encoding="utf-8")
    (folder / "data").mkdir()
    (folder / "data" / "values.txt").write_text("\n".join(str(i / 7) for i in range(16)))
    project.git("init", "--quiet")
    project.git("add", "-A")
    project.git("-c", "user.name=u", "-c", "user.email=u@u", "commit", "--quiet", "-m", "start")
    return project


@pytest.mark.slow
def test_a_day(project: Project, tmp_path: Path) -> None:
    before = (project.git("status", "--porcelain"), project.git("rev-parse", "HEAD"))

    # The morning: a run. Its output is the script's own.
    out = project.samebit("run", "--seed", "1", "--name", "first", "train.py")
    assert out == "".join(f"step {step}\n" for step in range(1, 21))
    (row,) = project.json("ls")  # type: ignore[misc]
    assert (row["name"], row["state"], row["seed"], row["config.lr"]) == (
        "first",
        "finished",
        1,
        0.05,
    )
    assert project.git("tag").startswith("samebit/")
    assert (project.git("status", "--porcelain"), project.git("rev-parse", "HEAD")) == before

    # Another one is killed at the wrong moment: every acknowledged row is there.
    process = project.start("run", "--seed", "1", "--name", "second", "train.py", "--pause", "0.2")
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(5)]
    shown = project.json("show", "second")
    assert shown["state"] == "running"  # type: ignore[index]
    pids = [f["pid"] for f in _facts(project, "second", "process")]
    os.kill(pids[-1], signal.SIGKILL)
    process.wait(timeout=100)
    assert process.returncode == -signal.SIGKILL
    process.communicate()
    shown = project.json("show", "second")
    assert shown["state"] == "killed"  # type: ignore[index]
    metrics = project.json("metrics", "second")
    assert metrics["loss"]["step"][:5] == [1, 2, 3, 4, 5]  # type: ignore[index]
    assert len(seen) == 5
    project.samebit("verify", "second", code=6)

    # In the afternoon the script is edited; the first run is still run again as it was.
    edited = SCRIPT.replace("torch.nn.Tanh()", "torch.nn.ReLU()")
    (project.folder / "train.py").write_text(edited, encoding="utf-8")
    verdict = project.json("verify", "first")
    assert verdict["grade"] == "identical"  # type: ignore[index]
    assert (project.folder / "train.py").read_text(encoding="utf-8") == edited
    project.samebit("run", "--seed", "1", "--name", "edited", "train.py", "--lr", "0.1")
    out = project.samebit("diff", "first", "edited", code=5)
    for line in ("lr: 0.05 → 0.1", "-model = ", "+model = ", "step 1: "):
        assert line in out
    out = project.samebit("diff", "first", "edited", "--trace", code=5)
    assert out.startswith("step 1: a hyper-parameter differed\n  lr of parameter group 0: 0.05")

    # The state goes out, and into a model.
    file = tmp_path / "model.safetensors"
    project.samebit("state", "export", "first:final", str(file))
    from safetensors.torch import load_file

    import samebit

    recorded = samebit.open_run("first", store=project.folder / ".samebit")
    ours, theirs = recorded.state_dict(), load_file(file)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    ).load_state_dict(ours)
    assert len(recorded.metrics()["loss"]["value"]) == 20

    # The evening: replays stay out of the list, and every byte is what its name says.
    assert {row["name"] for row in project.json("ls")} == {"first", "second", "edited"}  # type: ignore[union-attr]
    assert len(project.json("ls", "--replays")) == 5  # type: ignore[arg-type]
    assert "| first " in project.samebit("table", "--where", "lr == 0.05 and state == finished")
    project.samebit("check")
    project.samebit("tags", "rm", "--all")
    assert project.git("tag") == ""
    assert project.json("verify", "first")["grade"] == "identical"  # type: ignore[index]


def _facts(project: Project, name: str, fact: str) -> list[dict[str, int]]:
    from samebit.folders.find import find_run
    from samebit.folders.read import read_run

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = read_run(find_run(project.folder / ".samebit", name)).all_facts(fact)
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no fact {fact}")
