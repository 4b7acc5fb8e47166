"""Lists of row numbers as bytes: every list comes back, in one form, and no other form is taken."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samebit.data.arrays import of_indices
from samebit.data.members import listed, read_members, read_sequence
from samebit.errors import Damaged

small, wide = st.integers(0, 300), st.integers(0, 2**64 - 1)
lists = st.one_of(
    hnp.arrays("u8", st.integers(0, 40), elements=small),
    hnp.arrays("u8", st.integers(0, 40), elements=wide),
)


def by_the_page(numbers: list[int]) -> bytes:
    """Members as docs/formats/split.md says, number by number."""
    written, before = bytearray(), 0
    for number in sorted(numbers):
        step, before = number - before, number
        while step >= 128:
            written.append(step % 128 + 128)
            step //= 128
        written.append(step)
    return bytes(written)


@given(lists)
def test_every_list_comes_back(numbers: Any) -> None:
    found = listed(numbers)
    assert read_members(found.members, found.rows).tolist() == sorted(numbers.tolist())
    if found.sequence is None:
        assert numbers.tolist() == sorted(numbers.tolist())
    else:
        assert read_sequence(found.sequence, found.rows).tolist() == numbers.tolist()


@given(lists)
def test_members_are_what_the_page_says(numbers: Any) -> None:
    assert listed(numbers).members == by_the_page(numbers.tolist())


@given(lists)
def test_names_and_repetitions_are_those_of_the_list(numbers: Any) -> None:
    found, plain = listed(numbers), numbers.tolist()
    assert found.order == of_indices(plain).name
    assert found.set == of_indices(plain, ordered=False).name
    assert found.repeated == len(plain) - len(set(plain))


@given(lists, st.binary(max_size=40))
def test_other_bytes_are_another_list_or_damaged(numbers: Any, other: bytes) -> None:
    found = listed(numbers)
    for rows in {found.rows, len(other)}:
        try:
            read = read_members(other, rows).tolist()
        except Damaged:
            continue
        assert by_the_page(read) == other  # there is one form of each list
    try:
        assert len(read_sequence(other, found.rows)) == found.rows
    except Damaged:
        pass


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"\x01", 2),  # fewer than there are
        (b"\x01\x01", 1),  # more
        (b"\x81", 1),  # one that does not end
        (b"\x81\x00", 1),  # a form that is not the shortest
        (b"\xff" * 9 + b"\x02", 1),  # 2^65
        (b"\xff" * 9 + b"\x01\x01", 2),  # the sum is 2^64
        (b"\x80" * 10 + b"\x01", 1),
        (b"", 10**18),  # a size that nobody has memory for
    ],
)
def test_what_is_not_the_form_is_damaged(data: bytes, rows: int) -> None:
    with pytest.raises(Damaged):
        read_members(data, rows)


def test_a_random_four_fifths_of_a_million_rows_takes_a_byte_a_row() -> None:
    chance = np.random.default_rng(0).permutation(10**6)
    found = listed(chance[: 8 * 10**5].astype("u8"))
    assert found.sequence is not None
    assert (len(found.members), len(found.sequence)) == (8 * 10**5, 1 + 3 * 8 * 10**5)
