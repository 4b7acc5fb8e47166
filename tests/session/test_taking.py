"""The code is taken before the script's first line, though the interpreter starts meanwhile."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from tests.projects import Project

SCRIPT = """
open("helper.py", "w").write("NOW = 'edited'\\n")
import json, os, helper
print(json.dumps([helper.NOW, "SAMEBIT_READY" in os.environ]))
"""


@pytest.fixture
def slow(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in whose repository every call of git takes its time."""
    project.write("helper.py", "NOW = 'recorded'\n")
    project.write("train.py", SCRIPT)
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=project.path, check=True)
    git = project.write("slow/git", f'#!/bin/sh\nsleep 0.2\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    return project


def recorded_helper(view: View) -> bytes:
    store = Store(view.folder.store)
    (helper,) = [e for e in read_tree(store, view.code.tree).entries if e.path == "helper.py"]
    return store.read(helper.digest)


def started(project: Project) -> "subprocess.Popen[str]":
    """`samebit run`, whose child has joined and waits."""
    began = project.start("train.py")
    while not list((project.store / "runs").glob("*/executions/1/joined-*")):
        assert began.poll() is None
    return began


@pytest.mark.slow
def test_what_the_first_line_edits_is_recorded_as_it_was(slow: Project) -> None:
    ended = slow.run("train.py")
    assert (ended.code, ended.json) == (0, ["edited", False])
    view = slow.view()
    assert recorded_helper(view) == b"NOW = 'recorded'\n"
    assert view.missing == []


def test_who_is_killed_before_the_code_is_taken_starts_nothing(slow: Project) -> None:
    began = started(slow)
    began.send_signal(signal.SIGKILL)
    out, _ = began.communicate(timeout=60)  # which ends with the last of its processes
    assert out == ""
    assert slow.path.joinpath("helper.py").read_text() == "NOW = 'recorded'\n"


@pytest.mark.slow
def test_an_interrupt_before_the_first_line_is_one(slow: Project) -> None:
    began = started(slow)
    os.killpg(began.pid, signal.SIGINT)
    out, err = began.communicate(timeout=60)
    assert began.returncode == -signal.SIGINT
    assert out == ""
    assert "Traceback" not in err
    assert slow.path.joinpath("helper.py").read_text() == "NOW = 'recorded'\n"
    assert slow.view().status == "killed"


@pytest.mark.slow
def test_a_command_that_is_no_python_begins_after_it(slow: Project) -> None:
    ended = slow.run("--", "sh", "-c", f"echo > helper.py; exec {sys.executable} -c 'print(1)'")
    assert (ended.code, ended.out) == (0, "1\n")
    assert recorded_helper(slow.view()) == b"NOW = 'recorded'\n"
