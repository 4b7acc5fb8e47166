"""Noting the operations of one step, in an execution that looks for one (`samebit diff --op`)."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from types import FrameType
from typing import Any

from samebit.capture.callers import is_library, module_of
from samebit.capture.importing import when_imported
from samebit.session import telling
from samebit.session.ends import OpsWanted
from samebit.trace.ops import OpLog

__all__ = ["OpWatch"]


class OpWatch:
    """Notes operations from the end of one step to the end of the next.

    Args:
        wanted: which step.
        models: gives name and module of each model that was met.
    """

    def __init__(self, wanted: OpsWanted, models: Callable[[], Iterable[tuple[str, Any]]]) -> None:
        self._wanted = wanted
        self._models = models
        self._log = OpLog(Path(wanted.file), self._names, _line)

    def install(self) -> None:
        """Begin, where what is wanted begins before the first step."""
        if self._wanted.step <= 1:
            when_imported("torch", self._log.begin)

    def after_step(self, optimizer: int, count: int) -> bool:
        """An optimizer has stepped; whether all that is wanted is there, and written."""
        if optimizer != self._wanted.optimizer:
            return False
        if self._log.is_on and count >= self._wanted.step:
            self._log.end()
            return True
        if count == self._wanted.step - 1:
            self._log.begin(sys.modules["torch"])
        return False

    def _names(self) -> dict[int, str]:
        return {
            id(module): f"{name}.{inner}" if inner else name
            for name, model in self._models()
            for inner, module in model.named_modules()
        }


def _line(frame: FrameType) -> str | None:
    """The script's file and line; empty for what stands in between; None where we asked."""
    if telling.is_ours(frame):
        return None
    file = frame.f_code.co_filename
    if module_of(frame).partition(".")[0] == "samebit" or is_library(file):
        return ""
    return f"{PurePath(file).name}:{frame.f_lineno}"
