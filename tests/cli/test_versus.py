"""`samebit versus` and `seeds show`: two groups against each other, and what speaks against it."""

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebit import stats
from samebit.cli.main import main
from samebit.report import studied
from tests.server.recorded import record

# The few seeds of which reference values are known.
A, B = [0.91, 0.89, 0.93, 0.90, 0.92], [0.88, 0.90, 0.89, 0.87, 0.90]

Call = Callable[..., Any]


@pytest.fixture
def call(store: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """A command, how it must end; its JSON, or what it said."""

    def called(*words: str, ends: int = 0) -> Any:
        capsys.readouterr()
        assert main([*words]) == ends, capsys.readouterr().err
        said = capsys.readouterr()
        return json.loads(said.out) if "--json" in words else said.out + said.err

    return called


def group(
    store: Path, name: str, values: Sequence[float | None], *, first: int = 0, **config: Any
) -> list[str]:
    """A run of each value, with seeds from `first` on; None is one that failed."""
    return [
        record(
            store,
            group=name,
            seed=first + at,
            config=config,
            rows=[({"val/acc": value}, 1)] if value is not None else [],
            status="finished" if value is not None else "failed",
        ).id
        for at, value in enumerate(values)
    ]


def test_five_pairs_tell_nothing_and_the_numbers_are_those_of_the_reference(
    store: Path, call: Call
) -> None:
    group(store, "a", A)
    group(store, "b", B)
    found = call("versus", "a", "b", "--json")
    pairs = found["pairs"]
    assert (found["metric"], found["better"]) == ("val/acc", "higher")
    assert found["verdict"].startswith("5 pairs do not tell which is better; a is ahead")
    assert pairs["difference"]["value"] == pytest.approx(0.022)
    assert pairs["wins"]["value"] == pytest.approx(0.8)
    assert pairs["wins"]["low"] == pytest.approx(0.4)
    assert [test["p"] for test in pairs["tests"]] == pytest.approx([0.125, 0.125])
    assert pairs["needed"] == stats.pairs_needed(0.8) == 21
    assert "5 pairs cannot be significant: the smallest p is 0.0625" in found["warnings"]
    text = call("versus", "a", "b")
    assert "mind: 5 pairs cannot be significant" in text
    assert "21 pairs would tell (Noether 1987)" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_twelve_pairs_tell_and_whichever_comes_first_is_told_the_same(
    store: Path, call: Call
) -> None:
    group(store, "a", [0.9 + at / 1000 for at in range(12)])
    group(store, "b", [0.88 + at / 900 for at in range(12)])
    for words in (("a", "b"), ("b", "a")):
        found = call("versus", *words, "--json")
        assert found["verdict"] == (
            "a is better than b, and often enough to matter: it wins 100 % of 12 pairs"
        )
        assert found["pairs"]["ahead"] == ("first" if words[0] == "a" else "second")
    lower = call("versus", "a", "b", "--better", "lower", "--json")
    assert lower["verdict"].startswith("b is better than a")


def test_without_common_seeds_there_is_an_interval_and_the_exact_test_has_the_last_word(
    store: Path, call: Call
) -> None:
    group(store, "a", A)
    group(store, "b", B, first=50)
    found = call("versus", "a", "b", "--json")
    difference = found["pairs"]["difference"]
    assert difference["value"] == pytest.approx(0.022)
    assert (difference["low"], difference["high"]) == pytest.approx(
        (0.0007309045, 0.0432690955), rel=1e-6
    )
    assert found["pairs"]["wins"]["value"] == pytest.approx(0.86)
    welch, exact = found["pairs"]["tests"]
    assert welch["p"] == pytest.approx(0.0442317, rel=1e-4)
    assert exact["p"] > 0.05
    assert found["verdict"].startswith("a may be better than b")
    assert "no seed is once in both groups: compared as they are" in found["warnings"][0]


def test_conditions_stand_for_groups(store: Path, call: Call) -> None:
    for method, values in (("new", A), ("old", B)):
        group(store, "paper", values, method=method)
    found = call("versus", "method = new", "method = old", "--where", "group = paper", "--json")
    assert found["pairs"]["wins"]["value"] == pytest.approx(0.8)
    assert found["first"]["settings"] == 1


def test_what_speaks_against_it_is_said(store: Path, call: Call) -> None:
    group(store, "a", [*A, None, math.nan], lr=0.1)
    group(store, "a", [0.95], first=7, lr=0.2)
    group(store, "b", B, lr=0.1)
    found = call("versus", "a", "b", "--json")
    said = "\n".join(found["warnings"])
    assert "a: val/acc is missing or not a number in 1 of 7 runs" in said
    assert "a: 2 of 8 runs left out (1 failed, 1 not a number)" in said
    assert "unequal budgets: 8 runs of a, 5 of b" in said
    assert "unequal budgets: 2 settings of a, one setting of b" in said
    assert "1 run is in no pair" in said


def test_a_test_metric_that_was_looked_at_again_and_again_is_no_test(
    store: Path, call: Call
) -> None:
    for name in ("a", "b"):
        for at in range(6):
            rows = [({"test/acc": 0.5 + step / 10 + at / 100}, step) for step in range(4)]
            record(store, group=name, seed=at, rows=rows)
    found = call("versus", "a", "b", "--json")
    assert found["verdict"] == "a and b are equal to the bit in all 6 pairs"
    assert any("test/acc was looked at 4 times in a run" in one for one in found["warnings"])


@pytest.mark.parametrize(
    ("words", "ends", "says"),
    [
        (("a", "nobody"), 7, "no run is in a group 'nobody'"),
        (("a", "a"), 2, "runs are in both groups"),
        (("a", "b", "--metric", "nope"), 7, "no run of a has the metric 'nope'"),
        (("a", "c"), 7, "no metric in common"),
        (("d", "d2"), 2, "which way is thing better?"),
        (("a", "nope = 3"), 2, "no run here has 'nope'"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_told(
    store: Path, call: Call, words: tuple[str, ...], ends: int, says: str
) -> None:
    group(store, "a", A)
    group(store, "b", B)
    record(store, group="c", seed=1, rows=[({"other": 1.0}, 1)])
    for name in ("d", "d2"):
        record(store, group=name, seed=1, rows=[({"thing": 1.0}, 1)])
    assert says in call("versus", *words, ends=ends)


def test_one_run_on_a_side_says_what_it_is(store: Path, call: Call) -> None:
    group(store, "a", [0.9])
    group(store, "b", [0.8])
    assert "1 pair does not tell which is better" in call("versus", "a", "b")
    found = call("versus", "a", "b", "--json")
    assert found["pairs"]["difference"]["note"] == "one value: no interval"
    assert "1 pair cannot be significant: the smallest p is 1" in found["warnings"]
    group(store, "c", [None, None])
    assert "no metric in common" in call("versus", "a", "c", ends=7)


@pytest.mark.parametrize("is_paired", [True, False])
def test_of_tied_values_one_smallest_p_is_told(store: Path, call: Call, is_paired: bool) -> None:
    for at, (ours, theirs) in enumerate([(0.9, 0.8), (0.9, 0.8), (0.8, 0.8), (0.8, 0.8)]):
        record(store, group="a", seed=at, rows=[({"acc": ours}, 1)])
        seed = at if is_paired else 10 + at
        record(store, group="b", seed=seed, rows=[({"acc": theirs}, 1)])
    pairs = call("versus", "a", "b", "--json")["pairs"]
    notes = [one["note"] for one in (pairs["wins"], *pairs["tests"])]
    said = {found for note in notes for found in re.findall(r"the smallest p is [\d.e-]+", note)}
    assert said == {f"the smallest p is {0.5 if is_paired else 0.429}"}
    assert call("versus", "a", "b").count("the smallest p is") == 1


# `seeds show` of groups that no study made.


def crossed(store: Path, rounds: int = 1) -> list[list[float]]:
    table = [[0.88, 0.86, 0.90, 0.87], [0.84, 0.83, 0.87, 0.82], [0.89, 0.85, 0.91, 0.88]]
    for init, row in enumerate(table):
        for order, value in enumerate(row):
            config = {"init_seed": init, "order_seed": order}
            record(store, group="x", config=config, rows=[({"acc": value}, 1)])
    for nth in range(rounds):
        config = {"init_seed": 0, "order_seed": 0}
        record(store, group="x", config=config, rows=[({"acc": 0.88 + nth / 100}, 1)])
    return table


def test_plain_runs_with_crossed_seeds_are_parted_with_the_repeated_cell_as_their_floor(
    store: Path, call: Call
) -> None:
    expected = stats.crossed(crossed(store))
    found = call("seeds", "show", "x", "--json")["result"]
    shares = [part["share"] for part in found["crossing"]["parts"]]
    assert shares[:2] == pytest.approx(
        [expected.share(expected.parts[0]), expected.share(expected.parts[1])]
    )
    assert (found["floor"]["value"], found["floor"]["n"]) == (0, 2)
    text = call("seeds", "show", "x")
    assert "3 seeds of init_seed × 4 of order_seed" in text
    assert "p = 0.00102 (two-way ANOVA)" in text
    assert "2 runs with the same seeds are equal to the bit" in text


def test_three_kinds_of_seeds_are_parted_and_repeats_of_all_of_them_are_a_part(
    store: Path, call: Call
) -> None:
    source = np.random.Generator(np.random.PCG64(0))
    table = source.random((3, 2, 2, 2))
    for repeat in range(2):
        cells = list(np.ndindex(3, 2, 2))
        for init, order, dropout in cells[:-1] if repeat == 0 else [*cells, cells[-1]]:
            config = {"init_seed": init, "order_seed": order, "dropout_seed": dropout}
            value = float(table[init, order, dropout, repeat])
            record(store, group="x", config=config, rows=[({"acc": value}, 1)])
        if repeat:
            continue
        found = call("seeds", "show", "x", "--json")["result"]["crossing"]
        expected = stats.crossed(table[:2, ..., 0], over="abc")
        assert [part["sd"] ** 2 for part in found["parts"]] == pytest.approx(
            [part.variance for part in expected.parts]
        )
        text = " ".join(call("seeds", "show", "x").split())
        assert "3 seeds of init_seed × 2 of order_seed × 2 of dropout_seed:" in text
        assert "every result; left out: seed of init_seed 2" in text
        assert "the rest: what they do together" in text
    table[2, 1, 1, 0] = table[2, 1, 1, 1]  # which was run twice
    expected = stats.crossed(table, over="abc")
    parts = call("seeds", "show", "x", "--json")["result"]["crossing"]["parts"]
    assert [part["share"] for part in parts] == pytest.approx(
        [expected.share(part) for part in expected.parts]
    )
    names = ["init_seed", "order_seed", "dropout_seed", "interaction", "repeats"]
    assert [part["over"].removeprefix("seed of ") for part in parts] == names
    assert "repeats: what cannot be repeated)" in call("seeds", "show", "x")


def test_runs_that_do_not_repeat_have_a_floor(store: Path, call: Call) -> None:
    crossed(store, rounds=3)
    found = call("seeds", "show", "x", "--json")["result"]["floor"]
    assert found["n"] == 4
    assert found["value"] == pytest.approx(stats.sd([0.88, 0.88, 0.89, 0.90]))
    assert "4 runs with the same seeds differ: SD 0.00957" in call("seeds", "show", "x")


def test_when_the_end_can_be_told_and_what_stopping_would_have_cost(
    store: Path, call: Call
) -> None:
    final = [0.80, 0.85, 0.90, 0.95]
    for at, value in enumerate(final):
        rows = [
            ({"acc": value * step / 10 if step > 4 else 1 - at % 2}, step) for step in range(1, 11)
        ]
        record(store, group="g", seed=at, rows=rows)
    told = call("seeds", "show", "g", "--json")["result"]["endings"]
    assert told["high_from"] == 5
    assert told["ranks"][0] == pytest.approx(-0.4472136)
    tenth, _, half = told["stopped"]
    assert (half["start"], half["keep"], half["found"], half["best"]) == (4, 1, 0.95, 0.95)
    assert tenth["found"] < 0.95
    assert half["cost"] == pytest.approx(4 * 0.5 + 1 * 0.5)
    text = call("seeds", "show", "g")
    assert "from step 5 on at least 0.9" in text
    assert "at 50 % of a run: cost 2.5 runs, best 0.95" in text


def test_of_many_runs_some_are_read_step_by_step_and_it_is_said(
    store: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studied, "_MOST_CURVES", 5)
    for at in range(12):
        rows = [({"acc": 0.5 + (at + 1) * step / 100}, step) for step in range(1, 5)]
        record(store, group="g", seed=at, rows=rows)
    result = call("seeds", "show", "g", "--json")["result"]
    told = result["endings"]
    assert (result["group"]["n"], told["n"]) == (12, 5)
    assert told["note"] == "of 12 runs 5 were read, evenly chosen"
    # The runs 0, 2, 4, 7 and 9.
    assert told["stopped"][0]["best"] == pytest.approx(0.5 + 10 * 4 / 100)
    assert "of 12 runs 5 were read, evenly chosen" in call("seeds", "show", "g")


def test_how_many_seeds_tell_a_group_from_another(store: Path, call: Call) -> None:
    group(store, "a", A)
    group(store, "b", B)
    text = call("seeds", "show", "a", "--than", "b")
    assert "to tell them apart, if it stays as here: 21 pairs of seeds, 16 more" in text
    assert call("seeds", "show", "a", "--than", "b", "--json")["than"]["pairs"]["needed"] == 21


def test_plain_runs_that_ignore_their_seeds_are_told(store: Path, call: Call) -> None:
    group(store, "same", [0.5] * 3)
    assert "mind: all results are equal to the bit" in call("seeds", "show", "same")
    group(store, "nan", [math.nan] * 2)
    said = call("seeds", "show", "nan")
    assert "val/acc is missing or not a number in 2 of 2 runs" in said
    assert "no finished run has a number" in said
    group(store, "one", [0.5])
    assert "one value: no interval" in call("seeds", "show", "one")
    group(store, "failed", [0.5, 0.6, None])
    assert ", failed" in call("seeds", "show", "failed")
