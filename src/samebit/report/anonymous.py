"""What a certificate leaves out for a review in which nobody may know whose work it is.

Left out are whole: user, host, command, git's names, packages from elsewhere than an index. Texts
that stay are searched for what gives somebody away: the recorded names, paths, addresses. The ids
of runs become salted ones; who has the salt can show later that they are the same.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from samebit.folders.read import View
from samebit.records import Verdict

__all__ = ["OPEN", "Wording", "anonymous", "new_salt"]

_SALT_BYTES = 32
_ID_LENGTH = 20  # hex digits of a salted id
_PERSON, _ADDRESS, _ELSEWHERE = "<name>", "<address>", "<path>"
_SHORTEST_WORD = 2  # a single letter stands in too many words of others
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
    ids = {run for one in views for run in (one.id, one.record.parent or "", one.record.of or "")}
    ids |= {verdict.run, verdict.replay or ""}
    return Wording(
        salt,
        tuple(sorted(filter(None, ids))),
        _folders(views),
        _pattern(_names(views, verdict)),
    )


def _without_folder(found: re.Match[str]) -> str:
    """Of a path its last part, which says what it is and not whose."""
    name = re.split(r"[/\\]", found[0].rstrip("/\\"))[-1]
    return f"{_ELSEWHERE}/{name}" if name and name[0] != "~" and found[0] != "/" else found[0][:1]


def _folders(views: Sequence[View]) -> tuple[tuple[str, str], ...]:
    """Folders that may have spaces in them, so that no pattern finds where they end."""
    found: dict[str, str] = {}
    elsewhere: set[str] = set()
    for view in views:
        variables = view.facts.get("variables") or {}
        interpreter = view.facts.get("interpreter") or {}
        for name in ("executable", "prefix", "base_prefix"):
            found[str(interpreter.get(name) or "")] = "<python>"
        found[variables.get("HOME", "")] = "<home>"
        projects = [view.record.project, *(start.cwd for start in view.starts)]
        projects += [view.code.root] if view.code is not None else []
        found.update(dict.fromkeys(projects, "<project>"))
        elsewhere |= {os.path.dirname(fact["path"]) for fact in view.files}
    for folder in elsewhere:  # what lies in the project keeps the names that it has there
        if not any(PurePath(folder).is_relative_to(one) for one in found if os.path.isabs(one)):
            found[folder] = _ELSEWHERE
    absolute = [(folder, mark) for folder, mark in found.items() if len(PurePath(folder).parts) > 1]
    return tuple(sorted(absolute, key=lambda pair: (-len(pair[0]), pair[0])))


def _names(views: Sequence[View], verdict: Verdict) -> set[str]:
    """Users and hosts, with the names in their homes."""
    found = {verdict.by, verdict.host}
    for view in views:
        machine: dict[str, Any] = view.facts.get("machine") or {}
        variables = view.facts.get("variables") or {}
        found |= {view.record.user, view.record.host, str(machine.get("host") or "")}
        found |= {word for start in view.starts for word in (start.user, start.host, start.boot)}
        found |= {variables.get(name, "") for name in ("USER", "LOGNAME", "HOSTNAME")}
        found.add(PurePath(variables.get("HOME", "")).name)
        code = view.code
        if code is not None:
            found |= {code.head or "", code.commit or ""}
    found |= {name.partition(".")[0] for name in found}  # a host without its domain
    return found


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    words = sorted({n for n in names if len(n) >= _SHORTEST_WORD}, key=lambda n: (-len(n), n))
    if not words:
        return None
    joined = "|".join(map(re.escape, words))
    return re.compile(rf"(?i)(?<![A-Za-z0-9])(?:{joined})(?![A-Za-z0-9])")
