"""Means and proportions with their intervals."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from samebit.errors import UsageError
from samebit.stats import mean, proportion, sd, seeds_needed, sem
from tests.stats.strategies import samples

A = [0.91, 0.89, 0.93, 0.90, 0.92]
SKEWED = [0.1, 0.2, 0.35, 0.3, 0.15]


def test_sd_sem_and_t_interval_are_those_of_the_textbook() -> None:
    assert sd(A) == pytest.approx(0.0158113883, abs=5e-11)
    assert sem(A) == pytest.approx(0.0070710678, abs=5e-11)
    found = mean(A)
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(0.91, abs=1e-15)
    assert found.high - found.value == pytest.approx(0.0196324318, abs=1e-9)
    assert (found.n, found.over, found.method, found.confidence) == (5, "seeds", "t interval", 0.95)
    found = mean(SKEWED)
    assert (found.low, found.high) == pytest.approx((0.0912615, 0.3487385), abs=5e-8)


@given(samples, st.sampled_from([0.5, 0.68, 0.9, 0.95, 0.999]))
def test_a_t_interval_is_that_of_scipy(values: list[float], confidence: float) -> None:
    found = mean(values, confidence=confidence)
    if min(values) == max(values):
        assert found.low == found.value == found.high == values[0]
        return
    wanted = scipy.ttest_1samp(values, 0).confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("how", "method"), [("percentile", "percentile"), ("bca", "BCa")])
@pytest.mark.parametrize("values", [SKEWED, [0.1, 0.2, 0.9, 0.3, 0.15, 0.4, 0.22, 2.0, 0.1, 0.5]])
def test_a_bootstrap_interval_is_that_of_scipy(how: str, method: str, values: list[float]) -> None:
    found = mean(values, how=how, resamples=20_000, seed=1)
    wanted = scipy.bootstrap((values,), np.mean, method=method, n_resamples=20_000, rng=2)
    spread = 0.06 * float(wanted.standard_error)
    interval = wanted.confidence_interval
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=spread)


def test_a_bootstrap_of_few_values_says_that_it_is_too_narrow() -> None:
    few, many = mean(SKEWED, how="bca"), mean(SKEWED * 2, how="bca")
    assert "too narrow" in few.note
    assert not many.note
    t = mean(SKEWED)
    assert t.low < few.low < few.high < t.high
    assert (few.low, few.high) == pytest.approx((0.14, 0.30), abs=0.005)


def test_the_same_numbers_give_the_same_interval_for_ever() -> None:
    values = [0.91, 0.894, 0.93, 0.902, 0.927, 0.8871]
    found = mean(values, how="percentile", resamples=500, seed=7)
    assert (found.low, found.high) == pytest.approx((0.89560375, 0.9205254166666667), abs=1e-12)
    found = mean(values, how="bca", resamples=500, seed=7)
    assert (found.low, found.high) == pytest.approx(
        (0.8956376054807247, 0.9206554185161491), abs=1e-12
    )
    again = mean(values, how="bca", resamples=500, seed=np.random.Generator(np.random.PCG64(7)))
    assert again == found


@pytest.mark.parametrize(("how", "half"), [("sd", sd(A)), ("sem", sem(A))])
def test_a_spread_is_named_and_has_no_confidence(how: str, half: float) -> None:
    found = mean(A, how=how)
    assert found.high == pytest.approx(0.91 + half, abs=1e-12)
    assert (found.method, found.confidence) == (how.upper(), None)


@given(samples, st.sampled_from(["t", "percentile", "bca", "sd", "sem"]), st.randoms())
@settings(max_examples=40)
def test_the_order_of_seeds_is_of_no_account(
    values: list[float], how: str, shuffler: random.Random
) -> None:
    found = mean(values, how=how, resamples=50)
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert mean(shuffled, how=how, resamples=50) == found


def test_one_value_has_no_interval() -> None:
    found = mean([0.9])
    assert (found.value, found.low, found.high, found.note) == (
        0.9,
        None,
        None,
        "one value: no interval",
    )
    assert str(found) == "0.9 (one value: no interval)"
    for spread in (sd, sem):
        with pytest.raises(UsageError, match="one value"):
            spread([0.9])


def test_equal_values_have_an_interval_of_no_width_and_say_so() -> None:
    found = mean([0.1] * 3, how="bca")
    assert (found.value, found.low, found.high) == (0.1, 0.1, 0.1)
    assert str(found).endswith("from 9999 resamples over 3 seeds; all values are equal)")
    assert sd([0.1] * 3) == 0


def test_an_interval_that_leaves_the_range_of_its_measure_says_so() -> None:
    values = [0.99, 0.999, 0.95]
    assert mean(values, bounds=(0, 1)).note == "the interval leaves the range from 0 to 1"
    assert not mean(values, bounds=(0, 2)).note
    with pytest.raises(UsageError, match="outside the bounds"):
        mean(values, bounds=(0, 0.98))


def test_an_estimate_is_printed_with_two_digits_of_its_uncertainty() -> None:
    assert str(mean(A)) == "0.910 ± 0.020 (95 % t interval over 5 seeds)"
    assert str(mean(A, how="sd", over="splits")) == "0.910 ± 0.016 (SD over 5 splits)"
    assert str(mean([1e6, 1.1e6])) == "1050000 ± 635310 (95 % t interval over 2 seeds)"
    assert str(mean([1e-12, 3e-12])).startswith("2e-12 ± 1.27e-11 ")
    assert str(mean([1e100, -1e100])) == "0 ± 1.27e+101 (95 % t interval over 2 seeds)"
    assert str(proportion(45, 50)) == (
        "0.900 [0.786, 0.957] (share, 95 % Wilson interval over 50 examples)"
    )


@pytest.mark.parametrize("values", [[1e-200, 2e-200, 4e-200], [1e149, 2e149, 4e149]])
def test_a_spread_neither_overflows_nor_vanishes(values: list[float]) -> None:
    assert sd(values) / values[0] == pytest.approx(sd([1.0, 2.0, 4.0]), rel=1e-12, abs=0)


def test_wilson_is_that_of_the_textbook() -> None:
    found = proportion(45, 50)
    assert (found.low, found.high) == pytest.approx((0.7863977, 0.9565243), abs=1e-7)
    for n in range(1, 60):
        assert (proportion(0, n).low, proportion(n, n).high) == (0, 1)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(counts: tuple[int, int]) -> None:
    found = proportion(*counts, confidence=0.9)
    wanted = scipy.binomtest(*counts).proportion_ci(0.9, "wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize("counts", [(0, 0), (3, 2), (-1, 2), (1.5, 2), ("1", 2)])
def test_what_is_no_k_of_n_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        proportion(*counts)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(UsageError, match="confidence"):
        mean(A, confidence=confidence)


def test_what_is_no_way_to_an_interval_is_refused() -> None:
    with pytest.raises(UsageError, match="normal") as refused:
        mean(A, how="normal")
    assert "percentile" in str(refused.value)
    for seed in (-1, True, "7", None, 1.5):
        with pytest.raises(UsageError, match="seed"):
            mean(A, how="bca", seed=seed)
    for resamples in (0, 2.5):
        with pytest.raises(UsageError, match="resamples"):
            mean(A, how="bca", resamples=resamples)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_ninety_five_of_a_hundred_t_intervals_cover_the_mean(n: int) -> None:
    drawn = np.random.Generator(np.random.PCG64(n)).standard_normal((1_000, n))
    covered = sum(e.low <= 0 <= e.high for e in map(mean, drawn))
    # Three standard errors of a share of 0.95 among 1000.
    assert abs(covered / 1_000 - 0.95) < 3 * (0.95 * 0.05 / 1_000) ** 0.5


def test_a_bootstrap_of_five_covers_the_mean_less_often_than_it_says() -> None:
    drawn = np.random.Generator(np.random.PCG64(0)).standard_normal((400, 5))
    found = [mean(row, how="percentile", resamples=400) for row in drawn]
    covered = sum(e.low <= 0 <= e.high for e in found)
    assert 0.75 < covered / 400 < 0.90


@pytest.mark.parametrize("within", [0.001, 0.01, 0.05, 1.0])
def test_as_many_seeds_as_are_needed_and_no_fewer(within: float) -> None:
    def half(n: int) -> float:
        return float(scipy.t.ppf(0.975, n - 1) * sd(A) / np.sqrt(n))

    needed = seeds_needed(A, within)
    assert half(needed) <= within
    assert needed == 2 or half(needed - 1) > within


def test_what_needs_no_or_endless_seeds() -> None:
    assert seeds_needed([1.0, 1.0], 0.1) == 2
    for within in (0.0, -1.0, float("nan"), 1e-9):
        with pytest.raises(UsageError):
            seeds_needed(A, within)
