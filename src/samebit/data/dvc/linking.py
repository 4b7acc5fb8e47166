"""What of that which a run read DVC keeps, and whether it was what DVC had: seen when asked.

Nothing is computed while a script runs. The DVC files of its recorded code say what DVC had at a
path then; the bytes under that md5, in the cache or where they lie now, say whether the digest that
the run recorded is theirs.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from samebit.data.dvc import outs, project
from samebit.data.dvc.cache import Cache, find_cache, find_top, look
from samebit.data.dvc.knowing import Known
from samebit.data.dvc.outs import Out
from samebit.errors import NotFound, SamebitError
from samebit.objects.store import Store
from samebit.records import TreeEntry

__all__ = ["Kept", "Link", "Projects", "Reads"]

Judged = Literal["same", "differs", "unknown"]
Reads = Mapping[str, str | None]  # what a run read, by path, with its digest if it has one

_TOO_MUCH = "too much to read by the way, `samebit verify --plan RUN` does"


class Kept(Struct, frozen=True):
    """What DVC had at a path.

    Attributes:
        out: of which out.
        place: where that lies.
        top: the project there now; None where there is none.
        relpath: of a folder, which of its files.
        is_now: whether only the DVC files that lie there now say so.
        is_there: whether they do.
    """

    out: Out
    place: str
    top: Path | None
    relpath: str
    is_now: bool
    is_there: bool


class Link(Struct):
    """An out of which a run read something.

    Attributes:
        kept: which, and whose word it is.
        files: how many of its files were read.
        total: how many it has; None where its list is not here.
        same, differs, unknown: paths below it: those that were what DVC had, those that were not,
            and those of which that cannot be told.
        why: the first reason why not.
    """

    kept: Kept
    files: int = 0
    total: int | None = None
    same: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    why: str = ""


class Projects:
    """The DVC files of a run's code, those that lie there now, and the caches that belong to them.

    Args:
        root: the folder that the code was taken from.
        entries: its files.
        store: where their bytes are.
    """

    def __init__(self, root: Path, entries: Iterable[TreeEntry], store: Store) -> None:
        names = {
            one.path: one.digest for one in entries if one.kind != "link" and outs.is_read(one.path)
        }
        files: dict[str, bytes] = {}
        for path, name in names.items() if any(map(outs.is_dvc_file, names)) else ():
            try:
                files[path] = store.read(name)
            except NotFound:  # or damaged: `samebit check` names it
                continue
        found = outs.read(files)
        self.problems = found.problems
        self._recorded = {os.path.join(root, one.path): one for one in found.outs}
        self._tops: dict[str, Path | None] = {}
        self._caches: dict[Path | None, tuple[Cache, Known]] = {}
        self._lists: dict[tuple[str, str], dict[str, str] | SamebitError] = {}
        self._now: dict[str, dict[str, Out]] = {}

    def at(self, path: str) -> list[Kept]:
        """What DVC had at a path: by the recorded DVC files, then by those of now.

        Of these the ones that lie where DVC puts them: beside the path or a folder above it.
        """
        folder = os.path.dirname(path)
        top = self._top(folder)
        lying = {} if top is None else self._lying(top, folder)
        if top is not None and os.path.isfile(path + ".dvc"):
            lying = {**lying, **self._named(top, path + ".dvc")}
        if not lying and not self._recorded:
            return []
        found: list[Kept] = []
        for place, relpath in _above(path):
            then, now = self._recorded.get(place), lying.get(place)
            is_there = now is not None and then is not None and now.name == then.name
            if then is not None:
                at = self._top(os.path.dirname(place))
                found.append(Kept(then, place, at, relpath, False, is_there))
            if now is not None and not is_there:
                found.append(Kept(now, place, top, relpath, True, True))
        return sorted(found, key=lambda kept: kept.is_now)

    def _lying(self, top: Path, folder: str) -> dict[str, Out]:
        """What the DVC files say that lie in a folder or above it, by where it lies."""
        if folder not in self._now:
            found: dict[str, Out] = {}
            if folder != os.fspath(top):
                found |= self._lying(top, os.path.dirname(folder))
                found |= self._named(top, folder + ".dvc")
            self._now[folder] = found | self._named(top, os.path.join(folder, outs.LOCK))
        return self._now[folder]

    def _named(self, top: Path, file: str) -> dict[str, Out]:
        found = project.read_file(top, Path(file)).outs
        return {os.path.join(top, out.path): out for out in found}

    def _top(self, folder: str) -> Path | None:
        if folder not in self._tops:
            self._tops[folder] = find_top(Path(folder))
        return self._tops[folder]

    def _cache(self, kept: Kept) -> tuple[Cache, Known]:
        if kept.top not in self._caches:
            self._caches[kept.top] = find_cache(kept.top), Known(kept.top)
        return self._caches[kept.top]

    def _md5(self, kept: Kept) -> str | None:
        """The md5 of that file; None where the folder has none of that name."""
        if not kept.out.is_folder:
            return None if kept.relpath else kept.out.md5
        return self._list(kept).get(kept.relpath)

    def _list(self, kept: Kept) -> dict[str, str]:
        """The md5 of each file of an out; raises as `Cache.files`."""
        key = kept.place, kept.out.name
        if key not in self._lists:
            try:
                listed = self._cache(kept)[0].files(kept.out)
                self._lists[key] = {one.relpath: one.md5 for one in listed}
            except SamebitError as error:
                self._lists[key] = error
        found = self._lists[key]
        if isinstance(found, SamebitError):
            raise found
        return found

    def save(self) -> None:
        """Remember what was computed."""
        for _, known in self._caches.values():
            known.save()

    def links(self, reads: Reads, budget_bytes: float = float("inf")) -> list[Link]:
        """The outs of which a run read something, by path.

        Args:
            reads: what it read.
            budget_bytes: how many bytes may be read to compare.
        """
        found: dict[tuple[str, bool], Link] = {}
        for path, name in reads.items():
            kepts = self.at(path)
            if not kepts:
                continue
            kept = kepts[0]
            link = found.get((kept.place, kept.is_now))
            if link is None:
                link = found[kept.place, kept.is_now] = Link(kept)
            link.files += 1
            shown = kept.relpath or kept.out.path
            judged, why, read_bytes = self._judge(kept, path, name, budget_bytes)
            budget_bytes -= read_bytes
            getattr(link, judged).append(shown)
            link.why = link.why or why
        for link in found.values():
            try:
                link.total = len(self._list(link.kept))
            except SamebitError as error:
                link.why = error.what
        self.save()
        return [found[key] for key in sorted(found)]

    def _judge(
        self, kept: Kept, path: str, name: str | None, budget_bytes: float
    ) -> tuple[Judged, str, int]:
        """Whether what was read is what DVC had; why not known; how much was read for it."""
        rule = kept.out.hash
        try:
            md5 = self._md5(kept)
        except SamebitError as error:
            return "unknown", error.what, 0
        if md5 is None:
            return "differs", "", 0
        if name is None:
            return "unknown", "no digest of it was recorded", 0
        cache, known = self._cache(kept)
        if md5s := known.find(rule, name):
            return ("same" if md5 in md5s else "differs"), "", 0
        if rule == "md5" and (contents := known.having(rule, md5)):
            return ("same" if name in contents else "differs"), "", 0
        read_bytes = 0
        why = "its bytes are neither in DVC's cache nor where they were"
        for place in (cache.holds(rule, md5), Path(path)):
            try:
                size_bytes = 0 if place is None else place.stat().st_size
            except OSError:
                continue
            if read_bytes + size_bytes > budget_bytes:
                return "unknown", _TOO_MUCH, read_bytes
            seen = None if place is None else look(place, rule, follow=place == Path(path))
            if seen is None:
                continue
            read_bytes += seen.size_bytes
            known.add(rule, seen)
            if seen.digest == name:
                return ("same" if md5 in seen.md5s else "differs"), "", read_bytes
            if md5 in seen.md5s and rule == "md5":
                return "differs", "", read_bytes
            if place != Path(path) and md5 not in seen.md5s:
                why = f"DVC's cache is damaged: {place} has the md5 {seen.md5s[0]}"
        return "unknown", why, read_bytes

    def find(self, path: str, name: str) -> tuple[Path | None, str]:
        """A file of a cache that has the content which a run read at a path; else what to do.

        Every byte is compared with the digest that was recorded. The text is empty where DVC kept
        nothing at that path.
        """
        said = ""
        for kept in self.at(path):
            cache, known = self._cache(kept)
            try:
                md5 = self._md5(kept)
            except SamebitError as error:
                said = said or _fetch(kept, error.what)
                continue
            if md5 is None:
                continue
            for digits in dict.fromkeys((md5, *known.find(kept.out.hash, name))):
                place = cache.holds(kept.out.hash, digits)
                if place is None:
                    gone = f"{kept.out.file} had the md5 {digits} there, which is not in its cache"
                    said = said or _fetch(kept, gone)
                    continue
                seen = look(place, kept.out.hash, follow=False)
                if seen is not None and seen.digest == name:
                    return place, kept.out.file
                if seen is not None and digits not in seen.md5s:
                    hurt = f"DVC's cache is damaged: the md5 of {place} is {seen.md5s[0]}"
                    said = _fetch(kept, hurt + "; remove it, and have it again")
                elif seen is not None:
                    known.add(kept.out.hash, seen)
                    had = f"what {kept.out.file} had there is another content"
                    said = said or had
        return None, said


def _fetch(kept: Kept, what: str) -> str:
    every = "" if kept.is_there else "--all-commits "
    return f"{what}: `dvc fetch {every}{kept.out.target}`"


def _above(path: str) -> Iterator[tuple[str, str]]:
    """A path and each folder above it, with what lies below that."""
    place, below = path, ""
    while True:
        yield place, below
        folder, name = os.path.split(place)
        if folder == place:
            return
        place, below = folder, f"{name}/{below}" if below else name
