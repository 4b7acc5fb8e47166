"""What runs are meant by words, by a condition, by both."""

from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.errors import NotFound, RunNotFound, UsageError
from samebit.folders import folder as runs
from samebit.query import index
from samebit.query.choosing import choose, fitting

ROWS: list[dict[str, Any]] = [
    {"id": "a", "seed": 2, "metric.acc": 0.9},
    {"id": "b", "seed": 1, "metric.acc": 0.8, "config.lr": 0.1},
    {"id": "c", "seed": 0, "damage": "no such file"},
]


def ids(rows: list[dict[str, Any]]) -> str:
    return "".join(row["id"] for row in rows)


def test_without_a_word_all_are_meant() -> None:
    assert ids(choose(Path(), ROWS)) == "abc"
    assert ids(choose(Path(), ROWS, order="seed")) == "cba"


def test_a_condition_takes_those_that_fit() -> None:
    assert ids(choose(Path(), ROWS, condition="acc > 0")) == "ab"
    assert ids(choose(Path(), ROWS, condition="acc > 0", order="acc")) == "ba"
    assert ids(fitting(ROWS, "damage")) == "c"


@pytest.mark.parametrize(("condition", "order"), [("lrr > 0", None), (None, "lrr")])
def test_a_name_that_no_run_has_is_an_error_and_no_empty_answer(
    condition: str | None, order: str | None
) -> None:
    with pytest.raises(UsageError, match="no run here has 'lrr'") as caught:
        choose(Path(), ROWS, condition=condition, order=order)
    assert "near names: lr" in str(caught.value)


def test_of_no_runs_no_name_is_wrong_but_a_condition_must_be_one() -> None:
    assert choose(Path(), [], condition="anything > 0", order="anything") == []
    with pytest.raises(UsageError):
        choose(Path(), [], condition="> 0")


def test_runs_by_word_come_first_and_each_once(tmp_path: Path) -> None:
    store = places.make_store(tmp_path / ".samebit")
    first, second = (runs.begin(store) for _ in range(2))
    rows = index.rows(store)
    assert [r["id"] for r in choose(store, rows, [second.id])] == [second.id]
    both = choose(store, rows, [second.id, second.id[:8]], "id ~ '*'")
    assert [r["id"] for r in both] == [second.id, first.id]
    with pytest.raises(RunNotFound):
        choose(store, rows, ["nobody"])
    with pytest.raises(NotFound, match=f"{second.id} is not among"):
        choose(store, rows[:1] if rows[0]["id"] == first.id else rows[1:], [second.id])
