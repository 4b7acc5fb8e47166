"""What cannot be written down is written later, or named where it still can be."""

import sys

import pytest

from samebit.folders.find import list_runs
from samebit.session.launching import launch
from samebit.session.request import Request
from tests.projects import Project

# The journal refuses the first appends of this process, or all from some time on.
REFUSING = """
import errno, sys
from samebit.journal import writer
left, original = [0], writer._append
def append(fd, data):
    if left[0]:
        left[0] -= 1
        raise OSError(errno.EIO, "refused")
    return original(fd, data)
writer._append = append
"""
FACTS = {"process", "interpreter", "packages", "variables", "machine"}


@pytest.mark.parametrize("times", [1, 4, 10, pytest.param(40, marks=pytest.mark.slow)])
def test_facts_of_a_journal_that_begins_late_are_there(project: Project, times: int) -> None:
    project.write(
        "a.py",
        REFUSING + f"left[0] = {times}\nimport samebit\n"
        "run = samebit.init({'lr': 0.1})\nleft[0] = 0\n"
        "run.log({'x': 1})\nimport os; os._exit(0)\n",
    )
    ended = project.python("a.py", PYTHONHASHSEED="1")
    assert ended.code == 0
    view = project.view()
    assert {*view.facts, "process"} >= {*FACTS, "config"}
    assert view.all_facts("process")
    assert (view.metrics["x"].values, view.gaps) == ([1], [])
    # Between the first attempt and its repetition nothing was lost, and nothing is said.
    assert len(view.all_facts("problem")) == ended.err.count("samebit: ") == int(times > 1)
    assert not any("training goes on" in line for line in view.missing)


def test_problems_that_the_journal_never_took_are_in_the_end_of_the_run(project: Project) -> None:
    project.write(
        "a.py",
        REFUSING + "import samebit\nrun = samebit.init()\nrun.log({'x': 1})\n"
        "left[0] = 10**9\nrun.log({'x': 2})\nrun.config = {'lr': 1}\n",
    )
    ended = project.python("a.py", PYTHONHASHSEED="1")
    assert ended.code == 0
    view = project.view()
    assert (view.status, view.metrics["x"].values) == ("finished", [1])
    what = [problem["what"] for problem in view.end.problems]
    assert ({*what[:2]}, what[-1]) == ({"log", "journal"}, "facts")  # of two threads
    assert "refused" in view.end.problems[0]["detail"]
    assert "config" in view.end.problems[-1]["detail"]
    assert any("refused" in line for line in view.missing)


def test_a_process_of_samebit_run_leaves_them_to_its_supervisor(project: Project) -> None:
    project.write(
        "a.py",
        REFUSING + "import samebit\nrun = samebit.init()\nleft[0] = 10**9\nrun.log({'x': 2})\n",
    )
    ended = project.run("a.py")
    assert ended.code == 0
    view = project.view()
    assert any("log: " in line and "refused" in line for line in view.missing)
    assert any(line.startswith("facts: never written: ") for line in view.missing)
    assert not any("training goes on" in line for line in view.missing)


def test_what_cannot_be_recorded_is_said_once_and_kept_with_its_reason(project: Project) -> None:
    project.write("a.py", "print('ran')")
    child = ["env", "SAMEBIT_FAULTS=journal.open=error", sys.executable, "a.py"]
    ended = project.run("--", *child)
    assert (ended.code, ended.out) == (125, "")
    assert ended.err.count("samebit: ") == 1
    (problem,) = project.view().all_facts("problem")
    assert problem["what"] == "nothing was recorded"
    assert "injected fault" in problem["detail"]


@pytest.mark.parametrize(
    "fault", ["journal.open=error", "journal.write=raise", "disk.create=error@3"]
)
@pytest.mark.parametrize("how", ["samebit run", pytest.param("init", marks=pytest.mark.slow)])
def test_a_run_that_could_not_begin_is_ended_or_not_there(
    project: Project, fault: str, how: str
) -> None:
    project.write("a.py", "import samebit\nsamebit.init()\n")
    if how == "init":
        project.python("a.py", SAMEBIT_FAULTS=fault)
    else:
        ended = project.run("a.py", SAMEBIT_FAULTS=fault)
        assert ended.code == 125
    for run in list_runs(project.store):
        assert run.end(1) is not None
    if "disk" not in fault:
        (view,) = project.views()
        assert view.status in ("failed", "finished")
        if how != "init":
            assert "injected fault" in view.end.exception


def test_a_run_whose_command_cannot_be_started_for_a_reason_of_ours_is_ended(
    project: Project,
) -> None:
    def begun(folder: object) -> None:
        raise RuntimeError("of ours")

    project.write("a.py", "print('ran')")
    with pytest.raises(RuntimeError, match="of ours"):
        launch(Request("script", ["a.py"], project.path, project.environ()), begun)
    view = project.view()
    assert (view.status, view.end.exception) == ("failed", "RuntimeError: of ours")
