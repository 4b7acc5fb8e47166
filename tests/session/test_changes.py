"""Uncommitted code: recorded, or refused before the first line."""

import subprocess

import pytest

from tests.projects import Ended, Project

REFUSE = '[code]\non_changed = "refuse"\n'


def git(project: Project, *words: str) -> None:
    settings = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *settings, *words], cwd=project.path, check=True, capture_output=True)


@pytest.fixture
def repository(project: Project) -> Project:
    project.write("train.py", "print('ran')\n")
    project.write(".gitignore", "data/\n")
    project.write("samebit.toml", REFUSE)
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    return project


def refused(ended: Ended, project: Project, runs: int) -> str:
    assert ended.code == 125
    assert ended.out == ""
    assert len(project.views()) == runs
    return ended.err


@pytest.mark.slow
def test_only_a_clean_tree_is_run_and_nothing_begins_otherwise(repository: Project) -> None:
    repository.write("data/large.txt", "ignored")
    assert repository.run("train.py").out == "ran\n"
    repository.write("new.py", "")
    said = refused(repository.run("train.py"), repository, 1)
    assert "? new.py" in said
    assert "on_changed is refuse" in said
    assert "SAMEBIT_CODE_ON_CHANGED=record" in said
    refused(repository.run("--or-run-anyway", "train.py"), repository, 1)
    (repository.path / "new.py").unlink()
    repository.write("train.py", "print('edited')\n")
    assert "M train.py" in refused(repository.run("train.py"), repository, 1)
    ended = repository.run("train.py", SAMEBIT_CODE_ON_CHANGED="record")
    assert ended.out == "edited\n"
    assert repository.views()[-1].facts["code"]["changed"] == ["M train.py"]
    # What was recorded so can be run again: a replay asks nothing of the tree.
    git(repository, "checkout", "-q", "train.py")


def test_where_git_cannot_say_the_tree_is_not_clean(project: Project) -> None:
    project.write("train.py", "print('ran')\n")
    project.write("samebit.toml", REFUSE)
    assert "there is no git repository" in refused(project.run("train.py"), project, 0)


def test_an_init_that_comes_too_late_to_refuse_says_so_and_marks_the_run(
    repository: Project,
) -> None:
    repository.write("train.py", "import samebit; samebit.init(); print('ran')\n")
    ended = repository.python("train.py")
    assert (ended.code, ended.out) == (0, "ran\n")
    assert ended.err.count("uncommitted changes") == 1
    problems = [problem["what"] for problem in repository.view().all_facts("problem")]
    assert "uncommitted changes" in problems
