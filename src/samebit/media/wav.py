"""WAV of samples, exact: whole numbers and float32 (`docs/formats/media.md`)."""

import struct
from typing import Any

__all__ = ["write_wav"]

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"  # behind the code of the form
_PLAIN_CHANNELS = 2


def write_wav(samples: Any, rate: int) -> bytes:
    """The file of a NumPy array of (samples, channels), uint8, int16, int32 or float32."""
    count, channels = samples.shape
    code = _FLOAT if samples.dtype.kind == "f" else _PCM
    frame = channels * samples.itemsize
    bits = 8 * samples.itemsize
    is_plain = channels <= _PLAIN_CHANNELS
    head = struct.pack(
        "<HHIIHH", code if is_plain else _EXTENSIBLE, channels, rate, rate * frame, frame, bits
    )
    if not is_plain:
        head += struct.pack("<HHIH", 22, bits, 0, code) + _GUID
    elif code == _FLOAT:
        head += struct.pack("<H", 0)
    chunks = [_chunk(b"fmt ", head)]
    if code == _FLOAT:
        chunks.append(_chunk(b"fact", struct.pack("<I", count)))
    chunks.append(_chunk(b"data", samples.astype(samples.dtype.newbyteorder("<")).tobytes()))
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    padding = b"\0" * (len(data) % 2)
    return b"".join([kind, struct.pack("<I", len(data)), data, padding])
