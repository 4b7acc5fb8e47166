"""Equal tables have equal fingerprints however they are laid out, and unequal ones do not."""

import datetime as dt
import math
import random
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.data.fingerprints import fingerprint
from samebit.data.tables import ROWS
from samebit.errors import UsageError
from tests.data import by_the_page

KINDS: dict[str, tuple[Any, pa.DataType, st.SearchStrategy[Any]]] = {
    "flag": ("bool", pa.bool_(), st.booleans()),
    "count": ("int64", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "value": ("float64", pa.float64(), st.floats()),
    "text": ("utf8", pa.string(), st.text(st.characters(codec="utf-8"), max_size=6)),
    "when": (["timestamp", None], pa.timestamp("us"), st.integers(-(10**17), 10**17)),
    "list": (
        ["list", "utf8"],
        pa.list_(pa.string()),
        st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=3), max_size=3),
    ),
    "deep": (
        ["list", ["list", "int64"]],
        pa.list_(pa.list_(pa.int64())),
        st.lists(st.none() | st.lists(st.integers(0, 9), max_size=2), max_size=2),
    ),
}
LEVELS = ("content", "strict", "set")


@st.composite
def plain_tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], int]:
    rows = draw(st.integers(0, 8))
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, unique=True))
    lists = {
        name: draw(st.lists(st.none() | KINDS[name][2], min_size=rows, max_size=rows))
        for name in names
    }
    return lists, rows


def as_arrow(columns: dict[str, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(v, KINDS[name][1]) for name, v in columns.items()})


def name(value: Any, level: str = "content") -> str:
    return str(fingerprint(value, level=level))


@given(plain_tables())
def test_the_code_does_what_the_page_says(drawn: tuple[dict[str, list[Any]], int]) -> None:
    columns, rows = drawn
    kinds = {name: KINDS[name][0] for name in columns}
    table = as_arrow(columns)
    assert name(table) == by_the_page.table(kinds, columns, rows)
    assert name(table, "set") == by_the_page.table_set(kinds, columns, rows)


@pytest.mark.slow
@given(plain_tables(), st.data())
def test_chunks_slices_and_offsets_do_not_matter(
    drawn: tuple[dict[str, list[Any]], int], data: st.DataObject
) -> None:
    columns, rows = drawn
    table = as_arrow(columns)
    cut = data.draw(st.integers(0, rows))
    before = data.draw(st.integers(0, rows))
    halves = [table.slice(0, cut), table.slice(cut)]
    # Other rows before and behind, which slicing leaves in the buffers.
    wide = pa.concat_tables([table.slice(0, before), table, table]).combine_chunks()
    layouts = [pa.concat_tables(halves), wide.slice(before, rows)]
    layouts += [pa.concat_tables([*halves, table]).slice(0, rows)]
    for level in LEVELS:
        expected = fingerprint(table, level=level)
        assert [fingerprint(layout, level=level) for layout in layouts] == [expected] * 3


@given(plain_tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_matters_except_in_a_set(
    drawn: tuple[dict[str, list[Any]], int], dice: random.Random
) -> None:
    columns, rows = drawn
    order = list(range(rows))
    dice.shuffle(order)
    table = as_arrow(columns)
    shuffled = table.take(pa.array(order, pa.int64()))
    assert name(shuffled, "set") == name(table, "set")
    plain = {key: by_the_page.column(KINDS[key][0], held) for key, held in columns.items()}
    moved = {
        key: by_the_page.column(KINDS[key][0], [held[at] for at in order])
        for key, held in columns.items()
    }
    assert (name(shuffled) == name(table)) == (plain == moved)


def test_a_set_counts_how_often_a_row_is_there() -> None:
    table = pa.table({"a": [1, 1, 2]})
    others = [pa.table({"a": rows}) for rows in ([1, 2, 2], [1, 2], [1, 1, 1, 2], [2, 1, 1])]
    found = [name(other, "set") == name(table, "set") for other in others]
    assert found == [False, False, False, True]


def test_cells_do_not_run_into_each_other_in_a_set() -> None:
    tables = [
        pa.table({"a": ["x", "y"], "b": ["yz", "z"]}),
        pa.table({"a": ["xy", ""], "b": ["z", "yz"]}),
        pa.table({"a": ["x", "y"], "b": ["z", "yz"]}),
    ]
    assert len({name(table, "set") for table in tables}) == 3


@pytest.mark.slow
def test_a_table_longer_than_what_is_looked_at_together() -> None:
    rows = 2 * ROWS + 17
    numbers = np.arange(rows, dtype="f8")
    numbers[rows - 2] = np.nan  # the first that is missing comes when two batches are done
    texts = [None if at % 1000 == 999 else str(at) for at in range(rows)]
    table = pa.table({"n": pa.array(numbers, from_pandas=True), "t": texts})
    kinds = {"n": "float64", "t": "utf8"}
    columns = {"n": numbers.tolist(), "t": texts}
    assert name(table) == by_the_page.table(kinds, columns, rows)
    assert name(table, "set") == by_the_page.table_set(kinds, columns, rows)
    for frame in (table.to_pandas(), pl.from_arrow(table)):
        assert name(frame) == name(table)
        assert name(frame, "set") == name(table, "set")


LAYOUTS = {
    "large": lambda column: column.cast(pa.large_string()),
    "view": lambda column: column.cast(pa.string_view()),
    "dictionary": lambda column: column.dictionary_encode(),
    "dictionary of each chunk": lambda column: pa.chunked_array(
        [chunk.dictionary_encode() for chunk in pa.chunked_array([column[:1], column[1:]]).chunks]
    ),
    "run ends": lambda column: pa.compute.run_end_encode(column),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("level", ["content", "set"])
def test_how_texts_are_held_does_not_matter(layout: str, level: str) -> None:
    column = pa.array(["b", "b", None, "a", ""])
    table = pa.table({"c": column})
    assert name(pa.table({"c": LAYOUTS[layout](column)}), level) == name(table, level)


def test_strict_marks_a_dictionary_and_no_other_layout() -> None:
    column = pa.array(["b", "b", None, "a", ""])
    plain = name(pa.table({"c": column}), "strict")
    same = {
        layout: name(pa.table({"c": make(column)}), "strict") == plain
        for layout, make in LAYOUTS.items()
    }
    assert same == {layout: not layout.startswith("dict") for layout in LAYOUTS}


def test_what_lies_under_a_null_does_not_matter() -> None:
    numbers = pa.array([1, 2, 3])
    texts = pa.array(["a", "bcd", "e"])
    mask = pa.py_buffer(b"\x05")  # the second is null, its bytes still there
    hidden = {
        "n": pa.Array.from_buffers(pa.int64(), 3, [mask, *numbers.buffers()[1:]]),
        "t": pa.Array.from_buffers(pa.string(), 3, [mask, *texts.buffers()[1:]]),
        "f": pa.FixedSizeListArray.from_arrays(
            pa.array(range(6)), 2, mask=pa.array([False, True, False])
        ),
    }
    lists = pa.array([[0, 1], None, [4, 5]], pa.list_(pa.int64(), 2))
    clean = pa.table({"n": [1, None, 3], "t": ["a", None, "e"], "f": lists})
    for level in LEVELS:
        assert fingerprint(pa.table(hidden), level=level) == fingerprint(clean, level=level)


UNITS = ("s", "ms", "us", "ns")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("seconds", [0, -1, 86400 * 366])
def test_content_knows_instants_and_strict_their_unit(unit: str, seconds: int) -> None:
    def made(unit: str) -> pa.Table:
        count = seconds * 10 ** (3 * UNITS.index(unit))
        return pa.table(
            {
                "t": pa.array([count, None], pa.timestamp(unit)),
                "z": pa.array([count, None], pa.timestamp(unit, "Asia/Tokyo")),
                "d": pa.array([count, None], pa.duration(unit)),
            }
        )

    assert name(made(unit)) == name(made("ms"))
    assert name(made(unit), "set") == name(made("ms"), "set")
    assert (name(made(unit), "strict") == name(made("ms"), "strict")) == (unit == "ms")


def test_times_beyond_what_nanoseconds_can_count() -> None:
    far = pa.table({"t": pa.array([253402300799], pa.timestamp("s"))})  # the end of the year 9999
    assert name(pl.DataFrame({"t": [dt.datetime(9999, 12, 31, 23, 59, 59)]})) == name(far)


DIFFERENT: dict[str, tuple[Any, Any]] = {
    "a value": (pa.array([1, 2]), pa.array([1, 3])),
    "a width": (pa.array([1, 2], pa.int32()), pa.array([1, 2], pa.int64())),
    "a sign": (pa.array([1, 2], pa.uint64()), pa.array([1, 2], pa.int64())),
    "the sign of zero": (pa.array([0.0]), pa.array([-0.0])),
    "null and zero": (pa.array([0, None]), pa.array([0, 0])),
    "null and no text": (pa.array(["", None]), pa.array(["", ""])),
    "null and an empty list": (pa.array([[1], None]), pa.array([[1], []])),
    "null and a list of null": (pa.array([[1], [None]]), pa.array([[1], []])),
    "text and bytes": (pa.array(["a"]), pa.array([b"a"])),
    "a zone": (
        pa.array([0], pa.timestamp("s", "Asia/Tokyo")),
        pa.array([0], pa.timestamp("s", "UTC")),
    ),
    "no zone": (pa.array([0], pa.timestamp("s")), pa.array([0], pa.timestamp("s", "UTC"))),
    "a scale": (pa.array([Decimal("1.5")]), pa.array([Decimal("1.50")])),
    "date and time": (pa.array([dt.date(2000, 1, 1)]), pa.array([dt.datetime(2000, 1, 1)])),
    "where lists end": (pa.array([[1], [2, 3]]), pa.array([[1, 2], [3]])),
    "where texts end": (pa.array(["a", "bc"]), pa.array(["ab", "c"])),
    "a missing struct": (pa.array([{"a": 1}, None]), pa.array([{"a": 1}, {"a": None}])),
    "a field's name": (pa.array([{"a": 1}]), pa.array([{"b": 1}])),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_has_another_fingerprint(what: str, level: str) -> None:
    one, other = (pa.table({"c": column}) for column in DIFFERENT[what])
    assert name(one, level) != name(other, level)


SAME_CONTENT: dict[str, tuple[Any, Any]] = {
    "null and NaN": (pa.array([1.0, None]), pa.array([1.0, math.nan])),
    "a payload of NaN": (
        pa.array(np.array([0x7FF8000000000000], "u8").view("f8")),
        pa.array(np.array([0x7FF8000000000001], "u8").view("f8")),
    ),
    "a precision": (
        pa.array([Decimal(1)], pa.decimal128(5, 1)),
        pa.array([Decimal(1)], pa.decimal256(60, 1)),
    ),
    "a size": (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), pa.array([[1, 2]])),
    "binaries of one size": (pa.array([b"ab"], pa.binary(2)), pa.array([b"ab"])),
    "days": (pa.array([dt.date(2000, 1, 1)], pa.date64()), pa.array([dt.date(2000, 1, 1)])),
    "the type of nothing": (pa.array([None], pa.string()), pa.array([None], pa.int8())),
    "the type of no items": (
        pa.array([[]], pa.list_(pa.int8())),
        pa.array([[]], pa.list_(pa.string())),
    ),
    "the order of fields": (
        pa.array([{"a": 1, "b": 2}], pa.struct([("a", pa.int64()), ("b", pa.int64())])),
        pa.array([{"a": 1, "b": 2}], pa.struct([("b", pa.int64()), ("a", pa.int64())])),
    ),
}


@pytest.mark.parametrize("what", SAME_CONTENT)
def test_what_only_strict_tells_apart(what: str) -> None:
    one, other = (pa.table({"c": column}) for column in SAME_CONTENT[what])
    assert name(one) == name(other)
    assert name(one, "set") == name(other, "set")
    assert name(one, "strict") != name(other, "strict")


def test_columns_are_known_by_name_and_strict_knows_their_order() -> None:
    table = pa.table({"a": [1], "b": ["x"]})
    assert name(table.select(["b", "a"])) == name(table)
    assert name(table.select(["b", "a"]), "strict") != name(table, "strict")
    assert name(table.rename_columns(["a", "c"])) != name(table)
    assert name(table.rename_columns(["b", "a"])) != name(table)


def test_two_columns_of_one_name_are_both_there() -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    found = fingerprint(twice)
    assert sorted(found.parts) == ["a~0", "a~1"]
    assert found.name != name(pa.table([pa.array([2]), pa.array([1])], names=["a", "a"]))


def test_tables_of_nothing() -> None:
    nothing = [
        pa.table({}),
        pd.DataFrame(),
        pl.DataFrame(),
        pa.table({"a": pa.array([], pa.int8())}),
    ]
    names = [name(value) for value in nothing]
    assert names[0] == names[1] == names[2] != names[3]
    assert name(pa.table({"a": pa.array([], pa.string())})) == names[3]
    assert name(pd.DataFrame(index=range(3))) != names[0]  # three rows


def test_an_extension_type_is_what_it_is_stored_as() -> None:
    stored = pa.array([b"0123456789abcdef"], pa.binary(16))
    table = pa.table({"c": pa.ExtensionArray.from_storage(pa.uuid(), stored)})
    assert name(table) == name(pa.table({"c": stored}))
    assert name(table, "strict") != name(pa.table({"c": stored}), "strict")
    assert name(table.slice(0, 0)) == name(pa.table({"c": stored.slice(0, 0)}))


def test_what_has_no_bytes_is_refused_with_the_name_of_the_column() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    refused: list[Any] = [
        pa.table({"c": union}),
        pd.DataFrame({"c": [1, "a"]}),
        pd.DataFrame({"c": [object()]}),
        pd.DataFrame({"c": ["\ud800"]}, dtype=object),
        pd.DataFrame({"c": pd.period_range("2020", periods=2, freq="M")}),
        pd.DataFrame({"c": pd.interval_range(0, 2)}),
        pd.DataFrame({"c": np.array([1], "longdouble")}),
        pl.DataFrame({"c": pl.Series([object()], dtype=pl.Object)}),
    ]
    for value in refused:
        for level in LEVELS:
            with pytest.raises(UsageError) as caught:
                fingerprint(value, level=level)
            assert caught.value.facts["column"] == "c", value
            assert caught.value.hint


def test_what_is_no_table_yet_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="collect"):
        fingerprint(pl.LazyFrame({"a": [1]}))
    with pytest.raises(UsageError, match="to_frame"):
        fingerprint(pd.Index([1]))
    with pytest.raises(UsageError, match="no level 'loose'"):
        fingerprint(pa.table({"a": [1]}), level="loose")
