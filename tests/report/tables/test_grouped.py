"""Groups of runs as a table: each metric as it was asked for, in the order that was asked for."""

from typing import Any

import pytest

from samebit.errors import UsageError
from samebit.query.where import Sort
from samebit.report.results import result
from samebit.report.tables import grouped, to_csv, to_latex

ROWS: list[dict[str, Any]] = [
    {
        "id": f"r{at}",
        "state": "failed" if at == 5 else "finished",
        "seed": at,
        "config.lr": [0.1, 0.01, None][at % 3],
        "metric.acc": 0.5 + at / 10,
        "min.loss": 1.0 - at / 10,
    }
    for at in range(9)
]


def test_a_group_has_its_n_and_the_estimate_of_each_metric() -> None:
    made = grouped(ROWS, ["config.lr"], ["metric.acc", "min.loss"])
    assert [column.title for column in made.columns] == ["lr", "n", "acc", "loss min"]
    values = [[cell.value for cell in line.cells[:2]] for line in made.lines]
    assert values == [[0.1, 3], [0.01, 3], [None, 3]]
    low = result(ROWS[1::3], "loss", take="min").estimate
    assert made.lines[1].cells[3].value == low
    assert made.left_out == (("r5", "failed"),)
    assert any("95 %" in note for note in made.notes)
    assert "r5 (failed)" in to_latex(made)
    assert to_csv(made).splitlines()[1].startswith("0.1,3,0.8")


def test_groups_come_in_an_order_and_what_has_no_value_comes_last() -> None:
    def firsts(order: Sort | None) -> list[object]:
        made = grouped(ROWS, ["config.lr"], ["metric.acc"], order)
        return [line.cells[0].value for line in made.lines]

    assert firsts(None) == [0.1, 0.01, None]
    # Of 0, 3, 6 the mean is 0.8; of 1, 4, 7 it is 0.9; of 2 and 8, as 5 failed, 1.0.
    assert firsts(Sort("metric.acc", descending=True)) == [None, 0.01, 0.1]
    assert firsts(Sort("config.lr")) == [0.01, 0.1, None]
    assert firsts(Sort("config.lr", descending=True)) == [0.1, 0.01, None]


def test_a_name_that_no_run_has_is_an_error() -> None:
    with pytest.raises(UsageError, match="nosuch"):
        grouped(ROWS, ["nosuch"], ["metric.acc"])
