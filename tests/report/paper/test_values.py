"""Values of a paper: derived from runs, written as they are asked for, and never guessed."""

import math
from pathlib import Path
from typing import Any

import pytest

from samebit import stats
from samebit.errors import UsageError
from samebit.report.paper.lock import Lock, as_text, parse
from samebit.report.paper.macros import values_tex
from samebit.report.paper.settings import read_paper
from samebit.report.paper.values import Value
from tests.report.paper.papers import ACCURACIES, made_of, paper_of, run, runs

SELECTIONS = """
[paper.selections]
ours = "group = ours"
base = "group = base"
[paper.values]
"""


def derived(folder: Path, line: str, rows: list[dict[str, Any]]) -> Value:
    made = made_of(paper_of(folder, f"{SELECTIONS}x = {{ {line} }}"), rows)
    assert made.problems == ()
    return made.lock.values["x"]


def problem(folder: Path, line: str, rows: list[dict[str, Any]]) -> str:
    made = made_of(paper_of(folder, f"{SELECTIONS}x = {{ {line} }}"), rows)
    (only,) = made.problems
    assert only.where == "samebit.toml:6"
    return only.what


def texts(value: Value) -> dict[str, str]:
    return {name: part.text for name, part in value.parts.items()}


def test_a_mean_brings_its_interval_and_everything_else_that_is_said_of_it(tmp_path: Path) -> None:
    value = derived(tmp_path, 'of = "ours", metric = "acc"', runs())
    assert texts(value) == {
        "": "0.910",
        "interval": r"$0.910 \pm 0.020$",
        "low": "0.890",
        "high": "0.930",
        "half": "0.020",
        "sd": "0.016",
        "min": "0.89",
        "max": "0.93",
        "median": "0.91",
        "n": "5",
        "method": r"95\,\% t interval over 5 seeds",
    }
    assert value.parts[""].number == stats.mean(ACCURACIES).value
    assert value.runs == ("ours0", "ours1", "ours2", "ours3", "ours4")


@pytest.mark.parametrize(
    ("how", "text", "interval"),
    [
        ("percent = true", r"91.0\,\%", r"$91.0 \pm 2.0$\,\%"),
        ("percent = true, digits = 2", r"91.00\,\%", r"$91.00 \pm 1.96$\,\%"),
        ("digits = 3", "0.910", r"$0.910 \pm 0.020$"),
        (
            "sci = true, digits = 1",
            r"$9.1\times10^{-1}$",
            r"$9.1\times10^{-1} \pm 2.0\times10^{-2}$",
        ),
        ('interval = "sd"', "0.910", r"$0.910 \pm 0.016$"),
    ],
)
def test_a_value_is_written_as_it_is_asked_for(
    tmp_path: Path, how: str, text: str, interval: str
) -> None:
    value = derived(tmp_path, f'of = "ours", metric = "acc", {how}', runs())
    assert (value.parts[""].text, value.parts["interval"].text) == (text, interval)


def test_one_seed_is_a_number_without_an_interval(tmp_path: Path) -> None:
    value = derived(tmp_path, 'of = "ours", metric = "acc"', runs([0.91]))
    assert (value.n, value.parts["interval"].text) == (1, "0.91")
    assert value.parts["method"].text == "1 seed, no interval"
    assert "half" not in value.parts
    assert "sd" not in value.parts


@pytest.mark.parametrize(
    ("aggregate", "number", "said"),
    [
        ("median", 0.91, "median over 5 seeds"),
        ("max", 0.93, "the highest of 5 seeds"),
        ("min", 0.89, "the lowest of 5 seeds"),
        ("sd", stats.sd(ACCURACIES), "sd over 5 seeds"),
    ],
)
def test_other_aggregates(tmp_path: Path, aggregate: str, number: float, said: str) -> None:
    value = derived(tmp_path, f'of = "ours", metric = "acc", aggregate = "{aggregate}"', runs())
    assert (value.parts[""].number, value.method) == (number, said)
    assert "interval" not in value.parts


def test_a_difference_of_pairs_has_their_interval_and_their_test(tmp_path: Path) -> None:
    theirs = [0.88, 0.90, 0.89, 0.87, 0.90]
    rows = runs() + runs(theirs, "base")[::-1]  # in another order: pairs are made by seed
    value = derived(tmp_path, 'of = "ours", metric = "acc", minus = "base"', rows)
    assert value.parts[""].number == pytest.approx(0.022)
    assert value.parts["p"].number == stats.sign_flip(ACCURACIES, theirs).p == 0.125
    assert value.n == 5
    assert "5 pairs cannot be significant" in value.method
    value = derived(tmp_path, 'of = "ours", metric = "acc", minus = "base", test = "welch"', rows)
    assert value.parts["p"].number == pytest.approx(stats.welch_t(ACCURACIES, theirs).p)


def test_a_difference_without_pairs_has_the_interval_of_the_test_that_needs_none(
    tmp_path: Path,
) -> None:
    line = 'of = "ours", metric = "acc", minus = "base"'
    theirs = [0.88, 0.90, 0.89, 0.87, 0.905, 0.86]
    rows = [*runs(), *(run(at + 9, acc, "base") for at, acc in enumerate(theirs))]
    value = derived(tmp_path, line, rows)
    assert (value.n, value.parts["method"].text) == (
        11,
        r"95\,\% Welch's t interval over 11 seeds (5 and 6)",
    )
    oracle = pytest.importorskip("scipy.stats").ttest_ind(ACCURACIES, theirs, equal_var=False)
    interval = oracle.confidence_interval(0.95)
    assert value.parts["low"].number == pytest.approx(interval.low, rel=1e-9)
    assert value.parts["high"].number == pytest.approx(interval.high, rel=1e-9)
    assert value.parts["p"].number == pytest.approx(oracle.pvalue, rel=1e-9)


def test_a_difference_of_single_runs_has_no_interval(tmp_path: Path) -> None:
    line = 'of = "ours", metric = "acc", minus = "base"'
    value = derived(tmp_path, line, runs([0.9]) + runs([0.8], "base"))
    assert value.parts["interval"].text == value.parts[""].text == "0.1"
    assert value.parts["p"].number == 1.0
    value = derived(tmp_path, line, [*runs(), run(9, 0.8, "base")])
    assert value.method == (
        "0.11 (difference of means, 6 seeds (5 and 1); one value: no interval); "
        "no test: b has one value, and no spread to compare with"
    )
    assert "p" not in value.parts


def test_who_has_no_result_is_left_out_and_told(tmp_path: Path) -> None:
    rows = [*runs(), run(5, state="failed"), run(6, math.nan), run(7, state="running")]
    value = derived(tmp_path, 'of = "ours", metric = "acc"', rows)
    assert value.n == 5
    assert value.left_out == (("ours5", "failed"), ("ours6", "not a number"), ("ours7", "running"))
    count = derived(tmp_path, 'of = "ours", aggregate = "count"', rows)
    assert texts(count) == {"": "6", "all": "8"}


def test_a_fact_is_what_all_runs_have_in_common(tmp_path: Path) -> None:
    assert derived(tmp_path, 'of = "ours", fact = "config.lr"', runs()).parts[""].text == "0.1"
    name = derived(tmp_path, 'of = "ours", fact = "config.opt"', runs())
    assert (name.parts[""].text, name.parts[""].number) == (r"a\_b", None)
    rows = [*runs(), run(5, **{"config.lr": 0.2})]
    assert "differ in config.lr" in problem(tmp_path, 'of = "ours", fact = "config.lr"', rows)
    assert "no run of ours has" in problem(tmp_path, 'of = "ours", fact = "config.nix"', rows)


def test_what_cannot_be_derived_is_a_problem_with_its_line(tmp_path: Path) -> None:
    acc = 'of = "ours", metric = "acc"'
    assert "no run fits" in problem(tmp_path, acc, [])
    assert "no run fits: group = ours" in problem(tmp_path, acc, runs(group="other"))
    assert "acc is no number" in problem(tmp_path, acc, [run(0, "good")])
    assert "no run of ours has a number" in problem(tmp_path, acc, [run(0, math.nan)])
    wrong = 'of = "ours", metric = "loss"'
    assert "metrics: acc" in problem(tmp_path, wrong, runs())
    paired = 'of = "ours", metric = "acc", minus = "base", test = "sign-flip"'
    others = [*runs(), run(9, 0.8, "base"), run(8, 0.7, "base")]
    assert "sign-flip needs pairs" in problem(tmp_path, paired, others)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", r"samebit.toml:6: x: Expected `object`"),
        ('x = { of = "ours", metrc = "acc" }', "samebit.toml:6: x: unknown field `metrc`"),
        ('x = { of = "nobody", metric = "acc" }', "samebit.toml:6: x: there is no selection 'nob"),
        ('x = { of = "ours" }', "samebit.toml:6: x: which metric"),
        ('x = { of = "ours", metric = "a", take = "any" }', "samebit.toml:6: x: Invalid enum"),
        ('x = { of = "ours", metric = "a", test = "welch" }', "needs a difference"),
        ('x = { of = "ours", metric = "a", confidence = 95 }', "between 0 and 1"),
        ('"a b" = { of = "ours", metric = "a" }', "samebit.toml:6: a b: not a key"),
        ('"a}" = { of = "ours", metric = "a" }', "samebit.toml:6: a}: not a key"),
        ("[paper.tables]\nt = { of = 'ours', shape = 'x' }", "samebit.toml:7: t: no shape 'x'"),
        ("[paper.figures.f]\nof = 'ours'", "samebit.toml:6: f: .*metric"),
        ("[paper.figures]\n'../x' = { of = 'ours', metric = 'a' }", "no name for a file"),
        ("[paper]\nx = 1", "unknown field `x`"),
        ("[paper]\nmain = '-e=die'", "samebit.toml:7: main must be a file"),
        ("[paper]\nmain = '/etc/passwd'", "main must be a file of the paper's folder"),
        ("[paper]\nmain = 'a/../../b.tex'", "main must be a file of the paper's folder"),
        ("[paper.values]", "cannot read samebit.toml"),
    ],
)
def test_settings_that_cannot_be_meant_are_told_with_their_line(
    tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        paper_of(tmp_path, SELECTIONS + text)


def test_the_values_are_plain_tex_of_which_no_text_is_a_command(tmp_path: Path) -> None:
    odd = r"\input{/etc/passwd}%$^^M"
    rows = [run(at, **{"config.opt": odd, f"metric.{odd}": 0.5}) for at in range(2)]
    text = f"""{SELECTIONS}
"ours/opt" = {{ of = "ours", fact = "config.opt" }}
"ours/odd" = {{ of = "ours", metric = '{odd}' }}
"""
    made = made_of(paper_of(tmp_path, text), rows)
    assert made.problems == ()
    tex = values_tex(made.lock.values, {}, {"ours0": "blake3:" + "0" * 64, "ours1": "blake3:1"})
    assert "\\input" not in tex.replace("% ", "%").split("\n%")[0]
    (line,) = (x for x in tex.splitlines() if x.startswith("\\samebitset{val}{ours/opt}"))
    assert "\\textbackslash{}input\\{/etc/passwd\\}\\%\\$" in line
    assert tex.isascii()


def test_the_lock_is_one_line_a_value_and_comes_back_as_it_was(tmp_path: Path) -> None:
    paper = paper_of(tmp_path, f'{SELECTIONS}"a/b" = {{ of = "ours", metric = "acc" }}')
    made = made_of(paper, [*runs(), run(9, state="failed")])
    lock = Lock(made.lock.values, {"figures/x.tex": ("ours0",)}, {}, {"ours0": "blake3:0"}, {})
    text = as_text(lock)
    assert parse(text.encode(), "here") == lock
    assert [line for line in text.splitlines() if line.startswith('"a/b":')]
    assert as_text(parse(text.encode(), "here")) == text


def test_a_key_that_is_a_part_of_another_is_a_problem(tmp_path: Path) -> None:
    text = f"""{SELECTIONS}
a = {{ of = "ours", metric = "acc" }}
"a/n" = {{ of = "ours", aggregate = "count" }}
"a/x" = {{ of = "ours", aggregate = "count" }}
"""
    made = made_of(paper_of(tmp_path, text), runs())
    assert [one.what for one in made.problems] == ["a/n is a part of a already"]


def test_a_folder_without_a_paper_table_is_none(tmp_path: Path) -> None:
    (tmp_path / "samebit.toml").write_text("paper = 1")
    with pytest.raises(UsageError, match="must be a table"):
        read_paper(tmp_path)
