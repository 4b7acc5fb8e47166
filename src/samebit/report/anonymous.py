"""What is left out for a review in which nobody may know whose work it is.

Left out are whole: user, host, git's names, packages from elsewhere than an index, and of a
certificate the command. Texts that stay are searched for what gives somebody away: the recorded
names, paths, addresses. In a certificate the ids of runs become salted ones; who has the salt can
show later that they are the same. A page calls its runs by numbers.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from samebit.folders.read import View
from samebit.records import Verdict

__all__ = ["OPEN", "Wording", "anonymous", "new_salt", "numbered", "salted"]

_SALT_BYTES = 32
_ID_LENGTH = 20  # hex digits of a salted id
_PERSON, _ADDRESS, _ELSEWHERE = "<name>", "<address>", "<path>"
_SHORTEST_WORD = 2  # a single letter stands in too many words of others
_LONG = 5  # letters of a name that is looked for within other words, too: `ada_l` in `ada_l2`
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT = (7, 8, 9, 10, 11, 12)  # digits by which a commit is called
_OWNERS = re.compile(
    r"^(?:[a-z][\w+.-]*://[^/]*/|[^/:]*:)"
)  # what comes before them in git's address
_URL = re.compile(r"\b[a-zA-Z][\w+.-]*://[^\s'\"<>]+")
_AT = re.compile(r"[\w.+-]+@[\w.-]+(?::[^\s'\"<>]+)?")
_BELOW = re.compile(r"(<home>|<path>|<python>)/(?:[^\s'\":;,()\[\]{}<>|=/]+/)+")
_PATH = re.compile(r"(?<![\w.<>/\\-])(?:~[\w.-]*/|/|[A-Za-z]:[\\/])[^\s'\":;,()\[\]{}<>|=]*")


class Wording(Struct, frozen=True):
    """How what is stated is worded: as it is, or without names, paths and addresses."""

    salt: bytes | None = None  # of ids; None: everything as it is
    ids: tuple[str, ...] = ()
    folders: tuple[tuple[str, str], ...] = ()  # a folder, and what stands for it; longest first
    names: re.Pattern[str] | None = None
    called: tuple[tuple[str, str], ...] = ()  # an id, and what the reader calls that run

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody may know whose work it is."""
        return self.salt is not None

    def id(self, run: str) -> str:
        """A run's id, or a salted one, for it is too short to be hashed without a salt."""
        if self.salt is None:
            return run
        return "salted-" + hashlib.sha256(self.salt + run.encode()).hexdigest()[:_ID_LENGTH]

    def text(self, text: str) -> str:
        """The text, or one with a mark in the place of each name, path and address."""
        if self.salt is None:
            return text
        for run in self.ids:
            text = text.replace(run, self.id(run))
        for run, mark in self.called:
            text = text.replace(run, mark)
        for folder, mark in self.folders:
            text = text.replace(folder, mark)
        text = _BELOW.sub(r"\1/", text)
        text = _URL.sub(_ADDRESS, text)
        text = _AT.sub(_ADDRESS, text)
        text = _PATH.sub(_without_folder, text)
        return self.names.sub(_PERSON, text) if self.names is not None else text


OPEN = Wording()


def new_salt() -> bytes:
    """A salt that nobody can guess."""
    return os.urandom(_SALT_BYTES)


def anonymous(salt: bytes, view: View, replay: View | None, verdict: Verdict) -> Wording:
    """How to word a verdict so that nothing recorded of the two runs tells whose they are."""
    views = [view] if replay is None else [view, replay]
    ids = {run for one in views for run in _ids(one)} | {verdict.run, verdict.replay or ""}
    places = _Places()
    names = {verdict.by, verdict.host}
    for one in views:
        places.add(one)
        names |= _names(one)
    return Wording(salt, tuple(sorted(filter(None, ids))), places.marks(), _pattern(names))


def numbered(views: Iterable[View], called: Mapping[str, str], people: Iterable[str]) -> Wording:
    """How to word what is told of runs so that it does not tell whose they are.

    Args:
        views: the runs; each is let go of before the next one is taken.
        called: by the id of each what it is called instead.
        people: more names, which no record has.
    """
    ids, marks, names = _told_of(views, people)
    stand_ins = dict.fromkeys(sorted(ids), "another run") | dict(called)
    return Wording(b"", (), marks, names, tuple(stand_ins.items()))


def salted(salt: bytes, views: Iterable[View], people: Iterable[str]) -> Wording:
    """The same, but that each run has a salted id; views and people as `numbered` has them."""
    ids, marks, names = _told_of(views, people)
    return Wording(salt, tuple(sorted(ids)), marks, names)


def _told_of(
    views: Iterable[View], people: Iterable[str]
) -> tuple[set[str], tuple[tuple[str, str], ...], re.Pattern[str] | None]:
    """Every id, folder and name that is told of runs."""
    ids: set[str] = set()
    places = _Places()
    names = set(people)
    for view in views:
        places.add(view)
        names |= _names(view) | {note.by for note in view.notes}
        ids |= set(_ids(view))
        for verdict in view.verdicts:
            names |= {verdict.by, verdict.host}
            ids |= {verdict.run, verdict.replay or ""}
    names |= {name[:digits] for name in names if _COMMIT.fullmatch(name) for digits in _SHORT}
    return ids - {""}, places.marks(), _pattern(names, anywhere=_LONG)


def _ids(view: View) -> tuple[str, ...]:
    return view.id, view.record.parent or "", view.record.of or ""


def _without_folder(found: re.Match[str]) -> str:
    """Of a path its last part, which says what it is and not whose."""
    name = re.split(r"[/\\]", found[0].rstrip("/\\"))[-1]
    return f"{_ELSEWHERE}/{name}" if name and name[0] != "~" and found[0] != "/" else found[0][:1]


class _Places:
    """Folders that may have spaces in them, so that no pattern finds where they end."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._elsewhere: set[str] = set()

    def add(self, view: View) -> None:
        """Those that a run tells of."""
        variables = view.facts.get("variables") or {}
        interpreter = view.facts.get("interpreter") or {}
        for name in ("executable", "prefix", "base_prefix"):
            self._found[str(interpreter.get(name) or "")] = "<python>"
        self._found[variables.get("HOME", "")] = "<home>"
        projects = [view.record.project, *(start.cwd for start in view.starts)]
        projects += [view.code.root] if view.code is not None else []
        self._found.update(dict.fromkeys(projects, "<project>"))
        self._elsewhere |= {os.path.dirname(fact["path"]) for fact in view.files}

    def marks(self) -> tuple[tuple[str, str], ...]:
        """Each with what stands for it, the longest first."""
        found = dict(self._found)
        for folder in self._elsewhere:  # what lies in the project keeps the names that it has there
            inside = (PurePath(folder).is_relative_to(one) for one in found if os.path.isabs(one))
            if not any(inside):
                found[folder] = _ELSEWHERE
        absolute = [pair for pair in found.items() if len(PurePath(pair[0]).parts) > 1]
        return tuple(sorted(absolute, key=lambda pair: (-len(pair[0]), pair[0])))


def _names(view: View) -> set[str]:
    """Users and hosts, with the names in their homes."""
    machine: dict[str, Any] = view.facts.get("machine") or {}
    variables = view.facts.get("variables") or {}
    found = {view.record.user, view.record.host, str(machine.get("host") or "")}
    found |= {word for start in view.starts for word in (start.user, start.host, start.boot)}
    found |= {variables.get(name, "") for name in ("USER", "LOGNAME", "HOSTNAME")}
    found.add(PurePath(variables.get("HOME", "")).name)
    code = view.code
    if code is not None:
        found |= {
            code.head or "",
            code.commit or "",
            *_OWNERS.sub("", code.remote or "").split("/")[:-1],
        }
    return found


def _pattern(names: Iterable[str], anywhere: int | None = None) -> re.Pattern[str] | None:
    """Finds names as words of their own; from so many letters on, where given, anywhere."""
    found = set(names)
    found |= {name.partition(".")[0] for name in found}  # a host without its domain
    words = sorted({n for n in found if len(n) >= _SHORTEST_WORD}, key=lambda n: (-len(n), n))
    if not words:
        return None
    patterns = [
        re.escape(word)
        if anywhere is not None and len(word) >= anywhere
        else rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])"
        for word in words
    ]
    return re.compile(f"(?i){'|'.join(patterns)}")
