"""Rows as columns: what goes in comes out, whatever it is and in whichever order it came."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from samebit.digest import from_json
from samebit.server.columns import Columns

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)
ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)),
    max_size=30,
)


def values_of(column: dict[str, Any], count: int) -> list[Any]:
    """A column as the page reads it."""
    if "same" in column:
        return [column["same"]] * count
    if "texts" in column:
        return [None if at is None else column["texts"][at] for at in column["at"]]
    return column["values"]


@given(batches=st.lists(ROWS, max_size=4), gone=st.sets(st.integers(0, 5)))
def test_the_last_row_of_each_run_counts(batches: list[Any], gone: set[int]) -> None:
    columns, wanted, version = Columns(), dict[str, dict[str, Any]](), 0
    for batch in batches:
        # Of one look each run once, as a watch gives them.
        rows = {f"r{at}": {"id": f"r{at}", **values} for at, values in batch}
        before = {run: repr(row) for run, row in wanted.items()}
        wanted |= rows
        changed = columns.put(list(rows.values()))
        assert set(changed) == {run for run, row in rows.items() if repr(row) != before.get(run)}
        assert columns.version == version + bool(changed)
        version = columns.version
    dropped = columns.drop(f"r{at}" for at in gone)
    for run in dropped:
        del wanted[run]
    places = columns.places_of(replays=False)
    ids = [columns.ids[place] for place in places]
    assert sorted(map(str, ids)) == sorted(wanted)
    for key in "abcd":
        told = from_json(columns.encoded(key, None, replays=False))
        expected = [wanted[str(run)].get(key) for run in ids]
        assert repr(values_of(told, len(ids))) == repr(expected)
        part = from_json(columns.encoded(key, places[:2], replays=False))
        assert repr(values_of(part, len(places[:2]))) == repr(expected[:2])
    for run, row in wanted.items():
        assert repr(columns.row(run)) == repr(dict(sorted(row.items(), key=order_of(columns))))


def order_of(columns: Columns) -> Any:
    names = columns.names()
    return lambda item: names.index(item[0])


@given(values=st.lists(VALUES, min_size=1, max_size=20))
def test_a_key_says_of_which_kind_how_many_and_how_often_nothing(values: list[Any]) -> None:
    columns = Columns()
    columns.put([{"id": f"r{at}", "a": value} for at, value in enumerate(values)])
    told = {key.key: key for key in columns.keys(replays=False)}["a"]
    there = [value for value in values if value is not None]
    assert told.missing == len(values) - len(there)
    kinds = {type(value) for value in there}
    if kinds and kinds <= {int, float}:
        nan = any(math.isnan(value) for value in there)
        assert told.kind == "number"
        assert told.distinct == len({value for value in there if value == value}) + nan
    elif kinds == {bool}:
        assert (told.kind, told.distinct) == ("bool", len(set(there)))
    elif len(kinds) > 1:
        assert told.kind == "mixed"
    every = range(len(values))
    assert columns.missing("a", every) == told.missing
    assert columns.has_any("a", every) == bool(told.distinct)
    assert columns.varies("a", every) == (told.distinct + bool(told.missing) > 1)


def test_a_run_that_was_gone_and_comes_back_is_a_new_one() -> None:
    columns = Columns()
    columns.put([{"id": "a", "x": 1}, {"id": "b", "x": 2}])
    assert columns.drop(["a", "nobody"]) == ["a"]
    assert columns.put([{"id": "a", "x": 3}]) == ["a"]
    assert columns.ids == [None, "b", "a"]
    assert from_json(columns.encoded("x", None, replays=True)) == {"values": [2, 3]}
    assert columns.since(2) == {2}


def test_ten_thousand_runs_hold_each_text_once() -> None:
    columns = Columns()
    columns.put([{"id": f"{at}", "optimizer": "".join(["ad", "am"])} for at in range(10_000)])
    assert len(columns.encoded("optimizer", None, replays=False)) < 50
    assert len({id(row["optimizer"]) for row in columns.rows(["optimizer"], replays=False)}) == 1
