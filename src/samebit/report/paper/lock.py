"""`generated/values.json`: what a paper's numbers were when it was built, and of which records.

Canonical JSON but for line breaks: each value has a line of its own, so that git shows and merges
values. It is committed with the paper; `samebit paper check` derives the same again and compares.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit import digest
from samebit.errors import Damaged
from samebit.records import decode
from samebit.report.paper.claims import Judged
from samebit.report.paper.settings import GENERATED
from samebit.report.paper.values import Value

__all__ = ["FORMAT", "NAME", "Lock", "as_text", "parse", "read_lock"]

FORMAT = "samebit-values 1"
NAME = "values.json"


class Lock(Struct, frozen=True):
    """Everything that was made of runs. Files are named as they lie below `generated`."""

    values: dict[str, Value] = field(default_factory=dict[str, Value])
    drawn: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    claims: dict[str, Judged] = field(default_factory=dict[str, Judged])
    runs: dict[str, str] = field(default_factory=dict[str, str])  # the digest of each one's record
    files: dict[str, str] = field(default_factory=dict[str, str])  # the digest of each
    format: str = FORMAT


def as_text(lock: Lock) -> str:
    """The bytes of the file; equal locks give equal ones."""
    plain: dict[str, Any] = msgspec.to_builtins(lock)
    lines = ["{"]
    names = sorted(plain)
    for name in names:
        comma = "," if name != names[-1] else ""
        value = plain[name]
        if not isinstance(value, dict) or not value:
            lines.append(f"{_json(name)}:{_json(value)}{comma}")
            continue
        entries = [f"{_json(key)}:{_json(value[key])}" for key in sorted(value)]
        lines += [f"{_json(name)}:{{", ",\n".join(entries), f"}}{comma}"]
    return "\n".join([*lines, "}"]) + "\n"


def _json(value: object) -> str:
    return digest.canonical_json(value).decode()


def read_lock(folder: Path) -> Lock | None:
    """That of a paper's folder; None where it was never built. Raises Damaged."""
    path = folder / GENERATED / NAME
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse(data, str(path))


def parse(data: bytes, where: str) -> Lock:
    """What such a file says; Damaged where it is none, as after a merge that was not finished."""
    try:
        return decode(data, Lock, where)
    except Damaged as error:
        raise type(error)(
            f"{NAME} cannot be read: {error.what}",
            path=where,
            hint="`samebit paper build` writes it anew",
        ) from error
