"""One thing that is not as it should be in a paper, where, and how bad it is."""

import difflib
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

__all__ = ["Finding", "Level", "near"]

Level = Literal["error", "warning", "note"]


class Finding(Struct, frozen=True):
    """A line of `samebit paper check`.

    An `error` is a paper that says what its runs do not. A `warning` is a number that could be
    doubted: nobody ran it again, it was typed by hand. A `note` is something left over.
    """

    level: Level
    where: str  # "main.tex:12"
    what: str
    hint: str = ""


def near(key: str, keys: Iterable[str]) -> str:
    """A hint that names keys like an unknown one."""
    close = difflib.get_close_matches(key, list(keys), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else "samebit.toml defines the keys"
