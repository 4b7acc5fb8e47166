"""Where a large file is cut: at places that its content chooses, so that an insertion moves none.

A piece ends behind the first window of eight bytes, from the 384th KiB on, whose product with a
fixed number is among the largest of its range; at the latest after 2 MiB. What lies before the
last cut has no say: after an edit the cuts are soon the old ones again. The rule is no part of any
format: whoever reads puts pieces together as a list says.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError

__all__ = ["LEAST_BYTES", "MOST_BYTES", "cuts", "room"]

LEAST_BYTES = 384 << 10
MOST_BYTES = 2 << 20
_WINDOW_BYTES = 8
_GAP = 128 << 10  # windows between two that cut, on an average: so a piece has 512 KiB
_FACTOR = 0x9E3779B97F4A7C15  # odd, and its bits have no pattern
# Not the smallest products: that of zeros is one of them, and files are full of zeros.
_LEAST_PRODUCT = 2**64 - 2**64 // _GAP
_TOGETHER_BYTES = 128 << 10  # a block, its products and their comparison stay in the cache


class _Numpy(Struct, frozen=True):
    module: Any
    factor: Any
    least: Any
    products: Callable[[], Any]


@functools.cache
def _numpy() -> _Numpy:
    try:
        numpy = importlib.import_module("numpy")
    except ImportError as error:
        raise UsageError(
            "NumPy is not installed, and large files are cut with it", hint="pip install numpy"
        ) from error
    return _Numpy(
        numpy,
        numpy.uint64(_FACTOR),
        numpy.uint64(_LEAST_PRODUCT),
        lambda: numpy.empty(_TOGETHER_BYTES // _WINDOW_BYTES, numpy.uint64),
    )


def cuts(data: memoryview, size_bytes: int, *, is_end: bool) -> list[int]:
    """Where the pieces of some bytes end, which begin behind a cut.

    Args:
        data: the bytes; more may follow in the file.
        size_bytes: how many of them count.
        is_end: whether the file ends with them; else what is behind the last cut is to be given
            again, with what follows.
    """
    found: list[int] = []
    at = 0
    scratch: Any = None
    while size_bytes - at > (LEAST_BYTES if is_end else MOST_BYTES):
        if scratch is None:
            scratch = _numpy().products()
        last = min(at + MOST_BYTES, size_bytes)
        at = _first(data, at + LEAST_BYTES - _WINDOW_BYTES, last, scratch)
        found.append(at)
    if is_end and size_bytes > at:
        found.append(size_bytes)
    return found


def room(size_bytes: int) -> memoryview:
    """Memory for so many bytes, in which anything may stand."""
    return memoryview(_numpy().module.empty(size_bytes, "u1"))


def _first(data: memoryview, begin: int, end: int, scratch: Any) -> int:
    """Behind the first window that cuts, of those that lie between; `end` where none does."""
    numpy = _numpy()
    while end - begin >= _WINDOW_BYTES:
        size = min(_TOGETHER_BYTES, end - begin)
        best = size
        for offset in range(_WINDOW_BYTES):  # windows that begin here, and every eight bytes on
            count = (size - offset) // _WINDOW_BYTES
            if not count:
                break
            windows = numpy.module.frombuffer(data, "<u8", count, begin + offset)
            products = numpy.module.multiply(windows, numpy.factor, out=scratch[:count])
            if products.max() >= numpy.least:
                place = int((products >= numpy.least).argmax()) * _WINDOW_BYTES + offset
                best = min(best, place)
        if best < size:
            return begin + best + _WINDOW_BYTES
        begin += size - _WINDOW_BYTES + 1
    return end
