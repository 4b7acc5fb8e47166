"""Whatever breaks behind a door, the script's exit code, output and results stay to the bit."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.doors import DOORS
from tests.projects import Ended, Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills and small disks")

# A training whose numbers are printed to the last bit, with a door around each step.
SCRIPT = """
import os, random, shutil, signal, sys
if "plainly" in sys.argv:
    make = lambda: None
    use = lambda door, value: None
    finish = lambda door: None
else:
    from door import *
{fault}
random.seed(7)
weights = [random.random() for _ in range(8)]
door = make()
for step in range(6):
    if step == 3:
        meanwhile()
    weights = [0.9 * one + 0.1 * random.random() for one in weights]
    use(door, sum(weights))
    print(step, sum(weights).hex())
finish(door)
print("weights", [one.hex() for one in weights])
sys.exit({code})
"""
NOTHING = "def meanwhile(): pass"
STORE_GONE = """
def meanwhile():
    if "plainly" not in sys.argv:
        shutil.rmtree(os.environ["SAMEBIT_DIR"])
"""
THREAD_DEAD = """
def meanwhile():
    if "plainly" not in sys.argv:
        from samebit.journal import segment
        from samebit import disk
        def broken(*given, **more): raise OSError(5, "Input/output error")
        disk.sync = disk.append = broken
        import samebit.journal.writer as writer
        writer._append = broken
        segment.size_if_ours = broken
"""
# An exception of ours out of one internal that a way through a door passes: module, class, names.
INTERNALS = {
    "finding the run": ("samebit.session.doors", "", ("there", "begin")),
    "beginning a run": ("samebit.session.doors", "", ("begin_for_a_door",)),
    "a handle": ("samebit.session.doors", "", ("handle",)),
    "a row": ("samebit.journal.writer", "Writer", ("row",)),
    "a fact": ("samebit.journal.writer", "Writer", ("fact",)),
    "settings": ("samebit.session.configuration", "Configuration", ("parsed", "tell", "give")),
    "a row of the trace": ("samebit.session.tracing", "Tracing", ("row",)),
    "a summary": ("samebit.session.summaries", "Summaries", ("scalar", "take")),
    "the end": ("samebit.session.recording", "Recording", ("finish",)),
}
BREAKING = """
import contextlib, importlib

def broken(*given, **more):
    raise RuntimeError("a fault of ours")

@contextlib.contextmanager
def breaking(module, kind, names):
    holder = importlib.import_module(module)
    holder = getattr(holder, kind) if kind else holder
    kept = {{name: getattr(holder, name) for name in names}}
    for name in names:
        setattr(holder, name, broken)
    yield
    for name in names:
        setattr(holder, name, kept[name])

def meanwhile(): pass
"""
BROKEN = f"""
{BREAKING}
if "plainly" not in sys.argv:
    breaking(*{{internal}}).__enter__()
"""
# The same, one after the other, around a training each: a framework takes seconds to load.
IN_TURN = f"""
import os, random, sys
if "plainly" not in sys.argv:
    from door import *
    if {{begins}}:
        import samebit
        samebit.init()
{BREAKING}
draws = random.Random(7)  # frameworks draw from Python's own
weights = [draws.random() for _ in range(8)]
for what, internal in {{internals}}.items():
    def train(make, use, finish):
        door = make()
        for step in range(2):
            weights[:] = [0.9 * one + 0.1 * draws.random() for one in weights]
            use(door, sum(weights))
            print(what, step, sum(weights).hex())
        finish(door)
    if "plainly" in sys.argv:
        train(lambda: None, lambda door, value: None, lambda door: None)
    else:
        with breaking(*internal):
            train(make, use, finish)
sys.exit(3)
"""
EACH = [one for one in DOORS if DOORS[one].begins and not DOORS[one].is_large]
IN_TURNS = [pytest.param(one, marks=[pytest.mark.slow] * DOORS[one].is_large) for one in DOORS]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def assert_unhurt(project: Project, name: str, script: str, **env: str) -> Ended:
    """The script ends and prints as it does without us."""
    project.write("door.py", DOORS[name].code)
    project.write("a.py", script)
    env = {"KERAS_BACKEND": "torch", **env}
    plainly = project.python("a.py", "plainly", **env)
    ended = project.python("a.py", **env)
    assert plainly.code == 3
    assert (ended.code, ended.out) == (plainly.code, plainly.out), ended.err[-3000:]
    assert "Traceback" not in ended.err, ended.err[-3000:]
    return ended


def training(fault: str) -> str:
    return SCRIPT.format(fault=fault, code=3)


@pytest.mark.slow  # each alone, in a process of its own; below all of them in one
@pytest.mark.parametrize("what", INTERNALS)
@pytest.mark.parametrize("name", EACH)
def test_an_exception_of_ours_reaches_nobody(project: Project, name: str, what: str) -> None:
    assert_unhurt(project, name, training(BROKEN.format(internal=INTERNALS[what])))


@pytest.mark.parametrize("name", IN_TURNS)
def test_one_after_the_other_they_reach_nobody(project: Project, name: str) -> None:
    begins = not DOORS[name].begins
    assert_unhurt(project, name, IN_TURN.format(internals=INTERNALS, begins=begins))


@pytest.mark.parametrize("fault", [STORE_GONE, THREAD_DEAD], ids=["store deleted", "disk broken"])
@pytest.mark.parametrize("name", EACH)
def test_a_store_that_is_lost_in_the_middle_is_said(
    project: Project, name: str, fault: str
) -> None:
    assert_unhurt(project, name, training(fault))


@pytest.mark.parametrize("name", EACH)
def test_a_store_that_cannot_be_written_is_said(project: Project, name: str) -> None:
    project.store.write_text("a file, where the store should be")
    assert "no record is kept" in assert_unhurt(project, name, training(NOTHING)).err


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("when", ["at first", "in the middle"])
def test_a_disk_that_is_full_is_said(project: Project, small: Path, name: str, when: str) -> None:
    fill = f"open({str(small / 'filling')!r}, 'wb', buffering=0).write(bytes(1 << 20))"
    fault = f"def meanwhile():\n    {fill if when == 'in the middle' else 'pass'}\n"
    if when == "at first":
        (small / "filling").write_bytes(bytes(200 << 10))
    assert_unhurt(project, name, training(fault), SAMEBIT_DIR=str(small / ".samebit"))
    shutil.rmtree(small / ".samebit", ignore_errors=True)
