"""The DVC files of a project: those that lie there now, and those of a revision in git."""

import os
from collections.abc import Iterator
from pathlib import Path

from samebit import places
from samebit.capture import git
from samebit.data.dvc import outs, text
from samebit.data.dvc.outs import Outs
from samebit.errors import NotFound

__all__ = ["at_revision", "of_now", "read_file", "revisions"]


def of_now(top: Path) -> Outs:
    """What DVC keeps in a project as it lies there; not in projects inside of it."""
    files: dict[str, bytes] = {}
    tracked: set[str] = set()
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        folders: list[str] = []
        here: dict[str, bytes] = {}
        for entry in _names(top / prefix):
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif outs.is_read(path) and (data := _content(Path(entry.path))) is not None:
                here[path] = data
        files |= here
        tracked |= {one.path for one in outs.read(here).outs}
        for path in folders:
            is_theirs = path.rpartition("/")[2] == ".dvc" or (top / path / ".dvc").is_dir()
            if path not in tracked and not is_theirs and not git.is_skipped(top / path):
                waiting.append(path + "/")
    return outs.read(files)


def _names(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as scan:
            return sorted(scan, key=lambda entry: entry.name)
    except OSError:
        return []


def _content(path: Path) -> bytes | None:
    """The bytes of a file; one that is too large is cut where that is seen."""
    try:
        if not path.is_file():
            return None
        with open(path, "rb") as file:
            return file.read(text.MOST_BYTES + 1)
    except OSError:
        return None


def read_file(top: Path, file: Path) -> Outs:
    """What one DVC file of a project names; nothing where it is not there."""
    found: dict[str, bytes] = {}
    for place in (file, file.with_name(outs.PIPELINE)) if file.is_file() else ():
        if (data := _content(place)) is not None:
            found[place.relative_to(top).as_posix()] = data
    return outs.read(found)


def revisions(top: Path, named: list[str], *, every: bool) -> list[str]:
    """The commits that revisions mean, oldest first; with `every` all that changed a DVC file."""
    folder = places.git_top_level(top)
    try:
        if folder is None:
            raise git.Refused("there is no git repository")
        if every:
            return git.commits_of(folder, ("*.dvc", outs.LOCK))
        return git.by_date(folder, [_commit(folder, one) for one in named])
    except git.Refused as refusal:
        raise NotFound(f"the revisions cannot be read: {refusal}", path=top) from refusal


def _commit(folder: Path, revision: str) -> str:
    try:
        return git.resolve(folder, revision)
    except git.Refused as refusal:
        raise NotFound(f"git knows no revision {revision!r}", path=folder) from refusal


def at_revision(top: Path, commit: str) -> Outs:
    """What DVC kept in a project at a commit."""
    folder = places.git_top_level(top)
    if folder is None:
        raise NotFound("there is no git repository", path=top)
    prefix = "" if top == folder else top.relative_to(folder).as_posix() + "/"
    try:
        named = git.list_blobs(folder, commit)
        inner = {prefix + path for path in _projects(named, prefix)}
        wanted = {
            path.removeprefix(prefix): name
            for path, name in named.items()
            if path.startswith(prefix)
            and outs.is_read(path.removeprefix(prefix))
            and not any(path.startswith(one + "/") for one in inner)
        }
        contents = git.read_blobs(folder, list(wanted.values()), text.MOST_BYTES)
    except git.Refused as refusal:
        raise NotFound(f"git does not have {commit[:12]}: {refusal}", path=top) from refusal
    return outs.read({path: contents[name] for path, name in wanted.items() if name in contents})


def _projects(named: dict[str, str], prefix: str) -> Iterator[str]:
    """The folders below `prefix` that are DVC projects of their own."""
    for path in named:
        if path.startswith(prefix) and path.endswith("/.dvc/config"):
            yield path.removeprefix(prefix).removesuffix("/.dvc/config")
