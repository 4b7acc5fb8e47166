"""How far apart the elements of two equally shaped arrays are, from their canonical bytes alone.

Floats of any width are read as bits: every float of up to four bytes is exactly a float64, and the
distance in ULP is how many floats of that dtype lie between two of them (0.0 and -0.0 are 0 apart).
Two NaNs of different bits differ in their payload only, zeros of different bits in their sign only.
"""

import functools
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError

__all__ = ["Apart", "block_apart", "largest", "together"]

# dtype: bits of the exponent, bits of the mantissa, bias, and what the highest codes stand for.
# "ieee": infinities and NaNs; "fn": all ones is NaN; "fnuz": minus zero is NaN.
_NARROW = {
    "float8_e4m3fn": (4, 3, 7, "fn"),
    "float8_e4m3fnuz": (4, 3, 8, "fnuz"),
    "float8_e5m2": (5, 2, 15, "ieee"),
    "float8_e5m2fnuz": (5, 2, 16, "fnuz"),
}
_FLOATS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
_PAIRS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
_INTEGERS = frozenset(
    {"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)


class Apart(Struct, frozen=True):
    """How two arrays of one dtype differ; counts are of elements."""

    count: int = 0  # elements whose bits differ
    payload: int = 0  # of these, NaN on both sides
    sign: int = 0  # of these, zero on both sides
    nan: int = 0  # of these, NaN on one side alone
    max_abs: float | int | None = None  # None where no difference can be told
    max_ulp: int | None = None  # None for what is no float

    @property
    def only(self) -> str:
        """`NaN payload only` or `sign of zero only`, where that is all; else empty."""
        if self.count and self.count == self.payload:
            return "NaN payload only"
        return "sign of zero only" if self.count and self.count == self.sign else ""


def together(first: Apart, second: Apart) -> Apart:
    """What two blocks of one array give."""
    return Apart(
        first.count + second.count,
        first.payload + second.payload,
        first.sign + second.sign,
        first.nan + second.nan,
        _larger(first.max_abs, second.max_abs),
        _larger(first.max_ulp, second.max_ulp),
    )


def _larger(first: Any, second: Any) -> Any:
    return second if first is None else first if second is None else max(first, second)


def block_apart(dtype: str, item_bytes: int, first: Any, second: Any) -> Apart:
    """Compare two blocks of canonical bytes of one size, whole elements each."""
    numpy = _numpy()
    if dtype in _PAIRS:
        # Each part is a number of its own; an element differs where either of them does.
        apart = _floats(numpy, _PAIRS[dtype], first, second)
        ours, theirs = _words(numpy, item_bytes, first), _words(numpy, item_bytes, second)
        count = int((ours != theirs).any(axis=-1).sum())
        return Apart(count, *_of_pairs(numpy, dtype, first, second), apart.max_abs, apart.max_ulp)
    if dtype in _FLOATS or dtype in _NARROW or dtype == "float8_e8m0fnu":
        return _floats(numpy, dtype, first, second)
    if dtype in _INTEGERS:
        return _integers(numpy, dtype, first, second)
    ours, theirs = _words(numpy, item_bytes, first), _words(numpy, item_bytes, second)
    return Apart(int((ours != theirs).any(axis=-1).sum()))


def largest(dtype: str, data: Any) -> float | None:
    """The largest magnitude of a block's finite numbers; None for what is no float, or has none."""
    numpy = _numpy()
    dtype = _PAIRS.get(dtype, dtype)
    if not (dtype in _FLOATS or dtype in _NARROW or dtype == "float8_e8m0fnu"):
        return None
    values = numpy.abs(_values(numpy, dtype, _bits(numpy, dtype, data)))
    finite = values[numpy.isfinite(values)]
    return float(finite.max()) if finite.size else None


def _words(numpy: Any, item_bytes: int, data: Any) -> Any:
    """The bytes of each element, a row each."""
    return numpy.frombuffer(data, numpy.uint8).reshape(-1, max(item_bytes, 1))


def _of_pairs(numpy: Any, dtype: str, first: Any, second: Any) -> tuple[int, int, int]:
    """How many complex elements differ in payloads only, in signs of zero only, by NaN."""
    ours, theirs = (_bits(numpy, _PAIRS[dtype], data).reshape(-1, 2) for data in (first, second))
    rows = (ours != theirs).any(axis=-1)
    ours, theirs = ours[rows], theirs[rows]
    same = ours == theirs
    a, b = (_values(numpy, _PAIRS[dtype], bits) for bits in (ours, theirs))
    a_nan, b_nan = numpy.isnan(a), numpy.isnan(b)
    payload = (same | (a_nan & b_nan)).all(axis=-1)
    sign = (same | ((a == 0) & (b == 0))).all(axis=-1)
    nan = (a_nan != b_nan).any(axis=-1)
    return int(payload.sum()), int(sign.sum()), int(nan.sum())


def _floats(numpy: Any, dtype: str, first: Any, second: Any) -> Apart:
    ours, theirs = _bits(numpy, dtype, first), _bits(numpy, dtype, second)
    differ = ours != theirs
    count = int(differ.sum())
    if not count:
        return Apart()
    ours, theirs = ours[differ], theirs[differ]
    a, b = _values(numpy, dtype, ours), _values(numpy, dtype, theirs)
    a_nan, b_nan = numpy.isnan(a), numpy.isnan(b)
    numbers = ~(a_nan | b_nan)
    found = Apart(
        count,
        payload=int((a_nan & b_nan).sum()),
        sign=int(((a == 0) & (b == 0)).sum()),
        nan=int((a_nan != b_nan).sum()),
    )
    if not numbers.any():
        return found
    with numpy.errstate(over="ignore"):
        max_abs = float(numpy.abs(a[numbers] - b[numbers]).max())
    max_ulp = int(_ulps(numpy, dtype, ours[numbers], theirs[numbers]).max())
    return Apart(count, found.payload, found.sign, found.nan, max_abs, max_ulp)


def _bits(numpy: Any, dtype: str, data: Any) -> Any:
    return numpy.frombuffer(data, f"<u{_FLOATS.get(dtype, 1)}")


def _values(numpy: Any, dtype: str, bits: Any) -> Any:
    """The numbers that bits stand for, as float64; exact for every dtype."""
    if dtype == "bfloat16":
        with numpy.errstate(invalid="ignore"):  # a signalling NaN
            return (bits.astype(numpy.uint32) << 16).view(numpy.float32).astype(numpy.float64)
    if dtype in _FLOATS:
        with numpy.errstate(invalid="ignore"):
            return bits.view(f"<f{_FLOATS[dtype]}").astype(numpy.float64)
    return _codes(dtype)[bits]


@functools.cache
def _codes(dtype: str) -> Any:
    """The numbers of the 256 codes of a float of one byte."""
    numpy = _numpy()
    if dtype == "float8_e8m0fnu":
        values = numpy.ldexp(1.0, numpy.arange(256) - 127)
        values[255] = numpy.nan
        return values
    exponent_bits, mantissa_bits, bias, kind = _NARROW[dtype]
    codes = numpy.arange(128)
    exponent, mantissa = codes >> mantissa_bits, codes & ((1 << mantissa_bits) - 1)
    whole = numpy.where(exponent > 0, 1 << mantissa_bits, 0) + mantissa
    values = numpy.ldexp(whole.astype(float), numpy.maximum(exponent, 1) - bias - mantissa_bits)
    if kind == "ieee":
        top = exponent == (1 << exponent_bits) - 1
        values[top] = numpy.where(mantissa[top] == 0, numpy.inf, numpy.nan)
    elif kind == "fn":
        values[127] = numpy.nan
    both = numpy.concatenate([values, -values])
    if kind == "fnuz":
        both[128] = numpy.nan
    return both


def _ulps(numpy: Any, dtype: str, ours: Any, theirs: Any) -> Any:
    """How many floats lie between two, as uint64."""
    if dtype == "float8_e8m0fnu":  # has no sign
        a, b = ours.astype(numpy.uint64), theirs.astype(numpy.uint64)
        return numpy.maximum(a, b) - numpy.minimum(a, b)
    top = 8 * ours.dtype.itemsize - 1
    sign = numpy.uint64(1 << top)
    a, b = ours.astype(numpy.uint64), theirs.astype(numpy.uint64)
    a_size, b_size = a & ~sign, b & ~sign
    same_side = (a & sign) == (b & sign)
    distance = numpy.maximum(a_size, b_size) - numpy.minimum(a_size, b_size)
    return numpy.where(same_side, distance, a_size + b_size)


def _integers(numpy: Any, dtype: str, first: Any, second: Any) -> Apart:
    kind = numpy.dtype("uint8" if dtype == "bool" else dtype).newbyteorder("<")
    ours, theirs = numpy.frombuffer(first, kind), numpy.frombuffer(second, kind)
    differ = ours != theirs
    count = int(differ.sum())
    if not count:
        return Apart()
    high, low = numpy.maximum(ours, theirs)[differ], numpy.minimum(ours, theirs)[differ]
    # Of two signed numbers it fits the unsigned ones of 64 bits, modulo which it is taken.
    distance = high.astype(numpy.uint64) - low.astype(numpy.uint64)
    return Apart(count, max_abs=int(distance.max()))


def _numpy() -> Any:
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError(f"cannot compare arrays: {error}", hint="install NumPy") from error
    return numpy
