"""Which checkpoints a rule holds, and which it lets go of."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.session.retention import Rule, Saved, read_rule, to_drop


def saved(*values: Any, every: int = 10) -> list[Saved]:
    return [
        Saved(f"checkpoint {at * every}", at * every, f"m{at}", value)
        for at, value in enumerate(values, 1)
    ]


def left(rule: Rule, there: list[Saved]) -> list[int]:
    """The steps of those that stay whole, after one checkpoint after the other."""
    kept: list[Saved] = []
    for one in there:
        kept.append(one)
        drop, thin = to_drop(rule, kept)
        kept = [one for one in kept if one not in drop and one not in thin]
    return [one.step for one in kept]


def test_without_a_word_the_newest_stays() -> None:
    assert left(Rule(), saved(1, 2, 3)) == [30]
    assert left(read_rule({"last": 2}), saved(1, 2, 3)) == [20, 30]


def test_the_best_stays_beside_the_newest() -> None:
    assert left(read_rule({"best": "acc"}), saved(0.1, 0.9, 0.5, 0.7)) == [20, 40]
    assert left(read_rule({"best": "loss:min"}), saved(0.3, 0.2, 0.5, 0.7)) == [20, 40]
    assert left(read_rule({"best": "val:loss:max"}), saved(0.3, 0.2)) == [10, 20]


def test_nan_and_what_is_no_number_are_never_the_best() -> None:
    for odd in (math.nan, None, True, "1e9"):
        assert left(read_rule({"best": "acc"}), saved(odd, 0.1, 0.0)) == [20, 30]
        assert left(read_rule({"best": "acc:min"}), saved(0.1, odd, 0.2)) == [10, 30]


def test_of_equals_the_earlier_is_the_best() -> None:
    assert left(read_rule({"best": "acc"}), saved(0.5, 0.5, 0.5)) == [10, 30]


def test_every_so_many_steps_one_stays_for_good() -> None:
    assert left(read_rule({"every": 20}), saved(*range(1, 6))) == [20, 40, 50]


def test_of_some_the_weights_alone_stay() -> None:
    drop, thin = to_drop(read_rule({"weights_every": 20}), saved(1, 2, 3))
    assert ([one.step for one in drop], [one.step for one in thin]) == ([10], [20])
    weights = Saved("checkpoint 20", 20, "w", whole=False)
    newest = Saved("checkpoint 30", 30, "m")
    assert to_drop(read_rule({"weights_every": 20}), [weights, newest]) == ([], [])
    assert to_drop(Rule(), [weights, newest]) == ([weights], [])  # the rule has changed since


@given(
    st.lists(st.one_of(st.none(), st.floats()), min_size=1, max_size=12),
    st.integers(1, 4),
    st.sampled_from([None, 2, 3]),
    st.booleans(),
)
def test_the_newest_and_the_best_are_never_let_go_of(
    values: list[float | None], last: int, every: int | None, smallest: bool
) -> None:
    rule = Rule(last, "acc", smallest, every)
    there = saved(*values, every=1)
    steps = left(rule, there)
    assert steps[-last:] == [one.step for one in there][-last:]
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    if numbers:
        best = (min if smallest else max)(numbers)
        assert values.index(best) + 1 in steps
    if every:
        assert {one.step for one in there if one.step % every == 0} <= set(steps)


def test_a_rule_reads_the_same_from_a_mapping_and_from_a_setting() -> None:
    texts = ["last=2", "best=val.loss:min", "every=1000", " weights_every = 100"]
    rule = Rule(2, "val.loss", True, 1000, 100)
    assert read_rule(texts) == rule
    of = {"last": 2, "best": "val.loss:min", "every": 1000, "weights_every": 100}
    assert read_rule(of) == rule
    assert read_rule({"every": None}) == Rule()


@pytest.mark.parametrize(
    "wrong",
    [
        {"last": 0},
        {"last": True},
        {"every": -1},
        {"best": 3},
        {"best": ":min"},
        {"first": 1},
        ["last"],
        ["newest=1"],
    ],
)
def test_a_rule_that_does_not_exist_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        read_rule(wrong)
