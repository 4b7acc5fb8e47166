"""The bytes of words, plane by plane: first bytes of all words, then second ones, and so on.

Of a floating-point number sign and exponent repeat from weight to weight, and the fraction does
not. Side by side, the first compress to a third, and the others are left as they are.
`docs/formats/store.md` has the form.
"""

import struct
import sys

from samebit.errors import Damaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["decompress", "join", "join_into", "split"]

_LEVEL = 1  # on the plane of exponents level 3 is slower, and the result is larger
# A slice with a stride holds the interpreter's lock; a training does not wait longer for it.
_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16
_NOISE = 0.98


def split(data: bytes | memoryview, word: int) -> bytes:
    """Whole words as a body: a table of lengths, then each plane, compressed where that is less."""
    view = memoryview(data).cast("B")
    blocks = [
        bytes(view[at : at + _BLOCK_BYTES]) for at in range(0, view.nbytes, _BLOCK_BYTES)
    ]  # a `bytes` is sliced eight times as fast as a view of it
    bodies: list[bytes] = []
    for place in range(word):
        plane = b"".join([block[place::word] for block in blocks])
        bodies.append(_packed(plane) if _may_shrink(plane) else plane)
    return struct.pack(f"<{word}Q", *map(len, bodies)) + b"".join(bodies)


def _packed(plane: bytes) -> bytes:
    packed = zstd.compress(plane, _LEVEL)
    return packed if len(packed) < len(plane) else plane


def _may_shrink(plane: bytes) -> bool:
    """Whether a piece of the middle shrinks: most planes are noise, and need not be tried whole."""
    middle = max(0, (len(plane) - _SAMPLE_BYTES) // 2)
    piece = plane[middle : middle + _SAMPLE_BYTES]
    return len(zstd.compress(piece, _LEVEL)) < _NOISE * len(piece)


def join(body: bytes | memoryview, word: int, size: int) -> bytes:
    """The canonical bytes of a body; nothing is allocated before every plane was found whole."""
    planes = _unpack(memoryview(body), word, size)
    data = bytearray(size)
    _lay(planes, data)
    return bytes(data)


def join_into(body: bytes | memoryview, word: int, room: memoryview) -> None:
    """The same into memory of just that size; after an error it is as it was."""
    planes = _unpack(memoryview(body), word, room.nbytes)
    if _has_numpy():
        _lay(planes, room)
        return
    data = bytearray(room.nbytes)  # filled eight times as fast as a view of it
    _lay(planes, data)
    room[:] = data


def _lay(planes: list[memoryview | bytes], room: bytearray | memoryview) -> None:
    """Planes side by side. NumPy is four times as fast, and lets other threads run meanwhile."""
    word = len(planes)
    if _has_numpy():
        numpy = sys.modules["numpy"]
        words = numpy.frombuffer(room, numpy.uint8).reshape(-1, word)
        for place, plane in enumerate(planes):
            words[:, place] = numpy.frombuffer(plane, numpy.uint8)
        return
    step = _BLOCK_BYTES // word
    for place, plane in enumerate(planes):
        for at in range(0, len(plane), step):
            part = bytes(plane[at : at + step])
            room[at * word + place : (at + len(part)) * word : word] = part


def _has_numpy() -> bool:
    """Whether somebody has loaded it: a command that reads a few objects does without."""
    return hasattr(sys.modules.get("numpy"), "uint8")  # one that is being loaded has not


def _unpack(body: memoryview, word: int, size: int) -> list[memoryview | bytes]:
    """The planes of a body, each of `size / word` bytes; Damaged where one is not."""
    table = struct.Struct(f"<{word}Q")
    if size % word or body.nbytes < table.size:
        raise Damaged(f"an object of {size} bytes that has no {word} planes")
    lengths = table.unpack(body[: table.size])
    if table.size + sum(lengths) != body.nbytes:
        raise Damaged("an object whose planes are not as long as they say")
    planes: list[memoryview | bytes] = []
    at = table.size
    for length in lengths:
        planes.append(_plane(body[at : at + length], size // word))
        at += length
    return planes


def _plane(stored: memoryview, size: int) -> memoryview | bytes:
    return stored if stored.nbytes == size else decompress(stored, size)


def decompress(frame: bytes | memoryview, size: int) -> bytes:
    """What one zstd frame, and nothing after it, holds; never more than a byte beyond `size`."""
    try:
        machine = zstd.ZstdDecompressor()
        data = machine.decompress(frame, max_length=size + 1)
    except (zstd.ZstdError, OverflowError) as error:
        raise Damaged(f"an object that cannot be decompressed: {error}") from error
    if len(data) != size or not machine.eof or machine.unused_data:
        raise Damaged(f"an object of {size} bytes decompresses to {len(data)} or more")
    return data
