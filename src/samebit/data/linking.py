"""Which versions of data hold what a run read: found by digest, when somebody asks.

Nothing is written into a run for it. So a version that was added after the run is found, too.
"""

import os
from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from samebit.data import manifests, versions
from samebit.data.manifests import Item
from samebit.errors import NotFound
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["Link", "Stored", "find_files", "find_links"]


class Stored(Struct, frozen=True):
    """A file of a version whose bytes are in the store."""

    version: DataRecord
    item: Item


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
        for item in _items(store, version, seen):
            if item.digest in wanted:
                found[item.digest] = Stored(version, item)
                wanted.discard(item.digest)
        if not wanted:
            break
    return found


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
    for version in _all(store) if read else ():
        count = sum(
            any(not item.path or path.endswith(b"/" + item.path) for path in by_digest[item.digest])
            for item in _items(store, version, set())
            if item.digest in by_digest
        )
        known = best.get(version.name)
        if count and (known is None or count > known.files):
            best[version.name] = Link(version, count)
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


def _items(store: Store, version: DataRecord, seen: set[str]) -> Iterator[Item]:
    try:
        for shard in manifests.read_manifest(store, version.manifest).shards:
            if shard.name not in seen:
                seen.add(shard.name)
                yield from manifests.read_shard(store, shard.name)
    except NotFound:
        return  # or damaged
