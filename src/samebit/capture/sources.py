"""The sources that a process really loaded, from anywhere but the installed distributions."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samebit import digest

__all__ = ["import_root", "loaded_sources"]

_MAX_BYTES = 16 << 20


def loaded_sources(
    noise: tuple[str, ...], keep: Callable[[list[bytes]], Any], script: str | None = None
) -> dict[str, Any]:
    """The modules loaded now whose file is the user's own, and the search path.

    Args:
        noise: prefixes of absolute paths that belong to the interpreter and to distributions.
        keep: stores the sources' bytes.
        script: the absolute path of what runs; at exit Python has forgotten it.

    Returns:
        `path` (sys.path) and `modules` (a list of name, file, digest).
    """
    modules: list[list[str]] = []
    contents: list[bytes] = []
    for name, module in sorted(sys.modules.copy().items()):
        try:
            file = getattr(module, "__file__", None)
        except Exception:
            continue  # anything may lie in sys.modules, and may do anything when it is asked
        if name == "__main__" and file is None:
            file = script
        if not isinstance(file, str):
            continue
        full = os.path.abspath(file)
        if full.startswith(noise) or not full.endswith((".py", ".so", ".pyd", ".ipynb")):
            continue
        try:
            if os.path.getsize(full) > _MAX_BYTES:
                continue
            data = Path(full).read_bytes()
        except OSError:
            continue
        modules.append([name, full, digest.of_bytes(data)])
        contents.append(data)
    keep(contents)
    return {"path": [os.path.abspath(entry) for entry in sys.path], "modules": modules}


def import_root(module: str, file: str) -> str:
    """The folder on the search path that a module's file was found under."""
    path = Path(file)
    parts = module.split(".")
    if path.stem == "__init__":
        path = path.parent
    for _ in parts if module != "__main__" else [module]:
        path = path.parent
    return str(path)
