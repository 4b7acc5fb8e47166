"""What a filter promises to whoever types one, and to whoever's rows it meets."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import UsageError
from samebit.query import where
from samebit.query.where import parse, parse_sort, resolve, sort_rows, value_of

ROW: dict[str, object] = {
    "id": "0123456789",
    "name": "brave-otter",
    "state": "finished",
    "seed": 7,
    "archived": False,
    "group": None,
    "config.lr": 0.001,
    "config.amp": True,
    "config.acc": 5,
    "config.big": 2**53 + 1,
    "config.version": "10",
    "metric.acc": 0.93,
    "metric.val/acc": 0.91,
    "metric.loss@1": math.nan,
    "metric.odd name": 1,
}


@pytest.mark.parametrize(
    "text",
    [
        "acc > 0.9 and config.lr < 0.01",
        "acc>0.9 and lr<1e-2",
        "acc >= .93 and acc <= 0.93",
        "seed == 7",
        "seed = 7.0",
        "seed != 8",
        "seed > -1 and seed < inf and seed > -inf",
        "seed < 1_000",
        "state == finished",
        "state == 'finished' and state != \"failed\"",
        "state in [finished, failed]",
        "seed in [1, 7]",
        "seed not in [1, 2]",
        "name ~ 'brave-*'",
        "name ~ brave-?????",
        "name !~ 'Brave-*'",
        "val/acc > 0.9",
        "`odd name` == 1",
        '"odd name" == 1 and "val/acc" < 1',
        "amp",
        "amp == true and config.amp == True",
        "not archived",
        "archived == false",
        "group == null",
        "group = None and seed != null",
        "has(loss@1) and has(group) and not has(accuracy)",
        "not not not (archived or acc < 0.5)",
        "seed == 1 or seed == 7 and acc > 0.9",
        "name == brave-otter",
        "name > a and name < c",
    ],
)
def test_what_is_true_of_a_row_matches(text: str) -> None:
    assert parse(text).matches(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "(seed == 7 or seed == 1) and acc < 0.9",
        "archived",
        "group",
        "nothing",
        "not amp",
        "name ~ 'Brave*'",
        "seed ~ '7'",
        "seed !~ '8'",
        "seed in [8]",
        "seed not in ['7']",
        "not has(acc)",
    ],
)
def test_what_is_false_of_a_row_does_not_match(text: str) -> None:
    assert not parse(text).matches(ROW)


OPERATORS = ["==", "=", "!=", "<", "<=", ">", ">="]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", ["1", "text", "true", "'quoted'", "nan", "null"])
def test_a_missing_name_makes_every_comparison_false(operator: str, value: str) -> None:
    if value == "null" and operator[0] in "<>":
        return  # no filter at all
    assert not parse(f"missing {operator} {value}").matches(ROW)
    assert parse(f"not missing {operator} {value}").matches(ROW)
    assert not parse("missing in [1] or missing not in [1] or missing !~ x").matches(ROW)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", "'7'"), ("seed", "seven"), ("seed", "true"), ("amp", "1"), ("acc", "'x'")],
)
def test_unlike_kinds_compare_false_in_every_way(operator: str, name: str, value: str) -> None:
    assert not parse(f"{name} {operator} {value}").matches(ROW)


@pytest.mark.parametrize("operator", OPERATORS)
def test_nan_compares_false_in_every_way(operator: str) -> None:
    assert not parse(f"loss@1 {operator} 0").matches(ROW)
    assert not parse(f"loss@1 {operator} nan").matches(ROW)
    assert not parse(f"seed {operator} nan").matches(ROW)


def test_an_id_of_digits_only_is_found_without_quotes() -> None:
    assert parse("id == 0123456789").matches(ROW)
    assert parse("id in [0123456789]").matches(ROW)
    assert not parse("id == 123456789").matches(ROW)  # another text, if the same number
    assert not parse("id > 5").matches(ROW)  # in order, a text is not a number
    assert parse("version == 10").matches(ROW)


def test_integers_beyond_a_float_compare_exactly() -> None:
    assert parse("big == 9007199254740993").matches(ROW)
    assert not parse("big == 9007199254740992").matches(ROW)
    assert not parse("big == 9007199254740992.0").matches(ROW)
    assert parse("big > 9007199254740992.0").matches(ROW)


def test_a_short_name_means_itself_then_the_metric_then_the_config() -> None:
    assert resolve("acc", ROW) == "metric.acc"
    assert resolve("config.acc", ROW) == "config.acc"
    assert resolve("lr", ROW) == "config.lr"
    assert resolve("acc", {"acc": 1, "metric.acc": 2}) == "acc"
    assert resolve("nothing", ROW) is None
    assert value_of(ROW, "lr") == 0.001
    assert value_of(ROW, "nothing") is None


def test_names_are_those_that_the_filter_asks_for() -> None:
    names = parse("acc > best and (`a b` or not has(lr)) and state in [x]").names()
    assert names == {"acc", "a b", "lr", "state"}


def test_quotes_hold_quotes_and_signs() -> None:
    row = {"note": 'it\'s (not) "so" and `more`', "path": "C:\\runs"}
    assert parse(r"""note == 'it\'s (not) "so" and `more`'""").matches(row)
    assert parse(r"path == 'C:\runs'").matches(row)


def test_words_of_the_language_are_names_only_in_quotes() -> None:
    assert parse("`and` == 1 and `in` == 2 and has == 3").matches({"and": 1, "in": 2, "has": 3})
    with pytest.raises(UsageError):
        parse("and == 1")


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("acc > and lr < 1", 6, "a number"),
        ("acc >", 5, "a number"),
        ("", 0, "a name"),
        ("   ", 0, "a name"),
        ("acc 0.9", 4, "=="),
        ("acc > 1)", 7, "or the end"),
        ("(acc > 1", 8, ")"),
        ("acc == 1 && lr == 2", 9, "and"),
        ("0.9 < acc", 0, "a name"),
        ("acc ! 1", 4, "!="),
        ("name == 'x", 8, "quote"),
        ("acc in 3", 7, "a list"),
        ("acc in [1 2]", 10, "a comma"),
        ("acc < null", 6, "null"),
        ("has(acc", 7, ")"),
        ("\x1b\x1b > [", 5, "a number"),
    ],
)
def test_an_error_points_at_its_place_and_says_what_is_allowed(
    text: str, place: int, word: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    _, shown, caret, *rest = str(caught.value).split("\n")
    assert caret.index("^") - 4 == place
    assert len(shown) - 4 == len(text)
    assert shown.isprintable()
    assert word in str(caught.value.what) + "\n".join(rest)


def test_the_caret_stays_in_sight_in_a_long_text() -> None:
    with pytest.raises(UsageError) as caught:
        parse(" or ".join(["acc > 1"] * 500) + " or >" + " or acc > 1" * 500)
    _, shown, caret, *_ = str(caught.value).split("\n")
    assert shown[caret.index("^")] == ">"
    assert len(shown) <= 76


def test_nesting_is_limited_before_the_stack_is() -> None:
    assert parse("not (" * 50 + "archived" + ")" * 50).matches({"archived": True})
    deep = "(" * 50 + "acc or lr and not lr" + ")" * 50
    assert parse(deep).matches(ROW)
    with pytest.raises(UsageError, match="more than 50"):
        parse("(" * 100_000)
    long = " or ".join(["(not not acc and lr)"] * 5_000)
    assert parse("not " * 100_000 + long).matches(ROW)


names = st.from_regex(r"[a-z][a-z0-9_./@-]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("and", "or", "not", "in", "inf", "nan", "infinity", "true")
)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([1])


@given(
    st.text(alphabet="ab1.'\"`!=<>~()[], \\andorti\x00é", max_size=40),
    st.dictionaries(names, plain),
)
def test_any_text_is_a_filter_or_a_usage_error(text: str, row: dict[str, object]) -> None:
    try:
        wanted = parse(text)
    except UsageError:
        return
    wanted.matches(row)


@given(names, st.sampled_from(OPERATORS), st.integers() | st.floats(), plain)
def test_numbers_compare_as_in_python(name: str, operator: str, wanted: float, found: Any) -> None:
    holds = parse(f"{name} {operator} {wanted!r}").matches({name: found})
    kinds_fit = isinstance(found, (int, float)) and not isinstance(found, bool)
    if kinds_fit and found == found and wanted == wanted:
        python = {"=": "=="}.get(operator, operator)
        assert holds is eval(f"found {python} wanted", {"found": found, "wanted": wanted})
    elif isinstance(found, str) and operator in ("==", "=", "!="):
        assert holds is ((found == repr(wanted)) is (operator != "!="))
    else:
        assert not holds


@given(names, st.text())
def test_any_text_can_be_written_in_quotes(name: str, found: str) -> None:
    quoted = "'" + found.replace("\\", "\\\\").replace("'", "\\'") + "'"
    assert parse(f"{name} == {quoted}").matches({name: found})
    assert not parse(f"{name} != {quoted}").matches({name: found})


def ids(rows: list[dict[str, object]], order: str) -> str:
    return "".join(str(row["id"]) for row in sort_rows(rows, parse_sort(order)))


def test_rows_without_a_value_come_last_in_either_direction() -> None:
    rows: list[dict[str, object]] = [
        {"id": "m"},
        {"id": "n", "metric.acc": math.nan},
        {"id": "a", "metric.acc": 0.1},
        {"id": "i", "metric.acc": -math.inf},
        {"id": "o", "metric.acc": None},
        {"id": "b", "metric.acc": 3},
    ]
    assert ids(rows, "acc") == ids(rows, "acc:asc") == "iabnmo"
    assert ids(rows, "acc:desc") == "bainmo"
    assert ids(rows[::-1], "acc:desc") == "bainom"


def test_the_first_order_decides_and_equal_rows_stay() -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "x": 1, "y": 1},
        {"id": "b", "x": 2, "y": 1},
        {"id": "c", "x": 1, "y": 2},
        {"id": "d", "x": 2, "y": 1},
    ]
    assert ids(rows, "x:desc,y") == "bdac"
    assert ids(rows, "x , y:desc") == "cabd"
    assert ids(rows, "`x`:desc") == "bdac"
    assert ids(rows, "absent:desc") == "abcd"


def test_mixed_kinds_have_one_order() -> None:
    rows: list[dict[str, object]] = [
        {"id": "l", "x": [1]},
        {"id": "t", "x": "a"},
        {"id": "n", "x": 5},
        {"id": "b", "x": True},
    ]
    assert ids(rows, "x") == "bntl"
    assert ids(rows, "x:desc") == "ltnb"


def test_names_with_a_colon_are_sorted_by_in_quotes() -> None:
    assert [(s.name, s.descending) for s in parse_sort("`a:b`:desc,'c:d',val/acc")] == [
        ("a:b", True),
        ("c:d", False),
        ("val/acc", False),
    ]


@pytest.mark.parametrize("text", ["", ",", "acc:up", "acc,", ":desc", "acc desc", "acc:", "a>b"])
def test_an_order_that_cannot_be_read_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read this order"):
        parse_sort(text)


@given(st.lists(st.fixed_dictionaries({}, optional={"x": plain, "y": plain})))
def test_sorting_keeps_every_row_and_never_raises(rows: list[dict[str, object]]) -> None:
    ordered = sort_rows(rows, parse_sort("x:desc,y"))
    assert sorted(map(id, ordered)) == sorted(map(id, rows))


def test_one_name_means_one_key_in_all_rows() -> None:
    rows = [{"config.lr": 1}, {"config.lr": 1, "metric.lr": 2}]
    keys = {key for row in rows for key in row}
    assert where.parse("lr == 1").among(rows, keys) == []
    assert where.parse("lr == 2").among(rows, keys) == rows[1:]
    assert where.parse("has(lr)").among(rows, keys) == rows[1:]
    assert where.parse("not lr == 2 or config.lr == 1").among(rows, keys) == rows
    assert where.parse("nowhere == 1 or has(nowhere)").among(rows, keys) == []
    assert [where.parse("lr == 1").matches(row) for row in rows] == [True, False]
    assert where.parse("lr == 1").matches(rows[0], keys) is False
    order = where.parse_sort("lr")
    assert where.sort_rows(rows[:1], order, keys) == rows[:1]
