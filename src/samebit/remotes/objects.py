"""The objects of a remote one by one, each checked: what a check looks into, and a repair takes."""

from samebit import digest
from samebit.errors import Damaged, NotFound
from samebit.objects import encoding
from samebit.objects.encoding import Body
from samebit.objects.store import Store
from samebit.objects.stored import check_pack, checked
from samebit.remotes.contents import Contents, Packed, object_path
from samebit.remotes.place import Place, read_whole

__all__ = [
    "Objects",
    "body_of",
    "find_whole",
    "read_body",
    "read_file",
]


def read_file(place: Place, raw: bytes, size_bytes: int) -> Body:
    """An object that has a file there, checked; Damaged, NotFound, RemoteError."""
    return body_of(raw, read_whole(place, object_path(raw.hex()), size_bytes))


def body_of(raw: bytes, data: bytes) -> Body:
    """What the file of an object of this digest holds, checked; Damaged."""
    kind, size = encoding.read_object_header(data[: encoding.HEADER_BYTES])
    body = memoryview(data)[encoding.HEADER_BYTES :]
    return checked(Body(raw, kind, body, size))


def read_body(place: Place, one: Packed) -> Body:
    """An object of a pack there, likewise."""
    entry = one.entry
    stored = read_whole(place, one.pack.path, entry.stored, entry.offset)
    return checked(Body(entry.digest, entry.encoding, stored, entry.size))


def find_whole(place: Place, local: Store, one: Packed) -> Body | None:
    """An object of a pack there, checked, from here if it is here; None where neither is whole."""
    try:
        data = local.read(one.entry.name)
        return Body(one.entry.digest, *encoding.encode(data), len(data))
    except NotFound:
        pass
    try:
        return read_body(place, one)
    except (Damaged, NotFound):
        return None


class Objects:
    """The objects of a remote as a store has them: for `samebit.objects.healing`, and for looking.

    Args:
        place: where.
        contents: what lies there; listed already.
        local: where to look first, for what is only to be looked into; None to read there alone.
    """

    def __init__(self, place: Place, contents: Contents, local: Store | None = None) -> None:
        self._place = place
        self._contents = contents
        self._local = local

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        return bytes.fromhex(digest.hex_of(name)) in self._contents

    def read(self, name: str) -> bytes:
        """Its bytes, checked; NotFound, Damaged, RemoteError."""
        if self._local is not None and self._local.has(name):
            return self._local.read(name)
        raw = bytes.fromhex(digest.hex_of(name))
        if raw in self._contents.files:
            body = read_file(self._place, raw, self._contents.files[raw])
        elif raw in self._contents.packed:
            body = read_body(self._place, self._contents.packed[raw])
        else:
            raise NotFound(f"object {digest.short(name)} is not at the remote")
        return encoding.decode(body.encoding, body.stored, body.size)

    def read_pack(self, digits: str) -> bytes:
        """A whole pack by the digits of its name, checked.

        Raises:
            NotFound: it is not at the remote.
            Damaged: what lies there is not what its name says.
        """
        for path, found in self._contents.packs.items():
            if path.rpartition("/")[2].partition(".")[0] == digits:
                data = read_whole(self._place, path, found.size_bytes)
                check_pack(digits, data)
                return data
        raise NotFound(f"pack {digits[:8]} is not at the remote")
