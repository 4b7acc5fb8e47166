"""What a sweep came to, as the page is told it: that of `samebit sweep show --json`."""

from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.cli.sweep_found import Found
from samebit.digest import from_json
from tests.server.asking import ask, opened, refusal
from tests.server.swept import METRIC, Played, some
from tests.server.test_contract import fits


@pytest.fixture
def shown(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command line says of a sweep."""
    monkeypatch.setenv("SAMEBIT_DIR", str(store))

    def show(name: str) -> Any:
        assert main(["sweep", "show", name, "--json"]) == 0
        return from_json(capsys.readouterr().out.encode())

    return show


def told(browser: Any, name: str) -> Any:
    """What the page is told of it, in its shape."""
    found = ask(browser, "sweep", name=name)
    fits(found, Found)
    return found


@pytest.mark.parametrize("take", ["last", "best"])
def test_it_is_that_of_the_command_line(store: Path, shown: Any, take: str) -> None:
    with Played(store, take=take) as sweep, opened(store) as browser:
        assert told(browser, "digits") == shown("digits")
        assert told(browser, "digits")["configurations"] == []
        some(sweep)
    with opened(store) as browser:
        found = told(browser, "digits")
        assert found == shown("digits")
    states = [one["state"] for one in found["configurations"]]
    assert states == ["finished", "finished", "stopped early", "failed", "running"]
    assert [one["value"] for one in found["configurations"]][:2] == (
        [0.75, 0.875] if take == "last" else [0.75, 0.95]
    )
    stopped, failed = found["configurations"][2:4]
    assert (stopped["stopped_at"], stopped["why"]) == (1, f"{METRIC} 0.1")
    assert (failed["stopped_at"], failed["why"]) == (None, "")
    assert (found["ranking"], found["best"]) == ([2, 1, 3, 4, 5], 2)
    assert found["best_so_far"] == [one["value"] for one in found["configurations"]][:2]
    assert found["expected_of"] == [1, 2]
    assert found["budget"] == {"trials": 12, "seconds": 7200}
    assert found["left_seconds"] == 7200 - found["spent_seconds"]
    assert found["left_device_seconds"] is None
    assert found["space"]["momentum"] == "Uniform[0.0, 0.99] where optimizer is sgd"


def test_seeds_are_a_mean_and_its_spread_and_what_comes_is_there(store: Path, shown: Any) -> None:
    with Played(store, seeds=2) as sweep, opened(store) as browser:
        for lr in (0.1, 0.01):
            sweep.ask({"lr": lr, "optimizer": "adam"})
        sweep.end(0, 0.5)
        sweep.end(1, 0.75)
        sweep.end(2, 0.9)
        while len(ask(browser, "runs", columns="id")["ids"]) < 3:
            pass
        found = told(browser, "digits")
        assert found == shown("digits")
        first, second = found["configurations"]
        assert (first["value"], first["sd"], len(first["runs"])) == (0.625, 0.125 * 2**0.5, 2)
        assert (second["state"], second["value"], second["sd"]) == ("running", None, None)
        run, _ = sweep.start(3)
        while len(told(browser, "digits")["configurations"][1]["runs"]) < 2:
            pass
        assert told(browser, "digits")["configurations"][1]["runs"][1] == run.id


def test_which_settings_mattered_is_told_by_both(
    store: Path, shown: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with Played(store) as sweep:
        for number in range(8):
            lr, is_sgd = 10.0 ** -(1 + number // 2), number % 2 == 1
            settings = {"lr": lr, "optimizer": "sgd" if is_sgd else "adam"}
            (trial,) = sweep.ask(settings | ({"momentum": 0.9} if is_sgd else {}))
            sweep.end(trial, 0.5 + 0.2 * is_sgd - lr / 100)
        sweep.end(*sweep.ask({"lr": 0.1, "optimizer": "adam"}), status="failed")
    with opened(store) as browser:
        found = told(browser, "digits")["importance"]
    assert found == shown("digits")["importance"]
    optimizer, momentum, lr = found
    assert (optimizer["setting"], optimizer["rank"], optimizer["n"]) == ("optimizer", None, 8)
    assert optimizer["share"] == momentum["share"] > 0.99
    assert (lr["setting"], lr["share"]) == ("lr", 0.0)
    assert main(["sweep", "show", "digits"]) == 0
    assert "by one setting alone:\n  optimizer 100 % (n 8)" in capsys.readouterr().out


def test_what_is_no_sweep_is_said(store: Path) -> None:
    with Played(store), opened(store) as browser:
        status, error = refusal(browser, "sweep", name="nosuch")
        assert (status, error["what"]) == (404, "no sweep is called 'nosuch'")
        assert refusal(browser, "sweep")[0] == 404
