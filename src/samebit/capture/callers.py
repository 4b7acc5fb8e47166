"""Who asked: the line of the script, and the library in between, read from the stack.

Nothing of the script is called: only names, numbers and paths of code are read.
"""

import linecache
import sys
from pathlib import PurePath
from types import CodeType, FrameType

from msgspec import Struct

from samebit.capture.noise import noise_prefixes

__all__ = ["Site", "caller", "is_library", "is_ours", "line_of", "module_of", "short_place"]

# Passed over: what stands between a generator and whoever wanted one.
_BETWEEN = (__name__.partition(".")[0], "random", "secrets", "uuid")


class Site(Struct, frozen=True):
    """Where something was asked for."""

    at: str  # file:line of the script's own code, or of whoever asked where there is none
    through: str  # the library's function that the script called; empty where it asked itself
    place: str  # the same in every folder: modules and lines, no paths
    asks: str  # the module that asked
    importing: bool  # a library asked while it was being imported
    code: CodeType | None  # with `lasti`, the one instruction that asked
    lasti: int
    line: int


_NOWHERE = Site("", "", "", "", False, None, -1, 0)


def caller() -> Site:
    """Who called us: the innermost frame that is not ours, and the script's line behind it."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and module_of(frame).partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    if frame is None:
        return _NOWHERE
    first = frame
    through, importing = "", False
    while frame is not None and ((ours := is_ours(frame)) or _is_of_library(frame)):
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            importing = True
        elif not ours:  # a wrapper around a library's function is not who asked
            through = f"{module_of(frame)}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    own = frame or first
    place = _place(own) if own is first else f"{_place(own)} {_place(first)}"
    at = f"{own.f_code.co_filename}:{own.f_lineno}"
    asks, code = module_of(first), first.f_code
    return Site(at, through, place, asks, importing, code, first.f_lasti, first.f_lineno)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this package."""
    return module_of(frame).partition(".")[0] == _BETWEEN[0]


def _is_of_library(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    if name == "<string>":  # of `python -c`, or a text that a library made and ran
        return module_of(frame) != "__main__"
    return is_library(name)


def _place(frame: FrameType) -> str:
    return f"{module_of(frame)}:{frame.f_lineno}"


def module_of(frame: FrameType) -> str:
    """The name of the module whose code a frame runs."""
    return str(frame.f_globals.get("__name__"))


_known: dict[str, bool] = {}
_prefixes: list[tuple[str, ...]] = []


def is_library(filename: str) -> bool:
    """Whether a file belongs to an installed library or to Python, not to the project."""
    found = _known.get(filename)
    if found is None:
        if not _prefixes:
            _prefixes.append(("<frozen", *noise_prefixes()))
        found = filename.startswith(_prefixes[0]) or "/site-packages/" in filename
        _known[filename] = found
    return found


def short_place(at: str) -> str:
    """`train.py:41` of a path and a line."""
    file, _, line = at.rpartition(":")
    return f"{PurePath(file).name}:{line}" if file else at


def line_of(site: Site) -> str:
    """The source line that asked, the library's where one stands between; empty if unreadable."""
    return linecache.getline(site.code.co_filename, site.line).strip() if site.code else ""
