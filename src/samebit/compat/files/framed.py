"""Records of TensorFlow: a length, its checksum, so many bytes, their checksum.

`u64 length, u32 masked CRC-32C of these 8 bytes, payload, u32 masked CRC-32C of it`, little endian.
No length is believed before its checksum was, and no payload is given whose own does not fit.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.compat.files.crc32c import crc32c_of_rows, mask, masked
from samebit.journal.traced import numbers_at

__all__ = ["MOST_RECORD", "Part", "pack_records", "read_parts", "read_start"]

MOST_RECORD = 512 << 20  # bytes of one; a longer one is passed over
_CHUNK_BYTES = 32 << 20
_HEADER = struct.Struct("<QI")
_TOGETHER_BYTES = 4096  # records up to this size are summed with others of their length
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_AROUND = _HEADER.size + _CRC.size


class Part(Struct, frozen=True):
    """Some records of a file, one behind the other."""

    data: bytes
    begin: int  # where these bytes lie in the file
    payloads: Any  # int64: where in them each payload begins
    lengths: Any  # int64
    end: int  # where in the file the last whole record ends
    damaged: Sequence[tuple[int, str]]  # where in the file something does not check out, and what
    is_last: bool  # nothing whole follows


def read_parts(path: Path, begin: int, numpy: Any) -> Iterator[Part]:
    """The records of a file from an offset on, as far as it is whole now.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        wanted = _CHUNK_BYTES
        while begin < size:
            stream.seek(begin)
            data = stream.read(min(wanted, size - begin))
            is_all = begin + len(data) >= size
            part, longer = _read(data, begin, size, numpy, is_all=is_all)
            if not longer:
                yield part
                if part.is_last:
                    return
                begin, wanted = part.end, _CHUNK_BYTES
            elif longer > MOST_RECORD + _AROUND:
                what = f"a record of {longer:,} bytes, which is more than is read"
                begin += longer
                none = numpy.empty(0, numpy.int64)
                yield Part(b"", begin, none, none, begin, [(begin - longer, what)], begin >= size)
            else:
                wanted = longer


def read_start(data: bytes, numpy: Any) -> Part:
    """The whole records that a file begins with, of its first bytes."""
    return _read(data, 0, len(data), numpy, is_all=True)[0]


def _read(data: bytes, begin: int, size: int, numpy: Any, *, is_all: bool) -> tuple[Part, int]:
    """The whole records of some bytes; how many bytes the first one takes, where it is longer."""
    payloads: list[int] = []
    lengths: list[int] = []
    unpack_from, at, have = _HEADER.unpack_from, 0, len(data)
    header = _HEADER.size
    sums: list[int] = []
    while at + header <= have:
        length, crc = unpack_from(data, at)
        if length > have - at - _AROUND:
            break
        payloads.append(at + header)
        lengths.append(length)
        sums.append(crc)
        at += _AROUND + length
    # A length that leads beyond what is there may be rubbish, and so may one before it be.
    found, sizes = numpy.array(payloads, numpy.int64), numpy.array(lengths, numpy.int64)
    sound = _lengths_are_sound(data, found, numpy.array(sums, numpy.uint32), numpy)
    is_last = is_all
    if not sound.all():
        first = int(sound.argmin())
        found, sizes, is_last = found[:first], sizes[:first], True
        at = payloads[first] - header
    elif at + header <= have:
        length, crc = unpack_from(data, at)
        is_torn = begin + at + length + _AROUND > size
        if is_torn or masked(data[at : at + 8], numpy) != crc:
            is_last = True
        elif not payloads:
            empty = numpy.empty(0, numpy.int64)
            return Part(data, begin, empty, empty, begin, [], is_all), length + _AROUND
    damaged = ~_payloads_are_sound(data, found, sizes, numpy)
    told = [
        (begin + place - header, f"the checksum of a record of {length:,} bytes does not fit")
        for place, length in zip(found[damaged].tolist(), sizes[damaged].tolist(), strict=True)
    ]
    return Part(data, begin, found[~damaged], sizes[~damaged], begin + at, told, is_last), 0


def _lengths_are_sound(data: bytes, payloads: Any, sums: Any, numpy: Any) -> Any:
    if not len(payloads):
        return numpy.empty(0, bool)
    rows = numbers_at(numpy, data, "V8", payloads - _HEADER.size).view("u1").reshape(-1, 8)
    return mask(crc32c_of_rows(rows, numpy).astype(numpy.uint64)) == sums


def _payloads_are_sound(data: bytes, payloads: Any, lengths: Any, numpy: Any) -> Any:
    sound = numpy.zeros(len(payloads), bool)
    if not len(payloads):
        return sound
    said = numbers_at(numpy, data, "<u4", payloads + lengths)
    for length in numpy.unique(lengths).tolist():
        mine = lengths == length
        if length > _TOGETHER_BYTES:
            for at in numpy.flatnonzero(mine).tolist():
                begin = int(payloads[at])
                crc = masked(memoryview(data)[begin : begin + length], numpy)
                sound[at] = crc == int(said[at])
        elif length:
            rows = numbers_at(numpy, data, f"V{length}", payloads[mine])
            crcs = crc32c_of_rows(rows.view("u1").reshape(-1, length), numpy)
            sound[mine] = mask(crcs.astype(numpy.uint64)) == said[mine]
        # A power cut leaves zeros, which are no record: an empty payload has the sum a282ead8.
        else:
            sound[mine] = said[mine] == mask(0)
    return sound


def pack_records(payloads: Sequence[bytes], numpy: Any) -> bytes:
    """Payloads as records, one behind the other."""
    sums: dict[int, int] = {}
    by_length: dict[int, list[int]] = {}
    for at, payload in enumerate(payloads):
        by_length.setdefault(len(payload), []).append(at)
    heads: dict[int, bytes] = {}
    for length, places in by_length.items():
        packed = _LENGTH.pack(length)
        heads[length] = packed + _CRC.pack(masked(packed, numpy))
        if length > _TOGETHER_BYTES:
            sums |= {at: masked(payloads[at], numpy) for at in places}
            continue
        joined = b"".join([payloads[at] for at in places])
        rows = numpy.frombuffer(joined, numpy.uint8).reshape(len(places), length)
        crcs = mask(crc32c_of_rows(rows, numpy).astype(numpy.uint64)).tolist()
        sums |= dict(zip(places, crcs, strict=True))
    return b"".join(
        piece
        for at, payload in enumerate(payloads)
        for piece in (heads[len(payload)], payload, _CRC.pack(sums[at]))
    )
