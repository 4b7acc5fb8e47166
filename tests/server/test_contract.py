"""Each address answers in the shape that `server/answers.py` declares, and in no other."""

import struct
from array import array
from pathlib import Path
from typing import Any

import msgspec
import pytest

from samebit.cli.schemas.details import DETAILS
from samebit.digest import from_json
from samebit.server import answers, beside
from tests.server.asking import ask, opened, refusal
from tests.server.recorded import record


def fits(value: Any, shape: Any) -> Any:
    """The value in its shape; whatever else is in it is an error."""
    found = msgspec.convert(value, shape, strict=True)
    assert msgspec.to_builtins(found) == value
    return found


def test_every_address_has_its_shape(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        runs = ask(browser, "runs", columns="id,name,state")
        ids = runs["ids"]
        two = ",".join(ids[:2])
        shapes: list[tuple[str, dict[str, Any], Any]] = [
            ("store", {}, answers.StoreAnswer),
            ("runs/groups", {"by": "lr", "metric": "loss", "take": "min"}, answers.Groups),
            ("studies", {}, answers.Studies),
            ("metrics", {"ids": two}, answers.Metrics),
            ("curves/groups", {"by": "lr", "metric": "loss"}, answers.GroupCurves),
            ("curves/points", {"id": ids[0], "metric": "loss"}, answers.CurvePoints),
            ("compare", {"ids": two}, beside.Comparison),
            ("trace", {"ids": two}, beside.Trace),
            (f"runs/{ids[0]}", {}, answers.RunAnswer),
            (f"runs/{ids[0]}/console", {}, answers.ConsoleText),
            (f"runs/{ids[0]}/files", {}, answers.Files),
            (f"runs/{ids[0]}/file", {"path": "train.py"}, answers.OneFile),
            (f"runs/{ids[0]}/patch", {}, answers.Patch),
            (f"runs/{ids[0]}/media", {}, answers.RunMedia),
            (f"runs/{ids[0]}/machine", {}, answers.Sampled),
        ]
        for path, query, shape in shapes:
            fits(ask(browser, path, **query), shape)
        for name, shape in DETAILS.items():
            assert fits(ask(browser, f"runs/{ids[0]}/{name}"), shape)["run"] == ids[0]
        for key in runs["keys"]:
            fits(key, answers.Key)


def test_columns_are_one_value_a_list_of_texts_or_values(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        found = ask(browser, "runs")
        assert set(found) == {"version", "waiting", "ids", "columns", "keys"}
        count = len(found["ids"])
        assert count == 5
        forms = {"same": {"same"}, "texts": {"texts", "at"}, "values": {"values"}}
        for column in found["columns"].values():
            (form,) = (form for form in forms if form in column)
            assert set(column) == forms[form]
            if form != "same":
                assert len(column["at" if form == "texts" else "values"]) == count
        assert found["columns"]["config.lr"] == {"values": [0.1, 0.1, 0.1, 0.01, 0.1]}
        assert found["columns"]["kind"] == {"same": "run"}
        assert {"config.lr", "metric.loss", "state"} <= set(found["columns"])
        assert {"min.loss", "points.acc"} <= {key["key"] for key in found["keys"]}
        asked = ask(browser, "runs", columns="lr,metric.acc,nothing%2c", ids=found["ids"][3])
        assert asked["columns"] == {
            "lr": {"same": 0.01},
            "metric.acc": {"same": 0.98},
            "nothing,": {"same": None},
        }
        assert "keys" not in asked


def test_the_filter_is_that_of_the_command_line(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        runs = ask(browser, "runs", columns="id")["ids"]
        for condition, wanted in (
            ("lr < 0.05", runs[3:4]),
            ("config.lr == 0.1 and state == finished", runs[:3]),
            ("name ~ 'n[01]'", runs[:2]),
            ("not has(acc)", runs[4:]),
            ("of == null and name == n2", runs[2:3]),
        ):
            assert ask(browser, "runs/filter", where=condition)["ids"] == wanted
        # Of these runs alone what a table of them would show at first: `lr` is the same in them.
        columns = {
            condition: ask(browser, "runs/filter", where=condition)["columns"]
            for condition in ("lr < 0.2", "lr == 0.1")
        }
        assert "config.lr" in columns["lr < 0.2"]
        assert "config.lr" not in columns["lr == 0.1"]
        status, error = refusal(browser, "runs/filter", where="lr <")
        assert status == 400
        assert "^" in error["what"]
        status, error = refusal(browser, "runs/filter", where="nosuch > 1")
        assert (status, error["what"]) == (400, "no run here has 'nosuch'")


def test_groups_are_of_all_runs_and_tell_who_was_left_out(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        found = ask(browser, "runs/groups", by="lr", metric="loss")["groups"]
        (many,) = (one for one in found if one["values"] == [0.1])
        assert many["n"] == 3
        assert many["mean"] == pytest.approx((0.02 + 0.04 + 0.06) / 3)
        assert many["low"] < many["mean"] < many["high"]
        assert [why for _, why in many["left_out"]] == ["failed"]
        assert refusal(browser, "runs/groups", by="lr", metric="loss", take="best")[0] == 400
        assert refusal(browser, "runs/groups", by="nosuch", metric="loss")[0] == 400


def test_curves_are_a_header_and_blocks_of_numbers(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        ids = ask(browser, "runs", columns="id")["ids"]
        query = {"ids": ",".join([*ids, "0000000000"]), "metric": "acc", "columns": 10}
        answer = browser.get("/api/curves", params=query)
        (length,) = struct.unpack_from("<I", answer.content)
        assert (4 + length) % 8 == 0
        header = from_json(answer.content[4 : 4 + length])
        assert [one["id"] for one in header["curves"]] == ids[:4]
        assert header["missing"] == [ids[4], "0000000000"]
        numbers = array("d", answer.content[4 + length :])
        at = 0
        for curve in header["curves"]:
            assert [curve[key] for key in ("points", "placed", "drawn", "odd")] == [50, 50, 10, 0]
            blocks = [numbers[at + 10 * k : at + 10 * k + 10].tolist() for k in range(5)]
            at += 50
            x, low, high, last, mean = blocks
            assert low == [5 * k / 50 for k in range(10)]
            assert high == last == [(5 * k + 4) / 50 for k in range(10)]
            assert mean == pytest.approx([(5 * k + 2) / 50 for k in range(10)])
            assert x == sorted(x)
        assert at == len(numbers)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"metric": "acc", "columns": "0"},
        {"metric": "acc", "columns": "x"},
        {"metric": "acc", "from": "nan"},
        {"metric": "acc", "from": "2", "to": "1"},
        {"metric": "acc", "ids": ",".join(["0000000000"] * 1001)},
    ],
)
def test_what_cannot_be_drawn_is_said(some_runs: Path, query: dict[str, str]) -> None:
    with opened(some_runs) as browser:
        assert refusal(browser, "curves", **query)[0] == 400


def test_a_table_for_programs_has_the_columns_that_were_asked_for(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        ids = ask(browser, "runs", columns="id")["ids"]
        query = {"ids": f"{ids[3]},{ids[0]}", "columns": "name,lr,acc"}
        answer = browser.get("/api/runs.csv", params=query)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.text == "name,lr,acc\r\nn3,0.01,0.98\r\nn0,0.1,0.98\r\n"
        answer = browser.get("/api/runs.tex", params=query)
        assert answer.headers["content-type"] == "text/x-tex; charset=utf-8"
        body = answer.text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
        assert body == "n3 & 0.01 & 0.98 \\\\\nn0 & 0.1 & 0.98 \\\\\n"
        assert browser.get("/api/runs.csv", params={"columns": "nosuch"}).status_code == 400


def test_a_column_that_none_of_these_runs_has_is_empty_in_their_file(store: Path) -> None:
    first = record(store, name="a", config={"lr": 1})
    record(store, name="b", config={"dropout": 0.5})
    with opened(store) as browser:
        query = {"ids": first.id, "columns": "name,config.dropout"}
        assert browser.get("/api/runs.csv", params=query).text == "name,config.dropout\r\na,\r\n"
        assert "a & --- " in browser.get("/api/runs.tex", params=query).text


def test_groups_come_as_files_in_the_order_that_is_asked_for(some_runs: Path) -> None:
    with opened(some_runs) as browser:
        query = {"by": "config.lr", "columns": "metric.loss,min.loss", "sort": "metric.loss:desc"}
        lines = browser.get("/api/runs.csv", params=query).text.splitlines()
        assert lines[0].startswith("config.lr,n,metric.loss,metric.loss low,metric.loss high")
        found = ask(browser, "runs/groups", by="config.lr", metric="loss")["groups"]
        means = {str(one["values"][0]): one["mean"] for one in found}
        ordered = sorted(means, key=lambda lr: means[lr], reverse=True)
        assert [line.split(",")[0] for line in lines[1:]] == ordered
        assert [float(line.split(",")[2]) for line in lines[1:]] == [means[lr] for lr in ordered]
        text = browser.get("/api/runs.tex", params=query | {"sort": "n:asc"}).text
        assert "lr & n & loss & loss min" in text
        assert "left out: " in text
        assert refusal(browser, "runs.tex", by="nosuch", columns="metric.loss")[0] == 400


def test_a_version_asks_for_what_has_changed_since(store: Path) -> None:
    first = record(store, rows=[({"a": 1.0}, 1)])
    with opened(store) as browser:
        version = ask(browser, "runs", columns="a")["version"]
        assert ask(browser, "runs", columns="a", since=version)["ids"] == []
        assert ask(browser, "runs", columns="a", since=0)["ids"] == [first.id]
        assert ask(browser, "runs", columns="a", since=0)["columns"] == {"a": {"same": 1.0}}


def test_replays_are_told_where_they_are_asked_for(store: Path) -> None:
    run = record(store)
    replay = record(store, kind="replay", of=run.id)
    with opened(store) as browser:
        assert ask(browser, "runs", columns="id")["ids"] == [run.id]
        found = ask(browser, "runs", columns="id,kind", replays=1)
        assert found["ids"] == [run.id, replay.id]
        assert found["columns"]["kind"] == {"values": ["run", "replay"]}
