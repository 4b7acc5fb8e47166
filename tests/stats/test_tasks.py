"""Scores over several tasks, against the numbers that rliable 1.2.0 gives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from samebit.errors import UsageError
from samebit.stats import over_tasks, performance_profile, probability_of_improvement
from samebit.stats.tasks import Measure
from tests.stats.strategies import scores

Z = [[0.1, 0.9, 0.4], [0.2, 0.8, 0.5], [0.35, 0.7, 0.45], [0.3, 1.2, 0.55], [0.15, 0.95, 0.5]]
W = [[0.2, 0.7, 0.5], [0.1, 0.85, 0.4], [0.25, 0.6, 0.45], [0.3, 0.9, 0.35]]
# Seven and five runs of three tasks, of which one run is in both.
A = [
    [0.28, 0.461, 0.122],
    [0.523, 0.409, 0.072],
    [0.099, 0.986, 0.694],
    [0.449, 0.64, 0.27],
    [0.302, 0.073, 0.053],
    [0.807, 0.813, 0.005],
    [0.33, 0.089, 0.468],
]
B = [
    [0.28, 0.461, 0.122],
    [0.632, 0.552, 0.421],
    [0.267, 0.827, 0.075],
    [0.13, 0.341, 0.233],
    [0.555, 0.625, 0.634],
]
MEASURES: list[Measure] = ["iqm", "mean", "median", "optimality gap"]
# What rliable's percentile bootstrap of 20,000 resamples gives for A, from two global seeds.
INTERVALS = {
    "iqm": [(0.2086363636, 0.4944590909), (0.2065431818, 0.4958181818)],
    "mean": [(0.2712380952, 0.4899559524), (0.2694738095, 0.4900952381)],
    "median": [(0.2545714286, 0.5242857143), (0.2504285714, 0.5251428571)],
    "optimality gap": [(0.5100440476, 0.7287619048), (0.5099047619, 0.7305261905)],
}

tables = st.integers(1, 6).flatmap(
    lambda tasks: st.lists(st.lists(scores, min_size=tasks, max_size=tasks), min_size=2, max_size=6)
)


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ([[1, 2], [2, 2], [1, 1], [2, 1]], (1.5, 1.5, 1.5, 0)),
        ([[1, 1], [2, 2], [3, 3]], (2, 2, 2, 0)),
        (Z, (0.505555555556, 0.536666666667, 0.48, 0.476666666667)),
        (W, (0.433333333333, 0.466666666667, 0.425, 0.533333333333)),
        (A, (0.33754545454545454, 0.37833333333333324, 0.3985714285714286, 0.6216666666666666)),
        (B, (0.41500000000000004, 0.4103333333333334, 0.3728000000000001, 0.5896666666666667)),
    ],
)
def test_measures_over_tasks_are_those_of_rliable(
    table: list[list[float]], wanted: tuple[float, ...]
) -> None:
    found = [over_tasks(table, measure, resamples=9).value for measure in MEASURES]
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_intervals_over_tasks_are_those_of_rliable(measure: Measure) -> None:
    found = over_tasks(A, measure, resamples=20_000)
    for low, high in INTERVALS[measure]:
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.005)


def test_the_interval_of_an_iqm_is_that_of_three_seeds_of_rliable() -> None:
    for seed in (0, 1, 2):
        found = over_tasks(Z, resamples=50_000, seed=seed)
        assert (found.low, found.high) == pytest.approx((0.4611111111, 0.55), abs=1e-9)


def test_the_result_says_which_iqm_it_is() -> None:
    assert (
        str(over_tasks(Z, resamples=999, over="seeds")) == "0.506 ± 0.044 (IQM of 3 tasks, "
        "95 % stratified bootstrap interval from 999 resamples over 5 seeds)"
    )
    column = [[0], [1], [2], [8], [10]]
    whole, exact = over_tasks(column), over_tasks(column, "fractional iqm")
    assert (whole.value, exact.value) == pytest.approx((11 / 3, 3.5))
    assert (whole.what, exact.what) == ("IQM of one task", "fractional IQM of one task")


@given(tables)
@settings(max_examples=50)
def test_an_iqm_is_scipys_trimmed_mean_and_both_agree_where_a_quarter_is_whole(
    table: list[list[float]],
) -> None:
    found = over_tasks(table, resamples=1).value
    assert found == pytest.approx(scipy.trim_mean(np.ravel(table), 0.25), abs=1e-12)
    fourfold = table * 4
    assert over_tasks(fourfold, resamples=1).value == pytest.approx(
        over_tasks(fourfold, "fractional iqm", resamples=1).value, abs=1e-12
    )


def test_profiles_are_those_of_the_paper() -> None:
    at = [0, 0.25, 0.5, 0.75, 1]
    found = performance_profile(Z, at, resamples=99)
    assert [e.value for e in found] == pytest.approx([1, 0.8, 0.4, 0.2666666667, 0.0666666667])
    assert found[1].what == "share of scores above 0.25"
    assert found[0].note == "all resamples are equal"
    means = performance_profile(Z, at, of="averages", resamples=99)
    assert [e.value for e in means] == pytest.approx(
        [1, 0.6666666667, 0.3333333333, 0.3333333333, 0]
    )
    assert means[1].what == "share of tasks' means above 0.25"


def test_profiles_and_their_intervals_are_those_of_rliable() -> None:
    at = [0, 0.2, 0.5, 0.9]
    found = performance_profile(A, at, resamples=5_000)
    assert [e.value for e in found] == pytest.approx([1, 14 / 21, 6 / 21, 1 / 21])
    assert [e.low for e in found] == pytest.approx([1, 10 / 21, 2 / 21, 0], abs=0.048)
    assert [e.high for e in found] == pytest.approx([1, 18 / 21, 10 / 21, 3 / 21], abs=0.048)
    means = performance_profile(A, at, of="averages", resamples=9)
    assert [e.value for e in means] == [1, 1, 0, 0]


def test_the_probability_of_improvement_is_that_of_rliable() -> None:
    assert probability_of_improvement(
        [[1, 2], [2, 2], [1, 1], [2, 1]], [[1, 1], [2, 2], [3, 3]]
    ).value == pytest.approx(1 / 3)
    assert probability_of_improvement(Z, W).value == pytest.approx(0.675)
    assert probability_of_improvement(W, Z).value == pytest.approx(0.325)
    found = probability_of_improvement(A, B, resamples=5_000)
    assert found.value == pytest.approx(0.4619047619047619, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((0.2666666667, 0.6619047619), abs=0.015)
    assert probability_of_improvement(A, A, resamples=9).value == 0.5


@given(tables)
@settings(max_examples=30)
def test_the_probability_of_improvement_is_mann_and_whitneys_u(table: list[list[float]]) -> None:
    other = [[x + 0.1 for x in row] for row in table[:-1]]
    wanted = [
        scipy.mannwhitneyu(x, y, method="asymptotic").statistic / len(x) / len(y)
        if len({*x, *y}) > 1
        else 0.5
        for x, y in zip(zip(*table, strict=True), zip(*other, strict=True), strict=True)
    ]
    found = probability_of_improvement(table, other, resamples=1)
    assert found.value == pytest.approx(float(np.mean(wanted)), abs=1e-12)


@pytest.mark.parametrize("measure", [*MEASURES, "fractional iqm"])
def test_the_order_of_runs_is_of_no_account(measure: Measure) -> None:
    found = over_tasks(Z, measure, resamples=99)
    for order in itertools.islice(itertools.permutations(Z), 0, 120, 17):
        assert over_tasks(order, measure, resamples=99) == found
    assert probability_of_improvement(Z[::-1], W) == probability_of_improvement(Z, W[::-1])
    assert performance_profile(Z[::-1], [0.5]) == performance_profile(Z, [0.5])


def test_runs_are_drawn_anew_for_each_task() -> None:
    # Drawn as whole rows, the mean of each resample would be 0.5.
    table = np.array([[0, 1], [1, 0]] * 5)
    found = over_tasks(table, "mean", resamples=999)
    assert found.low is not None
    assert found.low < 0.4


def test_one_run_has_no_interval() -> None:
    found = over_tasks([[0.1, 0.2, 0.3]])
    assert (found.value, found.low, found.note) == (
        pytest.approx(0.2),
        None,
        "one run: no interval",
    )
    assert performance_profile([[0.1, 0.2]], [0.15])[0].low is None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="the same tasks"):
        probability_of_improvement([[1, 2], [3, 4]], [[1], [2]])
    with pytest.raises(UsageError, match="no measure"):
        over_tasks(Z, "max")
    with pytest.raises(UsageError, match="profile"):
        performance_profile(Z, [0.5], of="tasks")
    with pytest.raises(UsageError, match="confidence"):
        over_tasks(Z, confidence=95)
