"""Which learning-rate schedulers are attached to which optimizer, and with which arguments.

The schedule itself is what the optimizer used, step by step; this is what a paper calls it.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any

from samebit.trace.scalars import plain

__all__ = ["Schedulers"]

# Where it stands, not what it is; `_schedulers` are its parts.
_OF_THE_MOMENT = frozenset(
    {
        "optimizer",
        "_schedulers",
        "_step_count",
        "_last_lr",
        "_get_lr_called_within_step",
        "_is_initial",
    }
)


class Schedulers:
    """Schedulers that have been made, until they are told at their optimizer's next step.

    Args:
        emit: takes the fact about one.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self._emit = emit
        self._made: list[weakref.ref[Any]] = []

    def made(self, scheduler: Any) -> None:
        """A scheduler's `__init__` has returned."""
        if not any(ref() is scheduler for ref in self._made):
            self._made.append(weakref.ref(scheduler))

    def before_step(self, optimizer: Any, index: int) -> None:
        """An optimizer is about to step: its schedulers have their arguments by now."""
        if self._made:
            self._tell(lambda scheduler: vars(scheduler).get("optimizer") is optimizer, index)

    def finish(self) -> None:
        """Tell the others: their optimizer never stepped, or is another object's part."""
        self._tell(lambda scheduler: True, None)

    def _tell(self, wanted: Callable[[Any], bool], index: int | None) -> None:
        living = [scheduler for scheduler in (ref() for ref in self._made) if scheduler is not None]
        parts = [part for scheduler in living for part in _parts(scheduler)]
        told = [scheduler for scheduler in living if wanted(scheduler)]
        self._made = [ref for ref in self._made if not any(ref() is one for one in (None, *told))]
        for scheduler in told:
            if not any(scheduler is part for part in parts):
                self._emit({"optimizer": index, **_description(scheduler)})


def _parts(scheduler: Any) -> list[Any]:
    parts = vars(scheduler).get("_schedulers")
    return list(parts) if type(parts) in (list, tuple) else []


def _description(scheduler: Any, depth: int = 0) -> dict[str, Any]:
    """Class, plain values, and of what it is made; read from where they lie, calling nothing."""
    values = {
        name.lstrip("_"): _value(value)
        for name, value in vars(scheduler).items()
        if name not in _OF_THE_MOMENT and isinstance(name, str)
    }
    found = {"class": _name(type(scheduler)), "values": values}
    parts = _parts(scheduler) if depth < 4 else []
    return {**found, "parts": [_description(part, depth + 1) for part in parts]} if parts else found


def _value(value: Any) -> Any:
    if type(value) is list:
        return [_value(item) for item in value]
    if type(value) is functools.partial:
        given = {"function": _value(value.func), "args": plain(list(value.args))}
        return {**given, "keywords": plain(value.keywords)}
    if isinstance(value, type) or type(value).__name__ in ("function", "method"):
        return _name(value)
    return plain(value)


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
