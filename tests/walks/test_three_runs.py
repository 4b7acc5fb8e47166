"""What verify does beyond one whole replay: it stops where they part, and runs it once more."""

import os

import pytest

from tests.projects import SAMEBIT, Project

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow


TRAIN = """
import os, sys, time, torch
torch.manual_seed(0)
model = torch.nn.Linear(20, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(1, STEPS + 1):
    x = torch.randn(8, 20)
    if step == 30:
        x = x + NOISE
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
    time.sleep(0.005)
with open("out.txt", "w") as out:
    out.write("to the end")
"""


def training(noise: str, steps: int = 200) -> str:
    return TRAIN.replace("NOISE", noise).replace("STEPS", str(steps))


def test_a_replay_is_ended_where_it_parts_and_run_once_more_to_there(project: Project) -> None:
    project.write("train.py", training("int.from_bytes(os.urandom(2), 'big')", 600))
    assert project.run("train.py").code == 0
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 5, ended
    assert "different: step 30, the model's input differed" in ended.out
    assert "run-to-run: a second replay parted from the first, step 30" in ended.out
    assert "give it a fixed seed: train.py:9 os.urandom()" in ended.out
    run, *replays = project.views()
    first, second = sorted(replays, key=lambda view: view.record.started_ns)
    assert 30 <= len(first.trace) < 600
    assert len(second.trace) == 30
    assert first.facts["stopped"]["why"] == "parted"
    assert second.facts["stopped"] == {"why": "asked", "count": 30}
    assert {view.status for view in (first, second)} == {"finished"}
    assert run.verdicts[-1].evidence["again"]["replay"] == second.id
    assert [len(view.verdicts) for view in (first, second)] == [1, 0]


def test_it_goes_on_where_it_is_told_to_and_is_run_once(project: Project) -> None:
    project.write("train.py", training("int.from_bytes(os.urandom(2), 'big')"))
    assert project.run("train.py").code == 0
    ended = project.call(SAMEBIT, "verify", "@last", "--to-the-end", "--once")
    assert ended.code == 5, ended
    assert "run-to-run" not in ended.out
    (_, replay) = project.views()
    assert len(replay.trace) == 200


def test_what_the_environment_changed_is_so_named(project: Project) -> None:
    noise = "int(os.path.getmtime(os.path.join(os.environ['HOME'], 'clock')))"
    project.write("train.py", training(noise))
    home = project.path.parent / "home"
    home.mkdir()
    (home / "clock").write_text("")
    assert project.run("train.py", HOME=str(home)).code == 0
    os.utime(home / "clock", (1, 1))
    ended = project.call(SAMEBIT, "verify", "@last", HOME=str(home))
    assert ended.code == 5, ended
    assert "environment: a second replay gave the bits of the first one" in ended.out


def test_a_quick_proof_runs_some_steps_and_says_so(project: Project) -> None:
    project.write("train.py", training("0"))
    assert project.run("train.py").code == 0
    ended = project.call(SAMEBIT, "verify", "@last", "--steps", "12")
    assert ended.code == 0, ended
    assert ended.out.startswith("identical (steps 1 to 12)\n")
    assert "steps 1 to 12: model input" in ended.out
    assert "final state" not in ended.out
    run, replay = project.views()
    assert (run.verdicts[-1].until, len(replay.trace)) == (12, 12)
    listed = project.call(SAMEBIT, "ls").out
    assert "identical to 12" in listed
    for wrong in ("0", "-1", "x"):
        assert project.call(SAMEBIT, "verify", "@last", "--steps", wrong).code == 2
    # More than there are: it is run to its end.
    ended = project.call(SAMEBIT, "verify", "@last", "--steps", "5000")
    assert "final state identical" in ended.out
    assert project.views()[0].verdicts[-1].until is None


def test_to_the_end_what_is_near_is_close(project: Project) -> None:
    noise = "int.from_bytes(os.urandom(2), 'big') * 1e-9"
    project.write("train.py", training(noise, 60))
    assert project.run("train.py").code == 0
    ended = project.call(SAMEBIT, "verify", "@last", "--to-the-end", "--rtol", "1e-3")
    assert ended.code == 3, ended
    assert ended.out.startswith("close: step 30, the model's input differed")
    assert "final state within 0.001: at most " in ended.out
    assert "run-to-run" in ended.out
    ended = project.call(SAMEBIT, "verify", "@last", "--to-the-end", "--once", "--rtol", "0")
    assert ended.code == 5, ended
    assert "final state not within 0: " in ended.out
    assert project.call(SAMEBIT, "verify", "@last", "--rtol", "2").code == 2


LOOP = """
import os, numpy as np, samebit
run = samebit.init()
weights = np.zeros(5)
run.trace(params=weights)
chance = np.random.default_rng(3)
for step in range(1, 41):
    x = chance.normal(size=5) + (NOISE if step == 20 else 0)
    weights = weights - 0.1 * (weights - x)
    run.trace(batch=x, params=weights)
    run.trace(step, loss=float(weights.sum()))  # more of the same row
"""


def test_a_loop_without_an_optimizer_is_ended_and_run_once_more_too(project: Project) -> None:
    project.write("loop.py", LOOP.replace("NOISE", "os.urandom(1)[0]"))
    assert project.run("loop.py").code == 0
    ended = project.call(SAMEBIT, "verify", "@last", "--steps", "7")
    assert ended.code == 0, ended
    assert ended.out.startswith("identical (steps 1 to 7)\n")
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 5, ended
    assert "different: step 20, the batch differed" in ended.out
    assert "run-to-run: a second replay parted from the first, step 20" in ended.out
