"""Which folders a process lists: what is found in one can decide what is read of it.

An audit hook notes the folders; their names are read afterwards, off the script's own thread. The
import system's own listings are passed over.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ListingWatch"]

_MAX_NAMES = 50_000
_MAX_FOLDERS = 2_000


class ListingWatch:
    """The folders that this process lists.

    Args:
        emit: takes a fact about one folder.
        later: has a job done off the script's thread.
        noise: prefixes of absolute paths that are passed over.
        trouble: told once when something of ours failed; the script never notices.
    """

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        later: Callable[[Callable[[], object]], None],
        noise: tuple[str, ...],
        trouble: Callable[[str, Exception], None],
    ) -> None:
        self._emit = emit
        self._later = later
        self._noise = noise
        self._trouble = trouble
        self._seen: set[str] = set()
        self._on = False

    def install(self) -> None:
        """Begin; an audit hook cannot be taken out again, only switched off."""
        self._on = True
        sys.addaudithook(self._hook)

    def finish(self) -> None:
        """Note no more."""
        self._on = False

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in ("os.listdir", "os.scandir") or not self._on:
            return
        try:
            caller = sys._getframe(1).f_code.co_filename  # pyright: ignore[reportPrivateUsage]
            if not caller.startswith(("<frozen importlib", __file__)):
                self._note(args[0])
        except Exception as error:
            self._on = False
            self._trouble("capture.files", error)

    def _note(self, path: Any) -> None:
        if isinstance(path, int):
            return  # by a descriptor: its name is not told
        try:
            name = os.fsdecode(path if path is not None else ".")
            full = os.path.abspath(name)
        except (OSError, TypeError):
            return
        if full in self._seen or (full + os.sep).startswith(self._noise):
            return
        if len(self._seen) >= _MAX_FOLDERS:
            return
        self._seen.add(full)
        given = "absolute" if os.path.isabs(name) else "relative"
        self._later(lambda: self._tell(full, given))

    def _tell(self, full: str, given: str) -> None:
        try:
            names = sorted(os.listdir(full))
        except OSError:
            return  # listed in vain, or gone
        fact: dict[str, Any] = {"path": full, "how": "list", "given": given, "count": len(names)}
        if len(names) <= _MAX_NAMES:
            fact["names"] = [name for name in names if name.isprintable()]
        self._emit(fact)
