"""What a frame can hold: the plain value of a metric, and any plain value as msgpack has it.

`unwrap` is the way back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from samebit import digest
from samebit.errors import UsageError

__all__ = [
    "OnADevice",
    "exact",
    "flatten",
    "is_plain",
    "plain_number",
    "plain_step",
    "scalar",
    "sound",
    "unwrap",
]

_INT_BOUND = 1 << 63
_MARKS = ("$int", "$escaped")
_TEXTS = frozenset({str})
_SCALARS = frozenset({type(None), bool, int, float, str})
_MAX_DEPTH = 128  # of lists and maps inside each other; Python's own functions go no deeper at will


class OnADevice(Exception):
    """A value that would have to be waited for."""


def plain_step(step: Any) -> Any:
    """A step as a plain number; UsageError where it is none."""
    number = plain_number(step)
    if not isinstance(number, (int, float)):
        raise UsageError(f"a step must be a number, not {step!r}")
    return int(number) if isinstance(number, bool) else number


def exact(value: Any) -> Any:
    """A plain value of any depth as msgpack holds it: large integers and odd texts wrapped."""
    if isinstance(value, str):
        return digest.escaped(value)
    if isinstance(value, int) and not -_INT_BOUND <= value < _INT_BOUND:
        return {"$int": str(value)}
    if isinstance(value, Mapping):
        return {sound("$" + k if k[:1] == "$" else k): exact(v) for k, v in value.items()}
    return [exact(item) for item in value] if isinstance(value, (list, tuple)) else value


def sound(name: str) -> str:
    """A name that can be written as UTF-8: a lone surrogate becomes its escape for good."""
    if name.isascii():
        return str.__str__(name)
    return name.encode("utf-8", "backslashreplace").decode()


def plain_number(value: Any) -> bool | int | float | str | None:
    """The exact plain value of a scalar or 0-d array; None where it is none of these.

    float32 and narrower become the float64 of the same value.
    """
    if isinstance(value, (bool, int, float, str)):
        # A subclass (numpy.float64, an IntEnum) is written as its plain base.
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)
    shape = getattr(value, "shape", None)
    item = getattr(value, "item", None)
    if item is not None and (shape is None or len(shape) == 0):
        found = item()
        if isinstance(found, (bool, int, float, str)):
            return found
    return None


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested metrics under dotted names, each its plain value.

    Raises:
        UsageError: one has none.
        OnADevice: one lies on a CUDA device.
    """
    flat: dict[str, Any] = {}
    _flatten_into(flat, values, ())
    return flat


def _flatten_into(flat: dict[str, Any], values: Mapping[str, Any], path: Sequence[str]) -> None:
    for name, value in values.items():
        if not isinstance(name, str):
            raise UsageError(f"a metric's name must be a text, not {type(name).__name__}: {name!r}")
        if isinstance(value, Mapping):
            _flatten_into(flat, value, [*path, name])
            continue
        if getattr(value, "is_cuda", False):
            raise OnADevice
        number = plain_number(value)
        if number is None:
            raise UsageError(
                f"cannot log {'.'.join([*path, name])!r}: a {type(value).__name__} is no number",
                takes="bool, int, float, text, 0-d arrays, and nested dicts of these",
            )
        flat[".".join([*path, name])] = number


def is_plain(value: object, depth: int = _MAX_DEPTH) -> bool:
    """Whether a value is one that our writer writes: scalars, lists, and maps from texts."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return True
    if depth == 0:
        return False
    if isinstance(value, list):
        inside = value
    elif isinstance(value, dict) and {*map(type, value)} <= _TEXTS:
        inside = value.values()
    else:
        return False
    # Most are flat, and of many: their kinds are looked at together.
    return {*map(type, inside)} <= _SCALARS or all(is_plain(item, depth - 1) for item in inside)


def unwrap(value: Any) -> Any:
    """A value as it was before it was made fit for a frame: integers and texts are themselves."""
    if isinstance(value, dict):
        if len(value) == 1 and not value.keys().isdisjoint(_MARKS):
            return scalar(value)
        return {
            k[1:] if k[:1] == "$" else k: v if type(v) in _SCALARS else unwrap(v)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [item if type(item) in _SCALARS else unwrap(item) for item in value]
    return value


def scalar(value: Any) -> Any:
    """A number or text that may have been made fit for a frame."""
    if not isinstance(value, dict):
        return value
    try:
        if "$escaped" in value:
            return digest.unescaped(value["$escaped"])
        return int(value["$int"]) if "$int" in value else value
    except (TypeError, ValueError):
        return 0  # not from our writer
