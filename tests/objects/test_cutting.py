"""Pieces by content: all of the file, none too large, and an edit changes few."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit.objects.cutting import LEAST_BYTES, MOST_BYTES, cuts


def cut_whole(data: bytes) -> list[bytes]:
    ends = cuts(memoryview(data), len(data), is_end=True)
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def cut_in_blocks(data: bytes, sizes: list[int]) -> list[bytes]:
    """As a file is cut that is read block by block."""
    found: list[bytes] = []
    left, at = b"", 0
    while at < len(data) or left:
        size = sizes[at % len(sizes)]
        now, at = left + data[at : at + size], at + size
        is_end = at >= len(data)
        ends = cuts(memoryview(now), len(now), is_end=is_end)
        found += [now[a:b] for a, b in zip([0, *ends], ends, strict=False)]
        left = now[ends[-1] :] if ends else now
        if is_end:
            break
    return found


CONTENT = {
    "noise": lambda chance, size: chance.randbytes(size),
    "zeros": lambda chance, size: bytes(size),
    "lines": lambda chance, size: b"".join(
        b"%d,%.3f\n" % (n, chance.random()) for n in range(size // 12)
    ),
}


@pytest.mark.parametrize("kind", sorted(CONTENT))
@settings(max_examples=12)
@given(
    seed=st.integers(0, 99),
    size=st.integers(0, 6 << 20),
    sizes=st.lists(st.integers(1 << 16, 5 << 20), min_size=1, max_size=4),
)
def test_pieces_are_all_of_it_however_it_is_read(
    kind: str, seed: int, size: int, sizes: list[int]
) -> None:
    data = CONTENT[kind](random.Random(seed), size)
    pieces = cut_whole(data)
    assert b"".join(pieces) == data
    assert all(LEAST_BYTES <= len(piece) <= MOST_BYTES for piece in pieces[:-1])
    assert all(len(piece) <= MOST_BYTES for piece in pieces)
    assert cut_in_blocks(data, sizes) == pieces


@settings(max_examples=5)
@given(seed=st.integers(0, 99), share=st.floats(0.1, 0.7), inserted=st.binary(max_size=50))
def test_an_insertion_or_removal_makes_few_new_pieces(
    seed: int, share: float, inserted: bytes
) -> None:
    data = random.Random(seed).randbytes(16 << 20)
    place = int(share * len(data))
    known = set(cut_whole(data))
    for edited in (data[:place] + inserted + data[place:], data[:place] + data[place + 77 :]):
        new = [piece for piece in cut_whole(edited) if piece not in known]
        assert sum(map(len, new)) < 4 * MOST_BYTES


def test_where_it_is_cut_stays_so() -> None:
    # Another rule would store everything anew that is stored already.
    data = random.Random(5).randbytes(3 << 20)
    assert cuts(memoryview(data), len(data), is_end=True) == [
        729296,
        1328837,
        1926509,
        2358275,
        2901828,
        3145728,
    ]
