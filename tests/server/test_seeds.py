"""What groups of seeds tell: the best of n, pairs with equal seeds, two kinds of seeds crossed."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from samebit import stats
from samebit.cli.groups_told import GroupTold
from samebit.cli.main import main
from samebit.digest import from_json
from samebit.query import seeds
from samebit.query.crossing import Crossing
from samebit.query.seeds import CROSSED
from samebit.report.versus import Versus
from samebit.studies.declared import Keeping
from tests.server.asking import ask, opened, refusal
from tests.server.going import COUNT, Going
from tests.server.recorded import finish, record
from tests.server.test_contract import fits

# Crossed seeds with their parts, of which reference values are known: rows init, columns order.
TABLE = [[0.88, 0.86, 0.90, 0.87], [0.84, 0.83, 0.87, 0.82], [0.89, 0.85, 0.91, 0.88]]


def of(store: Path, method: str, value: float, status: str = "finished", **seeds_: int) -> str:
    """A run of a method that came to a value."""
    config = {"method": method, **{f"{kind}_seed": seed for kind, seed in seeds_.items()}}
    return record(store, config=config, rows=[({"acc": value}, 1)], status=status).id


def versus(browser: Any, **query: str) -> Any:
    """Two groups against each other by their accuracy, in the shape of it."""
    found = ask(browser, "seeds/versus", metric="acc", **query)
    fits(found, Versus)
    return found


def groups(browser: Any) -> dict[str, Any]:
    found = ask(browser, "runs/groups", by="method", metric="acc")["groups"]
    return {group["values"][0]: group for group in found}


def test_the_best_of_n_is_that_of_the_statistics(store: Path) -> None:
    values = [0.8, 0.75, 0.9, 0.24, 0.45, 0.6]
    for seed, value in enumerate(values):
        of(store, "plain", value, init=seed)
    of(store, "new", math.nan, init=0)
    with opened(store) as browser:
        for better, lower in (("higher", False), ("lower", True)):
            found = ask(browser, "seeds/best", by="method", metric="acc", better=better)
            fits(found, seeds.Bests)
            plain, new = found["groups"]
            expected = stats.expected_best(values, lower_is_better=lower)
            assert [one["n"] for one in plain["best"]] == [1, 2, 3, 4, 5, 6]
            for key, wanted in (
                ("value", [one.value for one in expected]),
                ("low", [one.low for one in expected]),
                ("high", [one.high for one in expected]),
            ):
                assert [one[key] for one in plain["best"]] == pytest.approx(wanted)
            assert (new["n"], new["best"]) == (0, [])
            assert "Tang et al. (2020)" in found["method"]
        assert refusal(browser, "seeds/best", by="", metric="acc", better="best")[0] == 400


def test_of_many_runs_the_budgets_are_few_and_go_to_the_end(store: Path) -> None:
    for seed in range(130):
        of(store, "plain", seed / 100, init=seed)
    with opened(store) as browser:
        (found,) = ask(browser, "seeds/best", by="", metric="acc")["groups"]
        budgets = [one["n"] for one in found["best"]]
        assert len(budgets) <= 60
        assert (budgets[0], budgets[-1]) == (1, 130)
        assert budgets == sorted(set(budgets))
        assert found["best"][-1]["value"] == pytest.approx(1.29)


def test_a_search_is_told_that_its_trials_must_have_been_drawn(store: Path) -> None:
    for at in range(3):
        record(store, config={"lr": at, "seed": at}, rows=[({"acc": at / 3}, 1)])
    with opened(store) as browser:
        (every,) = ask(browser, "seeds/best", by="", metric="acc")["groups"]
        assert "drawn independently" in every["note"]
        each = ask(browser, "seeds/best", by="lr", metric="acc")["groups"]
        assert [one["note"] for one in each] == ["", "", ""]


def test_pairs_have_equal_seeds_and_the_exact_test(store: Path) -> None:
    a, b = [0.91, 0.89, 0.93, 0.90, 0.92], [0.88, 0.90, 0.89, 0.87, 0.90]
    for seed, (one, other) in enumerate(zip(a, b, strict=True)):
        of(store, "new", one, init=seed)
        of(store, "plain", other, init=seed)
    lonely = of(store, "new", 0.5, init=9)
    twice = [of(store, "plain", 0.5, init=7) for _ in range(2)]
    counterpart = of(store, "new", 0.5, init=7)
    with opened(store) as browser:
        both = groups(browser)
        query = {
            name: ",".join(both[of_]["runs"])
            for name, of_ in (("ids", "new"), ("against", "plain"))
        }
        found = versus(browser, **query)["pairs"]
        assert [pair["values"] for pair in found["pairs"]] == [
            list(one) for one in zip(a, b, strict=True)
        ]
        assert [pair["seed"] for pair in found["pairs"]] == [f"init_seed {at}" for at in range(5)]
        test = found["tests"][0]
        assert test["method"] == "exact sign-flip test"
        assert test["p"] == pytest.approx(0.125)
        assert "smallest p is 0.0625" in test["note"]
        difference = found["difference"]
        assert difference["value"] == pytest.approx(0.022)
        assert difference["high"] - difference["value"] == pytest.approx(0.0238834, rel=1e-4)
        assert found["wins"]["value"] == pytest.approx(0.8)
        assert (
            "29 pairs" in found["wins"]["note"] or "cannot be significant" in found["wins"]["note"]
        )
        alone = dict(found["alone"])
        assert alone[counterpart] == "seed init_seed 7 is 2 times in the other group"
        assert alone[lonely] == "seed init_seed 9 is not in the other group"
        assert [alone[one] for one in twice] == ["seed init_seed 7 is 2 times in its group"] * 2
        other = versus(browser, **query, better="lower")["pairs"]
        assert other["wins"]["value"] == pytest.approx(0.2)


def test_groups_without_common_seeds_are_compared_as_they_are(store: Path) -> None:
    a, b = [0.91, 0.89, 0.93, 0.90, 0.92], [0.88, 0.90, 0.89, 0.87, 0.90]
    first = [of(store, "new", value, init=at) for at, value in enumerate(a)]
    second = [of(store, "plain", value, init=50 + at) for at, value in enumerate(b)]
    with opened(store) as browser:
        found = versus(browser, ids=",".join(first), against=",".join(second))["pairs"]
        assert (found["pairs"], found["why"]) == ([], "no seed is once in both groups")
        welch, ranks = found["tests"]
        assert welch["statistic"] == pytest.approx(2.4003967926)
        assert welch["p"] == pytest.approx(0.0442317, rel=1e-4)
        assert ranks["statistic"] == pytest.approx(21.5)
        query = {"ids": first[0], "metric": "acc"}
        assert refusal(browser, "seeds/versus", **query, against="nosuch")[0] == 400
        assert refusal(browser, "seeds/versus", **query, against=first[0])[0] == 400


def test_one_pair_has_no_interval_and_says_so(store: Path) -> None:
    first, second = of(store, "new", 1.0, init=0), of(store, "plain", 0.5, init=0)
    with opened(store) as browser:
        found = versus(browser, ids=first, against=second)["pairs"]
        assert (found["difference"]["value"], found["difference"]["low"]) == (0.5, None)
        assert found["difference"]["note"] == "one value: no interval"
        assert found["tests"][0]["p"] == 1


def test_crossed_seeds_are_a_grid_with_the_parts_of_each(store: Path) -> None:
    ids = [
        of(store, "plain", value, init=row, order=column)
        for row, values in enumerate(TABLE)
        for column, value in enumerate(values)
    ]
    query = {"metric": "acc", "down": "config.init_seed", "across": "config.order_seed"}
    with opened(store) as browser:
        found = ask(browser, "seeds/crossing", ids=",".join(ids), **query)
        fits(found, Crossing)
        assert [[cell["mean"] for cell in row] for row in found["cells"]] == TABLE
        assert [line["mean"] for line in found["rows"]] == pytest.approx([0.8775, 0.84, 0.8825])
        assert [(line["value"], line["n"]) for line in found["columns"]] == [
            (at, 3) for at in range(4)
        ]
        init, order, rest = found["parts"]
        assert [part["over"] for part in found["parts"]] == ["init_seed", "order_seed", "rest"]
        assert init["sd"] ** 2 == pytest.approx(0.0005194444, rel=1e-6)
        assert order["sd"] ** 2 == pytest.approx(0.0003805556, rel=1e-6)
        assert rest["sd"] ** 2 == pytest.approx(0.0000805556, rel=1e-5)
        assert init["test"]["statistic"] == pytest.approx(26.7931, rel=1e-5)
        assert sum(part["share"] for part in found["parts"]) == pytest.approx(1)
        assert found["notes"] == []


def test_a_grid_with_holes_parts_what_is_whole_and_says_which(store: Path) -> None:
    ids = [
        of(
            store,
            "plain",
            value,
            "failed" if (row, column) == (1, 2) else "finished",
            init=row,
            order=column,
        )
        for row, values in enumerate(TABLE)
        for column, value in enumerate(values)
    ]
    ids.append(of(store, "plain", 0.92, init=0, order=0))
    query = {"metric": "acc", "down": "config.init_seed", "across": "config.order_seed"}
    with opened(store) as browser:
        found = ask(browser, "seeds/crossing", ids=",".join(ids), **query)
        assert found["cells"][1][2] == {"runs": [], "mean": None}
        assert found["cells"][0][0]["mean"] == pytest.approx(0.9)
        assert found["rows"][1]["n"] == 3
        left = "left out: order_seed 2"
        assert (
            f"the parts are of 3 × 3 seeds, those that have every result; {left}" in found["notes"]
        )
        assert "cells of several runs, of which the mean counts: 1" in found["notes"]
        assert len(found["parts"]) == 3
        assert [why for _, why in found["left_out"]] == ["failed"]
        alone = ask(browser, "seeds/crossing", ids=ids[0], **query)
        assert alone["parts"] == []
        assert "two seeds of each kind" in alone["notes"][0]


def test_a_grid_that_nobody_could_read_is_refused(store: Path) -> None:
    ids = [of(store, "plain", 0.5, init=at, order=at % 2) for at in range(61)]
    query = {"metric": "acc", "down": "config.init_seed", "across": "config.order_seed"}
    with opened(store) as browser:
        status, error = refusal(browser, "seeds/crossing", ids=",".join(ids), **query)
        assert (status, error["what"]) == (400, "a grid of 61 × 2 seeds is too large to be read")


def test_when_the_end_can_be_told_is_told_of_finished_runs(store: Path) -> None:
    for at, value in enumerate([0.80, 0.85, 0.90, 0.95]):
        rows = [
            ({"acc": value * step / 10 if step > 4 else 1 - at % 2}, step) for step in range(1, 11)
        ]
        record(store, seed=at, rows=rows)
    with opened(store) as browser:
        (group,) = ask(browser, "runs/groups", by="", metric="acc")["groups"]
        query = {"ids": ",".join(group["runs"]), "metric": "acc"}
        found = ask(browser, "seeds/group", **query, better="higher")
        fits(found, GroupTold)
        assert found["result"]["endings"]["high_from"] == 5
        assert found["result"]["endings"]["stopped"][2]["found"] == 0.95
        few = ask(browser, "seeds/group", ids=",".join(group["runs"][:3]), metric="acc")
        assert few["result"]["endings"] is None


@pytest.fixture
def study(store: Path) -> Path:
    """The golden one, in which the first cell was run again."""
    shutil.rmtree(store)
    shutil.copytree(Path(__file__).parents[1] / "golden/study-1", store)
    return store


def test_what_a_study_ran_again_is_the_floor_and_no_seed(study: Path) -> None:
    with opened(study) as browser:
        (group,) = ask(browser, "runs/groups", by="group", metric="acc")["groups"]
        assert group["n"] == 6
        assert (group["over"], group["notes"][-1][:24]) == (CROSSED, "crossed runs share their")
        assert sorted(why for _, why in group["left_out"]) == ["a repeat", "killed and made anew"]
        ids = [*group["runs"], *(run for run, _ in group["left_out"])]
        query = {"ids": ",".join(ids), "metric": "acc", "down": "seeds.init"}
        found = ask(browser, "seeds/crossing", **query, across="seeds.order")
        fits(found, Crossing)
        assert (found["floor"]["value"], found["floor"]["n"]) == (0, 2)
        assert [len(found["rows"]), len(found["columns"])] == [2, 3]


def test_a_group_is_what_seeds_show_tells_and_two_are_what_versus_says(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> Any:
        assert main([*words, "--json"]) == 0
        return from_json(capsys.readouterr().out.encode())

    curve = [0.2, 0.5, 0.4, 0.7]
    keeping = Keeping(2, 2, "higher", 4)
    with Going(store, "early", keeping) as early, Going(store) as plain:
        for number in range(COUNT):
            values = [value + (number * 7 % 5) / 40 for value in curve]
            if number < 4:
                finish(*early.start(number, *values))
            else:
                early.stop_early(number, *early.start(number, *values[:2]))
            status = "failed" if number == 5 else "finished"
            finish(*plain.start(number, *(value + 0.01 * number for value in values)), status)
        plain.stop(4, *plain.start(4))
    of(store, "plain", 0.5)
    monkeypatch.setenv("SAMEBIT_DIR", str(store))
    with opened(store) as browser:
        found = ask(browser, "runs/groups", by="group", metric="acc")["groups"]
        ids = {
            one["values"][0]: ",".join([*one["runs"], *(run for run, _ in one["left_out"])])
            for one in found
        }
        for name in ("early", "tuned"):
            query = {"ids": ids[name], "metric": "acc", "better": "higher"}
            told = ask(browser, "seeds/group", **query, within="0.002")
            fits(told, GroupTold)
            shown = said("seeds", "show", name, "--within", "0.002")
            assert told == {"result": shown["result"], "early": shown["early"]}
            assert told["result"]["warnings"]
        assert (told["early"], told["result"]["endings"] is None) == (None, False)
        told = ask(browser, "seeds/group", ids=ids["early"], metric="acc", better="higher")["early"]
        assert (told["ran"], told["share"], told["at_once"]) == (20, 20 / 24, (6 * 2 + 2 * 2) / 24)
        assert [one["step"] for one in told["stopped"]] == [1, 1]
        query = {"ids": ids["tuned"], "against": ids["early"], "better": "higher"}
        both = versus(browser, **query, first="tuned", second="early")
        assert both == said("versus", "tuned", "early")
        assert any(one.startswith("unequal budgets") for one in both["warnings"])
        assert versus(browser, **query)["warnings"][0].startswith("the first: ")
