"""`samebit doctor`: what it says of a script before the long run, and what it leaves behind."""

from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

TRAIN = """
import os, sys, torch
from torch.utils.data import DataLoader
SEEDING
files = FILES
data = [torch.full((4,), float(len(name))) + NOISE for name in files]
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]))
for epoch in range(10_000):
    for x in DataLoader(data, batch_size=2, shuffle=True):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
open("never", "w").close()
"""
CAREFUL = {
    "SEEDING": "torch.manual_seed(1); torch.use_deterministic_algorithms(True)",
    "FILES": 'sorted(os.listdir("data"))',
    "NOISE": "0",
}
CARELESS = {"SEEDING": "", "FILES": 'os.listdir("data")', "NOISE": "os.urandom(1)[0]"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    for name in ("zz", "b", "q", "aa", "m", "c", "r", "longer"):
        project.write(f"data/{name}", "")
    project.write("requirements.txt", "torch==2.13.0\n")
    return project


def write(project: Project, how: dict[str, str]) -> None:
    text = TRAIN
    for name, value in how.items():
        text = text.replace(name, value)
    project.write("train.py", text)


def test_a_careless_script_is_told_what_to_do(project: Project) -> None:
    write(project, CARELESS)
    ended = project.call(SAMEBIT, "doctor", "train.py", "0.1")
    assert ended.code == 0, ended
    assert ended.out.startswith("5 steps in ")
    for said in (
        "random, and another in each run: train.py:6 os.urandom()",
        "torch's global generator",
        "`samebit run --deterministic`",
        "OMP_NUM_THREADS=",
        "sort them: train.py:5",
    ):
        assert said in ended.out, ended.out
    assert sorted(path.name for path in project.path.iterdir()) == [
        "data",
        "requirements.txt",
        "train.py",
    ]


def test_twice_proves_a_careful_script_in_seconds(project: Project) -> None:
    write(project, CAREFUL)
    ended = project.call(
        SAMEBIT, "doctor", "--twice", "--steps", "3", "train.py", "0.1", OMP_NUM_THREADS="1"
    )
    assert ended.code == 0, ended
    assert "run twice\nidentical\n" in ended.out
    assert "steps 1 to 3: batch" in ended.out
    assert "sort them" not in ended.out
    assert "os.urandom" not in ended.out
    assert "may come out otherwise" not in ended.out


def test_twice_finds_what_comes_out_otherwise(project: Project) -> None:
    write(project, CARELESS)
    ended = project.call(SAMEBIT, "doctor", "--twice", "--seed", "3", "train.py", "0.1")
    assert ended.code == 5, ended
    assert "different: step 1, the batch differed" in ended.out
    assert "give it a fixed seed: train.py:6 os.urandom()" in ended.out
    told = project.call(SAMEBIT, "doctor", "--twice", "--json", "train.py", "0.1").json
    assert (told["steps"], told["verdict"]["kind"]) == (5, "run-to-run")
    assert {"algorithms", "listing"} <= {one["key"] for one in told["hazards"]}


def test_a_script_that_fails_or_never_steps_is_said(project: Project) -> None:
    project.write("fails.py", "raise ValueError('no such file')")
    ended = project.call(SAMEBIT, "doctor", "fails.py")
    assert ended.code == 6, ended
    assert "no step of a PyTorch optimizer" in ended.out
    assert "ValueError" in ended.out
    project.write("short.py", "print(1)")
    ended = project.call(SAMEBIT, "doctor", "short.py")
    assert ended.code == 0, ended
    assert "it finished by itself" in ended.out
    assert project.call(SAMEBIT, "doctor", "none.py").code == 125
    assert project.call(SAMEBIT, "doctor").code == 2
    assert project.call(SAMEBIT, "doctor", "--steps", "0", "short.py").code == 2


def test_a_trial_leaves_no_tag_in_the_users_repository(project: Project) -> None:
    write(project, CAREFUL)
    project.call("git", "init", "-q")
    project.call("git", "add", ".")
    project.call("git", "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c")
    before = project.call("git", "for-each-ref").out
    ended = project.call(SAMEBIT, "doctor", "train.py", "0.1")
    assert ended.code == 0, ended
    assert project.call("git", "for-each-ref").out == before
    assert project.call("git", "status", "--porcelain").out == ""
