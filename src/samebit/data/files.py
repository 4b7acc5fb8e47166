"""Fingerprints of files and folders: every byte is read, and nothing that moves is believed.

A folder is listed, its files are hashed, and it is listed again: only where both listings are the
same, and each file was what it is before and after its bytes were read, is there a fingerprint.
"""

import contextlib
import io
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from samebit import digest
from samebit.capture.hashing import Found, found_of
from samebit.data.forms import Fingerprint, named, sealed, u64
from samebit.errors import NotFound, SamebitError, UsageError

__all__ = [
    "Advance",
    "Entry",
    "Survey",
    "alike",
    "changed",
    "compare",
    "digests",
    "few",
    "file_entry",
    "fingerprint",
    "of_path",
    "of_survey",
    "reading",
    "survey",
    "together",
]

_PIECE_BYTES = 1 << 20
_LARGE_BYTES = 1 << 26  # from here on several processors hash one file
_LARGE_PIECE_BYTES = 1 << 23
_THREADS = 4  # that wait for a disk together
# What one thread reads in turn: a small file is hashed sooner than it is handed over.
_TOGETHER, _TOGETHER_BYTES = 32, 1 << 22
_NAMED = 3  # in a note
_RETRY = "let whoever writes there finish, and take it again"

Advance = Callable[[int], None]


class Entry(Struct, frozen=True):
    """One name below a root.

    Attributes:
        path: the bytes of its name below the root.
        kind: f | l | d.
        place: where it is.
        found: of a file what the system says of it.
        executable: of a file, whether its owner may execute it.
        target: of a link where it points.
        outside: of a link, whether that is out of the root.
    """

    path: bytes
    kind: str
    place: bytes
    found: Found | None = None
    executable: bool = False
    target: bytes = b""
    outside: bool = False

    @property
    def size_bytes(self) -> int:
        """Of a file its size."""
        return 0 if self.found is None else self.found.size_bytes


class Survey(Struct, frozen=True):
    """What lies at a path, before any of it is read.

    Where it was `gathered`, its files lie at places of their own, and together make up what was at
    the root: there is no folder to list again.
    """

    root: Path
    is_folder: bool
    follows: bool
    entries: tuple[Entry, ...]
    gathered: bool = False

    @property
    def files(self) -> tuple[Entry, ...]:
        """The entries that are files."""
        return tuple(entry for entry in self.entries if entry.kind == "f")

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(entry.size_bytes for entry in self.entries)


def of_path(
    path: Path, *, level: str = "content", follow: bool = False, advance: Advance | None = None
) -> Fingerprint:
    """The fingerprint of a file or folder.

    Args:
        path: of the file or folder; where it is a link, what it points to.
        level: of a folder content or strict; a file has one level.
        follow: whether links below are what they point to.
        advance: is told how many more bytes are read.

    Raises:
        NotFound: there is nothing at the path, or a file vanished.
        UsageError: something there has no bytes, or a link has no end.
        SamebitError: something changed while it was read, or may not be read.
    """
    return of_survey(survey(path, follow=follow), level=level, advance=advance)


def survey(path: Path, *, follow: bool = False) -> Survey:
    """List what lies at a path."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise NotFound("there is nothing at that path", path=path) from error
    except OSError as error:
        raise _refused(os.fsencode(path), error) from error
    if stat.S_ISDIR(status.st_mode):
        root = os.fsencode(path.resolve())
        entries = sorted(_below(root, follow=follow), key=lambda entry: entry.path)
        return Survey(path, True, follow, tuple(entries))
    return Survey(path, False, follow, (_file(b"", os.fsencode(path), status),))


def of_survey(
    found: Survey, *, level: str = "content", advance: Advance | None = None
) -> Fingerprint:
    """The fingerprint of what was listed, as `of_path`."""
    if level == "set":
        raise UsageError("files have no level `set`", known="content, strict")
    raw = dict(digests(found.files, advance))
    if found.is_folder and not found.gathered:
        compare(found, survey(found.root, follow=found.follows))
    return fingerprint(found, raw, level)


def fingerprint(found: Survey, raw: dict[bytes, bytes], level: str = "content") -> Fingerprint:
    """The fingerprint of what was listed, of whose files the digests (32 bytes) are known."""
    if not found.is_folder:
        name = named("file", raw[b""])
        return Fingerprint("file", name, {"size_bytes": found.size_bytes})
    kind = "folder-strict" if level == "strict" else "folder"
    payload = (_framed(entry, raw, strict=level == "strict") for entry in found.entries)
    name = named(kind, sealed(kind, {"entries": len(found.entries)}, payload))
    counts = {"entries": len(found.entries), "size_bytes": found.size_bytes}
    parts = {_shown(path): named("file", one) for path, one in raw.items()}
    return Fingerprint(kind, name, counts, parts, tuple(_notes(found)))


def _framed(entry: Entry, digests: dict[bytes, bytes], *, strict: bool) -> bytes:
    content, kind = entry.target, entry.kind
    if entry.found is not None:
        content = u64(entry.size_bytes) + digests[entry.path]
        kind = "x" if strict and entry.executable else "f"
    lengths = u64(len(entry.path)), u64(len(content))
    return b"".join((kind.encode(), lengths[0], entry.path, lengths[1], content))


def _below(root: bytes, *, follow: bool) -> Iterator[Entry]:
    """Every name below a folder; of folders only those that hold nothing."""
    waiting: list[tuple[bytes, frozenset[tuple[int, int]]]] = [(b"", frozenset())]
    while waiting:
        path, above = waiting.pop()
        place = root.rstrip(b"/") + b"/" + path if path else root
        try:
            status = os.stat(place)
            with os.scandir(place) as scan:
                names = [entry.name for entry in scan]
        except OSError as error:
            raise _refused(place, error) from error
        this = status.st_dev, status.st_ino
        if this in above:
            raise UsageError("a link leads to a folder that it lies in", path=os.fsdecode(place))
        if not names and path:
            yield Entry(path, "d", place)
        for name in names:
            inner = path + b"/" + name if path else name
            entry = _entry(inner, place + b"/" + name, root, follow=follow)
            if entry is None:
                waiting.append((inner, above | {this}))
            else:
                yield entry


def _entry(path: bytes, place: bytes, root: bytes, *, follow: bool) -> Entry | None:
    """One name, or None for a folder."""
    try:
        status = os.stat(place, follow_symlinks=follow)
        if stat.S_ISLNK(status.st_mode):
            return _link(path, place, root, os.readlink(place))
    except OSError as error:
        if follow and os.path.islink(place):
            raise UsageError(
                f"a link cannot be followed: {error.strerror}",
                path=os.fsdecode(place),
                target=os.fsdecode(os.readlink(place)),
            ) from error
        raise _refused(place, error) from error
    return None if stat.S_ISDIR(status.st_mode) else _file(path, place, status)


def file_entry(path: bytes, place: bytes) -> Entry:
    """A file that lies anywhere, under the path that it is to have; raises as `of_path`."""
    try:
        return _file(path, place, os.stat(place))
    except OSError as error:
        raise _refused(place, error) from error


def _file(path: bytes, place: bytes, status: os.stat_result) -> Entry:
    found = found_of(status)
    if found is None:
        raise UsageError(
            "a socket, pipe or device has no bytes of its own", path=os.fsdecode(place)
        )
    return Entry(path, "f", place, found, bool(status.st_mode & stat.S_IXUSR))


def _link(path: bytes, place: bytes, root: bytes, target: bytes) -> Entry:
    folder = os.path.dirname(place)
    whole = os.path.normpath(os.path.join(folder, target))
    inside = (whole + b"/").startswith(root + b"/")
    if inside and os.path.isabs(target):
        target = os.path.relpath(whole, folder)  # else a copy elsewhere would be another folder
    return Entry(path, "l", place, target=target, outside=not inside)


def digests(
    entries: Sequence[Entry], advance: Advance | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Path and digest of each of some files, read now; raises as `of_path`."""
    groups = list(together(entries))

    def read(some: list[Entry]) -> list[tuple[bytes, bytes]]:
        return [(entry.path, _read(entry, advance)) for entry in some]

    with ThreadPoolExecutor(max(1, min(_THREADS, len(groups)))) as pool:
        for pairs in pool.map(read, groups):
            yield from pairs


def together(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Files in groups that one thread reads in turn, because each is too small for itself."""
    some: list[Entry] = []
    held_bytes = 0
    for entry in entries:
        if some and (held_bytes >= _TOGETHER_BYTES or len(some) == _TOGETHER):
            yield some
            some, held_bytes = [], 0
        some.append(entry)
        held_bytes += entry.size_bytes
    if some:
        yield some


@contextlib.contextmanager
def reading(entry: Entry) -> Generator[io.FileIO]:
    """A file that is what it was, and is so at the end; whoever reads looks at how much it gave.

    Raises:
        NotFound: it vanished.
        SamebitError: it changed, or may not be read.
    """
    try:
        # Without waiting: where the name is a pipe by now, opening it would never end.
        fd = os.open(entry.place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with io.FileIO(fd) as file:
            if found_of(os.fstat(fd)) != entry.found:
                raise changed(entry.place)
            yield file
            if found_of(os.fstat(fd)) != entry.found:
                raise changed(entry.place)
    except OSError as error:
        raise _refused(entry.place, error) from error


def _read(entry: Entry, advance: Advance | None) -> bytes:
    is_large = entry.size_bytes >= _LARGE_BYTES
    hasher = digest.Hasher(threads=is_large)
    wanted = _LARGE_PIECE_BYTES if is_large else _PIECE_BYTES
    with reading(entry) as file:
        room = memoryview(bytearray(min(wanted, entry.size_bytes + 1)))
        while count := file.readinto(room):
            hasher.update(room[:count])
            if advance is not None:
                advance(count)
    if hasher.size_bytes != entry.size_bytes:
        raise changed(entry.place)
    return hasher.raw()


def compare(before: Survey, after: Survey) -> None:
    """Raise where a folder is no longer what it was when its bytes were read."""
    then = {entry.path: entry for entry in before.entries}
    now = {entry.path: entry for entry in after.entries}
    for path in sorted({**then, **now}):
        if then.get(path) != now.get(path):
            entry = then.get(path) or now[path]
            raise changed(entry.place)


def changed(place: bytes) -> SamebitError:
    """The error of a file that was written meanwhile."""
    return SamebitError("a file changed while it was read", path=os.fsdecode(place), hint=_RETRY)


def _refused(place: bytes, error: OSError) -> SamebitError:
    path = os.fsdecode(place)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotFound("a file vanished while the folder was read", path=path, hint=_RETRY)
    return SamebitError(f"cannot be read: {error.strerror or error}", path=path)


def _notes(found: Survey) -> Iterator[str]:
    if outside := [entry.path for entry in found.entries if entry.outside]:
        what = "1 link points" if len(outside) == 1 else f"{len(outside)} links point"
        yield f"{what} out of the folder, and that data is not part of it: {few(outside)}"
    for paths in alike(entry.path for entry in found.entries):
        yield f"names that are one where case or Unicode forms do not count: {few(paths)}"


def alike(paths: Iterable[bytes]) -> list[list[bytes]]:
    """Those of some names that are one where case or Unicode forms do not count."""
    found: dict[str, list[bytes]] = {}
    for path in paths:
        found.setdefault(_folded(_shown(path)), []).append(path)
    return [some for some in found.values() if len(some) > 1]


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    import unicodedata  # noqa: PLC0415  (a megabyte of tables, for other alphabets only)

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def few(paths: Sequence[bytes]) -> str:
    """Some names for people, the first three of many."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(_shown, paths[:_NAMED])) + more
