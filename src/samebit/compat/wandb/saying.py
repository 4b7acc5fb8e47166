"""What the shape says, each thing once in a process: what it does not keep, what it passes over."""

import sys

from samebit.capture import console
from samebit.session import doors

__all__ = ["hint", "lacks", "termerror", "termlog", "termwarn"]

_said: set[str] = set()


def hint(text: str) -> None:
    """Say what a script should know, once; the record lacks nothing by it."""
    if text not in _said:
        _said.add(text)
        console.say(f"samebit: wandb: {text}")


def lacks(what: str, text: str) -> None:
    """Say once that something is not kept, and mark the run."""
    recording = doors.current()
    if recording is None:
        hint(text)
    else:
        recording.problem(f"wandb {what}", text)


def termlog(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print a line of a script's own, as wandb does."""
    _print("", string, newline=newline, repeat=repeat)


def termwarn(string: str, newline: bool = True, repeat: bool = True) -> None:
    """The same, as a warning."""
    _print("WARNING ", string, newline=newline, repeat=repeat)


def termerror(string: str, newline: bool = True, repeat: bool = True) -> None:
    """The same, as an error."""
    _print("ERROR ", string, newline=newline, repeat=repeat)


def _print(kind: str, string: str, *, newline: bool, repeat: bool) -> None:
    line = f"wandb: {kind}{string}"
    if not repeat and line in _said:
        return
    _said.add(line)
    try:
        sys.stderr.write(line + ("\n" if newline else ""))
    except Exception:
        pass  # a closed stream is none of the training's business
