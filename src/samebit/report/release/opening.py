"""A stranger's bundle, looked into and unpacked: nothing in it is run, imported or believed.

A name leads out of no folder, there are no links and devices, and no more bytes are written than
the archive's index said before the first one.
"""

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

from samebit.errors import Damaged, NotFound, UsageError
from samebit.report.release.bundle import Datum, Release, read_release
from samebit.report.release.writing import SUMS, files_below, sha256_of

__all__ = [
    "CONTENTS",
    "STATEMENT",
    "Checked",
    "check_sums",
    "lacking",
    "opened",
    "parse_sums",
    "read_contents",
    "read_small",
    "unpack",
]

CONTENTS = "release.json"
STATEMENT = "statement.dsse.json"
_MOST_FILES = 1_000_000
_LARGEST_TEXT_BYTES = 256 << 20  # of what is read into memory
_MOST_TIMES = 250  # that an archive may grow, beyond what is small anyway
_SMALL_BYTES = 64 << 20
_PACKED = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_UNESCAPES = {"\\": "\\", "n": "\n", "r": "\r"}


class Checked(Struct, frozen=True):
    """What was found of the sums of a bundle's files."""

    right: int
    wrong: tuple[str, ...]  # other bytes than the sums say
    absent: tuple[str, ...]
    unlisted: tuple[str, ...]  # files of which the sums say nothing


@contextlib.contextmanager
def opened(path: Path) -> Generator[Path]:
    """The folder of a bundle: its own, or one into which a zip is unpacked and that goes again."""
    if path.is_dir():
        _refuse_strange(path)
        yield path
        return
    if not path.is_file():
        raise NotFound("there is no bundle", path=path)
    with tempfile.TemporaryDirectory(prefix="samebit-release-") as aside:
        top = Path(aside) / "bundle"
        unpack(path, top)
        yield top


def unpack(path: Path, top: Path) -> None:
    """Write the files of a zip into a new folder; Damaged where it cannot be one of ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_members(members, path)
            free_bytes = shutil.disk_usage(top.parent).free
            total = sum(one.file_size for one in members)
            if total > free_bytes:
                raise UsageError(
                    "there is no room to unpack it",
                    path=path,
                    bytes=f"{total:,}",
                    free=f"{free_bytes:,}",
                    hint="TMPDIR names another place",
                )
            for one in members:
                if not one.is_dir():
                    _unpack_one(archive, one, top / PurePosixPath(one.filename))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise Damaged(f"no whole zip: {error}", path=path) from error


def _unpack_one(archive: zipfile.ZipFile, one: zipfile.ZipInfo, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if (one.external_attr >> 16) & 0o100 else 0o644
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    left = one.file_size
    with os.fdopen(fd, "wb") as into, archive.open(one) as stream:
        while piece := stream.read(1 << 20):
            left -= len(piece)
            if left < 0:
                raise Damaged("a file of the zip is longer than it says", file=one.filename)
            into.write(piece)


def _refuse_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    names = [one.filename.rstrip("/") for one in members]
    if len(members) > _MOST_FILES or len(set(names)) < len(names):
        raise Damaged("a zip with a name twice, or with very many", path=path, files=len(members))
    total, packed = sum(one.file_size for one in members), path.stat().st_size
    if total > packed * _MOST_TIMES + _SMALL_BYTES:
        raise Damaged(
            "a zip that would grow as no bundle does", path=path, bytes=packed, unpacked=total
        )
    files = {one.filename for one in members if not one.is_dir()}
    for one in members:
        mode = one.external_attr >> 16
        kind = stat.S_IFMT(mode) if one.create_system == 3 else 0
        parents = map(str, PurePosixPath(one.filename).parents)
        if (
            not _is_inside(one.filename.rstrip("/"))
            or kind not in (0, stat.S_IFREG, stat.S_IFDIR)
            or one.flag_bits & 1  # encrypted
            or one.compress_type not in _PACKED
            or not files.isdisjoint(parents)
        ):
            raise Damaged("a zip with what no bundle has", path=path, name=repr(one.filename))


def _is_inside(name: str) -> bool:
    """Whether a name is that of a file below a folder, on every system."""
    parts = name.split("/")
    return (
        bool(name)
        and "\0" not in name
        and not any(part in ("", ".", "..") for part in parts)
        and not PurePosixPath(name).is_absolute()
        and (os.name != "nt" or not ({"\\", ":"} & set(name)))
    )


def _refuse_strange(top: Path) -> None:
    """A folder is read in place, so what leads out of it must not be there."""
    for name in files_below(top):
        mode = os.lstat(top / name).st_mode
        if not stat.S_ISREG(mode):
            raise Damaged("a bundle has files only", path=top / name)
    for folder, folders, _ in os.walk(top):
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                raise Damaged("a bundle has no links", path=os.path.join(folder, name))


def read_contents(top: Path) -> Release:
    """What a bundle says of itself; Damaged where it names what is outside of it."""
    found = read_release(read_small(top / CONTENTS), top / CONTENTS)
    names = [*_names_in(found), *("/" + run.id for run in found.runs if "/" in run.id)]
    names += ["/" + one.place for one in found.data if one.place and not _is_placed(one)]
    for name in names:
        if not _is_inside(name):
            raise Damaged("a bundle that names what is not in it", path=top / CONTENTS, name=name)
    for run in found.runs:
        words = [*run.command.words, *run.command.variables, *run.command.variables.values()]
        if any("\0" in word for word in words) or any("=" in n for n in run.command.variables):
            raise Damaged("a bundle with a command that is none", path=top / CONTENTS, run=run.id)
    return found


def lacking(release: Release, top: Path) -> list[str]:
    """What a bundle names and has not."""
    folders = [code.folder for code in release.codes] + [release.record] * bool(release.record)
    files = ["requirements.txt", "README.md"]
    for run in release.runs:
        files += [run.metrics, *run.splits.values()]
        files += [name for state in run.states for name in state.files.values()]
        files += [one.place for one in run.written if one.place]
    files += [one.place for one in release.data if one.place]
    known = {code.folder for code in release.codes}
    found = [name for name in folders if not (top / name).is_dir()]
    found += [run.code for run in release.runs if run.code not in known]
    return found + [name for name in dict.fromkeys(files) if not (top / name).is_file()]


def _is_placed(one: Datum) -> bool:
    return one.place.startswith("data/" if one.is_inside else "elsewhere/")


def _names_in(release: Release) -> Iterator[str]:
    yield from (code.folder for code in release.codes)
    yield from (one.place for one in release.data if one.place)
    yield from (link.path for link in release.links)
    yield from (
        os.path.normpath(os.path.join(os.path.dirname(link.path), link.target))
        for link in release.links
    )
    yield from [release.record] if release.record else []
    for run in release.runs:
        yield from (run.code, run.metrics, *run.splits.values(), f"runs/{run.id}")
        yield os.path.normpath(f"{run.code}/{run.command.cwd}")
        yield from (name for state in run.states for name in state.files.values())
        yield from (one.place for one in run.written if one.place)


def read_small(path: Path) -> bytes:
    """A file that is read at once; NotFound where there is none, Damaged where it is huge."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST_TEXT_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"this is no bundle: {path.name} is not to be read: {error.strerror}", path=path
        ) from error
    if len(data) > _LARGEST_TEXT_BYTES:
        raise Damaged("a file of a bundle that is far too large", path=path)
    return data


def parse_sums(text: str, where: object) -> dict[str, str]:
    """The SHA-256 of each file by its name, out of lines as `sha256sum` writes them."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if not line:
            continue
        is_escaped = line.startswith("\\")
        sha256, gap, name = line.removeprefix("\\")[:64], *_name_in(line.removeprefix("\\"))
        if is_escaped:
            name = _unescaped(name)
        good = gap in ("  ", " *") and set(sha256) <= set("0123456789abcdef")
        if not good or not _is_inside(name) or name in found:
            raise Damaged(f"{SUMS} has a line that says nothing", path=where, line=repr(line[:200]))
        found[name] = sha256
    return found


def _name_in(line: str) -> tuple[str, str]:
    return line[64:66], line[66:]


def _unescaped(name: str) -> str:
    found, rest = "", iter(name)
    for letter in rest:
        found += _UNESCAPES.get(next(rest, ""), "\0") if letter == "\\" else letter
    return found


def check_sums(top: Path) -> Checked:
    """Read every file, and compare it with what the sums say."""
    where = top / SUMS
    stated = parse_sums(read_small(where).decode("utf-8", "surrogateescape"), where)
    there = set(files_below(top)) - {SUMS, STATEMENT}
    wrong = [n for n in sorted(there & stated.keys()) if sha256_of(top / n) != stated[n]]
    return Checked(
        len(there & stated.keys()) - len(wrong),
        tuple(wrong),
        tuple(sorted(stated.keys() - there)),
        tuple(sorted(there - stated.keys())),
    )
