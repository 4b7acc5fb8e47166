"""The cells that run, with a real IPython and a real kernel."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project

pytest.importorskip("IPython")

SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in {cells!r}:
    shell.run_cell(cell, store_history=True)
"""


def cells_of(project: Project) -> list[tuple[Any, str]]:
    return [(cell["number"], cell["text"]) for cell in project.view().all_facts("cell")]


def run_cells(project: Project, *cells: str, **env: str) -> str:
    project.write("shell.py", SHELL.format(cells=list(cells)))
    ended = project.python("shell.py", IPYTHONDIR=str(project.path / "ipython"), **env)
    assert ended.code == 0, ended.err
    return ended.out


def test_cells_are_recorded_as_they_were_executed_and_not_as_they_stand(project: Project) -> None:
    out = run_cells(
        project,
        "lr = 0.1",
        "import samebit; run = samebit.init()",
        "lr = 0.2",
        "%time print('again')",
        "1 / 0",
        "api_key = 'hunter2'",
        "run.finish()",
        "after = 'the run'",
    )
    assert "samebit" not in out
    assert cells_of(project) == [
        (1, "lr = 0.1"),
        (2, "import samebit; run = samebit.init()"),
        (3, "lr = 0.2"),
        (4, "%time print('again')"),
        (5, "1 / 0"),
        (6, "api_key = '****'"),
        (7, "run.finish()"),
    ]


def test_a_second_run_in_one_shell_has_all_cells_before_it(project: Project) -> None:
    run_cells(
        project,
        "import samebit",
        "first = samebit.init(name='first')",
        "second = samebit.init(name='second')",
        "x = 1",
    )
    first, second = project.views()
    assert [cell["number"] for cell in first.all_facts("cell")] == [1, 2, 3]
    assert [cell["number"] for cell in second.all_facts("cell")] == [1, 2, 3, 4]


def test_a_script_that_a_cell_runs_is_taken_with_its_bytes(project: Project) -> None:
    project.write("other.py", "X = 1\n")
    run_cells(project, "import samebit; samebit.init()", "%run other.py")
    files = {file for _, file, _ in project.view().facts["sources"]["modules"]}
    assert str(project.path / "other.py") in files


def test_odd_cells_do_no_harm(project: Project) -> None:
    out = run_cells(
        project,
        "import samebit; run = samebit.init()",
        "x = '\\ud800'",
        "y = '" + "a" * 3_000_000 + "'; print(len(y))",
        "",
        "print('end')",
    )
    assert out.split() == ["3000000", "end"]
    facts = project.view().all_facts("cell")
    assert facts[2]["cut_from"] > 3_000_000
    assert len(facts[2]["text"]) == 1 << 20
    assert "capture.cells" not in [p["what"] for p in project.view().all_facts("problem")]


def test_a_plain_script_has_no_cells(project: Project) -> None:
    project.write("a.py", "import samebit; samebit.init()")
    project.python("a.py")
    assert cells_of(project) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_in_a_real_kernel(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    monkeypatch.chdir(project.path)
    environ = project.environ(
        IPYTHONDIR=str(project.path / "ipython"), JPY_SESSION_NAME=str(project.path / "a.ipynb")
    )
    texts = ["lr = 0.1", "import samebit; run = samebit.init({'lr': lr})", "lr = 0.5\nrun.finish()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(t) for t in texts])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "python3"}
    client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120)
    client.create_kernel_manager()
    client.km.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute(env=environ, cwd=str(project.path))
    assert [text for _, text in cells_of(project)] == texts
    view = project.view()
    assert view.facts["notebook"] == {"path": str(project.path / "a.ipynb")}
    assert view.status == "finished"
    assert os.fspath(Path(view.facts["code"]["root"])) == str(project.path)
