"""The run that a door records into: the one that is there, or one that it begins."""

from collections.abc import Callable
from typing import Any

from samebit.session.joining import init
from samebit.session.process import end, here
from samebit.session.recording import Recording
from samebit.session.run import Run

__all__ = ["begin_if_none", "current", "handle", "safely"]


def current() -> Recording | None:
    """What this process records into now; None in a fork of it, too."""
    found = here.active
    return found if found is not None and found.is_here else None


def begin_if_none(group: str | None = None) -> bool:
    """Begin a run where there is none; whether one was begun, which the door is to finish."""
    if current() is not None:
        return False
    init(group=group)
    return True


def handle(recording: Recording) -> Run:
    """The same, as users hold it."""
    return Run(recording, end)


def safely(source: str, function: Callable[[Recording], Any]) -> None:
    """Record something, if this process records; what goes wrong is said once."""
    recording = current()
    if recording is None:
        return
    try:
        function(recording)
    except Exception as error:
        recording.trouble(source, error)
