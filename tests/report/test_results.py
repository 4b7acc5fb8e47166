"""What a group of runs came to: over seeds, with who was left out, and never silently."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import stats
from samebit.errors import UsageError
from samebit.report.results import (
    groups,
    is_seed,
    paired_by,
    result,
    seed_of,
    started_again,
    varied,
)
from samebit.report.studied import studied
from samebit.report.versus import versus


def run(at: int, acc: Any = 0.9, **more: Any) -> dict[str, Any]:
    row = {"id": f"run{at}", "state": "finished", "seed": at, "metric.acc": acc, "config.lr": 0.1}
    return row | more


ROWS = [run(at, acc) for at, acc in enumerate([0.91, 0.89, 0.93, 0.90, 0.92])]


def test_over_seeds_it_is_the_mean_of_the_statistics() -> None:
    found = result(ROWS, "acc")
    assert found.estimate == stats.mean([0.91, 0.89, 0.93, 0.90, 0.92])
    assert found.values == (0.91, 0.89, 0.93, 0.90, 0.92)
    assert (found.left_out, found.notes) == ((), ())
    assert str(result(ROWS, "metric.acc", how="sd").estimate) == "0.910 ± 0.016 (SD over 5 seeds)"


def test_who_has_no_result_is_left_out_and_told() -> None:
    rows = [
        run(0),
        run(1, math.nan),
        run(2, state="failed"),
        {"id": "run3", "state": "damaged", "damage": "torn"},
        {k: v for k, v in run(4).items() if k != "metric.acc"},
        run(5, state="running"),
        run(6, math.inf),
        run(7, 10**400),
    ]
    found = result(rows, "acc")
    assert found.runs == ("run0",)
    assert str(found.estimate) == "0.9 (one value: no interval)"
    assert found.left_out == (
        ("run1", "not a number"),
        ("run2", "failed"),
        ("run3", "damaged"),
        ("run4", "no such metric"),
        ("run5", "running"),
        ("run6", "not a number"),
        ("run7", "not a number"),
    )


def test_where_nobody_has_a_result_there_is_no_estimate() -> None:
    assert result([run(0, math.nan)], "acc").estimate is None
    assert result([], "acc").estimate is None


def test_what_else_differs_is_said_and_then_they_are_no_seeds() -> None:
    found = result([run(0), run(1, **{"config.lr": 0.2})], "acc")
    assert found.notes == ("the runs differ in more than seeds: lr",)
    assert found.estimate
    assert found.estimate.over == "runs"
    found = result([run(0, seed=None), run(1, seed=None)], "acc")
    assert found.estimate
    assert found.estimate.over == "runs"


def test_repeats_are_no_more_seeds() -> None:
    found = result([run(0), run(1, seed=0), run(2, seed=0)], "acc")
    assert found.notes == ("runs with the seeds of another: 2",)


def test_other_code_is_said() -> None:
    found = result([run(0, **{"code.ran": "x"}), run(1, **{"code.ran": "y"})], "acc")
    assert found.notes == ("the runs had 2 versions of the code",)


def crossed(study: str, *, edited: bool = False) -> list[dict[str, Any]]:
    """Runs of a script that draws a plain global from each of its seeds, and one from both."""
    rows: list[dict[str, Any]] = []
    for at, (init, order) in enumerate([(a, b) for a in (3, 4, 5) for b in (7, 8)]):
        more: dict[str, Any] = {
            "study": study,
            "id": f"{study}{at}",
            "trial": at,
            "trial.seeds": "init, order",
        }
        more |= {"seeds.init": init, "seeds.order": order, "config.scale": 0.5 + init % 4}
        more |= {"config.first": order / 10, "config.noise": init * order}
        more["config.lr"] = 0.2 if edited and at > 3 else 0.1
        rows.append(run(at, 0.9 + at / 100, seed=0) | more)
    return rows


def test_what_a_script_draws_from_the_seeds_of_its_study_is_no_setting() -> None:
    found = versus(
        ("a", crossed("a")), ("b", crossed("b")), "acc", metrics=["acc"], chosen_by=["acc"]
    )
    assert (found.first.settings, found.second.settings) == (1, 1)
    assert not any("chosen by" in warning for warning in found.warnings)
    assert [pair.seed for pair in found.pairs.pairs][:2] == ["init 3, order 7", "init 3, order 8"]
    changed = versus(("a", crossed("a", edited=True)), ("b", crossed("b")), "acc", metrics=["acc"])
    assert (changed.first.settings, changed.second.settings) == (2, 1)
    assert result(crossed("a", edited=True), "acc").notes == (
        "the runs differ in more than seeds: lr",
    )


def test_the_best_point_of_a_run_is_named_as_chosen() -> None:
    rows = [run(0, 0.5, **{"max.acc": 0.95}), run(1, 0.5, **{"max.acc": 0.9})]
    found = result(rows, "acc", take="max")
    assert found.values == (0.95, 0.9)
    assert found.notes == ("the max over a run's points, which chooses the best of many",)


def test_a_text_is_no_result() -> None:
    with pytest.raises(UsageError, match="acc is no number in run run0"):
        result([run(0, "good")], "acc")
    with pytest.raises(UsageError, match="no way to take"):
        result(ROWS, "acc", take="best")
    with pytest.raises(UsageError, match="no interval is called 'u'"):
        result(ROWS, "acc", how="u")  # pyright: ignore[reportArgumentType]


def test_groups_keep_the_order_of_first_appearance() -> None:
    given = [0.1, True, 1, 1.0, None, math.nan, math.nan, [1], "1", [1]]
    rows = [run(at, **{"config.lr": lr}) for at, lr in enumerate(given)]
    found = [
        (repr(key), [row["id"][3:] for row in members]) for key, members in groups(rows, ["lr"])
    ]
    assert found == [
        ("(0.1,)", ["0"]),
        ("(True,)", ["1"]),
        ("(1,)", ["2", "3"]),
        ("(None,)", ["4"]),
        ("(nan,)", ["5", "6"]),
        ("([1],)", ["7", "9"]),
        ("('1',)", ["8"]),
    ]
    assert groups(rows, []) == [((), rows)]
    with pytest.raises(UsageError, match="no run here has 'lrr'"):
        groups(rows, ["lrr"])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("seed", True),
        ("data.split_seed", True),
        ("random_state", True),
        ("config.seed", True),
        ("reseed_every", False),
        ("seedling", False),
        ("forget_seed", True),
        ("lr", False),
    ],
)
def test_a_seed_is_told_by_its_name(name: str, answer: bool) -> None:
    assert is_seed(name) is answer


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8))
def test_nobody_is_lost(pairs: list[tuple[int, int]]) -> None:
    rows = [run(at, seed=seed, **{"config.lr": lr}) for at, (seed, lr) in enumerate(pairs)]
    found = groups(rows, ["lr"])
    assert sorted(row["id"] for _, members in found for row in members) == [
        row["id"] for row in rows
    ]
    for _, members in found:
        assert varied(members) == []
        counted = result(members, "acc")
        assert len(counted.runs) + len(counted.left_out) == len(members)
        assert len({seed_of(row) for row in members}) == len({row["seed"] for row in members})


def of_study(at: int, trial: int, **more: Any) -> dict[str, Any]:
    return run(trial, 0.9 + trial / 100, id=f"r{at}", study="s", trial=trial, started=at, **more)


LOST = [of_study(0, 0), of_study(1, 1, state="killed"), of_study(2, 1)]
for row in LOST[1:2]:
    del row["metric.acc"], row["config.lr"]  # it was killed before it said anything


def test_what_a_study_made_anew_is_no_larger_budget_and_nobody_was_chosen() -> None:
    other = [run(at, acc) for at, acc in enumerate([0.91, 0.92])]
    found = versus(("a", LOST), ("b", other), "acc", better="higher", metrics=["acc"])
    assert (found.first.runs, found.first.settings) == (2, 1)
    assert not [one for one in found.warnings if "unequal" in one or "left out" in one]
    assert studied(LOST, "acc", better="higher", metrics=["acc"]).group.left_out == []
    # One that was never made anew was left out, and the others are those that went well.
    lost = LOST[:2]
    assert started_again(LOST) == {"r1"}
    assert started_again(lost) == set()
    assert studied(lost, "acc", better="higher", metrics=["acc"]).warnings == [
        "1 killed of 2 runs: a mean over the others is one over chosen runs"
    ]


def test_the_best_of_crossed_seeds_says_what_it_rests_on() -> None:
    seeds = [(init, order) for init in range(2) for order in range(3)]
    rows = [
        run(at, 0.9 + (at * at % 7) / 100, **{"config.init_seed": init, "config.order_seed": order})
        for at, (init, order) in enumerate(seeds)
    ]
    for row in rows:
        row["seed"] = 0
    found = studied(rows, "acc", better="higher", metrics=["acc"])
    assert found.best is not None
    assert found.best.note.endswith("crossed ones share theirs")


def test_counterparts_have_the_seeds_that_a_study_gave_to_roles() -> None:
    given = {"trial.seeds": "init, order", "seeds.init": 2, "seeds.order": 3, "seeds.hash": 9}
    assert paired_by(run(1, **given)) == (1, ("init", 2), ("order", 3))
    assert paired_by(run(1)) == (1,)
    assert paired_by({"config.init_seed": 4, "config.lr": 1}) == (("config.init_seed", "4"),)
    assert paired_by({"config.lr": 1}) == ()
