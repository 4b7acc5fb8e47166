"""The expected best of n trials."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.stats import expected_best
from tests.stats.strategies import scores

SCORES = [
    *(0.8, 0.75, 0.9, 0.24, 0.45, 0.6, 0.65, 0.67, 0.49, 0.49),
    *(0.59, 0.52, 0.78, 0.84, 0.63, 0.42, 0.85, 0.76, 0.68, 0.6),
]
# n, V_n and its SD, U_n and its SD: the first two as the authors' code has them.
PUBLISHED = [
    (1, 0.6355000000, 0.1635993582, 0.6355000000, 0.1635993582),
    (2, 0.7275750000, 0.1219584740, 0.7324210526, 0.1173812124),
    (5, 0.8133373469, 0.0757016865, 0.8226799536, 0.0684295812),
    (10, 0.8540611815, 0.0478943696, 0.8670616922, 0.0378490546),
    (20, 0.8789943646, 0.0301867275, 0.9000000000, 0),
]

trials = st.lists(scores, min_size=1, max_size=7)


@pytest.mark.parametrize(("n", "v", "v_sd", "u", "u_sd"), PUBLISHED)
def test_the_expected_best_is_that_of_the_papers(
    n: int, v: float, v_sd: float, u: float, u_sd: float
) -> None:
    for estimator, value, spread in (("U", u, u_sd), ("V", v, v_sd)):
        found = expected_best(SCORES, [n], sampler="random", estimator=estimator)[0]
        assert found.low is not None
        assert found.value == pytest.approx(value, abs=1e-10)
        assert found.value - found.low == pytest.approx(spread, abs=1e-10)
        assert found.high == pytest.approx(min(value + spread, 0.9), abs=1e-10)
        assert found.n == 20


@given(trials)
def test_both_are_the_mean_over_all_that_could_be_drawn(values: list[float]) -> None:
    for n in range(1, min(len(values), 4) + 1):
        put_back = [max(drawn) for drawn in itertools.product(values, repeat=n)]
        kept_out = [max(drawn) for drawn in itertools.combinations(values, n)]
        for estimator, best in (("V", put_back), ("U", kept_out)):
            found = expected_best(values, [n], sampler="seeds", estimator=estimator)[0]
            assert found.value == pytest.approx(np.mean(best), abs=1e-12)
            wanted = min(np.mean(best) + np.std(best), max(values))
            assert found.high == pytest.approx(wanted, abs=1e-8)


def test_five_thousand_trials_neither_overflow_nor_lose_digits() -> None:
    total = 5_000
    ranks = range(1, total + 1)  # the highest of n of them is on average n (total + 1) / (n + 1)
    for n in (1, 37, 2_500, 4_999, 5_000):
        found = expected_best(ranks, [n], sampler="random")[0].value
        assert found == pytest.approx(float(Fraction(n * (total + 1), n + 1)), rel=1e-12, abs=0)
    put_back = total - Fraction(sum(i**37 for i in range(total)), total**37)
    found = expected_best(ranks, [37], sampler="random", estimator="V")[0].value
    assert found == pytest.approx(float(put_back), rel=1e-12, abs=0)


def test_the_whole_curve_rises_from_the_mean_to_the_best() -> None:
    curve = expected_best(SCORES, sampler="random")
    assert len(curve) == 20
    assert curve[0].value == pytest.approx(np.mean(SCORES))
    assert (curve[-1].value, curve[-1].low, curve[-1].high) == (0.9, 0.9, 0.9)
    values = [each.value for each in curve]
    assert values == sorted(values)
    assert (
        str(curve[4]) == "0.823 ± 0.068 (expected best of 5 by U_n, SD of the best over 20 trials)"
    )


def test_of_losses_the_least_is_the_best() -> None:
    up = expected_best(SCORES, sampler="random")
    down = expected_best([-x for x in SCORES], sampler="random", lower_is_better=True)
    for higher, lower in zip(up, down, strict=True):
        assert lower.value == pytest.approx(-higher.value, abs=1e-15)
        assert (lower.low, lower.high) == pytest.approx((-higher.high, -higher.low))


def test_the_order_of_trials_is_of_no_account() -> None:
    shuffled = random.Random(1).sample(SCORES, 20)
    assert expected_best(shuffled, sampler="random") == expected_best(SCORES, sampler="random")


@pytest.mark.parametrize(
    "sampler",
    [
        "grid",
        "GridSampler",
        "manual",
        "TPESampler",
        "tpe",
        "bayesian",
        "Successive-Halving",
        "hyperband",
        "ASHA",
        "CmaEsSampler",
        "cma-es",
        "sobol",
        "GPSampler",
    ],
)
def test_a_search_whose_trials_are_no_independent_draws_is_refused(sampler: str) -> None:
    with pytest.raises(UsageError, match=sampler) as refused:
        expected_best(SCORES, sampler=sampler)
    assert "hint: it can of random search" in str(refused.value)


def test_a_search_that_is_not_known_is_warned_of() -> None:
    assert expected_best([1, 2])[0].note.startswith("sampler not known")
    assert expected_best([1, 2], sampler="oracle")[0].note.startswith("sampler oracle not known")
    for sampler in ("random", "RandomSampler", "seeds", "Random"):
        assert not expected_best([1, 2], sampler=sampler)[0].note


@pytest.mark.parametrize("budget", [0, -1, 1.5, True, "3"])
def test_what_is_no_budget_is_refused(budget: int) -> None:
    with pytest.raises(UsageError, match="budget"):
        expected_best(SCORES, [budget], sampler="random")


def test_more_trials_than_were_made_are_refused() -> None:
    with pytest.raises(UsageError, match="best of 21 trials is not known from 20"):
        expected_best(SCORES, [3, 21], sampler="random")
    with pytest.raises(UsageError, match="U or V"):
        expected_best(SCORES, estimator="W")
