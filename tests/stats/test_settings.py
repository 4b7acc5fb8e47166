"""What a setting tells of a result: the formula, and when nothing is said."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from samebit.errors import UsageError
from samebit.stats import importance

RESULTS = [0.1, 0.2, 0.15, 0.7, 0.8, 0.75]
ONE_OF = st.sampled_from(["a", "b", 1, 2.5, True, None])
RESULT = st.floats(-1e6, 1e6) | st.none()


def test_it_is_epsilon_squared_of_a_one_way_analysis() -> None:
    found = importance([*"aaabbb"], RESULTS)
    assert found is not None
    variance = scipy_stats.f_oneway(RESULTS[:3], RESULTS[3:]).statistic
    # As F has it: epsilon squared = (F - 1) / (F + free / (groups - 1)).
    assert found.share == pytest.approx((variance - 1) / (variance + 4))
    assert (found.rank, found.n, found.groups) == (None, 6, 2)


def test_numbers_have_a_rank_correlation_and_many_of_them_eight_groups() -> None:
    chance = np.random.default_rng(1)
    values = chance.uniform(0, 1, 100)
    results = values**2 + chance.normal(0, 0.05, 100)
    found = importance(values.tolist(), results.tolist())
    assert found is not None
    assert found.groups == 8
    assert found.share > 0.9
    assert found.rank == pytest.approx(scipy_stats.spearmanr(values, results).statistic)


def test_what_only_some_have_is_who_has_it() -> None:
    found = importance([0.9, 0.9, 0.9, None, None, None], RESULTS)
    assert found == importance([True, True, True, False, False, False], RESULTS)
    assert found is not None
    assert found.n == 6


@pytest.mark.parametrize(
    ("values", "results"),
    [
        ([], []),
        ([1] * 6, RESULTS),
        ([1, 2, 1, 2], RESULTS[:4]),
        ([1, 2, 1, 2, 1, 2], [*RESULTS[:4], None, math.nan]),
        ([1, 2, 1, 2, math.nan, None], RESULTS),
        ([None] * 6, RESULTS),
    ],
)
def test_of_too_few_or_of_one_value_nothing_is_said(
    values: list[float | None], results: list[float | None]
) -> None:
    assert importance(values, results) is None


def test_equal_results_leave_nothing_to_share_out() -> None:
    found = importance([1, 2, 1, 2, 1], [0.5] * 5)
    assert found is not None
    assert (found.share, found.rank) == (0.0, None)


def test_sides_of_different_lengths_are_refused() -> None:
    with pytest.raises(UsageError):
        importance([1, 2], [0.5])


@given(st.lists(st.tuples(ONE_OF, RESULT), max_size=30))
def test_the_order_of_results_does_not_matter(both: list[tuple[str | None, float | None]]) -> None:
    found = importance([value for value, _ in both], [result for _, result in both])
    both.reverse()
    other = importance([value for value, _ in both], [result for _, result in both])
    assert (found is None) == (other is None)
    if found is not None and other is not None:
        assert found.share == pytest.approx(other.share, abs=1e-9)
        assert 0 <= found.share <= 1
        assert (found.n, found.groups) == (other.n, other.groups)
