"""Groups of values that are no pairs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from samebit.errors import UsageError
from samebit.stats import difference, levene, mann_whitney, one_way, welch_t
from tests.stats.strategies import samples, scores

A = [0.91, 0.89, 0.93, 0.90, 0.92]
B = [0.88, 0.90, 0.89, 0.87, 0.90]


def test_two_groups_of_five_are_judged_as_in_the_textbook() -> None:
    found = welch_t(A, B)
    assert found.statistic == pytest.approx(2.4003967926, abs=1e-9)
    assert found.p == pytest.approx(0.0442317, abs=5e-8)
    assert found.freedom == pytest.approx((7.7199,), abs=5e-5)
    ranks = mann_whitney(A, B)
    assert ranks.statistic == 21.5
    assert ranks.statistic / 25 == 0.86
    assert str(found) == "p = 0.0442 (Welch's t test, t(7.72) 2.4, 5 and 5 seeds)"


# scipy warns of values that nearly agree.
@pytest.mark.filterwarnings("ignore:Precision loss occurred")
@given(samples, samples)
def test_welch_is_that_of_scipy(a: list[float], b: list[float]) -> None:
    found = welch_t(a, b)
    if min(a) == max(a) and min(b) == max(b):
        assert found.p == 1
        return
    wanted = scipy.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9, abs=1e-14)
    assert found.statistic == pytest.approx(wanted.statistic, rel=1e-9, abs=1e-9)
    assert found.freedom[0] == pytest.approx(wanted.df, rel=1e-9)


@given(st.lists(scores, min_size=1, max_size=5), st.lists(scores, min_size=1, max_size=5))
def test_mann_whitney_is_exact_with_ties(a: list[float], b: list[float]) -> None:
    found = mann_whitney(a, b)
    ranks, n = scipy.rankdata([*a, *b]), len(a)
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, n)]
    seen = sum(ranks[:n])
    tails = sum(s <= seen for s in sums), sum(s >= seen for s in sums)
    assert found.p == pytest.approx(min(1, 2 * min(tails) / len(sums)))
    assert found.statistic == seen - n * (n + 1) / 2
    least = min(sums.count(min(sums)), sums.count(max(sums)))
    assert found.smallest_p == pytest.approx(min(1, 2 * least / len(sums)))


@pytest.mark.parametrize(("n", "m"), [(3, 3), (10, 25), (40, 40)])
def test_mann_whitney_without_ties_is_that_of_scipy(n: int, m: int) -> None:
    drawn = np.random.Generator(np.random.PCG64(n)).standard_normal(n + m)
    wanted = scipy.mannwhitneyu(drawn[:n], drawn[n:], method="exact")
    found = mann_whitney(drawn[:n], drawn[n:])
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert found.method == "exact Mann-Whitney test"


@given(st.lists(st.integers(0, 9), min_size=41, max_size=60))
@settings(max_examples=20)
def test_mann_whitney_of_many_values_is_approximate_and_says_so(a: list[int]) -> None:
    b = [*range(10)] * 4
    found = mann_whitney(a, b)
    wanted = scipy.mannwhitneyu(a, b, method="asymptotic")
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert found.method == "Mann-Whitney test, normal approximation"


def test_groups_too_small_for_any_finding_say_so() -> None:
    found = mann_whitney([1, 2, 3], [4, 5, 6])
    assert found.p == found.smallest_p == 0.1
    assert found.note == "3 and 3 seeds cannot be significant: the smallest p is 0.1"
    assert not mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]).note


@given(st.lists(samples, min_size=2, max_size=4))
def test_an_anova_is_that_of_scipy(groups: list[list[float]]) -> None:
    found = one_way(*groups)
    if all(min(group) == max(group) for group in groups):
        assert found.p == 1
        return
    wanted = scipy.f_oneway(*groups)
    assert found.statistic == pytest.approx(wanted.statistic, rel=1e-9, abs=1e-9)
    # scipy's F of equal means is at times less than 0 by its rounding, and p then NaN.
    p = 1 if math.isnan(wanted.pvalue) else wanted.pvalue
    assert found.p == pytest.approx(p, rel=1e-9, abs=1e-14)
    assert found.n == tuple(map(len, groups))


@given(st.lists(st.lists(scores, min_size=3, max_size=9), min_size=2, max_size=4))
def test_levene_is_that_of_scipy(groups: list[list[float]]) -> None:
    found = levene(*groups)
    apart = [np.abs(np.array(group) - np.median(group)).round(9) for group in groups]
    if all(min(group) == max(group) for group in apart):
        assert found.p == 1
        return
    wanted = scipy.levene(*groups, center="median")
    assert found.statistic == pytest.approx(wanted.statistic, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9, abs=1e-14)


def test_distances_that_rounding_tells_apart_are_equal() -> None:
    # Each value is 0.05 from the median as read; as floats they differ by 1e-17.
    found = levene([0.1, 0.2], [0.3, 0.4], [0.1, 0.4])
    assert found.p == 1
    assert "no test can judge" in found.note


def test_groups_without_spread_are_never_significant() -> None:
    for test in (welch_t, one_way, levene, mann_whitney):
        found = test([0.9] * 3, [0.9] * 4)
        assert (found.p, math.isfinite(found.statistic)) == (1, True)
    apart = welch_t([0.9, 0.9], [0.8, 0.8])
    assert (apart.p, math.isnan(apart.statistic)) == (1, True)
    assert apart.note == "no group varies, and means are 0.1 apart: no test can judge"


def test_groups_of_one_have_no_spread() -> None:
    for test in (welch_t, one_way, levene):
        with pytest.raises(UsageError, match="has one value"):
            test(A, [0.9])
        with pytest.raises(UsageError, match="has one value"):
            test([0.9], A)
    with pytest.raises(UsageError, match="one group"):
        one_way(A)


@given(samples, samples)
@settings(max_examples=30)
def test_the_order_in_a_group_is_of_no_account(a: list[float], b: list[float]) -> None:
    for test in (welch_t, mann_whitney, one_way, levene):
        found, reversed_ = test(a, b), test(a[::-1], b[::-1])
        assert (found.p, repr(found.statistic)) == (reversed_.p, repr(reversed_.statistic))


def test_a_difference_has_the_interval_of_welch() -> None:
    found = difference(A, B)
    reference = scipy.ttest_ind(A, B, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(reference), abs=1e-12)
    assert found.value == pytest.approx(0.022)
    assert (found.n, found.over) == (10, "seeds (5 and 5)")
    turned = difference(B, A)
    assert (turned.low, turned.high) == pytest.approx((-reference.high, -reference.low), abs=1e-12)
    assert (difference([1.0], B).low, difference([1.0, 1.0], [0.5, 0.5]).high) == (None, 0.5)
