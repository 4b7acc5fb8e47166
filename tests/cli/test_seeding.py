"""`samebit seeds`: what runs, what is said, and what a kill at any point leaves."""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from samebit import stats
from samebit.cli.main import main
from samebit.studies.declared import find_study
from tests.projects import SAMEBIT, Project
from tests.studied import begin, history_of, seeds, wait_until_begun, wait_until_held

# A script of two streams; by its first word it fails, or is killed at its first start.
SCRIPT = """
    import os, random, signal, sys, time
    import samebit
    how = sys.argv[1] if len(sys.argv) > 1 else "well"
    samebit.seeds(init=1, order=2)
    run = samebit.init(config={"how": how, "given": sys.argv[2:]})
    with samebit.role("init"):
        acc = 0.9 + random.random() / 100
    with samebit.role("order"):
        acc += random.random() / 1000
    if how == "fails":
        raise ValueError("it cannot work")
    if how == "killed" or (how == "lost" and not os.path.exists("lost")):
        open("lost", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    while how == "waits" and not os.path.exists("go"):
        time.sleep(0.05)
    run.log({"acc": 0.5 if how == "ignores" else acc})
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("t.py", SCRIPT)
    return project


def shown(project: Project, group: str, *words: str) -> Any:
    return seeds(project, "show", group, "--json", *words).json


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "what is to be run?"),
        (["t.py"], 2, "how many?"),
        (["t.py", "--n", "0"], 2, "a number from 1"),
        (["t.py", "--n", "2", "--lr"], 2, "--lr"),
        (["t.py", "fast", "--n", "2"], 2, "stand after `--`"),
        (["t.py", "--n", "2", "--init", "3"], 2, "not both"),
        (["t.py", "--n", "2", "--vary", "luck"], 2, "no kind of seed is called 'luck'"),
        (["u.py", "--n", "2"], 125, "there is no script u.py"),
        (["t.py", "--n", "2", "--on", "inline", "--jobs", "2"], 2, "one run after the other"),
        (["t.py", "--n", "2", "--sbatch", "partition=a"], 2, "--sbatch is for runs on Slurm"),
        (["t.py", "--n", "2", "--on", "slurm", "--sbatch", "array=0-3"], 2, "set by the study"),
        (["t.py", "--n", "2", "--on", "slurm", "--sbatch", "-p gpu"], 2, "by its long name"),
        (["show"], 2, "of which group?"),
        (["t.py", "--n", "2", "--json"], 2, "seeds show"),
    ],
    ids=str,
)
def test_wrong_usage_runs_nothing(
    project: Project,
    words: list[str],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project.path)
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    try:
        ended = main(["seeds", *words])
    except SystemExit as error:  # of argparse
        ended = error.code
    assert ended == code
    assert says in capsys.readouterr().err
    assert not project.store.exists()


def test_a_plan_says_what_would_run_and_runs_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.path)
    words = ["seeds", "t.py", "--init", "2", "--order", "3", "--plan", "--from", "0"]
    assert main([*words, "--", "well", "{init}/{order}"]) == 0
    said = capsys.readouterr().out
    assert "7 runs: 2 seeds of init × 3 seeds of order; the first one once more" in said
    assert "t.py well 1/2" in said
    assert not project.store.exists()


def test_seeds_reach_roles_and_arguments_and_the_same_command_runs_nothing_again(
    project: Project,
) -> None:
    words = ("t.py", "--n", "2", "--vary", "init", "--name", "g", "--jobs", "2")
    arguments = ("--", "well", "{init}", "{order}")
    first = seeds(project, *words, *arguments)
    assert first.code == 0, first.err
    assert "acc: 0.9" in first.err
    assert "95 % t interval over 2 seeds" in first.err
    views = project.views()
    roles = [view.facts["seeds"]["roles"] for view in views]
    assert len({one["init"]["seed"] for one in roles}) == 2
    assert [one["order"]["seed"] for one in roles] == [2, 2]  # the script's own stays
    for view, role in zip(views, roles, strict=True):
        init, order = view.facts["config"]["given"]
        assert int(init) == role["init"]["seed"]
        assert order == views[0].facts["config"]["given"][1]
        assert view.record.study == find_study(project.store, "g").id  # type: ignore[union-attr]
    again = seeds(project, *words, *arguments)
    assert again.code == 0
    assert "2 runs: 2 finished" in again.err
    assert len(project.views()) == 2
    other = seeds(project, *words, "--", "fails")
    assert (other.code, len(project.views())) == (2, 2)
    assert "is another one" in other.err


@pytest.mark.slow
def test_crossed_seeds_are_parted_and_the_repeated_cell_is_the_floor(project: Project) -> None:
    ended = seeds(project, "t.py", "--init", "2", "--order", "2", "--name", "x", "--jobs", "2")
    assert ended.code == 0, ended.err
    told = shown(project, "x")
    assert [run["repeat"] for run in told["runs"]].count(1) == 1
    result = told["result"]
    assert result["group"]["n"] == 4
    assert result["floor"]["value"] == 0
    assert result["floor"]["n"] == 2
    values = {(r["seeds"]["init"], r["seeds"]["order"]): r["metrics"]["acc"] for r in told["runs"]}
    rows, columns = (sorted({key[at] for key in values}) for at in (0, 1))
    expected = stats.crossed([[values[row, column] for column in columns] for row in rows])
    assert result["crossing"]["parts"][0]["share"] == pytest.approx(
        expected.share(expected.parts[0])
    )
    text = seeds(project, "show", "x").out
    assert "2 runs with the same seeds are equal to the bit" in text
    assert "init: SD" in text


@pytest.mark.slow
def test_what_varies_nothing_is_said(project: Project) -> None:
    ended = seeds(project, "t.py", "--n", "2", "--name", "i", "--jobs", "2", "--", "ignores")
    assert "all results are equal to the bit" in ended.err
    assert "mind: all results are equal to the bit" in seeds(project, "show", "i").out


@pytest.mark.slow
def test_a_failing_script_is_not_tried_again_but_where_that_is_asked(project: Project) -> None:
    words = ("t.py", "--n", "5", "--name", "f", "--jobs", "1")
    ended = seeds(project, *words, "--", "fails")
    assert ended.code == 1
    assert "3 failed, 2 waiting" in ended.err
    assert "nothing but failures" in ended.err
    assert len(project.views()) == 3
    project.write("t.py", SCRIPT.replace('how == "fails"', "not how"))
    ended = seeds(project, *words, "--retry", "--", "fails")
    assert (ended.code, len(project.views())) == (0, 8), ended.err
    assert "5 finished" in ended.err


@pytest.mark.slow
def test_a_killed_run_is_started_once_more_and_no_more(project: Project) -> None:
    assert seeds(project, "t.py", "--n", "1", "--name", "l", "--", "lost").code == 0
    assert sorted(view.status for view in project.views()) == ["finished", "killed"]
    ended = seeds(project, "t.py", "--n", "1", "--name", "k", "--", "killed")
    assert (ended.code, len(project.views())) == (1, 4)
    assert seeds(project, "t.py", "--n", "1", "--name", "k", "--", "killed").code == 1
    assert len(project.views()) == 4


@pytest.mark.slow
def test_a_run_with_a_checkpoint_goes_on_as_the_same_run_after_a_kill_and_after_a_mend(
    project: Project,
) -> None:
    project.write(
        "c.py",
        """
        import os, pathlib, signal, samebit
        run = samebit.init()
        done = run.resume_state()
        for step in range(done.extra + 1 if done else 1, 5):
            run.log({"acc": step / 10}, step=step)
            run.checkpoint(step, extra=step)
            here = pathlib.Path(f"at{step}")
            if step in (2, 3) and not here.exists():
                here.touch()
                if step == 3:
                    raise ValueError("a bug")
                os.kill(os.getpid(), signal.SIGTERM)
        """,
    )
    words = ("c.py", "--n", "1", "--name", "c")
    ended = seeds(project, *words)
    assert ended.code == 1
    assert "; it goes on from its checkpoint" in ended.err
    assert "failed (ValueError)" in ended.err
    killed = seeds(project, *words, "--retry", SAMEBIT_FAULTS="study.submit=kill")
    assert killed.code == -signal.SIGKILL
    ended = seeds(project, *words, "--retry")
    assert (ended.code, ended.err.count("1 run goes on from its last checkpoint")) == (0, 1)
    view = project.view()
    assert [end.status for end in view.ends if end] == ["killed", "failed", "finished"]
    assert view.metrics["acc"].steps == [1, 2, 3, 4]
    assert view.at_execution(3).metrics["acc"].steps == [4]
    assert history_of(project, "c").trials[0].counted == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["study.decide@2", "study.decided@2", "study.decided@5", "study.submit@2"]
)
def test_a_controller_killed_anywhere_is_gone_on_with_and_nothing_runs_twice(
    project: Project, point: str
) -> None:
    name, _, when = point.partition("@")
    words = ("t.py", "--n", "2", "--name", "c")
    assert seeds(project, *words, SAMEBIT_FAULTS=f"{name}=kill@{when}").code == -signal.SIGKILL
    ended = seeds(project, *words)
    assert ended.code == 0, ended.err
    views = project.views()
    assert [view.status for view in views] == ["finished"] * 2
    assert [view.record.trial for view in views] == [0, 1]


@pytest.mark.slow
def test_a_second_controller_is_told_who_holds_it_and_a_killed_ones_runs_are_found_or_made_again(
    project: Project,
) -> None:
    words = ("t.py", "--n", "2", "--name", "w", "--jobs", "2", "--", "waits")
    first = begin(project, "seeds", *words)
    wait_until_begun(project, 2)
    second = seeds(project, *words)
    assert second.code == 1
    assert "another process runs this study" in second.err
    assert f"process: {first.pid}" in second.err
    first.kill()
    first.communicate()
    lost = project.views()[0].folder
    os.killpg(lost.start(1).pid, signal.SIGKILL)  # its supervisor, and what it started
    third = begin(project, "seeds", *words)
    wait_until_held(project, "w", third)
    (project.path / "go").touch()
    _, said = third.communicate(timeout=120)
    assert third.returncode == 0, said
    states = {view.folder.id: view.status for view in project.views()}
    assert states.pop(lost.id) == "broken off"
    assert [*states.values()] == ["finished"] * 2


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(project: Project) -> None:
    words = ("t.py", "--n", "2", "--name", "s", "--jobs", "2", "--", "waits")
    first = begin(project, "seeds", *words)
    wait_until_begun(project, 2)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "2 runs: 2 stopped" in said
    assert "the same command goes on" in said
    assert [view.status for view in project.views()] == ["killed"] * 2
    assert [one.counted for one in history_of(project, "s").trials] == [0, 0]
    (project.path / "go").touch()
    assert seeds(project, *words).code == 0
    assert [view.status for view in project.views()].count("finished") == 2


@pytest.mark.slow
def test_on_a_terminal_a_line_of_eighty_columns_tells_how_far_it_is(project: Project) -> None:
    ours, theirs = pty.openpty()
    words = [SAMEBIT, "seeds", "t.py", "--n", "2", "--name", "n" * 60, "--jobs", "1"]
    env = project.environ(COLUMNS="80", TERM="xterm")
    process = subprocess.Popen(words, cwd=project.path, env=env, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        said += piece
        if not piece:
            break
    assert process.wait() == 0
    drawn = [line for line in said.decode().split("\r") if "░" in line or "█" in line]
    assert drawn
    assert all(len(line.rstrip("\n")) < 80 for line in drawn)
    assert any("1 of 2" in line and "left" in line for line in drawn)


def test_a_group_of_plain_runs_is_shown_too(project: Project) -> None:
    for seed in ("1", "2"):
        project.run("--group", "p", "--seed", seed, "t.py")
    told = shown(project, "p", "--within", "0.001")
    assert [run["seed"] for run in told["runs"]] == [1, 2]
    assert json.dumps(told["result"]["warnings"])
    assert seeds(project, "show", "q").code == 7
    assert "no run of this group has the metric" in seeds(project, "show", "p", "--metric", "z").err
