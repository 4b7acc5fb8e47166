"""The cells that a notebook or an IPython shell executes, in the order in which it does.

They are its code: what the file holds at the end may never have run so. A cell is recorded when it
is about to run, the ones from before `init()` by the shell's own history.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from samebit import disk
from samebit.capture.secrets import mask_text

__all__ = ["CellWatch"]

_LONGEST = 1 << 20  # of one cell; a longer one is cut
_MAX_CELLS = 10_000
# Where a frontend says which file it shows: in a variable of the namespace, or of the environment.
_IN_NAMESPACE = ("__vsc_ipynb_file__", "__session__")
_IN_ENVIRONMENT = "JPY_SESSION_NAME"


class CellWatch:
    """What an interactive shell runs, where this process is one.

    Args:
        emit: takes the name of a fact and its value.
        trouble: told once when something of ours failed; the shell never notices.
    """

    def __init__(
        self, emit: Callable[[str, Any], None], trouble: Callable[[str, Exception], None]
    ) -> None:
        self._emit = emit
        self._trouble = trouble
        self._shell: Any = None
        self._cells = 0
        self._pid = os.getpid()

    def install(self) -> None:
        """Begin; outside IPython this does nothing."""
        disk.fault("capture.cells")
        module = sys.modules.get("IPython")
        shell = module.get_ipython() if module is not None else None
        if shell is None:
            return
        if path := _file_of(shell.user_ns):
            self._emit("notebook", {"path": mask_text(path)})
        for number, text in enumerate(shell.history_manager.input_hist_raw):
            if number:  # the first place is empty: cells are counted from one
                self._tell(number, text)
        shell.events.register("pre_run_cell", self._runs)
        self._shell = shell

    def finish(self) -> None:
        """End; later cells belong to no run, or to the next."""
        if self._shell is not None:
            self._shell.events.unregister("pre_run_cell", self._runs)
            self._shell = None

    def _runs(self, info: Any) -> None:
        try:
            if os.getpid() == self._pid and self._shell is not None:
                counted = bool(getattr(info, "store_history", True))
                # The history comes after us; the shell's own count is ahead in some versions.
                number = len(self._shell.history_manager.input_hist_raw) if counted else None
                self._tell(number, str(info.raw_cell))
        except Exception as error:
            self._trouble("capture.cells", error)

    def _tell(self, number: int | None, text: str) -> None:
        self._cells += 1
        if self._cells > _MAX_CELLS:
            raise RuntimeError(f"more than {_MAX_CELLS:,} cells: the others are not recorded")
        fact: dict[str, Any] = {"number": number}
        if len(text) > _LONGEST:
            fact["cut_from"] = len(text)
        shown = text[:_LONGEST].encode("utf-8", "backslashreplace").decode()
        self._emit("cell", fact | {"text": mask_text(shown)})


def _file_of(namespace: Mapping[str, Any]) -> str | None:
    named = [namespace.get(name) for name in _IN_NAMESPACE] + [os.environ.get(_IN_ENVIRONMENT)]
    return next((p for p in named if isinstance(p, str) and p.endswith(".ipynb")), None)
