from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from samebit.folders.steps import TraceRow
from samebit.trace.compare import Divergence, Side, compare, compare_ranks
from samebit.trace.groups import GROUPS
from tests.trace.test_scanning import columns

NOT_STREAMS = [name for name in GROUPS if not name.startswith("rng.") and name != "samples"]


def digest_of(step: int, group: str) -> bytes:
    return (hash((step, group)) & (2**64 - 1)).to_bytes(8, "big")


def rows_of(steps: int, full: set[int] | None = None) -> list[TraceRow]:
    everywhere = full if full is not None else set(range(1, steps + 1))
    sampled = {"entering", "output", "grad", "param"}
    return [
        TraceRow(
            0,
            step,
            {g: digest_of(step, g) for g in GROUPS if g not in sampled or step in everywhere},
        )
        for step in range(1, steps + 1)
    ]


def side(rows: list[TraceRow], initial: dict[str, str] | None = None) -> Side:
    return Side(rows, list, initial, "xxh3-128/8")


def changed(rows: list[TraceRow], step: int, *groups: str) -> list[TraceRow]:
    return [
        TraceRow(r.optimizer, r.count, {**r.groups, **{g: b"\xff" * 8 for g in groups}})
        if r.count == step
        else r
        for r in rows
    ]


def found(ours: list[TraceRow], theirs: list[TraceRow]) -> Divergence:
    divergence = compare(side(ours), side(theirs)).divergence
    assert divergence is not None
    return divergence


@given(st.integers(0, 30))
def test_equal_traces_have_no_divergence(steps: int) -> None:
    matched = compare(side(rows_of(steps)), side(rows_of(steps)))
    assert (matched.divergence, matched.rows) == (None, steps)


@given(st.integers(1, 30), st.data())
def test_the_first_differing_step_and_its_first_group_are_found(
    steps: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, steps))
    groups = data.draw(st.sets(st.sampled_from(NOT_STREAMS), min_size=1))
    later = data.draw(st.sets(st.sampled_from(NOT_STREAMS)))
    theirs = changed(changed(rows_of(steps), step, *groups), min(step + 1, steps + 1), *later)
    divergence = found(rows_of(steps), theirs)
    assert divergence.step == step
    assert divergence.cause == min(groups, key=GROUPS.index)
    assert set(divergence.groups) == groups


@given(st.integers(1, 30), st.data())
def test_comparing_is_symmetric(steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, steps))
    theirs = changed(rows_of(steps), step, data.draw(st.sampled_from(NOT_STREAMS)))
    one, other = found(rows_of(steps), theirs), found(theirs, rows_of(steps))
    assert (one.step, one.cause, one.after) == (other.step, other.cause, other.after)


def test_between_two_full_rows_only_the_interval_is_claimed() -> None:
    full = {1, 2, 3, 4, 8, 12, 16}
    divergence = found(rows_of(16, full), changed(rows_of(16, full), 12, "param"))
    assert (divergence.step, divergence.after) == (12, 8)
    assert divergence.where == "between step 8 and 12"
    assert found(rows_of(16), changed(rows_of(16), 12, "param")).where == "step 12"


def test_groups_that_only_one_side_has_are_not_compared() -> None:
    sampled = rows_of(16, {1, 16})
    matched = compare(side(rows_of(16)), side(sampled))
    assert matched.divergence is None
    assert (matched.groups["loss"], matched.groups["param"]) == (16, 2)


@given(st.sampled_from(["rng.numpy", "rng.python", "rng.torch"]), st.integers(2, 10))
def test_a_stream_that_differs_all_along_and_is_never_drawn_from_is_no_difference(
    stream: str, steps: int
) -> None:
    def constant(rows: list[TraceRow], value: bytes) -> list[TraceRow]:
        return [TraceRow(0, r.count, {**r.groups, stream: value}) for r in rows]

    ours, theirs = constant(rows_of(steps), b"a" * 8), constant(rows_of(steps), b"b" * 8)
    assert compare(side(ours), side(theirs)).divergence is None
    # but from the moment that it is drawn from, in one of them, it counts
    moved = changed(theirs, steps, stream)
    divergence = found(ours, moved)
    assert (divergence.step, divergence.cause) == (steps, stream)


def test_a_stream_that_was_equal_and_parts_counts() -> None:
    assert found(rows_of(5), changed(rows_of(5), 3, "rng.torch")).cause == "rng.torch"


@given(st.integers(0, 10), st.integers(0, 10))
def test_a_trace_that_goes_on_longer_is_a_divergence_at_the_step_after(a: int, b: int) -> None:
    assume(a != b)
    divergence = found(rows_of(a), rows_of(b))
    assert (divergence.cause, divergence.step) == ("length", min(a, b) + 1)
    assert str(max(a, b)) in divergence.facts[0]


def test_another_initial_state_is_before_everything_and_names_the_arrays() -> None:
    ours = side(rows_of(3), {"w": "1", "b": "2", "gone": "3"})
    theirs = side(changed(rows_of(3), 1, "batch"), {"w": "1", "b": "9"})
    divergence = compare(ours, theirs).divergence
    assert divergence is not None
    assert (divergence.step, divergence.cause) == (0, "init")
    assert divergence.facts == ("b differs", "gone is only in the first run")


def test_traces_of_different_algorithms_are_never_compared() -> None:
    other = Side(rows_of(3), list, None, "tf128")
    matched = compare(side(rows_of(3)), other)
    assert (matched.rows, matched.divergence) == (0, None)


@pytest.mark.parametrize("by_column", [False, True])
def test_what_only_one_of_two_has_from_a_device_is_not_compared(by_column: bool) -> None:
    rows: Any = rows_of(4)
    theirs: Any = changed(rows, 2, "param", "loss")
    if by_column:
        rows, theirs = columns(rows), columns(theirs)
    ours, other = (
        Side(each, list, None, "xxh3-128/8", on_devices=frozenset(devices))
        for each, devices in ((rows, ("param", "loss", "grad")), (theirs, ("grad",)))
    )
    matched = compare(ours, other)
    assert (matched.rows, matched.divergence, matched.apart) == (4, None, ("loss", "param"))
    assert "param" not in matched.groups
    assert "grad" in matched.groups
    both = compare_ranks({"0": ours, "1": ours}, {"0": ours, "1": other})
    assert both.apart == ("loss", "param")
    found = compare(ours, Side(theirs, list, None, "xxh3-128/8", on_devices=ours.on_devices))
    assert found.apart == ()
    assert found.divergence is not None


def test_the_same_samples_in_another_order_are_told_from_other_samples() -> None:
    ours = rows_of(4)
    assert "another order" in found(ours, changed(ours, 2, "batch")).what
    assert "other samples" in found(ours, changed(ours, 2, "batch", "samples")).what


def test_a_batch_chosen_by_a_private_generator_is_said_to_be() -> None:
    ours = rows_of(4)
    assert "generator of its own" in found(ours, changed(ours, 2, "batch")).facts[0]
    assert not found(ours, changed(ours, 2, "batch", "rng.torch")).facts


def test_two_optimizers_are_matched_each_by_its_own_count() -> None:
    def gan(first: int) -> list[TraceRow]:
        return [
            TraceRow(o, c, {"loss": digest_of(c, str(o))}) for c in (1, 2, 3) for o in (0, first)
        ]

    assert compare(side(gan(1)), side(gan(1))).rows == 6
    ours = gan(1)
    theirs = [
        r if (r.optimizer, r.count) != (1, 2) else TraceRow(1, 2, {"loss": b"x" * 8}) for r in ours
    ]
    divergence = found(ours, theirs)
    assert (divergence.optimizer, divergence.step) == (1, 2)


def test_ranks_are_compared_each_with_its_own() -> None:
    def side(*losses: bytes, algorithm: str = "a") -> Side:
        rows = [TraceRow(0, at, {"loss": loss * 8}) for at, loss in enumerate(losses, 1)]
        return Side(rows, list, None, algorithm)

    ours = {"0": side(b"a", b"b"), "1": side(b"c", b"d")}
    same = compare_ranks(ours, ours)
    assert (same.rows, same.groups, same.divergence) == (4, {"loss": 4}, None)
    # A rank of one run is never taken for another of the other.
    swapped = compare_ranks(ours, {"0": ours["1"], "1": ours["0"]}).divergence
    assert swapped is not None
    assert (swapped.rank, swapped.step, swapped.where) == ("0", 1, "step 1 of rank 0")
    later = {"0": side(b"a", b"x"), "1": side(b"y", b"d")}
    found = compare_ranks(ours, later).divergence
    assert found is not None
    assert (found.rank, found.step, found.cause) == ("1", 1, "loss")
    for pair in ((ours, {"0": ours["0"]}), ({"0": ours["0"]}, ours)):
        gone = compare_ranks(*pair).divergence
        assert gone is not None
        assert (gone.cause, gone.rank) == ("length", "1")
        assert "has no trace of rank 1" in gone.what
    untraced = {"0": Side([], list, None, None)}
    assert compare_ranks(ours, untraced) == compare_ranks(untraced, ours)
    assert compare_ranks(ours, untraced).rows == 0
    assert compare_ranks(ours, untraced).divergence is None
    one = compare_ranks({"0": side(b"a")}, {"0": side(b"b")}).divergence
    assert one is not None
    assert one.where == "step 1"


def test_a_reduction_that_differs_is_told_from_a_backward_pass_that_does() -> None:
    rows = [TraceRow(0, 1, {"loss": bytes(8), "grad.local": bytes(8), "grad": bytes(8)})]
    reduced, local = changed(rows, 1, "grad"), changed(rows, 1, "grad.local", "grad")
    assert "reduction over the ranks" in found(rows, reduced).what
    assert found(rows, local).cause == "grad.local"
    assert "backward pass" in found(rows, local).what
