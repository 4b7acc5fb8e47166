"""Trainings through a door, recorded with and without `samebit run`, and run again."""

import sys
from pathlib import Path
from typing import Any

from samebit.folders.read import View
from tests.replay.conftest import Project, make_project

WAYS = ("samebit run", "python")


def recorded(
    around: Path, script: str, way: str, *words: str, marked: bool = False, **environ: str
) -> Project:
    """A project whose script was recorded once: under `samebit run`, or by its door alone."""
    project = make_project(around)
    project.write(train=script)
    if way == "python":
        said = project.call(sys.executable, "train.py", *words, **environ).stderr
        assert ("the run is marked" in said) is marked, said
    else:
        project.run("train.py", *words, **environ)
    return project


def values(view: View, name: str) -> dict[int, Any]:
    """A metric's values by step."""
    column = view.metrics[name]
    return dict(zip(column.steps, column.values, strict=True))


def assert_comes_back(project: Project) -> None:
    """It has all that a verdict rests on, and `verify` says that it came out the same."""
    view = project.last()
    assert {"step 0", "final"} <= view.states.keys(), view.states.keys()
    assert view.trace
    assert view.schedule
    found = project.verify()
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict
