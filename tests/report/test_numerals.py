"""What a number's digits promise: the number itself, as people write it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.report.numerals import numeral


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "1e-4"),
        (0.0003, "3e-4"),
        (0.001, "1e-3"),
        (0.01, "0.01"),
        (0.999, "0.999"),
        (1.0, "1"),
        (300.0, "300"),
        (1024, "1024"),
        (65536, "65536"),
        (65536.0, "65536"),
        (1e5, "1e5"),
        (250000.0, "2.5e5"),
        (123456.789, "123456.789"),
        (0.1 + 0.2, "0.3"),
        (0.10000000149011612, "0.1"),  # the float32 of 0.1
        (-1e-4, "-1e-4"),
        (0.0, "0"),
        (5e-324, "5e-324"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (10**400, "1" + "0" * 400),
        (2.0**53, "9007199254740992"),
        (123456792.0, "123456792"),
    ],
)
def test_as_papers_write_it(value: float, text: str) -> None:
    assert numeral(value) == text


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_is_the_number(value: float) -> None:
    # What a float32 holds was one, and is written as one: 0.1, not 0.10000000149011612.
    is_single = np.float32(value) == value and not (value.is_integer() and abs(value) <= 2**53)
    assert float(numeral(value)) == pytest.approx(value, rel=2.0**-24 if is_single else 1e-12)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_float32_is_written_so_that_float32_reads_it_back(value: float) -> None:
    assert float(numeral(value)) == pytest.approx(value, rel=2.0**-24)


@given(st.integers())
def test_an_integer_is_written_whole(value: int) -> None:
    assert numeral(value) == str(value)
