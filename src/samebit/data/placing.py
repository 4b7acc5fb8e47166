"""Laying a version out: what is there already stays, what nobody could get back is not overwritten.

Each file is written aside, compared with its digest and then given its name: at any moment there is
the old file or the new one. Nothing is ever written through a link.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from samebit import digest, disk
from samebit.capture.hashing import found_of
from samebit.data import files, manifests, versions
from samebit.data.files import Advance, Entry
from samebit.data.manifests import Item
from samebit.data.remembering import Memory
from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["Laid", "Plan", "lay_out", "make_plan", "write_aside", "write_file"]

_NAMED = 5  # files in an error
# Beside a file, while it is written; one that a kill has left goes with the next laying out.
_ASIDE = b".samebit-"
_ASIDE_NAME = re.compile(rb"(?:.*/)?\.samebit-[0-9a-f]{12}", re.DOTALL)


class Plan(Struct):
    """What laying a version out at a place means.

    Attributes:
        version: which.
        root: the folder, or the file.
        is_file: which of them.
        write: items that are not there, or are otherwise.
        remove: what is in their way, and what belongs to other versions alone.
        same: how many files are there as they should be.
        lost: those of `remove` whose content no version of this name has.
        others: how many files the version does not have, and that stay.
    """

    version: DataRecord
    root: Path
    is_file: bool
    write: list[Item] = field(default_factory=list)
    remove: list[Entry] = field(default_factory=list)
    same: int = 0
    lost: list[Entry] = field(default_factory=list)
    others: int = 0

    @property
    def size_bytes(self) -> int:
        """How much is to be written."""
        return sum(item.size_bytes for item in self.write)


class Laid(Struct):
    """How many files were written, and how: copied, or sharing their blocks with the original."""

    copied: int = 0
    cloned: int = 0


def make_plan(store: Store, version: DataRecord, root: Path) -> Plan:
    """Find out what is to be done; nothing is changed.

    What is at the place is read, but for files that are known to be what they were.

    Raises:
        UsageError: a folder is where a file should be, or the reverse; or two names of the version
            are one on this file system.
        NotFound: what the version is made of is not here; Damaged where it is hurt.
        SamebitError: something at the place changed, or cannot be read.
    """
    manifest = manifests.read_manifest(store, version.manifest)
    items = {item.path: item for item in manifests.read_items(store, manifest)}
    _refuse_nested(items)
    _refuse_folded(items, root)
    here = _entries(root, is_file=manifest.is_file)
    contents = _contents(store, root, here)
    parents = {parent for path in items for parent in _parents(path)}
    plan = Plan(version, root, manifest.is_file)
    there: set[bytes] = set()
    strangers: list[Entry] = []
    for entry in here:
        item = items.get(entry.path)
        if item is not None and contents[entry.path] == manifests.content(item):
            there.add(entry.path)
            plan.same += entry.kind == "f"
        elif entry.kind != "d" or item is not None:
            strangers.append(entry)
    known = _known(store, version.name, {contents[entry.path][1:] for entry in strangers})
    for entry in strangers:
        known_at = known.get(contents[entry.path][1:], set())
        if _ASIDE_NAME.fullmatch(entry.path):
            plan.remove.append(entry)
            continue
        is_in_the_way = (
            entry.path in items
            or entry.path in parents
            or any(items[p].kind != "d" for p in _parents(entry.path) if p in items)
        )
        if is_in_the_way or entry.path in known_at:
            plan.remove.append(entry)
            if not known_at and entry.kind != "d":
                plan.lost.append(entry)
        else:
            plan.others += 1
    plan.write = [item for path, item in items.items() if path not in there]
    return plan


def lay_out(
    store: Store, plan: Plan, *, force: bool = False, advance: Advance | None = None
) -> Laid:
    """Do what was planned.

    Args:
        store: where the version is.
        plan: as `make_plan` gave it.
        force: whether files whose content no version has are written over.
        advance: is told how many more bytes are there.

    Raises:
        UsageError: such files are in the way; nothing was changed.
        NotFound: bytes are not in the store; of a reference, not where it was added either.
        SamebitError: a file changed since the plan was made, or the disk does not take one.
    """
    if plan.lost and not force:
        shown = [os.fsdecode(entry.place) for entry in plan.lost[:_NAMED]]
        more = f" and {len(plan.lost) - _NAMED} more" if len(plan.lost) > _NAMED else ""
        files = "1 changed file" if len(plan.lost) == 1 else f"{len(plan.lost)} changed files"
        raise UsageError(
            f"{files} would be lost: no version of {plan.version.name} has their content",
            files=", ".join(shown) + more,
            hint="`samebit data add` keeps them first; --force writes over them",
        )
    there = {entry.path: entry for entry in plan.remove}
    written = {item.path for item in plan.write if item.kind != "d"}
    for entry in plan.remove:
        _refuse_moved(entry)
        if entry.path not in written or entry.kind == "d":
            _take_away(entry, plan.root)
    if not plan.is_file:
        os.makedirs(plan.root, exist_ok=True)
    source = _Source(store, plan.version, plan.root)
    top = os.fsencode(os.path.abspath(plan.root))
    made: set[bytes] = set()
    for item in sorted(plan.write, key=lambda each: each.kind == "l"):  # links come last
        place = _below(top, item.path)
        folder = place if item.kind == "d" else os.path.dirname(place)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        if item.kind == "d":
            continue
        if item.path in there and there[item.path].kind != "d":
            _refuse_moved(there[item.path])
        write_aside(partial(source.write, item), item, place)
        if advance is not None:
            advance(item.size_bytes)
    return source.laid


class _Source:
    """Where the bytes of a version come from: the file that was added, or the store."""

    def __init__(self, store: Store, version: DataRecord, root: Path) -> None:
        self.laid = Laid()
        self._store = store
        self._version = version
        self._origin = os.fsencode(version.path)
        self._may_clone = os.path.abspath(root) != version.path

    def write(self, item: Item, fd: int) -> None:
        """Write a file's bytes, every one of them compared."""
        origin = _below(self._origin, item.path)
        if self._may_clone and self._clone(item, origin, fd):
            self.laid.cloned += 1
            return
        if self._version.kept:
            write_file(self._store, item, fd)
        else:
            self._copy(item, origin, fd)
        self.laid.copied += 1

    def _clone(self, item: Item, origin: bytes, fd: int) -> bool:
        try:
            with open(origin, "rb", buffering=0) as theirs:
                if os.fstat(theirs.fileno()).st_size != item.size_bytes:
                    return False
                if not disk.clone(theirs.fileno(), fd):
                    self._may_clone = False  # this file system cannot, or it is another one
                    return False
        except OSError:
            return False
        with open(os.dup(fd), "rb", buffering=0) as ours:
            ours.seek(0)
            if digest.of_stream(ours)[0] == item.digest:  # type: ignore[arg-type]
                return True
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        return False

    def _copy(self, item: Item, origin: bytes, fd: int) -> None:
        """Of a reference the bytes are only where they were."""
        hasher = digest.Hasher()
        try:
            with open(origin, "rb", buffering=0) as theirs:
                while data := theirs.read(1 << 20):
                    hasher.update(data)
                    _write(fd, data)
            why = "is another file now"
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
        if hasher.digest() != item.digest:
            raise NotFound(
                f"{versions.short_name(self._version)} is a reference, and {os.fsdecode(origin)} "
                + why,
                source=self._version.source or "none was named",
            )


def write_file(store: Store, item: Item, fd: int) -> None:
    """Write the bytes of a file of a version, checked; raises NotFound or Damaged."""
    pieces = manifests.read_list(store, item)
    whole = digest.Hasher()
    for piece in pieces:
        data = store.read(piece.name, size_bytes=piece.size_bytes)
        if item.pieces:
            whole.update(data)
        _write(fd, data)
    if item.pieces and whole.digest() != item.digest:
        raise Damaged("the pieces of a file are not that file", digest=item.digest)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_aside(write: Callable[[int], None], item: Item, place: bytes) -> None:
    """Put what `write` writes into a descriptor at a place, in one go."""
    aside = os.path.join(os.path.dirname(place), _ASIDE + os.urandom(6).hex().encode())
    try:
        if item.kind == "l":
            os.symlink(item.target, aside)
        else:
            mode = 0o777 if item.kind == "x" else 0o666
            fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                write(fd)
            finally:
                os.close(fd)
        disk.fault("data.lay_out")
        os.replace(aside, place)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        if not isinstance(error, OSError):
            raise
        raise SamebitError(
            f"cannot be written: {error.strerror}",
            path=os.fsdecode(place),
            hint="what was laid out so far stays, and is not written again the next time",
        ) from error


def _refuse_moved(entry: Entry) -> None:
    """Raise where a file that is to go is not what it was when the plan was made."""
    if entry.kind == "f" and found_of(os.lstat(entry.place)) != entry.found:
        raise files.changed(entry.place)


def _take_away(entry: Entry, root: Path) -> None:
    """Remove what is in the way, and folders that are empty then."""
    if entry.kind == "d":
        os.rmdir(entry.place)
    else:
        os.unlink(entry.place)
    folder, top = os.path.dirname(entry.place), os.fsencode(root.resolve())
    with contextlib.suppress(OSError):  # it holds something else
        while folder != top:
            os.rmdir(folder)
            folder = os.path.dirname(folder)


def _below(top: bytes, path: bytes) -> bytes:
    return top + b"/" + path if path else top


def _parents(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _entries(root: Path, *, is_file: bool) -> tuple[Entry, ...]:
    """What lies at the place now."""
    try:
        found = files.survey(root)
    except NotFound:
        if os.path.islink(root):
            raise UsageError("a link that leads nowhere is in the way", path=root) from None
        return ()
    if found.is_folder == is_file:
        kinds = ("file", "folder") if is_file else ("folder", "file")
        raise UsageError("the version is a {}, and there is a {}".format(*kinds), path=root)
    return found.entries


def _contents(
    store: Store, root: Path, here: tuple[Entry, ...]
) -> dict[bytes, tuple[str, str, bytes]]:
    """Of each entry what `manifests.content` says of an item; read where it is not remembered."""
    memory = Memory(store.path, root)
    raws: dict[bytes, bytes] = {}
    unknown: list[Entry] = []
    for entry in here:
        if (known := memory.find(entry.path, entry.found)) is not None:
            memory.keep(entry.path, known)
            raws[entry.path] = known.raw
        elif entry.kind == "f":
            unknown.append(entry)
    read_ns = time.time_ns()
    raws |= dict(files.digests(unknown))
    for entry in unknown:
        if entry.found is not None:
            memory.add(entry.path, entry.found, raws[entry.path], "", read_ns)
    if unknown:
        memory.save(is_whole=True)
    return {entry.path: _content_here(entry, raws.get(entry.path)) for entry in here}


def _content_here(entry: Entry, raw: bytes | None) -> tuple[str, str, bytes]:
    kind = "x" if entry.executable else entry.kind
    return kind, "" if raw is None else digest.name_of(raw), entry.target


def _known(
    store: Store, name: str, wanted: set[tuple[str, bytes]]
) -> Mapping[tuple[str, bytes], set[bytes]]:
    """Which of some digests and targets versions of a name have, and at which paths."""
    found: dict[tuple[str, bytes], set[bytes]] = {}
    seen: set[str] = set()  # shards that several versions share
    for version in versions.read_versions(store.path, name) if wanted else ():
        if not version.kept:
            continue
        with contextlib.suppress(NotFound):  # or damaged: then it is not known
            for shard in manifests.read_manifest(store, version.manifest).shards:
                if shard.name in seen:
                    continue
                seen.add(shard.name)
                for item in manifests.read_shard(store, shard.name):
                    if (content := (item.digest, item.target)) in wanted:
                        found.setdefault(content, set()).add(item.path)
    return found


def _refuse_nested(items: Mapping[bytes, Item]) -> None:
    for path in items:
        for parent in _parents(path):
            if parent in items:
                raise Damaged("a version names something below a file or a link", path=repr(path))


def _refuse_folded(items: Iterable[bytes], root: Path) -> None:
    """Names that differ here by case or by Unicode's forms, and are one on some file systems."""
    alike = files.alike(items)
    if alike and _folds(root):
        raise UsageError(
            "the version has names that are one and the same on this file system",
            names="; ".join(files.few(paths) for paths in alike[:_NAMED]),
            hint="lay it out on a file system that tells them apart",
        )


def _folds(root: Path) -> bool:
    folder = next(one for one in (root.absolute(), *root.absolute().parents) if one.is_dir())
    probe = folder / f".samebit-{os.urandom(6).hex()}-Probe"
    try:
        probe.touch(exist_ok=False)
    except OSError:
        return False  # then nothing can be written there either
    try:
        return probe.with_name(probe.name.lower()).exists()
    finally:
        probe.unlink()
