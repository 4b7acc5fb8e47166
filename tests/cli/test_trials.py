"""`samebit show` of a run that a study had started: which trial it is, and what ended it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.cli.main import main
from samebit.folders.folder import RunFolder, Trial
from samebit.studies.declared import Design, Study, folder_of, join_or_declare, study_id
from samebit.studies.trials import Trials
from tests.query.test_index import record

LOST = "TIMEOUT, Slurm job 83_0 on n1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return places.make_store(tmp_path / ".samebit")


@pytest.fixture
def runs(store: Path) -> list[RunFolder]:
    """Trial 1 of two: a start that its place ended, and the one after it."""
    study = Study(study_id(store, "g"), "g", "script", ("t.py",), "", ("all",), False, 1)
    join_or_declare(store, study)
    with Trials(folder_of(store, study.id), study.id) as log:
        for number in range(2):
            log.decide(Design({"all": number}))
        ids = [log.start(1).starts[-1].run]
        log.lost(1, LOST)
        ids.append(log.start(1).starts[-1].run)
    return [record(store, trial=Trial(study.id, 1, one), group="g") for one in ids]


def shown(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> tuple[str, Any]:
    assert main(["show", run.id]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert main(["show", run.id, "--json"]) == 0
    return told, json.loads(capsys.readouterr().out)["trial"]


def test_it_tells_the_trial_and_what_only_its_place_knew(
    runs: list[RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (shown(run, capsys) for run in runs)
    study = runs[0].record().study
    same = {"study": study, "name": "g", "number": 1, "starts": 2}
    assert f"study g, trial 2, start 1 of 2 ended by {LOST}" in first[0]
    assert first[1] == same | {"start": 1, "lost": LOST}
    assert "study g, trial 2, start 2 of 2" in second[0]
    assert "ended by" not in second[0]
    assert second[1] == same | {"start": 2, "lost": None}


def test_of_a_study_that_is_not_here_or_damaged_it_tells_what_the_run_knows(
    runs: list[RunFolder], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = str(runs[0].record().study)
    nothing = {"study": study, "name": None, "number": 1, "start": None, "starts": None}
    (folder_of(store, study) / "study.json").write_text("{")
    assert shown(runs[0], capsys)[1] == nothing | {"lost": None}
    shutil.rmtree(folder_of(store, study))
    told, trial = shown(runs[0], capsys)
    assert f"study {study} (it is not here), trial 2" in told
    assert trial == nothing | {"lost": None}


def test_a_run_of_no_study_has_no_trial(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told, trial = shown(record(store), capsys)
    assert trial is None
    assert ", trial " not in told
