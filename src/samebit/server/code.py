"""The code of a run: its files, one of them as text, and what of it no commit has."""

import difflib
from pathlib import Path

from samebit import places
from samebit.capture import git
from samebit.errors import NotFound, SamebitError
from samebit.folders.folder import RunFolder, is_run_id
from samebit.folders.read import View, read_run
from samebit.objects.store import Store
from samebit.objects.tree import read_tree
from samebit.records import CodeRecord, TreeEntry
from samebit.server.answers import File, Files, OneFile, Patch

__all__ = ["files", "one_file", "patch", "that_ran"]

_MOST_BYTES = 1_000_000  # of a file that is shown
_MOST_LINES = 20_000  # of a patch
_NO_COMMIT = "no git repository here has its commit: start `samebit ui` in the run's project"
_BINARY = b"\xff"  # stands for what is too large to be compared


def files(view: View) -> Files:
    """The tree that ran."""
    code = _code(view)
    entries = read_tree(Store(view.folder.store), code.tree).entries
    return Files(
        code.tree, [File(one.path, one.size_bytes, one.kind, one.digest) for one in entries]
    )


def one_file(view: View, path: str) -> OneFile:
    """A file of that tree: a path is a name in it, and never one in a file system."""
    store = Store(view.folder.store)
    for entry in read_tree(store, _code(view).tree).entries:
        if entry.path == path:
            text = _text(store.read(entry.digest))
            cut = text is not None and len(text) > _MOST_BYTES
            shown = text[:_MOST_BYTES] if text is not None else None
            return OneFile(entry.path, shown, entry.size_bytes, cut)
    raise NotFound("the code of this run has no such file", path=path)


def patch(view: View) -> Patch:
    """How the tree differs from the commit that it stood on, as this project's repository has it.

    Only the one around the store is asked, or else the one that the page was opened in: the
    place that a record names may be anybody's.
    """
    code = _code(view)
    if code.head is None:
        return Patch(None, None, "there was no commit yet")
    if not code.changed:
        return Patch("", code.head, None)
    store = Store(view.folder.store)
    ran = {entry.path: entry for entry in read_tree(store, code.tree).entries}
    changed = sorted({path for line in code.changed for path in _named(line)})
    for top in filter(None, map(places.git_top_level, (view.folder.store.parent, Path.cwd()))):
        try:
            committed = git.list_blobs(top, code.head)
            before = {path: committed[path] for path in changed if path in committed}
            blobs = git.read_blobs(top, list(before.values()), _MOST_BYTES)
            break
        except (git.Refused, IndexError, ValueError):
            continue  # it does not have the commit
    else:
        return Patch(None, code.head, _NO_COMMIT)
    lines: list[str] = []
    for path in changed:
        old = blobs.get(before[path], _BINARY) if path in before else b""
        new = _content(store, ran.get(path))
        lines += _unified(path, old, new)
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more lines"]
    return Patch("\n".join(lines), code.head, None)


def _named(line: str) -> list[str]:
    """The paths in `M train.py`, `? new.py` or `R old.py -> new.py`."""
    return line.strip().partition(" ")[2].strip().split(" -> ")


def _content(store: Store, entry: TreeEntry | None) -> bytes:
    if entry is None:
        return b""
    try:
        return store.read(entry.digest) if entry.size_bytes <= _MOST_BYTES else _BINARY
    except SamebitError:
        return _BINARY


def _unified(path: str, old: bytes, new: bytes) -> list[str]:
    if old == new:
        return []
    before, after = _text(old), _text(new)
    if before is None or after is None:
        return [f"{path}: a binary file, or a large one, differs"]
    return list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm=""
        )
    )


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8") if b"\0" not in data else None
    except UnicodeDecodeError:
        return None


def that_ran(view: View) -> CodeRecord | None:
    """Its code; of a replay that of its run, which was laid out for it."""
    of = view.record.of
    if view.code is not None or view.record.kind != "replay" or of is None or not is_run_id(of):
        return view.code
    try:
        return read_run(RunFolder(view.folder.store / "runs" / of)).code
    except SamebitError:
        return None  # it is not here


def _code(view: View) -> CodeRecord:
    found = that_ran(view)
    if found is None:
        raise NotFound("the code of this run was not recorded")
    return found
