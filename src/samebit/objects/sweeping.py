"""Taking objects out of a store while others put and read: no lock, and nothing lost that is named.

Whoever puts bytes that are there touches their file first and looks at it then
(`Store._holds`); whoever removes a file moves it aside first and looks at its time then
(`disk.remove`). `docs/design/010-states-and-checkpoints.md` has the argument.

The marks come from above (`samebit.folders.naming`): a sweep knows names, and no run.
"""

import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from msgspec import Struct

from samebit import digest, disk
from samebit.errors import Damaged
from samebit.objects.encoding import PackEntry
from samebit.objects.store import Store
from samebit.objects.stored import is_pack, read_pack_index

__all__ = [
    "LEAST_GRACE_S",
    "Swept",
    "aside_of",
    "clock_ns",
    "put_back_all",
    "sweep",
    "take_back",
    "unmarked",
]

LEAST_GRACE_S = 3600.0  # what a process may take from putting an object to naming it
_HALF = 0.5
_ASIDE = "removing."  # in `tmp/`: a file that is being removed, by its name


def take_back(store: Store, names: Collection[str]) -> int:
    """Remove those objects that were written through this `Store` and put by nobody since.

    Of a pack of which at least half may go, the rest is packed anew. What is left is for
    `samebit gc`. How many bytes of the disk are free again.
    """
    going = frozenset(names)
    freed = 0
    for path, stamp_ns in list(store.made.items()):
        live: list[PackEntry] = []
        try:
            if is_pack(path):
                live, dead = _parted(path, lambda name: name not in going)
            else:
                dead = int(store.name_of(path) in going)
            found = path.stat()
            if not dead or found.st_mtime_ns != stamp_ns:
                continue
            _pack_anew(store, path, live)
        except (Damaged, OSError):
            continue
        if disk.remove(path, aside_of(store, path), lambda now, at=stamp_ns: now.st_mtime_ns == at):
            freed += found.st_size - sum(entry.stored for entry in live)
            store.made.pop(path, None)
    return freed


def _parted(path: Path, lives: Callable[[str], bool]) -> tuple[list[PackEntry], int]:
    """What is to live of a pack, and how many others there are; none where they are less of it."""
    entries = read_pack_index(path)
    live = [entry for entry in entries if lives(entry.name)]
    if sum(entry.stored for entry in live) > _HALF * sum(entry.stored for entry in entries):
        return entries, 0
    return live, len(entries) - len(live)


def _pack_anew(store: Store, path: Path, live: Collection[PackEntry]) -> None:
    if live:
        store.write_pack({entry.name: store.read(entry.name) for entry in live}, path.suffix)


class Swept(Struct, frozen=True):
    """One file that nothing names any more, or of a pack more than half of it."""

    path: Path
    size_bytes: int  # of the disk, without what is to live
    objects: int  # that go
    live: tuple[PackEntry, ...] = ()  # what else is in the pack, and is packed anew before it goes


def clock_ns(store: Store) -> int:
    """The time by the clock that gives files of this store theirs: the file server's."""
    probe = store.path / "tmp" / f"{os.getpid()}-{os.urandom(6).hex()}"
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime_ns
    finally:
        probe.unlink(missing_ok=True)


def unmarked(store: Store, marked: Collection[str], before_ns: int) -> Iterator[Swept]:
    """What a sweep would take: nothing that is marked, or was made or touched since `before_ns`."""
    for path in store.object_paths():
        if store.name_of(path) not in marked and (found := _old(path, before_ns)):
            yield Swept(path, found.st_size, 1)
    for path in store.pack_paths():
        found = _old(path, before_ns)
        if found is None:
            continue
        try:
            live, dead = _parted(path, marked.__contains__)
        except (Damaged, OSError):
            continue  # what is in it cannot be told; `samebit check` names it
        if dead:
            alive = sum(entry.stored for entry in live)
            yield Swept(path, found.st_size - alive, dead, tuple(live))
    for path in (store.path / "tmp").glob("*"):  # which a copy may lack
        # A file on its way to a name, left by a process that was killed.
        if not path.name.startswith(_ASIDE) and (found := _old(path, before_ns)):
            yield Swept(path, found.st_size, 0)


def sweep(store: Store, found: Swept, before_ns: int) -> int:
    """Remove one such file, if nobody has touched it meanwhile; how many bytes are free again.

    Raises Damaged where something in a pack that is to live cannot be read; the pack stays.
    """

    def may_go(now: os.stat_result) -> bool:
        return now.st_mtime_ns < before_ns

    _pack_anew(store, found.path, found.live)
    gone = disk.remove(found.path, aside_of(store, found.path), may_go)
    return found.size_bytes if gone else 0


def _old(path: Path, before_ns: int) -> os.stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) and found.st_mtime_ns < before_ns else None


def put_back_all(store: Store) -> int:
    """Put back what a removal that was killed has left aside; how many files."""
    found = [path for path in (store.path / "tmp").glob(_ASIDE + "*") if _home_of(store, path)]
    for path in found:
        home = _home_of(store, path)
        if home is not None:
            home.parent.mkdir(parents=True, exist_ok=True)
            disk.put_back(path, home)
    return len(found)


def _home_of(store: Store, aside: Path) -> Path | None:
    name = aside.name.removeprefix(_ASIDE)
    if is_pack(name):
        return store.path / "packs" / name
    try:
        return store.object_path(f"{digest.ALGORITHM}:{name}")
    except Damaged:
        return None


def aside_of(store: Store, path: Path) -> Path:
    """Where a file lies while it is being removed."""
    name = path.name
    if path.parent.parent.name == "objects":
        name = path.parent.name + name
    return store.path / "tmp" / (_ASIDE + name)
