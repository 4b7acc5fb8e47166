"""Threads of ours are not there while a script forks; with the Pythons that warn of it, too."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from samebit import threads

SOURCE = Path(threads.__file__).parents[1]
_PYENV = Path.home() / ".pyenv" / "versions"


def interpreters() -> list[str]:
    """Our own Python, and the newer ones that are on this machine."""
    newer = [shutil.which(f"python3.{minor}") for minor in (12, 13, 14)]
    kept = sorted(_PYENV.glob("3.1[234].*/bin/python"))
    found = {
        os.path.realpath(path): path
        for path in [*newer, *map(str, kept)]
        if path and "/shims/" not in path  # which may stand for no interpreter at all
    }
    return [sys.executable, *found.values()]


def run(code: str, python: str = sys.executable, *options: str) -> subprocess.CompletedProcess[str]:
    begin = "import os, sys, threading, time\nfrom samebit.threads import Helper\n"
    return subprocess.run(
        [python, *options, "-c", begin + code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


FORKS = """
import samebit.threads
samebit.threads._PATIENCE_S = 60
ticks, seen = [], []
def tick():
    ticks.append(threading.current_thread().name)
    return 0.005
Helper("sometimes", tick).begin()
worker = Helper("works")
for number in range(20):
    worker.do(lambda number=number: seen.append(number))
    pid = os.fork()
    if pid == 0:
        os._exit(len(threading.enumerate()) - 1)
    assert os.waitpid(pid, 0)[1] == 0
worker.finish()
assert seen == list(range(20)), seen
before = len(ticks)
while len(ticks) < before + 3:
    time.sleep(0.001)
"""


@pytest.mark.parametrize("python", interpreters())
def test_a_fork_meets_no_thread_of_ours_and_nothing_that_they_do_is_lost(python: str) -> None:
    done = run(FORKS, python, "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("python", interpreters()[1:])
def test_the_warning_about_a_scripts_own_thread_names_the_line_that_forks(python: str) -> None:
    code = """
Helper("ours").begin()
threading.Thread(target=time.sleep, args=[60], daemon=True).start()
if os.fork() == 0:
    os._exit(0)
"""
    said = run(code, python, "-W", "always").stderr
    assert "DeprecationWarning" in said
    assert said.startswith("<string>:6:"), said


def test_a_fork_waits_for_a_piece_of_work_once_and_not_for_long() -> None:
    code = """
import samebit.threads as threads
threads._PATIENCE_S = 0.05
gate, begun = threading.Event(), threading.Event()
helper = Helper("busy")
helper.do(lambda: (begun.set(), gate.wait()))
begun.wait()
joined = []
join = threading.Thread.join
threading.Thread.join = lambda self, timeout=None: (joined.append(timeout), join(self, timeout))
for _ in range(3):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
assert len(joined) == 1, joined
done = []
helper.do(lambda: done.append(1))
gate.set()
helper.finish()
assert done == [1]
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_after_a_fork_that_failed_the_next_job_begins_all_threads_again() -> None:
    code = """
import resource
ticks = []
Helper("sometimes", lambda: ticks.append(1) or 0.005).begin()
worker = Helper("works")
worker.do(lambda: None)
def fails(event, args):
    if event == "os.fork":
        raise OSError("no process can be had")
sys.addaudithook(fails)
try:
    os.fork()
except OSError:
    pass
assert threading.active_count() == 1
worker.do(lambda: None)
before = len(ticks)
while len(ticks) < before + 2:
    time.sleep(0.001)
worker.finish()
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_a_child_has_its_own_threads_and_takes_over_no_work() -> None:
    code = """
gate, begun = threading.Event(), threading.Event()
helper = Helper("parents")
helper.do(begun.set)
begun.wait()
if os.fork() == 0:
    done = threading.Event()
    Helper("childs").do(done.set)
    assert done.wait(60)
    names = sorted(thread.name for thread in threading.enumerate())
    os._exit(0 if names == ["MainThread", "childs"] else 1)
assert os.wait()[1] == 0
helper.finish()
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_fork_is_still_called_what_it_was_called() -> None:
    done = run("Helper('ours').begin(); print(os.fork.__name__, os.fork.__doc__[:4])")
    assert done.stdout == "fork Fork\n", done.stderr


def test_what_waits_is_done_at_the_end_also_where_no_thread_can_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    done: list[int] = []
    helper = threads.Helper("none")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            helper.do(lambda: done.append(1))
        helper.finish()
    assert done == [1]


def test_what_waits_is_done_at_the_end_also_where_the_script_took_threads_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []
    helper = threads.Helper("none")
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", None)
        with pytest.raises(TypeError):
            helper.do(lambda: done.append(1))
        helper.finish()
    assert done == [1]
