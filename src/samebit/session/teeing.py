"""What the script prints, copied into a log of this process beside its journal."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

from samebit import disk
from samebit.capture import console

__all__ = ["ConsoleLog"]


class ConsoleLog:
    """The log, from `begin` to `finish`.

    Args:
        folder: of the logs of one execution.
        rank: names the log.
        trouble: told when something of ours failed; what is printed is printed all the same.
    """

    def __init__(self, folder: Path, rank: str, trouble: Callable[[str, Exception], None]) -> None:
        self._folder = folder
        self._rank = rank
        self._trouble = trouble
        self._installed: console.Installed | None = None
        self._fd = -1
        self._is: os.stat_result

    def begin(self) -> None:
        """Copy what comes from now on."""
        self._open()
        self._installed = console.install(self._write, lambda e: self._trouble("console", e))

    def finish(self) -> None:
        """Copy no more."""
        installed, self._installed = self._installed, None
        try:
            if installed is not None:
                installed.remove()
        finally:
            fd, is_ours = self._fd, self._is_ours()
            self._fd = -1
            if is_ours:
                os.close(fd)

    def _write(self, line: bytes) -> None:
        disk.fault("console.write")
        if self._fd < 0:
            return
        if not self._is_ours():
            self._open()
        os.write(self._fd, line)

    def _open(self) -> None:
        # Each is created once. A rank has several after os.exec, and of several Pythons of a shell.
        for at in itertools.count(1):
            name = self._rank + (f"-{at}" if at > 1 else "")
            try:
                self._fd = disk.open_for_append(self._folder / f"{name}.log")
            except FileExistsError:
                continue
            break
        self._is = os.fstat(self._fd)

    def _is_ours(self) -> bool:
        """Whether our descriptor is still ours: a script may close all, and reuse the number."""
        try:
            return self._fd >= 0 and os.path.samestat(os.fstat(self._fd), self._is)
        except OSError:
            return False
