"""`samebit seeds` where it is stopped at the terminal, the disk is full, or memory is bounded."""

import os
import pty
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disks import fill
from tests.projects import SAMEBIT, Project
from tests.studied import begin, history_of, seeds, wait_until

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
    assert history_of(project, "s").trials[0].counted == 0
    (project.path / "go").touch()
    assert seeds(project, *words).code == 0
    assert [view.status for view in project.views()] == ["killed", "finished", "finished"]


def test_a_signal_to_the_controller_alone_ends_a_run_at_its_terminal_too(project: Project) -> None:
    words = ("t.py", "--n", "1", "--name", "s", "--on", "inline")
    controller = begin(project, "seeds", *words)
    project.wait_for("began")
    controller.send_signal(signal.SIGTERM)
    controller.communicate(timeout=60)
    assert controller.returncode == 130
    assert project.view().cause == "SIGTERM"


def test_a_full_disk_is_said_and_the_study_goes_on_where_there_is_room(
    project: Project, little_disk: Callable[..., Path]
) -> None:
    top = little_disk("size=4m")
    project.store = top / ".samebit"
    words = ("t.py", "--n", "3", "--name", "s", "--jobs", "2")
    controller = begin(project, "seeds", *words)
    project.wait_for("began")
    wait_until(lambda: len(project.views()) == 2)
    filling = fill(top)
    (project.path / "go").touch()
    said = controller.communicate(timeout=100)[1]
    assert controller.returncode in (1, 125), said
    assert "Traceback" not in said
    assert "no space left" in said.lower(), said
    filling.unlink()
    ended = seeds(project, *words)
    assert ended.code == 0, ended.err
    statuses = [view.status for view in project.views()]
    assert statuses.count("finished") == 3


def test_a_run_beyond_its_memory_is_not_started_again_until_that_is_asked(project: Project) -> None:
    project.write("t.py", "import time\nheld = bytearray(300 << 20)\ntime.sleep(2)\n")
    words = ("t.py", "--n", "1", "--name", "m")
    ended = seeds(project, *words, "--memory", "200M")
    assert ended.code == 1
    assert "killed (out of memory, as it was bounded: " in ended.err
    assert "of 200 MiB)" in ended.err
    assert "once more" not in ended.err
    assert seeds(project, *words).code == 1
    assert len(project.views()) == 1
    ended = seeds(project, *words, "--memory", "2G", "--retry")
    assert ended.code == 0, ended.err
    assert [view.status for view in project.views()] == ["killed", "finished"]
