"""A number's digits as papers write them: as few as name it, with an exponent where it is small.

What is written is the number: nothing is rounded away but the noise of binary fractions (0.1 + 0.2
is 0.3, the float32 of 0.1 is 0.1).
"""

import math
import struct
from decimal import Decimal

__all__ = ["numeral"]

_NOISE = 1e-12  # relative; a few roundings of double precision
_MOST_DIGITS = 17
_LAST_WHOLE = 2**53  # up to which each whole number has a float of its own
_LONG = 9  # digits of a number that was not meant with so many
_LEAST_PLAIN, _MOST_PLAIN = 0.01, 1e5  # outside of these papers write an exponent


def numeral(value: float) -> str:
    """`3e-4`, `0.999`, `65536`; integers whole, and so are powers of two; `nan`, `inf`, `-inf`."""
    if isinstance(value, int):
        return str(int(value))
    value = float(value)  # a NumPy float prints its type
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    digits = _fewest(value)
    if value.is_integer() and (abs(value) < _MOST_PLAIN or _is_power_of_two(abs(value))):
        return str(int(value))
    mantissa, _, exponent = f"{float(digits):.{_count(digits) - 1}e}".partition("e")
    plain = _plain(digits)
    short = f"{mantissa}e{int(exponent)}"
    is_large = abs(value) >= _MOST_PLAIN and len(short) < len(plain)
    return short if is_large or abs(value) < _LEAST_PLAIN else plain


def _fewest(value: float) -> str:
    """The shortest decimal that is this number, as double or as the float32 that it was."""
    if value.is_integer() and abs(value) <= _LAST_WHOLE:
        return str(int(value))
    text = repr(value)
    for precision in range(1, _MOST_DIGITS + 1):
        text = f"{value:.{precision}g}"
        if abs(float(text) - value) <= _NOISE * abs(value):
            break
    if _count(text) > _LONG and _as_float32(value) == value:
        for precision in range(1, _LONG + 1):
            shorter = f"{value:.{precision}g}"
            if _as_float32(float(shorter)) == value:
                return shorter
    return text


def _as_float32(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


def _plain(digits: str) -> str:
    """The same decimal without an exponent."""
    return f"{Decimal(digits):f}" if "e" in digits else digits


def _count(digits: str) -> int:
    mantissa = digits.partition("e")[0].lstrip("-").replace(".", "")
    return max(1, len(mantissa.strip("0")))


def _is_power_of_two(value: float) -> bool:
    return value < 2**53 and int(value).bit_count() == 1
