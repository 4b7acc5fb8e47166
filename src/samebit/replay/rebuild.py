"""Laying out a run's code and data in a folder of its own, at the places they had.

The folder mirrors absolute paths (`<replay>/fs/<absolute path>`), so that `..` stays inside. The
user's own files are read, never written: copied where the run wrote them, otherwise shared blocks
(reflink) or a link.
"""

import glob
import os
import shutil
from pathlib import Path

from msgspec import Struct

from samebit import disk
from samebit.capture.sources import import_root
from samebit.data.placing import write_file
from samebit.objects.mirror import mirrored, mirrored_word
from samebit.objects.store import Store
from samebit.objects.tree import lay_out
from samebit.records import TreeRecord
from samebit.replay.environments import lay_beside
from samebit.replay.inputs import Input, Listing
from samebit.replay.plan import Plan

__all__ = ["Layout", "lay_out_run"]

# What is only ever made from other things, and made again where it is missing.
_WRITTEN_CACHES = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


class Layout(Struct, frozen=True):
    """Where a replay runs."""

    folder: Path
    cwd: Path
    words: tuple[str, ...]
    environ: dict[str, str]
    temporary: Path  # its TMPDIR

    @property
    def files(self) -> Path:
        """The folder that mirrors the file system."""
        return self.folder / "fs"

    def original(self, path: str) -> str:
        """The place that a path inside the mirror stands for."""
        return path.removeprefix(str(self.files)) if self.is_inside(path) else path

    def is_inside(self, path: str) -> bool:
        """Whether a path lies in the mirror."""
        return path.startswith(str(self.files) + os.sep)


def lay_out_run(
    plan: Plan, folder: Path, temporary: Path, *, link: bool, before: Plan | None = None
) -> Layout:
    """Put code and data where a replay finds them.

    Args:
        plan: without blockers.
        folder: everything goes below it.
        temporary: empty; for the replay's own temporary files.
        link: whether a file that is only read may be a link to the user's own; without it
            (nothing holds back writes through a link) it is copied.
        before: of the execution that was run in this folder before, if there was one. What that
            has left stays; all else becomes what this execution found.
    """
    files = folder / "fs"
    store = Store(plan.view.folder.store)
    root = mirrored(files, plan.root)
    root.mkdir(parents=True, exist_ok=before is not None)
    if before is not None:
        _clear(before, plan, files)
    lay_out(store, _without_what_is_there(plan, root, before), root)
    for _, file, name in plan.sources:
        place = mirrored(files, file)
        if os.path.lexists(place):
            continue
        if store.has(name):
            _write(place, store.read(name))
        else:  # a library too large to be kept; the plan has seen that it is the same
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file)
    written = {item.path for item in plan.inputs if item.written} | set(plan.outputs)
    for item in plan.inputs:
        # What is named by its absolute path is used in place, unless the script made that path
        # from `__file__`. To have it here too costs a link; a copy can cost an hour.
        if link or not item.is_absolute or item.path.is_relative_to(plan.root):
            may_link = link and item.path not in written
            _lay_out_input(item, mirrored(files, item.path), store, link=may_link)
    for listing in plan.listings:
        _lay_out_names(listing, files)
    made = set(plan.folders)
    for path in (*plan.outputs, *plan.folders):
        if made.isdisjoint(path.parents):  # what the run made itself must not be there yet
            mirrored(files, path).parent.mkdir(parents=True, exist_ok=True)
    cwd = mirrored(files, plan.start.cwd)
    cwd.mkdir(parents=True, exist_ok=True)
    environ = {**plan.environ, "TMPDIR": str(temporary)}
    environ |= {name: str(temporary / name.lower()) for name in _WRITTEN_CACHES}
    search = _search_path(plan, files)
    if plan.rebuilt is not None:
        if before is None:
            lay_beside(folder / "beside", plan.rebuilt.recipe)
        search.append(str(folder / "beside"))
    environ["PYTHONPATH"] = os.pathsep.join(search)
    if not environ["PYTHONPATH"]:
        del environ["PYTHONPATH"]
    code = {str(plan.root / entry.path) for entry in plan.tree.entries}
    words = tuple(mirrored_word(word, code, files) for word in plan.words)
    return Layout(folder, cwd, words, environ, temporary)


def _clear(before: Plan, plan: Plan, files: Path) -> None:
    """Take away what this execution found otherwise than the one before, or not at all.

    What that one wrote is its own, and stays; unless somebody changed it before this one began.
    """
    ours, theirs = _contents(plan), _contents(before)
    going = {path for path, name in ours.items() if theirs.get(path) != name}
    going |= {str(before.root / entry.path) for entry in before.tree.entries} - ours.keys()
    going |= set(map(str, before.left_behind)) & ours.keys()
    for path in going - set(map(str, plan.made)):
        place = mirrored(files, path)
        if place.is_symlink() or place.is_file():
            place.unlink()
            # Python knows old bytecode by size and time, which may be the same.
            for compiled in (place.parent / "__pycache__").glob(f"{glob.escape(place.stem)}.*.pyc"):
                compiled.unlink()


def _contents(plan: Plan) -> dict[str, str | int]:
    """What lies where when an execution begins: digests, or times where there are none."""
    found: dict[str, str | int] = {file: name for _, file, name in plan.sources}
    found |= {str(plan.root / entry.path): entry.digest for entry in plan.tree.entries}
    for item in plan.inputs:
        found[str(item.path)] = item.kept or item.digest or item.mtime_ns
    return found


def _without_what_is_there(plan: Plan, root: Path, before: Plan | None) -> TreeRecord:
    """The code, but for what lies there already as it was, or as the replay has made it."""
    if before is None:
        return plan.tree
    return TreeRecord(
        tuple(entry for entry in plan.tree.entries if not os.path.lexists(root / entry.path))
    )


def _lay_out_names(listing: Listing, files: Path) -> None:
    """Have a folder show the names that it showed; what was read of it lies there already."""
    folder = mirrored(files, listing.path)
    folder.mkdir(parents=True, exist_ok=True)
    for name in listing.names:
        place, original = folder / name, listing.path / name
        if os.path.lexists(place):
            continue
        if original.is_dir():
            place.mkdir()  # its own names come with its own listing
        else:
            place.symlink_to(original)


def _search_path(plan: Plan, files: Path) -> list[str]:
    """Recorded import roots inside the project, at their place in the mirror, come first.

    A project that is installed in editable mode would otherwise be imported from the user's
    working tree.
    """
    roots = [*plan.import_roots]
    tops = [plan.root, *_mapped_folders(plan)]
    for module, file, _ in plan.sources:
        if module not in ("", "__main__") and any(map(Path(file).is_relative_to, tops)):
            roots.append(import_root(module, file))
    found = [str(mirrored(files, path)) for path in dict.fromkeys(roots)]
    for folder in _mapped_folders(plan):  # after the roots that are known to be theirs
        place = mirrored(files, folder)
        found += [str(each) for each in (place / "src", place) if each.is_dir()][:1]
    for path in filter(None, plan.environ.get("PYTHONPATH", "").split(os.pathsep)):
        full = Path(path).absolute()
        found.append(str(mirrored(files, full)) if full.is_relative_to(plan.root) else path)
    return list(dict.fromkeys(found))


def _mapped_folders(plan: Plan) -> list[Path]:
    """The projects for which nothing is installed in a rebuilt environment."""
    mapped = plan.rebuilt.recipe.mapped if plan.rebuilt is not None else ()
    return [Path(each.folder) for each in mapped]


def _lay_out_input(item: Input, place: Path, store: Store, *, link: bool) -> None:
    if os.path.lexists(place):
        if not item.written or item.kept is None:
            return
        place.unlink()  # the code's file, which the run read and then overwrote
    if item.kept is not None and store.has(item.kept):
        _write(place, store.read(item.kept))
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if item.stored is not None:
        with open(place, "xb", buffering=0) as stream:
            write_file(store, item.stored.item, stream.fileno())
        return
    original = item.cached or item.path
    if _clone(original, place):
        return
    if link and not item.written:
        place.symlink_to(original.resolve())
    else:
        shutil.copyfile(original, place)


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def _clone(source: Path, place: Path) -> bool:
    """Share the file's blocks, where the file system can; a later write to either is its own."""
    try:
        with open(source, "rb") as theirs, open(place, "xb") as ours:
            if disk.clone(theirs.fileno(), ours.fileno()):
                return True
    except OSError:
        pass
    place.unlink(missing_ok=True)
    return False
