"""Which runs go on behind a step, and what that costs."""

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import stats
from samebit.studies.declared import Keeping
from samebit.studies.fates import Fate
from samebit.studies.keeping import BestAt, expected_share
from samebit.studies.stopping import Observed, Stop
from samebit.studies.trials import Early, Start, Trial

VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=9)


def observed(
    values: Mapping[int, float], stopped: Sequence[int], changed: Sequence[int], finished: set[int]
) -> Observed:
    """Trials that each have their value at step 1, and were seen in some order."""
    fates = {
        number: Fate(
            Trial(
                number, {}, starts=(Start(1, f"{number}"),),
                early=Early(1, "") if number in stopped else None,
            ),
            "stopped early" if number in stopped else
            "finished" if number in finished else "running",
        )
        for number in values
    }  # fmt: skip
    given = SimpleNamespace(
        fates=fates, changed=changed, points=lambda number: [(1, values[number])]
    )
    return cast("Any", given)


@given(VALUES, st.data())
def test_in_whatever_order_they_come_those_go_on_that_are_best_of_all(
    values: list[float], data: st.DataObject
) -> None:
    keep = data.draw(st.integers(1, len(values) - 1))
    better = data.draw(st.sampled_from(["higher", "lower"]))
    order = data.draw(st.permutations(range(len(values))))
    stops = BestAt(Keeping(keep, 1, better), "acc")
    stopped: list[int] = []
    for at, number in enumerate(order):
        seen = {one: values[one] for one in order[: at + 1]}
        stopped += [one.number for one in stops.look(observed(seen, stopped, [number], set()))]
    sign = 1 if better == "lower" else -1
    finite = [n for n, value in enumerate(values) if not math.isnan(value)]
    best = sorted(finite, key=lambda n: (sign * values[n], n))[:keep]
    left = set(range(len(values))) - set(stopped)
    assert len(stopped) == len(set(stopped))
    if len(finite) >= keep:
        assert left == set(best)
    else:  # nobody knows that they are not the best
        assert not stopped


def test_what_has_finished_is_a_rival_and_what_has_failed_is_none() -> None:
    stops = BestAt(Keeping(1, 1, "higher"), "acc")
    (stop,) = stops.look(observed({0: 1.0, 1: 0.5}, [], [0, 1], {0}))
    assert stop == Stop(1, 1, "acc 0.5; the best has 1")


@pytest.mark.parametrize(("start", "keep", "fraction"), [(20, 5, 0.25), (3, 1, 0.5), (9, 8, 0.1)])
def test_with_all_at_once_it_costs_what_dodges_formula_says(
    start: int, keep: int, fraction: float
) -> None:
    whole = stats.stopping_cost(start, keep, fraction) / start
    assert expected_share(start, keep, fraction, start) == pytest.approx(whole)
    fewer = [expected_share(start, keep, fraction, jobs) for jobs in (1, 2)]
    assert all(whole <= one + 1e-9 <= 1 + 1e-9 for one in fewer)


def test_with_two_at_once_it_costs_what_was_counted_by_hand() -> None:
    # Four times a quarter, the best's rest, and what others ran behind it in vain: the better of
    # the first two a quarter where the third is the best, a half in sum where the fourth is.
    by_hand = (4 * 0.25 + 0.75 + 0.25 * 0.25 + 0.25 * 0.5) / 4
    assert expected_share(4, 1, 0.25, 2) == pytest.approx(by_hand, abs=0.02)
