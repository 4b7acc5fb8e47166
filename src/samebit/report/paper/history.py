"""What became of a paper's numbers: each commit's values against those of the one before."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from samebit.capture import git
from samebit.errors import Damaged, NotFound
from samebit.places import git_top_level
from samebit.records import PaperRecord
from samebit.report.paper import keeping
from samebit.report.paper.lock import NAME, Lock, parse
from samebit.report.paper.settings import GENERATED

__all__ = ["Change", "Entry", "changes", "find_kept", "history"]

_LARGEST_BYTES = 50_000_000


class Change(Struct, frozen=True):
    """One value that came, went or became another."""

    key: str
    old: str | None
    new: str | None


class Entry(Struct, frozen=True):
    """One commit that changed the paper."""

    commit: str
    at_s: int
    subject: str
    changes: tuple[Change, ...]
    pdf: PaperRecord | None
    damage: str = ""  # why its values cannot be told


def history(store: Path, folder: Path) -> list[Entry]:
    """Every commit that changed a paper's folder, newest first; NotFound outside of git."""
    top = git_top_level(folder)
    if top is None:
        raise NotFound("this paper is in no git repository, and has no history", path=folder)
    below = folder.resolve().relative_to(top.resolve()).as_posix()
    path = f"{GENERATED}/{NAME}" if below == "." else f"{below}/{GENERATED}/{NAME}"
    try:
        commits = git.log_of(folder, ["."])
        blobs = git.blobs_of(top, [commit for commit, _, _ in commits], path)
        texts = git.read_blobs(top, blobs.values(), _LARGEST_BYTES)
    except git.Refused as error:
        raise NotFound(f"git does not tell the history: {error}", path=folder) from error
    of_commit = {one.commit: one for one in keeping.kept(store) if one.folder == below}
    found: list[Entry] = []
    before = Lock()
    for commit, at_s, subject in reversed(commits):
        damage, now = "", Lock()
        try:
            now = parse(texts.get(blobs[commit], b""), commit) if commit in blobs else Lock()
        except Damaged as error:
            damage, now = error.what, before
        changed = tuple(changes(before, now))
        found.append(Entry(commit, at_s, subject, changed, of_commit.get(commit), damage))
        before = now
    return found[::-1]


def changes(old: Lock, new: Lock) -> list[Change]:
    """What differs between two builds, by key; of a value also how sure it is."""
    before, after = _texts(old), _texts(new)
    return [
        Change(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _texts(lock: Lock) -> Mapping[str, str]:
    """Of each value what is exact, since a rounded text may hide a change."""
    return {key: value.method or value.parts[""].text for key, value in lock.values.items()} | {
        f"claim {key}": one.holds for key, one in lock.claims.items()
    }


def find_kept(store: Path, word: str, folder: Path) -> PaperRecord:
    """The PDF that is kept of a commit, by the beginning of its name or by git's words for it."""
    top = git_top_level(folder)
    try:
        commit = git.resolve(top or folder, word)
    except git.Refused:
        commit = word.lower()
    every = keeping.kept(store)
    fits = [one for one in every if one.commit.startswith(commit)]
    if not fits:
        known = ", ".join(dict.fromkeys(one.commit[:8] for one in every))
        raise NotFound(
            f"no PDF of commit {word} is kept",
            kept=known or "none",
            hint="`samebit paper build` keeps that of a folder without uncommitted changes",
        )
    if len({one.commit for one in fits}) > 1:
        raise NotFound(f"{word} fits several commits", kept=", ".join(o.commit[:12] for o in fits))
    return fits[-1]
