"""Which paths are data: not the system's files, the interpreter's, our own, caches, or scratch."""

import os
import sys
import sysconfig
import tempfile
from collections.abc import Mapping

__all__ = [
    "DATA_ALL_THE_SAME",
    "Scratch",
    "folder_of",
    "is_noise",
    "is_plain_noise",
    "noise_prefixes",
]

_SYSTEM = (
    *("/proc/", "/sys/", "/dev/", "/run/", "/etc/", "/bin/", "/lib/", "/lib32/", "/lib64/"),
    *("/usr/bin/", "/usr/include/", "/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/local/lib/"),
    "/var/cache/",
)
DATA_ALL_THE_SAME = ("/dev/shm/", "/run/media/")
_SEMAPHORES = "/dev/shm/sem."  # of POSIX, as multiprocessing and joblib make them

# What is only ever made from other things, and made again where it is missing: where a variable
# says it lies, and where it lies without.
_CACHES = (
    ("MPLCONFIGDIR", "~/.config/matplotlib"),
    ("NUMBA_CACHE_DIR", ""),
    ("TORCHINDUCTOR_CACHE_DIR", ""),
    ("TRITON_CACHE_DIR", "~/.triton"),
    ("TORCH_EXTENSIONS_DIR", "~/.cache/torch_extensions"),
    ("CUDA_CACHE_PATH", "~/.nv"),
    ("PYTHONPYCACHEPREFIX", ""),
    ("PIP_CACHE_DIR", "~/.cache/pip"),
    ("", "~/.cache/matplotlib"),
    ("", "~/.cache/fontconfig"),
)


def noise_prefixes(*more: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Beginnings of paths that say nothing about a run: the system's, the interpreter's, ours."""
    here = os.getcwd() + os.sep
    wide = {*_SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix}
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    own |= {os.path.dirname(os.__file__), *more}
    own |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    given = {folder_of(path) for path in own if path}
    caches = {environ.get(variable) or os.path.expanduser(place) for variable, place in _CACHES}
    wide |= {path for path in caches if os.path.isabs(path)}
    # A project may lie inside a system's folder (in a container), or be its own environment.
    given |= {folder_of(path) for path in wide if path and not here.startswith(folder_of(path))}
    given |= {folder_of(os.path.realpath(path)) for path in own if path}
    # Keras writes its defaults there when it is first imported; what is in force is a setting.
    keras = environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return tuple(sorted(given | {os.path.join(keras, "keras.json")}))


def folder_of(path: str) -> str:
    """A folder as the beginning of the paths in it."""
    return os.path.abspath(path).rstrip(os.sep) + os.sep


def is_noise(full: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a file is passed over."""
    if full.startswith(prefixes) and not full.startswith(DATA_ALL_THE_SAME):
        return True
    if full.startswith(_SEMAPHORES):
        return True
    if full.endswith(".pyc") or f"{os.sep}__pycache__{os.sep}" in full:
        return True
    return f"{os.sep}.samebit-" in full  # what we lay out, before it has its name


def is_plain_noise(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a file is passed over however its name is completed: most are met at an import."""
    return (
        name.startswith(prefixes)
        and not name.startswith(DATA_ALL_THE_SAME)
        and f"{os.sep}.." not in name  # which could lead out again
    )


class Scratch:
    """The folder of temporary files, of which most are gone before anybody could look."""

    def __init__(self) -> None:
        self._temporary = folder_of(os.path.realpath(tempfile.gettempdir()))
        here = folder_of(os.getcwd())
        self._project: str | None = None  # the folder that holds it, where it is temporary itself
        if here.startswith(self._temporary):
            inside = here.removeprefix(self._temporary)
            self._project = self._temporary + inside.partition(os.sep)[0] + os.sep

    def holds(self, full: str) -> bool:
        """Whether a path lies in it, and not in the project."""
        if self._project is not None and full.startswith(self._project):
            return False
        return full.startswith(self._temporary)
