"""Two states leaf by leaf: at once by their digests, and by numbers one leaf after the other."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit.cli.main import main
from samebit.cli.telling import given
from samebit.errors import SamebitError
from samebit.server import beside
from samebit.server.leaves import Leaves
from samebit.server.reading import Reader
from tests.server.asking import ask, opened, refusal
from tests.server.states import with_states
from tests.server.test_contract import fits

FIRST = {
    "model": {
        "an_equal": np.arange(6.0).reshape(2, 3),
        "moved": np.array([1.0, 2.0, math.nan], np.float32),
        "cast": np.zeros(2, np.float32),
        "grown": np.zeros(2, np.int64),
        "gone": np.zeros(1),
    },
    "lr": 0.1,
}
SECOND = {
    "model": {
        "an_equal": np.arange(6.0).reshape(2, 3),
        "moved": np.array([1.0, 2.5, 3.0], np.float32),
        "cast": np.zeros(2, np.float64),
        "grown": np.zeros(3, np.int64),
        "<b>new</b>": np.zeros(1),
    },
    "lr": 0.2,
}


def two(store: Path) -> str:
    first, second = (with_states(store, {"final": state}) for state in (FIRST, SECOND))
    return f"{first.id}:final,{second.id}:final"


def test_digests_alone_tell_which_leaves_differ_and_which_only_one_has(store: Path) -> None:
    of = two(store)
    with opened(store) as browser:
        found = fits(ask(browser, "states", of=of), beside.StatesApart)
    assert (found.total, found.equal) == (6, 1)
    told = {leaf.place: (leaf.equal, leaf.measurable, leaf.shapes) for leaf in found.leaves}
    assert told == {
        "model.<b>new</b>": (False, False, [None, [1]]),
        "model.cast": (False, False, [[2], [2]]),
        "model.gone": (False, False, [[1], None]),
        "model.grown": (False, False, [[2], [3]]),
        "model.moved": (False, True, [[3], [3]]),
        "model.an_equal": (True, False, [[2, 3], [2, 3]]),
    }
    assert found.leaves[-1].equal is True  # what differs comes first
    assert found.values == [beside.ValueRow("lr", "0.1", "0.2")]


def test_numbers_of_a_leaf_are_those_of_the_command(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of = two(store)
    monkeypatch.chdir(store.parent)
    main(["state", "diff", *of.split(","), "--json"])
    said: dict[str, Any] = {
        one["place"]: one for one in json.loads(capsys.readouterr().out)["leaves"]
    }
    with opened(store) as browser:
        found = fits(ask(browser, "states/leaf", of=of, place="model.moved"), beside.LeafApart)
    moved = said["model.moved"]
    assert (found.differing, found.max_abs, found.max_ulp, found.nan) == (
        *(moved["differing"], moved["max_abs"], moved["max_ulp"], moved["nan_on_one_side"]),
    )
    assert (found.differing, found.elements, found.max_abs, found.nan) == (2, 3, 0.5, 1)


def test_where_only_digests_were_kept_it_is_said(store: Path) -> None:
    first, second = (with_states(store, {"final": one}, keep=False) for one in (FIRST, SECOND))
    of = f"{first.id}:final,{second.id}:final"
    with opened(store) as browser:
        listed = ask(browser, "states", of=of)["leaves"]
        moved = next(leaf for leaf in listed if leaf["place"] == "model.moved")
        assert (moved["equal"], moved["measurable"]) == (False, False)
        found = ask(browser, "states/leaf", of=of, place="model.moved")
    assert (found["differing"], found["why"]) == (None, "only digests were kept")


def test_two_states_of_one_run_are_compared_as_well(store: Path) -> None:
    run = with_states(store, {"step 0": FIRST, "final": FIRST | {"lr": 0.0}})
    with opened(store) as browser:
        found = ask(browser, "states", of=f"{run.id}:step 0,{run.id}:final")
    assert (found["equal"], found["total"]) == (5, 5)
    assert [side["name"] for side in found["sides"]] == ["step 0", "final"]
    assert found["values"] == [{"place": "lr", "first": "0.1", "second": "0.0"}]


def test_what_is_not_there_is_said(store: Path) -> None:
    of = two(store)
    run = of.partition(":")[0]
    with opened(store) as browser:
        assert refusal(browser, "states", of=f"{run}:final")[0] == 400
        assert refusal(browser, "states", of=f"{run}:final,{run}:step 7")[0] == 404
        assert refusal(browser, "states", of=f"{run}:final,0000000000:final")[0] == 404
        assert refusal(browser, "states/leaf", of=of, place="model.gone")[0] == 404
        assert refusal(browser, "states/leaf", of=of, place="../../etc/passwd")[0] == 404


def test_some_of_the_servers_threads_stay_free(store: Path) -> None:
    of = two(store).split(",")
    leaves = Leaves(Reader(store), given(store))
    held = [leaves._free.acquire(blocking=False) for _ in range(3)]
    assert held == [True, True, False]
    with pytest.raises(SamebitError, match="being compared already"):
        leaves.leaf(of, None, "model.moved")
    leaves._free.release()
    assert leaves.leaf(of, None, "model.moved").differing == 2
    assert leaves.leaf(of, None, "model.moved").differing == 2
