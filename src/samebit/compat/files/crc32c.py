"""CRC-32C (Castagnoli), as records of TensorBoard and of LevelDB have it, with NumPy.

Python has none, and a library's call for each record would cost more than the sum. A CRC is linear:
of many messages of one length it is computed for all of them at once, four bytes in a step, with
two tables of 65,536 entries; a long message is many rows of one length, joined afterwards.
"""

import functools
from typing import Any

__all__ = ["crc32c", "crc32c_of_rows", "mask", "masked"]

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFFFFFF
_ROW_BYTES = 1024  # of a long message, computed side by side
_SHORT_BYTES = 4 * _ROW_BYTES
_MASK = 0xA282EAD8
_BLOCK_ROWS = 1 << 15  # so that the columns at hand stay in the processor's cache


def crc32c(data: bytes | memoryview, numpy: Any) -> int:
    """The CRC of a message of any length."""
    size = len(data)
    if size < _SHORT_BYTES:
        rows = numpy.frombuffer(data, numpy.uint8).reshape(1, size)
        return int(crc32c_of_rows(rows, numpy)[0])
    whole = size // _ROW_BYTES
    rows = numpy.frombuffer(data, numpy.uint8, whole * _ROW_BYTES).reshape(whole, _ROW_BYTES)
    state, shift = _ALL, _shift(numpy)
    for row in _states(rows, numpy, 0).tolist():
        state = (
            shift[0][state & 0xFF]
            ^ shift[1][state >> 8 & 0xFF]
            ^ shift[2][state >> 16 & 0xFF]
            ^ shift[3][state >> 24]
            ^ row
        )
    rest = numpy.frombuffer(data, numpy.uint8, offset=whole * _ROW_BYTES).reshape(1, -1)
    return int(_states(rest, numpy, state)[0]) ^ _ALL


def crc32c_of_rows(rows: Any, numpy: Any) -> Any:
    """The CRC of each row of an array of bytes, as uint32."""
    return _states(rows, numpy, _ALL) ^ numpy.uint32(_ALL)


def mask(crc: Any) -> Any:
    """A CRC as it stands in a file beside what it is of; of an integer, or of an array."""
    return ((crc >> 15 | crc << 17) + _MASK) & _ALL


def masked(data: bytes | memoryview, numpy: Any) -> int:
    """The masked CRC of a message."""
    return mask(crc32c(data, numpy))


def _states(rows: Any, numpy: Any, first: int) -> Any:
    """The state of each row at its end, where all begin with the same one."""
    found = numpy.empty(len(rows), numpy.uint32)
    for begin in range(0, len(rows), _BLOCK_ROWS):
        some = rows[begin : begin + _BLOCK_ROWS]
        found[begin : begin + len(some)] = _states_of(some, numpy, first)
    return found


def _states_of(rows: Any, numpy: Any, first: int) -> Any:
    count, size = rows.shape
    low, high, single = _tables(numpy)
    state = numpy.full(count, first, numpy.uint32)
    words = size // 4
    if words:
        columns = numpy.ascontiguousarray(rows[:, : words * 4]).view("<u4")
        for column in numpy.ascontiguousarray(columns.T):
            state ^= column
            state = low[state & 0xFFFF] ^ high[state >> 16]
    for at in range(words * 4, size):
        state = single[(state ^ rows[:, at]) & 0xFF] ^ (state >> 8)
    return state


@functools.cache
def _tables(numpy: Any) -> tuple[Any, Any, Any]:
    """What the lower and the upper half of four bytes make of a state, and what one byte makes."""
    single = numpy.arange(256, dtype=numpy.uint32)
    for _ in range(8):
        single = single >> 1 ^ numpy.where(single & 1, numpy.uint32(_POLYNOMIAL), numpy.uint32(0))

    def after(state: Any, count: int) -> Any:
        for _ in range(count):
            state = single[state & 0xFF] ^ state >> 8
        return state

    halves = numpy.arange(1 << 16, dtype=numpy.uint32)
    return after(halves, 4), after(halves << 16, 4), single


@functools.cache
def _shift(numpy: Any) -> list[list[int]]:
    """By the place of a byte in a state, and its value: what a row of zeros makes of it."""
    values = numpy.arange(256, dtype=numpy.uint32)
    starts = numpy.concatenate([values << (8 * at) for at in range(4)])
    low, high, _ = _tables(numpy)
    for _ in range(_ROW_BYTES // 4):
        starts = low[starts & 0xFFFF] ^ high[starts >> 16]
    return starts.reshape(4, 256).tolist()
