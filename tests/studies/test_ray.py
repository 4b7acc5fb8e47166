"""Runs on a Ray cluster: one that is there, with nodes that die, and one of this machine's own."""

import importlib.util
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samebit.errors import CannotStart, UsageError
from samebit.studies.declared import find_study, folder_of
from samebit.studies.places import ray_driver
from samebit.studies.places.ray import Ray
from samebit.studies.trials import read_history
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
def place(a_ray: Cluster, ray_place: Ray) -> Ray:
    return ray_place


def begin(
    project: Project, *words: str, command: str = "seeds", **env: str
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SAMEBIT, command, "t.py", "--name", "r", "--on", "ray", *words],
        cwd=project.path,
        env=project.environ(**env),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(what: Callable[[], object], within_s: float = 100) -> None:
    until = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def wait_until_began(project: Project, times: int) -> None:
    path = project.path / "began"
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= times)


def ray_said(project: Project) -> str:
    return "".join(log.read_text() for log in project.store.glob("studies/*/logs/ray.log"))


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


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "The actor died because its node has died. Node Id: 618e\n\tthe actor's node was ended",
            "its node has died",
        ),
        (
            "\tip: 127.0.0.1\nThe actor is dead because it was killed by `ray.kill`.",
            "it was killed by `ray.kill`",
        ),
        (
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR",
            "its worker process has died",
        ),
        (
            "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP:"
            " 127.0.0.1, ID: 636a) was 5.99GB used / 23.54GB limit (0.25435). Object store",
            "Ray ended it, its node was low on memory: 5.99GB used / 23.54GB",
        ),
        ("something\n  else", "something else"),
    ],
)
def test_why_an_actor_is_gone_is_one_sentence_of_many_lines_of_ray(said: str, why: str) -> None:
    assert ray_driver.why_gone(said) == why


@pytest.mark.slow
def test_a_job_goes_on_without_us_is_found_by_its_key_and_ends_when_told(
    place: Ray, tmp_path: Path
) -> None:
    code = "import os, time; print(os.getsid(0) == os.getpid(), flush=True); time.sleep(90)"
    jobs = [a_job(tmp_path, code), a_job(tmp_path, code)]
    started(place, *jobs)
    place.close()  # and whoever has submitted them is gone
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and log.read_text().count("True") == 2)
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
def test_what_no_node_has_is_said_with_figures(place: Ray, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no node of the Ray cluster has what") as error:
        started(place, replace(a_job(tmp_path, ""), threads=3))
    assert error.value.facts == {
        "asked": "3 CPUs, 0 GPUs",
        "node_1": error.value.facts["node_1"],
    }
    assert str(error.value.facts["node_1"]).startswith("2 CPUs, 2 GPUs, ")


@pytest.mark.slow
def test_what_a_node_cannot_start_ends_the_study_and_says_why(place: Ray, tmp_path: Path) -> None:
    job = a_job(tmp_path, "")
    (handle,) = started(place, replace(job, cwd=tmp_path / "elsewhere"))
    assert over(place, handle) == 127
    assert place.look([handle])[0].said == ""  # else it would be started on the next node
    assert "cannot start a run: No such file or directory" in job.log.read_text()


@pytest.mark.slow
def test_runs_of_a_sweep_have_cards_of_their_own_and_a_killed_controller_is_gone_on_with(
    project: Project, a_ray: Cluster
) -> None:
    pytest.importorskip("optuna")
    words = ("--trials", "3", "--jobs", "2", "--gpus", "1", "--sampler", "tpe", "--maximize", "acc",
             "--space", "x = {float = [0, 1]}", "--", "{x}")  # fmt: skip
    first = begin(project, *words, command="sweep")
    wait_until_began(project, 2)
    first.kill()
    first.communicate()
    second = begin(project, *words, command="sweep")
    wait_until(lambda: ray_said(project).count("Connected to Ray") == 2)
    (project.path / "go").touch()
    code, said = ended(second)
    assert code == 0, said
    assert "ray" not in said.lower().replace("on a ray cluster at", "")  # nothing of its own words
    assert [view.status for view in project.views()] == ["finished"] * 3
    cards = (project.path / "began").read_text().split()
    assert len(cards) == 3
    assert set(cards[:2]) == {"0", "1"}


# The run of trial 2 is held back before it has begun: it has no folder yet.
HOLDS = """
import os, time
if ":1:" in os.environ.get("SAMEBIT_TRIAL", "") and not os.path.exists("go"):
    open("held", "w").write("yes\\n")
    time.sleep(90)
"""


@pytest.mark.slow
def test_runs_whose_node_dies_are_started_elsewhere_whether_they_had_begun_or_not(
    project: Project, place: Ray, a_ray: Cluster
) -> None:
    project.write("holds/sitecustomize.py", HOLDS)
    full = "import os, time\nwhile not os.path.exists('empty'): time.sleep(0.02)"
    filling = started(place, replace(a_job(project.path, full), threads=2))  # all of the head
    node = a_ray.add(2)
    words = ("--n", "3", "--jobs", "3", "--threads", "1")
    controller = begin(project, *words, PYTHONPATH=str(project.path / "holds"))
    wait_until_began(project, 1)
    project.wait_for("held")
    a_ray.kill(node)
    wait_until(lambda: project.view().status == "killed")
    (project.path / "go").touch()
    (project.path / "empty").touch()
    code, said = ended(controller)
    assert code == 0, said
    assert over(place, filling[0]) == 0
    assert "waiting for a place on Ray" in said  # so many as have not begun by then
    assert "of trial 1 killed (its node has died)" in said
    assert "trial 2 broken off (its node has died); it is started once more" in said
    assert sorted(view.status for view in project.views()) == [*["finished"] * 3, "killed"]
    study = find_study(project.store, "r")
    assert study is not None
    history = read_history(folder_of(project.store, study.id), study.id)
    assert [trial.counted for trial in history.trials] == [2, 2, 1]


@pytest.mark.slow
def test_an_address_where_nobody_answers_is_said_and_ctrl_c_need_not_wait_for_it(
    project: Project,
) -> None:
    pytest.importorskip("ray")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        code, said = ended(begin(project, "--n", "1", "--address", address))
        assert code == 125
        assert "the Ray cluster cannot be reached" in said
        silent.listen()
        controller = begin(project, "--n", "1", "--address", address)
        wait_until(lambda: "Connecting to existing Ray cluster" in ray_said(project))
        controller.send_signal(signal.SIGINT)
        code, said = ended(controller)
    assert code == 130, said
    assert "the same command goes on" in said
    assert going(project) == []


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
    wait_until(lambda: not going(project))


@pytest.mark.slow
def test_a_cluster_of_another_version_is_said(
    a_ray: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie = "import ray\nray.__version__ = '2.1.0'\n"
    (tmp_path / "sitecustomize.py").write_text(lie)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    place = Ray(1)
    try:
        with pytest.raises(CannotStart, match="has another version") as error:
            started(place, a_job(tmp_path, ""))
    finally:
        place.close()
    python = sys.version.split()[0]
    assert error.value.facts["here"] == f"Ray 2.1.0, Python {python}"
    assert str(error.value.facts["cluster"]).endswith(f", Python {python}")
