"""Runs on machines that do not see the study's folder: they come home by a remote."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from samebit import places
from samebit.cli import placing
from samebit.cli.main import main
from samebit.errors import CannotStart, RunNotFound
from samebit.folders.find import list_runs
from samebit.folders.folder import RunFolder, run_id
from samebit.folders.read import View, read_run
from samebit.launch import families, sending
from samebit.objects.mirror import mirrored
from samebit.objects.store import Store
from samebit.remotes import pulling
from samebit.remotes.folder import FolderPlace
from samebit.remotes.place import Guarantees, read_whole
from samebit.studies import sent
from samebit.studies.places.local import Local
from samebit.studies.places.place import Handle, Job
from tests import clusters, servers, studied
from tests.projects import Project
from tests.studied import history_of, wait_until

SCRIPT = """
import os, sys, time
import numpy as np, samebit
from inner.model import ACC
run = samebit.init()
for step in range(3):
    run.log({"acc": ACC}, step=step)
    run.trace(loss=float(step), params=np.full(3, step))
if len(sys.argv) > 1:
    open(sys.argv[1] + ".began", "a").write(f"{os.getpid()}\\n")
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
"""

# It has checkpoints, and waits at two steps until there is a file.
GOES_ON = """
import os, sys, time, samebit
run = samebit.init()
done = run.resume_state()
for step in range(done.extra + 1 if done else 1, 6):
    run.log({"acc": step / 10}, step=step)
    run.checkpoint(step, extra=step)
    while step in (3, 4) and not os.path.exists(f"{sys.argv[1]}/on-{step}"):
        time.sleep(0.05)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository with a change that nobody committed, and a remote in another folder."""
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    project = Project(tmp_path / "home")
    project.write("t.py", SCRIPT)
    project.write("inner/model.py", "ACC = 0.5\n")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=project.path, check=True)
    project.write("inner/model.py", "ACC = 0.75\n")
    (tmp_path / "remote").mkdir()
    monkeypatch.chdir(project.path)
    return project


@pytest.fixture
def lab(project: Project) -> FolderPlace:
    folder = project.path.parent / "remote"
    assert main(["remote", "add", "lab", str(folder)]) == 0
    return FolderPlace(folder)


class Hidden(Local):
    """Processes here, by which nothing of the study's folder is seen."""

    hides = ""

    def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
        hide = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', self.hides)
        if subprocess.run([*hide, "true"], capture_output=True).returncode:
            hide = ()  # where that is not allowed it is only not looked into
        return super().submit([replace(job, argv=[*hide, *job.argv]) for job in jobs])


def seeds(*words: str) -> int:
    return main(["seeds", "t.py", "--name", "g", "--via", "lab", *words])


def begin(project: Project, *words: str) -> "subprocess.Popen[str]":
    ours = ("seeds", "t.py", "--name", "g", "--via", "lab", "--n", "1", "--")
    return studied.begin(project, *ours, *words, SAMEBIT_CACHE=os.environ["SAMEBIT_CACHE"])


def left(project: Project) -> list[str]:
    """What machines have not taken away behind them, and claims at the remote."""
    top = project.path.parent
    found = [*(top / "cache/nodes").glob("*"), *(top / "remote/claims").glob("run-*")]
    return [path.name for path in found]


def test_a_run_that_sees_nothing_of_its_study_comes_home_and_is_verified(
    project: Project,
    lab: FolderPlace,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(placing, "Local", Hidden)
    monkeypatch.setattr(Hidden, "hides", str(project.path))
    assert seeds("--n", "1") == 0, capfd.readouterr().err
    said = capfd.readouterr().err
    assert "by way of the remote lab" in said
    assert "mind" not in said
    view = project.view()
    assert view.status == "finished"
    assert view.metrics["acc"].values == [0.75] * 3
    assert view.code is not None
    assert view.code.changed == ("M inner/model.py",)
    refs = subprocess.check_output(["git", "tag", "--points-at", view.code.commit or ""], text=True)
    assert f"refs/tags/{refs.strip()}" == view.code.ref
    assert not view.record.project.startswith(str(project.path))
    assert left(project) == []
    assert seeds("--n", "1") == 0
    assert main(["verify", view.id]) == 0, capfd.readouterr()
    assert len(project.views()) == 2  # the run, and its replay


@pytest.mark.slow
def test_on_a_server_whose_keys_are_in_no_command(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    commands: list[str] = []

    class Watched(Local):
        def submit(self, jobs: Sequence[Job]) -> Iterator[Handle]:
            commands.extend(" ".join(job.argv) for job in jobs)
            return super().submit(jobs)

    monkeypatch.setattr(placing, "Local", Watched)
    leaves = 'import subprocess; run.log({"left": subprocess.Popen(["sleep", "1000"]).pid})'
    project.write("t.py", f"{SCRIPT}{leaves}\n")
    (tmp_path / "server").mkdir()
    with servers.started("rclone", tmp_path / "server") as server:
        url = server.make_bucket("away") + "/p"
        assert main(["remote", "add", "lab", url, "--endpoint", server.endpoint]) == 0
        assert seeds("--n", "1") == 0, capfd.readouterr().err
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        assert seeds("--n", "2") == 125
    assert "the code of the study cannot be sent" in capfd.readouterr().err
    view = project.view()
    assert view.status == "finished"
    (pid,) = view.metrics["left"].values
    wait_until(lambda: not Path(f"/proc/{pid}").exists())  # what it leaves behind is ended
    assert url in commands[0]
    assert not any(secret in command for secret in servers.SECRETS for command in commands)


def test_what_stays_at_home_is_said_before_anything_is_started(
    project: Project, lab: FolderPlace, capfd: pytest.CaptureFixture[str]
) -> None:
    project.write(".gitignore", "data\n")
    project.write("data/x.csv", "1\n")
    project.write("data/read.csv", "2\n")
    project.write("t.py", SCRIPT + 'open("data/read.csv").read()\n')
    assert project.run("t.py").code == 0
    project.write("large.bin", "x" * 5_000_001)
    remote = project.path.parent / "remote"
    os.rename(remote, f"{remote}.gone")
    remote.write_text("no folder")  # so that nothing is started
    assert seeds("--n", "1", "--", "--data=data/x.csv", "inner", "t.py", "/etc/hosts") == 125
    said = " ".join(capfd.readouterr().err.split())
    assert "too large for code, or secret, and stays here: large.bin" in said
    stays = "no part of the code, and stays here: data/x.csv, data/read.csv; the machines must"
    assert stays in said
    assert "the code of the study cannot be sent: the folder of the remote refuses it" in said
    assert seeds("--n", "1", "--via", "nowhere") == 7
    assert "there is no remote 'nowhere'" in capfd.readouterr().err
    assert len(project.views()) == 1


def test_a_start_of_a_trial_is_made_by_one_machine(tmp_path: Path) -> None:
    place, run = FolderPlace(tmp_path), run_id(b"x" * 10)
    assert not sent.is_being_made(place, run)
    sent.claim(place, run)
    assert sent.is_being_made(place, run)
    with pytest.raises(CannotStart, match="is being run, or was") as error:
        sent.claim(place, run)
    assert str(error.value.facts["by"]).startswith(f"process {os.getpid()} of ")
    text = (tmp_path / "claims" / f"run-{run}").read_text()
    (tmp_path / "claims" / f"run-{run}").write_text(text.replace(str(os.getpid()), "999999999"))
    assert not sent.is_being_made(place, run)
    sent.release(place, run)
    place.put(f"runs/{run}/{'0' * 16}-{'a' * 64}", b"of a machine that has sent all")
    with pytest.raises(CannotStart, match="is being run, or was"):
        sent.claim(place, run)
    assert list(place.list("claims")) == []


def test_only_the_job_that_made_a_run_goes_on_with_it_when_it_is_started_again(
    tmp_path: Path,
) -> None:
    place, run = FolderPlace(tmp_path), run_id(b"x" * 10)
    assert not sent.claim(place, run, "one")
    with pytest.raises(CannotStart):  # nothing is there to go on from
        sent.claim(place, run, "one", again=True)
    place.put(f"runs/{run}/{'0' * 16}-{'a' * 64}", b"what it has sent")
    for job, again in (("one", False), ("another", True)):
        with pytest.raises(CannotStart):
            sent.claim(place, run, job, again=again)
    assert sent.claim(place, run, "one", again=True)
    sent.release(place, run)  # it ended, and was queued again
    assert sent.claim(place, run, "one", again=True)


def test_of_two_who_look_in_one_moment_the_later_one_makes_it_where_a_name_is_not_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run = FolderPlace(tmp_path), run_id(b"x" * 10)
    monkeypatch.setattr(place, "guarantees", Guarantees(creates=False))
    path, hostname = f"claims/run-{run}", socket.gethostname()

    def another_claims(_: float) -> None:
        said = place.find(path)
        assert said is not None
        text = read_whole(place, path, said.size_bytes).decode()
        place.put(path, text.replace(hostname, "another-host").encode())

    clock = SimpleNamespace(sleep=another_claims, monotonic=itertools.count().__next__)
    monkeypatch.setattr(sent, "time", clock)
    with pytest.raises(CannotStart, match="is being run, or was") as error:
        sent.claim(place, run)
    assert str(error.value.facts["by"]).endswith(" of another-host")
    sent.release(place, run)
    clock.sleep = lambda _: None
    assert not sent.claim(place, run)  # nobody else was there
    sent.release(place, run)
    clock.monotonic = itertools.count(0, 10).__next__  # it takes ten seconds to claim
    with pytest.raises(CannotStart, match="is being run, or was"):
        sent.claim(place, run)


@pytest.mark.slow
def test_a_run_goes_on_without_its_controller_and_is_found_or_fetched_by_the_next(
    project: Project, lab: FolderPlace
) -> None:
    go = project.path.parent / "go"
    began = Path(f"{go}.began")
    first = begin(project, str(go))
    wait_until(began.exists)
    first.kill()  # before anything of the run is here
    first.communicate()
    second = begin(project, str(go))
    time.sleep(2)
    go.touch()
    said = second.communicate(timeout=100)[1]
    assert second.returncode == 0, said
    assert [view.status for view in project.views()] == ["finished"]
    assert left(project) == []
    shutil.rmtree(project.view().folder.path)  # as if it had ended while nobody looked
    assert seeds("--n", "1", "--", str(go)) == 0
    assert [view.status for view in project.views()] == ["finished"]
    assert began.read_text().count("\n") == 1


@pytest.mark.slow
def test_a_machine_that_dies_loses_its_run_which_is_started_once_more(
    project: Project, lab: FolderPlace
) -> None:
    go = project.path.parent / "go"
    began = Path(f"{go}.began")
    controller = begin(project, str(go))
    wait_until(lambda: began.exists() and began.read_text().strip())
    wait_until(lambda: any(lab.list("runs")))  # it is known that it has begun
    session = os.getsid(int(began.read_text()))
    families.end_all(families.in_session(session), signal.SIGKILL)
    wait_until(lambda: began.read_text().count("\n") == 2)
    go.touch()
    said = controller.communicate(timeout=100)[1]
    assert controller.returncode == 0, said
    assert "it is started once more" in said
    assert [view.status for view in project.views()] == ["broken off", "finished"]
    assert project.views()[0].metrics["acc"].values == [0.75] * 3
    assert left(project) in ([project.views()[0].id], [])  # unless its successor has seen it
    assert seeds("--n", "2", "--", str(go)) == 0
    assert left(project) == []  # the next one there takes it away


@pytest.mark.slow
def test_a_remote_that_is_away_when_a_run_ends_is_waited_for(
    project: Project, lab: FolderPlace
) -> None:
    go = project.path.parent / "go"
    controller = begin(project, str(go))
    wait_until(Path(f"{go}.began").exists)
    wait_until(lambda: any(lab.list("runs")))
    remote = project.path.parent / "remote"
    os.rename(remote, f"{remote}.gone")
    remote.write_text("no folder")  # as a share that is not mounted
    go.touch()
    time.sleep(2)
    assert controller.poll() is None
    remote.unlink()
    os.rename(f"{remote}.gone", remote)
    said = controller.communicate(timeout=100)[1]
    assert controller.returncode == 0, said
    assert [view.status for view in project.views()] == ["finished"]
    assert left(project) == []


@pytest.mark.slow
def test_ctrl_c_ends_the_run_there_and_what_it_was_comes_home(
    project: Project, lab: FolderPlace
) -> None:
    go = project.path.parent / "go"
    controller = begin(project, str(go))
    wait_until(Path(f"{go}.began").exists)
    controller.send_signal(signal.SIGINT)
    said = controller.communicate(timeout=100)[1]
    assert controller.returncode == 130, said
    assert "1 run: 1 stopped" in said
    assert [view.status for view in project.views()] == ["killed"]
    assert left(project) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inline", "ray", "slurm"])
def test_each_place_has_them_made_where_the_study_is_not_seen(
    project: Project, lab: FolderPlace, where: str, request: pytest.FixtureRequest
) -> None:
    if where != "inline":
        request.getfixturevalue(f"a_{where}")
    words = ("t.py", "--name", "g", "--via", "lab", "--n", "1", "--on", where)
    ended = studied.seeds(project, *words, SAMEBIT_CACHE=os.environ["SAMEBIT_CACHE"])
    assert ended.code == 0, ended.err
    views = project.views()
    assert [view.status for view in views] == ["finished"]
    assert not any(view.record.project.startswith(str(project.path)) for view in views)
    assert left(project) == []


@pytest.mark.slow
def test_what_slurm_starts_again_goes_on_as_the_same_run_from_what_the_remote_has(
    project: Project, lab: FolderPlace, a_slurm: clusters.Slurm
) -> None:
    top = project.path.parent
    project.write("t.py", GOES_ON)
    words = ("--name", "g", "--via", "lab", "--n", "1", "--on", "slurm", "--", str(top))
    environ = {"SAMEBIT_CACHE": os.environ["SAMEBIT_CACHE"]}
    controller = studied.begin(project, "seeds", "t.py", *words, **environ)
    view = made_there(project, "checkpoint 3")
    push = sending.push_now(view.folder.store, os.environ)  # as it does once a minute
    assert push is not None
    push.wait()
    assert len(at_the_remote(lab, top, view.id).starts) == 1
    node = a_slurm.call("sinfo", "--noheader", "--format=%n").strip()
    with a_slurm.away("slurmd"):  # its node is lost, with all that was on it
        families.end_all(families.in_session(os.getsid(view.starts[0].pid)), signal.SIGKILL)
        a_slurm.call("scontrol", "update", f"nodename={node}", "state=down", "reason=gone")
        a_slurm.call("scontrol", "update", f"nodename={node}", "state=resume")
    (top / "on-3").touch()
    view = made_there(project, "checkpoint 4")
    job = view.facts["variables"]["SLURM_JOB_ID"]
    a_slurm.call("scancel", "--batch", "--signal=USR1", job)  # as near its time limit
    wait_until(lambda: at_the_remote(lab, top, view.id).ends[-1])
    (top / "on-4").touch()
    said = controller.communicate(timeout=150)[1]
    assert controller.returncode == 0, said
    assert "started once more" not in said
    view = project.view()
    assert (view.status, len(view.starts)) == ("finished", 3)
    assert [view.at_execution(n).metrics["acc"].steps[0] for n in (1, 2, 3)] == [1, 4, 5]
    assert [one.counted for one in history_of(project, "g").trials] == [1]
    assert left(project) == []


def made_there(project: Project, state: str) -> View:
    """The one run on its machine, once that has a state of this name."""

    def found() -> list[View]:
        nodes = (project.path.parent / "cache/nodes").glob("*/fs")
        stores = [mirrored(files, project.path) / ".samebit" for files in nodes]
        views: list[View] = []
        for folder in [one for store in stores for one in list_runs(store)]:
            with suppress(RunNotFound):  # it has hardly begun
                views.append(read_run(folder))
        return [view for view in views if state in view.states]

    wait_until(found)
    return found()[0]


def at_the_remote(lab: FolderPlace, top: Path, run: str) -> View:
    """A run as it is there."""
    store = Store(places.make_store(top / "there"))
    pulling.pull(store, lab, [run], [], kinds=())
    return read_run(RunFolder(store.path / "runs" / run))
