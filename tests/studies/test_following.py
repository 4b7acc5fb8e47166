"""The values of a metric as runs log them: what `View.metrics` has, whenever it is looked at."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import places
from samebit.folders.read import read_run
from samebit.studies import following
from samebit.studies.following import Following, Point
from tests.server.recorded import begin

WRITTEN = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.sampled_from(["acc", "loss"]),
            st.floats(width=64) | st.integers(-5, 5) | st.booleans() | st.just("text"),
        ),
        max_size=4,
    ),
    max_size=5,
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "project" / places.STORE_NAME)


def same(ours: Iterable[Point], theirs: Iterable[Point]) -> bool:
    return [(step, repr(float(value))) for step, value in ours] == [
        (step, repr(float(value))) for step, value in theirs
    ]


@given(WRITTEN)
def test_what_is_followed_is_what_a_reading_of_the_whole_has(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[list[tuple[int, str, float | bool | str]]],
) -> None:
    store = places.make_store(tmp_path_factory.mktemp("s") / places.STORE_NAME)
    run, writer = begin(store)
    followed = Following(store, "acc")
    for rows in written:
        for step, name, value in rows:
            writer.row({name: value}, step)
        followed.look([run.id], is_last=True)
    column = read_run(run).metrics.get("acc")
    whole = sorted(zip(column.steps, column.values, strict=True)) if column is not None else []
    numbers = [(step, value) for step, value in whole if not isinstance(value, str)]
    if len(numbers) == len(whole):  # else a text may have taken the place of a number
        assert same(followed.points(run.id), numbers)
    writer.close()


def test_nothing_is_read_of_a_run_that_logs_nothing_and_only_what_came_of_one_that_does(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [begin(store) for _ in range(3)]
    for _, writer in runs:
        writer.row({"acc": 0.5}, 1)
    names = [run.id for run, _ in runs]
    followed = Following(store, "acc")
    assert followed.look(names) == names
    monkeypatch.setattr(following, "read_run", None)  # would be called for a reading of the whole
    assert followed.look(names) == []
    runs[1][1].row({"acc": math.nan, "loss": 3}, 2)
    runs[2][1].row({"loss": 3}, 2)
    assert followed.look(names) == [names[1]]
    assert same(followed.points(names[1]), [(1, 0.5), (2, math.nan)])
    assert followed.look(names) == []
    for _, writer in runs:
        writer.close()


def test_a_run_that_is_not_there_yet_has_no_values(store: Path) -> None:
    followed = Following(store, "acc")
    assert followed.look(["aaaaaaaaaa"]) == []
    assert list(followed.points("aaaaaaaaaa")) == []
    run, writer = begin(store)
    writer.row({"acc": 1}, 1)
    assert followed.look([run.id]) == [run.id]
    writer.close()
