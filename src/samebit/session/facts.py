"""What a process has learnt and what went wrong in it, on their way into the journal.

Nothing here raises: what cannot be written marks the run, and training goes on.
"""

from collections.abc import Callable
from typing import Any

from samebit.capture import console
from samebit.errors import in_a_line
from samebit.journal.writer import Writer

__all__ = ["Facts"]


class Facts:
    """Writes the facts of one process.

    Args:
        writer: takes them.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._told: set[str] = set()

    def tell(self, name: str, value: Any, time_ns: int | None = None) -> None:
        """Record something learnt."""
        try:
            self._writer.fact(name, value, time_ns)
        except Exception as error:
            self.trouble("journal", error)

    def is_new(self, what: str) -> bool:
        """Whether nothing was said of this yet; from now on something was."""
        is_new = what not in self._told
        self._told.add(what)
        return is_new

    def problem(self, what: str, detail: str, comfort: str = "") -> None:
        """Mark the run as incomplete, and say so once; only what is said has the comfort."""
        if not self.is_new(what):
            return
        console.say(f"samebit: {what}: {detail}{comfort}")
        try:
            self._writer.fact("problem", {"what": what, "detail": detail})
        except Exception:
            pass  # the journal may be what failed: the writer keeps it; see `unwritten_problems`

    def trouble(self, source: str, error: Exception) -> None:
        """Something of ours failed: the run is marked, and training goes on."""
        self.problem(source, in_a_line(error), " (training goes on; the run is marked)")

    def safely(self, source: str, function: Callable[[], object]) -> None:
        """Do something of ours that may fail."""
        try:
            function()
        except Exception as error:
            self.trouble(source, error)
