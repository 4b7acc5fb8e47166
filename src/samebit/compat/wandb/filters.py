"""The filters and orders of `Api.runs`, in the form that wandb takes them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from samebit.compat.wandb.faults import UsageError

__all__ = ["fits", "sort_key"]

Value = Callable[[str], Any]  # of a run, by a dotted name
_ASKS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: value == wanted,
    "$ne": lambda value, wanted: value != wanted,
    "$gt": lambda value, wanted: value > wanted,
    "$gte": lambda value, wanted: value >= wanted,
    "$lt": lambda value, wanted: value < wanted,
    "$lte": lambda value, wanted: value <= wanted,
    "$in": lambda value, wanted: _holds(wanted, value),
    "$nin": lambda value, wanted: not _holds(wanted, value),
    "$regex": lambda value, wanted: re.search(wanted, str(value)) is not None,
    "$exists": lambda value, wanted: (value is not None) == bool(wanted),
}


def fits(filters: Mapping[str, Any] | None, value: Value) -> bool:
    """Whether a run fits; of what it has not only `$ne`, `$nin` and `$exists` can be true.

    Raises UsageError for an operator that is not known.
    """
    return all(_fits(name, wanted, value) for name, wanted in (filters or {}).items())


def _fits(name: str, wanted: Any, value: Value) -> bool:
    if name == "$and":
        return all(fits(one, value) for one in wanted)
    if name == "$or":
        return any(fits(one, value) for one in wanted)
    if name == "$nor":
        return not any(fits(one, value) for one in wanted)
    found = value(name)
    if not isinstance(wanted, Mapping) or not any(key.startswith("$") for key in wanted):
        return _holds([wanted], found)
    for key, other in wanted.items():
        if key == "$not":
            if _fits(name, other, value):
                return False
            continue
        if key not in _ASKS:
            raise UsageError(f"a filter has no {key}; known are {', '.join(_ASKS)}, $not")
        try:
            if not _ASKS[key](found, other):
                return False
        except TypeError:  # None, or a text beside a number
            return False
    return True


def _holds(wanted: Any, value: Any) -> bool:
    """Whether a value is one of some; a list (tags) where one of its own is."""
    if isinstance(value, (list, tuple)) and value not in wanted:
        return any(one in wanted for one in value)
    return value in wanted


def sort_key(order: str | None, value: Value) -> tuple[bool, Any]:
    """By what runs are ordered: of those that have no such value all are alike, and last."""
    found = value((order or "+created_at").lstrip("+-"))
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        return True, 0.0
    return False, found
