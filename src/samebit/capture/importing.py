"""Being told when a module has been imported, without importing it.

A library that is never used is never loaded by us; one that is loaded later is met the moment its
own code has run, before the import statement of the script returns.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["no_longer", "on_trouble", "step_aside", "trouble", "when_imported"]


class _Watcher:
    """Finds nothing itself; wraps the loaders of the modules that are waited for."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Callable[[ModuleType], object]]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.waiting:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Telling(spec.loader, self)  # pyright: ignore[reportAttributeAccessIssue]
                return spec
        return None

    def tell(self, module: ModuleType) -> None:
        for callback in self.waiting.pop(module.__name__, []):
            _call(callback, module)


class _Telling:
    """A loader that behaves as the real one, and tells when the module's code has run."""

    def __init__(self, real: Any, watcher: _Watcher) -> None:
        self._real = real
        self._watcher = watcher

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The real loader goes back first: code that looks at its own loader must find that one.
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        self._watcher.tell(module)

    # Python cuts the frames of the import system out of a traceback, and with this name ours too.
    exec_module.__code__ = exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap>")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


_watcher = _Watcher()
_trouble: list[Callable[[str, Exception], object]] = []


def on_trouble(report: Callable[[str, Exception], object]) -> None:
    """Name the function that is told when a callback fails."""
    _trouble[:] = [report]


def _call(callback: Callable[[ModuleType], object], module: ModuleType) -> None:
    try:
        callback(module)
    except Exception as error:
        trouble(f"import of {module.__name__}", error)


def trouble(source: str, error: Exception) -> None:
    """A hook of ours failed: it is said, and the script never sees it."""
    for report in _trouble:
        report(source, error)


def when_imported(name: str, callback: Callable[[ModuleType], object]) -> None:
    """Call back with a module: now if it is loaded, otherwise when it has been.

    The callback runs inside the script's import statement. What it raises goes to `on_trouble`,
    never to the script. One that waits for a module already does so once.
    """
    module = sys.modules.get(name)
    if module is not None and not _still_loading(module):
        _call(callback, module)
        return
    waiting = _watcher.waiting.setdefault(name, [])
    if callback not in waiting:
        waiting.append(callback)
    if _watcher not in sys.meta_path:
        sys.meta_path.insert(0, _watcher)


def no_longer(callback: Callable[[ModuleType], object]) -> None:
    """Let a callback wait for nothing any more."""
    for waiting in list(_watcher.waiting.values()):
        if callback in waiting:
            waiting.remove(callback)


def _still_loading(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def step_aside(error: BaseException) -> None:
    """Take a wrapper of ours out of the traceback of an error that it raises on with `raise`."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
