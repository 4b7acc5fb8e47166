"""Which objects lie at a remote: its listing, and the indexes of its packs.

An index never changes, so each is read once and kept in the user's cache. What is known of a
remote is a look at one moment; objects are only ever added to it, but by a sweep (`claims`).
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from samebit import disk, places
from samebit.errors import Damaged, NotFound
from samebit.objects import encoding
from samebit.objects.encoding import PackEntry
from samebit.objects.store import Store
from samebit.objects.stored import read_pack_index
from samebit.remotes import moving
from samebit.remotes.place import Found, Place, read_whole

__all__ = ["Contents", "Packed", "known_id", "name_of_object", "object_path", "read_id"]

_OBJECT = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{62})")
_PACK = re.compile(r"packs/([0-9a-f]{64})\.(?:pack|pieces)")
_END_BYTES = 16 << 10  # of a pack: nearly three hundred objects and the footer
_MOST_INDEX_BYTES = 64 << 20
_MOST_PACK_BYTES = 4 << 30  # as nobody writes one
_FORMAT_BYTES = 4096
_LISTED = 500  # objects, above which the listing takes fewer requests than asking for each


class Packed(Struct, frozen=True):
    """Where an object lies in a pack of the remote."""

    pack: Found
    entry: PackEntry


def object_path(digits: str) -> str:
    """Where an object's own file is at a remote."""
    return f"objects/{digits[:2]}/{digits[2:]}"


def name_of_object(path: str) -> bytes | None:
    """The raw digest of the object whose own file this is; None for any other file."""
    match = _OBJECT.fullmatch(path)
    return bytes.fromhex(match[1] + match[2]) if match else None


def read_id(place: Place) -> str | None:
    """The id of a remote; None where nothing was ever pushed to it. Raises StoreTooNew."""
    found = place.find("format")
    if found is None:
        return None
    text = read_whole(place, "format", min(found.size_bytes, _FORMAT_BYTES))
    return places.read_format(text, place.url)


def known_id(place: Place) -> str:
    """The id of a remote; NotFound where nothing was ever pushed to it. Raises StoreTooNew."""
    found = read_id(place)
    if found is None:
        raise NotFound("nothing was ever pushed to this remote", remote=place.url)
    return found


class Contents:
    """What lies at a place; raw digests name the objects.

    Args:
        place: where.
        local: whose packs need not be asked about: the same name is the same pack.
        remote_id: under which indexes are kept.
    """

    def __init__(self, place: Place, local: Store, remote_id: str) -> None:
        self.files: dict[bytes, int] = {}  # object files: bytes of each
        self.packed: dict[bytes, Packed] = {}
        self.packs: dict[str, Found] = {}
        self.damaged: set[str] = set()  # packs of which nobody can tell what is in them
        self._packs_listed = False
        self._place = place
        self._local = local
        self._cache = places.cache_folder() / "remotes" / remote_id

    def __contains__(self, raw: bytes) -> bool:
        return raw in self.files or raw in self.packed

    def list_objects(self) -> None:
        """Learn which object files there are: one request for each thousand."""
        for found in self._place.list("objects"):
            if (raw := name_of_object(found.path)) is not None:
                self.files[raw] = found.size_bytes

    def list_packs(self) -> None:
        """Learn what is in the packs: requests for those alone that this user never asked about."""
        self._packs_listed = True
        listed = [found for found in self._place.list("packs") if _PACK.fullmatch(found.path)]
        new = [found for found in listed if found.path not in self.packs]
        asked: list[Found] = []
        for found in new:
            entries = self._known(found)
            if entries is None:
                asked.append(found)
            else:
                self.add_pack(found, entries)
        indexes = moving.all_of([lambda found=found: self._ask(found) for found in asked])
        for found, entries in zip(asked, indexes, strict=True):
            if entries is None:
                self.damaged.add(found.path)
            else:
                self.add_pack(found, entries)

    def learn_of(self, names: Iterable[bytes]) -> set[bytes]:
        """Learn of some objects where they lie, in few requests; those that are not there."""
        wanted = set(names)
        if wanted and not self._packs_listed:
            self.list_packs()
        unknown = {raw for raw in wanted if raw not in self}
        if len(unknown) > _LISTED:
            self.list_objects()
        else:
            self._look_for(unknown)
        return {raw for raw in unknown if raw not in self}

    def _look_for(self, names: Iterable[bytes]) -> None:
        """Learn of some objects whether they have a file: one request for each."""
        left = [raw for raw in names if raw not in self]
        asked = [lambda raw=raw: self._place.find(object_path(raw.hex())) for raw in left]
        for raw, found in zip(left, moving.all_of(asked), strict=True):
            if found is not None:
                self.files[raw] = found.size_bytes

    def add_pack(self, found: Found, entries: Iterable[PackEntry]) -> None:
        """Know a pack."""
        self.packs[found.path] = found
        for entry in entries:
            self.packed.setdefault(entry.digest, Packed(found, entry))

    def entries_of(self, found: Found) -> list[PackEntry]:
        """What is in a pack; nothing where that cannot be told."""
        return self._known(found) or self._ask(found) or []

    def forget(self, found: Found) -> None:
        """A pack did not hold what its index said: it is read again by who asks next."""
        (self._cache / found.path.rpartition("/")[2]).unlink(missing_ok=True)

    def _known(self, found: Found) -> list[PackEntry] | None:
        name = found.path.rpartition("/")[2]
        for path in (self._local.path / "packs" / name, self._cache / name):
            try:
                if path.parent != self._cache:
                    if path.stat().st_size == found.size_bytes:
                        return read_pack_index(path)
                else:
                    return _entries(path.read_bytes(), found.size_bytes)
            except (OSError, Damaged):
                continue
        return None

    def _ask(self, found: Found) -> list[PackEntry] | None:
        """The index of a pack, read from its end; None where it is damaged there."""
        if found.size_bytes > _MOST_PACK_BYTES:
            return None
        try:
            least = min(_END_BYTES, found.size_bytes)
            end = self._read_end(found, least)
            _, length, _ = encoding.read_footer(end[-encoding.FOOTER_BYTES :], found.size_bytes)
            whole = length + encoding.FOOTER_BYTES
            if whole > _MOST_INDEX_BYTES:
                return None
            if whole > least:
                end = self._read_end(found, whole)
            index = end[-whole:]
            entries = _entries(index, found.size_bytes)
        except (Damaged, NotFound):
            return None
        self._keep(found, index)
        return entries

    def _read_end(self, found: Found, size_bytes: int) -> bytes:
        return read_whole(self._place, found.path, size_bytes, found.size_bytes - size_bytes)

    def _keep(self, found: Found, index: bytes) -> None:
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            disk.replace_cache(self._cache / found.path.rpartition("/")[2], index)
        except OSError:
            pass  # it is asked for again


def _entries(index: bytes, pack_bytes: int) -> list[PackEntry]:
    """The entries of a pack by its index and footer."""
    footer = index[-encoding.FOOTER_BYTES :]
    at, _, checksum = encoding.read_footer(footer, pack_bytes)
    return encoding.read_index(index[: -encoding.FOOTER_BYTES], at, checksum)
