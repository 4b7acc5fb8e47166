"""The one audit hook of this process: it cannot be taken out again, so those who listen can."""

import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, ClassVar

__all__ = ["Watch", "cause", "leave", "listen"]

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


class Watch(ABC):
    """Notes some events from `install` to `finish`, or until a note of one fails.

    Attributes:
        events: what it listens to.
        source: under which name its trouble is told.

    Args:
        later: has a job done off the script's thread.
        trouble: told once when something of ours failed; the script never notices.
    """

    events: ClassVar[tuple[str, ...]]
    source: ClassVar[str]

    def __init__(
        self,
        later: Callable[[Callable[[], object]], None],
        trouble: Callable[[str, Exception], None],
    ) -> None:
        self._later = later
        self._trouble = trouble
        self._on = False

    def install(self) -> None:
        """Begin."""
        self._on = True
        listen(self.events, self._hook)

    def finish(self) -> None:
        """Note no more."""
        self._on = False
        leave(self._hook)

    @abstractmethod
    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        """Take one event down: quickly, for the script waits."""

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        try:
            self._note(event, args)
        except Exception as error:
            self._on = False
            self._later(functools.partial(self._trouble, self.source, error))


def cause() -> FrameType:
    """The frame whose call an event tells of; to be called in `_note`."""
    return sys._getframe(4)  # pyright: ignore[reportPrivateUsage]
