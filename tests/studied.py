"""Studies as their user has them: commands in a project, what goes on, and what was decided."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from samebit.folders.find import list_runs
from samebit.studies.declared import find_study, folder_of
from samebit.studies.trials import History, read_history
from tests.projects import SAMEBIT, Ended, Project


def seeds(project: Project, *words: str, **env: Any) -> Ended:
    """`samebit seeds`, to its end."""
    return project.call(SAMEBIT, "seeds", *words, **env)


def sweep(project: Project, *words: str, **env: Any) -> Ended:
    """`samebit sweep`, to its end."""
    return project.call(SAMEBIT, "sweep", *words, **env)


def begin(project: Project, *words: str, **env: str) -> "subprocess.Popen[str]":
    """`samebit` with these words, in a session of its own and not waited for."""
    return subprocess.Popen(
        [SAMEBIT, *words],
        cwd=project.path,
        env=project.environ(**env),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(is_so: Callable[[], object], timeout_s: float = 60) -> None:
    """Come back as soon as it is so."""
    until = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.05)


def wait_until_begun(project: Project, runs: int) -> None:
    """Come back as soon as the scripts of so many runs have begun their recording."""

    def is_so() -> bool:
        there = [run.path / "executions/1/joined-0" for run in list_runs(project.store)]
        return sum(path.exists() for path in there) >= runs

    wait_until(is_so, 120)


def wait_until_held(project: Project, name: str, by: "subprocess.Popen[str]") -> None:
    """Come back as soon as a command has a study in its hands."""

    def is_so() -> bool:
        study = find_study(project.store, name)
        assert study is not None
        word = folder_of(project.store, study.id) / "holder.json"
        return word.exists() and f'"pid": {by.pid}' in word.read_text()

    wait_until(is_so)


def history_of(project: Project, name: str) -> History:
    """What was decided of a study, by its name, and how far that came."""
    study = find_study(project.store, name)
    assert study is not None
    return read_history(folder_of(project.store, study.id), study.id)
