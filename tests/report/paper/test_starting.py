"""What a new paper proposes of the runs there are: what it compares, by conditions that mean it."""

import tomllib
from typing import Any

import pytest

from samebit.query.choosing import fitting
from samebit.report.paper.starting import proposed


def run(at: int, **more: Any) -> dict[str, Any]:
    row = {"id": f"run{at}", "state": "finished", "kind": "run", "seed": at, "metric.acc": 0.9}
    return row | more


def selections(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """By name the runs that a proposed condition takes."""
    text = proposed(rows, lambda _: False)["samebit.toml"]
    found = tomllib.loads(text)["paper"]["selections"]
    return {name: [row["id"] for row in fitting(rows, said)] for name, said in found.items()}


def by(key: str, *values: Any) -> list[dict[str, Any]]:
    return [run(at, **{key: value}) for at, value in enumerate(values)]


def test_groups_are_what_a_paper_compares() -> None:
    rows = by("group", "a", "b", "a", "b")
    assert selections(rows) == {"a": ["run0", "run2"], "b": ["run1", "run3"]}


def test_without_groups_it_is_a_setting_that_is_a_word() -> None:
    rows = by("config.method", "ours", "theirs", "ours", "theirs")
    assert selections(rows) == {"ours": ["run0", "run2"], "theirs": ["run1", "run3"]}


@pytest.mark.parametrize(
    "values",
    [
        (0.1, 0.2, 0.1, 0.2),  # a number is searched
        ("a", "b", "c", "d"),  # one run each
        ("a", "a", "a", "a"),
        ("a", "b", "a", None),
    ],
)
def test_what_is_no_comparison_is_left_in_one(values: tuple[Any, ...]) -> None:
    assert list(selections(by("config.x", *values))) == ["runs"]


def test_a_seed_is_never_compared() -> None:
    assert list(selections(by("config.seed", "one", "two", "one", "two"))) == ["runs"]


@pytest.mark.parametrize("key", ["config.opt.name", "config.odd name", "config.`x`", "config.a\\"])
@pytest.mark.parametrize("word", ["it's", "a\\", "'; drop", 'say "x"', "ä ö", "null", "1"])
def test_a_condition_means_hostile_names_as_they_are(key: str, word: str) -> None:
    rows = by(key, word, "other", word, "other")
    assert list(selections(rows).values()) == [["run0", "run2"], ["run1", "run3"]]


def test_no_runs_have_a_paper_too() -> None:
    assert selections([]) == {"runs": []}
