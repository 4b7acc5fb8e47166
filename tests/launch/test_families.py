"""Which processes belong to a command, what they hold together, and an end to too much."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from samebit.launch.families import Bound, held_bytes, in_session, is_known, of_child
from tests.projects import Project

pytestmark = pytest.mark.skipif(not is_known(), reason="the system does not tell what is held")

MIB = 2**20


@contextmanager
def started(code: str, **more: bool) -> Iterator["subprocess.Popen[str]"]:
    """A child that has said that it is ready, and goes on until it is ended."""
    body = code + "\nprint('ready', flush=True); time.sleep(60)"
    words = [sys.executable, "-c", f"import mmap, os, subprocess, sys, time\n{body}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **more) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def test_what_processes_share_counts_once_and_files_that_are_mapped_do_not(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(80 * MIB))
    code = f"""
held = bytearray(os.urandom(1) * (100 << 20))
file = mmap.mmap(os.open({str(tmp_path / "data")!r}, os.O_RDONLY), 0, prot=mmap.PROT_READ)
file[::4096]
for _ in range(2):
    if not os.fork():
        time.sleep(60)
"""
    with started(code) as child:
        family = of_child(child.pid)
        assert len(family) == 3
        exactly, cheaply = held_bytes(family), held_bytes(family, beyond=10**12)
        for pid in family - {child.pid}:
            os.kill(pid, signal.SIGKILL)
    assert 100 * MIB < exactly < 140 * MIB
    assert 300 * MIB < cheaply < 420 * MIB


def test_children_of_children_belong_to_it_and_others_do_not() -> None:
    with started("subprocess.Popen(['sleep', '60'])") as child:
        family = of_child(child.pid)
        assert child.pid in family
        assert len(family) == 2
        assert os.getpid() not in family
        bound = Bound(1)
        bound.check(child.pid)
        assert child.wait(60) == -signal.SIGKILL
        assert bound.cause is not None
        assert bound.cause.startswith("out of memory, as it was bounded: ")
        assert bound.cause.endswith(" MiB of 0 MiB")
    assert of_child(child.pid) == set()


def test_what_lost_its_parent_is_still_of_the_session_that_began_it() -> None:
    code = "subprocess.Popen(['sh', '-c', 'sleep 60 & echo'], stdout=2).wait()"
    with started(code, start_new_session=True) as child:
        (left,) = in_session(child.pid) - {child.pid}
        assert left not in of_child(child.pid)  # by its parents alone
        os.kill(left, signal.SIGKILL)


def test_a_run_beyond_its_bound_is_killed_and_says_so_with_figures(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("t.py", "import time\nheld = bytearray(300 << 20)\ntime.sleep(180)\n")
    ended = project.call(
        sys.executable, "-m", "samebit.cli.main", "run", "--memory", "200M", "t.py"
    )
    assert ended.code == -signal.SIGKILL
    view = project.view()
    assert view.status == "killed"
    assert view.cause is not None
    found = re.fullmatch(r"out of memory, as it was bounded: (\d+) MiB of 200 MiB", view.cause)
    assert found is not None, view.cause
    assert int(found[1]) > 200


def test_a_run_within_its_bound_is_left_alone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("t.py", "import time\nheld = bytearray(20 << 20)\ntime.sleep(0.7)\n")
    assert project.run("--memory", "2G", "t.py").code == 0
    assert project.view().cause is None
    wrong = project.run("--memory", "much", "t.py")
    assert (wrong.code, "as in 512M or 4G" in wrong.err) == (2, True)
