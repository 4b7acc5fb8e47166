"""What people say of runs: kept as notes where that was allowed, and read by everybody."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from samebit.digest import from_json
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.query import index
from tests.server.asking import OURS, ask, opened
from tests.server.recorded import record


def say(browser: TestClient, run: str, kind: Any, value: Any, **headers: str) -> tuple[int, Any]:
    given = {"origin": OURS, **headers}
    answer = browser.post(f"/api/notes/{run}", json={"kind": kind, "value": value}, headers=given)
    return answer.status_code, from_json(answer.content)


def test_what_is_said_is_a_note_in_the_store_and_in_every_row(store: Path) -> None:
    run = record(store)
    with opened(store, may_edit=True) as browser:
        for kind, value in (
            ("tag", "good"),
            ("tag", "<b>&"),
            ("tag", "bad"),
            ("untag", "bad"),
            ("text", "see\nappendix"),
            ("name", "the one"),
            ("archived", True),
        ):
            status, told = say(browser, run.id, kind, value)
            assert status == 200
        assert told == {
            "id": run.id,
            "name": "the one",
            "tags": ["good", "<b>&"],
            "note": "see\nappendix",
            "archived": True,
        }
        answer = ask(browser, f"runs/{run.id}")
        assert {key: answer[key] for key in ("tags", "note", "archived")} == {
            key: told[key] for key in ("tags", "note", "archived")
        }
    assert len(read_run(run).notes) == 7
    (row,) = index.rows(store)
    wanted = ("the one", "good, <b>&", "see\nappendix", True)
    assert tuple(row[key] for key in ("name", "tags", "note", "archived")) == wanted
    with opened(store, may_edit=True) as browser:
        say(browser, run.id, "archived", False)
        say(browser, run.id, "text", "")
    (row,) = index.rows(store)
    assert not {"note", "archived"} & row.keys()


def notes_of(run: RunFolder) -> int:
    return len(list((run.path / "notes").iterdir()))


def test_nothing_is_written_without_leave(store: Path) -> None:
    run = record(store)
    with opened(store) as browser:
        status, told = say(browser, run.id, "tag", "good")
        assert status == 400
        assert "--edit" in told["error"]["hint"]
    with opened(store, may_edit=True) as browser:
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "same-site"}):
            assert say(browser, run.id, "tag", "good", **headers)[0] == 403
        body = b'{"kind": "tag", "value": "good"}'
        plain = {"origin": OURS, "content-type": "text/plain"}
        assert browser.post(f"/api/notes/{run.id}", content=body, headers=plain).status_code == 400
        json = {"content-type": "application/json"}
        assert browser.post(f"/api/notes/{run.id}", content=body, headers=json).status_code == 403
        del browser.headers["authorization"]
        assert say(browser, run.id, "tag", "good")[0] == 403
    assert notes_of(run) == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("verdict", "identical"),
        ("dropped", "final"),
        ("tag", ""),
        ("tag", "a,b"),
        ("tag", True),
        ("tag", "x" * 101),
        ("archived", "yes"),
        ("name", 1),
        ("text", "x" * 10_001),
        ("text", "x" * 200_000),
        (None, "x"),
    ],
)
def test_only_what_people_say_and_no_more_of_it(store: Path, kind: Any, value: Any) -> None:
    run = record(store)
    with opened(store, may_edit=True) as browser:
        assert say(browser, run.id, kind, value)[0] == 400
        assert say(browser, "0" * 10, "tag", "x")[0] == 404
        assert say(browser, "../" + run.id, "tag", "x")[0] in (404, 405)
    assert notes_of(run) == 0
