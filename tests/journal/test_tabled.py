"""Rows read together are the rows read one by one, as far as they are numbers."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.journal.logged import Logged
from samebit.journal.reader import read_journal
from samebit.journal.tabled import tabled
from samebit.journal.writer import Writer

numpy = pytest.importorskip("numpy")

RUN = "0123456789"
NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.integers(-200, 300),
    st.floats(width=32).map(float),
)
VALUES = st.one_of(NUMBERS, st.booleans(), st.text(max_size=40))
STEPS = st.one_of(st.integers(0, 70_000), st.integers(-(2**66), 2**66), st.floats())
ROWS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abcdefghijklmnopq"), VALUES, max_size=17), STEPS),
    max_size=40,
)


def written(folder: Path, rows: list[tuple[dict[str, Any], Any]]) -> list[Logged]:
    writer = Writer(folder, RUN)
    for values, step in rows:
        writer.row(values, step)
    writer.close()
    return read_journal(folder, RUN, ended=True).logged


def one_by_one(part: Logged) -> Iterator[tuple[float, int, str, float]]:
    for row in part.rows():
        if row is None:
            continue
        step, time_ns, values = row
        for name, value in values.items():
            if type(value) in (int, float):
                yield number(step), time_ns, name, number(value)


def number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def together(part: Logged) -> Iterator[tuple[float, int, str, float]]:
    for table in tabled(part, numpy):
        assert len(table.places) == len(table.steps) == len(table.times_ns)
        for name, values in table.values.items():
            assert values.dtype == numpy.float64
            yield from zip(
                table.steps.tolist(),
                table.times_ns.tolist(),
                [name] * len(values),
                values.tolist(),
                strict=True,
            )


def same(found: Iterator[Any]) -> list[str]:
    return sorted(map(repr, found))


@pytest.mark.slow
@settings(max_examples=150)
@given(rows=ROWS)
def test_the_same_numbers_come_out(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    for part in written(tmp_path_factory.mktemp("journal"), rows):
        assert same(together(part)) == same(one_by_one(part))


def test_many_rows_of_few_forms_are_few_tables(tmp_path: Path) -> None:
    rows = [({"loss": step / 7, "count": step * 3, "name": "x"}, step) for step in range(5000)]
    (part,) = written(tmp_path, rows)
    tables = list(tabled(part, numpy))
    assert sum(len(table.steps) for table in tables) == 5000
    assert len(tables) < 20
    assert {name for table in tables for name in table.values} == {"loss", "count"}
    assert same(together(part)) == same(one_by_one(part))


def test_more_forms_than_are_read_together(tmp_path: Path) -> None:
    rows = [({"text": "x" * at, "a": float(at)}, at) for at in range(300)]
    (part,) = written(tmp_path, rows)
    assert same(together(part)) == same(one_by_one(part))


def test_two_schemas_of_one_form_keep_their_names(tmp_path: Path) -> None:
    rows = [({("a", "b", "c")[at % 3]: at / 3}, at) for at in range(300)]
    (part,) = written(tmp_path, rows)
    assert same(together(part)) == same(one_by_one(part))


def test_what_takes_one_byte_is_not_taken_for_a_number(tmp_path: Path) -> None:
    values = (1, True, "", -1, False, 127, -32, 0)
    rows = [({"a": values[at % len(values)], "b": 0.5}, 5) for at in range(100)]
    (part,) = written(tmp_path, rows)
    assert same(together(part)) == same(one_by_one(part))
