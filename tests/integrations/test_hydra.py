"""Hydra's tutorial: composed configurations; a sweep in one process, each job run again alone."""

import sys
from pathlib import Path

import pytest

from samebit.folders.find import list_runs
from samebit.folders.read import View, read_run
from tests.replay.conftest import SAMEBIT, Project, make_project

pytest.importorskip("hydra")
pytestmark = pytest.mark.slow  # starts of Hydra, and replays

CONFIG = """
defaults:
  - _self_
  - db: mysql
lr: 0.1
"""
# The first application with a group of the tutorial, which trains.
SCRIPT = """
import os
import hydra
import numpy as np
from omegaconf import DictConfig, OmegaConf
import samebit
from samebit.session import process
from samebit.session.run import Run

@hydra.main(version_base=None, config_path="conf", config_name="config")
def my_app(cfg: DictConfig) -> None:
    print(OmegaConf.to_yaml(cfg))
    run = RUN
    weights = np.random.normal(size=3)
    rate = cfg.lr
    if rate == 0.3:
        raise ValueError("this rate is forbidden")
    if rate == 0.4:
        rate += int.from_bytes(os.urandom(4)) / 2**40
    run.trace(params=weights)
    for step in range(4):
        batch = np.random.normal(size=3)
        weights -= rate * batch
        run.trace(batch=batch, params=weights, hyper={"lr": rate})
        run.log({"norm": float(weights @ weights)}, step=step)
    with open("weights.txt", "w") as file:
        file.write(str(weights))

if __name__ == "__main__":
    my_app()
"""
OF_SCRIPT = "samebit.init()"
FORKING = """
    import multiprocessing
    child = multiprocessing.get_context("fork").Process(target=samebit.init)
    child.start()
    child.join()
    assert child.exitcode == 0"""
# Of a script that calls nothing of ours, what records it.
OF_NOBODY = "Run(process.here.active, process.end)"


def made(around: Path, run: str, *, repository: bool = True) -> Project:
    project = make_project(around, repository=repository)
    project.write(
        **{
            "my_app": SCRIPT.replace("RUN", run),
            "conf__config.yaml": CONFIG,
            "conf__db__mysql.yaml": "driver: mysql\n",
            "conf__db__postgresql.yaml": "driver: postgresql\ntimeout: 10\n",
        }
    )
    return project


def views(project: Project) -> list[View]:
    found = [read_run(folder) for folder in list_runs(project.folder / ".samebit")]
    runs = [view for view in found if view.record.kind == "run"]
    return sorted(runs, key=lambda view: view.record.started_ns)


def test_a_run_in_a_folder_of_hydras_comes_back_though_a_file_was_edited(tmp_path: Path) -> None:
    """Outside of a repository, where the code is what was loaded: its configuration, too."""
    project = made(tmp_path, OF_SCRIPT, repository=False)
    project.run("my_app.py", "db=postgresql", "+new=1", "hydra.job.chdir=True")
    view = project.last()
    config = {"db": {"driver": "postgresql", "timeout": 10}, "lr": 0.1, "new": 1}
    assert view.facts["config"] == config
    said = view.facts["config_sources"]
    assert said["values"]["new"] == "command line"
    assert said["values"]["lr"].endswith("conf/config.yaml")
    assert said["values"]["db"].endswith("conf/db/postgresql.yaml")
    (composed,) = [one for one in said["made_by"] if one["parser"] == "Hydra"]
    assert (composed["choices"], composed["overrides"]) == (
        {"db": "postgresql"},
        ["db=postgresql", "+new=1"],
    )
    (project.folder / "conf" / "config.yaml").write_text("defaults: [db: mysql]\nlr: 9\n")
    (project.folder / "conf" / "db" / "postgresql.yaml").unlink()
    found = project.verify()
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


@pytest.mark.parametrize("run", [OF_SCRIPT, OF_NOBODY])
def test_each_job_of_a_sweep_is_a_run_of_its_group_and_comes_back_alone(
    tmp_path: Path, run: str
) -> None:
    project = made(tmp_path, run)
    words = ("-m", "lr=0.1,0.2", "db=mysql,postgresql", "hydra.sweep.dir=sweeps/one")
    project.run("my_app.py", *words, "--config-name", "config")
    jobs = views(project)
    assert [view.facts["config"]["lr"] for view in jobs] == [0.1, 0.1, 0.2, 0.2]
    drivers = [view.facts["config"]["db"]["driver"] for view in jobs]
    assert drivers == ["mysql", "postgresql"] * 2
    assert {view.group for view in jobs} == {"sweeps/one"}
    assert [view.facts["job"]["number"] for view in jobs] == [1, 2, 3, 4]
    assert all(len(view.metrics["norm"].values) == 4 for view in jobs)
    assert all({"step 0", "final"} <= view.states.keys() for view in jobs)
    assert len({view.metrics["norm"].values[0] for view in jobs}) == 4  # they draw on
    for view in (jobs[0], jobs[3]):
        found = project.verify(view.id)
        assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


def test_of_a_sweep_the_job_that_differs_is_told_with_its_step(tmp_path: Path) -> None:
    project = made(tmp_path, OF_SCRIPT)
    project.run("my_app.py", "-m", "lr=0.1,0.4", "hydra.sweep.dir=out")
    found = project.verify("@last")
    assert (found.verdict["grade"], found.verdict["step"]) == ("different", 1), found.verdict


def test_a_seed_is_that_of_each_job(tmp_path: Path) -> None:
    """As if each had been started by itself."""
    project = made(tmp_path, OF_NOBODY)
    project.run("--seed", "5", "my_app.py", "-m", "lr=0.1,0.1", "hydra.sweep.dir=out")
    first, second = views(project)
    assert first.metrics["norm"].values == second.metrics["norm"].values
    found = project.verify(second.id)
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


def test_plain_python_that_changes_its_folder_has_one_store_and_comes_back(tmp_path: Path) -> None:
    project = made(tmp_path, OF_SCRIPT, repository=False)
    (project.folder / ".samebit-here").unlink(missing_ok=True)
    words = (sys.executable, "my_app.py", "-m", "lr=0.1,0.2", "hydra.job.chdir=True")
    project.call(*words, PYTHONHASHSEED="0")
    assert [path.parent for path in project.folder.rglob(".samebit")] == [project.folder]
    jobs = views(project)
    assert [view.facts["config"]["lr"] for view in jobs] == [0.1, 0.2]
    found = project.verify(jobs[1].id)
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


@pytest.mark.parametrize("run", [OF_SCRIPT, OF_NOBODY])
def test_each_job_has_its_own_end_and_not_the_commands(tmp_path: Path, run: str) -> None:
    project = made(tmp_path, run)
    words = ("my_app.py", "-m", "lr=0.1,0.3,0.2", "hydra.sweep.dir=out")
    ended = project.call(*SAMEBIT, "run", *words, expect=1)
    jobs = views(project)
    assert [view.facts["config"]["lr"] for view in jobs] == [0.1, 0.3, 0.2]
    assert [view.status for view in jobs] == ["finished", "failed", "finished"]
    assert [view.cause for view in jobs] == [None, "ValueError", None]
    assert "rate is forbidden" in ((jobs[1].end and jobs[1].end.exception) or "")
    assert not any(view.gaps for view in jobs)  # the supervisor wrote on behind the first one's end
    said = [line for line in ended.stderr.splitlines() if line.startswith("samebit: the sweep")]
    assert len(said) == 1, ended.stderr
    assert "failed with exit code 1" in said[0]
    assert jobs[0].id in said[0]


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
@pytest.mark.parametrize("run", [OF_SCRIPT, OF_NOBODY])
def test_jobs_in_other_processes_are_runs_each_and_come_back_alone(
    tmp_path: Path, run: str, launcher: str
) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    project = made(tmp_path, run)
    words = (f"hydra/launcher={launcher}", "lr=0.1,0.2,0.3", "hydra.sweep.dir=out")
    project.call(*SAMEBIT, "run", "--seed", "4", "my_app.py", "-m", *words, expect=1)
    command, *jobs = views(project)
    jobs.sort(key=lambda view: view.facts["job"]["number"])
    assert [view.facts["config"]["lr"] for view in jobs] == [0.1, 0.2, 0.3]
    assert [view.status for view in jobs] == ["finished", "finished", "failed"]
    assert [view.cause for view in jobs] == [None, None, "ValueError"]
    assert {view.group for view in jobs} == {"out"}
    assert {view.record.parent for view in jobs} == {command.id}
    assert (command.status, "config" in command.facts) == ("failed", False)
    assert jobs[0].metrics["norm"].values[0] != jobs[1].metrics["norm"].values[0]  # the rate
    assert jobs[0].start is not None
    assert jobs[0].start.seed == 4
    said = jobs[0].facts["config_sources"]["values"]
    assert (said["lr"], said["db.driver"][-19:]) == ("command line", "/conf/db/mysql.yaml")
    found = project.verify(jobs[1].id)
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_with_plain_python_each_job_that_calls_init_comes_back(
    tmp_path: Path, launcher: str
) -> None:
    """Outside of a repository, where the files of the configuration are asked of Hydra."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    project = made(tmp_path, OF_SCRIPT, repository=False)
    words = (f"hydra/launcher={launcher}", "lr=0.1,0.2", "db=postgresql", "hydra.sweep.dir=out")
    project.call(sys.executable, "my_app.py", "-m", *words, PYTHONHASHSEED="0")
    jobs = views(project)
    assert sorted(view.facts["config"]["lr"] for view in jobs) == [0.1, 0.2]
    assert {(view.status, view.group) for view in jobs} == {("finished", "out")}
    found = project.verify(jobs[0].id)
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


def test_of_a_job_that_submitit_began_for_plain_python_the_command_is_not_known(
    tmp_path: Path,
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    project = made(tmp_path, OF_SCRIPT)
    words = ("hydra/launcher=submitit_local", "lr=0.1,0.2", "hydra.sweep.dir=out")
    project.call(sys.executable, "my_app.py", "-m", *words, PYTHONHASHSEED="0")
    jobs = views(project)
    assert sorted(view.facts["config"]["lr"] for view in jobs) == [0.1, 0.2]
    found = project.verify(jobs[0].id)
    assert (found.verdict["grade"], found.code) == ("unknown", 6)
    assert "submitit" in found.verdict["cause"]


def test_what_a_job_forks_begins_no_run(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    project = made(tmp_path, OF_SCRIPT + FORKING)
    project.run("my_app.py", "-m", "lr=0.1,0.2", "hydra/launcher=joblib", "hydra.sweep.dir=out")
    assert len(views(project)) == 3
