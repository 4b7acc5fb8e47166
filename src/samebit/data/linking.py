"""Which versions of data hold what a run read: found by digest, when somebody asks.

Nothing is written into a run for it. So a version that was added after the run is found, too.
"""

import contextlib
import os
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from samebit.data import manifests, versions
from samebit.data.manifests import Item
from samebit.data.versions import short_name
from samebit.errors import NotFound
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["Link", "Stored", "find_files", "find_links", "kept_by_run", "kept_files"]


class Stored(Struct, frozen=True):
    """A file whose bytes are in the store: of a version, or kept by the run that read it."""

    version: DataRecord | None
    item: Item

    @property
    def name(self) -> str:
        """Out of what it comes, for people."""
        return short_name(self.version) if self.version is not None else "what the run kept"


class Link(Struct, frozen=True):
    """A version of data, and how many of its files a run read."""

    version: DataRecord
    files: int


def find_files(store: Store, digests: Collection[str]) -> dict[str, Stored]:
    """By digest, the files that some version keeps; the newest version of those that do."""
    found: dict[str, Stored] = {}
    wanted = set(digests)
    seen: set[str] = set()  # shards that several versions share
    for version in _all(store) if wanted else ():
        if not version.kept:
            continue
        for name, items in _unseen(store, _shards(store, version), seen):
            seen.add(name)
            for item in items:
                if item.digest in wanted:
                    found[item.digest] = Stored(version, item)
                    wanted.discard(item.digest)
        if not wanted:
            break
    return found


def kept_by_run(store: Store, fact: Mapping[str, Any]) -> Stored | None:
    """The file that a fact says the run kept; None where it kept none, or it is not whole."""
    saved, name = fact.get("saved"), fact.get("digest")
    if saved is None or name is None:
        return None
    pieces = saved if saved != name else ""
    item = Item(b"", "f", fact["size_bytes"], name, pieces=pieces)
    try:
        wanted = [piece.name for piece in manifests.read_list(store, item)]
    except NotFound:  # or damaged
        return None
    return Stored(None, item) if all(map(store.has, wanted)) else None


def kept_files(facts: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The files that a run read and kept, by path: its own sources are code and no data."""
    last = {fact["path"]: fact for fact in facts}
    return {
        path: fact for path, fact in last.items() if "saved" in fact and not path.endswith(".py")
    }


def find_links(store: Store, read: Mapping[str, str]) -> list[Link]:
    """Of each name the version of which a run read most files, if it read any.

    Args:
        store: where the versions are.
        read: the digest of each file that was read, by its path. A file is one of a version where
            it has the digest, and its path ends as there: an empty file lies in many folders.
    """
    by_digest: dict[str, list[bytes]] = {}
    for path, name in read.items():
        by_digest.setdefault(name, []).append(os.fsencode(path))
    best: dict[str, Link] = {}
    counted: dict[str, int] = {}  # by shard, of which versions share most

    def count(items: Iterable[Item]) -> int:
        return sum(
            any(not item.path or path.endswith(b"/" + item.path) for path in by_digest[item.digest])
            for item in items
            if item.digest in by_digest
        )

    for version in _all(store) if read else ():
        shards = _shards(store, version)
        for name, items in _unseen(store, shards, counted):
            counted[name] = count(items)
        files = sum(counted.get(name, 0) for name in shards)
        known = best.get(version.name)
        if files and (known is None or files > known.files):
            best[version.name] = Link(version, files)
    return list(best.values())


def _all(store: Store) -> Iterator[DataRecord]:
    """Every version, of each name the newest first; names whose records are hurt are left out."""
    for name in versions.list_names(store.path):
        try:
            known = versions.read_versions(store.path, name)
        except NotFound:  # damaged: `samebit check` names it
            continue
        newest = {one.manifest: one for one in reversed(known)}
        yield from (one for one in known if newest[one.manifest] is one)


def _shards(store: Store, version: DataRecord) -> list[str]:
    try:
        return [one.name for one in manifests.read_manifest(store, version.manifest).shards]
    except NotFound:  # or damaged: what it had is not found
        return []


def _unseen(
    store: Store, shards: Iterable[str], seen: Container[str]
) -> Iterator[tuple[str, list[Item]]]:
    """Those shards that were not looked at yet, with their items; hurt ones are left out."""
    for name in shards:
        if name not in seen:
            with contextlib.suppress(NotFound):
                yield name, manifests.read_shard(store, name)
