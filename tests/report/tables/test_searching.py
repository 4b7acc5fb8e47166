"""Tables of a search: what was declared, what was tried, how often, and what was best."""

from itertools import product
from typing import Any

import pytest

from samebit.errors import UsageError
from samebit.report.tables import Options, make
from tests.report.tables.rows import row, settings, shown


def grid(seeds: int = 2) -> list[dict[str, Any]]:
    """4 learning rates times 2 widths; the best is 0.01 with 64, by its mean over seeds."""
    found: list[dict[str, Any]] = []
    for at, (lr, width, seed) in enumerate(
        product((0.1, 0.01, 1e-3, 1e-4), (32, 64), range(seeds))
    ):
        acc = (
            0.9 - abs(lr - 0.01) + width / 1000 + (0.2 if (lr, width, seed) == (0.1, 32, 0) else 0)
        )
        found.append(
            row(at, seed=seed, config__lr=lr, config__width=width, config__b=1, metric__acc=acc)
        )
    return found


def test_without_a_declared_space_the_values_tried_are_shown_and_it_is_said() -> None:
    table = make("search", grid(), Options())
    assert shown(table) == [
        ["parameter", "search space", "best"],
        ["learning rate", "{1e-4, 1e-3, 0.01, 0.1}", "0.01"],
        ["width", "{32, 64}", "64"],
        ["trials", "8", ""],
        ["runs", "16", ""],
    ]
    assert (
        "no space is declared for learning rate, width: these are the values tried" in table.notes
    )
    assert "4 × 2 = 8 configurations, each of which ran" in table.notes
    assert any(
        note.startswith("best by the mean of accuracy, higher is better: 0.964")
        for note in table.notes
    )


def test_a_declared_space_and_its_sampler_are_what_is_printed() -> None:
    declared = settings(search={"lr": {"space": "LogUniform[1e-5, 1e-1]", "sampler": "random"}})
    table = make("search", grid(), Options(settings=declared))
    assert shown(table)[:3] == [
        ["parameter", "search space", "sampler", "best"],
        ["learning rate", r"LogUniform\[1e-5, 1e-1\]", "random", "0.01"],
        ["width", "{32, 64}", "---", "64"],
    ]


def test_what_was_declared_and_stayed_the_same_is_searched_too() -> None:
    declared = settings(search={"b": {"space": "{1, 2}"}})
    rows = make("search", grid(), Options(settings=declared))
    assert ["b", "{1, 2}", "1"] in shown(rows)


def test_each_group_has_its_best() -> None:
    table = make("search", grid(1), Options(group=("width",)))
    assert shown(table)[:2] == [
        ["parameter", "search space", "best width 32", "best width 64"],
        ["learning rate", "{1e-4, 1e-3, 0.01, 0.1}", "0.1", "0.01"],
    ]
    assert shown(table)[2] == ["trials", "8", "4", "4"]


def test_the_metric_decides_and_must_be_clear() -> None:
    rows = [one | {"metric.loss": 1 - one["metric.acc"]} for one in grid()]
    table = make("search", rows, Options())
    assert [column.title for column in table.columns] == ["parameter", "search space"]
    assert table.notes[-1] == "which was best depends on the metric: --metric NAME"
    by_loss = make("search", rows, Options(metrics=("loss",)))
    assert shown(by_loss)[1][2] == "0.01"
    rows = [one | {"metric.quux": 1.0} for one in grid()]
    with pytest.raises(UsageError, match="whether higher or lower quux is better is not known"):
        make("search", rows, Options(metrics=("quux",)))


def test_failed_trials_count_and_are_never_the_best() -> None:
    rows = grid(1)
    best = max(rows, key=lambda one: one["metric.acc"])
    best["state"] = "failed"
    table = make("search", rows, Options())
    assert shown(table)[3] == ["trials", "8", ""]
    assert shown(table)[1][2] != str(best["config.lr"]) or shown(table)[2][2] != "32"
    assert "runs that did not finish, among these: 1" in table.notes


def test_groups_may_lack_what_another_searched() -> None:
    rows = [row(at, config__m="a", config__lr=lr, metric__acc=lr) for at, lr in enumerate((1, 2))]
    rows += [row(at, config__m="b", config__wd=0, metric__acc=0.5) for at in (3, 4)]
    table = make("search", rows, Options(group=("m",)))
    assert shown(table)[1:3] == [
        ["learning rate", "{1, 2, none}", "2", "---"],
        ["weight decay", "{0, none}", "---", "0"],
    ]


def test_runs_that_differ_in_nothing_were_no_search() -> None:
    with pytest.raises(UsageError, match="nothing was searched"):
        make("search", [row(0, config__lr=1), row(1, config__lr=1)], Options())
