"""Whoever keeps looking at a store sees what `index.rows` has: new, changed and gone runs."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.query import index, watching
from samebit.query.watching import Watch
from tests.server.recorded import begin, finish, record, settle

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


def test_reading_a_run_that_grows_takes_a_small_share_of_the_time(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_REST", 1e9)
    run, writer = begin(store)
    watch = Watch(store, [index.ROWS])
    watch.look()
    writer.row({"a": 1.0}, 1)
    seen = watch.look()
    assert (seen.grown, seen.changed) == ([run.id], {})
    watch.again(run.id)  # somebody wrote a note, and wants to see it
    assert set(watch.look().changed) == {run.id}
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
