"""The code that a process really executed, from anywhere but the installed distributions.

An audit hook notes each file in the moment its code begins to run; a thread reads it right after.
So the bytes that are kept are those that ran, and an edit while the run goes on is noticed: a file
is looked at again at the end, and only read again where its inode, size or times are others.
"""

import functools
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from msgspec import Struct

from samebit import digest
from samebit.capture.auditing import Watch
from samebit.capture.secret_names import is_secret_file
from samebit.launch import alive

__all__ = ["SourceWatch", "import_root", "library_folders", "mapped_libraries"]

_KEPT_BYTES = 16 << 20  # of one file; of a larger one the digest is kept
_KEPT_TOTAL_BYTES = 256 << 20
_HELD_BYTES = 8 << 20  # in memory, until they go into the store
_DIGEST_BYTES = 1 << 30  # of a larger one only that it was loaded
_MAX_FILES = 20_000
_SUFFIXES = (".py", ".pyw", ".pyc", ".so", ".pyd", ".ipynb")
_ARCHIVES = (".zip", ".egg", ".pyz")

_Look = tuple[int, int, int, int]  # inode, size, time of change of the content, and of the inode


class _Loaded(Struct):
    """One file as it was when its code began to run."""

    look: _Look
    digest: str | None = None
    reason: str | None = None  # why there is none


def library_folders(*more: str) -> tuple[str, ...]:
    """Folders whose code belongs to the interpreter or to an installed distribution, or to us."""
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    found = {sysconfig.get_path(name) for name in names} | {os.path.dirname(os.__file__), *more}
    found |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    given = {os.path.abspath(path).rstrip(os.sep) + os.sep for path in found if path}
    return tuple(sorted(given | {os.path.realpath(path).rstrip(os.sep) + os.sep for path in given}))


class SourceWatch(Watch):
    """The files whose code this process runs.

    Args:
        emit: takes the fact; each replaces the one before.
        keep: stores bytes.
        later: has something done off the script's threads.
        libraries: prefixes of absolute paths that are passed over.
        trouble: told once when something of ours failed; the script never notices.
    """

    events = ("exec", "import", "cpython.run_file")
    source = "capture.code"

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        keep: Callable[[list[bytes]], Any],
        later: Callable[[Callable[[], object]], None],
        libraries: tuple[str, ...],
        trouble: Callable[[str, Exception], None],
    ) -> None:
        super().__init__(later, trouble)
        self._emit = emit
        self._keep = keep
        self._libraries = libraries
        self._pid = os.getpid()
        self._script = ""
        self._met: dict[str, _Look] = {}  # noted, and not read yet
        self._loaded: dict[str, _Loaded] = {}
        self._unkept: list[bytes] = []
        self._unkept_bytes = 0
        self._room_bytes = _KEPT_TOTAL_BYTES
        self._left_out: dict[str, str] = {}
        self._edited: dict[str, tuple[str | None, str | None]] = {}  # as it ran, and as it is now
        self._began_ns = alive.began_ns(os.getpid())
        temporary = os.path.realpath(tempfile.gettempdir()) + os.sep
        here = os.getcwd() + os.sep
        inside = here.removeprefix(temporary).partition(os.sep)[0]
        self._temporary = temporary
        self._project = temporary + inside + os.sep if here.startswith(temporary) else None

    def install(self) -> None:
        """Begin, with what is loaded already."""
        super().install()
        self._later(functools.partial(self._guarded, self._look_first))

    def tell_later(self) -> None:
        """Tell what was loaded so far: a run may be killed."""
        self._later(functools.partial(self._guarded, self._tell))

    def also(self, path: str) -> None:
        """A file that is no module belongs to the code, too: it says what the script does."""
        if not is_secret_file(path) and self._meet(path):
            self._later(functools.partial(self._guarded, self._read_met))

    def finish(self) -> None:
        """Look at everything again, and tell."""
        super().finish()
        passed_over = (*self._libraries, *_system_libraries())
        for path in mapped_libraries():
            if not path.startswith(passed_over):
                self._meet(path)
        self._look_at_modules()
        self._look_again()
        self._write()

    # In the script's own threads: quick, and never raising.

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "exec":
            code = args[0]
            if type(code) is not CodeType or code.co_name != "<module>":
                return
            path = code.co_filename
        elif event == "import":
            path = args[1]  # of an extension module; Python's own come as `exec`
        else:
            path = args[0]  # the script, whatever its name ends in
        if type(path) is not str or path.startswith(self._libraries):
            return
        if event == "cpython.run_file":
            self._script = os.path.abspath(path)  # at exit `__main__` has forgotten it
        elif not path.endswith(_SUFFIXES):
            return
        if os.getpid() == self._pid and self._meet(path):
            self._later(functools.partial(self._guarded, self._read_met))

    def _meet(self, path: str) -> bool:
        """Note a file as it lies there now; False where nothing new is to be read."""
        full = _file_of(os.path.abspath(path))
        if full.startswith(self._libraries):
            return False
        found = _look(full)
        known = self._loaded.get(full)
        if found is None or found == self._met.get(full) or (known and known.look == found):
            return False
        if self._is_made_by_a_program(full, found):
            return False
        if len(self._loaded) + len(self._met) >= _MAX_FILES:
            self._left_out["…"] = f"more than {_MAX_FILES:,} files, the others are not recorded"
            return False
        self._met[full] = found
        return True

    def _is_made_by_a_program(self, full: str, found: _Look) -> bool:
        """What a compiler wrote into the temporary folder a moment ago is nobody's source."""
        if not full.startswith(self._temporary) or found[2] < self._began_ns:
            return False
        return self._project is None or not full.startswith(self._project)

    # On the thread, and at the end.

    def _guarded(self, function: Callable[[], object]) -> None:
        if not self._on:
            return
        try:
            function()
        except Exception as error:
            self._on = False
            self._trouble(self.source, error)

    def _look_first(self) -> None:
        """What a script has imported before `init()`."""
        known = {*self._loaded, *self._met}
        self._look_at_modules()
        for path, loaded in self._loaded.items():
            if path not in known and loaded.look[3] > self._began_ns:
                self._edited[path] = (None, loaded.digest)
        if self._loaded:
            self._write()

    def _tell(self) -> None:
        self._look_at_modules()
        self._write()

    def _look_at_modules(self) -> None:
        """Modules that no event told of: those from before we listened, and odd loaders'."""
        for _, path in _modules(self._libraries):
            if path not in self._loaded and path.endswith(_SUFFIXES):
                self._meet(path)
        self._read_met()

    def _read_met(self) -> None:
        while self._met:
            path, found = next(iter(self._met.items()))
            known = self._loaded.get(path)
            new = self._loaded[path] = self._read(path, found)
            if known is not None and known.digest != new.digest:  # it was edited and run again
                self._edited[path] = (known.digest, new.digest)
            if self._met.get(path) == found:
                del self._met[path]

    def _read(self, path: str, found: _Look) -> _Loaded:
        if is_secret_file(path):
            return _Loaded(found, None, "looks like a secret")
        try:
            if found[1] > _DIGEST_BYTES:
                return _Loaded(found, None, f"larger than {_DIGEST_BYTES >> 20} MB")
            if found[1] > min(_KEPT_BYTES, self._room_bytes):
                loaded = _Loaded(found, digest.of_file(path)[0])
            else:
                data = Path(path).read_bytes()
                loaded = _Loaded(found, digest.of_bytes(data))
                self._unkept.append(data)
                self._unkept_bytes += len(data)
                self._room_bytes -= len(data)
                if self._unkept_bytes > _HELD_BYTES:
                    self._keep_held()
        except OSError as error:
            return _Loaded(found, None, f"cannot be read ({error.strerror})")
        if _look(path) != found:
            self._edited[path] = (None, loaded.digest)
        return loaded

    def _look_again(self) -> None:
        for path, loaded in self._loaded.items():
            if loaded.digest is None or path in self._edited or _look(path) == loaded.look:
                continue
            try:
                now, _ = digest.of_file(path)
            except OSError:
                now = None
            if now != loaded.digest:
                self._edited[path] = (loaded.digest, now)

    def _keep_held(self) -> None:
        held, self._unkept, self._unkept_bytes = self._unkept, [], 0
        if held:
            self._keep(held)

    def _write(self) -> None:
        self._keep_held()
        names: dict[str, set[str]] = {self._script: {"__main__"}}
        for name, path in _modules(self._libraries):
            names.setdefault(_file_of(path), set()).add(name)
        modules = [
            [name, path, loaded.digest]
            for path, loaded in self._loaded.items()
            if loaded.digest is not None
            for name in names.get(path) or [""]
        ]
        reasons = {p: each.reason for p, each in self._loaded.items() if each.reason is not None}
        self._emit(
            {
                "path": [_as_text(os.path.abspath(entry)) for entry in sys.path],
                "modules": sorted(modules),
                "edited": [[_as_text(p), *both] for p, both in sorted(self._edited.items())],
                "left_out": [
                    f"{_as_text(path)}: {reason}"
                    for path, reason in sorted((reasons | self._left_out).items())
                ],
            }
        )


def _modules(libraries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name and file of the modules that lie outside the libraries."""
    for name, module in sys.modules.copy().items():
        try:
            path = getattr(module, "__file__", None)
        except Exception:
            continue  # anything may lie in sys.modules, and may do anything when it is asked
        if type(path) is not str or type(name) is not str or path.startswith(libraries):
            continue
        full = os.path.abspath(path)
        if not full.startswith(libraries):
            yield _as_text(name), full


def _file_of(path: str) -> str:
    """The file in which a module lies: itself, or the archive around it."""
    at = next((at + len(end) for end in _ARCHIVES if (at := path.find(end + os.sep)) > 0), None)
    return path[:at] if at and os.path.isfile(path[:at]) else path


def _look(path: str) -> _Look | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _as_text(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def mapped_libraries() -> list[str]:
    """The shared libraries in this process's memory, by the kernel's word; only on Linux."""
    try:
        with open("/proc/self/maps", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return []
    paths = (line.split(maxsplit=5)[5] for line in lines if b".so" in line and b"/" in line)
    return [os.fsdecode(path) for path in dict.fromkeys(paths)]


def _system_libraries() -> Iterable[str]:
    """Where the system and its administrator put libraries, but for a project that lies there."""
    here = os.getcwd() + os.sep
    wide = ("/lib", "/usr/", "/opt/", sys.prefix + os.sep, sys.base_prefix + os.sep)
    return (folder for folder in wide if not here.startswith(folder))


def import_root(module: str, file: str) -> str:
    """The folder on the search path that a module's file was found under."""
    path = Path(file)
    parts = module.split(".")
    if path.stem == "__init__":
        path = path.parent
    for _ in parts if module != "__main__" else [module]:
        path = path.parent
    return str(path)
