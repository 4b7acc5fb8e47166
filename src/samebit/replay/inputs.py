"""The files and folders that a run read: what of them is here as it was, and what is not."""

import functools
import os
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import digest
from samebit.capture.listings import summary
from samebit.data.dvc.linking import Projects
from samebit.data.linking import Stored, find_files, kept_by_run
from samebit.folders.read import View
from samebit.objects.store import Store
from samebit.records import TreeRecord

__all__ = [
    "Input",
    "Listing",
    "has_digest",
    "made_before",
    "read_inputs",
    "read_listings",
    "written",
]


class Input(Struct, frozen=True):
    """A file that the run read and that is not part of its code."""

    path: Path  # where it was
    size_bytes: int
    mtime_ns: int
    digest: str | None  # None: recorded by size and time only
    kept: str | None  # the object that holds the bytes it had, where the run overwrote it
    written: bool
    is_absolute: bool  # how the script named it
    stored: Stored | None = None  # the same file in the store, where it is another one now
    cached: Path | None = None  # the file of DVC's cache, likewise

    @property
    def is_laid_out(self) -> bool:
        """Whether its bytes do not come from where they were."""
        return not (self.kept is None and self.stored is None and self.cached is None)


class Listing(Struct, frozen=True):
    """A folder that the run listed, or read too many files of to tell of each."""

    path: Path
    names: tuple[str, ...]  # without what the run made itself
    count: int = 0  # of files that were read, and known by name, size and time only


def read_inputs(
    view: View,
    root: Path,
    tree: TreeRecord,
    sources: tuple[tuple[str, str, str], ...],
    store: Store,
    blockers: list[str],
    before: Collection[Path],
) -> tuple[Input, ...]:
    """The files that are not part of the code; what is missing goes to `blockers`.

    What `before` names was made by an earlier execution of the replay, and is no input of this one.
    """
    code = {str(root / entry.path) for entry in tree.entries}
    modules = {file for _, file, _ in sources}  # whether they are the same is seen afterwards
    latest: dict[str, dict[str, Any]] = {}
    for rank in view.ranks:
        # By one Python of the command, and read by a later one; or by an earlier execution.
        made = set(map(str, before))
        for fact in view.at_rank(rank).files:
            path = fact["path"]
            if fact["how"] == "write" and path not in latest:
                made.add(path)
            elif fact["how"] == "read" and path not in made:
                latest[path] = {**latest.get(path, {}), **fact}
    found: list[Input] = []
    problems: dict[int, str] = {}  # why one of `found` is not what was read
    for name, fact in sorted(latest.items()):
        item = Input(
            path=Path(name),
            size_bytes=fact["size_bytes"],
            mtime_ns=fact["mtime_ns"],
            digest=fact.get("digest"),
            kept=fact.get("kept"),
            written=bool(fact.get("written")),
            is_absolute=fact.get("given") == "absolute",
        )
        if name in code | modules and not item.written:
            continue
        if fact.get("unreadable"):
            continue  # the script could not read it either
        if item.kept is not None and store.has(item.kept):
            pass
        elif item.written and name not in code:
            blockers.append(f"the run overwrote {name}, and what it had read was too large to keep")
        elif fact.get("changed"):
            blockers.append(f"{name} was changed while the run was going on")
        elif name not in code and (problem := _unlike(item)) is not None:
            problems[len(found)] = problem
        found.append(item)
    stored = find_files(store, {found[at].digest or "" for at in problems} - {""})
    projects = Projects(root, tree.entries, store) if problems else None
    for at, problem in problems.items():
        item = found[at]
        same = stored.get(item.digest or "") or kept_by_run(store, latest[str(item.path)])
        # What is read in place is not in the replay.
        is_in_place = item.is_absolute and not item.path.is_relative_to(root)
        if same is not None and is_in_place:
            does = f"checkout {same.name}" if same.version is not None else f"restore {view.id}"
            blockers.append(f"{problem}; `samebit data {does}` has it as it was")
        elif same is not None:
            found[at] = replace(item, stored=same)
        elif item.digest is not None and store.has(item.digest):
            # A later execution, or run, may have kept what it had before it was overwritten.
            found[at] = replace(item, kept=item.digest)
        elif projects is not None and item.digest is not None:
            cached, said = projects.find(str(item.path), item.digest)
            if cached is not None and not is_in_place:
                found[at] = replace(item, cached=cached)
            elif cached is not None:
                blockers.append(f"{problem}; DVC's cache has it as it was: {cached}")
            else:
                blockers.append(f"{problem}; {said}" if said else problem)
        else:
            blockers.append(problem)
    return tuple(found)


def read_listings(
    view: View,
    root: Path,
    tree: TreeRecord,
    blockers: list[str],
    before: Collection[Path],
    inputs: Sequence[Input] = (),
) -> tuple[Listing, ...]:
    """Folders that the run listed: the same names must be found in them again.

    What `inputs` have out of the store need not lie there. Names that the run has made are left
    out, also where a library wrote them and nobody saw it: what a later listing has and the first
    has not, and what was written while the run went on.
    """
    made = {*written(view, "write"), *written(view, "folder"), *before}
    code = {root / entry.path for entry in tree.entries}
    code |= {item.path for item in inputs if item.is_laid_out}
    code |= {parent for path in code for parent in path.parents}
    found: dict[Path, Listing] = {}
    for fact in view.all_facts("file"):
        path = Path(fact["path"])
        if path in found:
            continue
        is_absolute = fact.get("given") == "absolute"
        if fact["how"] != "list" or (is_absolute and not path.is_relative_to(root)):
            continue  # listed in place: caches and shared folders change without meaning
        if not made.isdisjoint((path, *path.parents)):
            continue  # the run made it itself: it must not be there yet
        if "names" not in fact:
            blockers.append(f"the run listed {path}, whose {fact['count']} names were not kept")
            continue
        names = [name for name in fact["names"] if path / name not in made]
        names = [n for n in names if path / n in code or not _is_of_its_time(path / n, view)]
        gone = [n for n in names if path / n not in code and not os.path.lexists(path / n)]
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            blockers.append(f"the run listed {path}, where {gone[0]}{more} is not there any more")
        found[path] = Listing(path, tuple(names))
    return (*found.values(), *_whole(view, blockers))


def _is_of_its_time(path: Path, view: View) -> bool:
    """Whether a file was last written while the run went on."""
    if view.start is None or view.end is None:
        return False
    try:
        found = os.lstat(path)
    except OSError:
        return False
    began_ns, ended_ns = view.start.started_ns, view.end.ended_ns
    return not stat.S_ISDIR(found.st_mode) and began_ns <= found.st_mtime_ns <= ended_ns


def _whole(view: View, blockers: list[str]) -> tuple[Listing, ...]:
    """Folders of which too many files were read: as a whole they must be what they were."""
    latest = {fact["path"]: fact for fact in view.all_facts("file") if fact["how"] == "many"}
    found: list[Listing] = []
    for name, fact in sorted(latest.items()):
        if fact.get("listing") is None:
            blockers.append(f"the run read more files of {name} than could be recorded")
        elif summary(name).get("listing") != fact["listing"]:
            blockers.append(f"the run read files of {name}, where some are others now")
        else:
            names = sorted(entry.name for entry in os.scandir(name) if entry.is_file())
            found.append(Listing(Path(name), tuple(names), fact["count"]))
    return tuple(found)


def written(view: View, how: str) -> tuple[Path, ...]:
    """The files that it wrote first (`write`), or the folders that it made (`folder`)."""
    found = (Path(fact["path"]) for fact in view.all_facts("file") if fact["how"] == how)
    return tuple(dict.fromkeys(found))


def has_digest(file: str, wanted: str) -> bool:
    """Whether a file that was too large for the store still lies there as it was."""
    try:
        return digest.of_file(file)[0] == wanted
    except OSError:
        return False


def _unlike(item: Input) -> str | None:
    """Why a file that was read cannot stand in for what it was; None where it can."""
    try:
        now = os.stat(item.path)
        if now.st_size == item.size_bytes:
            if item.digest is None and now.st_mtime_ns == item.mtime_ns:
                return None
            stamp = (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
            if item.digest is not None and _digest_of(item.path, stamp) == item.digest:
                return None
    except FileNotFoundError:
        return f"the run read {item.path}, which is not there any more"
    except OSError as error:
        return f"the run read {item.path}, which cannot be read: {error.strerror}"
    if item.digest is None and now.st_size == item.size_bytes:
        return f"the run read {item.path}, which was written since; no digest of it was taken"
    return f"the run read {item.path}, whose content is another now"


@functools.lru_cache(maxsize=1 << 16)
def _digest_of(path: Path, stamp: tuple[int, ...]) -> str:
    """Of a file with this stamp: the runs of one study read the same data, and it may be large."""
    return digest.of_file(path)[0]


def made_before(
    view: View, root: Path, tree: TreeRecord, earlier: Sequence[tuple[View, Collection[Path]]]
) -> frozenset[Path]:
    """The files that earlier executions have left, and that this one found as they left them.

    What somebody changed in between is not of their making.

    Args:
        view: this execution.
        root: the folder of its code.
        tree: its code, in which such a file may be.
        earlier: each of those before it, and what that left.
    """
    left: dict[str, str | None] = {}
    for before, paths in earlier:
        left |= dict.fromkeys(map(str, paths))
        for fact in before.files:
            if fact["path"] in left and (fact["how"] == "write" or fact.get("written")):
                left[fact["path"]] = fact.get("digest" if fact["how"] == "write" else "left")
    found = {str(root / entry.path): entry.digest for entry in tree.entries}
    read: dict[str, str | None] = {}
    for fact in view.files:
        if fact["how"] == "read" and read.get(fact["path"]) is None:
            read[fact["path"]] = fact.get("kept") or fact.get("digest")
    found |= {path: name for path, name in read.items() if name is not None}
    return frozenset(
        Path(path) for path, name in left.items() if name is None or found.get(path) in (None, name)
    )
