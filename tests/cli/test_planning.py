"""The plan of a replay, and whether another user's code may run."""

import json
from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project

SCRIPT = """
import samebit
run = samebit.init()
with open("data.txt") as data:
    run.log({"length": len(data.read())})
with open("out.txt", "w") as out:
    out.write("x")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("train.py", SCRIPT)
    project.write("data.txt", "some data")
    assert project.run("train.py", LOGNAME="ann").code == 0
    return project


def test_a_plan_says_what_is_needed_and_runs_nothing(project: Project) -> None:
    ended = project.call(SAMEBIT, "verify", "@last", "--plan", LOGNAME="ann")
    assert ended.code == 0, ended
    assert "code" in ended.out
    assert "data    1 files, 9 B" in ended.out
    assert "writes  1 files" in ended.out
    assert "everything that it needs is here" in ended.out
    assert len(project.views()) == 1
    assert project.view().verdicts == []
    told = project.call(SAMEBIT, "verify", "@last", "--plan", "--json", LOGNAME="ann").json
    assert told["words"] == ["train.py"]
    assert [Path(item["path"]).name for item in told["inputs"]] == ["data.txt"]
    assert told["blockers"] == []


def test_what_is_missing_is_in_the_plan(project: Project) -> None:
    (project.path / "data.txt").unlink()
    ended = project.call(SAMEBIT, "verify", "@last", "--plan", LOGNAME="ann")
    assert ended.code == 6, ended
    assert "cannot be run again as it was" in ended.out
    assert "data.txt, which is not there any more" in ended.out


def test_the_code_of_another_user_is_asked_about(project: Project) -> None:
    ended = project.call(SAMEBIT, "verify", "ann", LOGNAME="bob")
    run = project.view().id
    ended = project.call(SAMEBIT, "verify", run, LOGNAME="bob")
    assert ended.code == 2, ended
    assert f"run {run} is of ann, and its code would run as you" in ended.err
    assert "--yes runs it" in ended.err
    assert len(project.views()) == 1
    assert "of      ann" in project.call(SAMEBIT, "verify", run, "--plan", LOGNAME="bob").out
    ended = project.call(SAMEBIT, "verify", run, "--yes", "--json", LOGNAME="bob")
    assert len(project.views()) == 2
    assert json.loads(ended.out)["who"] == "reproduced (claimed)"
