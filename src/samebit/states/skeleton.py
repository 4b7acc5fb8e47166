"""A nested plain value with arrays in it, as a skeleton of JSON values and named leaves, and back.

What is no JSON of its own is a mark, a dict of one key that begins with `$`; the table is in
`docs/formats/state.md`. An array that is met twice is one leaf with two marks.
"""

import math
import re
import reprlib
import struct
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from samebit.errors import Damaged, UsageError
from samebit.states import leaves

__all__ = ["Text", "Unknown", "join", "references", "split", "top_level"]

Unknown = Literal["refuse", "text"]

_MAX_DEPTH = 32
_MAX_INT_BITS = 4096  # Python refuses to write integers of many thousand digits
_MAX_TEXT = 200  # characters of a description
_MAX_ITEMS = 50  # of a container, in its description
_ROOT = "value"  # the name of an array that is the whole state
_NAN = "7ff8000000000000"  # the NaN that JSON readers make
_NAN_BITS = re.compile("[0-9a-f]{16}")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Text:
    """What stands in a loaded state for a thing that could only be described."""

    text: str


def split(value: object, unknown: Unknown = "refuse") -> tuple[Any, dict[str, Any]]:
    """Take the arrays out of a nested value: its skeleton, and the arrays by their names.

    Args:
        value: dicts (keys text, int or bool), lists, tuples, OrderedDicts, None, bool, int, float,
            text, and arrays; nothing of it is changed or copied.
        unknown: what to do about anything else: "refuse" raises UsageError with its place,
            "text" leaves a description in its place.
    """
    splitter = _Splitter(unknown)
    return splitter.value(value, "", ()), splitter.leaves


def join(skeleton: Any, arrays: Mapping[str, Any]) -> Any:
    """Put arrays back into their skeleton; a skeleton that is none raises Damaged."""

    def leaf(name: str, _: str, scalar: bool) -> Any:
        array = _named(arrays, name)
        return leaves.as_scalar(array) if scalar else array

    return _join(skeleton, leaf, "", 0)


def references(skeleton: Any) -> list[tuple[str, str]]:
    """Every place that holds an array, by its own name, with the name of the leaf it holds.

    The two differ where an array is met again under another name.
    """
    places = _Names()
    found: list[tuple[str, str]] = []

    def leaf(name: str, path: str, _: bool) -> None:
        found.append((places.add(path), name))

    _join(skeleton, leaf, "", 0)
    return found


def top_level(skeleton: Any) -> dict[Any, Any]:
    """The skeletons of a state's parts, by their keys; empty where the state is no dict."""
    if not isinstance(skeleton, dict):
        return {}
    if set(skeleton) == {"$dict"}:
        return {key: part for key, part in skeleton["$dict"] if isinstance(key, str)}
    return skeleton


class _Names:
    """Names of places, each given once: keys with dots in them can lead to the same one."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def add(self, path: str) -> str:
        name, count = path or _ROOT, 1
        while name in self._taken:
            count += 1
            name = f"{path or _ROOT}~{count}"
        self._taken.add(name)
        return name


class _Splitter:
    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown
        self.leaves: dict[str, Any] = {}
        self._names = _Names()
        self._seen: dict[Hashable, str] = {}

    def value(self, value: Any, path: str, above: tuple[int, ...]) -> Any:
        """The skeleton of one value; `above` are the ids of the containers it lies in."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int and value.bit_length() <= _MAX_INT_BITS:
            return value
        if kind is float:
            return _float_mark(value)
        if kind is str and _is_unicode(value):
            return value
        if kind is Text:
            return {"$text": value.text}
        if leaves.is_array(value):
            return self._leaf(value, path)
        if kind not in (dict, OrderedDict, list, tuple):
            return self._strange(value, path, f"a value of type {_type_name(value)}")
        if id(value) in above:
            return self._strange(None, path, "a container that contains itself")
        if len(above) == _MAX_DEPTH:
            return self._strange(None, path, f"a value nested deeper than {_MAX_DEPTH}")
        above = (*above, id(value))
        if kind in (list, tuple):
            items = [self.value(item, _below(path, i), above) for i, item in enumerate(value)]
            return items if kind is list else {"$tuple": items}
        keyed = [(self._key(key, path), item) for key, item in value.items()]
        pairs = [[key, self.value(item, _below(path, key), above)] for key, item in keyed]
        if kind is OrderedDict:
            return {"$ordered": pairs}
        return dict(pairs) if _is_json_object(pairs) else {"$dict": pairs}

    def _leaf(self, array: Any, path: str) -> Any:
        if reason := leaves.why_not(array):
            return self._strange(None, path, reason)
        place = self._names.add(path)
        name = self._seen.setdefault(leaves.same_memory(array), place)
        self.leaves.setdefault(name, array)
        return {"$scalar" if leaves.is_scalar(array) else "$leaf": name}

    def _key(self, key: Any, path: str) -> Any:
        if type(key) is str and _is_unicode(key):
            return key
        if type(key) is bool or (type(key) is int and key.bit_length() <= _MAX_INT_BITS):
            return key
        if type(key) is Text:
            return {"$text": key.text}
        return self._strange(key, path, f"a key of type {_type_name(key)}")

    def _strange(self, value: Any, path: str, what: str) -> Any:
        if self.unknown == "refuse":
            raise UsageError(
                f"cannot store {what}",
                at=path or "(the whole state)",
                hint="a state holds arrays, dicts, lists, tuples, numbers and texts; "
                "take this out of it, or store what it is made of",
            )
        return {"$text": what if value is None else _describe(value)}


def _float_mark(value: float) -> Any:
    if not math.isnan(value):
        return value
    bits = struct.pack(">d", value).hex()
    return value if bits == _NAN else {"$nan": bits}


def _is_unicode(text: str) -> bool:
    # Half of a surrogate pair, as in names of files that are no UTF-8, has no bytes in JSON.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_json_object(pairs: list[list[Any]]) -> bool:
    keys = [key for key, _ in pairs]
    return all(isinstance(key, str) and key[:1] != "$" for key in keys) and keys == sorted(keys)


def _below(path: str, key: object) -> str:
    word = key["$text"] if isinstance(key, dict) else key
    return f"{path}.{word}" if path else f"{word}"


def _type_name(value: object) -> str:
    kind = type(value)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return home + kind.__qualname__


class _Describe(reprlib.Repr):
    """A short `repr`, the same in the next process: sets are sorted, addresses are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = _MAX_ITEMS
        self.maxfrozenset = self.maxdeque = self.maxarray = _MAX_ITEMS
        self.maxstring = self.maxlong = _MAX_TEXT

    def repr1(self, x: Any, level: int) -> str:
        # The repr of a tensor on a device waits for the device.
        return f"<{_type_name(x)}>" if leaves.is_array(x) else super().repr1(x, level)

    def repr_instance(self, x: Any, level: int) -> str:
        return _ADDRESS.sub("", repr(x))


def _describe(value: object) -> str:
    try:
        text = _Describe().repr(value)
    except Exception:  # the repr of a stranger's class may do anything
        text = f"<{_type_name(value)}>"
    text = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
    return text.encode(errors="backslashreplace").decode()


def _join(mark: Any, leaf: Callable[[str, str, bool], Any], path: str, depth: int) -> Any:
    """Make the value of a skeleton.

    `leaf` makes the arrays: it is given a leaf's name, the path of the place, and whether the
    place holds a scalar.
    """
    if not isinstance(mark, (dict, list)):
        return mark
    if depth > _MAX_DEPTH:
        raise Damaged(f"a state's skeleton is nested deeper than {_MAX_DEPTH}")

    def items(values: list[Any]) -> list[Any]:
        return [_join(item, leaf, _below(path, i), depth + 1) for i, item in enumerate(values)]

    def pairs(values: list[Any]) -> list[tuple[Any, Any]]:
        return [
            (_join_key(key), _join(item, leaf, _below(path, key), depth + 1))
            for key, item in map(_pair, values)
        ]

    if isinstance(mark, list):
        return items(mark)
    if not any(key.startswith("$") for key in mark):
        return dict(pairs([[key, item] for key, item in mark.items()]))
    match list(mark.items()):
        case [("$leaf" | "$scalar" as tag, str(name))]:
            return leaf(name, path, tag == "$scalar")
        case [("$tuple", list(values))]:
            return tuple(items(values))
        case [("$dict", list(values))]:
            return dict(pairs(values))
        case [("$ordered", list(values))]:
            return OrderedDict(pairs(values))
        case [("$nan", str(bits))] if _NAN_BITS.fullmatch(bits):
            return struct.unpack(">d", bytes.fromhex(bits))[0]
        case [("$text", str(text))]:
            return Text(text)
        case _:
            raise _damaged(mark)


def _pair(value: Any) -> tuple[Any, Any]:
    match value:
        case [{"$text": str()} | str() | int() as key, item] if isinstance(value, list):
            return key, item
        case _:
            raise _damaged(value)


def _join_key(key: Any) -> Any:
    return Text(key["$text"]) if isinstance(key, dict) else key


def _damaged(mark: Any) -> Damaged:
    return Damaged(
        "a state's skeleton holds a mark that does not exist", mark=repr(mark)[:_MAX_TEXT]
    )


def _named(arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise Damaged(f"a state's skeleton names a leaf that it does not have: {name!r}")
    return arrays[name]
