"""Records of a `.wandb` file: a log of blocks as LevelDB has it, behind a header of seven bytes.

`u32 CRC-32 of kind and payload, u16 length, u8 kind` before each piece, little endian, in blocks of
32 KiB: a record is one piece, or a first, some middle ones and a last, so that none goes over the
end of its block. It is zlib's CRC, as it is; LevelDB's own has another polynomial, and a mask.
"""

import struct
import zlib
from collections.abc import Sequence

from msgspec import Struct

from samebit.errors import Damaged

__all__ = ["BLOCK_BYTES", "HEADER", "PIECE", "Log", "read_log"]

HEADER = b":W&B\xe1\xbe\x00"  # a magic number of 16 bits, and version 0
PIECE = struct.Struct("<IHB")
BLOCK_BYTES = 32 << 10
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class Log(Struct, frozen=True):
    """What could be read of a file."""

    records: Sequence[bytes]
    damaged: Sequence[tuple[int, int]]  # where something does not check out; bytes left out there
    unread_bytes: int  # at the end: a record that is no whole one (yet)


def read_log(data: bytes) -> Log:
    """The whole records of a file, in order.

    Raises:
        Damaged: it is no such file.
    """
    if data[: len(HEADER)] != HEADER[: len(data)]:
        raise Damaged("it does not begin as a log of wandb of version 0 does")
    records: list[bytes] = []
    damaged: list[tuple[int, int]] = []
    parts: list[bytes] = []
    at = whole = len(HEADER)  # `whole`: up to where everything was given, or told
    while (at := _next(at)) + PIECE.size <= len(data):
        _, length, kind = PIECE.unpack_from(data, at)
        end = at + PIECE.size + length
        if not _is_sound(data, at):
            is_torn = end > len(data) and _block_end(at) >= len(data)
            if is_torn or not any(data[at:]):
                break
            goes_on = _is_sound(data, _next(end)) and end <= _block_end(at)
            end = min(_next(end) if goes_on else _block_end(at), len(data))
            damaged.append((whole, end - whole))
            parts, at, whole = [], end, end
            continue
        if kind in (_WHOLE, _FIRST) and parts:
            damaged.append((whole, at - whole))
            parts, whole = [], at
        if kind in (_MIDDLE, _LAST) and not parts:
            if not damaged or sum(damaged[-1]) != whole:
                damaged.append((whole, 0))
            damaged[-1] = damaged[-1][0], end - damaged[-1][0]
            at = whole = end
            continue
        parts.append(data[at + PIECE.size : end])
        at = end
        if kind in (_WHOLE, _LAST):
            records.append(b"".join(parts))
            parts, whole = [], end
    return Log(records, damaged, max(len(data) - whole, 0))


def _block_end(at: int) -> int:
    return at - at % BLOCK_BYTES + BLOCK_BYTES


def _next(at: int) -> int:
    """Where the next piece begins: the last bytes of a block hold none."""
    return _block_end(at) if _block_end(at) - at < PIECE.size else at


def _is_sound(data: bytes, at: int) -> bool:
    if at + PIECE.size > len(data):
        return False
    crc, length, kind = PIECE.unpack_from(data, at)
    end = at + PIECE.size + length
    # Zeros are no piece: 0 is no kind.
    if not _WHOLE <= kind <= _LAST or end > min(_block_end(at), len(data)):
        return False
    return zlib.crc32(memoryview(data)[at + 6 : end]) == crc
