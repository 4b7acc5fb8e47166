"""`samebit seeds --keep`: the best at a step go on, the others end, and what that cost is said."""

import signal
from pathlib import Path

import pytest

from samebit.cli.main import main
from tests.projects import Project
from tests.studied import history_of, seeds

# Twenty steps, at each of which seed s has acc = s * step / 20; seed 3 as its last word says. Seeds
# below the second word, and one with NaN, wait behind step 6 to be stopped.
SCRIPT = """
    import sys, time
    import samebit
    seed, odd = int(sys.argv[1]), sys.argv[3:]
    run = samebit.init()
    for step in range(1, 21):
        value = seed * step / 20
        if odd and seed == 3:
            if odd[0] == "fails" and step == 3:
                raise ValueError("no")
            value = float("nan") if odd[0] == "nan" else value
            if odd[0] == "short" and step == 4:
                break
        run.log({"acc": value}, step)
        while step == 6 and (seed < int(sys.argv[2]) or value != value):
            time.sleep(0.02)
"""
ASKED = ("t.py", "--start", "4", "--keep", "1", "--metric", "acc", "--from", "0", "--name", "e")
AT = ("--at", "0.25", "--steps", "20")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("t.py", SCRIPT)
    return project


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--at", "4"], "--at is of --keep"),
        (["--keep", "1"], "at which step are they judged?"),
        (["--keep", "1", "--at", "0.25"], "0.25 of how many steps?"),
        (["--keep", "4", "--at", "4"], "nothing is stopped"),
        (["--keep", "1", "--at", "4", "--repeat", "1"], "do not go together"),
        (["--keep", "1", "--at", "4", "--on", "inline"], "none can be stopped early"),
        (["--keep", "1", "--at", "4"], "by which metric"),
        (["--keep", "1", "--at", "4", "--metric", "zeta"], "which way is zeta better?"),
        (["--keep", "1", "--at", "4", "--steps", "4", "--metric", "acc"], "the end of a run"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_said_and_nothing_runs(
    project: Project,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project.path)
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    assert main(["seeds", "t.py", "--n", "4", *words]) == 2
    assert says in capsys.readouterr().err
    assert not project.store.exists()


def test_a_plan_tells_the_cost_by_dodges_formula_and_with_fewer_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.path)
    assert main(["seeds", *ASKED, *AT, "--plan", "--jobs", "2", "--", "{seed}"]) == 0
    said = capsys.readouterr().out
    assert "the 1 best of 4 by acc at step 5 go on, the others are stopped" in said
    assert (
        "costs 44 % of the steps of 4 whole runs with all at once, about 49 % with 2 at once"
        in said
    )


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["2", "4"])
def test_the_best_at_the_step_finishes_and_the_others_are_stopped(
    project: Project, jobs: str
) -> None:
    ended = seeds(project, *ASKED, *AT, "--jobs", jobs, "--", "{seed}", "3")
    assert ended.code == 0, ended.err
    states = {view.record.trial: view.status for view in project.views()}
    assert states[3] == "finished"
    assert states[0] == "stopped early"
    assert len(states) == len(project.views()) == 4
    assert sorted(states.values()) == ["finished", *["stopped early"] * 3]
    assert "of 80 steps were run" in ended.err
    assert "were stopped early: those that finished were chosen" in ended.err
    view = next(view for view in project.views() if view.record.trial == 0)
    assert str(view.cause).startswith("by the study e at step 5: acc 0; the best has 0.")
    assert max(view.metrics["acc"].steps) < 20
    again = seeds(project, *ASKED, *AT, "--jobs", jobs, "--", "{seed}", "3")
    assert again.code == 0
    assert len(project.views()) == 4
    assert "stopped early" in seeds(project, "show", "e").out
    assert seeds(project, *ASKED, "--at", "6", "--", "{seed}", "3").code == 2


@pytest.mark.slow
@pytest.mark.parametrize(("odd", "state"), [("nan", "stopped early"), ("fails", "failed")])
def test_what_is_nan_or_failed_takes_no_place_of_another(
    project: Project, odd: str, state: str
) -> None:
    ended = seeds(project, *ASKED, *AT, "--jobs", "4", "--", "{seed}", "2", odd)
    assert ended.code == 0, ended.err
    states = {view.record.trial: view.status for view in project.views()}
    assert states == {0: "stopped early", 1: "stopped early", 2: "finished", 3: state}


@pytest.mark.slow
def test_a_run_that_ends_before_the_step_is_judged_by_its_end(project: Project) -> None:
    ended = seeds(project, *ASKED, *AT, "--jobs", "4", "--", "{seed}", "2", "short")
    assert ended.code == 0, ended.err
    states = {view.record.trial: view.status for view in project.views()}
    # 3 * 3 / 20 after its last step, and seed 2 has 2 * 5 / 20: it is better.
    assert states == {0: "stopped early", 1: "stopped early", 2: "finished", 3: "finished"}


@pytest.mark.slow
@pytest.mark.parametrize("point", ["study.decided@9", "study.cancel@1", "study.cancel@2"])
def test_a_controller_killed_while_it_stops_runs_stops_the_same_ones_later(
    project: Project, point: str
) -> None:
    name, _, when = point.partition("@")
    words = (*ASKED, *AT, "--jobs", "4", "--", "{seed}", "3")
    killed = seeds(project, *words, SAMEBIT_FAULTS=f"{name}=kill@{when}")
    assert killed.code == -signal.SIGKILL
    decided = [one.number for one in history_of(project, "e").trials if one.early is not None]
    ended = seeds(project, *words)
    assert ended.code == 0, ended.err
    states = {view.record.trial: view.status for view in project.views()}
    assert states == {0: "stopped early", 1: "stopped early", 2: "stopped early", 3: "finished"}
    assert decided or name == "study.decided"
    assert len(project.views()) == 4


@pytest.mark.slow
def test_what_it_would_have_lost_is_told_by_runs_that_went_to_their_end(
    project: Project,
) -> None:
    words = (
        "t.py",
        "--n",
        "3",
        "--from",
        "0",
        "--jobs",
        "3",
        "--name",
        "whole",
        "--",
        "{seed}",
        "0",
    )
    assert seeds(project, *words).code == 0
    said = seeds(project, *ASKED, *AT, "--plan", "--like", "whole", "--", "{seed}", "0").out
    assert "in 3 runs of whole, 1 kept of 3: the best is 2 on average, 0 short of 2" in said
    assert "rank correlation with the end 1.00" in said
    missing = seeds(project, *ASKED, *AT, "--plan", "--like", "none", "--", "{seed}", "0")
    assert missing.code == 7
