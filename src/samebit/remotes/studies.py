"""Studies at a remote: what is run, and the lines of its trials in parts that never change.

Bytes here; what they say is for who asks (`samebit.studies.travelling`).
"""

import re
from collections.abc import Collection

from msgspec import Struct

from samebit import digest
from samebit.errors import Damaged
from samebit.folders.folder import is_run_id
from samebit.remotes import bundles, moving
from samebit.remotes.place import Found, Place, read_whole

__all__ = ["Lying", "is_same", "list_parts", "list_studies", "of_path", "read_part", "send"]

_PART = re.compile(r"studies/([0-9a-z]{10})/(?:study|([0-9a-f]{16})-([0-9a-f]{16}))-([0-9a-f]{64})")


class Lying(Struct, frozen=True):
    """A part of a study that lies at a remote: its declaration, or lines from here to there."""

    found: Found
    digits: str
    begin: int = 0
    end: int = -1  # of the declaration; whatever length it has

    @property
    def is_declaration(self) -> bool:
        """Whether it says what is run; else it has lines of trials."""
        return self.end < 0


def list_studies(place: Place) -> list[str]:
    """The ids of the studies of which anything is there."""
    return sorted(name for name in place.folders("studies") if is_run_id(name))


def list_parts(place: Place, ids: Collection[str]) -> dict[str, list[Lying]]:
    """Of each study what lies there: the declaration first, then lines in their order."""
    asked = [lambda one=one: list(place.list(f"studies/{one}")) for one in ids]
    listed = zip(ids, moving.all_of(asked), strict=True)
    return {
        study: sorted(_lying(study, some), key=lambda one: (one.end >= 0, one.begin, one.end))
        for study, some in listed
    }


def _lying(study: str, listed: list[Found]) -> list[Lying]:
    return [of_path(found) for found in listed if _is_part(found.path, study)]


def _is_part(path: str, study: str) -> bool:
    match = _PART.fullmatch(path)
    return match is not None and match[1] == study


def of_path(found: Found) -> Lying:
    """What a file is a part of, by its name; Damaged where that is none of a study's."""
    match = _PART.fullmatch(found.path)
    if match is None:
        raise Damaged("not the name of a part of a study", path=found.path)
    if match[2] is None:
        return Lying(found, match[4])
    return Lying(found, match[4], int(match[2], 16), int(match[3], 16))


def read_part(place: Place, part: Lying) -> bytes:
    """What it holds, checked; Damaged, NotFound, RemoteError."""
    found = part.found
    if found.size_bytes > bundles.MOST_BYTES + bundles.HEADER_BYTES:
        raise Damaged(f"a part of a study of {found.size_bytes:,} bytes", path=found.path)
    file = read_whole(place, found.path, found.size_bytes)
    try:
        data = bundles.decode_object(file, part.digits)
        if not part.is_declaration and len(data) != part.end - part.begin:
            raise Damaged(f"{len(data)} bytes of lines, where its name says otherwise")
    except Damaged as error:
        raise Damaged(f"{found.path} at the remote is damaged: {error.what}") from error
    return data


def send(place: Place, study: str, data: bytes, begin: int | None = None) -> int:
    """Put a declaration, or lines from a place in their file on; how many bytes that took."""
    digits, file = bundles.encode_object(data)
    name = "study" if begin is None else f"{begin:016x}-{begin + len(data):016x}"
    place.put(f"studies/{study}/{name}-{digits}", file)
    return len(file)


def is_same(place: Place, part: Lying, declared: bytes, lines: bytes) -> bool:
    """Whether it agrees with what is known here, as far as both reach.

    By its name, but where it begins before the lines end that are known, and ends behind that.
    """
    if part.is_declaration:
        return digest.hex_of(digest.of_bytes(declared)) == part.digits
    known = lines[part.begin : part.end]
    if part.end <= len(lines):
        return digest.hex_of(digest.of_bytes(known)) == part.digits
    return not known or read_part(place, part).startswith(known)
