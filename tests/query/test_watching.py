"""Whoever keeps looking at a store sees what `index.rows` has: new, changed and gone runs."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import places
from samebit.journal.writer import Writer
from samebit.query import index, watching
from samebit.query.watching import Watch
from samebit.report.facts import TABLES
from tests.server.recorded import begin, finish, record, settle

VALUES = st.dictionaries(
    st.sampled_from("abc"),
    st.one_of(st.floats(), st.integers(-9, 9), st.booleans(), st.text(max_size=2)),
    min_size=1,
    max_size=2,
)

WRITER = """
import sys
from pathlib import Path
from tests.server.recorded import begin, finish
for _ in range(3):
    run, writer = begin(Path(sys.argv[1]))
    for step in range(200):
        writer.row({"loss": 1.0 / (step + 1)}, step)
    finish(run, writer)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "project" / places.STORE_NAME)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is never left alone for a while."""
    monkeypatch.setattr(watching, "_REST", 0.0)


def rows_of(store: Path) -> dict[str, Any]:
    return {str(row["id"]): row for row in index.rows(store, replays=True)}


def look(watch: Watch, rows: dict[str, Any]) -> dict[str, Any]:
    """Look until everything is read, and put what has changed among the rows."""
    seen = watch.look()
    while True:
        rows.update(seen.changed)
        for name in seen.gone:
            del rows[name]
        if not seen.waiting:
            return rows
        seen = watch.look()


def test_the_first_look_has_every_run_with_an_index_and_without(store: Path) -> None:
    runs = [record(store, rows=[({"a": float(at)}, 1)]) for at in range(5)]
    record(store, kind="replay", of=runs[0].id)
    wanted = look(Watch(store, [index.ROWS]), {})
    assert wanted == rows_of(store)
    assert len(wanted) == 6
    assert look(Watch(store, [index.ROWS]), {}) == wanted  # this time from the index


def test_the_newest_runs_come_first_with_an_index_and_without(store: Path) -> None:
    runs = [record(store, rows=[({"a": float(at)}, 1)]) for at in range(6)]
    ages = dict(zip((3, 0, 5, 1, 4, 2), runs, strict=True))  # in days
    for days, run in ages.items():
        settle(run)
        at = run.path.stat().st_mtime - 86400 * days
        os.utime(run.path, (at, at))
    wanted = [ages[days].id for days in range(6)]
    assert list(Watch(store, [index.ROWS]).look().changed) == wanted
    assert [*index.stamps(store, index.ROWS)] != []  # as all were read, the index has them
    assert list(Watch(store, [index.ROWS]).look().changed) == wanted


@pytest.mark.usefixtures("impatient")
def test_what_is_new_changed_or_gone_is_seen_and_nothing_else(store: Path) -> None:
    first, second = record(store), record(store)
    watch = Watch(store, [index.ROWS])
    rows = look(watch, {})
    assert watch.look().changed == {}
    third = record(store, rows=[({"a": 1.0}, 1)])
    first.add_note("name", "renamed")
    shutil.rmtree(second.path)
    seen = watch.look()
    assert set(seen.changed) == {first.id, third.id}
    assert seen.changed[first.id]["name"] == "renamed"
    assert seen.gone == [second.id]
    settle(first)
    rows.update(seen.changed)
    del rows[second.id]
    look(watch, rows)
    assert rows == rows_of(store)


@pytest.mark.usefixtures("impatient")
def test_a_run_that_goes_on_is_read_again_where_its_journal_has_grown(store: Path) -> None:
    run, writer = begin(store)
    writer.row({"a": 1.0}, 1)
    watch = Watch(store, [index.ROWS])
    assert look(watch, {})[run.id]["state"] == "running"
    assert watch.look().grown == []
    writer.row({"a": 2.0}, 2)
    seen = watch.look()
    assert seen.grown == [run.id]
    assert seen.changed[run.id]["metric.a"] == 2.0
    finish(run, writer)
    assert look(watch, {})[run.id]["state"] == "finished"


def test_a_run_that_grows_is_kept_up_and_read_anew_for_a_small_share_of_the_time(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_REST", 1e9)
    monkeypatch.setattr(watching, "_REST_ON", 0.0)
    run, writer = begin(store)
    writer.row({"a": 1.0}, 1)
    watch = Watch(store, TABLES)
    watch.look()
    readings = counted_readings(monkeypatch)
    for step in range(2, 50):
        writer.row({"a": 1 / step, "b": step}, step)
        seen = watch.look()
        assert (seen.grown, seen.waiting) == ([run.id], 0)
        (row,) = seen.changed.values()
        assert (row["metric.a"], row["points.a"], row["steps"]) == (1 / step, step, step)
        assert (row["max.a"], row["min.b"]) == (1.0, 2)
    writer.fact("config", {"lr": 0.1})  # there is more to say of it, when its time has come
    writer.row({"a": 2.0}, 50)
    (row,) = watch.look().changed.values()
    assert row["metric.a"] == 2.0
    assert readings == []
    watch.again(run.id)  # somebody wrote a note, and wants to see it
    (row,) = watch.look().changed.values()
    assert readings == [run.id]
    assert row["config.lr"] == 0.1
    assert row == whole_row(store, run.id)
    writer.close()


def counted_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that are read anew from now on."""
    found: list[str] = []
    read_each = index.read_each

    def counted(store: Path, names: list[str], *more: Any) -> Any:
        found.extend(names)
        return read_each(store, names, *more)

    monkeypatch.setattr(index, "read_each", counted)
    return found


def whole_row(store: Path, run: str) -> dict[str, Any]:
    (found,) = index.read_each(store, [run], TABLES)
    assert isinstance(found[1], list)
    return {key: value for entry in found[1] for key, value in entry.value.items()}


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("row"), st.sampled_from("012"), st.integers(0, 30), VALUES),
        st.tuples(st.just("next"), st.sampled_from("012"), st.integers(0, 30), VALUES),
        st.tuples(st.just("step"), st.sampled_from("012"), st.integers(0, 3), VALUES),
        st.tuples(st.sampled_from(["fact", "join", "look"]), st.just("0"), st.just(0), VALUES),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(operations=OPERATIONS)
def test_whatever_is_appended_the_row_becomes_that_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, operations: list[Any]
) -> None:
    store = places.make_store(tmp_path_factory.mktemp("growing") / places.STORE_NAME)
    run, writer = begin(store)
    writers, last = {"0": writer}, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "_REST", 0.0)
        patch.setattr(watching, "_REST_ON", 0.0)
        watch = Watch(store, TABLES)
        rows: dict[str, Any] = {}
        for what, rank, number, values in operations:
            if rank not in writers:
                writers[rank] = Writer(run.journal, run.id, rank)
            mine = writers[rank]
            if what == "next":
                last += 1
                mine.row(values, 1000 + last)
            elif what == "row":
                mine.row(values, number)
            elif what == "step":
                mine.fact("trace", {"algorithm": "x", "groups": ["loss"]})
                mine.trace(0, number, 1, bytes(8))
            elif what == "fact":
                mine.fact("config", values)
            elif what == "join":
                mine = writers[rank] = Writer(run.journal, run.id, rank)
                mine.fact("joined", {"rank": rank, "execution": 1, "restart": 0})
            else:
                look(watch, rows)
        look(watch, rows)
        patch.setattr(watching, "_SILENT_S", 1e9)
        look(watch, rows)
    wanted = whole_row(store, run.id)
    for row in (rows[run.id], wanted):
        row.pop("device_hours", None)  # until its last sign of life: it comes when it is silent
    assert repr(dict(sorted(rows[run.id].items()))) == repr(dict(sorted(wanted.items())))
    for one in writers.values():
        one.close()


def test_a_long_run_holds_up_no_other(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LONG_BYTES", 100_000)
    run, writer = begin(store)
    for step in range(10_000):
        writer.row({"a": step / 7}, step)
    other = record(store, rows=[({"a": 1.0}, 1)])
    reading, read_each = threading.Event(), index.read_each

    def slowly(store: Path, names: list[str], *more: Any) -> Any:
        if names == [run.id]:
            reading.wait(60)
        return read_each(store, names, *more)

    monkeypatch.setattr(index, "read_each", slowly)
    watch, rows = Watch(store, TABLES), dict[str, Any]()
    while other.id not in rows:
        rows |= watch.look().changed
    assert run.id not in rows
    reading.set()
    assert look(watch, rows)[run.id]["metric.a"] == 9999 / 7
    writer.close()


@pytest.mark.usefixtures("impatient")
def test_a_run_that_cannot_be_read_is_seen_and_so_is_its_healing(store: Path) -> None:
    run = record(store)
    good = (run.path / "run.json").read_bytes()
    (run.path / "run.json").write_bytes(b"rubbish")
    watch = Watch(store, [index.ROWS])
    assert look(watch, {})[run.id]["state"] == "damaged"
    (run.path / "run.json").unlink()
    (run.path / "run.json").write_bytes(good)
    assert look(watch, {})[run.id]["state"] == "finished"


@pytest.mark.usefixtures("impatient")
def test_a_store_that_several_processes_write_into(store: Path) -> None:
    root = Path(__file__).parent.parent.parent
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store)], cwd=root) for _ in range(3)
    ]
    watch, rows = Watch(store, [index.ROWS]), {}
    while any(writer.poll() is None for writer in writers):
        look(watch, rows)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    for run in list(rows):
        watch.again(run)
    look(watch, rows)
    assert len(rows) == 9
    assert rows == rows_of(store)
    assert {row["metric.loss"] for row in rows.values()} == {1 / 200}


def test_no_name_in_the_folder_is_a_run_but_an_id(store: Path) -> None:
    (store / "runs" / "README").write_text("not a run")
    (store / "runs" / ".DS_Store").mkdir()
    seen = Watch(store, [index.ROWS]).look()
    assert (seen.changed, seen.waiting) == ({}, 0)
