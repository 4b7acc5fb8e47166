"""Protocol buffers on the wire: the fields of a message read one by one, and written.

Nothing is believed: a length that leads beyond its message, a number of more than ten bytes and a
kind of field that is not known are refused.
"""

import struct
from collections.abc import Iterator
from typing import Any

__all__ = [
    "BYTES",
    "FIXED32",
    "FIXED64",
    "VARINT",
    "Malformed",
    "as_signed",
    "bytes_field",
    "double_field",
    "doubles",
    "fields",
    "float_field",
    "read_varint",
    "text_of",
    "varint",
    "varint_field",
]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MOST_BITS = 64
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")

Data = bytes | memoryview


class Malformed(ValueError):
    """Bytes that are no message."""


def fields(data: Data, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, Any]]:
    """Each field of a message: its number, its kind, and what it holds.

    That is an unsigned integer of a VARINT; of the others (begin, end), where its bytes lie.

    Raises:
        Malformed: it is none, from here on.
    """
    end = len(data) if end is None else end
    at = start
    while at < end:
        key, at = read_varint(data, at, end)
        kind, number = key & 7, key >> 3
        if not number:
            raise Malformed("a field without a number")
        if kind == VARINT:
            value, at = read_varint(data, at, end)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = read_varint(data, at, end)
        elif kind == FIXED64:
            size = 8
        elif kind == FIXED32:
            size = 4
        else:
            raise Malformed(f"a field of the kind {kind}")
        if size > end - at:
            raise Malformed("a field that is longer than its message")
        yield number, kind, (at, at + size)
        at += size


def read_varint(data: Data, at: int, end: int) -> tuple[int, int]:
    """An unsigned integer, and where it ends."""
    value = shift = 0
    while at < end and shift < _MOST_BITS:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise Malformed("an integer without an end")


def as_signed(value: int) -> int:
    """What an int32 or int64 says that was read as unsigned."""
    return value - (1 << 64) if value >> 63 else value


def text_of(data: Data) -> str:
    """A text; bytes that are no UTF-8 become their escape, for good."""
    return bytes(data).decode("utf-8", "backslashreplace")


def doubles(data: Data, kind: int, span: Any) -> list[float]:
    """The numbers of a repeated double, packed or one of them."""
    if kind not in (BYTES, FIXED64):
        raise Malformed("a list of numbers that holds none")
    begin, end = span
    count, rest = divmod(end - begin, 8)
    if rest:
        raise Malformed("a list of numbers that ends in the middle of one")
    return list(struct.unpack_from(f"<{count}d", data, begin))


# Writing


def varint(value: int) -> bytes:
    """An integer; a negative one has ten bytes."""
    value &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def varint_field(number: int, value: int) -> bytes:
    """A field that is an integer."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, data: bytes) -> bytes:
    """A field that is a text, bytes, or a message."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def double_field(number: int, value: float) -> bytes:
    """A field that is a double."""
    return varint(number << 3 | FIXED64) + _DOUBLE.pack(value)


def float_field(number: int, value: float) -> bytes:
    """A field that is a float."""
    return varint(number << 3 | FIXED32) + _FLOAT.pack(value)
