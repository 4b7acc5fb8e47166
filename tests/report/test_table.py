"""What tables for documents promise: nothing lost in CSV, nothing broken in Markdown."""

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.query.where import parse
from samebit.report.table import (
    few,
    number,
    rows_to_csv,
    rows_to_markdown,
    runs_table,
    shown,
    visible,
)

RUNS: list[dict[str, object]] = [
    {
        "id": "aaa",
        "name": "brave-otter",
        "state": "finished",
        "kind": "run",
        "seed": 1,
        "config.lr": 0.1,
        "config.batch": 32,
        "config.seed": 1,
        "metric.acc": 0.91234567,
        "metric.lr": 0.05,
    },
    {
        "id": "bbb",
        "name": None,
        "state": "failed",
        "kind": "run",
        "seed": 2,
        "config.lr": 0.2,
        "config.batch": 32,
        "config.seed": 2,
        "config.warmup": 10,
        "metric.loss": math.nan,
    },
]

texts = st.text(st.characters(exclude_categories=["Cs"]))


def test_of_many_names_the_first_are_said_and_the_others_counted() -> None:
    assert [few(list("abcdef")[:n]) for n in (0, 1, 4, 6)] == [
        "",
        "a",
        "a, b, c, d",
        "a, b, c, d and 2 more",
    ]
    assert few(["a", "b"], 1) == "a and 1 more"


@given(st.lists(st.tuples(texts, st.floats(), st.integers(-(2**63), 2**63), st.none()), min_size=1))
def test_csv_holds_every_bit_of_text_and_number(rows: list[tuple[object, ...]]) -> None:
    written = rows_to_csv(["a", "b,c", "d", "e"], rows)
    header, *read = csv.reader(io.StringIO(written, newline=""), strict=True)
    assert header == ["a", "b,c", "d", "e"]
    for row, (text, real, whole, nothing) in zip(rows, read, strict=True):
        assert text == row[0]
        assert float(real).hex() == float(row[1]).hex()  # pyright: ignore[reportArgumentType]
        assert int(whole) == row[2]
        assert nothing == ""


def test_csv_ends_lines_as_the_standard_says_and_keeps_what_looks_like_a_formula() -> None:
    written = rows_to_csv(["x", "y"], [["=1+1", None], ["", True], ['say "hi"', "a\nb"]])
    assert written == 'x,y\r\n=1+1,\r\n"",true\r\n"say ""hi""","a\nb"\r\n'


def test_a_row_of_one_empty_cell_is_still_a_row() -> None:
    assert list(csv.reader(io.StringIO(rows_to_csv(["x"], [[None], [1]])))) == [["x"], [""], ["1"]]


def test_what_cannot_be_encoded_is_escaped_in_csv() -> None:
    assert rows_to_csv(["name"], [["caf\udce9"]]).encode() == b"name\r\ncaf\\udce9\r\n"


def test_markdown_puts_numbers_on_the_right_and_rounds_them() -> None:
    rows = [["a", 0.123456, 1, None], ["b", None, "-", None]]
    assert rows_to_markdown(["name", "acc", "x", "y"], rows) == (
        "| name | acc | x | y |\n"
        "| --- | ---: | --- | --- |\n"
        "| a | 0.1235 | 1 |  |\n"
        "| b |  | - |  |\n"
    )
    assert rows_to_markdown(["a", "b"], []) == "| a | b |\n| --- | --- |\n"


def test_nothing_in_a_text_breaks_a_markdown_table() -> None:
    rows = [["a|b", "x\ny"], ["\x1b[31m", "<img src=x>"], ["val_acc", "_x_ *y* [z](w) `c` \\"]]
    lines = rows_to_markdown(["n", "v"], rows).splitlines()
    assert lines[2:] == [
        r"| a\|b | x\\ny |",
        r"| \\x1b\[31m | \<img src=x\> |",
        r"| val_acc | \_x\_ \*y\* \[z\](w) \`c\` \\ |",
    ]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_a_markdown_row_is_one_line_with_its_own_cells(rows: list[tuple[str, str]]) -> None:
    lines = rows_to_markdown(["a", "b"], rows).encode().decode().splitlines()
    assert len(lines) == len(rows) + 2
    for line in lines:
        bare = line.replace("\\\\", "").replace("\\|", "")
        assert bare.count("|") == 3


def test_the_default_columns_are_what_differs_among_the_runs() -> None:
    headers, cells = runs_table(RUNS, None)
    assert headers == [
        "id", "name", "state", "config.lr", "config.seed", "warmup", "seed", "acc", "lr", "loss",
    ]  # fmt: skip
    assert cells[0] == [
        "aaa", "brave-otter", "finished", 0.1, 1, None, 1, 0.91234567, 0.05, None,
    ]  # fmt: skip
    assert cells[1][5:9] == [10, 2, None, None]


def test_a_header_is_the_name_that_a_filter_understands() -> None:
    headers, cells = runs_table(RUNS, None)
    for header, cell in zip(headers, cells[0], strict=True):
        wanted = parse(f"has(`{header}`)")
        assert wanted.matches(RUNS[0]) or cell is None


def test_constant_config_is_shown_only_when_named() -> None:
    headers, cells = runs_table(RUNS, ["name", "batch", "acc", "kind"])
    assert headers == ["name", "batch", "acc", "kind"]
    assert cells == [["brave-otter", 32, 0.91234567, "run"], [None, 32, None, "run"]]
    assert "batch" not in runs_table(RUNS, None)[0]


def test_a_column_that_no_run_has_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'accuracy'") as caught:
        runs_table(RUNS, ["id", "accuracy"])
    assert "acc" in str(caught.value)
    assert runs_table([], ["id", "accuracy"]) == (["id", "accuracy"], [])
    assert runs_table([], None) == (["id", "name", "state", "seed"], [])


def test_equal_nans_do_not_differ_and_a_bool_is_no_number() -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "config.x": math.nan, "config.y": True, "config.z": [1]},
        {"id": "b", "config.x": math.nan, "config.y": 1, "config.z": [1]},
    ]
    assert runs_table(rows, None)[0] == ["id", "name", "state", "y", "seed"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0003, "0.0003"),
        (0.00003, "3e-05"),
        (0.123456, "0.1235"),
        (9999.99, "10000"),
        (12345.678, "12346"),
        (1e10, "1e+10"),
        (123456789, "123456789"),
        (-0.0, "-0"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_for_people_have_four_digits_and_sensible_exponents(
    value: float, text: str
) -> None:
    assert number(value) == text


def test_any_plain_value_can_be_shown() -> None:
    assert shown(None) == ""
    assert shown(True) == "true"
    assert shown("a\tb") == r"a\tb"
    assert shown([1, 0.5, "é\x1b", {"x": math.nan}]) == r'[1, 0.5, "é\u001b", {"x": NaN}]'


HARMFUL = [
    "\x00", "\t", "\n", "\r", "\x1b", "\x7f", "\x80", "\x9b", "\u2028",
    "\u202a", "\u202e", "\u2066", "\u2069", "\ud800", "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("character", HARMFUL)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(character: str) -> None:
    text = visible(f"a{character}b")
    assert text.isascii()
    assert text.isprintable()
    assert text == "a" + character.encode("unicode_escape").decode() + "b"


@given(st.text())
def test_visible_text_can_be_written_and_stays_as_it_is(text: str) -> None:
    once = visible(text)
    once.encode()
    assert visible(once) == once
    if text.isprintable():
        assert once == text


def test_joined_emoji_stay_joined() -> None:
    assert visible("👩\u200d🔬 café") == "👩\u200d🔬 café"
