"""The PDF of each commit of a paper, kept in the store: `papers/<commit>/<digits>.json` names it.

A record is created once and never rewritten; the PDF and the values it was made of are objects. It
is kept for the store's own copy: a push sends runs, and no papers.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from samebit import disk
from samebit.capture import git
from samebit.folders.naming import Use
from samebit.objects.store import Store
from samebit.places import git_top_level
from samebit.records import PaperRecord, decode, encode

__all__ = ["clean_commit", "keep", "kept", "named_by_papers", "uses_of_papers"]

_FOLDER = "papers"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OBJECT = re.compile(rb"blake3:[0-9a-f]{64}(?![0-9a-f])")
_DIGITS = 16


def clean_commit(folder: Path) -> tuple[str, int] | None:
    """The commit that a folder is as it is, and its time in seconds; None where it is changed."""
    try:
        top = git_top_level(folder)
        return git.head_of(top) if top is not None and git.is_clean(folder) else None
    except git.Refused:
        return None


def keep(
    store: Path, folder: Path, main: str, commit: str, *, pdf: Path, values: Path
) -> PaperRecord:
    """Keep how the paper of a folder looks as a commit has it; once, however often it is built."""
    top = git_top_level(folder) or folder
    below = folder.resolve().relative_to(top.resolve()).as_posix()
    data = pdf.read_bytes()
    pdf_name, values_name = Store(store).put_all([data, values.read_bytes()])
    record = PaperRecord(commit, below, main, time.time_ns(), pdf_name, len(data), values_name)
    same = [one for one in kept(store) if one.commit == commit and one.pdf == pdf_name]
    if same:
        return same[0]
    home = store / _FOLDER / commit
    if not home.exists():
        home.mkdir(parents=True, exist_ok=True)
        disk.sync_folder(home.parent)
        disk.sync_folder(store)
    disk.create(home / f"{os.urandom(_DIGITS // 2).hex()}.json", encode(record), store / "tmp")
    return record


def kept(store: Path) -> list[PaperRecord]:
    """Every record, oldest first; raises Damaged for one that cannot be read."""
    found = [decode(path.read_bytes(), PaperRecord, path) for path in _files(store)]
    return sorted(found, key=lambda one: one.at_ns)


def _files(store: Path) -> Iterator[Path]:
    try:
        commits = sorted(os.listdir(store / _FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return
    for commit in filter(_COMMIT.fullmatch, commits):
        yield from sorted((store / _FOLDER / commit).glob("*.json"))


def named_by_papers(store: Path) -> set[str]:
    """Every object that such a record names, for a sweep. Raises OSError."""
    return {name.decode() for path in _files(store) for name in _OBJECT.findall(path.read_bytes())}


def uses_of_papers(store: Path) -> Iterator[Use]:
    """Each paper that is kept, with its objects, for a check. Raises Damaged."""
    for one in kept(store):
        what = f"paper {one.folder} of commit {one.commit[:8]}"
        yield Use("paper", what, one.pdf, (("its PDF", one.pdf), ("its values", one.values)))
