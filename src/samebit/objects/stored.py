"""Where an object lies, and how it is read from there: a file of its own, or an entry of a pack.

What is read here is decoded and has the size that is declared; that it is what its name says is for
whoever knows the name.
"""

import os
from io import FileIO
from pathlib import Path

from samebit import digest
from samebit.errors import Damaged
from samebit.objects import encoding
from samebit.objects.encoding import Body, PackEntry

__all__ = [
    "PACK",
    "PIECES",
    "Place",
    "check_pack",
    "checked",
    "is_pack",
    "is_whole",
    "read_header",
    "read_pack_index",
    "read_place",
    "read_place_into",
]

PACK = ".pack"
PIECES = ".pieces"  # a pack of pieces of data, in which nobody looks for anything else
Place = tuple[Path, PackEntry | None]  # the file of an object, or a pack and where in it

# Up to here a stored body is compared with what is put. Beyond it, an unchanged state would be read
# back from the disk at every checkpoint.
_COMPARED_BYTES = 1 << 20
_INDEX_BYTES = 16 << 10  # of a pack's end: three hundred objects and its footer
_PIECE_BYTES = 256 << 10  # that are read and then hashed


def is_pack(path: Path | str) -> bool:
    """Whether a file of the store is a pack, by its name."""
    return os.path.splitext(path)[1] in (PACK, PIECES)


def checked(body: Body) -> Body:
    """The same, if its bytes hash to its digest; else Damaged."""
    if body.encoding == encoding.RAW:
        data = body.stored
        if len(data) != body.size:
            raise Damaged(f"an object of {body.size} bytes has {len(data)}")
    else:
        data = encoding.decode(body.encoding, body.stored, body.size)
    if digest.raw(data) != body.digest:
        raise Damaged("its bytes hash otherwise")
    return body


def check_pack(name: str, data: bytes) -> None:
    """Damaged unless the bytes of a pack are those of its name, and each object in it is whole.

    A pack may be what its name says and lie all the same: its index is a stranger's, too.
    """
    if digest.hex_of(digest.of_bytes(data)) != name.partition(".")[0]:
        raise Damaged(f"pack {name[:8]} is damaged: its bytes hash otherwise")
    at, length, checksum = encoding.read_footer(data[-encoding.FOOTER_BYTES :], len(data))
    view = memoryview(data)
    for one in encoding.read_index(data[at : at + length], at, checksum):
        stored = view[one.offset : one.offset + one.stored]
        checked(Body(one.digest, one.encoding, stored, one.size))


def read_pack_index(path: Path) -> list[PackEntry]:
    """What lies where in a pack; Damaged where its end is not as it was written."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        file_bytes = os.fstat(fd).st_size
        # A store has a few packs for each run, and each process reads all: most in this one go.
        end = os.pread(fd, _INDEX_BYTES, max(0, file_bytes - _INDEX_BYTES))
        footer = end[-encoding.FOOTER_BYTES :]
        at, length, checksum = encoding.read_footer(footer, file_bytes)
        begins = at - (file_bytes - len(end))
        index = end[begins : begins + length] if begins >= 0 else os.pread(fd, length, at)
    finally:
        os.close(fd)
    return encoding.read_index(index, at, checksum)


def read_header(fd: int) -> tuple[int, int]:
    """Encoding and size of an open object file; a raw body has the length that is declared."""
    kind, size = encoding.read_object_header(os.pread(fd, encoding.HEADER_BYTES, 0))
    stored = os.fstat(fd).st_size - encoding.HEADER_BYTES
    if kind == encoding.RAW and stored != size:
        raise Damaged(f"an object of {size} bytes has {stored}")
    return kind, size


def read_place(place: Place, size_bytes: int | None) -> bytes:
    """The bytes of what lies there; Damaged where it has another size than was expected."""
    with open(place[0], "rb", buffering=0) as stream:
        kind, size = _expect(place, stream.fileno(), size_bytes)
        return encoding.decode(kind, _body(place, stream), size)


def read_place_into(place: Place, room: memoryview) -> str:
    """What lies there, to where it is wanted, and its name; Damaged where it has another size.

    A raw body is hashed piece by piece as it is read, while it is in the processor's cache.
    """
    with open(place[0], "rb", buffering=0) as stream:
        kind, size = _expect(place, stream.fileno(), room.nbytes)
        if place[1] is not None or kind != encoding.RAW:
            encoding.decode_into(kind, _body(place, stream), room)
            return digest.of_bytes(room)
        stream.seek(encoding.HEADER_BYTES)
        hasher = digest.Hasher()
        while hasher.size_bytes < size:
            piece = room[hasher.size_bytes : hasher.size_bytes + _PIECE_BYTES]
            count = stream.readinto(piece)
            if not count:
                raise Damaged(f"an object of {size} bytes has {hasher.size_bytes}")
            hasher.update(piece[:count])
    return hasher.digest()


def _expect(place: Place, fd: int, size_bytes: int | None) -> tuple[int, int]:
    """Encoding and size that are declared there; Damaged where another size was expected."""
    entry = place[1]
    kind, size = read_header(fd) if entry is None else (entry.encoding, entry.size)
    if size_bytes is not None and size != size_bytes:
        raise Damaged(f"it has {size} bytes, and {size_bytes} were expected")
    return kind, size


def _body(place: Place, stream: FileIO) -> bytes:
    entry = place[1]
    stream.seek(encoding.HEADER_BYTES if entry is None else entry.offset)
    return stream.read() if entry is None else stream.read(entry.stored)


def is_whole(path: Path, data: bytes | memoryview) -> bool:
    """Whether an object file holds these bytes: header and length, of smaller ones every byte."""
    size = memoryview(data).nbytes
    try:
        with open(path, "rb", buffering=0) as stream:
            kind, declared = read_header(stream.fileno())
            stored = os.fstat(stream.fileno()).st_size - encoding.HEADER_BYTES
            if declared != size:
                return False
            if stored > _COMPARED_BYTES:
                return True
            stream.seek(encoding.HEADER_BYTES)
            return encoding.decode(kind, stream.read(), size) == bytes(data)
    except PermissionError:
        return True  # another user's; nothing can be said of it, and nothing done
    except (Damaged, OSError):
        return False
