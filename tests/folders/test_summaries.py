"""A metric in a few values: of all points read together, one by one, or added to as they come."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from samebit import places
from samebit.folders import summaries
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.folders.series import Column
from samebit.folders.summaries import Summary, summary, with_point
from samebit.records import ExecutionEnd
from tests.folders.test_streams import execute, join, train
from tests.server.recorded import begin, record

numpy = pytest.importorskip("numpy")

NUMBERS = st.one_of(st.floats(), st.integers(-300, 300), st.integers(-(2**60), 2**60))
ROWS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), NUMBERS, min_size=1, max_size=3),
        st.one_of(st.integers(0, 12), st.integers(0, 10_000), st.floats(0, 9)),
    ),
    max_size=30,
)


def together(view: View) -> dict[str, Summary] | None:
    return summaries.read(view._streams, numpy)


def singly(view: View) -> dict[str, Summary]:
    return {name: summary(column) for name, column in view.metrics.items()}


def told(found: dict[str, Summary]) -> str:
    """In words, for NaN is not itself; a step that was written as 0 and as 0.0 is one."""
    return repr(
        {
            name: replace(one, step=float(one.step), highest=float(one.highest))
            for name, one in sorted(found.items())
        }
    )


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_read_together_they_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[dict[str, Any], Any]]
) -> None:
    store = places.make_store(tmp_path_factory.mktemp("summaries") / places.STORE_NAME)
    view = read_run(record(store, rows=rows))
    found = together(view)
    if found is not None:
        assert told(found) == told(singly(view))
    is_plain = all(abs(v) < 2**53 for values, _ in rows for v in values.values())
    is_plain = is_plain and all(step == int(step) for _, step in rows)
    assert found is not None or not is_plain


@pytest.mark.parametrize("value", [True, "text", 2**53 + 1, 2**70])
def test_what_is_no_plain_number_is_left_to_the_careful_reader(store: Path, value: Any) -> None:
    view = read_run(record(store, rows=[({"a": 1.0}, 1), ({"a": value}, 2)]))
    assert together(view) is None
    assert view.summaries == singly(view)


def test_after_a_resume_and_of_several_ranks(run: RunFolder) -> None:
    number = execute(run)
    for rank in ("10", "0"):
        writer = join(run, rank)
        train(writer, range(1, 11), 1)
        writer.row({"other": int(rank)}, 9)
        writer.row({f"only {rank}": 1.5}, 9)
        writer.close()
    run.end_execution(number, ExecutionEnd(1, "killed"))
    execute(run)
    writer = join(run, execution=2)
    writer.fact("continued", {"execution": 2, "optimizer": 0, "count": 6, "by": "journal"})
    train(writer, range(7, 13), 2)
    writer.close()
    view = read_run(run)
    found = together(view)
    assert found is not None
    assert found == singly(view)


@given(values=st.lists(NUMBERS, min_size=1, max_size=20))
def test_points_that_follow_each_other_are_added(values: list[Any]) -> None:
    found: Summary | None = None
    for at, value in enumerate(values):
        found = with_point(found, at, 10 + at, value)
        column = Column(list(range(at + 1)), list(range(10, 11 + at)), values[: at + 1])
        assert repr(found) == repr(summary(column))


@pytest.mark.parametrize(
    ("step", "time_ns", "value"), [(2, 9, 1.0), (1, 9, 1.0), (3, 8, 1.0), (3, 9, "text")]
)
def test_a_point_that_is_not_the_next_takes_them_all(step: int, time_ns: int, value: Any) -> None:
    before = summary(Column([1, 2], [7, 8], [0.5, 1.5]))
    assert with_point(before, step, time_ns, value) is None


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "project" / places.STORE_NAME)


def test_a_long_run_is_read_together(store: Path) -> None:
    run, writer = begin(store)
    for step in range(5000):
        writer.row({"a": step / 7}, step)
    view = read_run(run)
    assert view.summaries == singly(view)
    assert read_run(run)._summed is not None
    assert read_run(run).odd == []
    writer.close()
