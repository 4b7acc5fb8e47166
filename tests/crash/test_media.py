"""A process that logs media is killed anywhere: what is named is whole, and what is not is told."""

import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest

from samebit.cli.checking import examine
from samebit.folders.media import logged_media
from samebit.objects.store import Store
from samebit.session.reading import RecordedRun
from tests.media.test_png import read_png
from tests.projects import Project

np = pytest.importorskip("numpy")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

# Each row is a large picture, a small one, and a table with one; acknowledged by a line.
SCRIPT = """
import os, sys, time
import numpy as np
import samebit, samebit.session.media
from samebit import disk
samebit.session.media._EVERY_S = 0.01
run = samebit.init()
disk.FAULTS = disk._Faults(os.environ.get("FAULT", ""))
for step in range(1, 2000):
    large = np.full((160, 160, 3), step % 256, np.uint8)
    run.log({
        "pictures": [samebit.Image(large), samebit.Image(large[:5, :5])],
        "table": samebit.Table(["n", "p"], [[step, samebit.Image(large[:7, :7])]]),
        "loss": 1 / step,
    }, step)
    os.write(1, b"%d\\n" % step)
    time.sleep(0.005)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("a.py", SCRIPT)
    return made


def assert_told(project: Project, acknowledged: int) -> None:
    """Every row is told of; what has a name is there, and the rest is counted."""
    view = project.view()
    run = RecordedRun(view)
    logged = logged_media(view)
    assert len(run.metrics().get("loss", {"step": []})["step"]) >= acknowledged
    assert {step for _, step in logged} >= set(range(1, acknowledged + 1))
    for one in run.media("pictures") if "pictures" in run.media_names else []:
        size = 160 if one.at == 0 else 5
        expected = np.full((size, size, 3), one.step % 256, np.uint8)
        np.testing.assert_array_equal(read_png(one.read()), expected)
    lacking = sum(one.of - len(one.things) for one in logged.values())
    told = [line for line in view.missing if "not written before the process ended" in line]
    assert bool(told) == bool(lacking)
    if told:
        number = re.search(r"media: ([\d,]+) thing", told[0])
        assert number is not None
        assert int(number[1].replace(",", "")) == lacking
    assert examine(Store(project.store)).damage == []  # also what tables name


POINTS = [
    *itertools.product(["media.make", "media.tell"], ["1", "2", "5"]),
    *itertools.product(["disk.create", "disk.fsync", "disk.rename"], ["1", "2", "7"]),
]


@pytest.mark.parametrize(("point", "at"), POINTS)
def test_killed_at_a_point_no_name_dangles_and_no_row_is_lost(
    project: Project, point: str, at: str
) -> None:
    ended = project.python("a.py", FAULT=f"{point}=kill@{at}")
    assert ended.code == -signal.SIGKILL, ended
    assert_told(project, len(ended.out.splitlines()))


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.5, 0.9])
def test_killed_at_any_moment_the_same(project: Project, after_s: float) -> None:
    process = project.start("a.py")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)
    told, _ = process.communicate()
    assert_told(project, 1 + len(told.splitlines()))


def test_stopped_by_a_signal_everything_is_written(project: Project) -> None:
    process = project.start("a.py")
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    told, errors = process.communicate()
    assert_told(project, 20 + len(told.splitlines()))
    lacking = [line for line in project.view().missing if "not written" in line]
    assert lacking == [], errors
