import types
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from samebit import digest, records
from samebit.errors import Damaged
from samebit.records import (
    CodeRecord,
    ExecutionEnd,
    ExecutionStart,
    LeafRecord,
    Note,
    RunRecord,
    StateManifest,
    TreeEntry,
    TreeRecord,
    Verdict,
)
from tests.strategies import plain_values

KINDS = [
    CodeRecord,
    ExecutionEnd,
    ExecutionStart,
    LeafRecord,
    Note,
    RunRecord,
    StateManifest,
    TreeEntry,
    TreeRecord,
    Verdict,
]

TEXTS = st.text(max_size=12)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-(2**70), 2**70),
    bool: st.booleans(),
    types.NoneType: st.none(),
    Any: plain_values,
}


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, as the records declare them."""
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    if kind in KINDS:
        return st.builds(kind, **{f.name: of_type(f.type) for f in structs.fields(kind)})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of_type, arguments))
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=3)
    return st.one_of(*map(of_type, arguments))


def exactly(value: Any) -> Any:
    """Equal for equal values of equal types; NaN is equal to itself, a dict has no order."""
    if isinstance(value, Struct):
        return type(value), [exactly(item) for item in structs.astuple(value)]
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [exactly(item) for item in value]
    return type(value), repr(value)


any_record = st.sampled_from(KINDS).flatmap(of_type)
oldest = st.sampled_from(KINDS).flatmap(
    lambda kind: st.builds(
        kind,
        **{f.name: of_type(f.type) for f in structs.fields(kind) if f.required},
    )
)


@given(any_record)
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    found = records.decode(records.encode(record), type(record))
    assert exactly(found) == exactly(record)
    assert records.encode(found) == records.encode(record)


@given(any_record, st.dictionaries(st.text().map("later_".__add__), plain_values, max_size=3))
def test_fields_of_a_later_version_are_skipped(record: Any, more: dict[str, Any]) -> None:
    fields = {**digest.from_json(records.encode(record)), **more}
    found = records.decode(digest.canonical_json(fields), type(record))
    assert exactly(found) == exactly(record)


@given(oldest)
def test_fields_that_are_missing_have_their_default(record: Any) -> None:
    needed = {
        f.name: records.plain(getattr(record, f.name)) for f in structs.fields(record) if f.required
    }
    found = records.decode(digest.canonical_json(needed), type(record))
    assert exactly(found) == exactly(record)


@given(st.sampled_from(KINDS), st.binary(max_size=30) | plain_values.map(digest.canonical_json))
def test_bytes_that_are_no_record_are_damaged(kind: Any, data: bytes) -> None:
    with pytest.raises(Damaged, match=f"damaged record .{kind.__name__}") as error:
        records.decode(data, kind, where="runs/0123456789/run.json")
    assert "path: runs/0123456789/run.json" in str(error.value)


@given(of_type(RunRecord), st.data())
def test_a_record_that_was_cut_off_is_damaged(record: RunRecord, data: st.DataObject) -> None:
    whole = records.encode(record)
    with pytest.raises(Damaged):
        records.decode(whole[: data.draw(st.integers(0, len(whole) - 1))], RunRecord)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_cannot_be_changed(kind: Any) -> None:
    assert kind.__struct_config__.frozen


def test_these_records_never_change_their_bytes() -> None:
    run = RunRecord("0123456789", 1_700_000_000_000_000_000, name="first", user="ada")
    assert records.encode(run) == (
        b'{"format":"samebit-run 1","group":null,"host":"","id":"0123456789","kind":"run",'
        b'"name":"first","of":null,"parent":null,"project":"","samebit":"",'
        b'"started_ns":{"$int":"1700000000000000000"},"user":"ada"}'
    )
    tree = TreeRecord((TreeEntry("a/b.py", digest.of_bytes(b"x"), 1, "exec"),))
    assert records.encode(tree) == (
        b'{"entries":[{"digest":"%s","kind":"exec","path":"a/b.py","size_bytes":1}],'
        b'"format":"samebit-tree 1"}' % digest.of_bytes(b"x").encode()
    )
