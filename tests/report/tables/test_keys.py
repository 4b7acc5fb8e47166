"""Which settings a table shows: each sorted by a rule that can be read, and none twice or lost."""

from typing import Any

import pytest

from samebit.report.tables.keys import folded, sort_keys
from tests.report.tables.rows import WARM_UP, row, settings, study


def kinds(rows: list[dict[str, Any]], *across: str, **table: Any) -> dict[str, tuple[str, str]]:
    found = sort_keys(rows, across, settings(**table))
    return {key.key: (key.kind, key.why) for key in found}


def test_settings_are_sorted_by_what_they_do_over_the_runs() -> None:
    rows, _, _ = folded(study(), ["config.task"])
    found = {key: kind for key, (kind, _) in kinds(list(rows), "config.task").items()}
    assert found["config.task"] == "column"
    assert found["config.model.width"] == "column"  # goes with the task
    assert found["config.method"] == "varies"
    assert found["config.dropout"] == "varies"  # half of the runs have none
    assert found["config.seed"] == "seed"
    assert found["training.batch"] == "constant"
    assert found["config.out_dir"] == found["config.log_every"] == "left out"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("out_dir", "x", "a path, by its name"),
        ("paths", "x", "a path, by its name"),
        ("corpus", "/data/corpus", "a path, by its value"),
        ("wandb_project", "x", "logging, by its name"),
        ("eval_every", 10, "logging, by its name"),
        ("num_workers", 4, "devices, by its name"),
        ("device", "cuda:0", "devices, by its name"),
        ("optim.Local-Rank", 0, "devices, by its name"),
    ],
)
def test_what_is_no_setting_is_left_out_by_a_rule_that_says_so(
    name: str, value: object, why: str
) -> None:
    rows = [row(0, **{f"config__{name}": value})]
    key = f"config.{name}"
    assert kinds(rows)[key] == ("left out", why)
    assert kinds(rows, keep=[name])[key][0] == "constant"


@pytest.mark.parametrize(
    "name", ["bidirectional", "logits", "directory_size", "pathway", "gpt", "profile", "outliers"]
)
def test_a_name_that_only_looks_like_one_is_a_setting(name: str) -> None:
    assert kinds([row(0, **{f"config__{name}": 1})])[f"config.{name}"][0] == "constant"


def test_a_project_may_leave_out_and_order() -> None:
    found = kinds(study(), ignore=["drop*"], order=["model.width", "method"])
    assert found["config.dropout"] == ("left out", "ignore in [table]")
    assert list(found)[:2] == ["config.model.width", "config.method"]


def test_what_config_and_optimizer_say_alike_is_there_once() -> None:
    rows, merged, notes = folded(study(), [])
    assert merged == {
        "config.optim.lr": "optimizer.lr",
        "config.optim.weight_decay": "optimizer.weight_decay",
        "config.batch_size": "training.batch",
    }
    assert notes == []
    assert rows[0]["optimizer.lr"] == WARM_UP
    assert not {*merged} & set().union(*rows)


@pytest.mark.parametrize(
    ("used", "agrees"),
    [
        (0.1, True),
        ("linear warm-up 10 steps to 0.1, then constant", True),
        ("0.1, ×0.5 every 30 steps to 0.025", True),
        (0.05, False),
        ("0.3, ×0.1 every 30 steps to 3e-4", False),  # a factor is no learning rate
        ("linear warm-up 0.1 steps to 0.2", False),
    ],
)
def test_where_the_optimizer_used_another_both_stand_there_and_a_note(
    used: object, agrees: bool
) -> None:
    rows, merged, notes = folded([row(0, config__lr=0.1, optimizer__lr=used)], [])
    assert (merged == {"config.lr": "optimizer.lr"}) is agrees
    assert ("config.lr" in rows[0]) is not agrees
    assert bool(notes) is not agrees
    if notes:
        assert notes[0].startswith("lr is 0.1 in the configuration, and the optimizer used ")


def test_runs_without_a_recorded_optimizer_keep_what_the_configuration_says() -> None:
    rows, _, _ = folded([row(0, config__lr=0.1, optimizer__lr=0.1), row(1, config__lr=0.2)], [])
    assert [one["optimizer.lr"] for one in rows] == [0.1, 0.2]


def test_a_key_that_makes_the_columns_stays_as_it_is() -> None:
    rows = [row(at, config__lr=lr, optimizer__lr=lr) for at, lr in enumerate([0.1, 0.2])]
    found, merged, _ = folded(rows, ["config.lr"])
    assert merged == {}
    assert [sorted(key for key in one if key.endswith(".lr")) for one in found] == [
        ["config.lr"]
    ] * 2


@pytest.mark.parametrize("name", ["norm.eps", "env.batch_size", "bn.momentum", "ema.lr", "name"])
def test_a_name_means_the_optimizer_s_only_where_it_is_one(name: str) -> None:
    facts = {"optimizer__eps": 0.5, "training__batch": 0.5, "optimizer__momentum": 0.5}
    facts |= {"optimizer__lr": 0.5, "optimizer__name": "0.5"}
    rows = [row(0, **{f"config__{name}": 0.5}, **facts)]
    assert folded(rows, []) == (rows, {}, [])


@pytest.mark.parametrize("name", ["lr", "optim.lr", "train.optimizer.lr", "optimizer.params.lr"])
def test_it_may_stand_below_what_is_called_an_optimizer(name: str) -> None:
    rows = [row(0, **{f"config__{name}": 0.5}, optimizer__lr=0.5)]
    assert folded(rows, [])[1] == {f"config.{name}": "optimizer.lr"}


def test_the_optimizer_s_name_is_folded_from_where_it_stands() -> None:
    rows = [
        row(0, config__optimizer__name="adamw", config__model__name="x", optimizer__name="AdamW")
    ]
    assert folded(rows, [])[1] == {"config.optimizer.name": "optimizer.name"}
