"""Messages of TensorBoard, as bytes: events, what is in their summaries, and HParams."""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from samebit.compat.files.wire import (
    bytes_field,
    double_field,
    float_field,
    varint,
    varint_field,
)

__all__ = [
    "FAILED",
    "FINISHED",
    "RUNNING",
    "audio",
    "event",
    "histogram",
    "hparams_end",
    "hparams_start",
    "images",
    "numbers",
    "texts",
    "version",
]

FINISHED, FAILED, RUNNING = 1, 2, 3
_DOUBLE_TYPE, _STRING_TYPE = 2, 7
_TENSOR, _BLOBS = 2, 3  # classes of data
_WALL = struct.Struct("<d")


def event(wall_time: float, step: int, summary: bytes) -> bytes:
    """An event with a summary."""
    stepped = varint_field(2, step) if step else b""
    return double_field(1, wall_time) + stepped + bytes_field(5, summary)


def version(wall_time: float, writer: str) -> bytes:
    """The first event of a file."""
    return (
        double_field(1, wall_time)
        + bytes_field(3, b"brain.Event:2")
        + bytes_field(10, bytes_field(1, writer.encode()))
    )


def _value(tag: str, rest: bytes) -> bytes:
    return bytes_field(1, bytes_field(1, _utf8(tag)) + rest)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _metadata(plugin: str, content: bytes = b"", data_class: int = 0) -> bytes:
    inner = bytes_field(1, plugin.encode()) + (bytes_field(2, content) if content else b"")
    return bytes_field(
        9, bytes_field(1, inner) + (varint_field(4, data_class) if data_class else b"")
    )


# Numbers


def numbers(
    tag: str, wall_times: Sequence[float], steps: Sequence[int], values: Sequence[float]
) -> list[bytes]:
    """An event for each point, its value as the nearest float32, as all writers have it."""
    head = bytes_field(1, _utf8(tag)) + b"\x15"
    inner = varint(len(head) + 4)
    summary = b"\x0a" + inner + head
    before = b"\x2a" + varint(len(summary) + 4) + summary
    pack, pack_wall = struct.Struct("<f").pack, _WALL.pack
    return [
        b"\x09" + pack_wall(wall) + (b"\x10" + varint(step) if step else b"") + before + pack(value)
        for wall, step, value in zip(wall_times, steps, values, strict=True)
    ]


def _tensor(dtype: int, shape: Sequence[int], content: bytes) -> bytes:
    return varint_field(1, dtype) + _shape(shape) + bytes_field(4, content)


def _strings(values: Sequence[bytes]) -> bytes:
    texts = b"".join(bytes_field(8, one) for one in values)
    return varint_field(1, _STRING_TYPE) + _shape((len(values),)) + texts


def _shape(shape: Sequence[int]) -> bytes:
    return bytes_field(2, b"".join(bytes_field(2, varint_field(1, size)) for size in shape))


# What is none


def texts(tag: str, values: Sequence[str]) -> bytes:
    """A summary of texts."""
    tensor = bytes_field(8, _strings([_utf8(one) for one in values]))
    return _value(tag, tensor + _metadata("text", data_class=_TENSOR))


def images(tag: str, width: int, height: int, encoded: Sequence[bytes]) -> bytes:
    """A summary of pictures of one size, each a file as it is."""
    size = [str(width).encode(), str(height).encode()]
    tensor = bytes_field(8, _strings([*size, *encoded]))
    return _value(tag, tensor + _metadata("images", data_class=_BLOBS))


def histogram(tag: str, edges: Sequence[float], counts: Sequence[float]) -> bytes:
    """A summary of a histogram; one edge more than counts."""
    rows = b"".join(
        struct.pack("<3d", edges[at], edges[at + 1], count) for at, count in enumerate(counts)
    )
    tensor = bytes_field(8, _tensor(_DOUBLE_TYPE, (len(counts), 3), rows))
    return _value(tag, tensor + _metadata("histograms", data_class=_TENSOR))


def audio(tag: str, encoded: bytes, kind: str, rate: int, channels: int, frames: int) -> bytes:
    """A summary of sound, a file as it is."""
    inner = (
        float_field(1, rate)
        + varint_field(2, channels)
        + varint_field(3, frames)
        + bytes_field(4, encoded)
        + bytes_field(5, kind.encode())
    )
    return _value(tag, bytes_field(6, inner))


# HParams


def hparams_start(settings: Mapping[str, Any], group: str, started_s: float) -> bytes:
    """The summary that says with which settings a run began.

    Numbers are floats there, and what is neither number nor text is JSON.
    """
    entries = b"".join(
        bytes_field(1, bytes_field(1, _utf8(name)) + bytes_field(2, _plain(value)))
        for name, value in settings.items()
        if value is not None
    )
    grouped = bytes_field(4, _utf8(group)) if group else b""
    info = entries + grouped + double_field(5, started_s)
    return _value("_hparams_/session_start_info", _metadata("hparams", bytes_field(3, info)))


def hparams_end(status: int, ended_s: float | None) -> bytes:
    """The summary that says how a run ended, and when; 0 where that is not known."""
    info = varint_field(1, status) if status else b""
    info += double_field(2, ended_s) if ended_s is not None else b""
    return _value("_hparams_/session_end_info", _metadata("hparams", bytes_field(4, info)))


def _plain(value: Any) -> bytes:
    if isinstance(value, bool):
        return varint_field(4, int(value))
    if isinstance(value, (int, float)):
        try:
            return double_field(2, float(value))
        except OverflowError:  # an integer of hundreds of digits
            return bytes_field(3, str(value).encode())
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return bytes_field(3, _utf8(text))
