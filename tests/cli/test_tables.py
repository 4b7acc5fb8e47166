"""What tables and fields promise: fitted on a terminal, whole in a pipe, nobody else's colours."""

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from samebit.cli.tables import Column, fields, table
from samebit.cli.words import Paint, Screen, width

COLOR = re.compile(r"\x1b\[\d+m")
COLUMNS = [
    Column("id"),
    Column("name", shrink=1),
    Column("note", shrink=2, least=5),
    Column("acc", "right"),
]
ROWS: list[list[object]] = [
    ["k3x", "brave-otter-of-the-north", "tried the new schedule", 0.91234567],
    ["m9q", "日本語-run", None, 12],
]


def test_a_table_in_a_pipe_is_whole() -> None:
    assert table(COLUMNS, ROWS, columns_wide=None, color=False) == (
        "id   name                      note                       acc\n"
        "k3x  brave-otter-of-the-north  tried the new schedule  0.9123\n"
        "m9q  日本語-run                                            12"
    )


def test_the_column_that_gives_way_first_does() -> None:
    assert table(COLUMNS, ROWS, columns_wide=50, color=False).split("\n") == [
        "id   name                      note            acc",
        "k3x  brave-otter-of-the-north  tried the …  0.9123",
        "m9q  日本語-run                                 12",
    ]
    assert table(COLUMNS, ROWS, columns_wide=34, color=False).split("\n") == [
        "id   name            note      acc",
        "k3x  brave-otter-o…  trie…  0.9123",
        "m9q  日本語-run                 12",
    ]


def test_columns_that_do_not_fit_are_counted() -> None:
    lines = table(COLUMNS, ROWS, columns_wide=20, color=False).split("\n")
    assert lines == [
        "id   name      note",
        "k3x  brave-o…  trie…",
        "m9q  日本語-…",
        "+1 column: --columns or a wider terminal",
    ]
    assert table(COLUMNS, ROWS, columns_wide=4, color=False).split("\n")[1:] == [
        "k3x",
        "m9q",
        "+3 columns: --columns or a wider terminal",
    ]


cells = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(
    st.lists(st.tuples(cells, cells, cells), max_size=5),
    st.lists(st.tuples(st.text(), st.integers(0, 2), st.integers(1, 9)), min_size=3, max_size=3),
    st.integers(1, 60),
)
def test_no_line_of_a_table_is_wider_than_the_terminal(
    rows: list[tuple[object, ...]], looks: list[tuple[str, int, int]], columns_wide: int
) -> None:
    columns = [Column(title, shrink=shrink, least=least) for title, shrink, least in looks]
    text = table(columns, rows, columns_wide=columns_wide, color=False)
    for line in text.split("\n"):
        assert width(line) <= columns_wide or line.startswith("+")
    styled = [
        Column(column.title, shrink=column.shrink, least=column.least, style=Paint(True).red)
        for column in columns
    ]
    assert COLOR.sub("", table(styled, rows, columns_wide=columns_wide, color=True)) == text


def test_a_style_sees_the_text_and_colours_it_alone() -> None:
    paint = Paint(True)
    by_state = {"finished": paint.green, "failed": paint.red}
    columns = [Column("state", style=lambda text: by_state[text](text)), Column("n", "right")]
    text = table(columns, [["finished", 1], ["failed", 22]], columns_wide=None, color=True)
    assert text.split("\n")[1:] == [
        "\x1b[32mfinished\x1b[0m   1",
        "\x1b[31mfailed\x1b[0m    22",
    ]


def test_a_stranger_cannot_colour_or_break_a_table() -> None:
    text = table([Column("\x1b[2J")], [["a\nb\x9b31m\u202e"]], columns_wide=None, color=False)
    assert text == "\\x1b[2J\na\\nb\\x9b31m\\u202e"


def test_fields_stand_under_each_other_and_go_on_below() -> None:
    pairs = [
        ("lr", 0.1),
        ("command", "python train.py --epochs 10 --lr 0.1 --seed 3"),
        ("tag", None),
    ]
    assert fields(pairs, Screen(io.StringIO(), 36, False)).split("\n") == [
        "lr       0.1",
        "command  python train.py --epochs 10",
        "         --lr 0.1 --seed 3",
        "tag",
    ]
    whole = fields(pairs, Screen(io.StringIO(), None, False)).split("\n")
    assert whole[1] == "command  python train.py --epochs 10 --lr 0.1 --seed 3"


def test_a_name_that_leaves_no_room_beside_it_has_its_value_below() -> None:
    pairs = [("name", "value"), ("a.name.as.wide.as.a.screen", "another")]
    assert fields(pairs, Screen(io.StringIO(), 40, False)).split("\n") == [
        "name  value",
        "a.name.as.wide.as.a.screen",
        "      another",
    ]
    whole = fields(pairs, Screen(io.StringIO(), None, False)).split("\n")
    assert whole[1] == "a.name.as.wide.as.a.screen  another"


@given(st.lists(st.tuples(st.sampled_from(["a", "long name"]), st.text())), st.integers(40, 90))
def test_wrapped_fields_fit_and_lose_no_word(pairs: list[tuple[str, str]], wide: int) -> None:
    wrapped = fields(pairs, Screen(io.StringIO(), wide, False))
    whole = fields(pairs, Screen(io.StringIO(), None, False))
    assert all(width(line) <= wide for line in wrapped.split("\n"))
    assert re.sub(r"[ \n]", "", wrapped) == re.sub(r"[ \n]", "", whole)
