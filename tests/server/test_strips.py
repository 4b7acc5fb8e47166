"""All rows of two traces at once, and the leaves of one of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from samebit.folders.steps import Steps, TraceRow
from samebit.server import beside
from samebit.server.strips import strip
from samebit.trace.groups import GROUPS
from samebit.trace.leaves import LeafFiles
from tests.server.asking import ask, opened, refusal
from tests.server.recorded import begin, finish, record
from tests.server.test_contract import fits

NAMES = ("batch", "rng.torch", "loss", "param")
rows = st.lists(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2)), max_size=600)


def as_rows(values: Sequence[dict[str, int]]) -> list[TraceRow]:
    return [
        TraceRow(0, at, {name: one.to_bytes(8, "little") for name, one in row.items()})
        for at, row in enumerate(values, 1)
    ]


def as_columns(values: Sequence[dict[str, int]]) -> Steps:
    groups = {
        name: (
            np.array([row.get(name, 0) for row in values], np.uint64),
            np.array([name in row for row in values], bool),
        )
        for name in NAMES
    }
    counts = np.arange(1, len(values) + 1)
    return Steps(np.zeros(len(values), np.int64), counts, groups)


@given(rows, rows)
def test_rows_and_columns_of_one_trace_make_one_strip(
    ours: list[dict[str, int]], theirs: list[dict[str, int]]
) -> None:
    assert strip(as_rows(ours), as_rows(theirs)) == strip(as_columns(ours), as_columns(theirs))


def test_a_strip_says_in_each_place_how_many_rows_were_compared_and_differ() -> None:
    ours = [{"loss": 1, "batch": 1} if at % 2 else {"loss": 1} for at in range(480)]
    theirs = [*ours[:300], *({**row, "loss": 2} for row in ours[300:])]
    found = strip(as_rows(ours), as_rows(theirs))
    assert (found.rows, found.groups) == (2, ["batch", "loss"])
    assert found.compared == [[1] * 240, [2] * 240]
    assert found.differing == [[0] * 240, [0] * 150 + [2] * 90]


def test_a_generator_that_nobody_draws_from_differs_in_no_place() -> None:
    ours, theirs = [{"rng.torch": 1}] * 10, [{"rng.torch": 2}] * 10
    found = strip(as_rows(ours), as_rows(theirs))
    assert sum(found.compared[0]) == sum(found.differing[0]) == 0
    moved = strip(as_rows([*ours, {"rng.torch": 3}]), as_rows([*theirs, {"rng.torch": 4}]))
    assert (sum(moved.compared[0]), sum(moved.differing[0])) == (1, 1)


def traced(store: Path, parts_at: int) -> str:
    """A run of 30 rows, the first of which has its leaves, too."""
    run, writer = begin(store)
    writer.fact("trace", {"algorithm": "xxh3-128/8", "groups": list(GROUPS)})
    mask = 1 << GROUPS.index("grad")
    for count in range(1, 31):
        writer.trace(0, count, mask, (count + (count >= parts_at) * 1000).to_bytes(8, "little"))
    leaves = LeafFiles(run.trace, lambda: "0-abc", lambda *_: None)
    digests = [b"equal---", parts_at.to_bytes(8, "little")]
    leaves.keep(0, 1, {"grad": (["a.weight", "<i>b</i>"], digests)}, first=True)
    finish(run, writer)
    return run.id


def test_a_row_of_which_both_kept_the_leaves_says_which_differ(store: Path) -> None:
    ids = ",".join([traced(store, 1), traced(store, 99)])
    with opened(store) as browser:
        trace = fits(ask(browser, "trace", ids=ids), beside.Trace)
        assert [row.step for row in trace.rows if row.leaves] == [1]
        assert (trace.first is not None and trace.first.step, sum(trace.strip.differing[0])) == (
            1,
            30,
        )
        found = fits(ask(browser, "trace/leaves", ids=ids, step=1), beside.TracedLeaves)
        assert found.groups == [beside.GroupLeaves("grad", 1, ["<i>b</i>"], 0)]
        assert refusal(browser, "trace/leaves", ids=ids, step=2)[0] == 404
        assert refusal(browser, "trace/leaves", ids=ids.partition(",")[0], step=2)[0] == 400


def test_two_traces_of_which_nothing_can_be_compared_are_not_equal(store: Path) -> None:
    one, other = traced(store, 99), record(store, rows=[({"loss": 1.0}, 1)]).id
    foreign, writer = begin(store)
    writer.fact("trace", {"algorithm": "another", "groups": list(GROUPS)})
    for count in range(1, 31):
        writer.trace(0, count, 1 << GROUPS.index("grad"), (7).to_bytes(8, "little"))
    finish(foreign, writer)
    with opened(store) as browser:
        for ids, why in (
            ((one, other), f"run {other} has no trace"),
            ((other, other), "neither run has a trace"),
            ((one, foreign.id), "different algorithms"),
        ):
            found = fits(ask(browser, "trace", ids=",".join(ids)), beside.Trace)
            assert (found.first, found.compared) == (None, 0)
            assert found.note is not None
            assert why in found.note
            assert {equal for row in found.rows for equal in row.equal} <= {None}
            assert sum(map(sum, found.strip.compared)) == 0
        same = fits(ask(browser, "trace", ids=f"{one},{one}"), beside.Trace)
        assert (same.first, same.compared) == (None, 30)
