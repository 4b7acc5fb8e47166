"""An envelope is read as a stranger's file is: whole, or an error that says why, never a fault."""

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import digest
from samebit.digest import canonical_json
from samebit.errors import Damaged
from samebit.report.certificate import FORMAT, PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from samebit.report.dsse import (
    Envelope,
    EnvelopeSignature,
    encode_envelope,
    read_envelope,
    signed_bytes,
    strict_json,
)
from samebit.report.statement import Digests, read_statement

DIGEST = "0" * 64
STATEMENT: dict[str, Any] = {
    "_type": STATEMENT_TYPE,
    "subject": [
        {"name": "samebit:run/0aayyrw4s6", "digest": {"sha256": DIGEST, "blake3": DIGEST}},
        {"name": "model.bin", "digest": {"blake3": DIGEST}},
    ],
    "predicateType": PREDICATE_TYPE,
    "predicate": {
        "format": FORMAT,
        "run": "0aayyrw4s6",
        "replay": None,
        "anonymous": False,
        "verdict": {"grade": "identical", "scope": ["all"], "at": None, "evidence": {"a": [1.5]}},
        "record": {"run.json": [3, "blake3:" + DIGEST]},
        "outputs": [{"name": "model.bin", "replay": "same bytes"}],
    },
}
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def envelope(payload: bytes, kind: str = PAYLOAD_TYPE) -> Envelope:
    return Envelope(payload, kind, (EnvelopeSignature(bytes(64), "SHA256:x"),))


def test_what_is_signed_is_as_the_protocol_says() -> None:
    """The protocol's own example."""
    signed = signed_bytes("http://example.com/HelloWorld", b"hello world")
    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert signed_bytes("é", b"") == "DSSEv1 2 é 0 ".encode()


@given(st.tuples(st.text(), st.binary()), st.tuples(st.text(), st.binary()))
def test_two_texts_never_have_one_encoding(
    one: tuple[str, bytes], other: tuple[str, bytes]
) -> None:
    assert (signed_bytes(*one) == signed_bytes(*other)) is (one == other)


@given(st.binary(max_size=200), st.text(max_size=30), st.binary(max_size=100), st.text(max_size=30))
def test_an_envelope_comes_back_as_it_was(
    payload: bytes, kind: str, signature: bytes, keyid: str
) -> None:
    whole = Envelope(payload, kind, (EnvelopeSignature(signature, keyid, "ssh-ed25519 AAAA"),))
    try:
        data = encode_envelope(whole)
    except UnicodeEncodeError:
        return
    if "$escaped" not in data.decode():
        assert read_envelope(data, "here") == whole
    assert json.loads(data)["payload"] == base64.b64encode(payload).decode()


@settings(max_examples=300)
@given(st.binary(max_size=300) | plain.map(json.dumps).map(str.encode))
def test_any_bytes_are_an_envelope_or_damaged(data: bytes) -> None:
    for read in (lambda: read_envelope(data, "here"), lambda: strict_json(data, "it", "here")):
        try:
            read()
        except Damaged:
            pass


@settings(max_examples=300)
@given(st.binary(max_size=300) | plain.map(json.dumps).map(str.encode), st.text(max_size=10))
def test_any_payload_is_a_statement_or_damaged(payload: bytes, kind: str) -> None:
    for one in (envelope(payload), envelope(payload, kind)):
        with pytest.raises(Damaged):
            read_statement(one, "here")


def places(value: Any) -> Iterator[list[Any]]:
    """The way to each part of a value."""
    yield []
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ([key, *way] for way in places(item))


WAYS = [way for way in places(STATEMENT) if way]


@settings(max_examples=300)
@given(st.sampled_from(WAYS), plain, st.booleans())
def test_no_part_of_a_statement_is_trusted(way: list[Any], odd: Any, gone: bool) -> None:
    changed = copy.deepcopy(STATEMENT)
    inner = changed
    for key in way[:-1]:
        inner = inner[key]
    if gone:
        del inner[way[-1]]
    else:
        inner[way[-1]] = odd
    try:
        statement, plain_values = read_statement(envelope(json.dumps(changed).encode()), "here")
    except Damaged:
        return
    _ = statement.predicate.shown
    canonical_json(plain_values)  # what `--json` prints


def test_the_whole_statement_is_read() -> None:
    statement, plain_values = read_statement(envelope(canonical_json(STATEMENT)), "here")
    assert plain_values == STATEMENT
    assert statement.predicate.shown.grade == "identical"
    assert statement.digests["model.bin"] == Digests(blake3=DIGEST)


def test_two_readers_can_read_no_two_things() -> None:
    """What Python's own reader would take the last of, and msgspec, too."""
    twice = b'{"a": {"grade": "different", "grade": "identical"}}'
    assert digest.from_json(twice) == {"a": {"grade": "identical"}}
    with pytest.raises(Damaged, match="'grade' stands there twice"):
        strict_json(twice, "it", "here")


def test_more_signatures_than_anybody_has_are_not_read() -> None:
    content = {"payload": "", "payloadType": "x", "signatures": [{"sig": ""}] * 33}
    with pytest.raises(Damaged, match="length <= 32"):
        read_envelope(json.dumps(content).encode(), "here")
