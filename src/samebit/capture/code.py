"""The code of an execution: its files as they lie in the working tree, and their name in git.

The files are what a rebuild uses: the bytes of everything that git tracks or would show as
untracked, those of repositories inside this one included. Beside them git gets a commit of its
own, a child of HEAD made with a copy of the index, so that the user's index, working tree,
branch, stash and hooks are never touched. Equal code on an equal HEAD gives the equal commit.
"""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from samebit import disk, places
from samebit.objects.tree import SourceFile

__all__ = ["Snapshot", "take"]

_MB = 1_000_000
_TRACKED_BYTES = 50 * _MB  # the largest tracked file that is copied
_UNTRACKED_BYTES = 5 * _MB  # the largest untracked one
_UNTRACKED_FILES = 5_000  # all untracked ones together
_UNTRACKED_TOTAL_BYTES = 50 * _MB
_NAMED_FILES = 20  # left out of one folder for one reason; more are only counted
_WALK_FILES = 50_000  # how many are looked at where git cannot say what belongs to the project

# Untracked folders that hold what was installed or generated, never what somebody wrote.
_SKIPPED_NAMES = frozenset(
    {".git", ".samebit", ".venv", "__pycache__", "node_modules", "site-packages", "venv"}
)
_SKIPPED = "a folder of installed or generated files"
_SKIPPED_MARKS = ("pyvenv.cfg", "conda-meta")  # in a virtual environment of any other name

_REFS = {"tag": "refs/tags/samebit/", "hidden": "refs/samebit/"}
_MESSAGE = "Code of a run, taken by samebit"
_NO_DATE = 946_684_800  # stands in for HEAD's date before the first commit

_NO_ROOM = (
    f"beyond {_UNTRACKED_FILES:,} untracked files or {_UNTRACKED_TOTAL_BYTES // _MB} MB of them"
)
_NO_MODE, _LINK_MODE = "000000", "160000"  # git's for a missing file, and for a submodule

_TIMEOUT_S = 30.0
_ARGUMENT_BYTES = 20_000  # Windows takes 32 thousand
_SWITCHES = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "core.splitIndex=false"),  # else shared index files appear in the user's repository
    *("-c", "core.safecrlf=false"),  # a mixed line ending is no reason to have no snapshot
    *("-c", "i18n.commitEncoding=UTF-8"),  # another one would change the commit's name
)
_VARIABLES = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}
# All other GIT_ variables may point at another repository or index, or change what is printed.
_KEPT_VARIABLES = ("GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_CEILING_", "GIT_DISCOVERY_", "GIT_SSL_")


@dataclass(frozen=True)
class Snapshot:
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


@dataclass
class _Listing:
    """What git says about one repository; paths are relative to its top."""

    prefix: str  # where it lies in the outermost one: "" or "vendor/lib/"
    index: Path | None = None  # None where git could not be asked
    head: str | None = None
    branch: str | None = None
    changed: list[str] = field(default_factory=list[str])  # as the snapshot says it
    tracked: list[str] = field(default_factory=list[str])
    stale: list[str] = field(default_factory=list[str])  # their bytes are not those of the index
    gone: list[str] = field(default_factory=list[str])  # in the index, not in the working tree
    links: list[str] = field(default_factory=list[str])  # submodules: commits in the index
    untracked: list[str] = field(default_factory=list[str])
    repositories: list[str] = field(default_factory=list[str])  # submodules and embedded ones
    left_out: dict[str, str] = field(default_factory=dict[str, str])


class _Refused(Exception):
    """Git is missing, will not, or cannot; the text is its own reason."""


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

    commit = name = remote = None
    changed: list[str] = []
    if outer.index is not None:
        changed = [line for each in listings for line in each.changed]
        changed += [f"? {path}" for path in untracked if path in copy.files]
        remote = _read_remote(top)
    if outer.index is not None and ref != "none":
        try:
            commit = _make_commit(top, outer, outer.index, copy)
            name = _point_at(top, commit, _REFS[ref] + run_id)
            copy.notices += _say_what_the_commit_lacks(listings)
        except (_Refused, OSError) as refusal:
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
    # Names that are no UTF-8 carry surrogates, which no record can hold.
    return tuple(os.fsencode(line).decode("utf-8", "backslashreplace") for line in lines)


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
        try:
            path.encode()
        except UnicodeEncodeError:
            return "its name is not UTF-8"
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


def _list_all(top: Path, copy: _Copy) -> list[_Listing]:
    """The repository and, after it, all that lie inside; by walking where git cannot be asked."""
    listings: list[_Listing] = []
    waiting = deque([""])
    while waiting:
        prefix = waiting.popleft()
        try:
            listing = _list(top, prefix)
        except _Refused as refusal:
            listing = _walk(top, prefix)
            copy.notices.append(
                f"{prefix or '.'}: without git's word all files were taken ({refusal})"
            )
        listings.append(listing)
        waiting += [f"{prefix}{path}/" for path in listing.repositories]
    return listings


def _list(top: Path, prefix: str) -> _Listing:
    folder = top / prefix
    here = _git(folder, "rev-parse", "--show-cdup", "--git-path", "index")
    above, _, index = here.partition(b"\n")
    if above:  # a broken .git: git went on upwards and found another repository
        raise _Refused("its .git is not one that git can read")
    listing = _Listing(prefix, index=folder / os.fsdecode(index.removesuffix(b"\n")))
    # A submodule is asked itself later, so that a broken one spoils nothing here.
    status = _git(
        folder,
        *("status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--find-renames"),
        *("--untracked-files=normal", "--ignore-submodules=dirty"),
    )
    shown = _read_status(status, listing)
    gone = set(listing.gone)
    # Of a folder that took the place of a file, git says only that the file is gone.
    shown += [path + "/" for path in listing.gone if _is_folder(folder / path)]
    lines = _fields(_git(folder, "ls-files", "-z", "--stage"))
    modes = {path: mode for mode, _, path in (line.partition("\t") for line in lines)}
    for path, mode in modes.items():
        if not mode.startswith(_LINK_MODE):
            if path not in gone:
                listing.tracked.append(path)
            continue
        listing.links.append(path)
        if (folder / path / ".git").exists():
            listing.repositories.append(path)
    _sort_untracked(folder, shown, listing)
    return listing


_STATUS_FIELDS = {"1": 7, "2": 8, "u": 9}  # how many stand before the path


def _read_status(output: bytes, listing: _Listing) -> list[str]:
    """Read `git status --porcelain=v2 -z --branch`; the untracked paths are returned."""
    untracked: list[str] = []
    prefix = listing.prefix
    lines = iter(_fields(output))
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            if name == "branch.oid" and value != "(initial)":
                listing.head = value
            elif name == "branch.head" and value != "(detached)":
                (listing.branch,) = _as_text([value])
        elif kind == "?":
            untracked.append(rest)
        elif kind in _STATUS_FIELDS:
            *facts, path = rest.split(" ", _STATUS_FIELDS[kind])
            old = next(lines) if kind == "2" else None
            staged, unstaged = facts[0]
            if kind == "u":
                staged = "U"
                unstaged = "D" if facts[5] == _NO_MODE else "M"
            letter = staged if staged != "." else unstaged
            if unstaged == "D":
                listing.gone.append(path)
                listing.changed.append(f"D {prefix}{old or path}")
            else:
                source = f"{prefix}{old} -> " if old else ""
                listing.changed.append(f"{letter} {source}{prefix}{path}")
                if unstaged != ".":
                    listing.stale.append(path)
            if unstaged == "R" and old:
                listing.gone.append(old)
    return untracked


def _sort_untracked(folder: Path, shown: list[str], listing: _Listing) -> None:
    """Tell files, repositories and folders to skip apart; a folder's path ends in a slash."""
    known: dict[str, str | None] = {"": None}

    def skipped_above(path: str) -> str | None:
        parent = path.rpartition("/")[0]
        if parent not in known:
            itself = parent + "/" if _is_skipped(folder / parent) else None
            known[parent] = skipped_above(parent) or itself
        return known[parent]

    def sort(path: str) -> bool:
        """Put a path where it belongs; True for a folder in which git has to look further."""
        if skipped := skipped_above(path):
            listing.left_out[skipped] = _SKIPPED
        elif not path.endswith("/"):
            listing.untracked.append(path)
        elif (folder / path / ".git").exists():
            listing.repositories.append(path.rstrip("/"))
        else:
            return True
        return False

    search = [path for path in shown if sort(path)]
    if not search:
        return
    few = sum(map(len, search)) < _ARGUMENT_BYTES
    ask = ("ls-files", "-z", "--others", "--exclude-standard", "--")
    try:
        found = _fields(_git(folder, *ask, *(search if few else ())))
    except _Refused as refusal:  # a folder of millions of files
        listing.left_out.update(dict.fromkeys(search, str(refusal)))
        return
    already = set(shown)
    for path in found:
        if path not in already:
            sort(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_skipped(folder: Path) -> bool:
    return folder.name in _SKIPPED_NAMES or any((folder / m).exists() for m in _SKIPPED_MARKS)


def _walk(top: Path, prefix: str) -> _Listing:
    """What lies in a folder that git cannot be asked about, the nearest files first."""
    listing = _Listing(prefix)
    folders = deque([""])
    while folders and len(listing.untracked) < _WALK_FILES:
        inside = folders.popleft()
        try:
            with os.scandir(top / prefix / inside) as entries:
                for entry in entries:
                    path = inside + entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        listing.untracked.append(path)
                    elif not _is_skipped(Path(entry.path)):
                        folders.append(path + "/")
                    elif entry.name != ".git":
                        listing.left_out[path + "/"] = _SKIPPED
        except OSError as error:
            listing.left_out[inside or "."] = f"cannot be read ({error.strerror})"
    if folders:
        listing.left_out["."] = f"more than {_WALK_FILES:,} files, the rest was not looked at"
    return listing


def _make_commit(top: Path, outer: _Listing, users_index: Path, copy: _Copy) -> str:
    """Commit what was taken as a child of HEAD, by way of an index of our own."""
    when = str(_NO_DATE)
    if outer.head:
        when = _git(top, "rev-list", "-1", "--timestamp", outer.head).decode().split()[0]
    removed = [*outer.gone, *(path for path in outer.tracked if path in copy.withheld)]
    added = [path for path in outer.stale if path not in copy.withheld]
    added += [path for path in outer.untracked if path in copy.files]
    with tempfile.TemporaryDirectory(prefix="samebit-") as scratch:
        index = os.path.join(scratch, "index")
        variables = {"GIT_INDEX_FILE": index}
        for role in ("AUTHOR", "COMMITTER"):
            variables[f"GIT_{role}_NAME"] = "samebit"
            variables[f"GIT_{role}_EMAIL"] = "samebit@localhost"
            variables[f"GIT_{role}_DATE"] = f"@{when} +0000"
        if users_index.exists():
            # With its time: by it git knows which files were written too close to be trusted.
            shutil.copy2(users_index, index)
        if removed:
            _update_index(top, removed, "--force-remove", variables=variables)
        if added:
            _update_index(top, added, "--add", "--remove", variables=variables)
        # An object that is missing here is missing in HEAD too; looking could mean fetching.
        tree = _git(top, "write-tree", "--missing-ok", variables=variables).decode().strip()
        parent = ("-p", outer.head) if outer.head else ()
        made = _git(top, "commit-tree", tree, *parent, "-m", _MESSAGE, variables=variables)
    return made.decode().strip()


def _update_index(top: Path, paths: list[str], *how: str, variables: Mapping[str, str]) -> None:
    feed = b"".join(os.fsencode(path) + b"\0" for path in paths)
    _git(top, "update-index", *how, "-z", "--stdin", feed=feed, variables=variables)


def _point_at(top: Path, commit: str, name: str) -> str:
    """Make a ref that did not exist; a later execution with other code gets one more."""
    try:
        _git(top, "update-ref", name, commit, "0" * len(commit))
    except _Refused:
        there = _git(top, "for-each-ref", "--format=%(objectname)", name).decode().strip()
        if not there:
            raise
        if there != commit:
            name = f"{name}-{commit[:10]}"
            _git(top, "update-ref", name, commit)
    return name


def _say_what_the_commit_lacks(listings: list[_Listing]) -> Iterator[str]:
    submodules = {f"{each.prefix}{path}/" for each in listings for path in each.links}
    for each in listings[1:]:
        if each.prefix not in submodules:
            yield f"{each.prefix} is a repository of its own: its files are in the store only"
        elif each.changed or each.untracked:
            yield f"{each.prefix} is a submodule with changes: they are in the store only"


def _read_remote(top: Path) -> str | None:
    try:
        url = _git(top, "config", "--default", "", "--get", "remote.origin.url")
    except _Refused:
        return None
    return url.decode("utf-8", "backslashreplace").removesuffix("\n") or None


def _fields(output: bytes) -> list[str]:
    return [os.fsdecode(part) for part in output.split(b"\0") if part]


def _git(
    folder: Path,
    *arguments: str,
    feed: bytes | None = None,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """What git prints, or _Refused with the first thing it complains about."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT_VARIABLES)
    }
    environment |= _VARIABLES
    environment |= variables or {}
    try:
        process = subprocess.Popen(
            ["git", *_SWITCHES, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise _Refused(f"git cannot be started: {error.strerror}") from error
    with process:
        try:
            output, complaint = process.communicate(feed, timeout=_TIMEOUT_S)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _Refused(f"git {arguments[0]} took longer than {_TIMEOUT_S:g} s") from None
            raise
    if process.returncode != 0:
        lines = complaint.decode("utf-8", "backslashreplace").splitlines() or ["no reason given"]
        serious = (line for line in lines if line.startswith(("fatal: ", "error: ")))
        raise _Refused(f"git {arguments[0]}: {next(serious, lines[0]).partition(': ')[2]}")
    return output


def _end(process: subprocess.Popen[bytes]) -> None:
    # A filter of the user's would outlive git and hold the pipes open.
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
