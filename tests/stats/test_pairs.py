"""Two methods in pairs."""

import itertools
import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from samebit.errors import UsageError
from samebit.stats import (
    Comparison,
    cohen_dz,
    decide,
    decide_unpaired,
    holm,
    paired_t,
    pairs_needed,
    sign_flip,
    welch_t,
    wilcoxon,
)
from tests.stats.strategies import scores

A = [0.91, 0.89, 0.93, 0.90, 0.92]
B = [0.88, 0.90, 0.89, 0.87, 0.90]


@st.composite
def both_sides(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Pairs of decimals, also far from 0, where what is subtracted has lost digits."""
    add = draw(st.sampled_from([0, 10, 5_000]))
    found = draw(st.lists(st.tuples(scores, scores), min_size=2, max_size=11))
    a, b = ([round(side + add, 3) for side in both] for both in zip(*found, strict=True))
    return a, b


sides = both_sides()


def normal(n: int, ahead: float) -> Any:
    """Two rows of n values, the first so much ahead."""
    return np.random.Generator(np.random.PCG64(n)).standard_normal((2, n)) + np.array(
        [[ahead], [0]]
    )


def exact(values: list[float]) -> list[Fraction]:
    """What the numbers say, and not what floats make of them."""
    return [Fraction(repr(value)) for value in values]


def test_five_pairs_are_judged_as_in_the_textbook() -> None:
    found = paired_t(A, B)
    assert found.statistic == pytest.approx(2.5574480524, abs=1e-9)
    assert found.p == pytest.approx(0.0628076, abs=5e-8)
    assert found.freedom == (4,)
    assert wilcoxon(A, B).p == 0.125
    assert sign_flip(A, B).p == 0.125
    assert cohen_dz(A, B).value == pytest.approx(1.1437255388, abs=1e-9)


def test_fewer_than_six_pairs_get_a_sentence_in_place_of_a_star() -> None:
    said = "5 pairs cannot be significant: the smallest p is 0.0625"
    for test in (sign_flip, wilcoxon):
        assert test(A, B).note == said
        assert not test([*A, 1.0], [*B, 0.5]).note
        assert test(A, B, alpha=0.1).note == ""
    found = sign_flip(A, B, by="split")
    assert found.smallest_p == 0.0625
    assert str(found) == (
        "p = 0.125 (exact sign-flip test, mean difference 0.022, 5 pairs by split); " + said
    )
    assert sign_flip([1, 2, 3, 4, 5], [0] * 5).p == 0.0625


@given(sides)
def test_a_sign_flip_is_exact(found: tuple[list[float], list[float]]) -> None:
    differences = [x - y for x, y in zip(*map(exact, found), strict=True)]
    at_least, n = abs(sum(differences)), len(differences)
    reached = sum(
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True))) >= at_least
        for signs in itertools.product((1, -1), repeat=n)
    )
    test = sign_flip(*found)
    assert test.p == reached / 2**n
    assert test.statistic == pytest.approx(float(sum(differences)) / n, abs=1e-12)


@given(sides)
def test_wilcoxon_is_exact_with_ties_and_leaves_out_zeros(
    found: tuple[list[float], list[float]],
) -> None:
    differences = [x - y for x, y in zip(*map(exact, found), strict=True) if x != y]
    test = wilcoxon(*found)
    if not differences:
        assert (test.p, test.note) == (1, "no pair differs")
        return
    ranks = scipy.rankdata([float(abs(d)) for d in differences])
    up = sum(rank for rank, d in zip(ranks, differences, strict=True) if d > 0)
    least = min(up, sum(ranks) - up)
    sums = [
        sum(itertools.compress(ranks, heads))
        for heads in itertools.product((0, 1), repeat=len(ranks))
    ]
    assert test.statistic == least
    assert test.p == pytest.approx(min(1, 2 * sum(s <= least for s in sums) / len(sums)))


@pytest.mark.parametrize("n", [8, 25, 60, 400])
def test_wilcoxon_without_ties_is_that_of_scipy(n: int) -> None:
    drawn = normal(n, 0.2)
    wanted = scipy.wilcoxon(*drawn, method="exact")
    found = wilcoxon(*drawn)
    assert (found.statistic, found.p) == (wanted.statistic, pytest.approx(wanted.pvalue, rel=1e-9))


def test_wilcoxon_of_many_pairs_is_approximate_and_says_so() -> None:
    drawn = normal(500, 0.1)
    wanted = scipy.wilcoxon(*drawn, method="asymptotic")
    found = wilcoxon(*drawn)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert found.method == "Wilcoxon test, normal approximation"


@given(sides)
def test_a_paired_t_is_that_of_scipy(found: tuple[list[float], list[float]]) -> None:
    test = paired_t(*found)
    differences = {x - y for x, y in zip(*map(exact, found), strict=True)}
    if len(differences) == 1:
        assert test.p == 1
        return
    wanted = scipy.ttest_rel(*found)
    assert test.p == pytest.approx(wanted.pvalue, rel=1e-7, abs=1e-12)
    assert test.statistic == pytest.approx(wanted.statistic, rel=1e-7, abs=1e-7)


def test_differences_that_rounding_tells_apart_are_equal() -> None:
    # 0.91 - 0.88 is 0.030000000000000027, 0.88 - 0.85 is 0.03; scipy's t is 4e15 here.
    test = paired_t([0.91, 0.88, 0.5], [0.88, 0.85, 0.47])
    assert (test.p, math.isnan(test.statistic)) == (1, True)
    assert test.note == "all differences are 0.03: t says nothing"
    assert wilcoxon([0.91, 0.85], [0.88, 0.88]).statistic == 1.5
    assert sign_flip([0.1 + 0.2], [0.3]).note == "no pair differs"
    # Differences 0.1, 0.2, -0.3, whose sum is 1e-12 as floats, and no choice of signs gives less.
    found = sign_flip([5000.1, 5000.2, 4999.7], [5000] * 3)
    assert (found.p, found.statistic) == (1, 0)
    assert sign_flip([5000.1, 5000.2, 5000.3, 5000.3], [5000, 5000, 5000, 5000.6]).p == 0.75


def test_without_any_difference_nothing_is_significant() -> None:
    for test in (sign_flip, wilcoxon, paired_t):
        assert test(A, A).p == 1
    assert cohen_dz(A, A).value == 0
    assert decide(A, A).answer == "not significant"
    assert decide(A, A).probability.value == 0.5


def test_pairs_without_a_difference_are_named_and_do_not_count_towards_the_smallest_p() -> None:
    for test in (sign_flip, wilcoxon):
        found = test([1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 0, 0, 6, 7])
        assert (found.p, found.n) == (0.0625, (7,))
        assert found.note == (
            "2 without a difference left out; "
            "5 pairs that differ cannot be significant: the smallest p is 0.0625"
        )


def test_a_sign_flip_of_many_pairs_is_exact_to_36_and_drawn_beyond_which_it_says() -> None:
    drawn = normal(37, 0.5)
    exactly, by_chance = sign_flip(*drawn[:, :36]), sign_flip(*drawn)
    assert 0.001 < exactly.p < 0.2
    assert exactly.method == "exact sign-flip test"
    assert by_chance.method == "sign-flip test of 99999 random signs"
    assert exactly.p == pytest.approx(paired_t(*drawn[:, :36]).p, rel=0.1)
    assert by_chance.p == pytest.approx(paired_t(*drawn).p, rel=0.1)
    assert sign_flip(*drawn[:, ::-1]) == by_chance
    assert sign_flip(range(40), [-1] * 40).p == by_chance.smallest_p == 1e-5


@given(sides, st.randoms())
@settings(max_examples=40)
def test_the_order_of_pairs_is_of_no_account(
    found: tuple[list[float], list[float]], shuffler: random.Random
) -> None:
    order = list(zip(*found, strict=True))
    shuffler.shuffle(order)
    shuffled = tuple(zip(*order, strict=True))
    for test in (sign_flip, wilcoxon):
        assert test(*shuffled) == test(*found)
    assert decide(*shuffled, resamples=50) == decide(*found, resamples=50)
    assert paired_t(*shuffled).p == paired_t(*found).p


def test_sides_swapped_are_as_significant() -> None:
    for test in (sign_flip, wilcoxon, paired_t, welch_t):
        assert test(A, B).p == test(B, A).p
    assert sign_flip(A, B).statistic == -sign_flip(B, A).statistic


def test_the_decision_has_three_answers() -> None:
    found = decide(A, B)
    assert found.probability.value == 0.8
    assert (found.probability.low, found.probability.high) == (0.4, 1)
    assert found.answer == "not significant"
    always = decide(range(1, 41), [0] * 40)
    assert always.answer == "significant and meaningful"
    assert str(always).startswith("significant and meaningful: 1 ± 0 (P(A>B), 95 % percentile")
    reaching_beyond = decide([1] * 20 + [0] * 9, [0] * 20 + [1] * 9)
    assert reaching_beyond.probability.low < 0.75 < reaching_beyond.probability.high
    assert reaching_beyond.answer == "significant and meaningful"
    often = decide([1] * 230 + [0] * 170, [0] * 230 + [1] * 170, gamma=0.75)
    assert often.answer == "significant, not meaningful"
    assert not often.probability.note
    assert decide([1] * 7 + [0], [0] * 7 + [1]).probability.note == (
        "29 pairs would find P(A>B) = 0.75"
    )


def test_five_pairs_all_won_are_not_significant_though_no_resample_differs() -> None:
    found = decide([1] * 5, [0] * 5)
    assert found.probability.low == 1
    assert found.answer == "not significant"
    assert found.probability.note == (
        "all resamples are equal; 5 pairs cannot be significant: the smallest p is 0.0625"
    )
    assert decide([1] * 6, [0] * 6).answer == "significant and meaningful"


@pytest.mark.parametrize(
    ("gamma", "pairs"), [(0.6, 181), (0.7, 46), (0.75, 29), (0.8, 21), (0.9, 12)]
)
def test_the_pairs_needed_are_those_of_noether(gamma: float, pairs: int) -> None:
    assert pairs_needed(gamma) == pairs


@pytest.mark.parametrize("gamma", [0.5, 0.2, 1.1, math.nan])
def test_what_is_no_gamma_is_refused(gamma: float) -> None:
    for of in (lambda: pairs_needed(gamma), lambda: decide(A, B, gamma=gamma)):
        with pytest.raises(UsageError, match="gamma"):
            of()


def test_one_pair_has_no_spread() -> None:
    for of in (paired_t, cohen_dz):
        with pytest.raises(UsageError, match="one pair"):
            of([1], [2])
    assert sign_flip([1], [2]).p == 1
    assert str(decide([1], [0])) == "not significant: 1 (P(A>B); one pair: no interval)"


def of_p(p: float) -> Comparison:
    return Comparison(p, 0, (9,), "pairs by seed", "t", "t")


def test_holm_is_as_in_his_paper_and_keeps_the_order() -> None:
    found = holm([of_p(0.01), of_p(0.04), of_p(0.03), of_p(0.005)])
    assert [each.p for each in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert found[0].method == "t, Holm's correction for 4"
    assert [each.p for each in holm([of_p(0.6), of_p(0.7)])] == [1, 1]
    with pytest.raises(UsageError):
        holm([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_no_correction_and_bonferroni(ps: list[float]) -> None:
    found = [each.p for each in holm([of_p(p) for p in ps])]
    for p, corrected in zip(ps, found, strict=True):
        assert p <= corrected <= min(1, len(ps) * p)
    order = sorted(range(len(ps)), key=ps.__getitem__)
    assert [found[at] for at in order] == sorted(found)


def test_pairs_that_suffice_for_one_comparison_may_be_too_few_for_three() -> None:
    six = sign_flip([1, 2, 3, 4, 5, 6], [0] * 6)
    assert (six.p, six.note) == (0.03125, "")
    found = holm([six] * 3)
    assert found[0].note == (
        "6 pairs by seed among 3 comparisons cannot be significant: the smallest p is 0.0938"
    )


def test_without_pairs_the_probability_is_that_of_mann_and_whitney() -> None:
    found = decide_unpaired(A, B)
    assert found.probability.value == pytest.approx(0.86)
    assert found.probability.n == 10
    assert "fewer than 10" in found.probability.note
    few = decide_unpaired([2, 3, 4], [0, 1, 0.5])
    assert few.answer == "not significant"
    assert "cannot be significant: the smallest p is 0.1" in few.probability.note
    assert decide_unpaired([1.0], [0.0]).probability.low is None


@given(st.lists(scores, min_size=1, max_size=12), st.lists(scores, min_size=1, max_size=12))
def test_the_other_way_round_the_answer_is_that_of_the_same_interval(
    a: list[float], b: list[float]
) -> None:
    found = decide_unpaired(a, b, resamples=99)
    turned = found.turned()
    assert turned.turned().answer == found.answer
    assert turned.probability.value == pytest.approx(1 - found.probability.value)
    assert "not significant" in (found.answer, turned.answer)
