"""What `samebit lineage` says where a word may mean several things, nothing, or very much."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.digest import of_bytes
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart, Verdict


def record(
    store: Path, *facts: tuple[str, str, str], status: str = "finished", **more: Any
) -> RunFolder:
    """A run that read and wrote files: (how, name in the project, its content)."""
    run = runs.begin(store, **more)
    run.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("train.py",), "/"))
    writer = Writer(run.journal, run.id)
    for how, name, content in facts:
        path = str(store.parent / name)
        fact = {"path": path, "how": how, "digest": of_bytes(content.encode())}
        writer.fact("file", {**fact, "size_bytes": len(content), "mtime_ns": time.time_ns()})
    writer.close()
    run.end_execution(1, ExecutionEnd(time.time_ns(), status))
    return run


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["lineage", *words]) == code
    found = capsys.readouterr()
    return found.out + found.err


def test_a_thing_that_nobody_knows_is_an_error_with_what_to_do(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(store, ("read", "data", "x"))
    (store.parent / "other").write_text("y")
    (store.parent / "folder").mkdir()
    for word in ("nothing", "other", "folder", "blake3:" + "0" * 64, "12345678"):
        text = said(capsys, word, code=7)
        assert "\nhint: " in text
        assert word in text
    assert of_bytes(b"y") in said(capsys, "other", code=7)


def test_a_word_that_may_mean_several_things_is_refused(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record(store, ("read", "data", "x"), name="data")
    (store.parent / "data").write_text("x")
    assert run.id in said(capsys, "data", code=2)
    assert f"used by {run.id}" in said(capsys, "./data")
    alike = iter(["blake3:" + "a" * 63 + end for end in "01"])
    monkeypatch.setattr("tests.cli.test_lineage.of_bytes", lambda _: next(alike))
    record(store, ("read", "b", "1"), ("read", "c", "2"))
    assert "fits 2 things" in said(capsys, "a" * 8, code=2)
    assert "c" in said(capsys, "a" * 63 + "1")


def test_a_version_of_data_is_its_files_wherever_runs_had_them(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store.parent / "raw"
    folder.mkdir()
    for name in ("a", "b", "unused"):
        (folder / name).write_text(name)
    assert main(["data", "add", str(folder), "--name", "numbers"]) == 0
    run = record(store, ("read", "elsewhere/a", "a"), ("read", "raw/b", "b"), ("write", "m", "x"))
    capsys.readouterr()
    assert main(["data", "ls", "--json"]) == 0
    (version,) = json.loads(capsys.readouterr().out)["data"]
    word = f"numbers@{version['fingerprint'].rpartition(':')[2][:8]}"
    text = said(capsys, word)
    assert "2 of the 3 contents of numbers@" in text
    assert f"used by {run.id}" in text
    data = json.loads(said(capsys, word, "--json"))
    assert data["thing"]["kind"] == "data"
    assert set(data["thing"]["nodes"]) == {of_bytes(b"a"), of_bytes(b"b")}
    assert "no version numbers@ffffffff" in said(capsys, "numbers@ffffffff", code=7)


def test_one_content_under_two_names_is_one_thing(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = record(store, ("write", "a", "x"))
    user = record(store, ("read", "b", "x"))
    found = json.loads(said(capsys, of_bytes(b"x"), "--json"))
    (content,) = [node for node in found["nodes"] if node["kind"] == "file"]
    assert [os.path.basename(name["name"]) for name in content["names"]] == ["a", "b"]
    assert [(edge["from"], edge["to"], edge["how"]) for edge in found["edges"]] == [
        (maker.id, content["node"], "made"),
        (content["node"], user.id, "used"),
    ]
    assert found["edges"][1]["maker"] == maker.id
    assert " a = b" in said(capsys, of_bytes(b"x"))


def test_all_makers_are_told_and_the_nearest_before_is_the_one(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (record(store, ("write", "a", "x")) for _ in range(2))
    user = record(store, ("read", "a", "x"))
    late = record(store, ("write", "a", "x"))
    text = said(capsys, user.id)
    assert f"made by {second.id}" in text
    assert f"before also made by {first.id}" in text
    assert late.id not in text
    assert "as another made it" in said(capsys, first.id)
    text = said(capsys, of_bytes(b"x"))
    assert f"─ made by {late.id}" in text
    assert f"─ before also made by {first.id}" in text
    found = json.loads(said(capsys, user.id, "--json"))
    assert {edge.get("maker") for edge in found["edges"] if edge["how"] == "used"} == {second.id}


def test_what_a_killed_run_left_is_known_by_its_path(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.begin(store, name="killed")
    run.begin_execution(ExecutionStart(0, time.time_ns(), "script", ("a.py",), "/"))
    writer = Writer(run.journal, run.id)
    writer.fact("file", {"path": str(store.parent / "best.pt"), "how": "write"})
    writer.close()
    run.end_execution(1, ExecutionEnd(time.time_ns(), "killed"))
    assert "its content was not recorded" in said(capsys, "best.pt")
    user = record(store, ("read", "best.pt", "x"))
    assert f"perhaps made by {run.id}" in said(capsys, user.id)
    assert f"perhaps used by {user.id}" in said(capsys, "killed")
    edges = json.loads(said(capsys, user.id, "--json"))["edges"]
    assert [edge["known_by"] for edge in edges] == ["path", "content"]


def test_replays_are_told_when_asked_for(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = record(store, ("write", "a", "x"))
    replay = record(store, ("write", "b", "x"), ("write", "c", "z"), kind="replay", of=run.id)
    run.add_note("verdict", Verdict("identical", run.id, replay.id))
    text = said(capsys, of_bytes(b"x"))
    assert replay.id not in text
    assert f"{run.id} (finished, identical, " in text
    assert f"{replay.id} (replay of {run.id}, " in said(capsys, of_bytes(b"x"), "--replays")
    assert replay.id in said(capsys, of_bytes(b"z"))  # nobody else had to do with it


def test_runs_that_cannot_be_read_are_said_once(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = record(store, ("write", "a", "x"))
    for _ in range(2):
        (record(store, ("read", "a", "x")).path / "run.json").write_text("{")
    (store / "runs" / ("0" * 10)).mkdir()  # not begun: nothing is wrong with it
    text = said(capsys, run.id)
    assert text.count("cannot be read, left out: 2") == 1
    assert len(json.loads(said(capsys, run.id, "--json"))["unreadable"]) == 2


def test_much_is_told_in_short(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store.parent / "data").mkdir()
    many = [("read", f"data/{at}", str(at)) for at in range(30)]
    for at in range(12):
        record(store, *many, ("read", "log", f"log {at}"), ("write", "log", f"log {at + 1}"))
    text = said(capsys, "@last")
    assert "30 files in data, 30 of them other ones now, or gone" in text
    assert "and 5 runs further on (--depth 10)" in text
    assert "further on" not in said(capsys, "@last", "--depth", "12")
    assert "and 1 run further on (--depth)" in said(capsys, "@last", "--depth", "1")
    assert "and 4 more (--json has all)" in said(capsys, of_bytes(b"7"))
    folder = said(capsys, "data")
    assert "30 files: data/0, data/1, …" in folder
    data = said(capsys, "data", "--json")
    assert len([edge for edge in json.loads(data)["edges"] if edge["how"] == "used"]) == 12 * 31 - 1
    assert said(capsys, "data", "--json") == data


def test_a_line_fits_the_terminal(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record(store, ("read", "d" * 90, "x"), name="\x1b[31mred" + "n" * 90)
    monkeypatch.setattr("samebit.cli.words._is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    text = said(capsys, run.id)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
