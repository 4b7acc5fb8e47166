"""The configuration of a run as plain values: what the user gave, or what argparse made.

Values that are not plain keep a readable text and are marked, so that nobody takes the text for
the value.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from samebit.capture.importing import when_imported
from samebit.journal.writer import plain_number

__all__ = ["flat", "plain", "watch_argparse"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_DEPTH = 64

_listeners: list[Callable[[Any], None]] = []


def plain(value: Any, depth: int = 0) -> Any:
    """A configuration as nested dicts, lists and scalars; anything else as `{"text": …}`.

    Takes mappings, dataclasses, argparse namespaces, pydantic models and objects that hold their
    values in `__dict__` (a simple namespace).
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return plain_number(value) if value is not None else None
    if depth > _MAX_DEPTH:
        return _text(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        # Sorted: the order of a set is no part of a configuration.
        return sorted((plain(item, depth + 1) for item in value), key=repr)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: plain(getattr(value, f.name, None), depth + 1) for f in fields}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return plain(dump(), depth + 1)
    if type(value).__name__ in ("Namespace", "SimpleNamespace"):
        return plain(vars(value), depth + 1)
    number = plain_number(value)
    return number if number is not None else _text(value)


def _text(value: Any) -> dict[str, str]:
    if isinstance(value, type) or callable(value):
        name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        return {"text": name.strip(".") or type(value).__name__}
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
            finally:
                busy.pop()
            if outermost and (args is None or list(args) == sys.argv[1:]):
                for tell in _listeners:
                    tell(parsed[0])
            return parsed

        parse_known_args.__doc__ = original.__doc__
        parser.parse_known_args = parse_known_args

    when_imported("argparse", patch)
