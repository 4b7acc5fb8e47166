"""Which objects versions of data are made of, each with its place: for check, repair and du."""

from collections.abc import Iterable, Iterator

from samebit.data import manifests, versions
from samebit.errors import NotFound
from samebit.folders.naming import Use
from samebit.objects.store import Reads, Store
from samebit.records import DataRecord

__all__ = ["uses_of", "uses_of_all", "uses_of_versions"]


def uses_of_all(store: Store) -> Iterator[Use]:
    """Each version that was not let go of, with everything that it is made of."""
    for name in versions.list_names(store.path):
        yield from uses_of(store, name)


def uses_of(store: Store, name: str) -> Iterator[Use]:
    """The versions of one name; raises Damaged where a record of it is."""
    yield from uses_of_versions(store, versions.read_versions(store.path, name))


def uses_of_versions(store: Reads, found: Iterable[DataRecord]) -> Iterator[Use]:
    """Some versions, with everything that each is made of."""
    known = {one.manifest: one for one in found}
    for version in known.values():
        what = f"data {versions.short_name(version)}"
        parts: list[tuple[str, str]] = [("", version.manifest)]
        try:
            parts += _parts(store, version)
        except NotFound as error:
            yield Use("data", what, version.manifest, tuple(parts), missing=error.what)
        else:
            yield Use("data", what, version.manifest, tuple(parts))


def _parts(store: Reads, version: DataRecord) -> Iterator[tuple[str, str]]:
    manifest = manifests.read_manifest(store, version.manifest)
    for shard in manifest.shards:
        yield "a list of its files", shard.name
        for item in manifests.read_shard(store, shard.name):
            if not item.digest or not manifest.kept:
                continue
            place = item.path.decode("utf-8", "backslashreplace")
            if item.pieces:
                yield f"the list of pieces of {place or 'it'}", item.pieces
            pieces = manifests.read_list(store, item)
            for at, piece in enumerate(pieces, 1):
                part = f"part {at} of {len(pieces)}" if item.pieces else ""
                yield ", ".join(filter(None, (place, part))), piece.name
