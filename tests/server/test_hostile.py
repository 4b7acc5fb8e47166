"""Runs of strangers, and of a bad day: what stands in them is told as text, and nothing stops."""

import json
import math
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from samebit.digest import from_json
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.server.long import MOST_FACTS
from tests.server.asking import ask, opened, refusal
from tests.server.recorded import begin, finish, record

MARKUP = "</script><img src=x onerror=alert(1)>"
ODD = "\x1b[31m\u202e\0\ud800"
HUGE = "x" * 1_000_000
FIFTY = "x" * 50_000_000
NAMES = (MARKUP, ODD, "__proto__", "constructor", "$float", "a,b%", "", " ", "é" * 300)
VALUES = (MARKUP, ODD, math.nan, math.inf, -math.inf, 2**53 + 1, -(2**80), 1e308, HUGE, None)


@pytest.fixture
def hostile(store: Path) -> Path:
    config = {**{name: MARKUP for name in NAMES if name}, **dict(enumerate_names())}
    run, writer = begin(store, name=MARKUP + ODD, group=ODD)
    writer.fact("config", config)
    for step, value in enumerate((math.nan, math.inf, -math.inf, 2**53 + 1, -(2**80), True)):
        writer.row({name: value for name in NAMES}, step)
    writer.row({f"text of {ODD}": ODD}, 0)
    (run.console(1) / "0.log").write_bytes(b"\xff\x1b[2J" + MARKUP.encode() + b"\0")
    finish(run, writer)
    return store


def enumerate_names() -> list[tuple[str, object]]:
    return [(f"value{at}", value) for at, value in enumerate(VALUES)]


def test_whatever_is_recorded_is_answered_and_comes_back_as_it_was(hostile: Path) -> None:
    with opened(hostile) as browser:
        found = ask(browser, "runs")
        (run,) = found["ids"]
        every = ",".join(
            key["key"].replace("%", "%25").replace(",", "%2c") for key in found["keys"]
        )
        columns = ask(browser, "runs", columns=every)["columns"]
        for at, value in enumerate(VALUES):
            told = columns[f"config.value{at}"]["same"]
            if value is HUGE:
                assert len(told) < 20_000
            elif isinstance(value, float) and math.isnan(value):
                assert math.isnan(told)
            else:
                assert (type(told), told) == (type(value), value)
        for path in (
            *("", "/console", "/files", "/patch", "/schedule", "/verdicts", "/states"),
            *("/splits", "/environment"),
        ):
            answer = browser.get(f"/api/runs/{run}{path}")
            assert answer.status_code in (200, 404)
            json.loads(answer.content)  # bytes that every browser reads
        assert MARKUP in ask(browser, f"runs/{run}/console")["text"]
        ask(browser, "compare", ids=run)
        ask(browser, "metrics")
        odd = f"text of {ODD}"
        for name in (name.replace("\ud800", "\\ud800") for name in (*NAMES, odd) if name):
            query = {"ids": run, "metric": name}
            assert browser.get("/api/curves", params=query).status_code == 200
            ask(browser, "curves/points", id=run, metric=name)
            ask(browser, "curves/groups", metric=name)
        assert browser.get("/api/runs.csv").status_code == 200


@pytest.mark.slow
def test_a_value_of_fifty_megabytes_is_sent_as_its_beginning_and_whole_when_it_is_asked_for(
    store: Path,
) -> None:
    runs = [
        record(store, config={"text": FIFTY + end, "list": list(range(200_000))}) for end in "ab"
    ]
    ids = [run.id for run in runs]
    with opened(store) as browser:
        for path in ("runs?columns=config.text,config.list", f"runs/{ids[0]}"):
            assert len(browser.get(f"/api/{path}").content) < 100_000, path
        (config,) = (
            part
            for part in ask(browser, f"runs/{ids[0]}")["parts"]
            if part["title"] == "Hyper-parameters"
        )
        told = {fact["name"]: fact for fact in config["facts"]}
        assert FIFTY.startswith(told["text"]["values"][0])
        (long,) = told["text"]["long"]
        assert (long["at"], long["characters"]) == (0, len(FIFTY) + 1)
        query = {"part": "Hyper-parameters", "name": "text"}
        answer = browser.get(f"/api/runs/{ids[0]}/value", params=query)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text == FIFTY + "a"
        for wrong in ({"part": "Nothing"}, {"name": "nosuch"}, {"at": 1}, {"at": -1}):
            assert refusal(browser, f"runs/{ids[0]}/value", **(query | wrong))[0] == 404
        answer = browser.get("/api/compare", params={"ids": ",".join(ids)})
        assert len(answer.content) < 100_000
        rows = {
            row["key"]: row
            for section in from_json(answer.content)["sections"]
            for row in section["rows"]
        }
        # They differ in what is not sent alone.
        assert (rows["text"]["same"], len({*rows["text"]["values"]})) == (False, 1)
        assert len({long["digest"] for long in rows["text"]["long"]}) == 2
        assert rows["list"]["same"]


def test_of_very_many_settings_those_that_differ_are_sent(store: Path) -> None:
    many = {f"key{at}": at for at in range(MOST_FACTS)}
    ids = [record(store, config={**many, "last": last}).id for last in (1, 2)]
    with opened(store) as browser:
        parts = {part["title"]: part for part in ask(browser, f"runs/{ids[0]}")["parts"]}
        config = parts["Hyper-parameters"]
        assert (len(config["facts"]), config["more"]) == (MOST_FACTS, 1)
        sections = ask(browser, "compare", ids=",".join(ids))["sections"]
        (found,) = (one for one in sections if one["title"] == "config")
        assert (found["rows"][0]["key"], found["rows"][0]["same"]) == ("last", False)
        assert found["more"] > 0


def test_what_is_asked_may_be_anything(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        for text in (*NAMES[:2], "%", "%ff", "a" * 10_000, "'" * 500, "(" * 500, "\n"):
            sound = text.encode("utf-8", "replace").decode()
            for path, name in (
                ("runs", "columns"),
                ("runs", "ids"),
                ("runs", "since"),
                ("runs/filter", "where"),
                ("runs/groups", "by"),
                ("curves", "ids"),
                ("curves/points", "id"),
                ("compare", "ids"),
                ("trace", "from"),
            ):
                answer = browser.get(f"/api/{path}", params={name: sound, "metric": "loss"})
                assert answer.status_code in (200, 400, 404), (path, name, text)
                if answer.headers["content-type"] == "application/json":
                    from_json(answer.content)


def test_a_run_is_named_by_its_id_and_by_no_path(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        for name in ("../runs", "/etc", "last", "@last", "n0", "runs", "0" * 10, "\0"):
            status, error = refusal(browser, f"runs/{quote(name, safe='')}")
            assert status == 404
            assert "no such" in error["what"] or "no address" in error["what"]
            assert refusal(browser, "media/x", run=name)[0] == 404
            assert refusal(browser, "curves/points", id=name, metric="loss")[0] == 404


def test_a_file_of_the_code_is_named_by_its_place_in_the_tree(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        run = ask(browser, "runs", columns="id")["ids"][0]
        found = ask(browser, f"runs/{run}/file", path="train.py")
        assert found == {
            "path": "train.py",
            "text": "print('<b>')\n",
            "size_bytes": 13,
            "cut": False,
        }
        assert ask(browser, f"runs/{run}/file", path="b")["text"] is None
        for path in ("../train.py", "/etc/passwd", "./train.py", "", "train.py/"):
            assert refusal(browser, f"runs/{run}/file", path=path)[0] == 404


def test_a_damaged_object_is_an_error_of_that_part_alone(store: Path) -> None:
    tree, _ = save_tree(Store(store), [SourceFile("a.py", "file", b"a\n")])
    run = record(store, rows=[({"a": 1.0}, 1), ({"a": 2.0}, 2)], tree=tree)
    for pack in (store / "packs").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            pack.write_bytes(pack.read_bytes()[:-20] + b"rubbish, of twenty b")
    with opened(store) as browser:
        status, error = refusal(browser, f"runs/{run.id}/files")
        assert status in (404, 409)
        assert error["what"]
        assert ask(browser, f"runs/{run.id}")["status"] == "finished"
        assert ask(browser, "curves/points", id=run.id, metric="a")["total"] == 2


def test_a_torn_journal_shows_what_can_be_read_and_says_so(store: Path) -> None:
    run = record(store, rows=[({"a": float(step)}, step) for step in range(100)])
    (segment,) = run.journal.glob("*.sbj")
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2])
    with opened(store) as browser:
        told = ask(browser, f"runs/{run.id}")
        assert any("bytes" in gap for gap in told["gaps"])
        (metric,) = ask(browser, "metrics")["metrics"]
        assert 10 < metric["points"] < 90
        found = ask(browser, "curves/points", id=run.id, metric="a")
        assert found["total"] == metric["points"]


def test_a_run_that_cannot_be_read_is_a_row_that_says_why(store: Path) -> None:
    record(store)
    run = record(store)
    (run.path / "run.json").write_bytes(b"rubbish")
    with opened(store) as browser:
        found = ask(browser, "runs", columns="state,damage")
        assert len(found["ids"]) == 2
        assert "damaged" in found["columns"]["state"]["values"]
        status, error = refusal(browser, f"runs/{run.id}")
        assert status == 409
        assert "damaged record" in error["what"]


def test_what_was_printed_is_cut_at_whole_characters(store: Path) -> None:
    run = record(store)
    text = "aé€𝄞" * 100_000
    (run.console(1) / "0.log").write_text(text)
    data = text.encode()
    with opened(store) as browser:
        at, found = 0, ""
        while True:
            part = ask(browser, f"runs/{run.id}/console", after=at)
            assert part["at"] == at
            if part["next"] == at:
                break
            found, at = found + part["text"], part["next"]
        assert found == text
        for back in range(1, 12):
            part = ask(browser, f"runs/{run.id}/console", after=-back)
            assert data.decode().endswith(part["text"])
            assert part["at"] <= len(data)
        past = ask(browser, f"runs/{run.id}/console", after=10**9)
        assert (past["text"], past["next"]) == ("", len(data))


def test_a_console_that_is_a_link_or_a_pipe_is_not_followed(store: Path, tmp_path: Path) -> None:
    run = record(store)
    (tmp_path / "secret").write_text("secret")
    (run.console(1) / "0.log").symlink_to(tmp_path / "secret")
    os.mkfifo(run.console(1) / "1.log")
    with opened(store) as browser:
        assert ask(browser, f"runs/{run.id}")["consoles"] == []
        assert refusal(browser, f"runs/{run.id}/console", rank="0")[0] == 404
