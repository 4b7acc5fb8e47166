"""What a state says of a value that it can only describe, and whether that tells all of it."""

import re
import reprlib
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from samebit.states import leaves
from samebit.states.forms import type_name

__all__ = ["MAX_TEXT", "Strange", "describe", "few", "tells"]

MAX_TEXT = 200  # characters of a description
_NAMED = 3  # of several, in a line
_MAX_ITEMS = 50  # of a container, in its description
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# What was cut, and the `<… object>` of most classes; a class in it is told by its name.
_LEFT_OUT = re.compile(r"…$|\.\.\.|<(?!class )")


class Strange(NamedTuple):
    """What is neither plain nor a leaf, and is not taken apart."""

    place: str
    what: str
    text: str
    tells: bool  # whether an equal description means an equal value


def tells(value: object, text: str) -> bool:
    """Whether everything that has this description is equal to the value that it is of.

    What the `repr` of a stranger's class leaves out, nobody knows.
    """
    known = str(type(value).__module__).partition(".")[0] in sys.stdlib_module_names
    return value is not None and known and _LEFT_OUT.search(text) is None


def few(texts: Iterable[str]) -> str:
    """The first ones in a line, and how many more there are; equal ones once."""
    found = list(dict.fromkeys(texts))
    more = f" and {len(found) - _NAMED} more" if found[_NAMED:] else ""
    return ", ".join(found[:_NAMED]) + more


class _Describe(reprlib.Repr):
    """A short `repr`, the same in the next process: sets are sorted, addresses are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = _MAX_ITEMS
        self.maxfrozenset = self.maxdeque = self.maxarray = _MAX_ITEMS
        self.maxstring = self.maxlong = MAX_TEXT

    def repr1(self, x: Any, level: int) -> str:
        # The repr of a tensor on a device waits for the device.
        return f"<{type_name(x)}>" if leaves.is_array(x) else super().repr1(x, level)

    def repr_instance(self, x: Any, level: int) -> str:
        return _ADDRESS.sub("", repr(x))


def describe(value: object) -> str:
    """A value in a line, the same in the next process."""
    try:
        text = _Describe().repr(value)
    except Exception:  # the repr of a stranger's class may do anything
        text = f"<{type_name(value)}>"
    text = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
    return text.encode(errors="backslashreplace").decode()
