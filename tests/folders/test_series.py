"""Metrics and traces as readers see them: of what was written twice, which counts."""

import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import places
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.folders.series import Changes, Column
from samebit.folders.steps import Steps, TraceRow
from samebit.journal import traced
from tests.folders.test_read import write

logged = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 3) | st.floats(), max_size=3),
    ),
    max_size=15,
)


@given(logged)
@settings(deadline=None)
def test_of_a_name_and_step_the_later_row_counts(
    tmp_path_factory: pytest.TempPathFactory, logged: list[tuple[int, dict[str, Any]]]
) -> None:
    run = runs.begin(places.make_store(tmp_path_factory.mktemp("read") / ".samebit"))
    writer = write(run)
    wanted: dict[str, dict[int, Any]] = {}
    for step, values in logged:
        writer.row(values, step)
        for name, value in values.items():
            wanted.setdefault(name, {})[step] = value
    writer.close()
    found = read_run(run).metrics
    assert found.keys() == wanted.keys()
    for name, points in wanted.items():
        assert found[name].steps == list(points)
        assert repr(found[name].values) == repr(list(points.values()))
        assert len(found[name].times_ns) == len(points)


@pytest.mark.parametrize("letters", ["az", "za"])
def test_a_later_execution_counts_whatever_its_writer_is_called(
    run: RunFolder, letters: str
) -> None:
    for execution, letter in enumerate(letters):
        writer = write(run, letters=letter)
        writer.fact("trace", {"groups": ["loss"]})
        for step in range(execution * 2, 4):
            writer.row({"loss": execution}, step)
            writer.trace(0, step, 1, bytes([execution] * 8))
            writer.hyper(0, step, 0, {"lr": execution})
        writer.close()
        time.sleep(0.001)
    view = read_run(run)
    assert view.metrics["loss"].values == [0, 0, 1, 1]
    assert [row.groups["loss"][0] for row in view.trace] == [0, 0, 1, 1]
    assert [values["lr"] for _, _, _, values in view.schedule] == [0, 0, 0, 0, 1, 1]


def test_of_two_writers_at_once_the_later_row_counts(run: RunFolder) -> None:
    parent, child = write(run), write(run)
    parent.row({"loss": 1}, 1)
    child.row({"loss": 2}, 1)
    child.row({"loss": 2}, 2)
    time.sleep(0.001)
    parent.row({"loss": 3}, 1)
    parent.close()
    child.close()
    assert read_run(run).metrics["loss"].values == [3, 2]


def test_a_column_knows_when(run: RunFolder) -> None:
    before = time.time_ns()
    writer = write(run)
    writer.row({"loss": 0.5}, 1)
    writer.row({"loss": math.nan, "acc": 1}, 2)
    writer.close()
    metrics = read_run(run).metrics
    assert metrics["acc"] == Column([2], metrics["acc"].times_ns, [1])
    # Wall clock and monotonic clock are read one after the other, with whatever runs in between.
    slack = 60 * 10**9
    assert before - slack <= metrics["loss"].times_ns[0] <= time.time_ns() + slack


def test_the_rows_of_one_step_are_one(run: RunFolder) -> None:
    writer = write(run)
    writer.fact("trace", {"groups": ["batch", "loss", "param"]})
    writer.trace(0, 1, 0b011, b"b" * 8 + b"l" * 8)
    writer.trace(0, 2, 0b010, b"m" * 8)
    writer.trace(0, 1, 0b100, b"p" * 8)
    writer.close()
    assert read_run(run).trace == [
        TraceRow(0, 1, {"batch": b"b" * 8, "loss": b"l" * 8, "param": b"p" * 8}),
        TraceRow(0, 2, {"loss": b"m" * 8}),
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(1, 6), st.integers(0, 15)),
        max_size=30,
    ),
    st.permutations(["batch", "loss", "param"]),
)
@settings(deadline=None)
def test_a_long_trace_has_the_rows_of_a_short_one(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[int, int, int, int]],
    groups: list[str],
) -> None:
    run = runs.begin(places.make_store(tmp_path_factory.mktemp("read") / ".samebit"))
    writers = [write(run, letters="a"), write(run, letters="b")]
    for which, writer in enumerate(writers):
        writer.fact("trace", {"groups": groups if which else ["loss", "hyper", "batch"]})
    for number, (which, optimizer, count, mask) in enumerate(written):
        digests = b"".join(bytes([number, bit] * 4) for bit in range(mask.bit_count()))
        writers[which].trace(optimizer, count, mask, digests)
    for writer in writers:
        writer.close()
    short = read_run(run).traces
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traced, "MANY", 0)
        long = read_run(run).traces
    assert {rank: list(rows) for rank, rows in long.items()} == short
    assert all(isinstance(rows, Steps) for rows in long.values())


def test_a_later_execution_replaces_what_it_made_again() -> None:
    before = Changes([1, 4, 4, 9], [0.1, 0.2, 0.3, 0.4])
    assert before.followed_by(Changes([4, 6], [1.0, 2.0])) == Changes([1, 4, 6], [0.1, 1.0, 2.0])
    assert before.followed_by(Changes([10], [1.0])).counts == [1, 4, 4, 9, 10]
    assert before.followed_by(Changes([1], [1.0])) == Changes([1], [1.0])
    assert Changes([], []).followed_by(before) == before
