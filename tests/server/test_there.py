"""The runs of a remote: shown without being fetched, read when they are asked for."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from samebit.server import there
from tests.projects import SAMEBIT, Project
from tests.server.asking import ask, opened, refusal
from tests.server.recorded import record


@pytest.fixture
def remote(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to which two runs were pushed that are here no more."""
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(there, "_EVERY_S", 0.0)
    project, place = Project(store.parent), tmp_path / "there"
    runs = [record(store, rows=[({"a": float(at)}, k) for k in range(5)]) for at in range(2)]
    for words in (("remote", "add", "lab", place.as_uri()), ("push", "--with", "none")):
        ended = project.call(SAMEBIT, *words)
        assert ended.code == 0, ended.err
    for run in runs:
        shutil.rmtree(run.path)
    return place


def test_what_lies_there_is_shown_and_a_record_comes_when_it_is_asked_for(
    store: Path, remote: Path
) -> None:
    assert remote.is_dir()
    with opened(store, remote="lab") as browser:
        assert ask(browser, "store")["shown"] == "lab"
        found = ask(browser, "runs", columns="id,metric.a,state")
        assert found["columns"]["metric.a"] == {"values": [0.0, 1.0]}
        run = found["ids"][1]
        told = ask(browser, f"runs/{run}")
        assert told["status"] == "finished"
        assert [one["command"] for one in told["commands"]] == [f"samebit pull {run} --remote lab"]
        assert ask(browser, "curves/points", id=run, metric="a")["total"] == 5
        assert refusal(browser, "runs/0123456789")[0] == 404
    assert list((store / "runs").iterdir()) == []


def test_a_remote_that_is_gone_is_said_and_the_page_goes_on(store: Path, remote: Path) -> None:
    with opened(store, remote="lab") as browser:
        assert len(ask(browser, "runs", columns="id")["ids"]) == 2
        away = remote.rename(remote.with_name("away"))
        assert "'lab'" in until(browser, 404)["error"]["what"]
        away.rename(remote)
        assert until(browser, 200)["shown"] == "lab"


def until(browser: TestClient, status: int) -> Any:
    """The answer, once it is of this status."""
    deadline = time.monotonic() + 60
    while (answer := browser.get("/api/store")).status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer.json()
