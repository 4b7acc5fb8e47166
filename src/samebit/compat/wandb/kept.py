"""Files that a script saves or logs as artifacts: versions of data, of which the run is the origin.

A version's `origin` says which run made it, by which call (`save`, `artifact`), and what wandb has
besides: a type, aliases, metadata, references. Of each call there is one record, also where the
content was there already.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from samebit import digest
from samebit.data import adding, files, manifests, versions
from samebit.data.files import Entry, Survey
from samebit.data.manifests import Item
from samebit.data.placing import write_aside, write_file
from samebit.errors import NotFound, SamebitError
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = [
    "Content",
    "Labelled",
    "data_name",
    "find",
    "items_of",
    "labelled",
    "lay_out",
    "made_by",
    "versions_of",
]

TOOL = "wandb"
_ODD = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 100
_LATEST = "latest"
_NUMBER = re.compile(r"v(\d+)")


def data_name(name: str) -> str:
    """The name under which a file or artifact lies among versions of data."""
    found = _ODD.sub("_", name.replace("/", "-").replace(os.sep, "-")).lstrip("._-")
    return (found or "file")[-_LONGEST:].lstrip("._-") or "file"


class Content(Struct):
    """Files on their way into a version: each is stored when it is added, and is then what it was.

    Attributes:
        store: where they go.
        entries: by the path that each has in the version.
        stored: what `keep_files` gave of each.
        new_bytes: by how many the store grew with them.
    """

    store: Store
    entries: dict[bytes, Entry] = field(default_factory=dict[bytes, Entry])
    stored: dict[bytes, tuple[str, str]] = field(default_factory=dict[bytes, tuple[str, str]])
    new_bytes: int = 0

    def add(self, places: Mapping[str, str]) -> None:
        """Store files; SamebitError where one cannot be read or the store cannot be written.

        Args:
            places: where each lies, by the path that it is to have.
        """
        found = {os.fsencode(path): os.fsencode(place) for path, place in places.items()}
        entries = {path: files.file_entry(path, place) for path, place in found.items()}
        kept = adding.keep_files(self.store, dict.fromkeys(places.values()), self._grown)
        for path, place in found.items():
            one = kept[os.fsdecode(place)]
            if isinstance(one, SamebitError):
                raise one
            self.entries[path] = entries[path]
            self.stored[path] = one

    def _grown(self, size_bytes: int) -> None:
        self.new_bytes += size_bytes

    def remove(self, path: str) -> None:
        """Take a file out again; KeyError where there is none."""
        key = os.fsencode(path)
        del self.entries[key]
        del self.stored[key]

    @property
    def size_bytes(self) -> int:
        """The size of all of them."""
        return sum(entry.size_bytes for entry in self.entries.values())

    def name(self, name: str, *, root: Path, message: str, origin: dict[str, str]) -> DataRecord:
        """Make a version of them, which is laid out at `root` unless another place is said.

        A single file without a path is a version that is a file.

        Raises SamebitError where the store cannot be written.
        """
        ordered = tuple(self.entries[path] for path in sorted(self.entries))
        survey = Survey(root, b"" not in self.entries, False, ordered, gathered=True)
        kept = {path: self.stored[path] for path in sorted(self.stored)}
        made = adding.add_kept(
            self.store,
            survey,
            name,
            kept,
            new_bytes=self.new_bytes,
            message=message,
            origin={"kind": TOOL, **origin},
        )
        return made.record


class Labelled(Struct, frozen=True):
    """A version, and how wandb calls it: `v3`, and the aliases that are its own now."""

    record: DataRecord
    number: int
    aliases: tuple[str, ...]

    @property
    def metadata(self) -> dict[str, Any]:
        """What was said of it, as plain values."""
        return _loaded(self.record.origin.get("metadata"), {})

    @property
    def references(self) -> dict[str, str]:
        """Addresses of what is no file of it, by their paths."""
        return _loaded(self.record.origin.get("references"), {})


def _loaded(text: str | None, otherwise: Any) -> Any:
    try:
        found = json.loads(text) if text else otherwise
    except ValueError:
        return otherwise
    return found if isinstance(found, type(otherwise)) else otherwise


def versions_of(
    store: Path, name: str, counts: Callable[[DataRecord], bool] | None = None
) -> list[Labelled]:
    """Each content of a name that was not let go of, in order of its first version.

    Args:
        store: where.
        name: of versions.
        counts: which records count; all where it is left out.
    """
    numbers: dict[str, int] = {}
    newest: dict[str, DataRecord] = {}
    owner: dict[str, str] = {}
    for record in versions.still_there(versions.read_records(store, name)):
        if counts is not None and not counts(record):
            continue
        numbers.setdefault(record.manifest, len(numbers))
        newest[record.manifest] = record
        owner[_LATEST] = record.manifest
        for alias in _aliases(record):
            owner[alias] = record.manifest
    return [
        Labelled(
            newest[manifest],
            number,
            tuple(alias for alias, of in owner.items() if of == manifest),
        )
        for manifest, number in numbers.items()
    ]


def _aliases(record: DataRecord) -> Sequence[str]:
    found = _loaded(record.origin.get("aliases"), [])
    return [str(alias) for alias in found]


def labelled(store: Path, record: DataRecord) -> Labelled:
    """A record as wandb calls it."""
    for one in versions_of(store, record.name):
        if one.record.manifest == record.manifest:
            return Labelled(record, one.number, one.aliases)
    return Labelled(record, 0, ())


def find(
    store: Path, reference: str, counts: Callable[[DataRecord], bool] | None = None
) -> Labelled:
    """The version that `NAME`, `NAME:v3`, `NAME:ALIAS` or `NAME:DIGITS` means.

    What stands before a `/` (an entity, a project) says nothing here.

    Raises:
        NotFound: there is none; UsageError for a name that nothing can have.
    """
    name, _, label = reference.rpartition("/")[2].partition(":")
    known = versions_of(store, versions.check_name(name), counts)
    wanted = label or _LATEST
    for one in known:
        if wanted in one.aliases or wanted == f"v{one.number}":
            return one
    if label and not _NUMBER.fullmatch(label):
        for one in known:
            if len(label) >= 8 and versions.digits_of(one.record).startswith(label):
                return one
    if not known:
        versions.find_version(store, name)  # says which names there are
    labels = [f"v{one.number}" for one in known] + [a for one in known for a in one.aliases]
    raise NotFound(f"there is no version {reference!r}", known=", ".join(labels))


def made_by(store: Path, run: str, call: str | None = None) -> Iterator[DataRecord]:
    """What a run has made by a call (`save`, `artifact`), of each name oldest first."""
    for name in versions.list_names(store):
        for record in versions.still_there(versions.read_records(store, name)):
            origin = record.origin
            is_its = origin.get("kind") == TOOL and origin.get("run") == run
            if is_its and call in (None, origin.get("call")):
                yield record


def items_of(store: Store, record: DataRecord) -> list[Item]:
    """The files of a version; raises NotFound or Damaged."""
    return [*manifests.read_items(store, manifests.read_manifest(store, record.manifest))]


def lay_out(store: Store, item: Item, root: Path) -> Path:
    """Write one file of a version below a folder; one that is there with its content stays.

    Raises:
        NotFound: its bytes are not in the store; SamebitError: it cannot be written.
    """
    place = root / os.fsdecode(item.path)
    try:
        is_like = place.is_file() and place.stat().st_size == item.size_bytes
        if is_like and digest.of_file(place)[0] == item.digest:
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SamebitError(f"cannot be written: {error.strerror}", path=place) from error
    write_aside(partial(write_file, store, item), item, os.fsencode(place))
    return place
