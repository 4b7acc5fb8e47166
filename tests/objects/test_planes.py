import struct
import sys

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samebit.errors import Damaged
from samebit.objects import encoding, planes

words = st.sampled_from([2, 4, 8])


@st.composite
def contents(draw: st.DrawFn) -> tuple[bytes, int]:
    """Whole words, some of whose planes repeat."""
    word, count = draw(words), draw(st.integers(0, 3000))
    kinds = draw(st.lists(st.sampled_from(["noise", "same", "few"]), min_size=word, max_size=word))
    random = draw(st.randoms(use_true_random=False))
    data = bytearray(word * count)
    for place, kind in enumerate(kinds):
        if kind == "noise":
            data[place::word] = random.randbytes(count)
        elif kind == "few":
            data[place::word] = bytes(random.choices(b"abc", k=count))
    return bytes(data), word


def joined(body: bytes, word: int, size: int) -> set[bytes]:
    """What a body gives, each way: made anew or into memory, with NumPy loaded and without."""
    found: set[bytes] = set()
    assert numpy.__name__ in sys.modules
    for has_numpy in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planes, "_has_numpy", lambda has=has_numpy: has)
            found.add(planes.join(body, word, size))
            room = bytearray(b"?" * size)
            planes.join_into(body, word, memoryview(room))
            found.add(bytes(room))
    return found


@given(contents())
def test_words_come_back_from_their_planes(given_words: tuple[bytes, int]) -> None:
    data, word = given_words
    body = planes.split(data, word)
    assert joined(body, word, len(data)) == {data}
    assert len(body) <= len(data) + 8 * word


def test_words_of_many_blocks_come_back() -> None:
    data = bytes(range(256)) * (3 << 12) + bytes(24)
    for word in (2, 4, 8):
        assert joined(planes.split(memoryview(data), word), word, len(data)) == {data}


def test_a_body_that_is_hurt_leaves_the_memory_as_it_was() -> None:
    body = bytearray(planes.split(bytes(range(8)) * 64, 8))
    body[70] ^= 1
    room = bytearray(b"?" * 512)
    with pytest.raises(Damaged):
        planes.join_into(bytes(body), 8, memoryview(room))
    assert room == b"?" * 512


def test_these_bytes_never_change() -> None:
    assert planes.split(b"a1b2c3", 2) == struct.pack("<2Q", 3, 3) + b"abc123"
    assert planes.join(struct.pack("<2Q", 3, 3) + b"abc123", 2, 6) == b"a1b2c3"


@given(contents(), st.data())
def test_a_changed_body_is_damaged_or_of_the_size_it_had(
    given_words: tuple[bytes, int], data: st.DataObject
) -> None:
    whole, word = given_words
    body = bytearray(planes.split(whole, word))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body)) | st.just(len(body))) :]
    try:
        assert len(planes.join(body, word, len(whole))) == len(whole)
    except Damaged:
        pass


@given(words, st.binary(max_size=80), st.integers(0, 100) | st.integers(0, 2**64 - 1))
@example(4, struct.pack("<4Q", 2**63, 2**63, 0, 0), 0)
@example(4, struct.pack("<4Q", 0, 0, 0, 0), 2**40)
def test_a_strange_body_is_damaged_or_as_large_as_declared(
    word: int, body: bytes, size: int
) -> None:
    try:
        assert len(encoding.decode(encoding.PLANES[word], body, size)) == size
    except Damaged:
        pass


def test_nothing_above_64_mib_is_decoded() -> None:
    size = encoding.MOST_ENCODED_BYTES + 8
    body = planes.split(bytes(size), 8)
    for kind in encoding.PLANES.values():
        with pytest.raises(Damaged, match="none of that size"):
            encoding.decode(kind, body, size)
    assert encoding.expected_share(bytes(size)) == 1.0
    assert encoding.encode(bytes(size))[0] == encoding.RAW
