"""Which objects a run names: for a sweep all that might be one, for people what each is for.

A sweep must not know what the names are for: whatever reads like one in any file of a run is one,
also in a frame that this version does not know. Only the states that were let go of are left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from samebit.errors import Damaged, NotFound, SamebitError
from samebit.folders.data_facts import MediaFact
from samebit.folders.folder import RunFolder
from samebit.folders.media import media_of
from samebit.folders.read import View, read_run
from samebit.folders.splits import splits_of
from samebit.folders.used import data_of
from samebit.journal.frame import Kind
from samebit.journal.reader import Journal, list_segments
from samebit.objects.store import Reads
from samebit.objects.tree import read_tree
from samebit.records import SPLIT_FORMAT, STATE_FORMAT, SplitManifest, StateManifest, decode

__all__ = ["Use", "named_by", "reached_from", "uses"]

_NAME = re.compile(rb"blake3:[0-9a-f]{64}(?![0-9a-f])")
# What these name, names nothing; but for the lists in what holds the files of a version of data.
_FINAL = tuple(b'"format":"samebit-' + kind for kind in (b"state ", b"tree ", b"files ", b"list "))
_LISTED = re.compile(rb'"list:(blake3:[0-9a-f]{64})"')
_OF_STATES = ("state", "dropped")


class Use(Struct, frozen=True):
    """One thing that a run keeps: `what` for people, and each object of it with its own place."""

    kind: str  # state | code | file | media
    what: str
    root: str
    parts: tuple[tuple[str, str], ...]  # (place, name of the object), the root's own first
    missing: str = ""  # why the parts cannot be told


class _List(Struct, frozen=True):
    pieces: tuple[tuple[str, int], ...]


class _Rows(Struct, frozen=True):
    rows: list[list[Any]]


def named_by(folder: RunFolder) -> set[str]:
    """Every name in a run's records, journal and notes, but for states that were let go of.

    Raises OSError where one of its files cannot be read.
    """
    found: set[str] = set()
    records = [folder.path / "run.json", *folder.path.glob("executions/*/*.json")]
    notes = folder.path.glob("notes/*.json")
    for path in [*records, *notes, *(s.path for s in list_segments(folder.journal))]:
        if path.exists():
            found.update(name.decode() for name in _NAME.findall(path.read_bytes()))
    return found - _let_go(folder)


def reached_from(store: Reads, roots: Iterable[str]) -> Iterator[str]:
    """Those names, and what the objects they name, name themselves.

    Raises Damaged for an object that is hurt: what it names cannot be told.
    """
    left = list(roots)
    seen = set(left)
    while left:
        name = left.pop()
        yield name
        try:
            data = store.read(name)
        except Damaged:
            raise
        except NotFound:
            continue
        if data[:1] not in (b"{", b"["):
            continue  # no record of ours
        inside = {found.decode() for found in _NAME.findall(data)} - seen
        seen |= inside
        if any(mark in data for mark in _FINAL):
            lists = {found.decode() for found in _LISTED.findall(data)} & inside
            left += lists
            yield from inside - lists
        else:
            left += inside


def uses(view: View, store: Reads) -> Iterator[Use]:
    """What a run keeps in the store, with everything that each is made of."""
    for name, fact in _kept_states(view):
        yield _use("state", f"state {name!r}", fact, lambda root: _of_state(store, root))
    for name, fact in splits_of(view).items():
        root = fact["manifest"]
        yield _use("file", f"split {name!r}", root, lambda root: _of_split(store, root))
    for name, fact in data_of(view).items():
        if root := fact.get("kept"):
            yield _use("file", f"data {name!r}", root, lambda root: _of_state(store, root))
    for facts in media_of(view).values():
        yield from (_medium(store, fact) for fact in facts if fact.get("kept", True))
    for root in dict.fromkeys(fact["tree"] for fact in view.all_facts("code")):
        yield _use("code", "code", root, lambda root: _of_tree(store, root))
    for fact in view.files:
        if root := fact.get("kept"):
            yield Use("file", f"file {fact['path']}", root, ((fact["path"], root),))
        if saved := fact.get("saved"):
            name = fact.get("digest")
            what = f"file {fact['path']} as it was read"
            yield _use("file", what, saved, lambda root, name=name: _of_saved(store, root, name))
    for lock in view.facts.get("lock", []):
        root = lock.get("kept") or lock["digest"]
        yield Use("file", f"lock {lock['path']}", root, ((lock["path"], root),))


def _use(
    kind: str, what: str, root: str, parts_of: Callable[[str], Iterator[tuple[str, str]]]
) -> Use:
    try:
        return Use(kind, what, root, (("", root), *parts_of(root)))
    except NotFound as error:
        return Use(kind, what, root, (("", root),), missing=error.what)


def _medium(store: Reads, fact: MediaFact) -> Use:
    of = f" ({fact.get('at', 0) + 1} of {fact['of']})" if fact["of"] > 1 else ""
    what = f"{fact['kind']} {fact['name']!r} at step {fact['step']}{of}"
    root = fact.get("object", "")
    if fact["kind"] != "table":
        return Use("media", what, root, (("", root),))
    return _use("media", what, root, lambda root: _of_table(store, root))


def _kept_states(view: View) -> Iterator[tuple[str, str]]:
    gone = _let_go_in(view.journal, view.notes)
    seen: set[tuple[str, str]] = set()
    for fact in view.all_facts("state"):
        key = fact["name"], fact["manifest"]
        if key not in seen and fact["manifest"] not in gone:
            seen.add(key)
            yield key


def _of_state(store: Reads, root: str) -> Iterator[tuple[str, str]]:
    manifest = decode(store.read(root), StateManifest, where=root)
    if manifest.format != STATE_FORMAT:
        raise Damaged("not a state", digest=root)
    for place, leaf in manifest.leaves.items():
        if not leaf.kept:
            continue
        for at, part in enumerate(leaf.parts, 1):
            yield f"{place}, part {at} of {len(leaf.parts)}", part
        if not leaf.parts:
            yield place, leaf.digest


def _of_split(store: Reads, root: str) -> Iterator[tuple[str, str]]:
    manifest = decode(store.read(root), SplitManifest, where=root)
    if manifest.format != SPLIT_FORMAT:
        raise Damaged("not a split", digest=root)
    if manifest.data.ids is not None:
        yield "ids of its rows", manifest.data.ids.object
    for part in manifest.parts:
        yield f"members of {part.name!r}", part.members
        if part.sequence is not None:
            yield f"sequence of {part.name!r}", part.sequence


def _of_table(store: Reads, root: str) -> Iterator[tuple[str, str]]:
    """The media in its cells."""
    for number, row in enumerate(decode(store.read(root), _Rows, where=root).rows):
        for cell in row:
            if isinstance(cell, dict) and isinstance(inside := cell.get("media"), dict):
                name = str(inside.get("object"))
                if _NAME.fullmatch(name.encode("utf-8", "replace")):
                    yield f"row {number}", name


def _of_saved(store: Reads, root: str, name: str | None) -> Iterator[tuple[str, str]]:
    """The pieces of a file of this digest; none where the root is the file itself."""
    if root != name:
        pieces = decode(store.read(root), _List, where=root).pieces
        for at, (piece, _) in enumerate(pieces, 1):
            yield f"part {at} of {len(pieces)}", piece


def _of_tree(store: Reads, root: str) -> Iterator[tuple[str, str]]:
    for entry in read_tree(store, root).entries:
        yield entry.path, entry.digest


def _let_go(folder: RunFolder) -> set[str]:
    """Manifests that a rule or somebody dropped; none where anything of the run is in doubt."""
    try:
        view = read_run(folder)
    except SamebitError:
        return set()
    return set() if view.gaps else _let_go_in(view.journal, view.notes)


def _let_go_in(journal: Journal, notes: Iterable[Any]) -> set[str]:
    """A manifest counts as dropped where each rank's last word on each of its names was that."""
    last: dict[tuple[str, str, str], bool] = {}
    for frame in journal.frames:
        fact = _state_fact(frame.items) if frame.kind == Kind.FACT else None
        if fact is not None:
            said, name, manifest = fact
            last[frame.rank, name, manifest] = said == "dropped"
    for note in notes:
        if note.kind == "dropped" and isinstance(note.value, dict):
            key = note.value.get("name"), note.value.get("manifest")
            last.update({known: True for known in last if known[1:] == key})
    named = {manifest for (*_, manifest), dropped in last.items() if not dropped}
    return {manifest for (*_, manifest), dropped in last.items() if dropped} - named


def _state_fact(items: list[Any]) -> tuple[str, str, str] | None:
    if len(items) < 4 or items[2] not in _OF_STATES or not isinstance(items[3], dict):
        return None
    name, manifest = items[3].get("name"), items[3].get("manifest")
    return (items[2], str(name), str(manifest)) if name and manifest else None
