"""Whether the installed files that a process loaded are still those that were installed.

An installer leaves a RECORD with the SHA-256 and the size of each file. Only files that were really
loaded are looked at; what was hashed once is known by inode, size and times in the user's cache, as
is what the RECORDs said of it, for as long as nothing was installed or taken away.
Hashing stops when its time is up, and then says what it did not come to.
"""

import base64
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from samebit import digest, disk
from samebit.capture.environment import normalised
from samebit.capture.sources import mapped_libraries

__all__ = ["check", "loaded_files", "not_as_installed"]

_FOLDERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_KEPT_BYTES = 16 << 20  # of a file that is none of an installer's, or no longer
_KEPT_FILES = 200
_OURS = ("samebit", "msgspec", "blake3", "xxhash", "backports")  # loaded by us, in each run
_CHUNK_BYTES = 1 << 20
_CACHED = 50_000
_TOO_LONG = ""  # in the place of a hash

_Look = tuple[int, int, int, int, int]  # device, inode, size, times of change


_Told = tuple[str | None, int | None]  # hash and size, as a RECORD says them


class _Site(msgspec.Struct):
    """What the RECORDs of a folder of distributions said of files that were asked for."""

    state: str  # of the folder: other RECORDs, or one that changed, make another
    files: dict[str, _Told | None]  # None where no RECORD names it
    without: set[str]  # distributions that have no RECORD


class _Remembered(msgspec.Struct):
    hashes: dict[str, tuple[_Look, str]] = msgspec.field(default_factory=dict)
    sites: dict[str, _Site] = msgspec.field(default_factory=dict)


class _Known(Struct):
    """The hashes of files as they lay there once, and what was said of them."""

    path: Path
    hashes: dict[str, tuple[_Look, str]]
    sites: dict[str, _Site]
    is_new: bool = False

    @classmethod
    def read(cls, path: Path) -> "_Known":
        try:
            found = msgspec.msgpack.decode(path.read_bytes(), type=_Remembered)
        except (OSError, msgspec.MsgspecError):
            found = _Remembered()
        return cls(path, found.hashes, found.sites)

    def add(self, path: str, found: _Look, digits: str) -> None:
        self.hashes[path] = found, digits
        self.is_new = True

    def save(self) -> None:
        if not self.is_new:
            return
        latest = _Remembered(dict(list(self.hashes.items())[-_CACHED:]), self.sites)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            disk.replace_cache(self.path, msgspec.msgpack.encode(latest))
        except OSError:
            pass  # a home that cannot be written to: it is hashed again the next time


class _Clock(Struct, frozen=True):
    began: float
    wait_s: float

    def left(self) -> float:
        return self.began + self.wait_s - time.monotonic()


def loaded_files() -> list[str]:
    """The files under the folders of distributions that this process has loaded."""
    found: dict[str, None] = {}
    for module in sys.modules.copy().values():
        try:
            path = getattr(module, "__file__", None)
        except Exception:
            continue  # anything may lie in sys.modules, and may do anything when it is asked
        if type(path) is str:
            found[path] = None
    found |= dict.fromkeys(mapped_libraries())
    return [path for path in found if _FOLDERS[0] in path or _FOLDERS[1] in path]


def check(
    paths: Iterable[str], cache: Path, wait_s: float, keep: Callable[[bytes], str]
) -> dict[str, Any]:
    """Compare loaded files with the RECORD of their distribution.

    Args:
        paths: absolute; each below a `site-packages` or `dist-packages`.
        cache: a file of the user's for what was hashed.
        wait_s: how long it may take to hash what is not known yet.
        keep: stores the bytes of a file that is not what was installed; gives their digest.

    Returns:
        `checked`, the number of files that are as they were installed; `edited` and `added`, path
        to digest (None where it was not kept), of those that are not, and of those that no RECORD
        names; `without_record`, distributions that have none; `unchecked`, the number of files of
        which only the size was compared, and `unchecked_bytes`.
    """
    clock = _Clock(time.monotonic(), wait_s)
    known = _Known.read(cache)
    checked = 0
    unchecked: list[int] = []
    edited: dict[str, str | None] = {}
    added: dict[str, str | None] = {}
    without: set[str] = set()
    sites: dict[str, dict[str, str]] = {}
    for path in paths:
        at = max(path.rfind(folder) + len(folder) for folder in _FOLDERS if folder in path)
        if path[at:].partition(os.sep)[0].partition(".")[0] not in _OURS:
            sites.setdefault(path[:at], {})[path[at:]] = path
    for site, wanted in sites.items():
        records, recordless = _records(site, wanted, known)
        without |= recordless
        looks = [(look, inside) for inside, path in wanted.items() if (look := _look(path))]
        for found, inside in sorted(looks, key=lambda pair: pair[0][2]):  # the small ones first
            path = wanted[inside]
            told = records[inside]
            if told is None:
                if not _is_of(inside, recordless):
                    added[inside] = _kept(path, found, keep, len(added))
                continue
            hash_then, size_then = told
            now = None
            if size_then in (None, found[2]):
                now = _hash(path, found, known, clock) if hash_then else None
                if now is None:
                    unchecked.append(found[2])
                    continue
            if now is not None and now == hash_then:
                checked += 1
            else:
                edited[inside] = _kept(path, found, keep, len(edited))
    known.save()
    return {
        "checked": checked,
        "edited": edited,
        "added": added,
        "without_record": sorted(without),
        "unchecked": len(unchecked),
        "unchecked_bytes": sum(unchecked),
    }


def not_as_installed(facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The section `installed` of an environment; nothing where it was not looked at."""
    fact = facts.get("installed")
    if not isinstance(fact, dict):
        return {}
    found = {**(fact.get("edited") or {}), **(fact.get("added") or {})}
    return {"installed": {path: name or "not kept" for path, name in found.items()}}


def _records(
    site: str, wanted: Iterable[str], known: _Known
) -> tuple[Mapping[str, _Told | None], set[str]]:
    """Hash and size of the wanted files by the RECORDs of a site, and who has no RECORD."""
    distributions = [name for name in _names(site) if name.endswith((".dist-info", ".egg-info"))]
    looks = [(name, _look(os.path.join(site, name, "RECORD"))) for name in distributions]
    state = digest.of_bytes(repr(looks).encode("utf-8", "surrogateescape"))
    before = known.sites.get(site)
    if before is None or before.state != state:
        before = _Site(state, {}, set())
    if not all(inside in before.files for inside in wanted):
        files, without = _read_records(site, distributions, {*wanted, *before.files})
        known.sites[site] = before = _Site(state, files, without)
        known.is_new = True
    return before.files, before.without


def _read_records(
    site: str, distributions: Iterable[str], wanted: Iterable[str]
) -> tuple[dict[str, _Told | None], set[str]]:
    names = {inside.replace(os.sep, "/").encode(): inside for inside in wanted}
    found: dict[str, _Told | None] = dict.fromkeys(names.values())
    without: set[str] = set()
    for name in distributions:
        try:
            with open(os.path.join(site, name, "RECORD"), "rb") as stream:
                lines = stream.read().split(b"\n")
        except OSError:  # an egg, a system's package, or one that only its owner may read
            without.add(normalised(name.partition("-")[0].removesuffix(".egg-info")))
            continue
        for line in lines:
            inside = names.get(line[: line.find(b",")])
            if inside is not None:
                found[inside] = _hash_and_size(line)
    return found, without


def _hash_and_size(line: bytes) -> _Told:
    start, _, size = line.strip().rpartition(b",")
    algorithm, _, digits = start.rpartition(b",")[2].partition(b"=")
    return (
        digits.decode("ascii", "replace") if algorithm == b"sha256" else None,
        int(size) if size.isdigit() else None,
    )


def _is_of(inside: str, distributions: set[str]) -> bool:
    """Whether a file may belong to a distribution without a RECORD: mostly they are named alike."""
    top = inside.partition(os.sep)[0].partition(".")[0]
    return normalised(top) in distributions


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _look(path: str) -> _Look | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_dev, found.st_ino, found.st_size, *times


def _hash(path: str, found: _Look, known: _Known, clock: _Clock) -> str | None:
    """A file's SHA-256 as a RECORD writes it; None where the time did not suffice."""
    if path in known.hashes and known.hashes[path][0] == found:
        return known.hashes[path][1] or None
    import hashlib  # noqa: PLC0415  (not where everything is known)

    state = hashlib.sha256()
    had_most = clock.left() > clock.wait_s / 2
    try:
        with open(path, "rb", buffering=0) as stream:
            while True:
                if clock.left() < 0:
                    if had_most:  # a next time would hardly suffice either, and be lost again
                        known.add(path, found, _TOO_LONG)
                    return None
                if not (piece := stream.read(_CHUNK_BYTES)):
                    break
                state.update(piece)
    except OSError:
        return None
    digits = base64.urlsafe_b64encode(state.digest()).rstrip(b"=").decode()
    known.add(path, found, digits)
    return digits


def _kept(path: str, found: _Look, keep: Callable[[bytes], str], so_far: int) -> str | None:
    if found[2] > _KEPT_BYTES or so_far >= _KEPT_FILES:
        return None
    try:
        return keep(Path(path).read_bytes())
    except OSError:
        return None
