"""Whether anything in a bundle tells whose it is: every file is searched, its name too.

What Samebit wrote must not; the user's own files are theirs to change, so each place is told.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from samebit.report.anonymous import Wording
from samebit.report.release.writing import Draft

__all__ = ["Place", "search"]

_MOST = 200  # places that are told
_TEXT_BYTES = 64 << 20  # of a file that is searched line by line
_CHUNK_BYTES = 4 << 20
_LONGEST = 4096  # bytes of a name, by which chunks overlap
_PERSONAL = ("<home>", "<project>")  # Python lies in `/usr` for everybody
# Users and hosts of which there is one on every other machine.
_NOBODY = frozenset({"root", "user", "admin", "localhost", "ubuntu", "runner", "home", "vm"})


class Place(Struct, frozen=True):
    """Where something stands that tells whose it is."""

    file: str
    line: int  # 0: in its name; -1: in a file that is no text
    found: str


def search(made: Draft, wording: Wording) -> list[Place]:
    """Every place, up to a number of them."""
    pattern = _pattern(wording)
    if pattern is None:
        return []
    found: list[Place] = []
    for name in made.names():
        found += _search_one(made.top / name, name, pattern)
        if len(found) >= _MOST:
            break
    return found[:_MOST]


def _pattern(wording: Wording) -> re.Pattern[str] | None:
    words = [re.escape(folder) for folder, mark in wording.folders if mark in _PERSONAL]
    words += [rf"(?<![a-z0-9]){re.escape(run)}(?![a-z0-9])" for run in wording.ids]
    if wording.names is not None:
        words.append(wording.names.pattern.removeprefix("(?i)"))
    return re.compile("|".join(f"(?:{one})" for one in words), re.IGNORECASE) if words else None


def _search_one(path: Path, name: str, pattern: re.Pattern[str]) -> Iterator[Place]:
    yield from _matches(pattern, [name], name, only=0)
    if path.stat().st_size <= _TEXT_BYTES:
        data = path.read_bytes()
        if b"\0" not in data:
            yield from _matches(pattern, data.decode("utf-8", "replace").splitlines(), name)
            return
    # Letters of Latin-1 stand for bytes, so that names in UTF-8 are found where they are ASCII.
    with open(path, "rb") as stream:
        before = b""
        while piece := stream.read(_CHUNK_BYTES):
            text = (before + piece).decode("latin-1")
            if (match := next(_told(pattern, text), None)) is not None:
                yield Place(name, -1, match)
                return
            before = piece[-_LONGEST:]


def _matches(
    pattern: re.Pattern[str], lines: Iterable[str], name: str, only: int | None = None
) -> Iterator[Place]:
    for number, line in enumerate(lines, start=1):
        for found in dict.fromkeys(_told(pattern, line)):
            yield Place(name, number if only is None else only, found)


def _told(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for match in pattern.finditer(text):
        if match[0].lower() not in _NOBODY:
            yield match[0]
