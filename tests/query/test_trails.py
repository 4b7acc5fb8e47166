"""What is taken from a record as made and used, and that the index changes nothing of it."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.digest import of_bytes
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.query import index
from samebit.query.lineage import Trail, graph_of
from samebit.query.trails import trails
from samebit.records import ExecutionEnd, ExecutionStart

ONE, TWO = of_bytes(b"1"), of_bytes(b"2")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    return places.make_store(tmp_path / "project" / ".samebit")


def record(store: Path, *facts: dict[str, Any], status: str | None = "finished") -> RunFolder:
    run = runs.begin(store)
    start = ExecutionStart(0, time.time_ns(), "script", ("train.py", "--lr", "1"), "/")
    run.begin_execution(start)
    writer = Writer(run.journal, run.id)
    for fact in facts:
        name = "resumed" if "count" in fact else "state" if "manifest" in fact else "file"
        writer.fact(name, fact)
    writer.close()
    if status is not None:
        run.end_execution(1, ExecutionEnd(time.time_ns(), status))
    before = time.time_ns() - 60 * 1_000_000_000
    for folder, _, _ in os.walk(run.path):
        os.utime(folder, ns=(before, before))
    return run


def the_trail(store: Path) -> Trail:
    ((trail,), unreadable) = trails(store)
    assert unreadable == []
    return trail


def uses(store: Path) -> list[tuple[str, str, str, str | None]]:
    return [(use.does, use.kind, use.name, use.digest) for use in the_trail(store).uses]


def read(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "how": "read", "size_bytes": 1, "mtime_ns": 5, **more}


def written(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "how": "write", **more}


def test_a_file_is_told_once_for_each_content(store: Path) -> None:
    facts = [
        read("/a", digest=ONE),
        read("/a", digest=ONE, changed=True),
        read("/b.py", digest=TWO),
    ]
    facts += [written("/c"), written("/c", digest=TWO, size_bytes=1, mtime_ns=7)]
    record(store, *facts, {"name": "final", "manifest": ONE})
    assert uses(store) == [
        ("used", "file", "/a", ONE),
        ("used", "source", "/b.py", TWO),
        ("made", "file", "/c", TWO),
        ("made", "state", "final", ONE),
    ]


def test_a_state_that_a_run_goes_on_from_is_used_by_it(store: Path) -> None:
    own, given = (
        {"name": "checkpoint 1", "manifest": ONE},
        {"name": "checkpoint 2", "manifest": TWO},
    )
    more = {"execution": 2, "count": 1}
    record(store, own, {**own, **more}, {**given, **more})
    assert uses(store) == [
        ("made", "state", "checkpoint 1", ONE),
        ("used", "state", "checkpoint 1", ONE),
        ("used", "state", "checkpoint 2", TWO),
    ]
    (trail,) = graph_of([the_trail(store)]).trails.values()
    assert [(use.does, use.digest) for use in trail.uses] == [("made", ONE), ("used", TWO)]


def test_what_was_read_and_then_overwritten_is_both(store: Path) -> None:
    more = {"written": True, "kept": ONE}
    record(store, read("/a", **more), read("/a", **more, left=TWO))
    assert uses(store) == [("used", "file", "/a", ONE), ("made", "file", "/a", TWO)]


def test_what_was_opened_for_writing_and_left_as_it_was_is_only_read(store: Path) -> None:
    record(store, read("/a", written=True), read("/a", written=False, digest=ONE))
    assert uses(store) == [("used", "file", "/a", ONE)]


@pytest.mark.parametrize(("status", "is_there"), [("finished", False), ("killed", True)])
def test_a_file_without_content_is_gone_unless_nobody_could_look(
    store: Path, status: str, is_there: bool
) -> None:
    record(store, written("/a.tmp"), read("/b", written=True, kept=ONE), status=status)
    made = [use[2] for use in uses(store) if use[0] == "made"]
    assert made == (["/a.tmp", "/b"] if is_there else [])


def test_a_time_in_the_file_system_counts_within_the_run_alone(store: Path) -> None:
    facts = [written(f"/{at}", digest=ONE, size_bytes=1, mtime_ns=at) for at in (5, 1 << 62)]
    run = record(store, *facts)
    old, future = the_trail(store).uses
    assert old.at_ns == run.record().started_ns
    assert old.at_ns <= future.at_ns <= time.time_ns()


def test_paths_follow_a_project_that_was_moved(store: Path, tmp_path: Path) -> None:
    inside = str(store.parent / "data" / "x")
    record(store, read(inside, digest=ONE), read("/elsewhere/x", digest=ONE))
    trails(store)
    moved = tmp_path / "moved"
    store.parent.rename(moved)
    found = {use[2] for use in uses(moved / ".samebit")}
    assert found == {str(moved / "data" / "x"), "/elsewhere/x"}


def test_a_name_that_is_no_utf8_is_told_with_its_bytes(store: Path) -> None:
    record(store, read("/caf\udce9", digest=ONE))
    assert uses(store) == [("used", "file", "/caf\\udce9", ONE)]


def test_the_index_gives_the_same_and_keeps_the_rows(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        record(store, read(f"/{at}", digest=ONE))
    rows, cold = index.rows(store), trails(store)
    run = next((store / "runs").iterdir())
    record_file = run / "run.json"
    text = record_file.read_bytes()
    with open(record_file, "r+b") as stream:  # in place: no folder's time changes
        stream.write(b"rubbish")
    by_run = lambda found: sorted(found[0], key=lambda trail: trail.id)  # noqa: E731
    assert by_run(trails(store)) == by_run(cold)
    assert index.rows(store) == rows
    monkeypatch.setenv("SAMEBIT_CACHE", "/dev/null/none")  # without an index it is read again
    ((*_,), (unreadable,)) = trails(store)
    assert unreadable["id"] == run.name
    record_file.write_bytes(text)
    assert by_run(trails(store)) == by_run(cold)
