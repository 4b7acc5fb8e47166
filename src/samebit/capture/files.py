"""Which files a process opens: an audit hook, and a thread that hashes what it named.

Python's own `open` and everything built on it is seen, and the writers that `_WRITERS` names;
other files that a library opens in C are not. The hook only notes names. Sizes and digests are
taken off the main thread, within a budget; in forked children at once, where the file is small.
"""

import functools
import mmap
import os
import stat
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from types import ModuleType
from typing import Any

from samebit import digest, disk
from samebit.capture.importing import when_imported
from samebit.errors import SamebitError
from samebit.launch import alive

__all__ = ["KEPT_BYTES", "FileWatch", "noise_prefixes"]

KEPT_BYTES = 64 << 20  # of a file that is read and later written, so that a replay can have it
_MAX_FILES = 20_000
_MAX_RAW = 100_000  # names as scripts gave them that are known already
_CHILD_BYTES = 4 << 20  # what a child hashes while its caller waits

# What an opening means for the bytes that were there: nothing, all, or both.
_READ, _WRITE, _UPDATE = "read", "write", "update"

_EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.truncate"})

# Functions that write a file without an audit event: module, name, where the path stands.
_WRITERS = (
    ("torch.serialization", "save", 1, "f"),
    ("safetensors.torch", "save_file", 1, "filename"),
    ("safetensors.numpy", "save_file", 1, "filename"),
)

_SYSTEM = (
    *("/proc/", "/sys/", "/dev/", "/run/", "/etc/", "/bin/", "/lib/", "/lib32/", "/lib64/"),
    *("/usr/bin/", "/usr/include/", "/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/local/lib/"),
)
_DATA_ALL_THE_SAME = ("/dev/shm/", "/run/media/")


@dataclass
class _Opened:
    """What is known of one path."""

    how: str  # what happened to it first: read | write | folder (made) | scratch
    given: str  # absolute | relative: how the script named it
    found: tuple[int, int] | None = None  # size and time of change when it was met
    written: bool = False  # also written, after it was read
    kept: str | None = None  # digest of the bytes it had before it was first written


def noise_prefixes(*more: str) -> tuple[str, ...]:
    """Folders whose files say nothing about a run: the system's, the interpreter's, our own."""
    here = os.getcwd() + os.sep
    wide = {*_SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix}
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    own |= {os.path.dirname(os.__file__), *more}
    own |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    given = {_folder(path) for path in own if path}
    # A project may lie inside a system's folder (in a container), or be its own environment.
    given |= {_folder(path) for path in wide if path and not here.startswith(_folder(path))}
    return tuple(sorted(given | {_folder(os.path.realpath(path)) for path in own if path}))


def _folder(path: str) -> str:
    return os.path.abspath(path).rstrip(os.sep) + os.sep


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
        self._began_ns = alive.began_ns()
        self._seen: dict[str, _Opened] = {}
        self._raw: set[tuple[Any, ...]] = set()
        self._pid = os.getpid()
        self._busy = threading.local()
        self._on = False
        self._full = False
        # A queue that may be filled while it is being filled: by a signal handler or a finalizer.
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="samebit-files", daemon=True)
        self._told_by_children = _Marks(_MAX_FILES)
        self._temporary = _folder(os.path.realpath(tempfile.gettempdir()))
        here = _folder(os.getcwd())
        self._project: str | None = None  # the folder that holds it, where it is temporary itself
        if here.startswith(self._temporary):
            inside = here.removeprefix(self._temporary)
            self._project = self._temporary + inside.partition(os.sep)[0] + os.sep

    def install(self) -> None:
        """Begin; an audit hook cannot be taken out again, only switched off."""
        self._on = True
        self._thread.start()
        sys.addaudithook(self._hook)
        for module, name, position, keyword in _WRITERS:
            when_imported(module, functools.partial(self._wrap, name, position, keyword))

    def finish(self) -> None:
        """Hash what is left, and everything that was written, as it is now."""
        if os.getpid() != self._pid or not self._thread.is_alive():
            return
        was_on, self._on = self._on, False
        self._jobs.put(None)
        self._thread.join()  # what it emits later would come after the journal's end
        if not was_on:
            return
        for path, opened in list(self._seen.items()):
            if opened.how == "write":
                self._tell_written(path, opened)
            elif opened.written and opened.kept is None and _look(path) == opened.found:
                opened.written = False  # opened for writing, and left as it was
                self._tell_read(path, opened)

    # In the script's own threads: quick, and never raising.

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not self._on or getattr(self._busy, "now", False):
            return
        self._guarded(self._on_event, event, args)

    def _guarded(self, function: Callable[..., object], *args: Any) -> None:
        self._busy.now = True
        try:
            function(*args)
        except Exception as error:
            self._on = False
            self.later(functools.partial(self._trouble, "capture.files", error))
        finally:
            self._busy.now = False

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if type(path) is not str:
                if isinstance(path, (bytes, os.PathLike)):
                    self._note(path, _use(mode, flags))
                return
            if args in self._raw:
                return
            known = self._note(path, _use(mode, flags))
            # A relative name may mean another file after chdir.
            if known and path[:1] == os.sep and len(self._raw) < _MAX_RAW:
                self._raw.add(args)
        elif event == "os.rename":
            source, target, source_folder, target_folder = args
            if source_folder == -1:
                self._note(source, _UPDATE, must_be_known=True)
            if target_folder == -1:
                self._note(target, _WRITE)
        elif event == "os.mkdir":
            if args[2] == -1:
                self._note_folder(args[0])
        elif event == "os.truncate":
            if not isinstance(args[0], int):
                self._note(args[0], _UPDATE)
        elif args[1] == -1:
            self._note(args[0], _UPDATE, must_be_known=True)

    def _note(self, path: Any, use: str, *, must_be_known: bool = False) -> bool:
        """Note an opening; whether there is nothing more to learn from the next such one."""
        disk.fault("capture.files")
        try:
            name = os.fsdecode(path)
            full = os.path.abspath(name)
        except (OSError, TypeError):
            return False  # no path, or the working directory is gone
        if self._is_noise(full):
            return True
        known = self._seen.get(full)
        if known is None:
            if must_be_known:
                return False
            return self._meet(full, use, "absolute" if os.path.isabs(name) else "relative")
        if use != _READ and known.how == "read" and not known.written:
            known.written = True
            known.kept = self._keep_before_overwritten(full)
            self.later(functools.partial(self._tell_read, full, known))
        return True

    def _note_folder(self, path: Any) -> None:
        """A folder that the run makes must not be there when it is run again."""
        name = os.fsdecode(path)
        full = os.path.abspath(name)
        if full in self._seen or len(self._seen) >= _MAX_FILES or os.path.lexists(full):
            return
        if self._is_noise(full) or self._is_scratch(full) or not _is_text(full):
            return
        known = _Opened("folder", "absolute" if os.path.isabs(name) else "relative")
        self._seen[full] = known
        if self._is_first(full):
            fact = {"path": full, "how": "folder", "given": known.given}
            self.later(functools.partial(self._emit, fact))

    def _is_noise(self, full: str) -> bool:
        if full.startswith(self._noise) and not full.startswith(_DATA_ALL_THE_SAME):
            return True
        return full.endswith(".pyc") or f"{os.sep}__pycache__{os.sep}" in full

    def _meet(self, full: str, use: str, given: str) -> bool:
        try:
            found = os.stat(full)
        except (OSError, ValueError):
            found = None
        if found is None and use == _READ:
            return False  # tried in vain; it may be there the next time
        if found is not None and not stat.S_ISREG(found.st_mode):
            return False  # a folder, a pipe, a device: opening one of these could wait for ever
        in_child = os.getpid() != self._pid
        if len(self._seen) >= _MAX_FILES or (in_child and self._told_by_children.is_full):
            return self._overflow()
        # What has changed since we began was made by the run, be it by another process or in C.
        made_here = found is None or found.st_mtime_ns >= self._began_ns
        known = _Opened("write" if use == _WRITE or made_here else "read", given)
        if known.how == "write" and self._is_scratch(full):
            known.how = "scratch"
        elif not _is_text(full):
            name = ascii(full)
            error = SamebitError(f"a file cannot be recorded, its name is not UTF-8: {name}")
            self.later(functools.partial(self._trouble, "capture.files", error))
            known.how = "scratch"
        if found is not None:
            known.found = (found.st_size, found.st_mtime_ns)
        self._seen[full] = known
        if known.how == "scratch" or not self._is_first(full):
            return True
        if use == _UPDATE and known.how == "read":
            known.written = True
            known.kept = self._keep_before_overwritten(full)
        if known.how == "read":
            self.later(functools.partial(self._tell_read, full, known))
        else:
            # At once, though its content comes at the end: a run may be killed.
            fact = {"path": full, "how": "write", "given": given}
            self.later(functools.partial(self._emit, fact))
        return True

    def _is_scratch(self, full: str) -> bool:
        """Most of them are gone before anybody could look."""
        if self._project is not None and full.startswith(self._project):
            return False
        return full.startswith(self._temporary)

    def _is_first(self, full: str) -> bool:
        """Whether no forked process has told of it yet: each epoch's workers read the same."""
        if os.getpid() == self._pid:
            return True
        return self._told_by_children.add(full)

    def _overflow(self) -> bool:
        if not self._full and self._is_first(""):
            self._full = True
            error = SamebitError(f"more than {_MAX_FILES:,} files: the others are not recorded")
            self.later(functools.partial(self._trouble, "capture.files", error))
        return True

    def _keep_before_overwritten(self, full: str) -> str | None:
        try:
            found = os.stat(full)
            if found.st_size > KEPT_BYTES or not stat.S_ISREG(found.st_mode):
                return None
            with open(full, "rb") as stream:
                return self._keep(stream.read())
        except FileNotFoundError:
            return None

    def later(self, job: Callable[[], object]) -> None:
        """Have it done by the thread; a forked child has none, and may end without notice."""
        if os.getpid() == self._pid:
            self._jobs.put(job)
        else:
            job()

    def _wrap(self, name: str, position: int, keyword: str, module: ModuleType) -> None:
        """Put a function that notes the path around one that writes in C."""
        original = getattr(module, name, None)
        if original is None:
            return

        @functools.wraps(original)
        def noting(*args: Any, **kwargs: Any) -> Any:
            target = args[position] if len(args) > position else kwargs.get(keyword)
            if self._on and isinstance(target, (str, bytes, os.PathLike)):
                self._guarded(self._note, target, _WRITE)
            return original(*args, **kwargs)

        setattr(module, name, noting)
        package = sys.modules.get(module.__name__.partition(".")[0])
        if getattr(package, name, None) is original:
            setattr(package, name, noting)

    # On the thread, in forked children, and at the end.

    def _work(self) -> None:
        self._busy.now = True
        works = True
        while (job := self._jobs.get()) is not None:
            try:
                if works:
                    job()
            except Exception as error:
                works = self._on = False
                self._trouble("capture.files", error)

    def _tell_read(self, path: str, opened: _Opened) -> None:
        if opened.found is None:
            return
        size, time_ns = opened.found
        fact: dict[str, Any] = {"path": path, "how": "read", "given": opened.given}
        fact |= {"size_bytes": size, "mtime_ns": time_ns, "written": opened.written}
        if opened.written:
            fact["kept"] = opened.kept
        else:
            self._add_digest(path, fact, opened.found)
        self._emit(fact)

    def _tell_written(self, path: str, opened: _Opened) -> None:
        found = _look(path)
        if found is None:
            return  # gone again
        fact: dict[str, Any] = {"path": path, "how": "write", "given": opened.given}
        fact |= {"size_bytes": found[0], "mtime_ns": found[1]}
        self._add_digest(path, fact, found)
        self._emit(fact)

    def _add_digest(self, path: str, fact: dict[str, Any], found: tuple[int, int]) -> None:
        in_child = os.getpid() != self._pid
        if found[0] > (min(self._budget, _CHILD_BYTES) if in_child else self._budget):
            return
        self._budget -= found[0]
        name = None
        try:
            if _look(path) == found:
                name, _ = digest.of_file(path)
        except OSError:
            pass
        if name is not None and _look(path) == found:
            fact["digest"] = name
        else:
            fact["changed"] = True  # since the script opened it, or while we read it


class _Marks:
    """A set of names in memory that forked processes share.

    It takes no lock: where two processes come at once, both may be told that they were first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # The first counts; the rest is a table with room, so that searches stay short.
        self._slots = memoryview(mmap.mmap(-1, 8 * 4 * most)).cast("q")

    @property
    def is_full(self) -> bool:
        """Whether as many names are in as may be."""
        return self._slots[0] >= self._most

    def add(self, name: str) -> bool:
        """Put a name in; False where it is in already."""
        mark = hash(name) or 1
        at = mark
        while True:
            slot = 1 + at % (len(self._slots) - 1)
            if self._slots[slot] == mark:
                return False
            if not self._slots[slot]:
                self._slots[slot] = mark
                self._slots[0] += 1
                return True
            at += 1


def _use(mode: Any, flags: int) -> str:
    if isinstance(mode, str):
        if "w" in mode or "x" in mode:
            return _WRITE
        if "+" in mode:
            return _UPDATE
        return _WRITE if "a" in mode else _READ
    if flags & os.O_RDWR and not flags & (os.O_TRUNC | os.O_EXCL):
        return _UPDATE
    return _WRITE if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) else _READ


def _look(path: str) -> tuple[int, int] | None:
    """Size and time of change; None for what is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
