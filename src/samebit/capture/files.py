"""Which files a process opens: an audit hook, and a thread that hashes what it named.

Python's own `open` and everything built on it is seen; files that a library opens in C are not.
The hook only notes names; sizes and digests are taken off the main thread, within a budget.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from samebit import digest, disk

__all__ = ["FileWatch", "noise_prefixes"]

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PAUSE_S = 0.5
KEPT_BYTES = 64 << 20  # of a file that is read and later written, so that a replay can have it
_MAX_FILES = 20_000


@dataclass
class _Opened:
    """What is known of one path."""

    how: str  # read | write: what happened to it first
    given: str  # absolute | relative: how the script named it
    written: bool = False  # also written, after it was read
    kept: str | None = None  # digest of the bytes it had before it was first written
    told: tuple[Any, ...] = ()


def noise_prefixes(*more: str) -> tuple[str, ...]:
    """Folders whose files say nothing about a run: the system's, the interpreter's, our own."""
    system = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib", "/bin/", "/run/")
    own = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__)}
    own |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    given = {os.path.abspath(path) for path in (*own, *more) if path}
    given |= {os.path.realpath(path) for path in given}
    return (*system, *(path.rstrip(os.sep) + os.sep for path in sorted(given)))


class FileWatch:
    """The files that this process and its forked children open.

    Args:
        emit: takes a fact about one path; a later fact of the same path completes the earlier.
        keep: stores the bytes of a file that is about to be overwritten; gives their digest.
        noise: prefixes of absolute paths that are passed over.
        budget_bytes: beyond it, files are known by size and time only.
        trouble: told once when something of ours failed; the script never notices.
    """

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        keep: Callable[[bytes], str],
        noise: tuple[str, ...],
        budget_bytes: int,
        trouble: Callable[[str, Exception], None],
    ) -> None:
        self._emit = emit
        self._keep = keep
        self._noise = noise
        self._budget = budget_bytes
        self._trouble = trouble
        self._seen: dict[str, _Opened] = {}
        self._raw: set[tuple[Any, bool]] = set()
        self._new: list[str] = []
        self._pid = os.getpid()
        self._busy = threading.local()
        self._on = False
        self._overflow = False
        self._wake = threading.Event()
        self._project = os.getcwd() + os.sep
        self._temporary = os.path.realpath(tempfile.gettempdir()) + os.sep

    def install(self) -> None:
        """Begin; an audit hook cannot be taken out again, only switched off."""
        self._on = True
        sys.addaudithook(self._hook)
        thread = threading.Thread(target=self._hash_new, name="samebit-files", daemon=True)
        thread.start()

    def finish(self) -> None:
        """Hash what is left, and everything that was written, as it is now."""
        if not self._on or os.getpid() != self._pid:
            return
        self._on = False
        self._wake.set()
        for path, opened in list(self._seen.items()):
            if opened.how == "write" or opened.written or not opened.told:
                self._tell(path, opened, at_end=True)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not self._on:
            return
        if getattr(self._busy, "now", False):
            return
        path, mode, flags = args
        if isinstance(path, int) or path is None:
            return
        writes = bool(flags & _WRITE_FLAGS) if mode is None else any(c in "wax+" for c in mode)
        key = (path, writes)
        try:
            if key in self._raw:
                return
        except TypeError:
            return
        self._busy.now = True
        try:
            self._note(path, writes)
            if os.path.isabs(os.fspath(path)):
                self._raw.add(key)  # a relative name may mean another file after chdir
        except Exception as error:
            self._on = False
            self._trouble("capture.files", error)
        finally:
            self._busy.now = False

    def _note(self, path: Any, writes: bool) -> None:
        disk.fault("capture.files")
        name = os.fsdecode(path)
        full = os.path.abspath(name)
        if full.startswith(self._noise) or "__pycache__" in full or full.endswith(".pyc"):
            return
        known = self._seen.get(full)
        if known is None:
            if len(self._seen) >= _MAX_FILES:
                self._overflow = True
                return
            known = _Opened(
                "write" if writes else "read", "absolute" if os.path.isabs(name) else "relative"
            )
            if writes and full.startswith(self._temporary) and not full.startswith(self._project):
                return  # scratch files, most of them gone before anybody could look
            self._seen[full] = known
            if os.getpid() == self._pid:
                self._new.append(full)
                self._wake.set()
            else:
                self._tell(full, known, at_end=False)
        elif writes and known.how == "read" and not known.written:
            known.written = True
            known.kept = self._keep_before_overwritten(full)
            self._tell(full, known, at_end=False)

    def _keep_before_overwritten(self, full: str) -> str | None:
        try:
            if os.stat(full).st_size > KEPT_BYTES:
                return None
            with open(full, "rb") as stream:
                return self._keep(stream.read())
        except FileNotFoundError:
            return None

    def _hash_new(self) -> None:
        self._busy.now = True
        while self._on:
            self._wake.wait()
            self._wake.clear()
            while self._new and self._on:
                path = self._new.pop(0)
                try:
                    self._tell(path, self._seen[path], at_end=False)
                except Exception as error:
                    self._on = False
                    self._trouble("capture.files", error)
            time.sleep(_PAUSE_S if self._on else 0)

    def _tell(self, path: str, opened: _Opened, *, at_end: bool) -> None:
        try:
            found = os.stat(path)
        except OSError:
            return  # it was opened in vain, or is gone
        if not os.path.isfile(path):
            return
        if opened.how == "write" and not at_end:
            return  # its content is what it is at the end
        what: dict[str, Any] = {
            "path": path,
            "how": opened.how,
            "given": opened.given,
            "size_bytes": found.st_size,
            "mtime_ns": found.st_mtime_ns,
        }
        if opened.written:
            what["written"] = True
            what["kept"] = opened.kept
        elif os.getpid() == self._pid and found.st_size <= self._budget:
            self._budget -= found.st_size
            try:
                what["digest"], _ = digest.of_file(path)
            except OSError:
                return
            again = os.stat(path)
            if (again.st_size, again.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
                what.pop("digest")  # it changed while we read it
                what["changed"] = True
        told = tuple(sorted(what.items(), key=lambda item: item[0]))
        if told != opened.told:
            opened.told = told
            self._emit(what)
