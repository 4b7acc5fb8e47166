"""Runs that are pushed by themselves: at their end, while they go on, and after what went wrong."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samebit.launch import sending
from samebit.objects.store import Store
from samebit.remotes.folder import FolderPlace
from tests.projects import SAMEBIT, Project
from tests.remotes.conftest import files_of, pull_all

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
_PATIENCE_S = 60.0
_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
TRAIN = """
import numpy as np, samebit, sys, time
run = samebit.init(config={"lr": 0.1})
for step in range(3):
    run.log({"loss": 1 / (step + 1)}, step=step)
    run.trace(loss=float(step), params=np.full(3, step))
if len(sys.argv) > 1:
    print("there", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.path.mkdir()
    made.write("train.py", TRAIN)
    (tmp_path / "remote").mkdir()
    done = made.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "remote"))
    assert done.code == 0, done.err
    return made


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def whole_there(project: Project, other: Store) -> bool:
    """Whether everything of this project's runs is at the remote."""
    if sending.waiting(project.store):
        return False
    pull_all(other, FolderPlace(project.path.parent / "remote"))
    return files_of(other) == files_of(Store(project.store))


def test_at_the_end(project: Project, other: Store) -> None:
    done = project.call(SAMEBIT, "run", "--quiet", "train.py", SAMEBIT_PUSH_AUTO="end")
    assert (done.code, done.err) == (0, "")
    until(lambda: whole_there(project, other))
    assert files_of(other)


def test_of_a_script_that_plain_python_started(project: Project, other: Store) -> None:
    done = project.call(sys.executable, "train.py", SAMEBIT_PUSH_AUTO="end", PYTHONHASHSEED="0")
    assert (done.code, done.err) == (0, "")
    until(lambda: whole_there(project, other))
    assert files_of(other)


def test_where_nothing_outlives_the_job(project: Project, other: Store) -> None:
    done = project.call(
        SAMEBIT, "run", "--quiet", "train.py", SAMEBIT_PUSH_AUTO="end", SLURM_JOB_ID="71"
    )
    assert (done.code, done.err) == (0, "")
    assert whole_there(project, other)


@pytest.mark.slow
def test_while_it_goes_on(project: Project, other: Store) -> None:
    place = FolderPlace(project.path.parent / "remote")
    project.write("samebit.toml", '[push]\nauto = "during"\nevery_min = 0\nremote = "lab"\n')
    process = project.start("train.py", "600", **_QUIET)
    try:
        until(lambda: any(place.list("runs")))
        until(lambda: bool(pull_all(other, place).runs) or bool(files_of(other)))
        assert not any(path.endswith("end.json") for path in files_of(other))
        assert sending.waiting(project.store)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_PATIENCE_S)
    until(lambda: whole_there(project, other))
    assert any(path.endswith("end.json") for path in files_of(other))


def test_what_was_left_behind_is_sent_by_a_later_command(project: Project, other: Store) -> None:
    remote = project.path.parent / "remote"
    for found in list(remote.rglob("*")):
        assert not found.is_file()
    os.rename(remote, f"{remote}.gone")
    remote.write_text("no folder")  # as a share that is not mounted
    done = project.call(SAMEBIT, "run", "--quiet", "train.py", SAMEBIT_PUSH_AUTO="end")
    assert (done.code, done.err) == (0, "")
    until(lambda: "refuses it" in sending.log_of(project.store).read_text())
    assert len(sending.waiting(project.store)) == 1
    remote.unlink()
    os.rename(f"{remote}.gone", remote)
    # Not at once: each command would try again and again what cannot be.
    project.call(SAMEBIT, "ls", SAMEBIT_PUSH_AUTO="end")
    assert len(sending.waiting(project.store)) == 1
    os.utime(sending.log_of(project.store), (1_700_000_000, 1_700_000_000))
    below = project.write("below/notes.txt", "").parent  # a folder of the project will do
    project.call(SAMEBIT, "ls", cwd=below, SAMEBIT_PUSH_AUTO="end", SAMEBIT_DIR="")
    until(lambda: whole_there(project, other))


def test_one_that_was_killed(project: Project, other: Store) -> None:
    project.write("samebit.toml", '[push]\nauto = "end"\n')
    process = project.start("train.py", "600", **_QUIET)
    until(lambda: bool(list(project.store.glob("runs/*/journal/0-*"))))
    until(lambda: bool(sending.waiting(project.store)))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(_PATIENCE_S)
    assert len(sending.waiting(project.store)) == 1
    assert project.call(SAMEBIT, "push").code == 0
    until(lambda: whole_there(project, other))
    assert files_of(other)


def test_what_went_elsewhere_or_in_part_is_still_to_be_sent(project: Project) -> None:
    """Another remote, or the record alone, is not what was asked for."""
    other = str(project.path.parent / "other")
    assert project.call(SAMEBIT, "remote", "add", "usb", other).code == 0
    unsaid = project.call(SAMEBIT, "push", "--waiting")
    assert (unsaid.code, "pushed by themselves?" in unsaid.err) == (2, True), unsaid.err
    project.write("samebit.toml", '[push]\nremote = "lab"\n')
    project.call(SAMEBIT, "run", "--quiet", "train.py")
    (run,) = [path.name for path in (project.store / "runs").iterdir()]
    (project.store / "unpushed" / run).touch()
    for words in (["--remote", "usb"], ["--remote", "lab", "--with", "none"]):
        assert project.call(SAMEBIT, "push", *words).code == 0
        assert sending.waiting(project.store) == [run], words
    assert project.call(SAMEBIT, "push", "--remote", "lab").code == 0
    assert sending.waiting(project.store) == []


def test_one_at_a_time(project: Project) -> None:
    """One works, one waits for it, and a third need not: the second will see what it would."""
    said: list[bool] = []

    def second() -> None:
        with sending.alone(project.store) as mine:
            said.append(mine)

    thread = threading.Thread(target=second)
    with sending.alone(project.store) as first:
        assert first
        thread.start()

        def third() -> bool:
            if not thread.is_alive() or said:
                return False
            with (project.store / "unpushed/next").open("wb") as probe:
                try:
                    fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return True
            return False

        until(third)
        with sending.alone(project.store) as other:
            assert not other
    thread.join()
    assert said == [True]


def test_replays_are_not_sent(project: Project) -> None:
    project.call(SAMEBIT, "run", "--quiet", "train.py", SAMEBIT_PUSH_AUTO="end")
    until(lambda: not sending.waiting(project.store))
    done = project.call(SAMEBIT, "verify", "@last", SAMEBIT_PUSH_AUTO="end")
    assert done.code == 0, done.out + done.err
    assert sending.waiting(project.store) == []
