"""Of a hundred thousand points a few hundred are drawn, and none that mattered is lost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.report.curves import axis, span, stairs, thinned

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_one_spike_among_a_hundred_thousand_points_stays() -> None:
    values = [1.0] * 100_000
    values[77_777] = 50.0
    curve = thinned(range(100_000), values, 320)
    assert curve is not None
    assert len(curve.points) == len(curve.band) == 320
    assert max(high for _, _, high in curve.band) == 50.0
    assert min(low for _, low, _ in curve.band) == 1.0
    assert curve.high == (77_777, 50.0)
    assert span([curve]) == (1.0, 50.0)


def test_few_points_are_drawn_as_they_are() -> None:
    curve = thinned([3, 1, 2], [0.5, 2, 1.0], 2)
    assert curve is not None
    assert curve.points == ((1, 2), (2, 1.0), (3, 0.5))
    assert curve.band == ()
    assert (curve.last, curve.low, curve.high) == ((3, 0.5), (3, 0.5), (1, 2))


@pytest.mark.parametrize("columns", [2, 100])
def test_what_is_no_number_or_infinite_breaks_the_line_and_is_counted(columns: int) -> None:
    values = [1.0] * 10 + [math.nan] * 10 + [math.inf] * 10 + [2.0] * 10
    curve = thinned(range(40), values, columns)
    assert curve is not None
    assert (curve.points_recorded, curve.odd_recorded) == (40, 20)
    assert {str(value) for _, value in curve.odd} == {"nan", "inf"}
    assert min(step for step, _ in curve.odd) == 10
    assert (curve.low, curve.high) == ((0, 1.0), (30, 2.0))
    assert any(math.isnan(value) for _, value in curve.points) == (columns == 100)


def test_a_curve_of_nothing_but_nan_is_one_without_ends() -> None:
    curve = thinned([1, 2], [math.nan, math.nan], 10)
    assert curve is not None
    assert (curve.low, curve.high) == (None, None)
    assert len(axis(*span([curve])).ticks) > 1


def test_texts_and_switches_are_no_curve() -> None:
    assert thinned([1, 2, 3], ["a", "b", "c"], 10) is None
    assert thinned([1, 2], [True, False], 10) is None
    assert thinned([1], [0.5], 10) is None
    mixed = thinned([1, 2, 3], ["a", 10**400, 2], 10)
    assert mixed is not None
    assert mixed.points_recorded == 2
    assert mixed.odd == ((2, math.inf),)


def test_the_mean_of_huge_numbers_is_finite() -> None:
    curve = thinned(range(100), [1.7e308, 1.5e308] * 50, 5)
    assert curve is not None
    assert all(math.isfinite(mean) for _, mean in curve.points)


def test_what_held_between_changes_is_drawn_as_stairs() -> None:
    assert stairs([1, 5, 6], [0.1, 0.2, 0.3], 9) == ([1, 4, 5, 6, 9], [0.1, 0.1, 0.2, 0.3, 0.3])
    assert stairs([1], [0.1], 1) == ([1], [0.1])


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.02, 2.4, ["0", "0.5", "1.0", "1.5", "2.0", "2.5"]),
        (0.61, 0.99, ["0.6", "0.7", "0.8", "0.9", "1.0"]),
        (-3, 14, ["-5", "0", "5", "10", "15"]),
        (0, 1e-5, ["0", "2.0e-6", "4.0e-6", "6.0e-6", "8.0e-6", "1.0e-5"]),
        (0.99901, 0.99909, ["0.99900", "0.99902", "0.99904", "0.99906", "0.99908", "0.99910"]),
        (1e-6, 1.0, ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1"]),
        (0.0, 1e-323, ["-1.0", "-0.5", "0", "0.5", "1.0"]),
        (7.0, 7.0, ["2", "4", "6", "8", "10", "12"]),
    ],
)
def test_ticks_stand_at_round_numbers(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in axis(low, high).ticks] == labels


def test_an_axis_of_steps_ends_where_they_end_and_has_whole_ticks() -> None:
    across = axis(1, 3, of_steps=True)
    assert (across.low, across.high) == (1, 3)
    assert [label for _, label in across.ticks] == ["1", "2", "3"]
    assert axis(5, 5, of_steps=True).share(5) == 0.5
    assert [t for _, t in axis(0, 100_000, of_steps=True).ticks][:2] == ["0", "20k"]


def test_more_than_three_decades_are_drawn_by_their_logarithm() -> None:
    assert axis(1e-4, 1.0).is_log
    assert not axis(1e-3, 1.0).is_log
    assert not axis(-1e-4, 1.0).is_log
    assert not axis(0.0, 1.0).is_log
    assert not axis(1e-8, 1.0, is_linear=True).is_log


@given(FINITE, FINITE, st.booleans())
def test_every_axis_holds_its_values_and_has_a_few_ticks(
    one: float, other: float, of_steps: bool
) -> None:
    low, high = sorted((one, other))
    found = axis(low, high, of_steps=of_steps)
    assert -1e-6 <= found.share(low) <= found.share(high) <= 1 + 1e-6
    assert len(found.ticks) <= 13
    assert all(-1e-6 <= share <= 1 + 1e-6 for share, _ in found.ticks)
    assert len({label for _, label in found.ticks}) == len(found.ticks)
