"""Which step a row has, and what of it is written."""

from typing import Any

import pytest

from samebit.compat.wandb.faults import Error
from samebit.compat.wandb.history import History, make_definition
from samebit.compat.wandb.summaries import nested, summed_up


class Rows(list[tuple[dict[str, Any], int]]):
    def take(self, row: dict[str, Any], step: int) -> None:
        self.append((dict(row), step))


@pytest.fixture
def rows() -> Rows:
    return Rows()


def test_rows_are_numbered_by_wandbs_own_counter(rows: Rows) -> None:
    history = History(rows.take)
    history.add({"loss": 1.0})
    history.add({"a": 1}, commit=False)
    history.add({"b": 2}, commit=False)
    history.add({"c": 3})
    history.add({})
    history.add({"d": 4})
    assert rows == [
        ({"loss": 1.0}, 0),
        ({"a": 1}, 1),
        ({"b": 2}, 1),
        ({"c": 3}, 1),
        ({}, 2),
        ({"d": 4}, 3),
    ]
    assert history.step == 4


def test_a_given_step_is_kept_and_the_counter_goes_on_from_it(rows: Rows) -> None:
    history = History(rows.take)
    history.add({"a": 1}, step=10)
    assert history.step == 10  # as wandb: the row is not committed
    history.add({"b": 1}, step=10)
    history.add({"c": 1})
    assert history.step == 11
    history.add({"d": 1}, step=5)  # wandb throws it away; a step of ours need not rise
    history.add({"e": 1}, step=11, commit=True)
    assert history.step == 12
    assert [step for _, step in rows] == [10, 10, 10, 5, 11]


@pytest.mark.parametrize(
    ("data", "step", "says"),
    [
        ([1], None, "must be passed a dictionary"),
        (None, None, "must be passed a dictionary"),
        ({1: 2}, None, "must be strings"),
        ({"a": 1}, "40", "cannot be interpreted as an integer"),
        ({"a": 1}, 50.0, "cannot be interpreted as an integer"),
    ],
)
def test_what_wandb_refuses_is_refused_alike(rows: Rows, data: Any, step: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        History(rows.take).add(data, step)
    assert rows == []


def test_a_step_metric_is_the_step_where_it_is_a_whole_number(rows: Rows) -> None:
    history = History(rows.take)
    history.define(make_definition("train/global_step"))
    history.define(make_definition("*", step_metric="train/global_step", step_sync=True))
    history.add({"loss": 1.0, "train/global_step": 20})
    history.add({"eval": 2.0})  # has the last value
    history.add({"loss": 0.5, "train/global_step": 40.0})
    history.add({"loss": 0.4, "train/global_step": 40.5})  # is none: wandb's own number
    assert [(step, sorted(row)) for row, step in rows] == [
        (20, ["loss", "train/global_step"]),
        (20, ["eval"]),
        (40, ["loss", "train/global_step"]),
        (3, ["loss", "train/global_step"]),
    ]


def test_each_metric_has_its_own_step(rows: Rows) -> None:
    history = History(rows.take)
    history.define(make_definition("val/*", step_metric="epoch", step_sync=False))
    history.add({"loss": 1.0, "val/acc": 0.5, "epoch": 7})
    history.add({"loss": 1.0, "val/acc": 0.5})
    assert rows == [
        ({"loss": 1.0}, 0),
        ({"val/acc": 0.5, "epoch": 7}, 7),
        ({"loss": 1.0, "val/acc": 0.5}, 1),
    ]


def test_the_definition_of_a_name_counts_before_a_pattern(rows: Rows) -> None:
    history = History(rows.take)
    history.define(make_definition("*", step_metric="a"))
    history.define(make_definition("val/*", step_metric="b"))
    history.define(make_definition("val/x"))
    history.add({"val/x": 1.0, "val/y": 2.0, "z": 3.0, "a": 10, "b": 20})
    assert {name: step for row, step in rows for name in row} == {
        "val/x": 0,
        "val/y": 20,
        "b": 20,
        "z": 10,
        "a": 10,
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"name": 1}, "name type: int"),
        ({"name": "v*l"}, "glob suffixes only"),
        ({"name": "a", "summary": "x"}, "summary op: x"),
        ({"name": "a", "goal": "x"}, "goal: x"),
        ({"name": "a", "step_metric": 3}, "step_metric type: int"),
    ],
)
def test_a_definition_that_wandb_refuses_is_refused(words: dict[str, Any], says: str) -> None:
    with pytest.raises(Error, match=says):
        make_definition(**words)


@pytest.mark.parametrize(
    ("summary", "goal", "found"),
    [
        (None, None, 2.0),
        ("min", None, {"min": 1.0}),
        ("max,last,mean", None, {"max": 5.0, "last": 2.0, "mean": 2.5}),
        ("best", "minimize", {"best": 1.0}),
        ("best", "maximize", {"best": 5.0}),
        ("first", None, {"first": 3.0}),
        ("none", None, None),
    ],
)
def test_values_are_summed_up_as_they_were_defined(
    summary: str | None, goal: str | None, found: Any
) -> None:
    definition = make_definition("a", summary=summary, goal=goal)
    values = [3.0, float("nan"), 1.0, 5.0, 1.5, 2.0]
    assert summed_up(values, definition) == found


def test_nothing_to_sum_up_is_nothing() -> None:
    assert summed_up([], make_definition("a", summary="min,max")) == {}
    assert summed_up([float("nan")], make_definition("a", summary="min")) == {}
    assert summed_up([], None) is None


def test_values_by_paths_are_dicts_inside_each_other() -> None:
    assert nested({("a",): 1, ("n", "x"): 2, ("n", "y", "z"): 3}) == {
        "a": 1,
        "n": {"x": 2, "y": {"z": 3}},
    }
    assert nested({("n",): 1, ("n", "x"): 2}) == {"n": 1, "x": 2}
