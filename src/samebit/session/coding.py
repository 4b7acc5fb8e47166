"""The code of a run that `init()` begins: a thread takes it, while the script goes on."""

import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

from samebit.session.recording import Recording
from samebit.threads import Helper

__all__ = ["begin", "finish"]

_IMPORT_GLANCE_S = 0.01


class _Thread:
    """The thread, as long as it may not be done."""

    def __init__(self) -> None:
        self.helper: Helper | None = None
        self.imports_nothing = threading.Event()
        self.imports_nothing.set()


_thread = _Thread()


def begin(recording: Recording, where: Path, script: Path | None) -> None:
    """Take the code around a folder; what fails is told to the recording."""
    given = [recording.folder, where, script, recording.settings]
    helper = Helper("samebit-code")
    _thread.imports_nothing.clear()
    _thread.helper = helper
    try:
        helper.do(partial(_record, *given, recording.fact, recording.trouble))
        helper.do(helper.leave)
    except Exception as error:
        _thread.imports_nothing.set()
        recording.trouble("code", error)


def finish() -> None:
    """Wait until it is taken."""
    helper, _thread.helper = _thread.helper, None
    if helper is not None:
        helper.finish()


def _record(*given: Any) -> None:
    try:
        from samebit.session.snapshot import (  # noqa: PLC0415  (subprocess: not in init's time)
            record_code,
        )
    finally:
        _thread.imports_nothing.set()
    record_code(*given)


def _wait_for_import() -> None:
    """A child forked while a thread imports finds the lock of that module taken for ever."""
    helper = _thread.helper
    # One that makes room for the fork may not have begun with it, and will not now.
    while helper is not None and helper.runs and not _thread.imports_nothing.wait(_IMPORT_GLANCE_S):
        pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_import)
