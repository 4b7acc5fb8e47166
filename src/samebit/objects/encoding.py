"""How an object's bytes lie on disk: the header of an object file, and a whole pack.

`docs/formats/store.md` is the specification. Nothing here opens a file.
"""

import struct
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import blake3

from samebit.errors import Damaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "FOOTER_BYTES",
    "HEADER_BYTES",
    "RAW",
    "PackEntry",
    "decode",
    "encode",
    "object_header",
    "pack_pieces",
    "read_footer",
    "read_index",
    "read_object_header",
]

RAW, ZSTD = 0, 1
HEADER_BYTES = 64
FOOTER_BYTES = 40
_OBJECT = struct.Struct("<8sB7xQ40x")
_OBJECT_MAGIC = b"samebitO"
_PACK_HEADER = struct.Struct("<8sI4x")
_PACK_MAGIC = b"samebitP"
_ENTRY = struct.Struct("<32sQQQB")
_FOOTER = struct.Struct("<QQ16s8s")
_FOOTER_MAGIC = b"samebitQ"
_SAMPLE_BYTES = 1 << 16
_WORTH_IT = 0.9  # float weights shrink to 0.93 of their size; code to 0.2
_LEVEL = 3


class PackEntry(NamedTuple):
    """Where one object lies in a pack; sizes and offset in bytes."""

    digest: bytes  # 32 raw bytes
    offset: int
    stored: int
    size: int
    encoding: int


def encode(data: bytes | memoryview) -> tuple[int, bytes | memoryview]:
    """Choose an encoding by a sample of the data; the same data always gets the same one."""
    view = memoryview(data)
    if len(zstd.compress(view[:_SAMPLE_BYTES], _LEVEL)) > _WORTH_IT * min(
        view.nbytes, _SAMPLE_BYTES
    ):
        return RAW, data
    packed = zstd.compress(data, _LEVEL)
    return (ZSTD, packed) if len(packed) <= _WORTH_IT * view.nbytes else (RAW, data)


def decode(encoding: int, body: bytes, size: int) -> bytes:
    """The canonical bytes of a body; allocates no more than `size` bytes."""
    if encoding == RAW:
        if len(body) != size:
            raise Damaged(f"an object of {size} bytes has {len(body)}")
        return body
    if encoding != ZSTD:
        raise Damaged(f"an object in an encoding that does not exist: {encoding}")
    try:
        machine = zstd.ZstdDecompressor()
        data = machine.decompress(body, max_length=size + 1)
    except (zstd.ZstdError, OverflowError) as error:
        raise Damaged(f"an object that cannot be decompressed: {error}") from error
    if len(data) != size or not machine.eof or machine.unused_data:
        raise Damaged(f"an object of {size} bytes decompresses to {len(data)} or more")
    return data


def object_header(encoding: int, size: int) -> bytes:
    """The first 64 bytes of an object file."""
    return _OBJECT.pack(_OBJECT_MAGIC, encoding, size)


def read_object_header(header: bytes) -> tuple[int, int]:
    """The encoding and size that an object file declares."""
    if len(header) != HEADER_BYTES:
        raise Damaged("an object file without a whole header")
    magic, encoding, size = _OBJECT.unpack(header)
    if magic != _OBJECT_MAGIC or header != object_header(encoding, size):
        raise Damaged("an object file with a header that is not ours")
    return encoding, size


def pack_pieces(objects: Iterable[tuple[bytes, bytes | memoryview]]) -> Iterator[bytes]:
    """The bytes of a pack of (raw digest, data) pairs, in pieces."""
    entries: list[PackEntry] = []
    yield _PACK_HEADER.pack(_PACK_MAGIC, 1)
    at = _PACK_HEADER.size
    for name, data in sorted(objects, key=lambda pair: pair[0]):
        encoding, body = encode(data)
        stored = memoryview(body).nbytes
        entries.append(PackEntry(name, at, stored, memoryview(data).nbytes, encoding))
        yield bytes(body)
        at += stored
    index = b"".join(_ENTRY.pack(e.digest, e.offset, e.stored, e.size, e.encoding) for e in entries)
    yield index
    yield _FOOTER.pack(at, len(entries), blake3.blake3(index).digest(16), _FOOTER_MAGIC)


def read_footer(footer: bytes, file_bytes: int) -> tuple[int, int, bytes]:
    """Offset and length of a pack's index in bytes, and the index's checksum."""
    if len(footer) != FOOTER_BYTES:
        raise Damaged("a pack that is too short")
    at, count, checksum, magic = _FOOTER.unpack(footer)
    length = count * _ENTRY.size
    if magic != _FOOTER_MAGIC or at + length + FOOTER_BYTES != file_bytes:
        raise Damaged("a pack with a footer that is not ours")
    return at, length, checksum


def read_index(index: bytes, index_at: int, checksum: bytes) -> list[PackEntry]:
    """A pack's entries, sorted by digest and each inside the file."""
    if blake3.blake3(index).digest(16) != checksum:
        raise Damaged("a pack whose index does not match its checksum")
    entries = [PackEntry._make(fields) for fields in _ENTRY.iter_unpack(index)]
    before = b""  # comes before every digest
    for name, offset, stored, _, _ in entries:
        if before >= name or not _PACK_HEADER.size <= offset <= offset + stored <= index_at:
            raise Damaged("a pack whose index is not in order")
        before = name
    return entries
