"""One journal frame on disk, and the header of a segment (`docs/formats/journal.md`)."""

import struct
import zlib
from enum import IntEnum
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit.errors import Damaged

__all__ = [
    "CHECKED",
    "FRAME",
    "FRAME_BYTES",
    "HEADER_BYTES",
    "KIND_OF_LONG",
    "LENGTH",
    "LONG_ROW",
    "ROW_STARTS",
    "TRACE_START",
    "Apart",
    "Header",
    "Kind",
    "Tail",
    "pack",
    "pack_header",
    "read_frames",
    "read_header",
]

_HEADER = struct.Struct("<4sH10s12sI")
HEADER_BYTES = _HEADER.size
_MAGIC = b"SBJ1"
VERSION = 1
CHECKED = struct.Struct("<IQ")  # what the checksum covers before the payload
FRAME = struct.Struct("<IIQ")  # length, checksum, sequence
FRAME_BYTES = FRAME.size
MAX_PAYLOAD_BYTES = 64 << 20

LENGTH = struct.Struct("<I")
_CHECKED_FROM = 8  # behind length and checksum: the sequence, and then the payload
# How a trace frame begins that this version writes: an array of six, and its kind.
TRACE_START = b"\x96\x04"
# The same of a row of up to eleven values; with more, the length stands in between.
ROW_STARTS = frozenset(bytes([0x90 + size, 2]) for size in range(4, 16))
LONG_ROW = b"\xdc"
KIND_OF_LONG = 3

_crc32 = zlib.crc32


class Kind(IntEnum):
    """What a frame says; the first item of its payload."""

    CLOCK = 0
    SCHEMA = 1
    ROW = 2
    FACT = 3
    TRACE = 4
    HYPER = 5
    SCALARS = 6
    SAMPLE = 7


class Header(Struct, frozen=True):
    """Whose segment it is."""

    run: str
    writer: str
    segment: int


class Apart(Struct):
    """Where the payloads begin of frames that are read together, in order; lists or arrays."""

    traced: Any = field(default_factory=list[int])
    logged: Any = field(default_factory=list[int])


class Tail(Struct, frozen=True):
    """Where a segment stops being readable; both counts are in bytes."""

    intact: int
    torn: int


def pack_header(header: Header) -> bytes:
    """The first bytes of a segment."""
    return _HEADER.pack(
        _MAGIC, VERSION, header.run.encode(), header.writer.encode(), header.segment
    )


def read_header(segment: bytes) -> Header:
    """Whose segment it is; a header that is not ours raises Damaged."""
    if len(segment) < HEADER_BYTES:
        raise Damaged("a journal segment without a whole header")
    magic, version, run, writer, number = _HEADER.unpack_from(segment)
    if magic != _MAGIC or version != VERSION:
        raise Damaged("a journal segment with a header that is not ours")
    return Header(run.decode("ascii", "replace"), writer.decode("ascii", "replace"), number)


def pack(sequence: int, payload: bytes) -> bytes:
    """A payload as a frame."""
    length = len(payload)
    checksum = _crc32(payload, _crc32(CHECKED.pack(length, sequence)))
    return FRAME.pack(length, checksum, sequence) + payload


def read_frames(
    segment: bytes | memoryview,
    start: int = HEADER_BYTES,
    *,
    apart: Apart | None = None,
) -> tuple[list[tuple[int, list[Any]]], Tail]:
    """All whole frames from an offset on, as (sequence, payload), and where they end.

    Args:
        segment: the bytes.
        start: where the first frame begins.
        apart: where given, it takes the places of the frames that there are very many of; these
            are left out of what is returned.
    """
    frames: list[tuple[int, list[Any]]] = []
    view = memoryview(segment)
    decode = msgspec.msgpack.Decoder().decode
    unpack_from, crc32, size = FRAME.unpack_from, _crc32, len(view)
    begun: dict[int, int] = {}  # the checksum of a length; the rest that it covers is in one piece
    at = start
    while at + FRAME_BYTES <= size:
        length, checksum, sequence = unpack_from(segment, at)
        payload = at + FRAME_BYTES
        end = payload + length
        # A power cut can leave a run of zeros, so a length of zero is never a frame.
        if length == 0 or length > MAX_PAYLOAD_BYTES or end > size:
            break
        if length not in begun:
            begun[length] = crc32(LENGTH.pack(length))
        if crc32(view[at + _CHECKED_FROM : end], begun[length]) != checksum:
            break
        if apart is not None:
            start_of = segment[payload : payload + 2]
            if start_of == TRACE_START:
                apart.traced.append(payload)
                at = end
                continue
            is_long = start_of[:1] == LONG_ROW and length > KIND_OF_LONG
            if start_of in ROW_STARTS or (is_long and segment[payload + KIND_OF_LONG] == Kind.ROW):
                apart.logged.append(payload)
                at = end
                continue
        try:
            items = decode(view[payload:end])
        except (msgspec.DecodeError, RecursionError):
            break
        if not isinstance(items, list) or not items:
            break
        frames.append((sequence, items))
        at = end
    return frames, Tail(intact=at, torn=size - at)
