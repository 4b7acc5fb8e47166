"""The configuration of a script that only assigns: settings in `__main__` under their names.

A setting is a plain value, a path, a device, a dtype or the like, or a container of such; inside of
a container that has a plain value, too, also a class or a function (`{"width": 64, "act": ReLU}`).
Only what the script's text assigns outside loops and functions counts, so that counters and last
losses stay out of it. Where there is no text (a notebook), every setting counts.
"""

import ast
import datetime
import enum
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from samebit.capture import parsing

__all__ = ["main_globals"]

_MOST_ITEMS = 100  # of a container that is still a setting and no data
_MOST_CHARACTERS = 2000
_NAMED = (type, types.FunctionType, types.BuiltinFunctionType)
_SHOWN = {("torch", "dtype"), ("torch", "device")}
_NOTEBOOK = frozenset({"In", "Out", "exit", "quit", "get_ipython"})


def main_globals() -> dict[str, Any]:
    """Names and settings, in the order of their assignment."""
    main = sys.modules.get("__main__")
    held = dict(vars(main)) if main is not None else {}
    # At exit `__file__` is gone already.
    file = held.get("__file__") or getattr(held.get("__loader__"), "path", None)
    names: Iterable[str] = held
    if file and parsing.is_installed(file):
        return {}  # a program's own names are nobody's settings
    if file:
        try:
            with open(file, "rb") as script:
                names = dict.fromkeys(_assigned(ast.parse(script.read()).body))
        except (OSError, SyntaxError, ValueError, RecursionError):
            pass
    return {
        name: held[name]
        for name in names
        if name in held and name[:1] != "_" and name not in _NOTEBOOK and _is_setting(held[name])
    }


def _assigned(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Names that are assigned at the top of a module, also under `if`, `with` and `try`."""
    for statement in statements:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield from _names(target)
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            yield from _names(statement.target)
        elif isinstance(statement, (ast.If, ast.With, ast.Try)):
            for part in ("body", "orelse", "finalbody"):
                yield from _assigned(getattr(statement, part, []))


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _names(element)


def _is_setting(value: Any) -> bool:
    items = list(_items(value))
    named = [isinstance(item, _NAMED) for item in items]
    shown = [_is_shown(item) for item in items]
    return not items or (any(shown) and all(map(bool.__or__, named, shown)))


def _items(value: Any, depth: int = 0) -> Iterator[Any]:
    """What lies in nested containers, keys left out; one that is data rather than that, itself."""
    if depth > 3 or not _is_small(value):
        yield value
        return
    for item in value.values() if type(value) is dict else value:
        yield from _items(item, depth + 1)


def _is_small(value: Any) -> bool:
    """Whether a value is a container as settings are in, not one of data."""
    if type(value) not in (list, tuple, dict) or len(value) > _MOST_ITEMS:
        return False
    return type(value) is not dict or all(type(key) in (str, int) for key in value)


def _is_shown(value: Any) -> bool:
    """Whether a value is plain, or has a text that says all of it."""
    kind = type(value)
    if kind is str:
        return len(value) <= _MOST_CHARACTERS
    return (
        value is None
        or kind in (bool, int, float)
        or isinstance(value, (PurePath, enum.Enum, datetime.date, datetime.timedelta))
        or (kind.__module__, kind.__name__) in _SHOWN
    )
