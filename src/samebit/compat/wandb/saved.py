"""`wandb.save` and the run's folder: copies of files, each a version of data of its name."""

import glob
import os
from pathlib import Path
from typing import Any

from samebit.compat.wandb import kept
from samebit.compat.wandb.kept import Content
from samebit.compat.wandb.recorded import Recorded
from samebit.compat.wandb.saying import hint, lacks
from samebit.errors import SamebitError
from samebit.objects.store import Store

__all__ = ["Saved", "make_folder", "restore"]

_POLICIES = ("live", "end", "now")
_ELSEWHERE = ("s3://", "gs://")

_Look = tuple[int, int, int]


def make_folder(below: str, id: str) -> str:
    """The folder of a run, as wandb has one; what git and our copy of the code pass over."""
    top = Path(below) / "wandb"
    folder = top / f"run-{id}" / "files"
    folder.mkdir(parents=True, exist_ok=True)
    ignore = top / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return str(folder.absolute())


class Saved:
    """The files that one run saves.

    Args:
        recorded: the run; one that is a replay, or is not recorded, keeps none.
    """

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._again: dict[str, str] = {}  # to be looked at when it ends: names, by path
        self._looks: dict[str, _Look | None] = {}  # what they were when they were kept

    def save(
        self, pattern: Any, base_path: Any, policy: str, folder: str | None = None
    ) -> list[str]:
        """As `Run.save`; names of what lies in the run's folder begin there."""
        if policy not in _POLICIES:
            raise ValueError('Only "live", "end" and "now" policies are currently supported.')
        text = os.fsdecode(pattern)
        if text.startswith(_ELSEWHERE):
            hint(f"{text.partition('://')[0]}:// lies elsewhere already, and is passed over")
            return []
        if base_path is None and folder is not None and Path(text).is_relative_to(folder):
            base_path = folder
        base = _base(text, base_path)
        found = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else [text]
        paths: list[str] = []
        for one in found:
            path = os.path.abspath(one)
            if os.path.isdir(path) and not glob.has_magic(text):
                raise IsADirectoryError(21, "Is a directory", path)
            name = os.path.relpath(path, base)
            if policy != "now":
                self._again[path] = name
            if os.path.isfile(path):
                if policy != "end":
                    self._keep(path, name)
                paths.append(path)
        if not paths:
            hint(f"save({text!r}) finds no file now")
        return paths

    def finish(self, folder: str | None) -> None:
        """Keep what has changed since, and what lies in the run's folder."""
        for place, _, names in os.walk(folder) if folder is not None else ():
            for name in names:
                path = os.path.join(place, name)
                self._again.setdefault(path, os.path.relpath(path, folder))
        for path, name in self._again.items():
            if os.path.isfile(path) and _look(path) != self._looks.get(path):
                self._keep(path, name)
        self._again.clear()

    def _keep(self, path: str, name: str) -> None:
        """Never raises: a file that is not kept is said."""
        recorded = self._recorded
        if recorded.is_replay or recorded.path is None:
            return
        try:
            self._looks[path] = _look(path)
            content = Content(Store(recorded.path.parent.parent))
            content.add({"": path})
            origin = {"call": "save", "run": recorded.id, "file": name}
            called = kept.data_name(os.path.basename(name))
            record = content.name(called, root=Path(path), message="", origin=origin)
        except (SamebitError, OSError) as error:
            said = error.what if isinstance(error, SamebitError) else str(error)
            lacks(f"save of {name}", f"not kept: {said}")
            return
        recorded.used(
            {
                "how": "saved",
                "name": record.name,
                "file": name,
                "fingerprint": record.fingerprint,
                "manifest": record.manifest,
            }
        )


def _look(path: str) -> _Look | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _base(text: str, base_path: Any) -> str:
    """The folder from which on names count: wandb's rules for relative and absolute paths."""
    if base_path is not None:
        base = os.path.abspath(os.fsdecode(base_path))
        first = os.path.abspath(text)
        if os.path.commonpath([base, first]) != base:
            raise ValueError("Glob may not walk above the base path")
        return base
    if os.path.isabs(text):
        above = os.path.abspath(".")
        first = os.path.abspath(text)
        return above if os.path.commonpath([above, first]) == above else os.path.dirname(first)
    return os.path.abspath(".") if not text.startswith("..") else os.path.dirname(text) or "."


def restore(id: str, name: str, run_path: str | None, *, replace: bool, root: str) -> Any:
    """As `Run.restore`."""
    from samebit.compat.wandb.reading import Api  # noqa: PLC0415  (it reads runs)

    run = Api().run(run_path or id)
    place = Path(root) / name
    if place.exists() and not replace:
        return open(place, encoding="utf-8", errors="surrogateescape")
    return run.file(name).download(root=root, replace=True)
