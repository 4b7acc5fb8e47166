"""Asking git about a working tree, and making a commit of it that touches nothing of the user's.

The commit is made with a copy of the index and is a child of HEAD; the user's index, working tree,
branch, stash and hooks stay as they are. Whatever git will not do is `Refused`.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct, field

__all__ = [
    "SKIPPED",
    "Listing",
    "Refused",
    "as_text",
    "blobs_of",
    "head_of",
    "is_clean",
    "is_skipped",
    "list_files",
    "log_of",
    "make_commit",
    "point_at",
    "read_author",
    "read_remote",
]

# Untracked folders that hold what was installed or generated, never what somebody wrote.
_SKIPPED_NAMES = frozenset(
    {".git", ".samebit", ".venv", "__pycache__", "node_modules", "site-packages", "venv"}
)
SKIPPED = "a folder of installed or generated files"
_SKIPPED_MARKS = ("pyvenv.cfg", "conda-meta")  # in a virtual environment of any other name

_MESSAGE = "Code of a run, taken by samebit"
_NO_DATE = 946_684_800  # stands in for HEAD's date before the first commit

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


def as_text(line: str) -> str:
    """A text that a record can hold: names that are no UTF-8 carry surrogates."""
    return os.fsencode(line).decode("utf-8", "backslashreplace")


class Listing(Struct):
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


class Refused(Exception):
    """Git is missing, will not, or cannot; the text is its own reason."""


def list_files(top: Path, prefix: str) -> Listing:
    """What git says about the repository at `top/prefix`; Refused where it says nothing."""
    folder = top / prefix
    here = _git(folder, "rev-parse", "--show-cdup", "--git-path", "index")
    above, _, index = here.partition(b"\n")
    if above:  # a broken .git: git went on upwards and found another repository
        raise Refused("its .git is not one that git can read")
    listing = Listing(prefix, index=folder / os.fsdecode(index.removesuffix(b"\n")))
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


def _read_status(output: bytes, listing: Listing) -> list[str]:
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
                listing.branch = as_text(value)
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


def _sort_untracked(folder: Path, shown: list[str], listing: Listing) -> None:
    """Tell files, repositories and folders to skip apart; a folder's path ends in a slash."""
    known: dict[str, str | None] = {"": None}

    def skipped_above(path: str) -> str | None:
        parent = path.rpartition("/")[0]
        if parent not in known:
            itself = parent + "/" if is_skipped(folder / parent) else None
            known[parent] = skipped_above(parent) or itself
        return known[parent]

    def sort(path: str) -> bool:
        """Put a path where it belongs; True for a folder in which git has to look further."""
        if skipped := skipped_above(path):
            listing.left_out[skipped] = SKIPPED
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
    except Refused as refusal:  # a folder of millions of files
        listing.left_out.update(dict.fromkeys(search, str(refusal)))
        return
    already = set(shown)
    for path in found:
        if path not in already:
            sort(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def is_skipped(folder: Path) -> bool:
    """Whether a folder holds what was installed or generated."""
    return folder.name in _SKIPPED_NAMES or any((folder / m).exists() for m in _SKIPPED_MARKS)


def make_commit(
    top: Path, outer: Listing, users_index: Path, withheld: Collection[str], taken: Collection[str]
) -> str:
    """Commit what was taken as a child of HEAD, by way of an index of our own."""
    when = str(_NO_DATE)
    if outer.head:
        when = _git(top, "rev-list", "-1", "--timestamp", outer.head).decode().split()[0]
    removed = [*outer.gone, *(path for path in outer.tracked if path in withheld)]
    added = [path for path in outer.stale if path not in withheld]
    added += [path for path in outer.untracked if path in taken]
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


def point_at(top: Path, commit: str, name: str) -> str:
    """Make a ref that did not exist; a later execution with other code gets one more."""
    try:
        _git(top, "update-ref", name, commit, "0" * len(commit))
    except Refused:
        there = _git(top, "for-each-ref", "--format=%(objectname)", name).decode().strip()
        if not there:
            raise
        if there != commit:
            name = f"{name}-{commit[:10]}"
            _git(top, "update-ref", name, commit)
    return name


def read_remote(top: Path) -> str | None:
    """The address of `origin` as configured, credentials and all."""
    try:
        url = _git(top, "config", "--default", "", "--get", "remote.origin.url")
    except Refused:
        return None
    return url.decode("utf-8", "backslashreplace").removesuffix("\n") or None


def read_author(top: Path) -> list[str]:
    """The name and the address under which commits are made there, as far as they are set."""
    found: list[str] = []
    for what in ("user.name", "user.email"):
        try:
            said = _git(top, "config", "--default", "", "--get", what)
        except Refused:
            continue
        found += [said.decode("utf-8", "backslashreplace").strip()]
    return [one for one in found if one]


def _fields(output: bytes) -> list[str]:
    return [os.fsdecode(part) for part in output.split(b"\0") if part]


def _git(
    folder: Path,
    *arguments: str,
    feed: bytes | None = None,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """What git prints, or Refused with the first thing it complains about."""
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
        raise Refused(f"git cannot be started: {error.strerror}") from error
    with process:
        try:
            output, complaint = process.communicate(feed, timeout=_TIMEOUT_S)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Refused(f"git {arguments[0]} took longer than {_TIMEOUT_S:g} s") from None
            raise
    if process.returncode != 0:
        lines = complaint.decode("utf-8", "backslashreplace").splitlines() or ["no reason given"]
        serious = (line for line in lines if line.startswith(("fatal: ", "error: ")))
        raise Refused(f"git {arguments[0]}: {next(serious, lines[0]).partition(': ')[2]}")
    return output


def _end(process: subprocess.Popen[bytes]) -> None:
    # A filter of the user's would outlive git and hold the pipes open.
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def resolve(top: Path, revision: str) -> str:
    """The commit that a revision means."""
    if revision.startswith("-"):
        raise Refused(f"{revision!r} is no revision")
    found = _git(
        top, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"
    )
    return found.decode().strip()


def commits_of(top: Path, paths: Collection[str]) -> list[str]:
    """The commits of all branches and tags that changed files of these patterns, oldest first."""
    patterns = [f":(glob)**/{path}" for path in paths]
    order = ("--reverse", "--date-order", "--branches", "--tags", "HEAD")
    found = _git(top, "rev-list", *order, "--", *patterns, variables={"GIT_LITERAL_PATHSPECS": "0"})
    return found.decode().split()


def by_date(top: Path, commits: Collection[str]) -> list[str]:
    """Some commits, oldest first."""
    if not commits:
        return []
    found = _git(top, "rev-list", "--no-walk=sorted", "--reverse", *dict.fromkeys(commits))
    return found.decode().split()


def list_blobs(top: Path, commit: str) -> dict[str, str]:
    """The files of a commit by path, each with git's name of its content."""
    lines = _fields(_git(top, "ls-tree", "-r", "-z", "--full-tree", commit))
    found: dict[str, str] = {}
    for line in lines:
        said, _, path = line.partition("\t")
        mode, kind, name = said.split(" ")
        if kind == "blob" and mode.startswith("100"):
            found[path] = name
    return found


def read_blobs(top: Path, names: Collection[str], most_bytes: int) -> dict[str, bytes]:
    """The bytes of some of git's objects by name; what is larger, or not here, is left out."""
    wanted = list(dict.fromkeys(names))
    feed = "".join(name + "\n" for name in wanted).encode()
    sizes = _git(top, "cat-file", "--batch-check", feed=feed).decode().splitlines()
    small = [
        said.split(" ")[0]
        for said in sizes
        if said.split(" ")[1] == "blob" and int(said.split(" ")[2]) <= most_bytes
    ]
    output = _git(top, "cat-file", "--batch", feed="".join(n + "\n" for n in small).encode())
    found: dict[str, bytes] = {}
    at = 0
    for name in small:
        begin = output.index(b"\n", at) + 1
        size_bytes = int(output[at:begin].split()[2])
        found[name] = output[begin : begin + size_bytes]
        at = begin + size_bytes + 1
    return found


def head_of(top: Path) -> tuple[str, int] | None:
    """The commit that is checked out and its time in seconds; None before the first one."""
    try:
        commit, _, time_s = (
            _git(top, "log", "-1", "--format=%H %ct").decode().strip().partition(" ")
        )
    except Refused:
        return None
    return commit, int(time_s)


def is_clean(folder: Path) -> bool:
    """Whether all below a folder is as it is committed, but for what is ignored."""
    return not _git(folder, "status", "--porcelain", "-z", "--untracked-files=all", "--", ".")


def log_of(folder: Path, paths: Collection[str]) -> list[tuple[str, int, str]]:
    """Commits that changed files below a folder: name, time in seconds, subject; newest first."""
    found = _git(folder, "log", "-z", "--format=%H %ct %s", "--", *paths)
    lines = (line.split(" ", 2) for line in found.decode("utf-8", "backslashreplace").split("\0"))
    return [(line[0], int(line[1]), line[2]) for line in lines if len(line) == 3]


def blobs_of(top: Path, commits: Collection[str], path: str) -> dict[str, str]:
    """Git's name for a file as each commit has it; commits without it are left out."""
    feed = "".join(f"{commit}:{path}\n" for commit in commits).encode()
    said = _git(top, "cat-file", "--batch-check", feed=feed).decode(errors="replace").splitlines()
    pairs = ((commit, line.split(" ")) for commit, line in zip(commits, said, strict=True))
    return {commit: words[0] for commit, words in pairs if words[1:2] == ["blob"]}
