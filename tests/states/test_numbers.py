"""How far apart two arrays are, from their bits, against NumPy, torch and exact arithmetic."""

import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samebit.states import numbers
from samebit.states.numbers import Apart, block_apart, together

FLOATS = ["float16", "bfloat16", "float32", "float64", *numbers._NARROW, "float8_e8m0fnu"]


def width(dtype: str) -> int:
    return numbers._FLOATS.get(dtype, 1)


def value(dtype: str, code: int) -> float:
    """What a code stands for, as torch says."""
    data = bytearray(code.to_bytes(width(dtype), "little"))
    tensor = torch.frombuffer(data, dtype=torch.uint8).view(getattr(torch, dtype))
    return float(tensor.to(torch.float64))


def apart(dtype: str, ours: list[int], theirs: list[int]) -> Apart:
    first, second = (
        b"".join(c.to_bytes(width(dtype), "little") for c in s) for s in (ours, theirs)
    )
    return block_apart(dtype, width(dtype), first, second)


@pytest.mark.parametrize("dtype", [*numbers._NARROW, "float8_e8m0fnu"])
def test_a_float_of_one_byte_is_what_torch_says(dtype: str) -> None:
    codes = torch.arange(256, dtype=torch.uint8).view(getattr(torch, dtype))
    assert np.array_equal(numbers._codes(dtype), codes.to(torch.float64).numpy(), equal_nan=True)


@given(st.sampled_from(FLOATS), st.data())
def test_two_floats_are_as_far_apart_as_counting_says(dtype: str, data: st.DataObject) -> None:
    codes = st.integers(0, 256 ** width(dtype) - 1)
    ours, theirs = data.draw(codes), data.draw(codes)
    a, b = value(dtype, ours), value(dtype, theirs)
    found = apart(dtype, [ours], [theirs])
    if ours == theirs:
        assert found == Apart()
    elif math.isnan(a) or math.isnan(b):
        both = math.isnan(a) and math.isnan(b)
        assert found == Apart(1, payload=int(both), nan=int(not both))
        assert found.only == ("NaN payload only" if both else "")
    else:
        assert found.count == 1
        assert found.sign == (a == b == 0)
        exact = (
            math.inf if math.isinf(a) or math.isinf(b) else float(abs(Fraction(a) - Fraction(b)))
        )
        if dtype != "float64":
            assert found.max_abs == exact
        top = 8 * width(dtype) - 1
        place = [
            code if dtype == "float8_e8m0fnu" else (code & ~(1 << top)) * (-1) ** (code >> top)
            for code in (ours, theirs)
        ]
        assert found.max_ulp == abs(place[0] - place[1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_neighbours_are_one_ulp_apart_and_zeros_none(dtype: str) -> None:
    top = 1 << (8 * width(dtype) - 1)
    assert apart(dtype, [1], [2]).max_ulp == 1
    assert apart(dtype, [1], [top | 1]).max_ulp == 2
    zeros = apart(dtype, [0, 7], [top, 7])
    assert (zeros.max_ulp, zeros.max_abs, zeros.only) == (0, 0.0, "sign of zero only")
    assert apart(dtype, [0, 7], [top, 8]).only == ""


@given(
    st.sampled_from(["int8", "uint8", "int32", "int64", "uint64"]),
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), min_size=1),
)
def test_integers_are_apart_by_their_exact_difference(
    dtype: str, pairs: list[tuple[int, int]]
) -> None:
    kind = np.dtype(dtype)
    mask = 256**kind.itemsize - 1
    ours, theirs = (
        np.array([p[side] & mask for p in pairs], f"u{kind.itemsize}").view(kind) for side in (0, 1)
    )
    found = block_apart(dtype, kind.itemsize, ours.tobytes(), theirs.tobytes())
    distances = [abs(int(a) - int(b)) for a, b in zip(ours, theirs, strict=True)]
    assert found.count == sum(map(bool, distances))
    assert found.max_abs == (max(distances) if any(distances) else None)
    assert found.max_ulp is None


def test_a_complex_number_counts_once_whichever_part_differs() -> None:
    a = np.array([1 + 2j, 0 + 1j, 3 + 0j, 5 + 5j], np.complex64)
    b = np.array([1 + 3j, 1 + 2j, 3 + 0j, 5 + 5j], np.complex64)
    b[2] = complex(3, -0.0)
    found = block_apart("complex64", 8, a.tobytes(), b.tobytes())
    assert (found.count, found.sign, found.max_abs) == (3, 1, 1.0)
    only = block_apart("complex64", 8, a[2:3].tobytes(), b[2:3].tobytes())
    assert only.only == "sign of zero only"


def test_what_is_no_number_is_only_counted() -> None:
    assert block_apart("U2", 8, b"abcdefgh" * 2, b"abcdefgh" + b"x" * 8) == Apart(1)


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))))
def test_blocks_add_up(pairs: list[tuple[bytes, bytes]]) -> None:
    parts = Apart()
    for ours, theirs in pairs:
        parts = together(parts, block_apart("float32", 4, ours, theirs))
    whole = block_apart("float32", 4, b"".join(a for a, _ in pairs), b"".join(b for _, b in pairs))
    assert parts == whole


def test_a_signalling_nan_is_read_without_a_warning() -> None:
    quiet, loud = struct.pack("<I", 0x7FC00000), struct.pack("<I", 0x7F800001)
    found: Any = block_apart("float32", 4, quiet, loud)
    assert found.only == "NaN payload only"
