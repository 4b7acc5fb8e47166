"""The git refs that keep the code of runs are listed, sent and removed."""

import subprocess
from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two runs of a script that no commit has, and a bare repository elsewhere."""
    project = Project(tmp_path_factory.mktemp("tags") / "project")
    project.path.mkdir()
    git(project.path, "init", "-q")
    git(project.path, "init", "-q", "--bare", "../far.git")
    git(project.path, "remote", "add", "far", "../far.git")
    for name in ("first", "second"):
        project.write("train.py", f"print({name!r})")
        assert project.run("--name", name, "train.py").code == 0
    return project


def test_sent_on_request(recorded: Project) -> None:
    far = recorded.path.parent / "far.git"
    refs = recorded.call(SAMEBIT, "tags", "ls").out.splitlines()
    assert len(refs) == 2
    assert git(far, "for-each-ref") == ""
    done = recorded.call(SAMEBIT, "tags", "push", "first")
    assert (done.code, done.out) == (0, "1 ref at far\n"), done.err
    done = recorded.call(SAMEBIT, "tags", "push", "--all", "--to", "far")
    assert (done.code, done.out) == (0, "2 refs at far; 1 of them there already\n"), done.err
    there = git(far, "for-each-ref", "--format=%(refname)").splitlines()
    assert there == refs
    # The code of that run, though nothing of it was ever committed.
    texts = {git(far, "show", f"{ref}:train.py") for ref in refs}
    assert texts == {"print('first')", "print('second')"}


def test_what_git_refuses_is_said(recorded: Project) -> None:
    done = recorded.call(SAMEBIT, "tags", "push", "--all", "--to", "nowhere")
    assert done.code == 1
    assert "git has not sent all of them" in done.err
    assert "does not appear to be a git repository" in done.err
    assert "Traceback" not in done.err
    assert recorded.call(SAMEBIT, "tags", "push", "nobody").code == 7
    assert recorded.call(SAMEBIT, "tags", "push").code == 2


def test_removed_here(recorded: Project) -> None:
    recorded.write("train.py", "print('third')")  # one of its own: the other tests count two
    assert recorded.run("--name", "third", "train.py").code == 0
    refs = recorded.call(SAMEBIT, "tags", "ls").out.splitlines()
    done = recorded.call(SAMEBIT, "tags", "rm", "third")
    assert (done.code, done.out) == (0, "removed 1 ref; the store still has the code\n"), done.err
    assert len(recorded.call(SAMEBIT, "tags", "ls").out.splitlines()) == len(refs) - 1
