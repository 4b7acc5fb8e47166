"""`wandb.Artifact`: files under one name, logged as a version of data and used again."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from samebit import places
from samebit.compat.wandb import configs, kept
from samebit.compat.wandb.entries import ArtifactEntry, Manifest, check_aliases
from samebit.compat.wandb.faults import ArtifactNotLoggedError
from samebit.compat.wandb.kept import Content, Labelled
from samebit.compat.wandb.saying import lacks
from samebit.compat.wandb.tables import Table, from_json, to_json
from samebit.data import versions
from samebit.data.manifests import Item
from samebit.errors import SamebitError
from samebit.objects.store import Store

__all__ = ["Artifact"]

_NAME = re.compile(r"[A-Za-z0-9_\-.]+")
_POLICIES = ("mutable", "immutable")
_SUFFIX = ".table.json"


class Artifact:
    """A draft until it is logged, and a version of data from then on.

    A file is stored when it is added: what is done to it afterwards does not matter.

    Args:
        name: letters, digits and `_ - .`; ValueError for others.
        type: what it is, in the script's word.
        description: a text.
        metadata: plain values.
    """

    def __init__(
        self,
        name: str,
        type: str,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        incremental: bool = False,
        use_as: str | None = None,
        storage_region: str | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "Artifact name may only contain alphanumeric characters, dashes, underscores, "
                f"and dots. Invalid name: {name!r}"
            )
        self._name = name
        self.type = type
        self.description = description
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.references: dict[str, str] = {}
        self.tags: list[str] = []
        self.ttl: Any = None
        self.incremental = incremental
        self.use_as = use_as
        self._aliases: list[str] = []
        self._content: Content | None = None
        self._logged: Labelled | None = None
        self._store: Store | None = None

    @classmethod
    def of(cls, store: Store, found: Labelled) -> "Artifact":
        """A version that is there."""
        record = found.record
        artifact = cls(record.name, record.origin.get("type", "dataset"), record.message or None)
        artifact.was_logged(store, found)
        return artifact

    def was_logged(self, store: Store | None, found: Labelled) -> None:
        """Be the version from now on."""
        self._store, self._logged = store, found
        self.metadata = dict(found.metadata)
        self.references = dict(found.references)
        self._aliases = list(found.aliases)

    # A draft.

    @property
    def content(self) -> Content:
        """The files that were added so far."""
        if self._content is None:
            store = places.make_store(places.choose_store(Path.cwd()))
            self._content = Content(Store(store))
        return self._content

    def add_file(
        self,
        local_path: str | os.PathLike[str],
        name: str | None = None,
        is_tmp: bool | None = False,
        skip_cache: bool | None = False,
        policy: str | None = "mutable",
        overwrite: bool = False,
    ) -> ArtifactEntry:
        """Add a file; ValueError where there is none."""
        place = os.fspath(local_path)
        if not os.path.isfile(place):
            raise ValueError(f"Path is not a file: {place!r}")
        if policy not in (None, *_POLICIES):
            raise ValueError(f"Invalid policy {policy!r}. Policy may only be one of {_POLICIES}.")
        path = _path(name or os.path.basename(place))
        self._take({path: place})
        return self._entry(path)

    def add_dir(
        self,
        local_path: str | os.PathLike[str],
        name: str | None = None,
        skip_cache: bool | None = False,
        policy: str | None = "mutable",
        merge: bool = False,
    ) -> None:
        """Add all files of a folder; ValueError where there is none."""
        top = os.fspath(local_path)
        if not os.path.isdir(top):
            raise ValueError(f"Path is not a directory: {top!r}")
        found: dict[str, str] = {}
        for folder, _, names in os.walk(top):
            for one in names:
                place = os.path.join(folder, one)
                path = os.path.normpath(os.path.join(name or "", os.path.relpath(place, top)))
                if os.path.isfile(place):
                    found[_path(path)] = place
        self._take(found)

    @contextlib.contextmanager
    def new_file(
        self, name: str, mode: str = "x", encoding: str | None = None
    ) -> Generator[IO[Any]]:
        """Write a file into it; ValueError where it has one of that name."""
        path = _path(name)
        if os.fsencode(path) in self.content.entries and "a" not in mode and "w" not in mode:
            raise ValueError(f"File with name {name!r} already exists")
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, "file")
            how = mode.replace("x", "w")
            text = None if "b" in how else encoding or "utf-8"
            with open(place, how, encoding=text) as stream:
                yield stream
            self._take({path: place})

    def add_reference(
        self, uri: Any, name: str | None = None, checksum: bool = True, max_objects: Any = None
    ) -> list[ArtifactEntry]:
        """Add the address of what lies elsewhere; it is not looked at, and not fetched.

        A `file://` is the file itself, and is stored.
        """
        address = uri.ref_target() if isinstance(uri, ArtifactEntry) else str(uri)
        if "://" not in address:
            raise ValueError("References must be URIs. To reference a local file, use file://")
        place = address.removeprefix("file://")
        if address.startswith("file://"):
            if os.path.isdir(place):
                self.add_dir(place, name)
                return []
            return [self.add_file(place, name)]
        path = _path(name or address.rstrip("/").rpartition("/")[2])
        self.references[path] = address
        return [ArtifactEntry(self, path, 0, "", address)]

    def add(self, obj: Any, name: str, overwrite: bool = False) -> ArtifactEntry | None:
        """Add a table; other values are not kept, and said once."""
        if not isinstance(obj, Table):
            lacks("Artifact.add", f"a {type(obj).__name__} in an artifact is not kept")
            return None
        path = name if name.endswith(_SUFFIX) else name + _SUFFIX
        with self.new_file(path, mode="w") as stream:
            stream.write(to_json(obj))  # type: ignore[arg-type]
        return self._entry(path)

    def remove(self, item: Any) -> None:
        """Take a file out again; FileNotFoundError where there is none."""
        path = item.path if isinstance(item, ArtifactEntry) else os.fspath(item)
        try:
            self.content.remove(path)
        except KeyError:
            raise FileNotFoundError(f"No such file: {path!r}") from None

    def _take(self, found: Mapping[str, str]) -> None:
        if self._logged is not None:
            raise ValueError("Can't modify finalized artifact: make a new_draft()")
        try:
            self.content.add(found)
        except SamebitError as error:  # the store's trouble is none of the training's
            lacks(f"artifact {self._name!r}", f"a file is not kept: {error.what}")

    def _entry(self, path: str) -> ArtifactEntry:
        key = os.fsencode(path)
        if key not in self.content.entries:
            return ArtifactEntry(self, path, 0, "")
        size = self.content.entries[key].size_bytes
        return ArtifactEntry(self, path, size, self.content.stored[key][0])

    # A version.

    def _version(self, what: str) -> tuple[Store, Labelled]:
        if self._logged is None or self._store is None:
            raise ArtifactNotLoggedError(
                f"'Artifact.{what}' used prior to logging artifact. "
                "Call Artifact.wait() before accessing logged artifact properties."
            )
        return self._store, self._logged

    @property
    def name(self) -> str:
        """Its name; `NAME:v3` once it is logged."""
        return self._name if self._logged is None else f"{self._name}:v{self._logged.number}"

    @property
    def version(self) -> str:
        """`v3`: the fourth content of that name."""
        return f"v{self._version('version')[1].number}"

    @property
    def id(self) -> str | None:
        """The name of its content; None of a draft."""
        return None if self._logged is None else self._logged.record.fingerprint

    @property
    def digest(self) -> str:
        """The same."""
        return self._version("digest")[1].record.fingerprint

    commit_hash = digest

    @property
    def aliases(self) -> list[str]:
        """`latest`, and others that no later version has taken."""
        return list(self._version("aliases")[1].aliases) if not self._aliases else self._aliases

    @aliases.setter
    def aliases(self, aliases: Sequence[str]) -> None:
        self._aliases = check_aliases(aliases)

    @property
    def state(self) -> str:
        """PENDING, or COMMITTED once it is logged."""
        return "PENDING" if self._logged is None else "COMMITTED"

    @property
    def size(self) -> int:
        """The size of its files, in bytes."""
        return self.content.size_bytes if self._logged is None else self._logged.record.size_bytes

    @property
    def file_count(self) -> int:
        """How many files it has."""
        found = self._logged
        return len(self.content.entries) if found is None else found.record.files

    @property
    def created_at(self) -> str:
        """When it was logged."""
        from samebit.compat.wandb.times import iso  # noqa: PLC0415  (it reads runs)

        return iso(self._version("created_at")[1].record.at_ns)

    updated_at = created_at

    @property
    def collection_name(self) -> str:
        """Its name without a version."""
        return self._name

    source_name = qualified_name = name
    source_version = version

    def is_draft(self) -> bool:
        """Whether it is not logged yet."""
        return self._logged is None

    def wait(self, timeout: int | None = None) -> "Artifact":
        """Itself: what is logged is there."""
        self._version("wait")
        return self

    def finalize(self) -> None:
        """Taken, and of no effect."""

    def new_draft(self) -> "Artifact":
        """A draft with the same files."""
        store, found = self._version("new_draft")
        draft = Artifact(self._name, self.type, self.description, self.metadata)
        draft.references = dict(self.references)
        with tempfile.TemporaryDirectory() as folder:
            for item in kept.items_of(store, found.record):
                kept.lay_out(store, item, Path(folder))
            draft.add_dir(folder)
        return draft

    @property
    def manifest(self) -> Manifest:
        """Its files by their paths, in `.entries`."""
        return Manifest({entry.path: entry for entry in self._entries()})

    def _entries(self) -> Iterator[ArtifactEntry]:
        if self._logged is None:
            yield from (self._entry(os.fsdecode(path)) for path in self.content.entries)
        else:
            yield from (self._of_item(item) for item in self._items())
        for path, address in self.references.items():
            yield ArtifactEntry(self, path, 0, "", address)

    def _items(self) -> list[Item]:
        store, found = self._version("files")
        return kept.items_of(store, found.record)

    def _of_item(self, item: Item) -> ArtifactEntry:
        return ArtifactEntry(self, os.fsdecode(item.path), item.size_bytes, item.digest)

    def files(self, names: Sequence[str] | None = None, per_page: int = 50) -> list[ArtifactEntry]:
        """Its files, or those of some names."""
        self._version("files")
        return [one for one in self._entries() if names is None or one.path in names]

    def get_entry(self, name: str | os.PathLike[str]) -> ArtifactEntry:
        """One file; KeyError where there is none."""
        self._version("get_entry")
        entries = self.manifest.entries
        if (path := os.fspath(name)) not in entries:
            raise KeyError(f"Path not contained in artifact: {path}")
        return entries[path]

    get_path = get_entry

    def get(self, name: str) -> Table | None:
        """A table that was added by this name; None where there is none."""
        path = name if name.endswith(_SUFFIX) else name + _SUFFIX
        if path not in self.manifest.entries:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return from_json(Path(self.fetch([path], folder)[0]).read_bytes())

    __getitem__ = get

    def download(
        self,
        root: str | os.PathLike[str] | None = None,
        allow_missing_references: bool = False,
        skip_cache: bool | None = None,
        path_prefix: str | os.PathLike[str] | None = None,
        multipart: bool | None = None,
    ) -> str:
        """Write its files below a folder; the folder.

        A file that is there with its content stays, one of another content is written over.
        Without `root` the folder is `artifacts/NAME:v3`, below WANDB_ARTIFACT_DIR if that is set.
        """
        prefix = os.fspath(path_prefix) if path_prefix is not None else ""
        top = self._root(root)
        paths = [os.fsdecode(item.path) for item in self._items()]
        self.fetch([path for path in paths if path.startswith(prefix)], top)
        if self.references and not allow_missing_references:
            lacks("references", "what lies elsewhere (add_reference) is not fetched")
        os.makedirs(top, exist_ok=True)
        return os.path.abspath(top)

    checkout = download

    def file(self, root: str | None = None) -> str:
        """Its only file, written below a folder; ValueError where it has several."""
        paths = [os.fsdecode(item.path) for item in self._items()]
        if len(paths) != 1:
            raise ValueError(
                "This artifact contains more than one file, call `.download()` to get all files "
                'or call .get_entry("filename").download()'
            )
        return self.fetch(paths, root)[0]

    def fetch(self, paths: Iterable[str], root: str | os.PathLike[str] | None) -> list[str]:
        """Write some of its files below a folder; their paths."""
        store, _ = self._version("download")
        items = {os.fsdecode(item.path): item for item in self._items()}
        top = Path(self._root(root))
        return [
            os.path.abspath(kept.lay_out(store, items[path], top))
            for path in paths
            if path in items
        ]

    def _root(self, root: str | os.PathLike[str] | None) -> str:
        if root is not None:
            return os.fspath(root)
        return os.path.join(os.environ.get("WANDB_ARTIFACT_DIR") or "artifacts", self.name)

    def verify(self, root: str | None = None) -> None:
        """ValueError where a file below its folder is not its own."""
        from samebit import digest  # noqa: PLC0415

        top = Path(self._root(root))
        for item in self._items():
            place = top / os.fsdecode(item.path)
            if not place.is_file() or digest.of_file(place)[0] != item.digest:
                raise ValueError(f"Digest mismatch for file: {place}")

    def save(self, project: str | None = None, settings: Any = None) -> None:
        """Have changed aliases, metadata or description as the newest word on this version.

        A replay changes none.
        """
        store, found = self._version("save")
        if _is_in_replay():
            return
        origin = {**found.record.origin, **self.origin(self._aliases)}
        from msgspec.structs import replace  # noqa: PLC0415

        records = versions.read_records(store.path, self._name)
        record = replace(
            found.record,
            at_ns=versions.next_ns(records),
            message=self.description or "",
            origin=origin,
            new_bytes=0,
        )
        versions.write_record(store.path, record)
        self.was_logged(store, kept.labelled(store.path, record))

    def delete(self, delete_aliases: bool = False) -> None:
        """Let go of the version; `samebit gc` takes what nothing else names."""
        store, found = self._version("delete")
        if not _is_in_replay():
            versions.let_go(store.path, found.record)

    def origin(self, aliases: Sequence[str]) -> dict[str, str]:
        """What its version says of where it is from."""
        said = {"type": self.type, "aliases": json.dumps(list(aliases))}
        for name, value in (("metadata", self.metadata), ("references", self.references)):
            if value:
                said[name] = json.dumps(configs.plain(value), default=str, sort_keys=True)
        return {"call": "artifact", **said}

    def logged_by(self) -> Any:
        """The run that logged it, as `wandb.Api` gives it; None where that is not known."""
        store, found = self._version("logged_by")
        from samebit.compat.wandb.reading import Api  # noqa: PLC0415  (it reads runs)

        run = found.record.origin.get("run")
        return Api(store=store.path).run(run) if run else None

    def __repr__(self) -> str:
        return f"<Artifact {self.name}>"


def _is_in_replay() -> bool:
    from samebit.compat.wandb import joining  # noqa: PLC0415  (it knows artifacts)

    recorded = joining.here()
    return recorded is not None and recorded.is_replay


def _path(name: str) -> str:
    path = os.path.normpath(os.fspath(name))
    if os.path.isabs(path) or path.startswith(".."):
        raise ValueError(f"a path in an artifact is relative, not {name!r}")
    return path
