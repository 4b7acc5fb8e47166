"""The configuration of a run as plain values: what the user gave, or what argparse made.

Values that are not plain keep a readable text and are marked, so that nobody takes the text for
the value.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from samebit.capture.importing import step_aside, when_imported
from samebit.journal.writer import plain_number

__all__ = ["flat", "plain", "watch_argparse"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_DEPTH = 64

_listeners: list[Callable[[Any], None]] = []


def plain(value: Any) -> Any:
    """A configuration as nested dicts, lists and scalars; anything else as `{"text": …}`.

    Takes mappings, dataclasses, argparse namespaces, pydantic models, and objects that only hold
    their values in `__dict__`. What holds itself is a text where it comes again.
    """
    return _plain(value, ())


def _plain(value: Any, around: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return plain_number(value) if value is not None else None
    if id(value) in around or len(around) > _MAX_DEPTH:
        return {"text": f"<{type(value).__name__}>"}
    inside = (*around, id(value))
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_plain(item, inside) for item in value]
    if isinstance(value, (set, frozenset)):
        # Sorted: the order of a set is no part of a configuration.
        return sorted((_plain(item, inside) for item in value), key=repr)
    named = _named_values(value)
    if named is not None:
        return {str(key): _plain(item, inside) for key, item in named.items()}
    number = plain_number(value)
    return number if number is not None else _text(value)


def _named_values(value: Any) -> Mapping[Any, Any] | None:
    """The values that something holds under names; None where it is a value itself."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if hasattr(value, "_fields"):  # a named tuple
        return dict(zip(value._fields, value, strict=False))
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        found = dump()
        return found if isinstance(found, Mapping) else None
    argparse = sys.modules.get("argparse")
    if isinstance(value, SimpleNamespace) or (argparse and isinstance(value, argparse.Namespace)):
        return vars(value)
    # One that shows itself as `<Config object at 0x7f…>` has nothing to say but what it holds.
    if type(value).__repr__ is object.__repr__ and type(value).__str__ is object.__str__:
        return {k: v for k, v in getattr(value, "__dict__", {}).items() if k[:1] != "_"} or None
    return None


def _text(value: Any) -> dict[str, str]:
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):  # a class, a function
        return {"text": f"{getattr(value, '__module__', None) or ''}.{name}".strip(".")}
    try:
        shown = str(value)
    except Exception:
        shown = type(value).__name__
    return {"text": _ADDRESS.sub("", shown)[:1000]}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """A nested configuration with dotted names; empty containers stay as they are."""
    if isinstance(value, dict) and value and set(value) != {"text"}:
        found: dict[str, Any] = {}
        for key, item in value.items():
            found.update(flat(item, f"{prefix}.{key}" if prefix else str(key)))
        return found
    if isinstance(value, dict) and set(value) == {"text"}:
        return {prefix: value["text"]}
    return {prefix: value}


def watch_argparse(found: Callable[[Any], None]) -> None:
    """Hand over the namespace of each parse of the process's own command line.

    A later call only changes who is told.
    """
    first = not _listeners
    _listeners[:] = [found]
    if not first:
        return

    def patch(argparse: ModuleType) -> None:
        parser = argparse.ArgumentParser
        original = parser.parse_known_args
        busy: list[bool] = []

        def parse_known_args(self: Any, args: Any = None, namespace: Any = None) -> Any:
            outermost = not busy
            busy.append(True)
            try:
                parsed = original(self, args, namespace)
            except BaseException as error:
                step_aside(error)
                raise
            finally:
                busy.pop()
            if outermost and (args is None or list(args) == sys.argv[1:]):
                for tell in _listeners:
                    tell(parsed[0])
            return parsed

        parse_known_args.__doc__ = original.__doc__
        parser.parse_known_args = parse_known_args

    when_imported("argparse", patch)
