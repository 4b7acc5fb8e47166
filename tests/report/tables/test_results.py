"""Tables of results: over seeds, with who is missing, what is best, and tests that know a limit."""

import math
from typing import Any

import pytest

from samebit import stats
from samebit.errors import UsageError
from samebit.report.tables import Options, make, to_csv, to_markdown
from samebit.report.tables.naming import better
from samebit.report.tables.results import best_of
from samebit.stats.values import Estimate
from tests.report.tables.rows import row, settings, shown, study

A = (0.91, 0.89, 0.93, 0.90, 0.92)
B = (0.88, 0.90, 0.89, 0.87, 0.90)


def runs(**methods: tuple[Any, ...]) -> list[dict[str, Any]]:
    """A run for each value, with equal seeds in each method."""
    return [
        row(100 * at + seed, seed=seed, config__method=method, metric__acc=value)
        for at, (method, values) in enumerate(methods.items())
        for seed, value in enumerate(values)
    ]


def test_a_group_is_a_mean_with_its_interval_over_seeds() -> None:
    table = make("results", runs(ours=A), Options(group=("method",)))
    assert shown(table) == [["method", "accuracy ↑"], ["ours", "0.910 ± 0.020"]]
    assert table.method == "mean ± 95 % t interval over 5 seeds"
    assert table.lines[0].cells[1].value == stats.mean(A)


def test_without_a_group_runs_are_grouped_by_what_they_differ_in() -> None:
    table = make("results", study(), Options(metrics=("acc",)))
    assert [column.title for column in table.columns] == [
        *("method", "task", "dropout", "width", "accuracy ↑")
    ]
    assert len(table.lines) == 4
    assert table.method == "mean ± 95 % t interval over 3 seeds"  # a path is no difference


def test_the_last_of_several_keys_makes_the_columns() -> None:
    table = make("results", study(), Options(group=("method", "task"), metrics=("acc",)))
    assert [(column.above, column.title) for column in table.columns] == [
        ("", "method"),
        ("accuracy ↑", "digits"),
        ("accuracy ↑", "letters"),
    ]


def test_bold_is_the_best_and_what_cannot_be_told_from_it() -> None:
    rows = runs(a=(0.90, 0.91, 0.92), b=(0.89, 0.91, 0.93), c=(0.5, 0.51, 0.52))
    table = make("results", rows, Options(group=("method",)))
    assert [line.cells[1].is_best for line in table.lines] == [True, True, False]
    worst = make(
        "results", rows, Options(group=("method",), settings=settings(direction={"acc": "lower"}))
    )
    assert [line.cells[1].is_best for line in worst.lines] == [False, False, True]


def test_a_lone_group_is_not_the_best_of_one() -> None:
    assert best_of([stats.mean(A)], "higher") == [False]
    single = [Estimate(0.1, 1, "seeds", "mean"), Estimate(0.2, 1, "seeds", "mean"), None]
    assert best_of(single, "lower") == [True, False, False]
    assert best_of(single, None) == [False] * 3


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("acc", "higher"),
        ("val/acc", "higher"),
        ("test_accuracy", "higher"),
        ("top5", "higher"),
        ("f1", "higher"),
        ("loss", "lower"),
        ("acc_loss", "lower"),
        ("val.mse", "lower"),
        ("metric.wer", "lower"),
        ("quux", None),
        ("lossless", None),
    ],
)
def test_which_way_is_better_is_told_by_the_last_known_word(
    metric: str, direction: str | None
) -> None:
    assert better(metric, {}) == direction


def test_a_metric_of_which_it_is_not_known_has_no_bold_and_says_so() -> None:
    rows = [row(at, config__m=at, metric__quux=0.1 * at) for at in range(2)]
    table = make("results", rows, Options(group=("m",)))
    assert not any(cell.is_best for line in table.lines for cell in line.cells)
    assert "whether higher or lower is better is not known of quux" in table.notes


def test_who_has_no_result_is_counted_by_reason_and_group() -> None:
    rows = runs(ours=(*A, math.nan), base=B)
    rows[0]["state"] = "failed"
    del rows[-1]["metric.acc"]
    table = make("results", rows, Options(group=("method",)))
    assert {why for _, why in table.left_out} == {"failed", "not a number", "no such metric"}
    assert "left out, failed: 1 of ours" in table.notes
    assert "left out, not a number: 1 of ours" in table.notes
    assert "left out, no acc: 1 of base" in table.notes
    assert table.method == "mean ± 95 % t interval over 4 seeds"


def test_where_groups_have_other_numbers_of_seeds_each_says_its_n() -> None:
    table = make("results", runs(ours=A, base=B[:3]), Options(group=("method",)))
    assert shown(table)[0] == ["method", "accuracy ↑", "n"]
    assert [line.cells[2].value for line in table.lines] == [5, 3]
    assert table.method == "mean ± 95 % t interval over 3 to 5 seeds"


def test_one_seed_has_no_interval_and_says_so() -> None:
    table = make("results", runs(ours=A[:1], base=B[:1]), Options(group=("method",)))
    assert shown(table)[1:] == [["ours", "**0.91**"], ["base", "0.88"]]
    assert table.method == "of 1 seed each, without an interval"


def test_a_group_without_any_result_is_a_dash() -> None:
    rows = runs(ours=A, base=(math.nan, math.nan))
    found = shown(make("results", rows, Options(group=("method",))))
    assert found[2] == ["base", "---", "0"]


def test_the_exact_test_of_five_pairs_says_that_it_can_find_nothing() -> None:
    """Reference values: p = 0.125, and 2/32 at best."""
    table = make("results", runs(ours=A, base=B), Options(group=("method",), test="sign-flip"))
    assert [line.cells[2].value for line in table.lines] == [None, 0.125]
    assert "p: exact sign-flip test, against ours, 5 pairs by seed" in table.notes
    assert "5 pairs cannot be significant: the smallest p is 0.0625" in table.notes
    assert "*" not in to_markdown(table).replace("**", "").replace("\\*", "")


@pytest.mark.parametrize(
    ("test", "p"), [("paired-t", 0.0628076), ("welch", 0.0442317), ("wilcoxon", 0.125)]
)
def test_the_other_tests_are_those_of_the_statistics(test: str, p: float) -> None:
    table = make("results", runs(ours=A, base=B), Options(group=("method",), test=test))
    assert table.lines[1].cells[2].value == pytest.approx(p, abs=1e-6)


def test_several_tests_are_corrected_together() -> None:
    rows = runs(ours=A, base=B, other=tuple(value - 0.05 for value in B))
    options = Options(group=("method",), test="paired-t", against="base")
    table = make("results", rows, options)
    alone = [stats.paired_t(A, B), stats.paired_t([value - 0.05 for value in B], B)]
    wanted = [each.p for each in stats.holm(alone)]
    assert [line.cells[2].value for line in table.lines] == [wanted[0], None, wanted[1]]
    assert any("Holm's correction for 2" in note and "against base" in note for note in table.notes)


def test_pairs_are_made_by_seed_and_not_by_place() -> None:
    rows = runs(ours=A, base=B)
    shuffled = [*rows[4::-1], *rows[5:]]
    options = Options(group=("method",), test="paired-t")
    one, other = make("results", rows, options), make("results", shuffled, options)
    assert one.lines[1].cells[2] == other.lines[1].cells[2]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"seed": None}, "has no seed that would make pairs"),
        ({"seed": 1}, "a seed is twice in a group"),
    ],
)
def test_what_makes_no_pairs_is_not_tested_and_says_why(changed: dict[str, Any], why: str) -> None:
    rows = runs(ours=A, base=B)
    rows[0] = {key: value for key, value in (rows[0] | changed).items() if value is not None}
    table = make("results", rows, Options(group=("method",), test="sign-flip"))
    assert any(why in note for note in table.notes)


def test_the_group_to_test_against_must_be_there() -> None:
    with pytest.raises(UsageError, match="there is no group 'nobody'"):
        make("results", runs(ours=A), Options(group=("method",), test="welch", against="nobody"))


def test_metrics_that_are_texts_are_left_out_and_told_or_refused_by_name() -> None:
    rows = [one | {"metric.words": "good"} for one in runs(ours=A)]
    table = make("results", rows, Options(group=("method",)))
    assert "no numbers, left out: words" in table.notes
    with pytest.raises(UsageError, match="words is no number in run"):
        make("results", rows, Options(group=("method",), metrics=("words",)))


def test_a_metric_that_nobody_logged_names_those_that_were() -> None:
    with pytest.raises(UsageError) as caught:
        make("results", runs(ours=A), Options(metrics=("accuracy",)))
    assert caught.value.facts == {"logged": "acc"}


def test_very_many_metrics_are_not_all_put_into_a_paper() -> None:
    many = {f"metric.m{at}": 0.5 for at in range(40)}
    with pytest.raises(UsageError, match="these runs have 41 metrics"):
        make("results", [one | many for one in runs(ours=A)], Options())


def test_what_the_rules_leave_out_may_still_be_grouped_by() -> None:
    rows = [one | {"config.device": one["config.method"]} for one in runs(ours=A, base=B)]
    table = make("results", rows, Options(group=("device",)))
    assert [line.cells[0].value for line in table.lines] == ["ours", "base"]


def test_what_the_statistics_say_of_a_method_stands_below() -> None:
    table = make("results", runs(ours=A), Options(group=("method",), how="bca"))
    assert any("too narrow" in note and "(ours)" in note for note in table.notes)


def test_csv_has_the_bounds_whole() -> None:
    text = to_csv(make("results", runs(ours=A), Options(group=("method",))))
    mean = stats.mean(A)
    header, line = text.splitlines()
    assert header == "config.method,acc,acc low,acc high,acc n"
    assert line == f"ours,{mean.value!r},{mean.low!r},{mean.high!r},5"


def test_transposed_each_metric_is_a_row() -> None:
    table = make("results", study(), Options(group=("method",), transpose=True))
    assert [cells[0] for cells in shown(table)] == ["metric", "accuracy ↑", "val loss ↓"]
    with pytest.raises(UsageError, match="down the table"):
        make("results", study(), Options(group=("method",), transpose=True, test="welch"))
