"""One controller of a study at a time: a lock of the kernel, and a word of who holds it.

Where a lock does not reach other hosts, the holder's word is a sign of life: it is written again
now and then, and one of another host that is fresh is believed.
"""

import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from samebit import disk
from samebit.errors import SamebitError

__all__ = ["Hold"]

_RENEWED_S, _FRESH_S = 30.0, 120.0


class Hold:
    """A context in which this process controls the study of a folder.

    Raises SamebitError, which names the holder, where another process does.
    """

    def __init__(self, folder: Path) -> None:
        self._lock, self._word = folder / "lock", folder / "holder.json"
        self._said_at = float("-inf")

    def __enter__(self) -> Self:
        self._fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            if not _taken(self._fd):
                raise _held(self._read())
            holder = self._read()
            if holder.get("host", "") not in ("", socket.gethostname()) and self._is_fresh():
                raise _held(holder)
            self.renew()
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._word.unlink(missing_ok=True)
        os.close(self._fd)

    def renew(self) -> None:
        """Say again that we are here, where it is time to."""
        if time.monotonic() - self._said_at < _RENEWED_S:
            return
        self._said_at = time.monotonic()
        said = {"host": socket.gethostname(), "pid": os.getpid()}
        disk.replace_cache(self._word, json.dumps(said).encode())

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._word.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _is_fresh(self) -> bool:
        try:
            return time.time() - self._word.stat().st_mtime < _FRESH_S
        except OSError:
            return False


def _taken(fd: int) -> bool:
    if os.name == "nt":
        return True
    import fcntl  # noqa: PLC0415  (not on Windows)

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(holder: dict[str, Any]) -> SamebitError:
    return SamebitError(
        "another process runs this study",
        host=holder.get("host", "not known"),
        process=holder.get("pid", "not known"),
        hint="wait for it, or stop it (Ctrl-C there); then the same command goes on",
    )
