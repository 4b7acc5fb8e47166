"""How an object's bytes lie on disk: the header of an object file, and a whole pack.

`docs/formats/store.md` is the specification. Nothing here opens a file.
"""

import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import blake3

from samebit import digest
from samebit.errors import Damaged
from samebit.objects import planes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "FOOTER_BYTES",
    "HEADER_BYTES",
    "MOST_ENCODED_BYTES",
    "PLANES",
    "RAW",
    "WORTH_IT",
    "Body",
    "PackEntry",
    "decode",
    "decode_into",
    "encode",
    "encode_data",
    "expected_share",
    "framed",
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
PLANES = {2: 2, 4: 3, 8: 4}  # by bytes of a word: the encoding
_WORDS = {ZSTD: 1} | {kind: word for word, kind in PLANES.items()}
_LARGEST_WORD = 8
# What is larger lies as it is. So a reader that is told a size by a stranger's header needs no more
# memory than this, or than the file has bytes.
MOST_ENCODED_BYTES = 64 << 20
_SAMPLES = 4
_SAMPLE_BYTES = 1 << 14
WORTH_IT = 0.9  # float32 weights shrink to 0.83 of their size, bfloat16 to 0.68, code to 0.2
_LEVEL = 3
_PROBE_BYTES, _PROBE_LEVEL = 1 << 12, 1
_HALF = 0.5
_on_this_thread = threading.local()


class PackEntry(NamedTuple):
    """Where one object lies in a pack; sizes and offset in bytes."""

    digest: bytes  # 32 raw bytes
    offset: int
    stored: int
    size: int
    encoding: int

    @property
    def name(self) -> str:
        """The content name of the object."""
        return digest.name_of(self.digest)


class Body(NamedTuple):
    """One object as it is to lie in a pack."""

    digest: bytes  # 32 raw bytes
    encoding: int
    stored: bytes | memoryview
    size: int  # of the object


def expected_share(data: bytes | memoryview, word: int = 1) -> float:
    """What share of their size some bytes will take, guessed by a sample of them.

    `word` is how many bytes a number has, where they are floating-point numbers.
    """
    view = memoryview(data).cast("B")
    if view.nbytes > MOST_ENCODED_BYTES or not view.nbytes:
        return 1.0
    sample = _sample(view)
    return len(_encoded(sample, word)) / len(sample)


def _sample(view: memoryview) -> bytes:
    """Some pieces from all over the data, each of whole words."""
    if view.nbytes <= _SAMPLES * _SAMPLE_BYTES:
        return bytes(view)
    stride = (view.nbytes - _SAMPLE_BYTES) // (_SAMPLES - 1) & -_LARGEST_WORD
    return b"".join(
        [bytes(view[at * stride : at * stride + _SAMPLE_BYTES]) for at in range(_SAMPLES)]
    )


def encode(data: bytes | memoryview, word: int = 1) -> tuple[int, bytes | memoryview]:
    """Choose an encoding by a sample of the data; the same data always gets the same one.

    `word` is how many bytes a number has, where they are floating-point numbers. What does not
    save a tenth stays as it is, and so does what is larger than any reader would decode.
    """
    if expected_share(data, word) > WORTH_IT:
        return RAW, data
    body = _encoded(data, word)
    if len(body) > WORTH_IT * memoryview(data).nbytes:
        return RAW, data
    return PLANES.get(word, ZSTD), body


def encode_data(data: bytes | memoryview) -> tuple[int, bytes | memoryview]:
    """Encode a piece of data where that saves half; whether it may is asked of 4 KiB of it.

    Pictures, archives and numbers do not shrink, and to try it on each takes longer than to store
    it. The same piece always gets the same encoding.
    """
    size = len(data)
    begin = max(0, size - _PROBE_BYTES) // 2
    probe = data[begin : begin + _PROBE_BYTES]
    if not size or len(_probed(probe)) > WORTH_IT * len(probe):
        return RAW, data
    if size > _SAMPLES * _SAMPLE_BYTES and expected_share(data) > _HALF:
        return RAW, data
    body = zstd.compress(data, _LEVEL)
    return (ZSTD, body) if len(body) <= _HALF * size else (RAW, data)


def _probed(probe: bytes | memoryview) -> bytes:
    compressor = getattr(_on_this_thread, "compressor", None)
    if compressor is None:  # making one takes longer than it works here
        compressor = _on_this_thread.compressor = zstd.ZstdCompressor(_PROBE_LEVEL)
    return compressor.compress(probe, zstd.ZstdCompressor.FLUSH_FRAME)


def _encoded(data: bytes | memoryview, word: int) -> bytes:
    return planes.split(data, word) if word in PLANES else zstd.compress(data, _LEVEL)


def decode(encoding: int, body: bytes | memoryview, size: int) -> bytes:
    """The canonical bytes of a body.

    Allocates no more than `size` bytes (twice that for planes), and never more than a body
    really has and `MOST_ENCODED_BYTES`.
    """
    if encoding == RAW:
        if len(body) != size:
            raise Damaged(f"an object of {size} bytes has {len(body)}")
        return body if isinstance(body, bytes) else bytes(body)
    word = _word_of(encoding, size)
    return planes.decompress(body, size) if word == 1 else planes.join(body, word, size)


def decode_into(encoding: int, body: bytes | memoryview, room: memoryview) -> None:
    """The canonical bytes of a body into memory of just their size; see `decode`."""
    if encoding in (RAW, ZSTD):
        room[:] = decode(encoding, body, room.nbytes)
    else:
        planes.join_into(body, _word_of(encoding, room.nbytes), room)


def _word_of(encoding: int, size: int) -> int:
    """How many bytes a word of a body has that is encoded; Damaged where none can be."""
    if encoding not in _WORDS:
        raise Damaged(f"an object in an encoding that does not exist: {encoding}")
    if size > MOST_ENCODED_BYTES:
        raise Damaged(f"an object of {size} bytes is encoded, which none of that size is")
    return _WORDS[encoding]


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
    encoded = (
        Body(name, *encode(data), memoryview(data).nbytes)
        for name, data in sorted(objects, key=lambda pair: pair[0])
    )
    return (bytes(piece) for piece in framed(encoded))


def framed(bodies: Iterable[Body]) -> Iterator[bytes | memoryview]:
    """The bytes of a pack of bodies in the order in which they are given, in pieces."""
    entries: list[PackEntry] = []
    yield _PACK_HEADER.pack(_PACK_MAGIC, 1)
    at = _PACK_HEADER.size
    for name, kind, body, size in bodies:
        stored = memoryview(body).nbytes
        entries.append(PackEntry(name, at, stored, size, kind))
        yield body
        at += stored
    entries.sort()
    index = b"".join(
        [_ENTRY.pack(e.digest, e.offset, e.stored, e.size, e.encoding) for e in entries]
    )
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
