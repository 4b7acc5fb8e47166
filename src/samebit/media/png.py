"""PNG of pixels, so that equal pixels are equal bytes (`docs/formats/media.md`)."""

import struct
import zlib
from typing import Any

__all__ = ["write_png"]

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, grey and alpha, RGB, RGBA
_UP = 2  # the filter: each byte less the one above it
_STORED_BYTES = 65_535  # of one block that is not compressed


def write_png(pixels: Any) -> bytes:
    """The file of a NumPy array of (height, width, channels), uint8 or uint16."""
    import numpy as np  # noqa: PLC0415  (whoever has pixels has it)

    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    rows = rows.view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # uint8: modulo 256, as PNG has it
    head = struct.pack(
        ">IIBBBBB", width, height, 8 * pixels.itemsize, _COLOR_TYPES[channels], 0, 0, 0
    )
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", _stored(filtered.data.cast("B"))),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)])


def _stored(data: memoryview) -> bytes:
    """A zlib stream of blocks that are not compressed: the store does that, for all objects."""
    parts: list[bytes | memoryview] = [b"\x78\x01"]
    for begin in range(0, len(data), _STORED_BYTES):
        block = data[begin : begin + _STORED_BYTES]
        is_last = begin + _STORED_BYTES >= len(data)
        parts += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack(">I", zlib.adler32(data)))
    return b"".join(parts)
