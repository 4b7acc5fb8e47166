"""Events of TensorBoard: what one record of an event file says.

Events that hold one number, of which there may be millions, are read many at once by
`compat/files/alike.py`; this is how one is read, and knows all that an event may hold.
"""

import struct
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from samebit.compat.files.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Malformed,
    as_signed,
    doubles,
    fields,
    read_varint,
    text_of,
)

__all__ = [
    "PLUGIN",
    "SCALARS",
    "Event",
    "Hparams",
    "Value",
    "bins_of",
    "read_event",
    "read_hparams",
    "read_number",
    "read_tensor",
    "tensor_shape",
]

PLUGIN = "hparams"
SCALARS = ("", "scalars")  # whose tensors of rank 0 are numbers
_START = 1  # of a SessionLog: what was logged before from this step on is void
_MOST_VALUES = 1 << 20  # of one tensor

Span = tuple[int, int]  # where in the data something begins and ends


class Value(Struct):
    """One thing of a summary."""

    tag: str = ""
    simple: float | None = None
    image: Span | None = None
    histogram: Span | None = None
    audio: Span | None = None
    tensor: Span | None = None
    plugin: str = ""
    content: bytes = b""  # what the plugin keeps beside it


class Event(Struct):
    """One record."""

    wall_time: float = 0.0  # seconds since 1970, UTC
    step: int = 0
    restarts: bool = False
    writer: str = ""  # what wrote the file
    values: list[Value] = field(default_factory=list[Value])
    others: list[str] = field(default_factory=list[str])  # graphs and the like, by name


_OTHERS = {4: "graph", 8: "run metadata", 9: "meta graph"}


def read_event(data: bytes, begin: int, end: int) -> Event:
    """What a record says; raises Malformed."""
    event = Event()
    for number, kind, value in fields(data, begin, end):
        if number == 1 and kind == FIXED64:
            (event.wall_time,) = struct.unpack_from("<d", data, value[0])
        elif number == 2 and kind == VARINT:
            event.step = as_signed(value)
        elif number == 5 and kind == BYTES:
            event.values += [
                _value(data, *span)
                for inner, of, span in fields(data, *value)
                if inner == 1 and of == BYTES
            ]
        elif number == 7 and kind == BYTES:
            event.restarts = any(
                (inner, of, status) == (1, VARINT, _START)
                for inner, of, status in fields(data, *value)
            )
        elif number == 10 and kind == BYTES:
            event.writer = _text(data, value, 1)
        elif number in _OTHERS:
            event.others.append(_OTHERS[number])
    return event


def _value(data: bytes, begin: int, end: int) -> Value:
    found = Value()
    for number, kind, value in fields(data, begin, end):
        if number == 1 and kind == BYTES:
            found.tag = text_of(data[slice(*value)])
        elif number == 2 and kind == FIXED32:
            (found.simple,) = struct.unpack_from("<f", data, value[0])
        elif kind == BYTES and number in (4, 5, 6, 8):
            name = {4: "image", 5: "histogram", 6: "audio", 8: "tensor"}[number]
            setattr(found, name, value)
        elif number == 9 and kind == BYTES:
            for inner, of, span in fields(data, *value):
                if inner == 1 and of == BYTES:
                    found.plugin = _text(data, span, 1)
                    found.content = _bytes(data, span, 2)
    return found


def _bytes(data: bytes, span: Span, wanted: int) -> bytes:
    """The last field of a number in a message, as bytes."""
    found = b""
    for number, kind, value in fields(data, *span):
        if number == wanted and kind == BYTES:
            found = data[slice(*value)]
    return found


def _text(data: bytes, span: Span, wanted: int) -> str:
    return text_of(_bytes(data, span, wanted))


# Tensors: the number of its type, how `struct` calls it, and the field with the values one by one.
_FLOAT, _DOUBLE, _INT32, _UINT8, _INT16, _INT8, _STRING, _INT64, _BOOL = 1, 2, 3, 4, 5, 6, 7, 9, 10
_BFLOAT16, _UINT16, _HALF, _UINT32, _UINT64 = 14, 17, 19, 22, 23
_CODES = {
    _FLOAT: ("f", 5),
    _DOUBLE: ("d", 6),
    _INT32: ("i", 7),
    _UINT8: ("B", 7),
    _INT16: ("h", 7),
    _INT8: ("b", 7),
    _INT64: ("q", 10),
    _BOOL: ("?", 11),
    _BFLOAT16: ("", 13),
    _UINT16: ("H", 7),
    _HALF: ("e", 13),
    _UINT32: ("I", 16),
    _UINT64: ("Q", 17),
}


def tensor_shape(data: bytes, span: Span) -> tuple[int, tuple[int, ...]]:
    """The type of a tensor, and its shape."""
    dtype, shape = 0, ()
    for number, kind, value in fields(data, *span):
        if number == 1 and kind == VARINT:
            dtype = value
        elif number == 2 and kind == BYTES:
            shape = tuple(_dimensions(data, value))
    return dtype, shape


def _dimensions(data: bytes, span: Span) -> Any:
    for number, kind, value in fields(data, *span):
        if number == 2 and kind == BYTES:
            sizes = [of for n, k, of in fields(data, *value) if (n, k) == (1, VARINT)]
            yield as_signed(sizes[-1]) if sizes else 0


def read_tensor(data: bytes, span: Span) -> list[Any]:
    """The values of a tensor, row-major: numbers, or the bytes of texts.

    Where it has fewer values than its shape, the last one stands for the rest.

    Raises:
        Malformed: of a type that is not read, or of too many values.
    """
    dtype, shape = tensor_shape(data, span)
    count = 1
    for size in shape:
        count *= size
    if not 0 <= count <= _MOST_VALUES:
        raise Malformed(f"a tensor of the shape {shape}")
    if dtype == _STRING:
        found: list[Any] = [
            data[slice(*value)] for n, k, value in fields(data, *span) if (n, k) == (8, BYTES)
        ]
    elif dtype in _CODES:
        found = _numbers(data, span, dtype, count)
    else:
        raise Malformed(f"a tensor of the type {dtype}")
    if len(found) > count:
        raise Malformed(f"{len(found)} values in the shape {shape}")
    return found + found[-1:] * (count - len(found))


def _numbers(data: bytes, span: Span, dtype: int, count: int) -> list[Any]:
    code, of_values = _CODES[dtype]
    found: list[Any] = []
    for number, kind, value in fields(data, *span):
        if number == 4 and kind == BYTES and value[1] > value[0]:
            return _unpacked(data[slice(*value)], dtype, code)
        if number != of_values:
            continue
        if kind == VARINT:
            found.append(value)
        elif dtype in (_FLOAT, _DOUBLE):
            size, rest = divmod(value[1] - value[0], 4 if dtype == _FLOAT else 8)
            if rest:
                raise Malformed("a tensor that ends in the middle of a number")
            found += struct.unpack_from(f"<{size}{code}", data, value[0])
        elif kind == BYTES:
            found += _varints(data, value, count)
    if dtype in (_FLOAT, _DOUBLE):
        return found
    if dtype in (_HALF, _BFLOAT16):
        packed = struct.pack(f"<{len(found)}H", *(one & 0xFFFF for one in found))
        return _unpacked(packed, dtype, code)
    if dtype == _BOOL:
        return [bool(one) for one in found]
    return [one if dtype in (_UINT32, _UINT64) else as_signed(one) for one in found]


def _unpacked(data: bytes, dtype: int, code: str) -> list[Any]:
    if dtype == _BFLOAT16:  # the upper half of a float
        halves = struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])
        packed = struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves))
        return list(struct.unpack(f"<{len(halves)}f", packed))
    size = struct.calcsize(f"<{code}")
    if len(data) % size:
        raise Malformed("a tensor that ends in the middle of a number")
    return list(struct.unpack(f"<{len(data) // size}{code}", data))


def _varints(data: bytes, span: Span, most: int) -> list[int]:
    found: list[int] = []
    begin, end = span
    while begin < end:
        value, begin = read_varint(data, begin, end)
        found.append(value)
        if len(found) > most:
            raise Malformed("more values than the shape of their tensor")
    return found


def read_number(data: bytes, value: Value, plugin: str) -> float | int | bool | None:
    """The number that a value is; None where it is none. A float32 is the float of that value."""
    if value.simple is not None:
        return value.simple
    if value.tensor is None or plugin not in SCALARS:
        return None
    dtype, shape = tensor_shape(data, value.tensor)
    if shape or dtype not in _CODES:
        return None
    return read_tensor(data, value.tensor)[0]


class Hparams(Struct):
    """What TensorBoard's HParams know of one run."""

    config: dict[str, bool | float | str] = field(default_factory=dict[str, Any])
    said: dict[str, Any] = field(default_factory=dict[str, Any])
    group: str = ""
    started_s: float | None = None
    status: str = ""
    ended_s: float | None = None
    is_there: bool = False


_STATUS: Mapping[int, str] = {0: "", 1: "finished", 2: "failed", 3: "running"}


def read_hparams(content: bytes, into: Hparams) -> None:
    """Add what the plugin keeps beside a value; the `experiment`, which speaks of all, is not."""
    for number, kind, span in fields(content):
        if kind != BYTES:
            continue
        if number == 3:
            into.is_there = True
            _session_start(content, span, into)
        elif number == 4:
            into.is_there = True
            for inner, of, value in fields(content, *span):
                if inner == 1 and of == VARINT:
                    into.status = _STATUS.get(value, "")
                elif inner == 2 and of == FIXED64:
                    (into.ended_s,) = struct.unpack_from("<d", content, value[0])


def _session_start(content: bytes, span: Span, into: Hparams) -> None:
    for number, kind, value in fields(content, *span):
        if number == 1 and kind == BYTES:
            name, held = "", None
            for inner, of, found in fields(content, *value):
                if inner == 1 and of == BYTES:
                    name = text_of(content[slice(*found)])
                elif inner == 2 and of == BYTES:
                    held = _plain(content, found)
            if held is not None:
                into.config[name] = held
        elif number in (2, 3, 4) and kind == BYTES:
            text = text_of(content[slice(*value)])
            if number == 4:
                into.group = text
            elif text:
                into.said["model_uri" if number == 2 else "monitor_url"] = text
        elif number == 5 and kind == FIXED64:
            (into.started_s,) = struct.unpack_from("<d", content, value[0])


def _plain(content: bytes, span: Span) -> bool | float | str | None:
    """A `google.protobuf.Value`; None for a null, a list or a struct, which hparams are not."""
    held: bool | float | str | None = None
    for number, kind, value in fields(content, *span):
        if number == 2 and kind == FIXED64:
            (held,) = struct.unpack_from("<d", content, value[0])
        elif number == 3 and kind == BYTES:
            held = text_of(content[slice(*value)])
        elif number == 4 and kind == VARINT:
            held = bool(value)
    return held


def bins_of(data: bytes, span: Span) -> tuple[list[float], list[float], float, float]:
    """Of a histogram the upper limit of each bin, its count, and the least and greatest value."""
    limits: list[float] = []
    counts: list[float] = []
    ends = [0.0, 0.0]
    for number, kind, value in fields(data, *span):
        if number in (1, 2) and kind == FIXED64:
            (ends[number - 1],) = struct.unpack_from("<d", data, value[0])
        elif number == 6:
            limits += doubles(data, kind, value)
        elif number == 7:
            counts += doubles(data, kind, value)
    if len(limits) != len(counts):
        raise Malformed(f"a histogram of {len(counts)} bins with {len(limits)} limits")
    return limits, counts, ends[0], ends[1]
