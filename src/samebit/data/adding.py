"""Adding a version: every file is read or known, every piece is in the store, then it is named.

Nothing half: until the record is written there is no version, and after it all of it is there. What
an `add` that was stopped has stored is found by the next one.
"""

import contextlib
import io
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from samebit import digest
from samebit.capture.secret_names import is_secret_file
from samebit.capture.secrets import mask_text, mask_url
from samebit.data import files, manifests, versions
from samebit.data.files import Advance, Entry, Survey
from samebit.data.manifests import Item, Manifest, Piece
from samebit.data.remembering import Memory
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.folders.folder import user_name
from samebit.objects import cutting
from samebit.objects.encoding import Body
from samebit.objects.pieces import Pieces
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["Added", "add", "keep_files"]

_WHOLE_BYTES = 8 << 20  # up to here a file is read at once, on one thread
_BLOCK_BYTES = 8 << 20  # of a larger one, that is read, cut and handed on
_THREADS = 2
_AHEAD = 4  # groups of small files, or blocks of a large one, that wait for the one who stores
_SAVED_EVERY_S = 10.0

T = TypeVar("T")
R = TypeVar("R")


class Added(Struct, frozen=True):
    """What was found at a path.

    Attributes:
        record: of the version; of the one that is there already where nothing has changed.
        is_new: whether it was recorded now.
        read_bytes: how much was read; the other files were known to be what they were.
        notes: what should be known of it: links that leave the folder, names that collide.
    """

    record: DataRecord
    is_new: bool
    read_bytes: int
    notes: tuple[str, ...]


class _Read(Struct):
    """One file that was read: its digest, and its pieces as they go into the store."""

    entry: Entry
    raw: bytes
    pieces: list[Body | bytes]
    sizes: list[int]
    read_ns: int


def add(
    store: Store,
    found: Survey,
    name: str,
    *,
    keep: bool = True,
    thorough: bool = False,
    source: str = "",
    message: str = "",
    advance: Advance | None = None,
) -> Added:
    """Add what was found at a path as the newest version of a name.

    Args:
        store: where it goes.
        found: what lies there; it must not change until this returns.
        name: letters, digits and . _ -.
        keep: whether the bytes are stored; without it their digests alone.
        thorough: whether every file is read, and every piece that is stored already, too.
        source: where else it can be had, for whoever reads the version.
        message: what is to be said about it.
        advance: is told how many more bytes are known.

    Raises:
        UsageError: it cannot be added: it holds the store, or a repository.
        NotFound: a file vanished.
        SamebitError: a file changed or cannot be read, or the store cannot be written.
    """
    versions.check_name(name)
    _refuse(store, found)
    before = versions.read_versions(store.path, name)
    memory = Memory(store.path, found.root)
    with Pieces(store, thorough=thorough) as pieces:
        done, read_bytes = _read_or_known(store, found, memory, pieces, keep, thorough, advance)
        said = files.fingerprint(found, {path: raw for path, (raw, _) in done.items()})
        items = [_item(entry, done) for entry in found.entries]
        manifest_name, manifest = manifests.put_manifest(pieces.put, str(said), items, kept=keep)
    notes = (*said.notes, *_secrets(found)) if keep else said.notes
    newest = before[0] if before else None
    if newest is not None and newest.manifest == manifest_name:
        return Added(newest, False, read_bytes, notes)
    record = DataRecord(
        kind="add",
        name=name,
        at_ns=versions.next_ns(versions.read_records(store.path, name)),
        by=user_name(),
        manifest=manifest_name,
        fingerprint=manifest.fingerprint,
        host=socket.gethostname(),
        path=str(found.root.resolve()),
        source=mask_url(source),
        message=mask_text(message),
        kept=keep,
        files=manifest.files,
        size_bytes=manifest.size_bytes,
        new_bytes=pieces.new_bytes,
        changes=_changes(store, newest, manifest, items),
    )
    versions.write_record(store.path, record)
    return Added(record, True, read_bytes, notes)


def keep_files(store: Store, paths: Iterable[str]) -> dict[str, tuple[str, str] | SamebitError]:
    """Store single files, all in one pack if they fit; durable when this returns.

    It begins no thread: there can be none any more when the interpreter ends.

    Returns:
        Of each path the digest that it had, and what holds it: the object of that name, or the list
        of its pieces; or why it could not be read.

    Raises:
        SamebitError: the store cannot be written.
    """
    found: dict[str, tuple[str, str] | SamebitError] = {}
    with Pieces(store, aside=False) as pieces:
        for path in paths:
            try:
                one = _read_one(Path(path), pieces)
            except SamebitError as error:
                found[path] = error
                continue
            found[path] = _text(one.raw), _listed(one, pieces) or _text(one.raw)
    return found


def _read_one(path: Path, pieces: Pieces) -> _Read:
    found = files.survey(path)
    if found.is_folder:
        raise files.changed(os.fsencode(path))
    (entry,) = found.files
    if entry.size_bytes <= _WHOLE_BYTES:
        return _read_whole(entry, pieces)
    here = _Here()
    return _read_in_blocks(entry, pieces, here, here)


class _Here(Executor):
    """Does at once what others do on a thread."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done = Future[T]()
        done.set_result(fn(*args, **kwargs))
        return done


def _listed(one: _Read, pieces: Pieces) -> str:
    """Give the pieces of a file; the list of them, where there are several."""
    names = [pieces.give(piece) for piece in one.pieces]
    if len(names) < 2:
        return ""
    rows = [Piece(_text(name), size) for name, size in zip(names, one.sizes, strict=True)]
    return manifests.put_list(pieces.put, rows)


def _refuse(store: Store, found: Survey) -> None:
    root = found.root.resolve()
    if found.is_folder and store.path.resolve().is_relative_to(root):
        raise UsageError("the folder holds the store itself", path=root, store=store.path)
    for entry in found.entries:
        if b".git" in entry.path.lower() and b".git" in entry.path.lower().split(b"/"):
            raise UsageError(
                "the folder holds a git repository, which is no data",
                path=os.fsdecode(entry.place),
                hint="add the folders beside its .git, or a copy without it",
            )


def _secrets(found: Survey) -> Iterator[str]:
    """It was asked for, and so it is kept; but perhaps not thought of."""
    if named := [e.path for e in found.files if is_secret_file(os.fsdecode(e.path))]:
        what = "1 file is" if len(named) == 1 else f"{len(named)} files are"
        yield f"{what} named like a secret, and kept like all others: {files.few(named)}"


def _read_or_known(
    store: Store,
    found: Survey,
    memory: Memory,
    pieces: Pieces,
    keep: bool,
    thorough: bool,
    advance: Advance | None,
) -> tuple[dict[bytes, tuple[bytes, str]], int]:
    """Of each file its digest and list, all pieces given; and how many bytes were read for it."""
    done: dict[bytes, tuple[bytes, str]] = {}
    if not thorough:
        done = _remembered(store, found, memory, keep)
    left = [entry for entry in found.files if entry.path not in done]
    read_bytes = sum(entry.size_bytes for entry in left)
    if advance is not None:
        advance(found.size_bytes - read_bytes)
    is_whole = False
    saved_at = time.monotonic()
    try:
        for one in _read_all(left, pieces) if keep else _hashed(left, advance):
            listed = _listed(one, pieces)
            done[one.entry.path] = one.raw, listed
            if one.entry.found is not None:
                memory.add(one.entry.path, one.entry.found, one.raw, listed, one.read_ns)
            if advance is not None and keep:
                advance(one.entry.size_bytes)
            if time.monotonic() - saved_at > _SAVED_EVERY_S:
                memory.save(is_whole=False)
                saved_at = time.monotonic()
        if found.is_folder:
            files.compare(found, files.survey(found.root, follow=found.follows))
        is_whole = True
    finally:
        if left:
            memory.save(is_whole=is_whole)
    return done, read_bytes


def _item(entry: Entry, done: dict[bytes, tuple[bytes, str]]) -> Item:
    if entry.kind != "f":
        return Item(entry.path, entry.kind, target=entry.target)
    raw, listed = done[entry.path]
    kind = "x" if entry.executable else "f"
    return Item(entry.path, kind, entry.size_bytes, _text(raw), pieces=listed)


def _text(raw: bytes) -> str:
    return f"{digest.ALGORITHM}:{raw.hex()}"


def _remembered(
    store: Store, found: Survey, memory: Memory, keep: bool
) -> dict[bytes, tuple[bytes, str]]:
    """Files that are what they were when they were read, and of which all pieces are here."""
    known = {
        entry.path: one
        for entry in found.files
        if (one := memory.find(entry.path, entry.found)) is not None
    }
    wanted: dict[bytes, list[bytes]] = {}
    for path, one in known.items():
        wanted[path] = [one.raw]
        if one.pieces and keep:
            item = Item(path, "f", one.size_bytes, _text(one.raw), pieces=one.pieces)
            try:
                names = [piece.name for piece in manifests.read_list(store, item)]
            except NotFound:  # or damaged: it is made anew
                names = []
            wanted[path] = [bytes.fromhex(digest.hex_of(n)) for n in (one.pieces, *names)]
    missing = store.hold({name for names in wanted.values() for name in names}) if keep else set()
    done: dict[bytes, tuple[bytes, str]] = {}
    for path, one in known.items():
        if missing.isdisjoint(wanted[path]) and (not one.pieces or len(wanted[path]) > 1):
            memory.keep(path, one)
            done[path] = one.raw, one.pieces if keep else ""
    return done


def _hashed(left: list[Entry], advance: Advance | None) -> Iterator[_Read]:
    """Of a reference: digests, and nothing of the bytes."""
    by_path = {entry.path: entry for entry in left}
    began_ns = time.time_ns()
    for path, raw in files.digests(left, advance):
        yield _Read(by_path[path], raw, [], [], began_ns)


def _read_all(left: list[Entry], pieces: Pieces) -> Iterator[_Read]:
    small = [entry for entry in left if entry.size_bytes <= _WHOLE_BYTES]
    large = [entry for entry in left if entry.size_bytes > _WHOLE_BYTES]
    with ThreadPoolExecutor(_THREADS, "samebit-read") as pool:
        groups = files.together(small)
        for some in _ahead(pool, lambda group: [_read_whole(e, pieces) for e in group], groups):
            yield from some
        with ThreadPoolExecutor(1, "samebit-hash") as hasher:
            for entry in large:
                yield _read_in_blocks(entry, pieces, pool, hasher)


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], each: Iterable[T]) -> Generator[R]:
    """What a function gives of each, in order; a few are computed ahead, and held in memory."""
    waiting: deque[Future[R]] = deque()
    try:
        for one in each:
            waiting.append(pool.submit(function, one))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _read_whole(entry: Entry, pieces: Pieces) -> _Read:
    read_ns = time.time_ns()
    with files.reading(entry) as file:
        data = file.read(entry.size_bytes + 1)
    if len(data) != entry.size_bytes:
        raise files.changed(entry.place)
    raw = digest.raw(data)
    if len(data) <= cutting.LEAST_BYTES:
        return _Read(entry, raw, [pieces.prepare(data, raw)], [len(data)], read_ns)
    view = memoryview(data)
    ends = cutting.cuts(view, len(data), is_end=True)
    bodies, sizes = _cut_at(view, ends, pieces)
    return _Read(entry, raw, bodies, sizes, read_ns)


def _cut_at(
    view: memoryview, ends: list[int], pieces: Pieces
) -> tuple[list[Body | bytes], list[int]]:
    parts = [view[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return [pieces.prepare(part) for part in parts], [len(part) for part in parts]


def _read_in_blocks(entry: Entry, pieces: Pieces, pool: Executor, hasher: Executor) -> _Read:
    """A large file: this thread reads and cuts, one hashes all of it, others its pieces."""
    read_ns = time.time_ns()
    whole = digest.Hasher()
    names: list[Body | bytes] = []
    sizes: list[int] = []
    waiting: deque[tuple[Future[None], Future[tuple[list[Body | bytes], list[int]]]]] = deque()

    def take() -> None:
        hashed, cut = waiting.popleft()
        hashed.result()
        bodies, some = cut.result()
        names.extend(pieces.give(body) for body in bodies)
        sizes.extend(some)

    with contextlib.ExitStack() as after, files.reading(entry) as file:
        after.callback(lambda: [future.cancel() for pair in waiting for future in pair])
        left, is_end, total = memoryview(b""), False, 0
        while not is_end:
            view = cutting.room(len(left) + _BLOCK_BYTES)
            view[: len(left)] = left
            size = len(left) + _fill(file, view[len(left) :])
            total += size - len(left)
            is_end = size < len(view)
            ends = cutting.cuts(view, size, is_end=is_end)
            done = ends[-1] if ends else 0
            now = view[:done]
            waiting.append(
                (hasher.submit(whole.update, now), pool.submit(_cut_at, now, ends, pieces))
            )
            left = view[done:size]
            if len(waiting) > _AHEAD:
                take()
        while waiting:
            take()
    if total != entry.size_bytes:
        raise files.changed(entry.place)
    return _Read(entry, whole.raw(), names, sizes, read_ns)


def _fill(file: io.FileIO, view: memoryview) -> int:
    """Read until the room is full or the file ends."""
    at = 0
    while at < len(view) and (count := file.readinto(view[at:])):
        at += count
    return at


def _changes(
    store: Store, before: DataRecord | None, manifest: Manifest, items: list[Item]
) -> dict[str, int]:
    """How many files were added, changed and removed since the version before.

    In shards that both have nothing has.
    """
    if before is None:
        return {}
    try:
        earlier = manifests.read_manifest(store, before.manifest)
        ours = {shard.name for shard in manifest.shards}
        theirs = {shard.name for shard in earlier.shards}
        then = {
            item.path: item
            for shard in earlier.shards
            if shard.name not in ours
            for item in manifests.read_shard(store, shard.name)
        }
    except NotFound:
        return {}  # damaged, or partly gone; `samebit check` names it
    now: dict[bytes, Item] = {}
    at = 0
    for shard in manifest.shards:
        if shard.name not in theirs:
            now |= {item.path: item for item in items[at : at + shard.items]}
        at += shard.items
    both = then.keys() & now.keys()
    changed = sum(manifests.content(then[path]) != manifests.content(now[path]) for path in both)
    found = {"added": len(now) - len(both), "changed": changed, "removed": len(then) - len(both)}
    return {what: count for what, count in found.items() if count}
