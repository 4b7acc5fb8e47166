"""Laying out a run's code and data in a folder of its own, at the places they had.

The folder mirrors absolute paths (`<replay>/fs/<absolute path>`), so that `..` stays inside. The
user's own files are read, never written: copied where the run wrote them, otherwise shared blocks
(reflink) or a link.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from samebit.capture.sources import import_root
from samebit.objects.store import Store
from samebit.objects.tree import lay_out
from samebit.replay.plan import Input, Plan

__all__ = ["Layout", "lay_out_run"]

_FICLONE = 0x40049409  # linux/fs.h


@dataclass(frozen=True)
class Layout:
    """Where a replay runs."""

    folder: Path
    cwd: Path
    words: tuple[str, ...]
    environ: dict[str, str]

    @property
    def files(self) -> Path:
        """The folder that mirrors the file system."""
        return self.folder / "fs"

    def original(self, path: str) -> str:
        """The place that a path inside the mirror stands for."""
        return path.removeprefix(str(self.files)) if path.startswith(str(self.files)) else path


def lay_out_run(plan: Plan, folder: Path, *, link: bool) -> Layout:
    """Put code and data where a replay finds them.

    Args:
        plan: without blockers.
        folder: empty; everything goes below it.
        link: whether a file that is only read may be a link to the user's own; without it
            (nothing holds back writes through a link) it is copied.
    """
    files = folder / "fs"
    store = Store(plan.view.folder.store)
    root = _mirrored(files, plan.root)
    root.mkdir(parents=True)
    lay_out(store, plan.tree, root)
    for _, file, name in plan.sources:
        if Path(file).is_relative_to(plan.root) and not os.path.lexists(_mirrored(files, file)):
            _write(_mirrored(files, file), store.read(name))
    for item in plan.inputs:
        if item.path.is_relative_to(plan.root) or not _is_absolute_use(item, plan):
            _lay_out_input(item, _mirrored(files, item.path), store, link=link)
    for path in plan.outputs:
        if path.is_relative_to(plan.root):
            _mirrored(files, path).parent.mkdir(parents=True, exist_ok=True)
    cwd = _mirrored(files, plan.start.cwd)
    cwd.mkdir(parents=True, exist_ok=True)
    temporary = folder / "tmp"
    temporary.mkdir()
    environ = dict(plan.environ)
    environ.update(TMPDIR=str(temporary), MPLCONFIGDIR=str(temporary / "matplotlib"))
    environ["PYTHONPATH"] = os.pathsep.join(_search_path(plan, files))
    if not environ["PYTHONPATH"]:
        del environ["PYTHONPATH"]
    words = list(plan.start.argv)
    if plan.start.how in ("script", "init") and Path(words[0]).is_absolute():
        words[0] = str(_mirrored(files, words[0]))
    return Layout(folder, cwd, tuple(words), environ)


def _is_absolute_use(item: Input, plan: Plan) -> bool:
    """Whether the run named the file by its absolute path, which still leads to it."""
    given = {f["path"]: f.get("given") for f in plan.view.all_facts("file")}
    return given.get(str(item.path)) == "absolute"


def _search_path(plan: Plan, files: Path) -> list[str]:
    """Recorded import roots inside the project, at their place in the mirror, come first.

    A project that is installed in editable mode would otherwise be imported from the user's
    working tree.
    """
    roots = [*plan.import_roots]
    for module, file, _ in plan.sources:
        if module != "__main__" and Path(file).is_relative_to(plan.root):
            roots.append(import_root(module, file))
    found = [str(_mirrored(files, path)) for path in dict.fromkeys(roots)]
    for path in filter(None, plan.environ.get("PYTHONPATH", "").split(os.pathsep)):
        full = Path(path).absolute()
        found.append(str(_mirrored(files, full)) if full.is_relative_to(plan.root) else path)
    return list(dict.fromkeys(found))


def _mirrored(files: Path, path: Path | str) -> Path:
    absolute = Path(path)
    return files / absolute.relative_to(absolute.anchor)


def _lay_out_input(item: Input, place: Path, store: Store, *, link: bool) -> None:
    if os.path.lexists(place):
        if not item.written or item.kept is None:
            return
        place.unlink()  # the code's file, which the run read and then overwrote
    if item.kept is not None and store.has(item.kept):
        _write(place, store.read(item.kept))
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if _clone(item.path, place):
        return
    if link and not item.written:
        place.symlink_to(item.path.resolve())
    else:
        shutil.copyfile(item.path, place)


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def _clone(source: Path, place: Path) -> bool:
    """Share the file's blocks, where the file system can; a later write to either is its own."""
    if os.name == "nt":
        return False
    import fcntl  # noqa: PLC0415  (not on Windows)

    try:
        with open(source, "rb") as theirs, open(place, "xb") as ours:
            fcntl.ioctl(ours.fileno(), _FICLONE, theirs.fileno())
    except OSError:
        place.unlink(missing_ok=True)
        return False
    return True
