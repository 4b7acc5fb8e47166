"""Runs that were killed and went on, run again: each execution from where it began, as it was."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from samebit.folders.read import View
from tests.projects import SAMEBIT, TOLD, Project

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

TRAIN = """
import json, os, random, signal, sys
import torch, samebit
from samebit.session import coding
from torch import nn

given = json.loads(sys.argv[1])
torch.manual_seed(1)
random.seed(1)
own = torch.Generator().manual_seed(99)
x, y = torch.randn(64, 16, generator=own), torch.randint(0, 4, (64,), generator=own)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 8, shuffle=True)
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4))
optimizer = getattr(torch.optim, given.get("optimizer", "AdamW"))(model.parameters(), 1e-2)
run = samebit.init(resume=given.get("resume"))
at = run.resume_state(model, optimizer)
for epoch in range(at.epoch if at else 0, given.get("epochs", 4)):
    for x, y in loader:
        if run.step + 1 == given.get("noise"):
            x = x + int.from_bytes(os.urandom(2), "big")
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        run.log({"loss": loss.item()})
        if run.step == given.get("until"):
            run._recording.checkpoints.wait()
            coding.finish()
            os.kill(os.getpid(), getattr(signal, given.get("signal", "SIGKILL")))
        if run.step % 6 == 0:
            run.checkpoint(extra={"loss": loss.item()})
    run.log({"last": loss.item()})
"""

# Without a checkpoint of ours: the script's own file, and a file that it goes on writing.
OWN = (
    TOLD
    + """
import json, os, signal, sys
import torch

given = json.loads(sys.argv[1])
torch.manual_seed(0)
model = torch.nn.Linear(20, 4)
optimizer = getattr(torch.optim, given.get("optimizer", "Adam"))(model.parameters(), lr=0.1)
begin = 0
if os.path.exists("out/ckpt.pt"):
    found = torch.load("out/ckpt.pt")
    model.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    torch.set_rng_state(found["rng"])
    begin = found["step"]
os.makedirs("out", exist_ok=True)
scale = float(open("data/scale.txt").read())
for step in range(begin + 1, given.get("steps", 30) + 1):
    x = torch.randn(8, 20) * scale
    if step == given.get("noise"):
        x = x + int.from_bytes(os.urandom(2), "big")
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
    if step == given.get("until"):
        wait_until_told("out/ckpt.pt", "out/log.txt", "data/scale.txt")
        os.kill(os.getpid(), signal.SIGKILL)
    if step % 6 == 0:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({**state, "rng": torch.get_rng_state(), "step": step}, "out/ckpt.pt")
    with open("out/log.txt", "a") as log:
        log.write(f"{step}\\n")
"""
)


def make(around: Path) -> Project:
    (around / "work").mkdir()
    project = Project(around / "work")
    project.call("git", "init", "-q")
    project.write(".gitignore", "out/\ndata/\n")
    project.write("train.py", TRAIN)
    project.write("own.py", OWN)
    project.write("data/scale.txt", "1.0")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make(tmp_path)


@pytest.fixture(scope="module")
def went_on(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a run that was killed and went on, which its tests only verify."""
    project = make(tmp_path_factory.mktemp("went_on"))
    run(project, until=15, expect=-signal.SIGKILL)
    go_on(project)
    return project


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same, of which step 9 is another each time."""
    project = make(tmp_path_factory.mktemp("noisy"))
    run(project, until=15, noise=9, expect=-signal.SIGKILL)
    go_on(project)
    return project


def run(project: Project, script: str = "train.py", *, expect: int = 0, **given: Any) -> None:
    ended = project.run(script, json.dumps(given))
    assert ended.code == expect, ended


def go_on(
    project: Project, script: str = "train.py", *, expect: int = 0, cwd: str = ".", **given: Any
) -> None:
    words = ("--resume", "@last", script, json.dumps(given))
    ended = project.run(*words, cwd=project.path / cwd)
    assert ended.code == expect, ended


def verify(project: Project, *options: str) -> tuple[int, dict[str, Any]]:
    """What verify said; not one file of the user's is another afterwards."""
    before = user_files(project)
    ended = project.call(SAMEBIT, "verify", "@last", "--json", *options)
    assert user_files(project) == before
    assert "Traceback" not in ended.err, ended.err
    return ended.code, ended.json


def user_files(project: Project) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(project.path.rglob("*"))
        if path.is_file() and not {".samebit", ".git"} & set(path.parts)
    }


def text(verdict: dict[str, Any]) -> str:
    where = (verdict["evidence"].get("divergence") or {}).get("where", "")
    return f"{verdict['grade']}: {where}{', ' * bool(where)}{verdict['cause']}"


def replays(project: Project, since: int = 0) -> list[View]:
    """Those that came after so many, oldest first."""
    return [view for view in project.views() if view.record.kind == "replay"][since:]


def counts(view: View) -> list[tuple[int, int]]:
    """The first and last step of each execution that made some."""
    traces = [view.at_execution(start.number).trace for start in view.starts]
    return [(rows[0].count, rows[-1].count) for rows in traces if rows]


def test_a_run_that_was_killed_and_went_on_is_identical(went_on: Project) -> None:
    before = len(replays(went_on))
    code, verdict = verify(went_on)
    assert (code, text(verdict)) == (0, "identical: ")
    scope = verdict["scope"]
    assert scope[0].startswith("2 executions, steps 1 to 13 and 13 to 32: batch, model input")
    assert any(line.startswith("final state identical") for line in scope)
    assert "metrics identical: 2 names, 36 values" in scope
    assert "execution 2 went on from the replay's own checkpoint 12" in scope
    (replay,) = replays(went_on, since=before)
    assert counts(replay) == [(1, 13), (13, 32)]
    # The run let go of the bytes itself when it took the next one; the replay does when it is over.
    assert replay.states["checkpoint 12"].get("dropped")
    assert [verdict.grade for verdict in replay.verdicts] == ["identical"]
    went_on.call(SAMEBIT, "check")
    assert "identical" in went_on.call(SAMEBIT, "show", "@last").out


def test_what_parts_in_a_later_execution_is_named_with_it(project: Project) -> None:
    run(project, until=15, expect=-signal.SIGKILL)
    go_on(project, noise=20)
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 5, ended
    assert "different: execution 2, step 20, the model's input differed" in ended.out
    assert "run-to-run: a second replay parted from the first, step 20" in ended.out
    first, second = replays(project)
    assert counts(second) == [(1, 13), (13, 20)]
    assert len(first.starts) == len(second.starts) == 2


def assert_parts_in_the_first(project: Project) -> None:
    before = len(replays(project))
    code, verdict = verify(project)
    assert (code, verdict["step"]) == (5, 9)
    assert text(verdict).startswith("different: execution 1, step 9, the model's input differed")
    assert verdict["kind"] == "run-to-run"
    assert [len(view.starts) for view in replays(project, since=before)] == [1, 1]


def test_what_parts_in_the_first_is_named_and_no_later_one_is_begun(noisy: Project) -> None:
    assert_parts_in_the_first(noisy)


def test_so_it_is_with_a_script_that_goes_on_from_a_file_of_its_own(project: Project) -> None:
    run(project, "own.py", until=15, noise=9, expect=-signal.SIGKILL)
    go_on(project, "own.py")
    assert_parts_in_the_first(project)


def test_to_the_end_goes_on_with_the_checkpoint_of_the_replay(noisy: Project) -> None:
    before = len(replays(noisy))
    code, verdict = verify(noisy, "--to-the-end", "--once")
    assert (code, verdict["step"]) == (5, 9)
    (replay,) = replays(noisy, since=before)
    assert counts(replay) == [(1, 13), (13, 32)]


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_a_script_that_goes_on_from_a_file_of_its_own(project: Project, optimizer: str) -> None:
    run(project, "own.py", until=15, optimizer=optimizer, expect=-signal.SIGKILL)
    go_on(project, "own.py", optimizer=optimizer)
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")
    # SGD keeps no count: its steps go on behind the last that was recorded.
    until = 13 if optimizer == "Adam" else 15
    assert verdict["scope"][0].startswith(f"2 executions, steps 1 to {until} and ")


def test_three_executions_each_with_its_own_arguments_folder_and_code(project: Project) -> None:
    run(project, until=8, expect=-signal.SIGKILL)
    project.write("train.py", TRAIN.replace("loss.backward()", "(loss * 2).backward()"))
    (project.path / "sub").mkdir()
    go_on(project, "../train.py", cwd="sub", until=20, expect=-signal.SIGKILL)
    project.write("train.py", TRAIN)
    go_on(project, epochs=5)
    project.write("train.py", "raise SystemExit('edited')")
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")
    assert verdict["scope"][0].startswith("3 executions, steps 1 to 7, 7 to 19 and 19 to 40: ")


def test_an_execution_that_failed_before_its_first_step_needs_no_replay(project: Project) -> None:
    run(project, until=15, expect=-signal.SIGKILL)
    project.write("train.py", "import not_there")
    go_on(project, expect=1)
    project.write("train.py", TRAIN)
    go_on(project)
    project.write("train.py", "import not_there")
    go_on(project, expect=1)
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")
    scope = verdict["scope"]
    assert scope[0].startswith("2 executions, steps 1 to 13 and 13 to 32: ")
    assert "execution 2 not run again: it recorded no step" in scope
    assert "execution 4 not run again: it recorded no step" in scope


def test_an_execution_that_begins_anew_makes_the_one_before_needless(project: Project) -> None:
    plain = TRAIN.replace("at = run.resume_state(model, optimizer)", "at = None")
    project.write("train.py", plain)
    run(project, until=15, expect=-signal.SIGKILL)
    go_on(project)
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")
    assert verdict["scope"][0].startswith("execution 2, steps 1 to 32: ")
    assert "execution 1 not run again: a later one made all of its steps again" in verdict["scope"]


@pytest.mark.parametrize(("steps", "made"), [(9, [(1, 9)]), (20, [(1, 13), (13, 20)])])
def test_a_part_of_it_is_as_many_executions_as_it_takes(
    went_on: Project, steps: int, made: list[tuple[int, int]]
) -> None:
    before = len(replays(went_on))
    code, verdict = verify(went_on, "--steps", str(steps))
    assert (code, text(verdict), verdict["until"]) == (0, "identical: ", steps)
    assert counts(replays(went_on, since=before)[0]) == made


@pytest.mark.parametrize("how", ["plain", "run"])
def test_a_script_that_names_the_run_it_goes_on_with(project: Project, how: str) -> None:
    name = "samebit.init(resume=given.get('resume'), name='mine')"
    project.write("train.py", TRAIN.replace("samebit.init(resume=given.get('resume'))", name))
    first = json.dumps({"until": 15})
    assert project.python("train.py", first, PYTHONHASHSEED="0").code == -signal.SIGKILL
    given = json.dumps({"resume": project.view().id})
    words = ("train.py", given)
    if how == "plain":
        ended = project.python(*words, PYTHONHASHSEED="0")
    else:
        ended = project.run("--resume", "@last", *words, PYTHONHASHSEED="0")
    assert ended.code == 0, ended
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")
    (view,) = [view for view in project.views() if view.record.kind == "run"]
    assert len(view.starts) == 2  # the replay has not gone on with the run itself


def test_an_interrupt_and_a_resume(project: Project) -> None:
    run(project, until=15, signal="SIGINT", expect=-signal.SIGINT)
    go_on(project)
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")


def test_where_digests_alone_are_kept_the_bytes_of_the_run_are_taken(project: Project) -> None:
    keep = "run.checkpoint(keep={'every': 6}, extra"
    project.write("train.py", TRAIN.replace("run.checkpoint(extra", keep))
    run(project, until=15, expect=-signal.SIGKILL)
    go_on(project)
    (project.store / "local.toml").write_text('[states]\nkeep = "digest"\n')
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")
    said = "the run's own checkpoint 12: its digests are those of the replay's"
    assert f"execution 2 went on from {said}" in verdict["scope"]


def test_where_nothing_can_be_gone_on_from_that_is_said(project: Project) -> None:
    wide = TRAIN.replace("(16, 32)", "(16, 2048)").replace("(32, 4)", "(2048, 4)")
    project.write("train.py", wide)  # whose arrays are files of their own, which may be lost
    run(project, until=15, expect=-signal.SIGKILL)
    (project.store / "local.toml").write_text('[states]\nkeep = "digest"\n')
    go_on(project)
    for path in (project.store / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    code, verdict = verify(project)
    assert code == 6
    assert "of checkpoint 12, from which execution 2 went on" in text(verdict)
    assert "states.keep = all keeps them" in text(verdict)
    assert verdict["scope"][0].startswith("execution 1, steps 1 to 13: ")


def test_what_somebody_changed_between_two_executions(project: Project) -> None:
    run(project, "own.py", steps=12)
    project.write("data/scale.txt", "2.0")
    found = torch.load(project.path / "out/ckpt.pt")
    torch.save({**found, "step": 6}, project.path / "out/ckpt.pt")
    go_on(project, "own.py", steps=20)
    code, verdict = verify(project)
    assert code == 6  # the first one's data is another now, and nobody has kept it
    assert "execution 1: the run read" in text(verdict)
    assert "data/scale.txt, whose content is another now" in text(verdict)


def test_a_file_that_was_changed_between_is_what_the_later_one_found(project: Project) -> None:
    run(project, "own.py", steps=12)
    found = torch.load(project.path / "out/ckpt.pt")
    found["model"]["bias"] += 1
    torch.save(found, project.path / "out/ckpt.pt")
    go_on(project, "own.py", steps=20)
    code, verdict = verify(project)
    assert (code, text(verdict)) == (0, "identical: ")


def test_the_plan_says_which_executions_are_run_again(went_on: Project) -> None:
    ended = went_on.call(SAMEBIT, "verify", "@last", "--plan")
    assert ended.code == 0, ended
    assert "execution 1  steps 1 to 13, of 15: the next one went on from step 12" in ended.out
    assert "execution 2  from checkpoint 12, steps 13 to 32" in ended.out
    data = went_on.call(SAMEBIT, "verify", "@last", "--plan", "--json").json
    assert [one["number"] for one in data["executions"]] == [1, 2]


def test_a_later_execution_that_is_killed_is_unknown_with_what_agrees(project: Project) -> None:
    run(project, until=8, expect=-signal.SIGKILL)
    go_on(project, until=20, expect=-signal.SIGKILL)
    code, verdict = verify(project)
    assert code == 6
    assert text(verdict) == "unknown: the run killed; what both have of it is identical"
    assert verdict["scope"][0].startswith("2 executions, steps 1 to 7 and 7 to 20: ")


def test_a_replay_whose_first_execution_fails_says_so(project: Project) -> None:
    fails = "if os.environ.get('HOME') == '/': raise ValueError('here')\n        loss.backward()"
    project.write("train.py", TRAIN.replace("loss.backward()", fails))
    run(project, until=15, expect=-signal.SIGKILL)
    go_on(project)
    ended = project.call(SAMEBIT, "verify", "@last", HOME="/")
    assert ended.code == 6, ended
    said = " ".join(ended.out.split())
    assert "execution 1 killed, and its replay failed with exit code 1: ValueError: here" in said
