"""DVC's cache: where it lies, what is in it under an md5, and whether that is what its name says.

It is only ever read: no lock of theirs is taken, no state of theirs is asked or written. And it is
never trusted, as DVC does with what is read-only: bytes count where their md5 was computed here.
"""

import contextlib
import hashlib
import io
import os
import stat
from collections.abc import Generator
from pathlib import Path

import msgspec
from msgspec import Struct

from samebit import digest
from samebit.data.dvc.outs import LEGACY, Listed, Out, checked
from samebit.errors import Damaged, NotFound

__all__ = ["Cache", "Hashes", "Seen", "find_cache", "find_top", "look"]

_CHUNK_BYTES = 1 << 20  # by which DVC reads a file, and so the unit of its rule for texts
_TEXT_BYTES = 512
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MOST_NOT_TEXT = 0.30
_MOST_LIST_BYTES = 1 << 30
_FILES = "files/md5"  # DVC 3; before it the cache's own folder


class Hashes:
    r"""The md5 of some bytes, by one of DVC's two rules, fed piece by piece.

    That of DVC 1 and 2 reads `\r\n` as `\n` in what looks like a text. DVC 2 looked at the first
    piece of a file, DVC 3 looks at each; where the two differ either is taken.
    """

    def __init__(self, rule: str) -> None:
        self._is_legacy = rule == LEGACY
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._first = hashlib.md5(usedforsecurity=False)
        self._is_text: bool | None = None
        self._waiting = bytearray()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next piece."""
        if not self._is_legacy:
            self._md5.update(data)
            return
        self._waiting += data
        whole = len(self._waiting) - len(self._waiting) % _CHUNK_BYTES
        for at in range(0, whole, _CHUNK_BYTES):
            self._take(bytes(self._waiting[at : at + _CHUNK_BYTES]))
        del self._waiting[:whole]

    def _take(self, chunk: bytes) -> None:
        is_text = _is_text(chunk[:_TEXT_BYTES])
        if self._is_text is None:
            self._is_text = is_text
        unix = chunk.replace(b"\r\n", b"\n")
        self._md5.update(unix if is_text else chunk)
        self._first.update(unix if self._is_text else chunk)

    def names(self) -> tuple[str, ...]:
        """The digits; two where DVC's versions do not agree."""
        if self._waiting:
            self._take(bytes(self._waiting))
            self._waiting.clear()
        found = (self._md5.hexdigest(), self._first.hexdigest())
        return tuple(dict.fromkeys(found)) if self._is_legacy else found[:1]


def _is_text(block: bytes) -> bool:
    if b"\0" in block:
        return False
    return not block or len(block.translate(None, _TEXT)) / len(block) <= _MOST_NOT_TEXT


class Seen(Struct, frozen=True):
    """A file that was read: the name of its content, its size, and its md5 by a rule."""

    digest: str
    size_bytes: int
    md5s: tuple[str, ...]


def look(path: Path, rule: str, *, follow: bool) -> Seen | None:
    """Read a regular file; None where there is none, or it cannot be read.

    Args:
        path: of the file.
        rule: md5 | md5-dos2unix.
        follow: whether it may be a link; DVC links from the working tree, never in its cache.
    """
    try:
        with _opened(path, follow=follow) as file:
            whole, md5 = digest.Hasher(), Hashes(rule)
            while data := file.read(_CHUNK_BYTES):
                whole.update(data)
                md5.update(data)
    except OSError:
        return None
    return Seen(whole.digest(), whole.size_bytes, md5.names())


@contextlib.contextmanager
def _opened(path: Path, *, follow: bool) -> Generator[io.FileIO]:
    # Without waiting: a pipe that somebody put there would never be opened.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    with io.FileIO(os.open(path, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileNotFoundError(path)
        yield file


class Cache(Struct, frozen=True):
    """A project's cache on this machine; `folder` is None where the project is not here."""

    folder: Path | None

    def place(self, rule: str, name: str) -> Path | None:
        """Where a file with an md5 lies if it is there."""
        if self.folder is None:
            return None
        folder = self.folder if rule == LEGACY else self.folder / _FILES
        return folder / name[:2] / name[2:]

    def holds(self, rule: str, name: str) -> Path | None:
        """The file of that name, unread; None where there is none that is a file."""
        place = self.place(rule, name)
        try:
            is_one = place is not None and stat.S_ISREG(os.lstat(place).st_mode)
        except OSError:
            return None
        return place if is_one else None

    def files(self, out: Out) -> tuple[Listed, ...]:
        """The files of an out; one that is a file is its own, with an empty path.

        Raises:
            NotFound: the list of a folder is not in the cache.
            Damaged: it is not what its name says, or names what it may not.
        """
        if not out.is_folder:
            return (Listed("", out.md5),)
        if out.files is not None:
            return out.files
        place = self.place(out.hash, out.name)
        if place is None:
            raise NotFound("the project and its cache are not on this machine", file=out.file)
        try:
            with _opened(place, follow=False) as file:
                data = file.read(_MOST_LIST_BYTES + 1)
        except OSError:
            hint = f"`dvc fetch {out.target}` brings it"
            raise NotFound(
                f"the list of the files of {out.path} is not in DVC's cache", path=place, hint=hint
            ) from None
        try:
            if len(data) > _MOST_LIST_BYTES:
                raise ValueError(f"it is larger than {_MOST_LIST_BYTES >> 20} MiB")
            if (found := hashlib.md5(data, usedforsecurity=False).hexdigest()) != out.md5:
                raise ValueError(f"its md5 is {found}")
            rows = msgspec.json.decode(data, type=list[dict[str, object]])
            return checked((row.get("relpath"), row.get("md5")) for row in rows)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Damaged(
                f"the list of the files of {out.path} in DVC's cache is damaged: {error}",
                path=place,
                hint=f"remove that file, and `dvc fetch {out.target}` brings it again",
            ) from error


def find_top(start: Path) -> Path | None:
    """The top of the DVC project that a folder is in: the nearest that has a `.dvc`."""
    for folder in (start, *start.parents):
        if (folder / ".dvc").is_dir():
            return folder
    return None


def find_cache(top: Path | None) -> Cache:
    """The cache of the project at a folder, as its configuration says; the last word counts."""
    if top is None:
        return Cache(None)
    place = top / ".dvc" / "cache"
    home = Path(os.path.expanduser("~"))
    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR") or "/etc/xdg/dvc"
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or (
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "dvc"
    )
    files = [Path(system) / "config", Path(user) / "config"]
    for file in [*files, top / ".dvc/config", top / ".dvc/config.local"]:
        if said := _cache_folder(file):
            place = Path(os.path.normpath(file.parent / os.path.expanduser(said)))
    return Cache(place)


def _cache_folder(file: Path) -> str:
    """What a file of DVC's configuration says of `cache.dir`."""
    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    section = said = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line.strip("[] ").lower()
        elif section == "cache" and line.partition("=")[0].strip().lower() == "dir":
            said = line.partition("=")[2].partition(" #")[0].strip().strip("'\"")
    return said
