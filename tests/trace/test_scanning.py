"""Traces compared by column come to what comparing them row by row comes to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.folders.steps import Steps, TraceRow, last_counts, row_at, steps_of
from samebit.trace.groups import GROUPS
from samebit.trace.scanning import scan

digests = st.sampled_from([bytes(8), b"\x01" * 8, b"\xff" * 8])
groups = st.dictionaries(st.sampled_from(GROUPS), digests, max_size=6)
steps = st.tuples(st.integers(0, 2), st.integers(0, 12))
traces = st.dictionaries(steps, groups, max_size=20).map(
    lambda found: [TraceRow(*step, row) for step, row in found.items()]
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[TraceRow], list[TraceRow]]:
    """Two traces, most often alike for a while."""
    ours = draw(traces)
    if draw(st.booleans()):
        return ours, draw(traces)
    theirs = [
        TraceRow(row.optimizer, row.count, {**row.groups, **draw(st.just({}) | groups)})
        for row in ours[: draw(st.integers(0, len(ours)))]
    ]
    return ours, draw(st.just(theirs) | st.permutations(theirs))


def columns(rows: list[TraceRow]) -> Steps:
    def words(name: str) -> "np.ndarray":
        return np.frombuffer(b"".join(row.groups.get(name, bytes(8)) for row in rows), "<u8")

    names = dict.fromkeys(name for row in rows for name in row.groups)
    return Steps(
        np.array([row.optimizer for row in rows], np.int64),
        np.array([row.count for row in rows], np.int64),
        {name: (words(name), np.array([name in row.groups for row in rows])) for name in names},
    )


@pytest.mark.slow
@given(pairs(), st.booleans(), st.sets(st.sampled_from(GROUPS)))
@settings(max_examples=400, deadline=None)
def test_columns_and_rows_come_to_the_same(
    pair: tuple[list[TraceRow], list[TraceRow]], cut: bool, without: set[str]
) -> None:
    ours, theirs = pair
    found = scan(ours, theirs, cut=cut, without=without)
    assert scan(columns(ours), columns(theirs), cut=cut, without=without) == found


@given(traces, steps)
def test_columns_are_their_rows(rows: list[TraceRow], step: tuple[int, int]) -> None:
    found = columns(rows)
    assert list(found) == rows
    assert found[1:] == rows[1:]
    assert steps_of(found) == steps_of(rows)
    assert last_counts(found) == last_counts(rows)
    assert row_at(found, step) == row_at(rows, step)


def test_samples_alone_are_no_difference() -> None:
    ours, theirs = ([TraceRow(0, 1, {"samples": bytes([n] * 8)})] for n in range(2))
    assert scan(ours, theirs, cut=False).row is None
