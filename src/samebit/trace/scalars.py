"""The scalars of an optimizer's parameter groups: exactly what they are, and which have changed.

Nothing here waits for a device, calls a script's code, or keeps anything of the script alive.
"""

import math
import struct
import sys
from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any

from samebit.trace import cards, fingerprint

__all__ = ["GONE", "ON_A_DEVICE", "Scalars", "plain", "same"]

GONE = "<gone>"  # a name that a group no longer has
ON_A_DEVICE = "<Tensor on "
_NOTHING = object()
_ARRAYS = frozenset({"params", "param_names"})
_PLAIN = frozenset({type(None), bool, int, float, str})
# A subclass (numpy.float64, an IntEnum) is its plain base; methods of its own are not asked.
_BASES: dict[type, Any] = {float: float.__float__, int: int.__int__, str: str.__str__}
_MOST_ITEMS = 64  # of a list, a dict or a tensor among the scalars
_DEEPEST = 4


class _Group:
    """One parameter group as it was last seen."""

    def __init__(self) -> None:
        self.keys: tuple[str, ...] = ()
        self.arrays: list[int] = []  # where among the keys the arrays stand, last first
        self.names: list[str] = []  # the others
        self.objects: list[Any] = []  # their values; empty where one of them can be changed
        self.values: dict[str, Any] = {}
        self.lines: dict[str, list[str]] = {}  # what the digest says of each

    def moved(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The scalars that may have changed since the last call."""
        keys = tuple(group)
        objects = list(group.values())
        if keys != self.keys:
            self.keys = keys
            self.arrays = [at for at in reversed(range(len(keys))) if keys[at] in _ARRAYS]
            self.names = [key for key in keys if key not in _ARRAYS]
            self.objects = []
        for at in self.arrays:
            del objects[at]
        if self.objects and all(map(is_, objects, self.objects)):
            return {}
        moved = {
            name: value
            for name, value, before in zip(
                self.names, objects, self.objects or [_NOTHING] * len(objects), strict=True
            )
            if value is not before
        }
        # A list or a tensor can change where it lies; and what may be large is not held.
        fixed = all(map(_is_fixed, moved.values() if self.objects else objects))
        self.objects = objects if fixed else []
        return moved


class Scalars:
    """One optimizer's scalars as they were last seen."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self.digest = b""
        self.unread: set[str] = set()  # names of values that cannot be read
        # By group and name, as of the last call: what lies on a device and is still to be read.
        self.far: dict[tuple[int, str], Any] = {}

    def changes(self, groups: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
        """What has changed since the last call, by group."""
        changed: dict[int, dict[str, Any]] = {}
        self.far = {}
        before = len(self._groups)
        for at in range(len(groups), len(self._groups)):
            changed[at] = dict.fromkeys(self._groups[at].values, GONE)
        del self._groups[len(groups) :]
        for at, group in enumerate(groups):
            if at == len(self._groups):
                self._groups.append(_Group())
            known = self._groups[at]
            moved = known.moved(group)
            gone = len(known.values) > len(known.names)
            if (moved or gone) and (found := self._take(known, at, moved)):
                changed[at] = found
        if changed or len(groups) != before or not self.digest:
            lines = [f" {len(groups)}"]
            for known in self._groups:
                for name in known.names:
                    lines += known.lines[name]
            self.digest = fingerprint.of_lines(lines)
        return changed

    def _take(self, known: _Group, at: int, moved: Mapping[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for name, value in moved.items():
            now = plain(value)
            is_far = cards.is_there(value) and not value.dim()
            if is_far:
                self.far[at, name] = value
            if name not in known.values or not same(known.values[name], now):
                known.values[name] = now
                if not is_far:
                    changed[name] = now
                known.lines[name] = fingerprint.lines_of(now, f".{at}.{name}")
                if not is_far and isinstance(now, str) and now.startswith(ON_A_DEVICE):
                    self.unread.add(name)
        if len(known.values) > len(known.names):
            for name in known.values.keys() - known.names:
                del known.values[name]
                changed[name] = GONE
        return changed


def _is_fixed(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_fixed, value)))


def same(one: Any, other: Any) -> bool:
    """Equal as bits and in type: 1 is not 1.0, 0.0 is not -0.0, a NaN is itself."""
    if type(one) is not type(other):
        return False
    if type(one) is float:
        if one == other and one:
            return True
        return struct.pack("<d", one) == struct.pack("<d", other)
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return bool(one == other)


def plain(value: Any, depth: int = 0) -> Any:
    """A value as plain data, exact; what is none is named by its type: `<Tensor on cuda:0>`."""
    if type(value) in _PLAIN:
        return value
    for kind, base in _BASES.items():
        if issubclass(type(value), kind):
            return base(value)
    if type(value) in (list, tuple) and len(value) <= _MOST_ITEMS and depth < _DEEPEST:
        return [plain(item, depth + 1) for item in value]
    if issubclass(type(value), dict) and len(value) <= _MOST_ITEMS and depth < _DEEPEST:
        items = dict.items(value)
        if all(type(name) in (str, int) for name, _ in items):
            return {str(name): plain(item, depth + 1) for name, item in items}
    if _is_array(value):
        return _of_array(value, depth)
    name = type(value).__name__
    return f"<{name} of {len(value)}>" if type(value) in (list, tuple, dict) else f"<{name}>"


def _is_array(value: Any) -> bool:
    """Whether it is an array whose class is the library's own: a subclass may do anything."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and type(value) in (torch.Tensor, torch.nn.Parameter):
        return True
    if numpy is None:
        return False
    return type(value) is numpy.ndarray or issubclass(type(value), numpy.generic)


def _of_array(value: Any, depth: int) -> Any:
    device = getattr(value, "device", "cpu")
    if getattr(device, "type", "cpu") != "cpu":
        return f"{ON_A_DEVICE}{device}>"  # never wait for a device
    shape = tuple(value.shape)
    if len(shape) > 1 or math.prod(shape) > _MOST_ITEMS:
        return f"<{type(value).__name__} of shape {shape}>"
    try:
        return plain(value.tolist(), depth + 1)  # float32 and narrower as float64: the same number
    except (RuntimeError, TypeError, ValueError):  # one without memory of its own
        return f"<{type(value).__name__}>"
