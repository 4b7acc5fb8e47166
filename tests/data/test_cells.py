"""Rows found again by their cells: whatever holds them, by the columns that both sides have."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit.data.cells import Cells, cells_of, fitted_rows, partners


def cells(value: Any) -> Cells:
    found = cells_of(value)
    assert found is not None
    return found


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12)


@given(ROWS, st.data())
def test_of_equal_rows_those_of_the_first_part_are_taken_first(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    """By the words of the promise: as often as it was handed over, the first part first."""
    numbers = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [np.array(numbers[:cut], "u8"), np.array(numbers[cut:], "u8")]
    chosen = data.draw(st.lists(st.sampled_from(range(len(rows))), min_size=1, max_size=15))
    given_rows = [rows[at] for at in chosen]
    found = fitted_rows(cells(np.array(given_rows)), cells(np.array(rows)), parts)
    for row in set(rows):
        left = given_rows.count(row)
        for part in parts:
            mine = [int(at) for at in part if rows[int(at)] == row]
            taken = min(left, len(mine))
            left -= taken
            assert sum(bool(found[at]) for at in mine) == taken


# Of the second row both numbers are 2.
FRAME = pd.DataFrame({"a": [1.5, 2, -0.0], "b": [1, 2, 3], "t": ["x", "y", None]})


@pytest.mark.parametrize(
    "same",
    [
        FRAME[["a", "b"]].to_numpy(),
        torch.tensor(FRAME[["a", "b"]].to_numpy()),
        pl.DataFrame({"a": [1.5, 2, 0.0], "b": [1, 2, 3]}),
        FRAME[["a", "b"]].astype({"b": "f4"}),
    ],
)
def test_who_holds_numbers_does_not_matter(same: Any) -> None:
    assert partners(cells(FRAME[["a", "b"]]), cells(same)).tolist() == [0, 1, 2]


def test_columns_are_compared_that_both_have_by_name() -> None:
    whole = cells(FRAME)
    for some in (["b"], ["t", "a"], ["b", "a"]):
        assert partners(cells(FRAME[some].iloc[::-1]), whole).tolist() == [2, 1, 0]
    assert partners(cells(FRAME[["a"]].rename(columns={"a": "z"})), whole) is None
    assert partners(cells(FRAME[["a", "b"]].to_numpy()[:, ::-1]), whole) is None
    swapped = cells(FRAME[["a", "b"]].to_numpy()[:, ::-1])
    assert partners(swapped, cells(FRAME[["a", "b"]])).tolist() == [-1, 1, -1]


def test_texts_have_cells_and_what_has_none_is_none() -> None:
    assert partners(cells(["a", "b"]), cells(np.array(["b", "a"]))).tolist() == [1, 0]
    for none in (None, 3, np.float64(1), np.zeros((0, 2)), object(), np.zeros(1 << 20 | 1)):
        assert cells_of(none) is None
