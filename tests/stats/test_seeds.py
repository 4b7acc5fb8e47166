"""Crossed seeds, curves of seeds, and what became of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from samebit.errors import UsageError
from samebit.stats import (
    best_versus_worst,
    crossed,
    expected_best,
    fates,
    levene,
    rank_with_final,
    spearman,
    stopped_early,
    stopping_cost,
)
from tests.stats.strategies import samples, scores

# Rows are seeds of the initial weights, columns of the data order.
Y = [[0.88, 0.86, 0.90, 0.87], [0.84, 0.83, 0.87, 0.82], [0.89, 0.85, 0.91, 0.88]]


def curves(runs: int = 12, steps: int = 8, seed: int = 0) -> np.ndarray:
    """Each rises to an end of its own, less and less noisily."""
    source = np.random.Generator(np.random.PCG64(seed))
    ends = source.standard_normal((runs, 1))
    at = np.arange(1, steps + 1) / steps
    return ends * at + source.standard_normal((runs, steps)) * (1 - at)


def test_crossed_seeds_are_split_as_in_the_textbook() -> None:
    found = crossed(Y)
    rows, columns, rest = found.parts
    assert [part.sum_squares for part in (rows, columns, rest)] == pytest.approx(
        [0.0043166667, 0.0036666667, 0.0004833333], abs=5e-11
    )
    assert [part.variance for part in (rows, columns, rest)] == pytest.approx(
        [0.0005194444, 0.0003805556, 0.0000805556], abs=5e-11
    )
    assert rows.test is not None
    assert columns.test is not None
    assert (rows.test.statistic, columns.test.statistic) == pytest.approx(
        (26.7931, 15.1724), abs=5e-5
    )
    assert (rows.test.p, columns.test.p) == pytest.approx((0.00102, 0.00330), abs=5e-6)
    assert (rows.test.freedom, columns.test.freedom) == ((2, 6), (3, 6))
    assert (rest.test, rest.freedom, rest.n) == (None, 6, 12)
    assert sum(found.share(part) for part in (rows, columns, rest)) == pytest.approx(1)
    assert str(found).splitlines() == [
        "init: SD 0.0228, 53 %; p = 0.00102 (two-way ANOVA, F(2, 6) 26.79, 3 seeds of init)",
        "order: SD 0.0195, 39 %; p = 0.0033 (two-way ANOVA, F(3, 6) 15.17, 4 seeds of order)",
        "rest: SD 0.00898, 8 %",
    ]


def test_the_best_and_the_worst_seed_are_compared_as_in_the_paper() -> None:
    found = best_versus_worst(Y)
    assert found.statistic == pytest.approx(6.61832, abs=5e-6)
    assert found.p == pytest.approx(0.0421866, abs=5e-8)
    assert found.note == "the best (2) and the worst (1) of 3 rows, so that p is too small"
    assert "the best (2) and the worst (1) of 4 columns" in best_versus_worst(Y, of="columns").note
    spread = levene(Y[1], Y[2])
    assert spread.statistic == pytest.approx(0.0588235, abs=5e-8)
    assert spread.p == pytest.approx(0.816443, abs=5e-7)


# Montgomery, Design and Analysis of Experiments, the three-factor example of filled bottles: two of
# each carbonation, pressure and speed. The book has the squares of the interactions apart: 5.250,
# 0.583, 1.042 and 1.083 with 2, 2, 1 and 2 degrees of freedom.
BOTTLES = [
    [[[-3, -1], [-1, 0]], [[-1, 0], [1, 1]]],
    [[[0, 1], [2, 1]], [[2, 3], [6, 5]]],
    [[[5, 4], [7, 6]], [[7, 9], [10, 11]]],
]


def test_three_kinds_with_repeated_cells_are_split_as_in_the_textbook() -> None:
    found = crossed(BOTTLES, over=("carbonation", "pressure", "speed"))
    assert [(part.over, part.freedom) for part in found.parts] == [
        ("carbonation", 2),
        ("pressure", 1),
        ("speed", 1),
        ("interaction", 7),
        ("repeats", 12),
    ]
    squares = [part.sum_squares for part in found.parts]
    assert squares == pytest.approx([252.75, 45.375, 22.042, 7.958, 8.5], abs=5e-4)
    assert sum(squares) == pytest.approx(336.625)
    *kinds, together, repeats = found.parts
    assert repeats.variance == pytest.approx(8.5 / 12)
    assert together.variance == pytest.approx((7.958 / 7 - 8.5 / 12) / 2, abs=5e-5)
    assert [kind.variance for kind in kinds] == pytest.approx(
        [(ms - 7.958 / 7) / n for ms, n in ((252.75 / 2, 8), (45.375, 12), (22.042, 12))], abs=5e-5
    )
    assert repeats.test is None
    tests = [(part.test.statistic, part.test.p) for part in found.parts if part.test is not None]
    ratios = [126.375 / (7.958 / 7), 45.375 / (7.958 / 7), 22.042 / (7.958 / 7), 7.958 / 7 / 0.7083]
    assert [one for one, _ in tests] == pytest.approx(ratios, rel=1e-3)
    assert [p for _, p in tests] == pytest.approx(
        [scipy.f.sf(f, *n) for f, n in zip(ratios, ((2, 7), (1, 7), (1, 7), (7, 12)), strict=True)],
        rel=1e-2,
    )
    assert str(found).splitlines()[3].endswith("12 cells of carbonation × pressure × speed)")


def test_one_kind_of_seeds_that_are_repeated_is_a_one_way_analysis() -> None:
    values = [[0.91, 0.89, 0.93], [0.88, 0.90, 0.89], [0.95, 0.93, 0.97]]
    found = crossed(values, over=["seed"])
    assert [part.over for part in found.parts] == ["seed", "repeats"]
    expected = scipy.f_oneway(*values)
    assert found.parts[0].test is not None
    assert found.parts[0].test.statistic == pytest.approx(expected.statistic)
    assert found.parts[0].test.p == pytest.approx(expected.pvalue)
    with pytest.raises(UsageError, match="one kind of seeds needs repeats"):
        crossed([0.1, 0.2], over=["seed"])


@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 2), (2, 3, 2, 3)])
def test_sums_of_squares_are_what_a_linear_model_loses_without_a_kind(
    shape: tuple[int, ...],
) -> None:
    table = np.random.Generator(np.random.PCG64(1)).standard_normal(shape)

    def lost(kinds: list[int]) -> float:
        """The residual sum of squares of a least-squares fit of these kinds' main effects."""
        levels = [np.eye(shape[kind])[np.indices(shape)[kind].ravel()] for kind in kinds]
        model = np.hstack([np.ones((table.size, 1)), *levels])
        fitted = model @ np.linalg.lstsq(model, table.ravel(), rcond=None)[0]
        return float(np.sum((table.ravel() - fitted) ** 2))

    kinds = list(range(len(shape)))
    *found, rest = crossed(table, over=[f"kind {kind}" for kind in kinds]).parts
    assert rest.sum_squares == pytest.approx(lost(kinds))
    assert rest.freedom == table.size - 1 - sum(n - 1 for n in shape)
    assert [part.sum_squares for part in found] == pytest.approx(
        [lost([other for other in kinds if other != kind]) - lost(kinds) for kind in kinds]
    )


def test_variances_are_those_that_the_values_were_made_with() -> None:
    source = np.random.Generator(np.random.PCG64(4))
    shapes = {0.3: (10, 1, 1, 1), 0.2: (1, 8, 1, 1), 0.4: (1, 1, 6, 1), 0.1: (10, 8, 6, 1)}
    found = [
        crossed(
            sum(size * source.standard_normal(shape) for size, shape in shapes.items())
            + 0.05 * source.standard_normal((10, 8, 6, 2)),
            over="abc",
        )
        for _ in range(150)
    ]
    variances = np.mean([[part.variance for part in each.parts] for each in found], axis=0)
    assert variances == pytest.approx([0.09, 0.04, 0.16, 0.01, 0.0025], rel=0.1)


def test_an_effect_that_is_less_than_the_rest_is_none() -> None:
    found = crossed([[0.1, 0.2], [0.2, 0.1]])
    assert [part.variance for part in found.parts[:2]] == [0, 0]
    assert found.share(found.parts[2]) == 1


def test_a_table_that_is_a_sum_leaves_nothing_over_but_rounding_which_counts_as_nothing() -> None:
    found = crossed([[0.1, 0.2, 0.4], [0.3, 0.4, 0.6]])
    same = crossed([[0.1, 0.1], [0.1, 0.1]])
    one_kind = crossed([[0.1, 0.1], [0.3, 0.3]])  # nor is there a p of the kind that does nothing
    three = crossed(np.add.outer([0.1, 0.4], [[0.2, 0.3, 0.7]] * 2), over="abc")
    bits = crossed([[[0.1] * 3, [0.2] * 3], [[0.4] * 3, [0.7] * 3]])  # repeats that are equal
    assert [part.variance for part in (found.parts[2], three.parts[3], bits.parts[3])] == [0] * 3
    assert (same.parts[0].variance, same.share(same.parts[0])) == (0, 0)
    judged = [part for each in (found, same, one_kind, three) for part in each.parts[:-1]]
    for part in (*judged, bits.parts[2]):
        assert part.test is not None
        assert part.test.p == 1
        assert math.isnan(part.test.statistic)
        assert part.test.note == "nothing is left over: no test can judge"


def test_kinds_and_seeds_can_be_swapped_and_reordered() -> None:
    found, turned = crossed(Y), crossed(np.transpose(Y), over=("order", "init"))
    assert turned.parts == (found.parts[1], found.parts[0], found.parts[2])
    mixed = crossed(np.array(Y)[::-1, [2, 0, 3, 1]])
    assert mixed.parts[0].variance == pytest.approx(found.parts[0].variance, rel=1e-12)


@pytest.mark.parametrize("table", [[[1, 2, 3]], [[1], [2]]])
def test_crossing_needs_two_seeds_of_each_kind(table: list[list[int]]) -> None:
    for of in (crossed, best_versus_worst):
        with pytest.raises(UsageError, match="two of each kind"):
            of(table)
    with pytest.raises(UsageError, match="rows or columns"):
        best_versus_worst(Y, of="cells")
    for over in ((), ("init",) * 4):
        with pytest.raises(UsageError, match="has an axis for each"):
            crossed(Y, over=over)
    with pytest.raises(UsageError, match="different lengths"):
        crossed([np.zeros((2, 2)), np.zeros((2, 3))], over="abc")


@given(
    samples.flatmap(
        lambda a: st.tuples(st.just(a), st.lists(scores, min_size=len(a), max_size=len(a)))
    )
)
def test_a_rank_correlation_is_that_of_scipy(sides: tuple[list[float], list[float]]) -> None:
    found = spearman(*sides)
    if any(min(side) == max(side) for side in sides):
        assert math.isnan(found.value)
        assert found.note == "all values of one side are equal"
        return
    assert found.value == pytest.approx(scipy.spearmanr(*sides).statistic, abs=1e-12)


def test_the_ranks_at_each_step_are_compared_with_those_at_the_end() -> None:
    table = curves()
    found = rank_with_final(table)
    assert [each.value for each in found] == pytest.approx(
        [scipy.spearmanr(column, table[:, -1]).statistic for column in table.T]
    )
    assert found[-1].value == 1
    assert str(found[3]).endswith("(rank correlation of value 3 with the last, 12 seeds)")
    started_equal = rank_with_final([[0.5, 0.7], [0.5, 0.9]])
    assert math.isnan(started_equal[0].value)
    with pytest.raises(UsageError, match="one curve"):
        rank_with_final([[1, 2, 3]])


def test_the_cost_of_stopping_early_is_that_of_the_paper() -> None:
    assert stopping_cost(30, 4, 0.25, full=100) == 1050
    assert stopping_cost(7, 7, 0.3) == pytest.approx(7)
    assert stopping_cost(5, 1, 1.0) == 5


def test_to_finish_all_that_were_started_is_to_draw_as_many_trials() -> None:
    table = curves()
    for n in (1, 3, 12):
        wanted = expected_best(table[:, -1], [n], sampler="seeds")[0].value
        found = stopped_early(table, n, n, 0.5)
        assert found.value == pytest.approx(wanted, abs=0.02)


def test_to_stop_at_the_end_finds_the_best_that_was_started() -> None:
    table = curves()
    found = stopped_early(table, 5, 1, 1.0)
    assert found.value == pytest.approx(
        expected_best(table[:, -1], [5], sampler="seeds")[0].value, abs=0.02
    )
    assert stopped_early(table, 12, 1, 1.0).value == pytest.approx(table[:, -1].max())


def test_more_starts_for_the_same_cost_find_better_runs_where_the_curves_tell() -> None:
    table = curves(60, 20, seed=3)
    affordable = 5
    plain = expected_best(table[:, -1], [affordable], sampler="seeds")[0].value
    assert stopping_cost(10, 3, 0.25) <= affordable + 1e-9
    assert stopped_early(table, 11, 3, 0.25).value > plain - 0.2
    assert stopped_early(table, 8, 2, 0.5).value > plain


def test_of_losses_the_least_is_kept() -> None:
    table = curves()
    up = stopped_early(table, 6, 2, 0.5)
    down = stopped_early(-table, 6, 2, 0.5, lower_is_better=True)
    assert down.value == pytest.approx(-up.value, abs=1e-12)
    assert str(up).startswith(f"{up.value:.2f}"[:3])


@given(st.permutations(range(12)))
@settings(max_examples=10)
def test_the_order_of_curves_is_of_no_account(order: list[int]) -> None:
    table = curves()
    found = stopped_early(table, 6, 2, 0.5, repeats=200)
    assert stopped_early(table[order], 6, 2, 0.5, repeats=200) == found


def test_plans_that_cannot_be_are_refused() -> None:
    for start, keep, fraction in ((3, 4, 0.5), (3, 0, 0.5), (3, 1, 0), (3, 1, 1.5)):
        with pytest.raises(UsageError):
            stopping_cost(start, keep, fraction)
        with pytest.raises(UsageError):
            stopped_early(curves(), start, keep, fraction)
    with pytest.raises(UsageError, match="of 12 recorded runs 13 cannot be started"):
        stopped_early(curves(), 13, 1, 0.5)


def test_runs_are_counted_by_how_they_ended() -> None:
    recorded = [[0.5, 0.7, 0.9], [0.5, 0.6], [], [0.5, 0.5, math.nan], [0.5, 0.5, 0.5], [math.inf]]
    found = fates(recorded, 3)
    assert (found.started, found.finished, found.stopped_early, found.diverged) == (6, 2, 2, 2)
    assert fates(recorded, 3, floor=0.5).diverged == 3
    assert fates([[0.7, 0.69], [0.7, 0.1]], 2, floor=0.69, lower_is_better=True).diverged == 1
    assert str(found) == "6 started: 2 finished, 2 stopped early, 2 diverged"
