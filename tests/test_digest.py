import enum
import io
import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samebit import digest
from samebit.errors import Damaged, UsageError
from tests.strategies import plain_values

# Few enough values that two draws are often the same one, or its nearest neighbour.
close_scalars = st.sampled_from(
    [None, True, False, 0, 1, 0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, "", "1", "nan"]
) | st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, float(2**53), str(2**53 + 1), "$float"])
close_names = st.sampled_from(["a", "b", "$a", "$$a", "$int", "$float"])
close_values = st.recursive(
    close_scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(close_names, inner, max_size=2),
    max_leaves=4,
)
twelve_pieces = st.lists(st.binary(max_size=200), max_size=12)


def exactly(value: Any) -> object:
    """What makes a value what it is: 1, 1.0 and True differ, all NaNs are one."""
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [exactly(item) for item in value]
    if isinstance(value, float):
        return float, b"nan" if math.isnan(value) else struct.pack("d", value)
    return type(value), value


@given(close_values, close_values)
@example({"$float": "nan"}, math.nan)
@example({"$$float": "nan"}, {"$float": "nan"})
@example({"$int": str(2**53 + 1)}, 2**53 + 1)
@example([0.0], [-0.0])
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example((1, 2), [1, 2])
def test_two_values_have_the_same_bytes_exactly_when_they_are_equal(one: Any, other: Any) -> None:
    same_bytes = digest.canonical_json(one) == digest.canonical_json(other)
    assert same_bytes == (exactly(one) == exactly(other))


@given(plain_values | close_values)
def test_a_value_comes_back_exactly(value: Any) -> None:
    assert exactly(digest.from_json(digest.canonical_json(value))) == exactly(value)


@given(plain_values)
def test_what_was_read_is_written_with_the_same_bytes(value: Any) -> None:
    data = digest.canonical_json(value)
    assert digest.canonical_json(digest.from_json(data)) == data


@given(st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\\"), max_size=9))
@example("x\udcff")
@example("\\udcff \udcff \\\\u")
def test_a_text_with_bytes_that_are_no_utf8_comes_back_exactly(text: str) -> None:
    data = digest.canonical_json({"$escaped": text})
    assert digest.from_json(data) == {"$escaped": text}
    assert digest.canonical_json(digest.from_json(data)) == data


def test_a_byte_that_is_no_utf8_is_written_as_its_escape() -> None:
    assert digest.canonical_json(["a\\b", "a\\\udcff"]) == (
        rb'["a\\b",{"$escaped":"a\\\\\\udcff"}]'
    )


def test_these_bytes_never_change() -> None:
    value = {
        "lr": 0.1,
        "β": [1, -0.0, True, None],
        "none": {},
        "$ref": "x",
        "nan": math.nan,
        "inf": [math.inf, -math.inf],
        "seeds": [2**53, 2**64],
        "text": 'line\n"q"',
        "tiny": 5e-324,
        "whole": 1.0,
    }
    data = digest.canonical_json(value)
    assert data.decode() == (
        '{"$$ref":"x","inf":[{"$float":"inf"},{"$float":"-inf"}],"lr":0.1,'
        '"nan":{"$float":"nan"},"none":{},"seeds":[9007199254740992,'
        '{"$int":"18446744073709551616"}],"text":"line\\n\\"q\\"","tiny":5e-324,"whole":1.0,'
        '"β":[1,-0.0,true,null]}'
    )
    assert digest.of_bytes(data) == (
        "blake3:a3f42d4980cab2135301c71371526d6ff6623d56c74a27f5d77d92f69e819265"
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_that_a_float_cannot_hold_is_a_text(sign: int) -> None:
    whole = sign * 2**53
    assert digest.canonical_json(whole) == str(whole).encode()
    assert digest.canonical_json(whole + sign) == b'{"$int":"%d"}' % (whole + sign)


class Colour(str, enum.Enum):  # noqa: UP042  (this one's `str()` is not its value)
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Text(str):
    pass


class Whole(int):
    pass


class Real(float):
    pass


def test_a_subclass_is_written_as_its_plain_base() -> None:
    value = {Text("k"): [Colour.RED, Size.BIG, Text("$t"), Whole(2**60), Whole(4), Real("nan")]}
    found = digest.from_json(digest.canonical_json(value))
    assert exactly(found) == exactly({"k": ["red", 3, "$t", 2**60, 4, math.nan]})


@pytest.mark.parametrize("value", [{1: "x"}, {"a": {None: 1}}, {("a",): 1}, {b"a": 1}])
def test_keys_that_are_no_text_are_refused(value: object) -> None:
    with pytest.raises(UsageError, match="a key must be a text"):
        digest.canonical_json(value)


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), [1j], Path("x")])
def test_what_is_no_plain_value_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="not a plain value"):
        digest.canonical_json(value)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [{"\udcff": 1}, [10**5000], nested(5000)])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        digest.canonical_json(value)


@given(
    st.binary(max_size=40)
    | st.builds(
        lambda mark, value: b'{"%s":%s}' % (mark, digest.canonical_json(value)),
        st.sampled_from([b"$int", b"$float"]),
        plain_values,
    )
)
@example(b"[" * 100_000)
@example(b'{"$int":"' + b"9" * 5000 + b'"}')
@example(b'{"$int":null}')
@example(b'{"$float":[]}')
def test_foreign_bytes_are_a_value_or_damaged(data: bytes) -> None:
    try:
        digest.from_json(data)
    except Damaged:
        pass


@given(twelve_pieces)
def test_pieces_and_their_whole_have_the_same_name(pieces: list[bytes]) -> None:
    hasher = digest.Hasher()
    for at, piece in enumerate(pieces):
        hasher.update([bytes, bytearray, memoryview][at % 3](piece))
    whole = b"".join(pieces)
    assert hasher.digest() == digest.of_bytes(whole)
    assert digest.of_stream(io.BytesIO(whole)) == (digest.of_bytes(whole), len(whole))
    assert hasher.size_bytes == len(whole)


def test_a_file_has_the_name_of_its_bytes(tmp_path: Path) -> None:
    data = os.urandom((1 << 20) + 1)
    (tmp_path / "file").write_bytes(data)
    assert digest.of_file(tmp_path / "file") == (digest.of_bytes(data), len(data))
    with pytest.raises(FileNotFoundError):
        digest.of_file(tmp_path / "none")


def test_the_name_of_no_bytes_is_blake3s() -> None:
    assert digest.of_bytes(b"") == (
        "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    )


@given(st.text(max_size=80) | st.from_regex(r"(blake3:)?[0-9a-fA-F]{62,66}", fullmatch=True))
def test_only_a_content_name_has_hex_digits(text: str) -> None:
    digits = text.removeprefix("blake3:")
    is_one = (
        text.startswith("blake3:") and len(digits) == 64 and set(digits) <= set("0123456789abcdef")
    )
    if is_one:
        assert digest.hex_of(text) == digits
        assert digest.short(text) == digits[:8]
    else:
        with pytest.raises(Damaged, match="not a content name"):
            digest.hex_of(text)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_the_raw_digest_is_the_name_in_32_bytes_however_many_processors(
    pieces: list[bytes],
) -> None:
    whole = b"".join(pieces)
    for threads in (False, True):
        hasher = digest.Hasher(threads=threads)
        for piece in pieces:
            hasher.update(piece)
        assert hasher.raw() == digest.raw(whole)
        assert hasher.digest() == digest.of_bytes(whole) == "blake3:" + digest.raw(whole).hex()
