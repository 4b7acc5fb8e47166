"""What every function refuses, and what none of them touches."""

import math
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit import stats
from samebit.errors import UsageError

A = [0.91, 0.89, 0.93, 0.90, 0.92]
B = [0.88, 0.90, 0.89, 0.87, 0.90]
TABLE = [[0.88, 0.86, 0.90, 0.87], [0.84, 0.83, 0.87, 0.82], [0.89, 0.85, 0.91, 0.88]]

OF_A_SERIES: list[Callable[[Any], Any]] = [
    stats.mean,
    stats.sd,
    stats.sem,
    lambda x: stats.expected_best(x, sampler="random"),
    lambda x: stats.sign_flip(x, x),
    lambda x: stats.wilcoxon(x, x),
    lambda x: stats.paired_t(x, x),
    lambda x: stats.cohen_dz(x, x),
    lambda x: stats.decide(x, x),
    lambda x: stats.spearman(x, x),
    lambda x: stats.welch_t(A, x),
    lambda x: stats.mann_whitney(A, x),
    lambda x: stats.one_way(A, x),
    lambda x: stats.levene(A, x),
]
OF_A_TABLE: list[Callable[[Any], Any]] = [
    stats.over_tasks,
    lambda x: stats.performance_profile(x, [0.5]),
    lambda x: stats.probability_of_improvement(TABLE, x),
    stats.crossed,
    stats.best_versus_worst,
    stats.rank_with_final,
    lambda x: stats.stopped_early(x, 2, 1, 0.5),
]


@pytest.mark.parametrize("of", OF_A_SERIES)
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "not one value"),
        ([0.1, 0.2, math.nan], "value 2, from 0"),
        ([0.1, math.inf, 0.3], "value 1, from 0"),
        ([0.1, 10**400, 0.3], "value 1, from 0"),
        ([0.1, -1e150], "value 1, from 0"),
        (np.array([0.1, -math.inf]), "value 1, from 0"),
        ([0.1, "0.2", 0.3], "no number, but '0.2'"),
        ([0.1, None], "no number, but None"),
        (np.array(["0.1", "0.2"]), "no number"),
        (np.ma.array([0.1, 0.2], mask=[False, True]), "value 1, from 0"),
        ([0.1, 1j], "no number"),
        ([[0.1, 0.2], [0.3, 0.4]], "not one list"),
        ({"a": 1}, "no list of numbers, but {'a': 1}"),
        (0.1, "no list of numbers, but 0.1"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(
    of: Callable[[Any], Any], values: Any, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        of(values)
    assert said in str(refused.value)


@pytest.mark.parametrize("of", OF_A_TABLE)
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "not one value"),
        ([[0.1, 0.2], [0.3, math.nan]], "row 1, column 1, from 0"),
        ([[0.1, 0.2], [0.3]], "different lengths"),
        ([[0.1, "x"], [0.3, 0.4]], "no number, but 'x'"),
        ([0.1, 0.2], "no table"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(
    of: Callable[[Any], Any], values: Any, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        of(values)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "of",
    [stats.sign_flip, stats.wilcoxon, stats.paired_t, stats.cohen_dz, stats.decide, stats.spearman],
)
def test_sides_of_different_lengths_are_no_pairs(of: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="as many values") as refused:
        of(A, B[:4])
    assert "a: 5" in str(refused.value)
    assert "b: 4" in str(refused.value)


def test_every_kind_of_number_counts() -> None:
    found = stats.mean([1, True, np.float32(1), np.int64(1), Fraction(1)])
    assert (found.value, found.n) == (1, 5)
    assert stats.mean(np.array([1, 2, 3], dtype=np.float16)).value == 2
    assert stats.mean(range(1, 4)).value == 2


def test_no_global_generator_is_touched_and_none_decides() -> None:
    def everything() -> list[Any]:
        return [
            stats.mean(A, how="percentile", resamples=99),
            stats.mean(A, how="bca", resamples=99),
            stats.decide(A, B, resamples=99),
            stats.sign_flip(range(40), [x * x % 37 for x in range(40)]),
            stats.over_tasks(TABLE, resamples=99),
            stats.performance_profile(TABLE, [0.5], resamples=99),
            stats.probability_of_improvement(TABLE, TABLE, resamples=99),
            stats.stopped_early(TABLE, 2, 1, 0.5, repeats=99),
        ]

    found: list[list[Any]] = []
    for seed in (1, 2):
        np.random.seed(seed)
        random.seed(seed)
        before = repr(np.random.get_state()), random.getstate()
        found.append(everything())
        assert (repr(np.random.get_state()), random.getstate()) == before
    assert found[0] == found[1]


def test_a_generator_that_is_given_is_used_and_goes_on() -> None:
    source = np.random.Generator(np.random.PCG64(3))
    first, second = (stats.mean(A, how="bca", resamples=200, seed=source) for _ in range(2))
    assert first == stats.mean(A, how="bca", resamples=200, seed=3)
    assert first != second


def test_every_name_is_there_and_none_is_also_a_module() -> None:
    assert all(callable(getattr(stats, name)) for name in stats.__all__)
    assert dir(stats) == sorted(stats.__all__)
    modules = {path.stem for path in Path(stats.__file__).parent.iterdir()}
    assert not modules & set(stats.__all__)
    with pytest.raises(AttributeError, match="median"):
        stats.median  # noqa: B018


def test_importing_loads_nothing_and_without_numpy_an_error_says_what_to_install() -> None:
    script = """
import sys
from samebit import stats
from samebit.stats.distributions import t_quantile
assert "numpy" not in sys.modules and t_quantile(0.975, 4) > 2.7
sys.modules["numpy"] = None
try:
    stats.mean
except Exception as error:
    print(type(error).__name__, error)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert told.stdout.startswith("UsageError statistics need NumPy")
    assert "hint: install it" in told.stdout
