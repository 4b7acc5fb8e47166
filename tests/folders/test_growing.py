"""A run that goes on, read on: what was appended, or that the whole must be read."""

from pathlib import Path

import pytest

from samebit import places
from samebit.folders.folder import RunFolder
from samebit.folders.growing import Added
from samebit.folders.read import read_run
from samebit.journal.frame import pack
from tests.folders.test_streams import execute, join, train
from tests.server.recorded import begin


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "project" / places.STORE_NAME)


def values_of(added: Added | None) -> list[object]:
    assert added is not None
    rows = [row for _, parts in added.logged for part in parts for row in part.rows()]
    return [value for row in rows if row is not None for value in row[2].values()]


def test_each_row_comes_once_and_a_torn_one_when_it_is_whole(store: Path) -> None:
    run, writer = begin(store)
    writer.row({"a": 1.0}, 1)
    growing = read_run(run).growing()
    assert values_of(growing.read_on()) == []
    writer.row({"a": 2.0}, 2)
    assert values_of(growing.read_on()) == [2.0]
    assert values_of(growing.read_on()) == []
    writer.row({"a": 3.0}, 3)
    (path,) = run.journal.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert values_of(growing.read_on()) == []
    path.write_bytes(whole)
    assert values_of(growing.read_on()) == [3.0]
    writer.close()


def test_a_name_that_is_new_and_another_segment(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, writer = begin(store)
    writer.row({"a": 1.0}, 1)
    growing = read_run(run).growing()
    found: list[object] = []
    for step in range(2, 100_000):
        writer.row({"a": float(step), "b": step}, step)
        if step % 9999 == 0:
            found += values_of(growing.read_on())
    assert len(list(run.journal.iterdir())) > 1
    found += values_of(growing.read_on())
    assert found == [value for step in range(2, 100_000) for value in (float(step), step)]
    writer.close()


def test_facts_are_more_to_say_and_samples_of_the_machine_are_not(store: Path) -> None:
    run, writer = begin(store)
    writer.row({"a": 1.0}, 1)
    growing = read_run(run).growing()
    writer.sample({"cpu_percent": 1.0})
    added = growing.read_on()
    assert added is not None
    assert not added.says_more
    writer.fact("config", {"lr": 1})
    added = growing.read_on()
    assert added is not None
    assert added.says_more
    writer.close()


def test_steps_of_the_optimizer_are_counted_on(run: RunFolder) -> None:
    execute(run)
    writer = join(run)
    train(writer, range(1, 5), 1)
    growing = read_run(run).growing()
    train(writer, range(5, 9), 1)
    added = growing.read_on()
    assert added is not None
    assert added.steps == 8
    writer.close()


def test_a_process_that_joins_or_logs_first_asks_for_the_whole(run: RunFolder) -> None:
    execute(run)
    first, quiet = join(run), join(run, "1")
    train(first, range(1, 5), 1)
    growing = read_run(run).growing()
    quiet.row({"a": 1.0}, 1)
    assert growing.read_on() is None
    assert growing.read_on() is None
    growing = read_run(run).growing()
    later = join(run, "2")
    assert growing.read_on() is None
    for writer in (first, quiet, later):
        writer.close()


@pytest.mark.parametrize("how", ["gone", "shorter", "damaged", "another's"])
def test_a_journal_that_is_hurt_asks_for_the_whole(store: Path, how: str) -> None:
    run, writer = begin(store)
    for step in range(9):
        writer.row({"a": 1.0}, step)
    growing = read_run(run).growing()
    writer.close()
    (path,) = run.journal.iterdir()
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "shorter":
        path.write_bytes(whole[:-60])
    elif how == "damaged":  # a frame is lost between two
        path.write_bytes(whole + pack(99, b"\x91\x63"))
    else:
        path.with_name("0-abcdefghijkl-0.sbj").write_bytes(whole)
    added = growing.read_on()
    assert added is None
