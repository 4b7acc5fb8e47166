"""The one audit hook of this process: it cannot be taken out again, so those who listen can."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["leave", "listen"]

Heard = Callable[[str, tuple[Any, ...]], object]  # must not raise: it would reach the script

_listeners: dict[str, tuple[Heard, ...]] = {}
_installed: list[bool] = []


def listen(events: Iterable[str], heard: Heard) -> None:
    """Have a function called at events, in the thread and at the moment that they happen."""
    for event in events:
        _listeners[event] = (*_listeners.get(event, ()), heard)
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)


def leave(heard: Heard) -> None:
    """Have it called no more."""
    for event, functions in list(_listeners.items()):
        _listeners[event] = tuple(function for function in functions if function != heard)


def _hook(
    event: str,
    args: tuple[Any, ...],
    # Bound here: at the end of the interpreter the names of a module are gone before its hooks.
    listeners: dict[str, tuple[Heard, ...]] = _listeners,
) -> None:
    # To import torch is eighty thousand events, and nearly none of them has a listener.
    if event in listeners:
        for heard in listeners[event]:
            heard(event, args)
