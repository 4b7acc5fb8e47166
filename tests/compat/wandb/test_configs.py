"""`wandb.config`, as wandb 0.31 changes and refuses."""

import argparse
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.compat.wandb.configs import Config, defaults, parsed
from samebit.compat.wandb.faults import ConfigError, Error
from samebit.compat.wandb.media import Histogram


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def config(told: list[dict[str, Any]]) -> Config:
    found = Config(lambda items: told.append(dict(items)))
    found.update({"lr": 0.1, "n": {"a": 1}, "-x-": 3})
    return found


def test_values_are_items_and_attributes(config: Config, told: list[Any]) -> None:
    assert (config.lr, config["n"], config.x) == (0.1, {"a": 1}, 3)
    assert config.get("zz", 4) == 4
    assert "lr" in config
    assert dict(config) == config.as_dict() == {"lr": 0.1, "n": {"a": 1}, "x": 3}
    assert {**config} == dict(config)
    assert told == [dict(config)]
    with pytest.raises(AttributeError, match="no attribute 'zz'"):
        _ = config.zz
    with pytest.raises(KeyError):
        _ = config["zz"]


@pytest.mark.parametrize("how", ["attribute", "item", "update"])
def test_a_value_is_changed_on_purpose_only(config: Config, told: list[Any], how: str) -> None:
    def change(value: float) -> None:
        if how == "attribute":
            config.lr = value
        elif how == "item":
            config["lr"] = value
        else:
            config.update({"lr": value, "new": 1})

    with pytest.raises(ConfigError, match='change value of key "lr"'):
        change(0.2)
    assert dict(config) == {"lr": 0.1, "n": {"a": 1}, "x": 3}
    change(0.1)
    config.update({"lr": 0.3}, allow_val_change=True)
    assert told[-1]["lr"] == config.lr == 0.3


def test_defaults_fill_what_is_not_there(config: Config) -> None:
    config.setdefaults({"lr": 5, "q": 1})
    assert (config.lr, config.q) == (0.1, 1)


def test_values_become_plain_as_in_wandb(config: Config) -> None:
    values = {"np": np.float32(0.1), "arr": np.arange(3), "fn": print, "tup": (1, 2), "s": {1}}
    config.update(values)
    assert config.np == 0.10000000149011612
    assert (config.arr, config.fn, config.tup, config.s) == (
        [0, 1, 2],
        "builtins.print",
        [1, 2],
        [1],
    )


def test_what_is_no_configuration_is_refused(config: Config) -> None:
    with pytest.raises(TypeError, match="must be a dict or have a"):
        config.update([1])
    with pytest.raises(AttributeError):
        config.update({1: 2})
    with pytest.raises(TypeError, match="WBValue objects"):
        config.update({"h": Histogram([1, 2])})
    with pytest.raises(ConfigError, match="doesn't exist"):
        parsed("nope.yaml")


def test_namespaces_and_files_are_taken(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.update(argparse.Namespace(b=3))
    assert config.b == 3
    monkeypatch.chdir(tmp_path)
    assert defaults() == {}
    Path("c.yaml").write_text("wandb_version: 1\nlr:\n  value: 2\n  desc: rate\nplain: 1\n")
    assert parsed("c.yaml") == {"lr": 2, "plain": 1}
    Path("bad.yaml").write_text("[1, 2]\n")
    with pytest.raises(ConfigError, match="is no config file"):
        parsed("bad.yaml")
    Path("config-defaults.yaml").write_text("[")
    assert defaults() == {}  # which nobody asked for
    assert issubclass(ConfigError, Error)


def test_a_configuration_is_pickled_as_its_values(config: Config) -> None:
    assert dict(pickle.loads(pickle.dumps(config))) == dict(config)
