"""Adding a version: every file is read or known, every piece is in the store, then it is named.

Nothing half: until the record is written there is no version, and after it all of it is there. What
an `add` that was stopped has stored is found by the next one.
"""

import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from samebit import digest
from samebit.capture.secret_names import is_secret_file
from samebit.capture.secrets import mask_text, mask_url
from samebit.data import files, manifests, versions
from samebit.data.cut_files import Proof, Read, read_all, read_one
from samebit.data.files import Advance, Entry, Survey
from samebit.data.manifests import Item, Manifest, Piece
from samebit.data.remembering import Memory
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.folders.folder import user_name
from samebit.objects.pieces import Pieces
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["Added", "add", "add_kept", "keep_files", "say_again"]

_SAVED_EVERY_S = 10.0


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


def add(
    store: Store,
    found: Survey,
    name: str,
    *,
    keep: bool = True,
    thorough: bool = False,
    source: str = "",
    message: str = "",
    origin: dict[str, str] | None = None,
    proof: Proof | None = None,
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
        origin: what it was imported from.
        proof: what must be true of its files, too.
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
        done, read_bytes = _read_or_known(
            store, found, memory, pieces, keep, thorough, proof, advance
        )
        made = _put(pieces, found, done, keep=keep)
    notes = (*made.notes, *_secrets(found)) if keep else made.notes
    newest = before[0] if before else None
    if newest is not None and newest.manifest == made.name:
        return Added(newest, False, read_bytes, notes)
    record = _record(store, found, name, made, newest, keep=keep, message=message, origin=origin)
    record = structs.replace(record, source=mask_url(source), new_bytes=pieces.new_bytes)
    versions.write_record(store.path, record)
    return Added(record, True, read_bytes, notes)


def add_kept(
    store: Store,
    found: Survey,
    name: str,
    kept: Mapping[bytes, tuple[str, str]],
    *,
    new_bytes: int = 0,
    message: str = "",
    origin: dict[str, str] | None = None,
) -> Added:
    """Add a version of files that are stored already; it is said again where nothing has changed.

    It begins no thread and reads nothing.

    Args:
        store: where they are.
        found: what they were when they were stored, each under the path that it has in the version.
        name: letters, digits and . _ -.
        kept: of each path what `keep_files` gave.
        new_bytes: by how many the store grew with that.
        message: what is to be said about it.
        origin: where it is from.

    Raises:
        UsageError: data cannot have that name, or the files hold a repository.
        SamebitError: the store cannot be written.
    """
    versions.check_name(name)
    _refuse(store, found)
    before = versions.read_versions(store.path, name)
    done = {
        path: (bytes.fromhex(digest.hex_of(raw)), "" if root == raw else root)
        for path, (raw, root) in kept.items()
    }
    with Pieces(store, aside=False) as pieces:
        made = _put(pieces, found, done, keep=True)
    newest = before[0] if before else None
    record = _record(store, found, name, made, newest, keep=True, message=message, origin=origin)
    record = structs.replace(record, new_bytes=new_bytes + pieces.new_bytes)
    versions.write_record(store.path, record)
    is_new = newest is None or newest.manifest != made.name
    return Added(record, is_new, 0, (*made.notes, *_secrets(found)))


class _Made(Struct, frozen=True):
    """A manifest that is in the store, or will be when its pieces are."""

    name: str
    manifest: Manifest
    items: list[Item]
    notes: tuple[str, ...]


def _put(
    pieces: Pieces, found: Survey, done: dict[bytes, tuple[bytes, str]], *, keep: bool
) -> _Made:
    said = files.fingerprint(found, {path: raw for path, (raw, _) in done.items()})
    items = [_item(entry, done) for entry in found.entries]
    name, manifest = manifests.put_manifest(pieces.put, str(said), items, kept=keep)
    return _Made(name, manifest, items, said.notes)


def _record(
    store: Store,
    found: Survey,
    name: str,
    made: _Made,
    newest: DataRecord | None,
    *,
    keep: bool,
    message: str,
    origin: dict[str, str] | None,
) -> DataRecord:
    return DataRecord(
        kind="add",
        name=name,
        at_ns=versions.next_ns(versions.read_records(store.path, name)),
        by=user_name(),
        manifest=made.name,
        fingerprint=made.manifest.fingerprint,
        host=socket.gethostname(),
        path=str(found.root.resolve()),
        message=mask_text(message),
        kept=keep,
        files=made.manifest.files,
        size_bytes=made.manifest.size_bytes,
        changes=_changes(store, newest, made.manifest, made.items),
        origin=origin or {},
    )


def keep_files(
    store: Store, paths: Iterable[str], grown: Advance | None = None
) -> dict[str, tuple[str, str] | SamebitError]:
    """Store single files, all in one pack if they fit; durable when this returns.

    It begins no thread: there can be none any more when the interpreter ends. `grown` is told by
    how many bytes the store grew.

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
                one = read_one(Path(path), pieces)
            except SamebitError as error:
                found[path] = error
                continue
            found[path] = digest.name_of(one.raw), _listed(one, pieces) or digest.name_of(one.raw)
    if grown is not None:
        grown(pieces.new_bytes)
    return found


def _listed(one: Read, pieces: Pieces) -> str:
    """Give the pieces of a file; the list of them, where there are several."""
    names = [pieces.give(piece) for piece in one.pieces]
    if len(names) < 2:
        return ""
    rows = [Piece(digest.name_of(name), size) for name, size in zip(names, one.sizes, strict=True)]
    return manifests.put_list(pieces.put, rows)


def say_again(store: Store, version: DataRecord) -> DataRecord:
    """Have a version that is there already as the newest of its name."""
    records = versions.read_records(store.path, version.name)
    newest = versions.still_there(records)[-1]
    manifest = manifests.read_manifest(store, version.manifest)
    items = list(manifests.read_items(store, manifest))
    record = structs.replace(
        version,
        at_ns=versions.next_ns(records),
        by=user_name(),
        host=socket.gethostname(),
        new_bytes=0,
        changes=_changes(store, newest, manifest, items),
    )
    versions.write_record(store.path, record)
    return record


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
    proof: Proof | None,
    advance: Advance | None,
) -> tuple[dict[bytes, tuple[bytes, str]], int]:
    """Of each file its digest and list, all pieces given; and how many bytes were read for it."""
    done: dict[bytes, tuple[bytes, str]] = {}
    if not thorough:
        done = _remembered(store, found, memory, keep, proof)
    left = [entry for entry in found.files if entry.path not in done]
    read_bytes = sum(entry.size_bytes for entry in left)
    if advance is not None:
        advance(found.size_bytes - read_bytes)
    is_whole = False
    saved_at = time.monotonic()
    try:
        for one in read_all(left, pieces, proof) if keep else _hashed(left, advance):
            listed = _listed(one, pieces)
            done[one.entry.path] = one.raw, listed
            if one.entry.found is not None:
                memory.add(one.entry.path, one.entry.found, one.raw, listed, one.read_ns)
            if advance is not None and keep:
                advance(one.entry.size_bytes)
            if time.monotonic() - saved_at > _SAVED_EVERY_S:
                memory.save(is_whole=False)
                saved_at = time.monotonic()
        if found.is_folder and not found.gathered:
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
    return Item(entry.path, kind, entry.size_bytes, digest.name_of(raw), pieces=listed)


def _remembered(
    store: Store, found: Survey, memory: Memory, keep: bool, proof: Proof | None
) -> dict[bytes, tuple[bytes, str]]:
    """Files that are what they were when they were read, and of which all pieces are here."""
    known = {
        entry.path: one
        for entry in found.files
        if (one := memory.find(entry.path, entry.found)) is not None
        and (proof is None or proof.holds(entry.path, one.raw))
    }
    wanted: dict[bytes, list[bytes]] = {}
    for path, one in known.items():
        wanted[path] = [one.raw]
        if one.pieces and keep:
            item = Item(path, "f", one.size_bytes, digest.name_of(one.raw), pieces=one.pieces)
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


def _hashed(left: list[Entry], advance: Advance | None) -> Iterator[Read]:
    """Of a reference: digests, and nothing of the bytes."""
    by_path = {entry.path: entry for entry in left}
    began_ns = time.time_ns()
    for path, raw in files.digests(left, advance):
        yield Read(by_path[path], raw, [], [], began_ns)


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
