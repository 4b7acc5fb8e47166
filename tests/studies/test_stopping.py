"""Runs that somebody stops early: what the study, its lines and the runs say of it."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from samebit import disk, places
from samebit.cli.main import main
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.query import index
from samebit.session.studied import TRIAL
from samebit.studies import controlling
from samebit.studies.asking import Listed
from samebit.studies.controlling import Controlled, Progress, control
from samebit.studies.declared import Study, design, folder_of, join_or_declare, study_id
from samebit.studies.fates import OVER
from samebit.studies.places.local import Local
from samebit.studies.places.place import Handle, Job
from samebit.studies.stopping import Observed, Stop, Stops
from samebit.studies.trials import Trial, read_history
from tests.projects import SAMEBIT, Project

# Logs `acc` at steps 1, 2, 3, and goes on when the file `go` is there, or it is told to end.
SCRIPT = """
    import os, sys, time
    import samebit
    run = samebit.init()
    for step in (1, 2, 3):
        run.log({"acc": int(sys.argv[1]) / step}, step)
    while sys.argv[1] == "0" and not os.path.exists("go"):
        time.sleep(0.02)
"""


class AtTwo:
    """Stops the trial of seed 0, once it has a value at step 2."""

    def __init__(self) -> None:
        self.seen: dict[int, list[tuple[float, float]]] = {}

    def look(self, observed: Observed) -> Sequence[Stop]:
        for number in observed.changed:
            self.seen[number] = list(observed.points(number))
        first = dict(self.seen.get(0, ()))
        stops = [Stop(0, 2, f"acc {first[2]:g}")] if 2 in first else []
        return stops + [Stop(n, 1, "?") for n, one in observed.fates.items() if one.state in OVER]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("t.py", SCRIPT)
    return project


def controlled(project: Project, stops: Stops | None) -> tuple[Controlled, list[Progress]]:
    store = places.make_store(project.store)
    study = Study(
        study_id(store, "g"), "g", "script", ("t.py", "{seed}"), str(project.path), ("all",),
        False, 1, first=0, metric="acc",
    )  # fmt: skip
    told: list[Progress] = []

    def job(trial: Trial, log: Path, run: RunFolder) -> Job:
        argv = [SAMEBIT, "run", "--quiet", "--group", "g", "t.py", str(trial.values["all"])]
        variables = {TRIAL: f"{study.id}:{trial.number}:{run.id}"}
        environ = project.environ(**variables)
        return Job(f"{trial.number}", argv, environ, project.path, log, run)

    counts = {"all": 2}
    found = control(
        store, join_or_declare(store, study), Listed(design(study, counts, 0)), counts, 0, Local(2),
        job,
        told.append, known=lambda: index.rows(store), stops=stops,
    )  # fmt: skip
    return found, told


def test_a_run_that_is_stopped_early_is_over_no_failure_and_not_started_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stops = AtTwo()
    found, told = controlled(project, stops)
    assert [one.state for one in found.fates] == ["stopped early", "finished"]
    assert stops.seen == {0: [(1, 0), (2, 0), (3, 0)], 1: [(1, 1), (2, 0.5), (3, 1 / 3)]}
    assert told[-1].over == 2
    store = project.store
    study = study_id(store, "g")
    trial = read_history(folder_of(store, study), study).trials[0]
    assert trial.early is not None
    assert (trial.early.step, trial.early.why) == (2, "acc 0")
    view = read_run(RunFolder(store / "runs" / str(found.fates[0].run)))
    assert (view.status, view.cause) == ("stopped early", "by the study g at step 2: acc 0")
    again, _ = controlled(project, None)
    assert [one.state for one in again.fates] == ["stopped early", "finished"]
    assert len(project.views()) == 2
    monkeypatch.chdir(project.path)
    monkeypatch.setitem(os.environ, "SAMEBIT_DIR", str(store))
    main(["ls"])
    assert "stopped early" in capsys.readouterr().out


def test_what_is_started_together_is_made_durable_at_once_and_before(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, submit = disk.sync, Local.submit

    def syncs(fd: int) -> None:
        done.append("durable")
        sync(fd)

    def submits(place: Local, jobs: Sequence[Job]) -> Iterator[Handle]:
        done.append(f"start {len(jobs)}")
        return submit(place, jobs)

    monkeypatch.setattr(disk, "sync", syncs)
    monkeypatch.setattr(Local, "submit", submits)
    monkeypatch.setattr(controlling, "_LOOK_S", 500.0)  # so that an end must wake it
    project.write("go", "")
    began = time.monotonic()
    controlled(project, None)
    assert time.monotonic() < began + 500
    assert done == ["durable", "start 2"]
