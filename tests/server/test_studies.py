"""How far studies are, as the page is told it."""

from pathlib import Path
from typing import Any

import pytest

from samebit.cli import studies_told
from samebit.studies.space import grid
from tests.server.asking import ask, opened
from tests.server.going import Going
from tests.server.recorded import finish
from tests.server.swept import Played, some


def studies(browser: Any, **query: str) -> dict[str, Any]:
    return {one["name"]: one for one in ask(browser, "studies", **query)["studies"]}


def test_what_ctrl_c_ended_is_stopped_until_others_run(store: Path) -> None:
    with Going(store) as study:
        finish(*study.start(0))
        study.stop(1, *study.start(1))
        with opened(store) as browser:
            found = studies(browser)["tuned"]
        assert found["counts"] == {"finished": 1, "stopped": 1, "waiting": 4}
        assert (found["id"], found["trials"], found["left_s"]) == (study.study.id, 6, None)
        study.start(2)
        with opened(store) as browser:
            found = studies(browser)["tuned"]
        assert found["counts"] == {"finished": 1, "running": 1, "waiting": 4}
        assert found["left_s"] > 0


def test_a_sweep_waits_for_all_that_its_budget_of_trials_has(store: Path) -> None:
    with Played(store, budget={"trials": 8}) as sweep:
        some(sweep)
        with opened(store) as browser:
            found = studies(browser)["digits"]
        assert (found["trials"], found["counts"]["waiting"]) == (8, 4)
    with Played(store, "timed") as timed, opened(store) as browser:
        timed.ask({"lr": 0.1})
        found = studies(browser)["timed"]
        assert (found["trials"], found["counts"]) == (1, {"waiting": 1})


def test_the_cells_of_a_grid_are_counted_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def counting(space: Any) -> list[Any]:
        counted.append(len(cells := grid(space)))
        return cells

    monkeypatch.setattr(studies_told, "grid", counting)
    space = {"lr": [0.1, 0.01, 0.001], "optimizer": ["sgd", "adam"]}
    with Played(store, budget={}, space=space, sampler="grid"), opened(store) as browser:
        for _ in range(3):
            assert studies(browser)["digits"]["trials"] == 6
    assert counted == [6]


def test_the_filter_of_the_page_leaves_the_studies_of_its_runs(store: Path) -> None:
    with Going(store) as study, Played(store) as sweep:
        run, writer = study.start(0)
        finish(run, writer)
        some(sweep)
        with opened(store) as browser:
            assert set(studies(browser)) == {"digits", "tuned"}
            assert set(studies(browser, where="group = tuned")) == {"tuned"}
            assert set(studies(browser, ids=run.id)) == {"tuned"}
            assert studies(browser, where="group = nosuch") == {}
