"""What a word means in the lineage of a store.

A path, a content, a run, a state of a run, or a version of data.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from samebit import digest
from samebit.data import manifests, versions
from samebit.data.dvc.cache import find_top
from samebit.data.dvc.outs import is_dvc_file
from samebit.data.dvc.project import read_file
from samebit.errors import NotFound, RunNotFound, UsageError
from samebit.folders import stated
from samebit.folders.find import find_run
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.query.lineage import Trail, Use, node_of

__all__ = ["Thing", "find_thing", "now_at"]

_DIGITS = re.compile(r"(?:blake3:)?([0-9a-f]{8,64})")
_NAMED = 8  # candidates in an error
_HINT = (
    "`samebit show RUN --json` has the files of a run; "
    "THING is a path, a digest, RUN, RUN:STATE or NAME@DIGITS of data"
)


class Thing(Struct, frozen=True):
    """What is asked about."""

    asked: str
    kind: Literal["run", "state", "file", "folder", "content", "data"]
    roots: tuple[str, ...]  # nodes of the graph
    notes: tuple[str, ...] = ()  # what a reader must know of it, in sentences


def find_thing(store: Path, trails: Iterable[Trail], word: str, here: Path) -> Thing:
    """The thing that a word means.

    Args:
        store: where its runs are.
        trails: of all of them.
        word: what the user typed.
        here: the folder to which a path is relative.

    Raises:
        NotFound: no run had to do with it.
        UsageError: it may mean several things.
    """
    known = {trail.id: trail for trail in trails}
    called = [trail.id for trail in known.values() if word in (trail.id, trail.name)]
    path = Path(os.path.abspath(here / word))
    if os.path.lexists(path) and word:
        if called:
            raise UsageError(
                f"{word!r} is a path and a run",
                run=", ".join(called[:_NAMED]),
                hint=f"say ./{word} for the path, or the run's id",
            )
        if is_dvc_file(path.name):
            return _of_dvc(store, known.values(), word, path)
        return _at_path(store, known.values(), word, path)
    if called:
        return Thing(word, "run", (find_run(store, word).id,))
    if found := _by_digits(known, word):
        return found
    if "@" in word[1:] and ":" not in word:
        return _of_version(store, known.values(), word)
    if ":" in word:
        view, state = stated.open_state(store, word)
        return Thing(f"{view.id}:{state.name}", "state", (state.manifest,))
    try:
        run = find_run(store, word)
    except RunNotFound:
        return _at_path(store, known.values(), word, path)
    if run.id not in known:
        read_run(run)  # says why it cannot be read
    return Thing(word, "run", (run.id,))


def _by_digits(known: dict[str, Trail], word: str) -> Thing | None:
    """The content whose digest begins so; None where it may be something else."""
    digits = _DIGITS.fullmatch(word)
    if not digits:
        return None
    beginning = f"{digest.ALGORITHM}:{digits[1]}"
    uses = (use for trail in known.values() for use in trail.uses)
    fits = sorted({use.digest for use in uses if use.digest and use.digest.startswith(beginning)})
    runs = [] if word.startswith(digest.ALGORITHM) else [r for r in known if r.startswith(word)]
    if len(fits) + len(runs) > 1:
        raise UsageError(
            f"{word!r} fits {len(fits) + len(runs)} things",
            they_are=", ".join([*fits, *runs][:_NAMED]),
            hint="give more of its digits",
        )
    if fits:
        return Thing(word, "content", (fits[0],))
    if word.startswith(digest.ALGORITHM):
        raise NotFound(f"no run has read, written or kept {word!r}", hint=_HINT)
    return None


def _at_path(store: Path, trails: Iterable[Trail], word: str, path: Path) -> Thing:
    """What lies at a path, by its content now; else what runs had there."""
    places = {os.fspath(path), os.path.realpath(path)}
    below = tuple(place.rstrip(os.sep) + os.sep for place in places)
    contents: set[str] = set()
    here: list[Use] = []
    inside: list[Use] = []
    for use in (use for trail in trails for use in trail.uses if use.kind != "state"):
        contents.add(node_of(use))
        if use.name in places:
            here.append(use)
        elif use.name.startswith(below):
            inside.append(use)
    if path.is_dir() or (inside and not here):
        return _folder(word, path, [*here, *inside])
    now, why_not = _content(path)
    if now in contents:
        return Thing(word, "file", (str(now),))
    if not here:
        if now is None and not path.exists():
            what = f"{word!r} is no file here, no run, and no content that a run had"
            raise NotFound(what, store=store, hint=_HINT)
        facts = {"its_digest_now": now} if now else {"path": f"{path}: {why_not}"}
        raise NotFound(f"no run has read or written {word!r}", **facts, hint=_HINT)
    here.sort(key=lambda use: (use.at_ns, use.digest or ""))
    had = list(dict.fromkeys(node_of(use) for use in reversed(here)))
    return Thing(word, "file", (had[0],), tuple(_since(here[-1], now, why_not, had[1:])))


def _since(last: Use, now: str | None, why_not: str, others: list[str]) -> Iterable[str]:
    if last.digest is None:
        yield "its content was not recorded: only the path says that it is the same file"
    elif now is not None:
        yield (
            f"it is another content now ({digest.short(now)}), which no run has read or written; "
            f"the record of it had {digest.short(last.digest)}"
        )
    else:
        yield f"{why_not}; the record of it had {digest.short(last.digest)}"
    if others:
        named = ", ".join(digest.short(one) for one in others if one.startswith(digest.ALGORITHM))
        yield f"runs also had other contents at this path: {named or 'not recorded'}"


def _folder(word: str, path: Path, uses: list[Use]) -> Thing:
    if not uses:
        what = f"no run has read or written anything in {word!r}"
        raise NotFound(what, path=path, hint=_HINT)
    last: dict[str, Use] = {}
    for use in sorted(uses, key=lambda use: use.at_ns):
        last[use.name] = use
    roots = dict.fromkeys(node_of(last[name]) for name in sorted(last))
    return Thing(word, "folder", tuple(roots), ("what runs last had in this folder",))


def _of_dvc(store: Path, trails: Collection[Trail], word: str, path: Path) -> Thing:
    """What a file of DVC's says that DVC keeps, wherever that lies."""
    top = find_top(path.parent) or path.parent
    named = read_file(top, path).outs
    roots: dict[str, None] = {}
    for out in named:
        with contextlib.suppress(NotFound):
            roots |= dict.fromkeys(_at_path(store, trails, out.path, top / out.path).roots)
    if not roots:
        what = f"no run has read or written what DVC keeps by {word!r}"
        raise NotFound(what, it_keeps=", ".join(out.path for out in named) or "nothing", hint=_HINT)
    return Thing(word, "data", tuple(roots), (f"what runs had of what DVC keeps by {word}",))


def _of_version(store: Path, trails: Iterable[Trail], word: str) -> Thing:
    """The files of a version of data that runs had to do with, wherever these lay."""
    version = versions.find_version(store, word)
    objects = Store(store)
    items = manifests.read_items(objects, manifests.read_manifest(objects, version.manifest))
    contents = dict.fromkeys(item.digest for item in items if item.digest)
    met = {use.digest for trail in trails for use in trail.uses}
    roots = tuple(content for content in contents if content in met)
    if not roots:
        what = f"no run has read or written a file of {versions.short_name(version)}"
        raise NotFound(what, files=len(contents), hint=_HINT)
    note = f"{len(roots)} of the {len(contents)} contents of {versions.short_name(version)}"
    return Thing(word, "data", roots, (note + ", where runs had them",))


def _content(path: Path) -> tuple[str | None, str]:
    """The digest of a regular file, or why there is none."""
    try:
        if path.exists() and not path.is_file():
            return None, "it is no regular file now"
        return digest.of_file(path)[0], ""
    except FileNotFoundError:
        return None, "it is not there now"
    except OSError as error:
        return None, f"it cannot be read now ({error.strerror})"


def now_at(use: Use) -> Literal["same", "other", "gone", "unknown"]:
    """What lies now where a run had a file; read only where size and time leave it open."""
    try:
        found = os.stat(use.name)
    except OSError:
        return "gone"
    if use.digest is None:
        return "unknown"
    if use.size_bytes is not None and found.st_size != use.size_bytes:
        return "other"
    if (found.st_size, found.st_mtime_ns) == (use.size_bytes, use.mtime_ns):
        return "same"
    content, _ = _content(Path(use.name))
    return "unknown" if content is None else "same" if content == use.digest else "other"
