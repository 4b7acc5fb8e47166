"""Leaks between the parts of a split that ids and numbers of rows tell."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.data import leaks
from tests.data.test_splits import Keep, keep

__all__ = ["keep"]  # a fixture


def pairs(found: leaks.Leaks) -> dict[str, list[tuple[int, int]]]:
    return {one.kind: list(one.rows) for one in found.found}


def test_the_equal_rows_of_iris_are_found(keep: Keep) -> None:
    """Rows 101 and 142 of the iris data are equal, labels included."""
    data = pytest.importorskip("sklearn.datasets").load_iris(return_X_y=True)
    train = [row for row in range(150) if row != 142]
    (leak,) = leaks.of_record(keep({"train": train, "test": [142]}, of=data)).found
    assert (leak.heading, leak.kind) == ("duplicates", "equal_rows")
    assert (leak.first, leak.second, leak.count, leak.of) == ("train", "test", 1, 1)
    assert leak.rows == ((101, 142),)
    assert leaks.of_record(keep({"train": train[:101], "test": [142]}, of=data)).found == ()


def test_who_learns_is_first_however_parts_stand(keep: Keep) -> None:
    data = np.array([[1.0], [2.0], [1.0]])
    (leak,) = leaks.of_record(keep({"test": [0, 1], "train": [2]}, of=data)).found
    assert (leak.first, leak.second, leak.rows) == ("train", "test", ((2, 0),))


def test_rows_in_both_by_number_are_said_once(keep: Keep) -> None:
    data = np.arange(20.0).reshape(10, 2)
    split = keep({"train": [0, 1, 2, 3], "test": [3, 2, 9]}, of=data)
    assert pairs(leaks.of_record(split)) == {"same_rows": [(2, 2), (3, 3)]}
    data[8] = data[3]  # row 3 is in both, and has an equal one besides
    split = keep({"train": [0, 3], "test": [3, 8]}, of=data)
    assert pairs(leaks.of_record(split)) == {"same_rows": [(3, 3)], "equal_rows": [(3, 8)]}


def test_parts_without_common_data_have_numbers_of_their_own(keep: Keep) -> None:
    frame = pd.DataFrame({"a": [5, 6, 7, 8], "y": [0, 1, 0, 1]})
    split = keep({"train": frame.iloc[:3], "test": frame.iloc[[3, 1]]})
    assert pairs(leaks.of_record(split)) == {"equal_rows": [(1, 1)]}


def test_ids_that_the_script_gave(keep: Keep) -> None:
    split = keep({"train": ["a.png", "b.png"], "test": ["c.png", "a.png"]})
    (leak,) = leaks.of_record(split).found
    assert leak.what == "known by an id of train, too"
    assert leak.rows == ((0, 1),)


def test_what_cannot_be_judged_is_said(keep: Keep) -> None:
    found = leaks.of_record(keep({"train": [0, 1], "test": [2]}))
    assert found.found == ()
    assert "no ids" in found.unknown[0]
    assert leaks.of_record(keep({"all": [0, 1]})).unknown == ("there are no two parts to compare",)


@pytest.mark.parametrize(
    ("parts", "found"),
    [({"train": 5}, True), ({"train": 5, "test": 0}, True), ({"train": 5, "test": 1}, False)],
)
def test_a_split_without_a_second_part(parts: dict[str, int], found: bool) -> None:
    assert (leaks.no_test(parts) is not None) == found


@st.composite
def coded_parts(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    codes = draw(st.lists(st.integers(-1, 8), min_size=1, max_size=30))
    codes = [min(code, len(codes) - 1) for code in codes]
    labels = draw(st.lists(st.integers(0, 2), min_size=len(codes), max_size=len(codes)))
    rows = st.lists(st.integers(0, len(codes) - 1), max_size=20)
    parts = {name: np.array(draw(rows), "u8") for name in ("train", "val", "test")}
    return np.array(codes), np.array(labels), parts


@given(coded_parts(), st.booleans())
def test_shared_is_what_comparing_each_two_rows_finds(
    drawn: tuple[Any, Any, dict[str, Any]], conflicts: bool
) -> None:
    codes, labels, parts = drawn
    but = labels if conflicts else None
    found = {(x.first, x.second): x for x in leaks.shared(codes, parts, "", "", "", but=but)}

    def fits(a: int, b: int) -> bool:
        same = a != b and codes[a] == codes[b] >= 0
        return bool(same and not (conflicts and labels[a] == labels[b]))

    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        ours, theirs = parts[first].tolist(), parts[second].tolist()
        count = sum(any(fits(a, b) for a in ours) for b in theirs)
        leak = found.pop((first, second), None)
        assert (leak.count if leak else 0) == count
        for a, b in leak.rows if leak else ():
            assert a in ours
            assert b in theirs
            assert fits(a, b)
        assert bool(leak and leak.rows) == bool(count)
    assert not found


@given(st.integers(2, 200), st.integers(0, 9))
def test_distinct_rows_have_no_leak(rows: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(rows).astype("u8")
    parts = {"train": order[: rows // 2], "test": order[rows // 2 :]}
    assert list(leaks.same_numbers(parts)) == []
    assert list(leaks.shared(np.arange(rows), parts, "", "", "")) == []
