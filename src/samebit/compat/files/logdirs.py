"""Folders of event files, as TensorBoard takes them: each that has some is a run.

Two kinds of folders are no runs of their own: what `add_hparams` makes for the settings of its
writer, and what `add_scalars` makes for each line of a plot. They belong to the run above them.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from samebit.compat.files.episodes import Episodes, in_ns
from samebit.compat.files.eventfile import EventFile, first_tags
from samebit.compat.files.events import Hparams
from samebit.compat.foreign import Execution, ForeignRun, Found
from samebit.digest import canonical_json, of_bytes
from samebit.errors import NotFound, UsageError

__all__ = ["Logdir"]

_MARK = "tfevents"
_EXPERIMENT = "_hparams_/experiment"
_SETTINGS = "\0"  # in place of a line's name
_HOST = re.compile(r"tfevents\.\d+\.(.+)$")
_NUMBERS_BEHIND = re.compile(r"(\.\d+){1,2}$")


class Logdir:
    """One folder, with all that lie in it; or one event file.

    Args:
        path: of it.

    Raises:
        UsageError: NumPy is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import numpy  # noqa: PLC0415  (a lazy door)
        except ImportError as error:
            raise UsageError("event files are read with NumPy", hint="pip install numpy") from error
        self._numpy: Any = numpy
        self._path = path
        self._files: dict[Path, EventFile] = {}
        self._sizes: dict[Path, int] = {}
        self._kinds: dict[Path, str] = {}

    def find(self) -> Sequence[Found]:
        """The runs that lie there, of those that have grown since they were last found."""
        folders = self._folders()
        if not folders:
            raise NotFound("no event file lies there", path=self._path.absolute())
        found: list[Found] = []
        for top, inside in self._together(folders).items():
            files = [path for folder in (top, *inside) for path in folders[folder]]
            sizes = {path: _size(path) for path in files}
            new = sum(size - self._read_bytes(path) for path, size in sizes.items())
            if sizes != {path: self._sizes.get(path) for path in files}:
                self._sizes |= sizes
                read = functools.partial(
                    self._read, top, folders[top], {f: folders[f] for f in inside}
                )
                found.append(Found(str(top), max(new, 0), read))
        return found

    def _folders(self) -> dict[Path, list[Path]]:
        """Each folder that has event files, and these in order."""
        if self._path.is_file():
            return {self._path.parent: [self._path]}
        found: dict[Path, list[Path]] = {}
        for folder, _, names in os.walk(self._path):
            paths = [Path(folder, name) for name in sorted(names) if _MARK in name]
            if mine := [path for path in paths if path.is_file()]:  # a pipe would be waited for
                found[Path(folder)] = mine
        return dict(sorted(found.items()))

    # Which folders are one run

    def _together(self, folders: dict[Path, list[Path]]) -> dict[Path, dict[Path, str]]:
        """The folders that are runs, each with those inside it that belong to it, and as what."""
        found: dict[Path, dict[Path, str]] = {}
        settings: dict[Path, list[Path]] = {}
        for folder, files in folders.items():
            above = next((one for one in folder.parents if one in folders), None)
            kind = self._kind(folder, above, files) if above in found else ""
            if above is None or not kind:
                found[folder] = {}
            elif kind == _SETTINGS:
                settings.setdefault(above, []).append(folder)
            else:
                found[above][folder] = kind
        for above, inside in settings.items():
            if len(inside) == 1:
                found[above][inside[0]] = _SETTINGS
            else:  # a search in one script: each is a run
                found |= {folder: {} for folder in inside}
        return found

    def _kind(self, folder: Path, above: Path | None, files: Sequence[Path]) -> str:
        if folder not in self._kinds and above is not None:
            kind = self._look(folder, above, files[0])
            if kind is None:
                return ""  # there is too little yet to say
            self._kinds[folder] = kind
        return self._kinds.get(folder, "")

    def _look(self, folder: Path, above: Path, file: Path) -> str | None:
        """Settings, the name of a line, empty for a run of its own; None: nothing is in it yet."""
        tags = first_tags(file, self._numpy)
        if not tags:
            return None
        if _EXPERIMENT in tags and folder.parent == above:
            return _SETTINGS
        inside = folder.relative_to(above).as_posix()
        for tag in tags:
            flat = tag.replace("/", "_") + "_"
            if folder.parent == above and folder.name.startswith(flat):
                return f"{tag}/{folder.name.removeprefix(flat)}"
            if inside.startswith(tag + "/"):
                return inside
        return ""

    # Reading one

    def _read_bytes(self, path: Path) -> int:
        return self._files[path].read_bytes if path in self._files else 0

    def _file(self, path: Path, told: Callable[[int], object]) -> EventFile:
        file = self._files.setdefault(path, EventFile(path, self._numpy))
        file.read(told)
        return file

    def _read(
        self,
        top: Path,
        paths: Sequence[Path],
        inside: dict[Path, list[Path]],
        told: Callable[[int], object],
    ) -> ForeignRun | None:
        mine = [self._file(path, told) for path in paths]
        others = [(f, self._file(path, told)) for f, within in inside.items() for path in within]
        every = [*mine, *(file for _, file in others)]
        first = next((file for file in mine if file.first_wall_time is not None), None)
        if first is None:
            return None
        episodes = Episodes(mine, self._numpy)
        for folder, file in others:
            line = self._kinds[folder].removeprefix(_SETTINGS)
            episodes.take_inside(file, line, folder.relative_to(top).as_posix())
        executions = episodes.executions()
        hparams = _merged([file.hparams for file in every])
        problems = _problems(top, every)
        is_empty = not any(one.series or one.things for one in executions)
        if is_empty and not hparams.is_there and not problems:
            return None
        read = [(str(file.path.relative_to(top)), file.read_bytes, file.name) for file in every]
        name = os.path.relpath(top, self._path if self._path.is_dir() else top)
        return ForeignRun(
            tool="tensorboard",
            id=f"{first.path.name}@{(first.first_wall_time or 0.0).hex()}",
            where=str(top.absolute()),
            executions=self._ended(executions, hparams),
            version=next((file.writer for file in every if file.writer), ""),
            name=top.absolute().name if name == "." else Path(name).as_posix(),
            group=hparams.group or None,
            status=hparams.status,
            config=hparams.config if hparams.is_there else None,
            said=_said(top, every, hparams),
            problems=problems,
            digest=of_bytes(canonical_json(read)),
        )

    def _ended(self, executions: list[Execution], hparams: Hparams) -> list[Execution]:
        """With what the settings say of the beginning of the first, and of the end of the last."""
        if hparams.started_s:
            executions[0] = replace(executions[0], started_ns=self._in_ns(hparams.started_s))
        if hparams.ended_s:
            executions[-1] = replace(executions[-1], ended_ns=self._in_ns(hparams.ended_s))
        return executions

    def _in_ns(self, seconds: float) -> int:
        return int(in_ns(self._numpy.array([seconds]), self._numpy)[0])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _merged(every: Iterable[Hparams]) -> Hparams:
    """What all files say; the later one counts."""
    whole = Hparams()
    for one in every:
        if one.is_there:
            whole = Hparams(
                {**whole.config, **one.config},
                {**whole.said, **one.said},
                one.group or whole.group,
                one.started_s or whole.started_s,
                one.status or whole.status,
                one.ended_s or whole.ended_s,
                is_there=True,
            )
    return whole


def _said(top: Path, every: Sequence[EventFile], hparams: Hparams) -> dict[str, Any]:
    hosts = dict.fromkeys(filter(None, (_host(file.path.name) for file in every)))
    unread = {str(f.path.relative_to(top)): f.unread_bytes() for f in every if f.unread_bytes()}
    said: dict[str, Any] = {**hparams.said, "files": len(every)}
    if hosts:
        said["host"] = ", ".join(hosts)
    return {**said, "unread_bytes": unread} if unread else said


def _host(name: str) -> str:
    """The host that a file's name tells: `events.out.tfevents.<time>.<host>[.<pid>.<number>]`."""
    found = _HOST.search(name)
    return _NUMBERS_BEHIND.sub("", found[1]) if found else ""


def _problems(top: Path, every: Sequence[EventFile]) -> list[tuple[str, str]]:
    found = [
        (str(file.path.relative_to(top)), trouble) for file in every for trouble in file.troubles
    ]
    others = dict.fromkeys(one for file in every for one in file.others)
    return [*found, *((one, "is in the event files, and has no place here") for one in others)]
