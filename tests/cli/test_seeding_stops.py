"""`samebit seeds` where it is stopped at the terminal, the disk is full, or memory is bounded."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit.studies.declared import find_study, folder_of
from samebit.studies.trials import read_history
from tests.disks import fill
from tests.projects import SAMEBIT, Project

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="/proc")]

WAITS = """
import os, time
open("began", "w").write("yes\\n")
while not os.path.exists("go"):
    time.sleep(0.02)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("t.py", WAITS)
    return project


def counted(project: Project, name: str) -> list[int]:
    study = find_study(project.store, name)
    assert study is not None
    history = read_history(folder_of(project.store, study.id), study.id)
    return [trial.counted for trial in history.trials]


def begin_at_a_terminal(project: Project, *words: str) -> tuple[int, int]:
    """A command as the first of a terminal's session; its pid, and our end of the terminal."""
    pid, ours = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execve(SAMEBIT, [SAMEBIT, "seeds", *words], project.environ(TERM="xterm", COLUMNS="80"))
    return pid, ours


def read_to_end(ours: int, pid: int) -> tuple[str, int]:
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        said += piece
        if not piece:
            break
    os.close(ours)
    return said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("place", ["local", "inline"])
def test_ctrl_c_at_the_terminal_ends_the_run_and_the_study_which_goes_on_later(
    project: Project, place: str
) -> None:
    words = ("t.py", "--n", "2", "--name", "s", "--on", place)
    pid, ours = begin_at_a_terminal(project, *words)
    project.wait_for("began")
    os.write(ours, b"\x03")
    said, code = read_to_end(ours, pid)
    assert code == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said.split("KeyboardInterrupt")[-1]
    (view,) = project.views()
    by = "SIGINT" if place == "inline" else "SIGTERM"  # at the terminal it is the script's own
    assert (view.status, view.cause) == ("killed", by)
    assert counted(project, "s")[0] == 0
    (project.path / "go").touch()
    assert project.call(SAMEBIT, "seeds", *words).code == 0
    assert [view.status for view in project.views()] == ["killed", "finished", "finished"]


def test_a_signal_to_the_controller_alone_ends_a_run_at_its_terminal_too(project: Project) -> None:
    words = [SAMEBIT, "seeds", "t.py", "--n", "1", "--name", "s", "--on", "inline"]
    controller = subprocess.Popen(
        words, cwd=project.path, env=project.environ(), start_new_session=True
    )
    project.wait_for("began")
    controller.send_signal(signal.SIGTERM)
    assert controller.wait(60) == 130
    assert project.view().cause == "SIGTERM"


def test_a_full_disk_is_said_and_the_study_goes_on_where_there_is_room(
    project: Project, little_disk: Callable[..., Path]
) -> None:
    top = little_disk("size=4m")
    project.store = top / ".samebit"
    words = ("t.py", "--n", "3", "--name", "s", "--jobs", "2")
    controller = subprocess.Popen(
        [SAMEBIT, "seeds", *words],
        cwd=project.path,
        env=project.environ(),
        stderr=subprocess.PIPE,
        text=True,
    )
    project.wait_for("began")
    until = time.monotonic() + 60
    while len(project.views()) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    filling = fill(top)
    (project.path / "go").touch()
    said = controller.communicate(timeout=100)[1]
    assert controller.returncode in (1, 125), said
    assert "Traceback" not in said
    assert "no space left" in said.lower(), said
    filling.unlink()
    ended = project.call(SAMEBIT, "seeds", *words)
    assert ended.code == 0, ended.err
    statuses = [view.status for view in project.views()]
    assert statuses.count("finished") == 3


def test_a_run_beyond_its_memory_is_not_started_again_until_that_is_asked(project: Project) -> None:
    project.write("t.py", "import time\nheld = bytearray(300 << 20)\ntime.sleep(2)\n")
    words = ("t.py", "--n", "1", "--name", "m")
    ended = project.call(SAMEBIT, "seeds", *words, "--memory", "200M")
    assert ended.code == 1
    assert "killed (out of memory, as it was bounded: " in ended.err
    assert "of 200 MiB)" in ended.err
    assert "once more" not in ended.err
    assert project.call(SAMEBIT, "seeds", *words).code == 1
    assert len(project.views()) == 1
    ended = project.call(SAMEBIT, "seeds", *words, "--memory", "2G", "--retry")
    assert ended.code == 0, ended.err
    assert [view.status for view in project.views()] == ["killed", "finished"]
