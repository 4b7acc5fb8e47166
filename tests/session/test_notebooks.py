"""A real Jupyter kernel: a run lasts from `init()` to `finish()`, another `init()`, or shutdown."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.projects import Project

pytest.importorskip("ipykernel")
pytest.importorskip("nbclient")
pytestmark = pytest.mark.slow

# In a process of its own: the client's event loop leaves sockets to the garbage collector.
CLIENT = """
import sys, nbclient, nbformat
cells = [nbformat.v4.new_code_cell(source) for source in sys.argv[2:]]
notebook = nbformat.v4.new_notebook(cells=cells)
given = {"timeout": 60, "allow_errors": True, "shutdown_kernel": sys.argv[1]}
nbclient.NotebookClient(notebook, **given).execute()
"""


def execute(project: Project, *cells: str, shutdown: str = "graceful") -> None:
    library = os.environ.get("PYTHONPATH", "")
    given = {"PYTHONPATH": library} if library else {}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, shutdown, *cells],
        cwd=project.path,
        env=project.environ(PYTHONHASHSEED="1", **given),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr


def test_a_cell_that_fails_ends_nothing_and_the_kernel_s_shutdown_ends_the_run(
    project: Project,
) -> None:
    cells = ["import samebit; run = samebit.init({'a': 1})", "run.log({'x': 1})", "1 / 0"]
    execute(project, *cells, "run.log({'x': 2})")
    view = project.view()
    assert view.metrics["x"].values == [1, 2]
    assert (view.status, view.cause, view.gaps) == ("finished", None, [])
    assert view.facts["config"] == {"a": 1}


def test_a_second_init_ends_the_first_run_and_finish_ends_the_second(project: Project) -> None:
    begin = "import samebit; run = samebit.init(); run.log({'x': 1})"
    execute(project, begin, begin, "run.finish()", "run.log({'late': 1})", "1 / 0")
    first, second = project.views()
    assert (first.status, second.status) == ("finished", "finished")
    assert first.end.ended_ns <= second.record.started_ns


def test_a_kernel_that_is_killed_leaves_what_was_logged(project: Project) -> None:
    begin = "import samebit; run = samebit.init(); run.log({'x': 1})"
    execute(project, begin, shutdown="immediate")
    until = time.monotonic() + 60
    while project.view().status == "running" and time.monotonic() < until:
        time.sleep(0.1)
    view = project.view()
    assert (view.status, view.metrics["x"].values) == ("broken off", [1])
    assert Path(view.starts[0].cwd) == project.path
