"""The code of an execution: its files as they lie in the working tree, and their name in git.

The files are what a rebuild uses: the bytes of everything that git tracks or would show as
untracked, those of repositories inside this one included. Beside them git gets a commit of its
own, a child of HEAD made with a copy of the index, so that the user's index, working tree,
branch, stash and hooks are never touched. Equal code on an equal HEAD gives the equal commit.
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from samebit import disk, places
from samebit.capture import git
from samebit.objects.tree import SourceFile

__all__ = ["Snapshot", "find_changes", "take"]

_MB = 1_000_000
_TRACKED_BYTES = 50 * _MB  # the largest tracked file that is copied
_UNTRACKED_BYTES = 5 * _MB  # the largest untracked one
_UNTRACKED_FILES = 5_000  # all untracked ones together
_UNTRACKED_TOTAL_BYTES = 50 * _MB
_NAMED_FILES = 20  # left out of one folder for one reason; more are only counted
_WALK_FILES = 50_000  # how many are looked at where git cannot say what belongs to the project

_REFS = {"tag": "refs/tags/samebit/", "hidden": "refs/samebit/"}
_TOO_LARGE = f"larger than {_UNTRACKED_BYTES // _MB} MB"
_NO_ROOM = (
    f"beyond {_UNTRACKED_FILES:,} untracked files or {_UNTRACKED_TOTAL_BYTES // _MB} MB of them"
)


class Snapshot(Struct, frozen=True):
    """The code of an execution; the texts are valid UTF-8 even where a path is not."""

    root: Path  # the top of the working tree; outside a repository the script's folder
    files: tuple[SourceFile, ...]
    head: str | None = None
    branch: str | None = None
    commit: str | None = None
    ref: str | None = None
    remote: str | None = None  # as configured: may hold credentials
    changed: tuple[str, ...] = ()  # "M path", "D path", "R old -> new", "? path"
    left_out: tuple[str, ...] = ()  # "path: reason"
    notices: tuple[str, ...] = ()


def find_changes(start: Path) -> list[str]:
    """What the last commit does not have, as a snapshot says it; `git.Refused` where none can say.

    Repositories inside this one count too; what git is told to ignore does not.
    """
    top = places.git_top_level(start.resolve())
    if top is None:
        raise git.Refused("there is no git repository")
    found: list[str] = []
    waiting = deque([""])
    while waiting:
        prefix = waiting.popleft()
        listing = git.list_files(top, prefix)
        found += listing.changed
        found += [f"? {prefix}{path}" for path in listing.untracked]
        for path in listing.repositories:
            waiting.append(f"{prefix}{path}/")
            if path not in listing.links:
                found.append(f"? {prefix}{path}/")
    return [git.as_text(line) for line in found]


def take(
    start: Path, run_id: str, *, ref: str, script: Path | None, is_secret: Callable[[str], bool]
) -> Snapshot:
    """Take the code of a run; what git refuses becomes a notice, never an error.

    Args:
        start: the folder in which the run starts.
        run_id: names the ref of the commit.
        ref: `tag`, `hidden`, or `none` for no commit at all.
        script: the program; outside a repository it is all that is taken.
        is_secret: says of a path, relative to the root, whether it is named like a secret.
    """
    disk.fault("capture.code")
    start = start.resolve()
    if script is not None:
        script = script.parent.resolve() / script.name
    top = places.git_top_level(start)
    if top is None:
        return _take_script(start, script, is_secret)

    copy = _Copy(top, is_secret)
    listings = _list_all(top, copy)
    outer = listings[0]
    for each in listings:
        for path in each.tracked:
            copy.add(each.prefix + path, tracked=True)
        for path, reason in each.left_out.items():
            copy.leave_out(each.prefix + path, reason)
    untracked = [each.prefix + path for each in listings for path in each.untracked]
    copy.add_untracked(untracked)
    if script is not None and script.is_relative_to(top):
        copy.add_script(script.relative_to(top).as_posix())
    copy.name_secrets()
    copy.count_large()

    commit = name = remote = None
    changed: list[str] = []
    if outer.index is not None:
        changed = [line for each in listings for line in each.changed]
        changed += [f"? {path}" for path in untracked if path in copy.files]
        remote = git.read_remote(top)
    if outer.index is not None and ref != "none":
        try:
            commit = git.make_commit(top, outer, outer.index, copy.withheld, copy.files)
            name = git.point_at(top, commit, _REFS[ref] + run_id)
            copy.notices += _say_what_the_commit_lacks(listings)
        except (git.Refused, OSError) as refusal:
            commit = None
            copy.notices.append(f"no commit was made, the code is in the store only: {refusal}")
    return Snapshot(
        root=top,
        files=copy.sorted_files(),
        head=outer.head,
        branch=outer.branch,
        commit=commit,
        ref=name,
        remote=remote,
        changed=_as_text(changed),
        left_out=_as_text(copy.reasons()),
        notices=_as_text(copy.notices),
    )


def _take_script(start: Path, script: Path | None, is_secret: Callable[[str], bool]) -> Snapshot:
    """Outside a repository nothing says what else belongs to the project."""
    if script is None:
        return Snapshot(start, ())
    script = script.resolve()  # a link alone would run nothing again
    copy = _Copy(script.parent, is_secret)
    copy.add(script.name, tracked=False)
    copy.name_secrets()
    return Snapshot(
        script.parent,
        copy.sorted_files(),
        left_out=_as_text(copy.reasons()),
        notices=_as_text(copy.notices),
    )


def _as_text(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(git.as_text(line) for line in lines)


class _Copy:
    """The files taken so far, and what was left out and why."""

    def __init__(self, top: Path, is_secret: Callable[[str], bool]) -> None:
        self._top = str(top)
        self._is_secret = is_secret
        self._room_bytes = _UNTRACKED_TOTAL_BYTES
        self._left_out: dict[str, str] = {}
        self.files: dict[str, SourceFile] = {}
        self.notices: list[str] = []
        self.secrets: list[str] = []
        self.withheld: set[str] = set()  # tracked, but not for the commit either

    def sorted_files(self) -> tuple[SourceFile, ...]:
        return tuple(self.files[path] for path in sorted(self.files))

    def leave_out(self, path: str, reason: str) -> None:
        self._left_out[path] = reason

    def add(self, path: str, *, tracked: bool) -> None:
        """Take one file as it lies there, or say why not; one that is not there is no matter."""
        if self._is_secret(path):
            self.secrets.append(path)
            self.withheld.add(path)
            self.leave_out(path, "looks like a secret" + (" that git tracks" if tracked else ""))
            return
        full = os.path.join(self._top, path)
        try:
            found = os.lstat(full)
            reason = self._reason_against(path, found, tracked)
            if reason is not None:
                self.leave_out(path, reason)
            elif stat.S_ISLNK(found.st_mode):
                self.files[path] = SourceFile(path, "link", os.fsencode(os.readlink(full)))
            else:
                with open(full, "rb", buffering=0) as stream:
                    content = stream.readall()
                kind = "exec" if found.st_mode & stat.S_IXUSR else "file"
                self.files[path] = SourceFile(path, kind, content)
        except (FileNotFoundError, NotADirectoryError):
            return  # outside a sparse checkout, or gone since git listed it
        except OSError as error:
            self.withheld.add(path)
            self.leave_out(path, f"cannot be read ({error.strerror})")
        if path in self.files and not tracked:
            self._room_bytes -= len(self.files[path].content)

    def _reason_against(self, path: str, found: os.stat_result, tracked: bool) -> str | None:
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            return "neither a file nor a link"
        most_bytes = _TRACKED_BYTES if tracked else _UNTRACKED_BYTES
        if found.st_size > most_bytes:
            return f"larger than {most_bytes // _MB} MB"
        if not tracked and found.st_size > self._room_bytes:
            return _NO_ROOM
        return None

    def add_untracked(self, paths: list[str]) -> None:
        """Take untracked files while there is room, programs first, then what lies highest."""
        ordered = sorted(paths, key=lambda path: (not path.endswith(".py"), path.count("/"), path))
        for path in ordered[:_UNTRACKED_FILES]:
            self.add(path, tracked=False)
        for path in ordered[_UNTRACKED_FILES:]:
            self.leave_out(path, _NO_ROOM)

    def add_script(self, path: str) -> None:
        """Take the program even where git is told to ignore it: without it nothing runs again."""
        if path in self.files or path in self._left_out:
            return
        self.add(path, tracked=False)
        if path in self.files:
            self.notices.append(f"{path} is none of git's files: only the store has it")

    def name_secrets(self) -> None:
        """Say once which files look like secrets; a few are named, all stand in the reasons."""
        if self.secrets:
            more = len(self.secrets) - 5
            names = ", ".join(self.secrets[:5]) + (f" and {more} more" if more > 0 else "")
            self.notices.append(f"left out, because they look like secrets: {names}")

    def count_large(self) -> None:
        """Say once how many untracked files were too large or too many."""
        large = [path for path, why in self._left_out.items() if why in (_NO_ROOM, _TOO_LARGE)]
        if large:
            files = (
                "1 untracked file was" if len(large) == 1 else f"{len(large)} untracked files were"
            )
            self.notices.append(f"{files} left out: {_TOO_LARGE}, or {_NO_ROOM}")

    def reasons(self) -> Iterator[str]:
        """What was left out: each file by name, or many in one folder as their number."""
        groups: dict[tuple[str, str], list[str]] = {}
        for path, reason in self._left_out.items():
            folder = path.rstrip("/").rpartition("/")[0]
            groups.setdefault((folder, reason), []).append(path)
        for (folder, reason), paths in sorted(groups.items()):
            if len(paths) > _NAMED_FILES:
                yield f"{folder or '.'}/ ({len(paths)} files): {reason}"
            else:
                yield from (f"{path}: {reason}" for path in sorted(paths))


def _list_all(top: Path, copy: _Copy) -> list[git.Listing]:
    """The repository and, after it, all that lie inside; by walking where git cannot be asked."""
    listings: list[git.Listing] = []
    waiting = deque([""])
    while waiting:
        prefix = waiting.popleft()
        try:
            listing = git.list_files(top, prefix)
        except git.Refused as refusal:
            listing = _walk(top, prefix)
            copy.notices.append(
                f"{prefix or '.'}: without git's word all files were taken ({refusal})"
            )
        listings.append(listing)
        waiting += [f"{prefix}{path}/" for path in listing.repositories]
    return listings


def _walk(top: Path, prefix: str) -> git.Listing:
    """What lies in a folder that git cannot be asked about, the nearest files first."""
    listing = git.Listing(prefix)
    folders = deque([""])
    while folders and len(listing.untracked) < _WALK_FILES:
        inside = folders.popleft()
        try:
            with os.scandir(top / prefix / inside) as entries:
                for entry in entries:
                    path = inside + entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        listing.untracked.append(path)
                    elif not git.is_skipped(Path(entry.path)):
                        folders.append(path + "/")
                    elif entry.name not in (".git", places.STORE_NAME):
                        listing.left_out[path + "/"] = git.SKIPPED
        except OSError as error:
            listing.left_out[inside or "."] = f"cannot be read ({error.strerror})"
    if folders:
        listing.left_out["."] = f"more than {_WALK_FILES:,} files, the rest was not looked at"
    return listing


def _say_what_the_commit_lacks(listings: list[git.Listing]) -> Iterator[str]:
    submodules = {f"{each.prefix}{path}/" for each in listings for path in each.links}
    for each in listings[1:]:
        if each.prefix not in submodules:
            yield f"{each.prefix} is a repository of its own: its files are in the store only"
        elif each.changed or each.untracked:
            yield f"{each.prefix} is a submodule with changes: they are in the store only"
