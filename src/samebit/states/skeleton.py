"""A nested value with arrays in it, as a skeleton of JSON values and named leaves, and back.

What is no JSON of its own is a mark, a dict of one key that begins with `$`; the table is in
`docs/formats/state.md`. An array that is met twice is one leaf with two marks.
"""

import math
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Literal

from samebit import digest
from samebit.errors import Damaged, UsageError, in_a_line
from samebit.states import apart, leaves
from samebit.states.described import MAX_TEXT, Strange, describe, tells
from samebit.states.forms import FORMS, Described, Text, type_name

__all__ = ["Text", "Unknown", "heads", "join", "make", "references", "split", "top_level"]

Unknown = Literal["refuse", "text"]

_MAX_DEPTH = 64
_MAX_INT_BITS = 4096  # Python refuses to write integers of many thousand digits
_ROOT = "value"  # the name of an array that is the whole state
_NAN = "7ff8000000000000"  # the NaN that JSON readers make
_NAN_BITS = re.compile("[0-9a-f]{16}")
_TAGS = {form: tag for tag, form in FORMS.items()}
_SETS = {set: "$set", frozenset: "$frozenset"}


def split(
    value: object, unknown: Unknown = "refuse", strange: list[Strange] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Take the arrays out of a nested value: its skeleton, and the arrays by their names.

    Args:
        value: dicts (keys text, int or bool), lists, tuples, OrderedDicts, sets, None, bool, int,
            float, complex, text, bytes, arrays, and what `apart` can take apart; nothing of it is
            changed, and no plain array is copied.
        unknown: what to do about anything else: "refuse" raises UsageError with its place,
            "text" leaves a description in its place.
        strange: takes what was only described for that.
    """
    splitter = _Splitter(unknown, strange=[] if strange is None else strange)
    return splitter.value(value, "", ()), splitter.leaves


def join(skeleton: Any, arrays: Mapping[str, Any]) -> Any:
    """Put arrays back into their skeleton; a skeleton that is none raises Damaged."""

    def leaf(name: str, is_value: bool) -> Any:
        array = _named(arrays, name)
        return leaves.as_scalar(array) if is_value else array

    return make(skeleton, leaf)


def make(skeleton: Any, leaf: Callable[[str, bool], Any]) -> Any:
    """The value of a skeleton, of which `leaf` makes the arrays, by the names of leaves.

    It is told whether the array is a value (a NumPy scalar, or bytes) and must be read.
    """
    return _join(skeleton, lambda name, _, is_value: leaf(name, is_value), "", 0)


def references(skeleton: Any) -> list[tuple[str, str]]:
    """Every place that holds an array, by its own name, with the name of the leaf it holds.

    The two differ where an array is met again under another name.
    """
    places = _Names()
    found: list[tuple[str, str]] = []

    def leaf(name: str, path: str, _: bool) -> None:
        found.append((places.add(path), name))

    _join(skeleton, leaf, "", 0, lambda *_: object())
    return found


def heads(skeleton: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What each form says beside its arrays (a sparse tensor's shape): place, mark, heads."""
    found: list[tuple[str, str, dict[str, Any]]] = []

    def form(tag: str, path: str, values: dict[str, Any]) -> object:
        head = {name: item for name, item in values.items() if name in FORMS[tag].HEAD}
        found.append((path or _ROOT, tag, head))
        return object()  # a set may hold several

    _join(skeleton, lambda *_: None, "", 0, form)
    yield from sorted(found, key=lambda one: one[0])


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
    def __init__(self, unknown: Unknown, within: bool = False, *, strange: list[Strange]) -> None:
        self.unknown: Unknown = unknown
        self.strange = strange
        self.leaves: dict[str, Any] = {}
        self._within = within  # an object that is taken apart whatever it holds
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
        if kind is complex:
            return {"$complex": [_float_mark(value.real), _float_mark(value.imag)]}
        if kind is str and _is_unicode(value):
            return value
        if kind is bytes or kind is bytearray:
            return {"$bytes": self._leaf(bytes(value), path)}
        if kind is Text:
            return {"$text": value.text}
        if leaves.is_array(value) and not leaves.why_not(value):
            return {"$scalar" if leaves.is_scalar(value) else "$leaf": self._leaf(value, path)}
        if id(value) in above:
            return self._strange(None, path, "a container that contains itself")
        if len(above) == _MAX_DEPTH:
            return self._strange(None, path, f"a value nested deeper than {_MAX_DEPTH}")
        return self._container(value, path, (*above, id(value)))

    def _container(self, value: Any, path: str, above: tuple[int, ...]) -> Any:
        kind = type(value)
        if kind in (list, tuple):
            items = [self.value(item, _below(path, i), above) for i, item in enumerate(value)]
            return items if kind is list else {"$tuple": items}
        if kind in _SETS:
            return self._set(value, path, above)
        if kind in _TAGS:
            return self._form(value, path, above)
        if kind not in (dict, OrderedDict):
            return self._thing(value, path, above)
        keyed = [(self._key(key, path, above), item) for key, item in value.items()]
        pairs = [[key, self.value(item, _below(path, key), above)] for key, item in keyed]
        if kind is OrderedDict:
            return {"$ordered": pairs}
        return dict(pairs) if _is_json_object(pairs) else {"$dict": pairs}

    def _leaf(self, array: Any, path: str) -> str:
        place = self._names.add(path)
        name = self._seen.setdefault(leaves.same_memory(array), place)
        self.leaves.setdefault(name, array)
        return name

    def _thing(self, value: Any, path: str, above: tuple[int, ...]) -> Any:
        """What is neither plain nor a leaf: taken apart, or refused, or described."""
        within = self._within
        try:
            parts = apart.take_apart(value, within=within)
        except Exception as error:  # a stranger's class may raise anything when it is asked
            return self._strange(value, path, f"a {type_name(value)} ({in_a_line(error)})")
        if parts is None:
            is_array = leaves.is_array(value)
            reason = leaves.why_not(value) if is_array else f"a value of type {type_name(value)}"
            return self._strange(None if is_array else value, path, str(reason))
        self._within = within or parts.within
        try:
            return self.value(parts.value, path, above)
        finally:
            self._within = within

    def _form(self, form: Any, path: str, above: tuple[int, ...]) -> Any:
        mark: dict[str, Any] = {}
        for name in form.__struct_fields__:
            item = getattr(form, name)
            if name in form.HEAD:
                mark[name] = list(item) if isinstance(item, tuple) else item
            else:
                place = path if name == form.BARE else _below(path, name)
                mark[name] = self.value(item, place, above)
        return {_TAGS[type(form)]: mark}

    def _set(self, value: Any, path: str, above: tuple[int, ...]) -> Any:
        marks = [self._hashable(item, path, above, "a set") for item in value]
        return {_SETS[type(value)]: sorted(marks, key=digest.canonical_json)}

    def _key(self, key: Any, path: str, above: tuple[int, ...]) -> Any:
        if type(key) is str and _is_unicode(key):
            return key
        if type(key) is bool or (type(key) is int and key.bit_length() <= _MAX_INT_BITS):
            return key
        if type(key) is Text:
            return {"$text": key.text}
        return self._hashable(key, path, above, "a key")

    def _hashable(self, value: Any, path: str, above: tuple[int, ...], where: str) -> Any:
        """The skeleton of a key, or of one value of a set, whose order is chance.

        It has no leaves, which would have names by that order: a NumPy scalar is described.
        """
        if leaves.is_scalar(value):
            content = value.item() if value.dtype.kind in "biufcU" else str(value)
            value = Described(type_name(value), content)
        inner = _Splitter(self.unknown, self._within, strange=self.strange)
        mark = inner.value(value, path, above)
        if inner.leaves:
            return self._strange(value, path, f"{where} that holds arrays or bytes")
        return mark

    def _strange(self, value: Any, path: str, what: str) -> Any:
        if self.unknown == "refuse":
            raise UsageError(
                f"cannot store {what}",
                at=path or "(the whole state)",
                hint="a state holds arrays, dicts, lists, tuples, numbers and texts; take this out "
                "of it, store what it is made of, or attach it as `samebit.opaque(…)`",
            )
        text = what if value is None else describe(value)
        self.strange.append(Strange(path, what, text, tells(value, text)))
        return {"$text": text}


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


def _below(path: str, key: Any) -> str:
    match key:
        case str() | int():
            word = f"{key}"
        case {"$text": str(text)} | {"$object": {"content": str(text)}}:
            word = text
        case {"$object": {"content": int(number)}}:
            word = f"{number}"
        case _:
            word = digest.canonical_json(key).decode()
    return f"{path}.{word}" if path else word


def _make(tag: str, _: str, values: dict[str, Any]) -> Any:
    return FORMS[tag](**values)


def _join(
    mark: Any,
    leaf: Callable[[str, str, bool], Any],
    path: str,
    depth: int,
    form: Callable[[str, str, dict[str, Any]], Any] = _make,
) -> Any:
    """Make the value of a skeleton.

    `leaf` makes the arrays: it is given a leaf's name, the path of the place, and whether the
    place holds a scalar or bytes. `form` makes the forms, of a mark, its place, heads and parts.
    """
    if not isinstance(mark, (dict, list)):
        return mark
    if depth > _MAX_DEPTH:
        raise Damaged(f"a state's skeleton is nested deeper than {_MAX_DEPTH}")

    def item_at(item: Any, place: str) -> Any:
        return _join(item, leaf, place, depth + 1, form)

    def items(values: list[Any]) -> list[Any]:
        return [item_at(item, _below(path, i)) for i, item in enumerate(values)]

    def pairs(values: list[Any]) -> list[tuple[Any, Any]]:
        found = [
            (item_at(key, path), item_at(item, _below(path, key)))
            for key, item in map(_pair, values)
        ]
        _join_set([key for key, _ in found], values)
        return found

    if isinstance(mark, list):
        return items(mark)
    if not any(key.startswith("$") for key in mark):
        return dict(pairs([[key, item] for key, item in mark.items()]))
    match list(mark.items()):
        case [("$leaf" | "$scalar" as tag, str(name))]:
            return leaf(name, path, tag != "$leaf")
        case [("$bytes", str(name))]:
            array = leaf(name, path, True)
            return array if array is None else leaves.as_bytes(array)
        case [("$tuple", list(values))]:
            return tuple(items(values))
        case [("$dict", list(values))]:
            return dict(pairs(values))
        case [("$ordered", list(values))]:
            return OrderedDict(pairs(values))
        case [("$set" | "$frozenset" as tag, list(values))]:
            found = [item_at(item, path) for item in values]
            return _join_set(found, mark) if tag == "$set" else frozenset(_join_set(found, mark))
        case [("$nan", str(bits))] if _NAN_BITS.fullmatch(bits):
            return struct.unpack(">d", bytes.fromhex(bits))[0]
        case [("$complex", [real, imag])]:
            numbers = item_at(real, path), item_at(imag, path)
            if not all(type(number) is float for number in numbers):
                raise _damaged(mark)
            return complex(*numbers)
        case [("$text", str(text))]:
            return Text(text)
        case [(str(tag), dict(values))] if tag in FORMS:
            return form(tag, path, _form_values(FORMS[tag], values, path, item_at))
        case _:
            raise _damaged(mark)


def _form_values(
    form: type[Any], mark: dict[str, Any], path: str, item_at: Callable[[Any, str], Any]
) -> dict[str, Any]:
    """The fields of a form by name: its heads checked, its parts made."""
    names: tuple[str, ...] = form.__struct_fields__
    if set(mark) != set(names) or not all(check(mark[n]) for n, check in form.HEAD.items()):
        raise _damaged(mark)
    values: dict[str, Any] = {}
    for name in names:
        if name in form.HEAD:
            values[name] = tuple(mark[name]) if isinstance(mark[name], list) else mark[name]
        else:
            values[name] = item_at(mark[name], path if name == form.BARE else _below(path, name))
    return values


def _join_set(values: list[Any], mark: Any) -> set[Any]:
    try:
        found = set(values)
    except TypeError:  # it holds what no set can hold
        raise _damaged(mark) from None
    if len(found) != len(values):
        raise _damaged(mark)
    return found


def _pair(value: Any) -> tuple[Any, Any]:
    match value:
        case [{"$leaf": _} | {"$scalar": _} | {"$bytes": _}, _]:
            raise _damaged(value)
        case [key, item] if isinstance(value, list):
            return key, item
        case _:
            raise _damaged(value)


def _damaged(mark: Any) -> Damaged:
    return Damaged(
        "a state's skeleton holds a mark that does not exist", mark=repr(mark)[:MAX_TEXT]
    )


def _named(arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise Damaged(f"a state's skeleton names a leaf that it does not have: {name!r}")
    return arrays[name]
