"""The configuration of a run as plain values, nested or with dotted names.

Values that are not plain keep a readable text and are marked, so that nobody takes the text for
the value. Nothing is too large, but for what no journal frame could hold: what is left out then is
marked in its place, and counted.
"""

import dataclasses
import re
import sys
from collections.abc import Container, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from samebit.capture import composed
from samebit.journal.values import plain_number

__all__ = ["Plain", "declared", "flat", "free_name", "is_parsed", "plain", "source_of"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_DEPTH = 100  # writing and masking take several Python frames a level
_MAX_VALUES = 1_000_000  # what shares its parts may be small in memory and endless on disk
_MAX_CHARACTERS = 24 << 20  # of all texts together; a frame holds 64 MiB
_TEXT_LENGTH = 1000
_MAX_DECLARED = 16  # levels of dataclasses in dataclasses; it also ends what holds itself


def plain(value: Any) -> Any:
    """A configuration as nested dicts, lists and scalars; anything else as `{"text": …}`.

    Takes mappings, dataclasses, argparse namespaces, pydantic models, OmegaConf's containers, and
    objects that only hold their values in `__dict__`. What holds itself is a text where it comes
    again.
    """
    return Plain().of(value)


class Plain:
    """Makes values plain, and counts what it had to leave out.

    Attributes:
        cut: places where something lay too deep, or was too much.
    """

    def __init__(self) -> None:
        self.cut = 0
        self._values = 0
        self._characters = 0

    def of(self, value: Any) -> Any:
        """The plain value."""
        return self._plain(value, ())

    def _plain(self, value: Any, around: tuple[int, ...]) -> Any:
        self._values += 1
        if value is None or isinstance(value, (bool, int, float)):
            return plain_number(value) if value is not None else None
        if isinstance(value, str):
            return self._string(value)
        if id(value) in around:
            return {"text": f"<{type(value).__name__}>"}
        if len(around) > _MAX_DEPTH or self._values > _MAX_VALUES:
            self.cut += 1
            return {"text": f"<{type(value).__name__}>"}
        if composed.is_composed(value):
            value = composed.plain_container(value)
        inside = (*around, id(value))
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return [self._plain(item, inside) for item in value]
        if isinstance(value, (set, frozenset)):
            # Sorted: the order of a set is no part of a configuration.
            return sorted((self._plain(item, inside) for item in value), key=repr)
        named = _named_values(value)
        if named is not None:
            return {self._string(str(k)): self._plain(v, inside) for k, v in named.items()}
        number = plain_number(value)
        return number if number is not None else _text(value)

    def _string(self, value: str) -> str:
        self._characters += len(value)
        if self._characters > _MAX_CHARACTERS and len(value) > _TEXT_LENGTH:
            self.cut += 1
            value = value[:_TEXT_LENGTH] + "…"
        return str.__str__(value)  # of an enum's member, too, the text that it is


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
    if hasattr(type(value), "__pydantic_fields__"):
        # As they are: `model_dump` runs the serializers of the script.
        return {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
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
    return {"text": _ADDRESS.sub("", shown)[:_TEXT_LENGTH]}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """A nested configuration with dotted names; empty containers inside stay as they are.

    Where two keys come to one name (`{"a": {"b": 1}, "a.b": 2}`), the deeper one has it, and the
    other one `a.b (2)`, whatever their order.
    """
    if isinstance(value, dict) and not prefix:
        if dict not in map(type, value.values()) and {*map(type, value)} <= {str}:
            return dict(value)  # as most are, of thousands of runs
        leaves = [leaf for key, item in value.items() for leaf in _leaves(item, (str(key),))]
    else:
        leaves = list(_leaves(value, (prefix,)))
    found = {".".join(path): held for path, held in leaves}
    if len(found) < len(leaves):
        found = {}
        for path, held in sorted(leaves, key=lambda leaf: (-len(leaf[0]), leaf[0])):
            found[free_name(".".join(path), found)] = held
    return found


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict) or not value:
        yield path, value
    elif set(value) == {"text"} and isinstance(value["text"], str):
        yield path, value["text"]  # what was no plain value
    else:
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))


def free_name(name: str, taken: Container[str]) -> str:
    """A name that is not taken: itself, or with ` (2)`, ` (3)`, … behind it."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def source_of(name: str, sources: Mapping[str, str]) -> str | None:
    """Where a dotted name's value came from: a source speaks for all that lies below its name."""
    while name:
        if name in sources:
            return sources[name]
        name = name.rpartition(".")[0]
    return sources.get("")


def is_parsed(value: Any) -> bool:
    """Whether this is what a parser makes: argparse's namespace, a container of OmegaConf's."""
    argparse = sys.modules.get("argparse")
    return composed.is_composed(value) or (
        argparse is not None and isinstance(value, argparse.Namespace)
    )


def declared(value: Any, depth: int = 0) -> dict[str, str]:
    """Where the fields of a dataclass or pydantic model came from, as far as they can tell.

    A pydantic model knows which it was given. A dataclass does not: a field that equals its
    default counts as default, whoever wrote it.
    """
    found: dict[str, str] = {}
    if isinstance(value, type) or depth > _MAX_DECLARED:
        return found
    if isinstance(value, dict):
        for name, held in value.items():
            below = declared(held, depth + 1)
            found.update({f"{name}.{inner}": said for inner, said in below.items()})
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            held = getattr(value, field.name, None)
            plain_default = type(field.default) in (bool, int, float, str, type(None))
            equal = plain_default and type(held) is type(field.default) and held == field.default
            _declare(found, field.name, held, "default" if equal else "code", depth)
    elif isinstance(given := getattr(value, "__pydantic_fields_set__", None), (set, frozenset)):
        for name, held in vars(value).items():
            _declare(found, name, held, "code" if name in given else "default", depth)
    return found


def _declare(found: dict[str, str], name: str, value: Any, source: str, depth: int) -> None:
    below = declared(value, depth + 1)
    found.update({f"{name}.{inner}": said for inner, said in below.items()} or {name: source})
