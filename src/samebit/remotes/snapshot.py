"""The files of a run as they are at one moment, and which parts of them a remote lacks."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit import digest
from samebit.errors import Damaged
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.remotes import bundles
from samebit.remotes.bundles import Part
from samebit.remotes.listing import time_of

__all__ = ["Lack", "Snapshot", "lacks", "take"]

_TELLING = re.compile(r"run\.json|executions/\d+/(start|end)\.json")
_CLOCKS_NS = 600 * 10**9  # by which those of two who push may differ


class Snapshot(Struct, frozen=True):
    """How long each file of a run was: what lies before there does not change any more."""

    folder: RunFolder
    sizes: dict[str, int]
    is_over: bool


class Lack(Struct, frozen=True):
    """Bytes of a file that are to travel."""

    path: str
    begin: int
    end: int

    def read(self, folder: Path) -> bytes:
        """The bytes; OSError, or Damaged where the file has become shorter."""
        with open(folder / self.path, "rb", buffering=0) as stream:
            stream.seek(self.begin)
            data = stream.read(self.end - self.begin)
            while len(data) < self.end - self.begin:
                more = stream.read(self.end - self.begin - len(data))
                if not more:
                    raise Damaged("a file of a run has become shorter", path=folder / self.path)
                data += more
        return data


def take(folder: RunFolder) -> Snapshot:
    """What a run's folder holds now.

    The ends of executions are looked for first: where one is there, the journal was whole before.
    """
    last = max(folder.executions(), default=0)
    # Of a run whose last execution has its end no more has to be read.
    is_over = (last > 0 and folder.end(last) is not None) or read_run(folder).status != "running"
    paths = sorted(_paths(folder.path), key=lambda path: (not path.endswith("/end.json"), path))
    sizes: dict[str, int] = {}
    for path in paths:
        if path.startswith("trace/") and not is_over:
            continue  # it is written in place
        try:
            sizes[path] = os.stat(folder.path / path).st_size
        except FileNotFoundError:
            continue
    return Snapshot(folder, sizes, is_over)


def _paths(top: Path) -> Iterator[str]:
    for folder, _, names in os.walk(top):
        below = os.path.relpath(folder, top)
        for name in names:
            path = name if below == "." else f"{below}/{name}".replace(os.sep, "/")
            if bundles.is_file_of_a_run(path):
                yield path


def lacks(snapshot: Snapshot, there: Mapping[str, Sequence[Part]]) -> list[Lack]:
    """What the bundles of a remote, by name, do not have of it; the ends of executions last.

    Raises Damaged where they have another beginning of it: these are not copies of one run.
    """
    top = snapshot.folder.path
    held: dict[str, list[Part]] = {}
    pushed_ns: dict[str, int] = {}
    for name in sorted(there):
        for part in there[name]:
            held.setdefault(part.path, []).append(part)
            pushed_ns[part.path] = time_of(name)
    found: list[Lack] = []
    for path, size in snapshot.sizes.items():
        if path not in held:
            found.append(Lack(path, 0, size))
        elif path.startswith("trace/"):
            # Written in place: what changed since it was pushed has a later time, unless the clock
            # was wrong by which it was pushed.
            is_older = os.stat(top / path).st_mtime_ns < pushed_ns[path] - _CLOCKS_NS
            is_older = is_older and pushed_ns[path] < time.time_ns() + _CLOCKS_NS
            if not is_older and held[path][-1] != _part(top, path, size):
                found.append(Lack(path, 0, size))
        else:
            if _TELLING.fullmatch(path) and held[path][0] != _part(top, path, size):
                raise bundles.no_copies(path)
            covered = bundles.covered(held[path])
            if covered < size:
                found.append(Lack(path, covered, size))
    return sorted(found, key=lambda lack: lack.path.endswith("/end.json"))


def _part(folder: Path, path: str, size: int) -> Part:
    return Part(path, 0, size, digest.of_bytes(Lack(path, 0, size).read(folder)))
