"""The configuration of a script that only assigns: plain values of `__main__` under their names.

Only what the script's text assigns outside loops and functions counts, so that counters and last
losses stay out of it. Where there is no text (a notebook), every plain value counts.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from samebit.capture import parsing

__all__ = ["main_globals"]

_MOST_ITEMS = 100  # of a container that is still a setting and no data
_MOST_CHARACTERS = 2000
_NOTEBOOK = frozenset({"In", "Out", "exit", "quit", "get_ipython"})


def main_globals() -> dict[str, Any]:
    """Names and plain values, in the order of their assignment."""
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
        if name in held and name[:1] != "_" and name not in _NOTEBOOK and _is_plain(held[name])
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


def _is_plain(value: Any, depth: int = 0) -> bool:
    if value is None or type(value) in (bool, int, float):
        return True
    if type(value) is str:
        return len(value) <= _MOST_CHARACTERS
    if depth > 3 or type(value) not in (list, tuple, dict) or len(value) > _MOST_ITEMS:
        return False
    if type(value) is dict:
        return all(type(k) in (str, int) and _is_plain(v, depth + 1) for k, v in value.items())
    return all(_is_plain(item, depth + 1) for item in value)
