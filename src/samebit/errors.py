"""What can go wrong, as one tree, and the exit code of each branch.

    SamebitError                 1   our own fault, or the machine's (full disk, no permission)
    ├── UsageError               2   the request cannot be meant so
    │   └── AmbiguousRun         2   a beginning that fits several runs
    ├── CannotStart            125   `samebit run` could not start the command
    └── NotFound                 7   what was asked for is not here
        ├── RunNotFound          7
        ├── StoreNotFound        7
        └── Damaged              7   stored bytes are not what their name or checksum says
            └── StoreTooNew      7   a store, or a record in it, of a newer major version

An error says what happened, the facts one per line, and what to do next.
"""

from enum import IntEnum

__all__ = [
    "AmbiguousRun",
    "CannotStart",
    "Damaged",
    "Exit",
    "NotFound",
    "RunNotFound",
    "SamebitError",
    "StoreNotFound",
    "StoreTooNew",
    "UsageError",
    "in_a_line",
]


class Exit(IntEnum):
    """The exit codes of the command line; none ever changes its meaning."""

    DONE = 0  # done, or the verdict `identical`
    OUR_FAULT = 1
    USAGE = 2
    CLOSE = 3
    COMPATIBLE = 4
    DIFFERENT = 5
    UNKNOWN = 6
    NOT_FOUND = 7  # not found, or damaged
    CANNOT_START = 125  # `samebit run` could not start the command


class SamebitError(Exception):
    """What happened, with its facts and what to do next."""

    exit_code: Exit = Exit.OUR_FAULT

    def __init__(self, what: str, *, hint: str | None = None, **facts: object) -> None:
        super().__init__(what)
        self.what = what
        self.facts = facts
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in self.facts.items()]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


def in_a_line(error: BaseException) -> str:
    """What happened, without the facts, for a line of a record."""
    return error.what if isinstance(error, SamebitError) else f"{type(error).__name__}: {error}"


class UsageError(SamebitError):
    """The request cannot be meant so; nothing was done."""

    exit_code = Exit.USAGE


class AmbiguousRun(UsageError):
    """The beginning of an id, or a name, fits several runs."""


class CannotStart(SamebitError):
    """`samebit run` could not start the command; not a line of it ran."""

    exit_code = Exit.CANNOT_START


class NotFound(SamebitError):
    """What was asked for is not here."""

    exit_code = Exit.NOT_FOUND


class RunNotFound(NotFound):
    """No run of this store answers to that reference."""


class StoreNotFound(NotFound):
    """There is no store here or above."""


class Damaged(NotFound):
    """Stored bytes are not what their name or checksum says."""


class StoreTooNew(Damaged):
    """A store, or a record in it, was made by a newer major version."""
