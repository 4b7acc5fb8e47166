"""Runs on a Ray cluster: one that is there, with nodes that die, and one of this machine's own."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samebit.errors import CannotStart, UsageError
from samebit.studies.places.ray import Ray
from tests.projects import SAMEBIT, Project
from tests.ray_cluster import Cluster
from tests.studies.test_places import a_job, over, started

SCRIPT = """
import os, random, time
import samebit
run = samebit.init()
open("began", "a").write(os.environ.get("CUDA_VISIBLE_DEVICES", "none") + "\\n")
while not os.path.exists("go"):
    time.sleep(0.02)
run.log({"acc": random.random()})
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("t.py", SCRIPT)
    return project


@pytest.fixture
def place(a_ray: Cluster) -> Iterator[Ray]:
    place = Ray(2)
    yield place
    place.close()


def begin(project: Project, *words: str, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SAMEBIT, "seeds", "t.py", "--name", "r", "--on", "ray", *words],
        cwd=project.path,
        env=project.environ(**env),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_began(project: Project, times: int) -> None:
    until = time.monotonic() + 100
    while time.monotonic() < until:
        path = project.path / "began"
        if path.exists() and path.read_text().count("\n") >= times:
            return
        time.sleep(0.05)
    raise AssertionError("they never began")


def ended(controller: "subprocess.Popen[str]") -> tuple[int, str]:
    said = controller.communicate(timeout=120)[1]
    return controller.returncode, said


def going(project: Project) -> list[str]:
    """The processes that were started for a project's store: drivers, clusters, runs."""
    store, found = f"SAMEBIT_DIR={project.store}".encode(), list[str]()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if store in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "comm").read_text().strip())
        except OSError:
            pass  # it has just ended
    return found


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(UsageError, match="Ray is not installed here") as error:
        Ray(1)
    assert error.value.hint == 'pip install "samebit[ray]"'


@pytest.mark.slow
def test_a_job_goes_on_without_us_is_found_by_its_key_and_ends_when_told(
    place: Ray, tmp_path: Path
) -> None:
    code = "import os, time; print(os.getsid(0) == os.getpid(), flush=True); time.sleep(90)"
    jobs = [a_job(tmp_path, code), a_job(tmp_path, code)]
    started(place, *jobs)
    place.close()  # and whoever has submitted them is gone
    log = tmp_path / "log"
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("True") == 2) and time.monotonic() < until:
        time.sleep(0.05)
    later = Ray(2)
    try:
        assert [handle.job for handle in started(later, jobs[0])] == jobs[:1]  # nothing anew
        found = [later.reconnect(job) for job in jobs]
        assert None not in found
        handles = [handle for handle in found if handle is not None]
        assert [look.is_over for look in later.look(handles)] == [False, False]
        later.cancel(handles[0])
        later.cancel(handles[1], at_once=True)
        assert [over(later, one) for one in handles] == [-signal.SIGTERM, -signal.SIGKILL]
        assert log.read_text().count("True") == 2
        assert [later.reconnect(job) for job in jobs] == [None, None]
    finally:
        later.close()


@pytest.mark.slow
def test_what_waits_for_room_can_be_ended_and_never_begins(place: Ray, tmp_path: Path) -> None:
    waits = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)"
    busy = started(place, a_job(tmp_path, waits), a_job(tmp_path, waits))
    (queued,) = started(place, a_job(tmp_path, "open('never', 'w')"))
    place.cancel(queued)
    assert over(place, queued) is None
    (tmp_path / "go").touch()
    assert [over(place, one) for one in busy] == [0, 0]
    assert not (tmp_path / "never").exists()


@pytest.mark.slow
def test_what_no_node_has_is_said_with_figures(a_ray: Cluster, tmp_path: Path) -> None:
    place = Ray(1, gpus=3)
    try:
        with pytest.raises(CannotStart, match="no node of the Ray cluster has what") as error:
            started(place, a_job(tmp_path, ""))
        assert error.value.facts == {
            "asked": "1 CPUs, 3 GPUs",
            "node_1": error.value.facts["node_1"],
        }
        assert str(error.value.facts["node_1"]).startswith("2 CPUs, 2 GPUs, ")
    finally:
        place.close()


@pytest.mark.slow
def test_runs_have_cards_of_their_own_and_a_killed_controller_is_gone_on_with(
    project: Project, a_ray: Cluster
) -> None:
    words = ("--n", "3", "--jobs", "2", "--gpus", "1")
    first = begin(project, *words)
    wait_until_began(project, 2)
    first.kill()
    first.communicate()
    second = begin(project, *words)
    time.sleep(2)
    (project.path / "go").touch()
    code, said = ended(second)
    assert code == 0, said
    assert "ray" not in said.lower().replace("on a ray cluster at", "")  # nothing of its own words
    assert [view.status for view in project.views()] == ["finished"] * 3
    cards = (project.path / "began").read_text().split()
    assert len(cards) == 3
    assert set(cards[:2]) == {"0", "1"}


@pytest.mark.slow
def test_a_run_whose_node_dies_is_started_once_more_elsewhere(
    project: Project, a_ray: Cluster
) -> None:
    node = a_ray.add(3)
    controller = begin(project, "--n", "1", "--threads", "3")
    wait_until_began(project, 1)
    a_ray.kill(node)
    other = a_ray.add(3)
    wait_until_began(project, 2)
    (project.path / "go").touch()
    code, said = ended(controller)
    a_ray.stop(other)
    assert code == 0, said
    assert "it is started once more" in said
    assert [(view.status, view.cause) for view in project.views()] == [
        ("killed", "SIGTERM"),
        ("finished", None),
    ]


@pytest.mark.slow
def test_a_cluster_of_our_own_ends_with_ctrl_c_and_leaves_nothing(project: Project) -> None:
    words = ("--n", "2", "--jobs", "2")
    controller = begin(project, *words, RAY_ADDRESS="", COLUMNS="80")
    wait_until_began(project, 2)
    assert "raylet" in going(project)
    controller.send_signal(signal.SIGINT)
    code, said = ended(controller)
    assert code == 130, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert "of this machine's own" in said
    assert [view.cause for view in project.views()] == ["SIGTERM"] * 2
    until = time.monotonic() + 10
    while going(project) and time.monotonic() < until:
        time.sleep(0.1)
    assert going(project) == []


@pytest.mark.slow
def test_a_cluster_of_another_version_or_none_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    with Cluster() as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        cluster.begin(cpus=1, claims="2.1.0")
        place = Ray(1)
        try:
            with pytest.raises(CannotStart, match="has another version") as error:
                started(place, a_job(tmp_path, ""))
        finally:
            place.close()
        python = sys.version.split()[0]
        assert error.value.facts["cluster"] == f"Ray 2.1.0, Python {python}"
        assert str(error.value.facts["here"]).endswith(f", Python {python}")
    assert os.environ["RAY_ADDRESS"] == cluster.address
