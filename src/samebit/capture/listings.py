"""Which folders a process lists: what is found in one, and in which order, can decide what is read.

An audit hook notes the folders; their names are read afterwards, off the script's own thread. A
file system gives the names of an unchanged folder in the same order each time, so this is the order
that the script saw; no function is replaced for it. The import system's own listings are passed
over, and ours.
"""

import os
from collections.abc import Callable
from typing import Any

from samebit import digest
from samebit.capture.auditing import Watch, cause
from samebit.capture.callers import caller, is_ours, line_of
from samebit.capture.noise import is_noise

__all__ = ["ListingWatch", "summary"]

_SORTS = "sorted("  # in the line that lists: then no order of the file system's comes of it
_MAX_NAMES = 50_000
_MAX_FOLDERS = 2_000
_MAX_SUMMED = 200_000  # files of one folder


class ListingWatch(Watch):
    """The folders that this process lists.

    Args:
        emit: takes a fact about one folder.
        later: has a job done off the script's thread.
        noise: prefixes of absolute paths that are passed over.
        trouble: told once when something of ours failed; the script never notices.
        is_first: whether no child has told of a name yet.
    """

    events = ("os.listdir", "os.scandir")
    source = "capture.files"

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        later: Callable[[Callable[[], object]], None],
        noise: tuple[str, ...],
        trouble: Callable[[str, Exception], None],
        is_first: Callable[[str], bool] = lambda name: True,
    ) -> None:
        super().__init__(later, trouble)
        self._emit = emit
        self._noise = noise
        self._is_first = is_first
        self._seen: set[str] = set()

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        asks = cause()
        if asks.f_code.co_filename.startswith("<frozen importlib") or is_ours(asks):
            return
        path = args[0]
        if isinstance(path, int):
            return  # by a descriptor: its name is not told
        try:
            name = os.fsdecode(path if path is not None else ".")
            full = os.path.abspath(name)
        except (OSError, TypeError):
            return
        if full in self._seen or is_noise(full + os.sep, self._noise):
            return
        if len(self._seen) >= _MAX_FOLDERS:
            return
        self._seen.add(full)
        if not self._is_first(f"list {full}"):
            return
        given = "absolute" if os.path.isabs(name) else "relative"
        site = caller()
        at = "" if site.importing or _SORTS in line_of(site) else site.at
        self._later(lambda: self._tell(full, given, at))

    def _tell(self, full: str, given: str, at: str) -> None:
        try:
            found = os.listdir(full)
        except OSError:
            return  # listed in vain, or gone
        names = sorted(found)
        fact: dict[str, Any] = {"path": full, "how": "list", "given": given, "count": len(names)}
        fact |= {"order": _order(found), "sorted": found == names}
        if at:
            fact["at"] = at
        if len(names) <= _MAX_NAMES:
            fact["names"] = [name for name in names if name.isprintable()]
        self._emit(fact)


def _order(names: list[str]) -> str:
    """A name for an order: that of the names as the file system gave them."""
    return digest.of_bytes("\0".join(map(ascii, names)).encode())


def summary(folder: str) -> dict[str, Any]:
    """The files of a folder as a whole: how many, how large, and a digest of names and times.

    The digest is of the lines `name, size, time of change`, sorted; beyond 200,000 files there is
    none, and what a replay finds there cannot be compared.
    """
    lines: list[str] = []
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_file():
                    continue
                found = entry.stat()
                total += found.st_size
                lines.append(f"{entry.name!a} {found.st_size} {found.st_mtime_ns}")
                if len(lines) > _MAX_SUMMED:
                    return {"count": None}
    except OSError:
        return {"count": None}
    listing = digest.of_bytes("\n".join(sorted(lines)).encode())
    return {"count": len(lines), "size_bytes": total, "listing": listing}
