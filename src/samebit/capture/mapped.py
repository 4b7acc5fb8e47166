"""Which files a process has mapped or open now, as the kernel says: the net below the hooks.

A library that opens files without Python's knowing is caught here if it holds them open when we
look. When it opened them, and how the script named them, nobody can tell then.
"""

import io
import os
from collections.abc import Iterator

from samebit.capture.openers import READ, UPDATE

__all__ = ["open_files", "open_for_writing"]

_PROC = "/proc"
_STANDARD = 2  # descriptors up to here were handed down


def open_files(pid: int) -> Iterator[tuple[str, str]]:
    """Paths and what they are open for; nothing where the system does not say."""
    told: set[str] = set()
    for path, use in (*_descriptors(pid), *_maps(pid)):
        # Libraries are no data, and what has been deleted has no name.
        if path not in told and not _is_library(path) and not path.endswith(" (deleted)"):
            told.add(path)
            yield path, use


def open_for_writing(pid: int) -> set[str]:
    """The files that a process could write to by a descriptor."""
    return {path for path, use in _descriptors(pid) if use == UPDATE}


def _is_library(path: str) -> bool:
    name = path.rpartition(os.sep)[2]
    return name.endswith(".so") or ".so." in name


def _descriptors(pid: int) -> Iterator[tuple[str, str]]:
    folder = f"{_PROC}/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if int(name) <= _STANDARD:
            continue
        try:
            path = os.readlink(f"{folder}/{name}")
            if not path.startswith(os.sep) or os.path.isdir(path):
                continue
            flags = int(_read(f"{_PROC}/{pid}/fdinfo/{name}").split("flags:", 1)[1].split()[0], 8)
        except (OSError, IndexError, ValueError):
            continue  # closed meanwhile
        yield path, UPDATE if flags & (os.O_WRONLY | os.O_RDWR) else READ


def _maps(pid: int) -> Iterator[tuple[str, str]]:
    for line in _read(f"{_PROC}/{pid}/maps").splitlines():
        # address permissions offset device inode path; a name with a line break is escaped
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith(os.sep) and "x" not in fields[1]:
            yield fields[5], UPDATE if "w" in fields[1] and "s" in fields[1] else READ


def _read(path: str) -> str:
    try:
        with io.FileIO(path) as stream:
            return stream.readall().decode("utf-8", "surrogateescape")
    except OSError:
        return ""
