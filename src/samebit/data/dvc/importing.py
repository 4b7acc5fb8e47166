"""Versions of data out of a DVC project: every file read once, and of the md5 that DVC has for it.

The bytes come from the cache, or from where they lie in the working tree, whichever has them as
they should be. Nothing of the project is written.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from samebit import digest
from samebit.data import adding, files, versions
from samebit.data.cut_files import Reading
from samebit.data.dvc.cache import Cache, Hashes, Seen
from samebit.data.dvc.knowing import Known
from samebit.data.dvc.outs import Listed, Out
from samebit.data.files import Advance, Entry, Survey
from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.records import DataRecord

__all__ = ["Found", "Imported", "Importing", "chosen", "name_outs", "ordered"]

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")
_MOST_LETTERS = 80
_NAMED = 3
KIND = "dvc"


class Found(Struct, frozen=True):
    """An out, and the name of the data that it becomes."""

    out: Out
    name: str


class Imported(Struct):
    """What became of an out.

    Attributes:
        found: which.
        commit: of the revision; empty for what lies there now.
        how: imported now; there already; missing, and `why`.
        version: of the first two.
        missing: files of which the bytes are nowhere.
    """

    found: Found
    commit: str
    how: Literal["imported", "there", "missing"]
    version: DataRecord | None = None
    why: SamebitError | None = None
    missing: list[str] = field(default_factory=list)


def name_outs(outs: Iterable[Out]) -> list[Found]:
    """Each out with a name for its data: its path with `-` for `/`."""
    found: dict[str, Found] = {}
    for out in sorted(outs, key=lambda each: each.path):
        name = _NOT_IN_A_NAME.sub("_", out.path.replace("/", "-")).lstrip("._-")[:_MOST_LETTERS]
        if not name or name in found:
            name = f"{name or 'data'}-{digest.of_bytes(os.fsencode(out.path))[7:15]}"
        found[name] = Found(out, name)
    return list(found.values())


def chosen(top: Path, found: Sequence[Found], paths: Sequence[Path]) -> list[Found]:
    """Those of some outs that paths mean: of DVC files, of outs, or of folders that hold them."""
    if not paths:
        return list(found)
    wanted: dict[str, Found] = {}
    for path in paths:
        whole = Path(os.path.abspath(path))
        names = {os.path.relpath(whole, top), os.path.relpath(whole.resolve(), top.resolve())}
        here = [
            one
            for one in found
            if not names.isdisjoint((one.out.path, one.out.file, "."))
            or any(one.out.path.startswith(f"{name}/") for name in names)
            or any(one.out.file.startswith(f"{name}/") for name in names)
        ]
        if not here:
            known = ", ".join(one.out.path for one in found[:8]) or "nothing"
            raise NotFound(f"DVC keeps nothing at {path}", project=top, it_keeps=known)
        wanted |= {one.name: one for one in here}
    return list(wanted.values())


class Importing:
    """A project whose outs become versions of data.

    Args:
        store: where they go.
        top: the folder of the project.
        cache: its cache.
    """

    def __init__(self, store: Store, top: Path, cache: Cache) -> None:
        self._store = store
        self._top = top
        self._cache = cache
        self._known = Known(top)

    def add(self, found: Found, commit: str, *, is_last: bool, line: Advance) -> Imported:
        """Have a version of one out.

        Args:
            found: which.
            commit: the revision; empty for what lies there now.
            is_last: whether it is to be the newest version of its name.
            line: is told how many more bytes are known.

        Raises:
            SamebitError: the store cannot be written.
        """
        out, name = found.out, found.name
        known = versions.read_versions(self._store.path, name)
        there = next((one for one in known if _is_of(one, out)), None)
        if there is not None:
            if is_last and there.manifest != known[0].manifest:
                there = adding.say_again(self._store, there)
            return Imported(found, commit, "there", there)
        try:
            listed = self._cache.files(out)
        except (NotFound, Damaged) as error:
            return Imported(found, commit, "missing", why=error)
        hurt: set[bytes] = set()
        while True:
            places = {one.relpath: self._place(out, one, hurt) for one in listed}
            if missing := [path for path, place in places.items() if place is None]:
                return Imported(
                    found, commit, "missing", why=_gone(out, self._cache, hurt), missing=missing
                )
            try:
                added = self._added(found, commit, listed, places, line)
            except _NotAsNamed as error:
                hurt.add(error.place)
                continue
            except UsageError as error:
                return Imported(found, commit, "missing", why=error)
            finally:
                self._known.save()
            return Imported(found, commit, "imported" if added.is_new else "there", added.record)

    def renew(self, found: Found) -> None:
        """Have what an out is now as the newest version, if it was imported before."""
        known = versions.read_versions(self._store.path, found.name)
        there = next((one for one in known if _is_of(one, found.out)), None)
        if there is not None and there.manifest != known[0].manifest:
            adding.say_again(self._store, there)

    def _place(self, out: Out, one: Listed, hurt: set[bytes]) -> bytes | None:
        """Where the bytes of a file may be had: in the cache, else in the working tree."""
        lying = self._top / out.path / one.relpath if out.is_folder else self._top / out.path
        for place in (self._cache.holds(out.hash, one.md5), lying):
            raw = None if place is None else os.fsencode(place)
            if place is not None and raw is not None and raw not in hurt and place.is_file():
                return raw
        return None

    def _added(
        self,
        found: Found,
        commit: str,
        listed: Sequence[Listed],
        places: Mapping[str, bytes | None],
        line: Advance,
    ) -> adding.Added:
        out = found.out
        entries: list[Entry] = []
        for one in listed:
            entry = files.file_entry(os.fsencode(one.relpath), places[one.relpath] or b"")
            entries.append(_as_kept(entry, executable=out.is_executable))
        entries.sort(key=lambda entry: entry.path)
        root = self._top / out.path
        survey = Survey(root, out.is_folder, False, tuple(entries), gathered=True)
        origin = {"kind": KIND, "file": out.file, "path": out.path, "hash": out.hash}
        origin |= {"md5": out.name} if out.md5 else {}
        origin |= {"stage": out.stage} if out.stage else {}
        origin |= {"revision": commit} if commit else {}
        proof = _Proof(out.hash, listed, places, self._known)
        return adding.add(self._store, survey, found.name, origin=origin, proof=proof, advance=line)


def _as_kept(entry: Entry, *, executable: bool) -> Entry:
    """DVC keeps of one file alone whether it may be executed, and its cache says nothing of it."""
    return Entry(entry.path, entry.kind, entry.place, entry.found, executable)


def _is_of(version: DataRecord, out: Out) -> bool:
    origin = version.origin
    is_same = (origin.get("hash"), origin.get("md5")) == (out.hash, out.name)
    return version.kept and bool(out.md5) and origin.get("kind") == KIND and is_same


def _gone(out: Out, cache: Cache, hurt: set[bytes]) -> NotFound:
    """Why an out cannot be had, and what to do."""
    fetch = f"`dvc fetch {out.target}` brings it"
    damaged = sorted(p for p in map(os.fsdecode, hurt) if _is_below(p, cache.folder))
    if damaged:
        hint = f"remove that, and {fetch} again"
        return Damaged(
            "DVC's cache is damaged: its files have other md5s than their names say",
            files=", ".join(damaged[:_NAMED]),
            hint=hint,
        )
    if hurt:
        what = "it is not in DVC's cache, and what lies in the working tree is another content"
        return NotFound(what, hint=fetch)
    return NotFound("neither DVC's cache nor the working tree has it", hint=fetch)


def _is_below(path: str, folder: Path | None) -> bool:
    return folder is not None and path.startswith(f"{folder}{os.sep}")


class _NotAsNamed(Damaged):
    """A file whose md5 is another one; its place."""

    def __init__(self, place: bytes, md5: str) -> None:
        super().__init__(f"its md5 is {md5}", path=os.fsdecode(place))
        self.place = place


class _Proof:
    """That each file has the md5 that DVC has for it."""

    def __init__(
        self, rule: str, listed: Iterable[Listed], places: Mapping[str, bytes | None], known: Known
    ) -> None:
        self._rule = rule
        self._md5s = {os.fsencode(one.relpath): one.md5 for one in listed}
        self._places = {os.fsencode(path): place or b"" for path, place in places.items()}
        self._known = known

    def holds(self, path: bytes, raw: bytes, /) -> bool:
        """Whether that was computed of such a content before."""
        return self._md5s[path] in self._known.find(self._rule, digest.name_of(raw))

    def begin(self, path: bytes, /) -> Reading:
        """The file at a path is about to be read."""
        return _Proving(self._rule, self._md5s[path], self._places[path], self._known)


class _Proving:
    def __init__(self, rule: str, md5: str, place: bytes, known: Known) -> None:
        self._rule = rule
        self._md5 = md5
        self._place = place
        self._known = known
        self._hashes = Hashes(rule)
        self._size_bytes = 0

    def update(self, data: memoryview, /) -> None:
        """Take the next piece."""
        self._hashes.update(data)
        self._size_bytes += data.nbytes

    def end(self, raw: bytes, /) -> None:
        """All was read."""
        seen = Seen(digest.name_of(raw), self._size_bytes, self._hashes.names())
        self._known.add(self._rule, seen)
        if self._md5 not in seen.md5s:
            raise _NotAsNamed(self._place, seen.md5s[0])


def ordered(outs: Iterable[tuple[str, Found]]) -> Iterator[tuple[str, Found, bool]]:
    """Revisions and their outs in order; whether each is the last of its name."""
    rows = list(outs)
    last = {found.name: at for at, (_, found) in enumerate(rows)}
    yield from ((commit, found, last[found.name] == at) for at, (commit, found) in enumerate(rows))
