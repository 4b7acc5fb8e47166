"""The shapes of what is answered, and the one way in which they become bytes.

Names and values of runs are anybody's texts and numbers, so the bytes are those of `canonical_json`
as everywhere: `{"$float": "nan"}`, `{"$int": "9007199254740993"}`, `{"$escaped": …}` for a text
that UTF-8 cannot hold, and a key that begins with `$` has another `$` before it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from samebit.digest import canonical_json

__all__ = ["Key", "StoreAnswer", "encode", "error_body"]


class StoreAnswer(Struct, frozen=True):
    """What is looked at."""

    id: str
    name: str
    folder: str
    runs: int
    waiting: int  # runs that are still to be read
    version: int
    edit: bool
    remotes: list[str]
    shown: str  # "here", or a remote's name


class Key(Struct, frozen=True):
    """What rows have under a name."""

    key: str
    kind: str  # number, text, bool, mixed
    distinct: int
    missing: int


def encode(answer: object) -> bytes:
    """An answer as JSON."""
    return canonical_json(msgspec.to_builtins(answer))


def error_body(what: str, facts: Mapping[str, Any] | None = None, hint: str | None = None) -> bytes:
    """An error as JSON."""
    told = {name: str(value) for name, value in (facts or {}).items()}
    return canonical_json({"error": {"what": what, "facts": told, "hint": hint}})
