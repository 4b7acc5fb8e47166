"""What the numeric libraries in C say of themselves: OpenBLAS, MKL, BLIS, OpenMP, CUDA's.

The libraries that lie in the memory of this process are found by the kernel's word and asked by
their own functions, through the `ctypes` that the script has loaded; none is loaded by us.
"""

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from samebit.capture.sources import mapped_libraries

__all__ = ["libraries"]

# The beginning of a file's name, and what we call it.
_KINDS = (
    (re.compile(r"lib(?:scipy_)?openblas"), "openblas"),
    (re.compile(r"libmkl_rt"), "mkl"),
    (re.compile(r"libblis"), "blis"),
    (re.compile(r"lib(?:gomp|omp|iomp5)\b"), "openmp"),
    (re.compile(r"lib(?:cblas|blas)\b"), "blas"),
    (re.compile(r"lib(cudart|cublas|cudnn|nccl|cufft|cusolver|cusparse|curand)\b"), ""),
)
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/([^/]+)/")
# Functions without arguments and without effect, by what they tell and give.
_NUMBERS = {
    "openblas": {"threads": "openblas_get_num_threads", "parallel": "openblas_get_parallel"},
    "mkl": {"threads": "MKL_Get_Max_Threads", "dynamic": "MKL_Get_Dynamic"},
    "blis": {"threads": "bli_thread_get_num_threads"},
    "openmp": {"threads": "omp_get_max_threads", "dynamic": "omp_get_dynamic"},
}
_TEXTS = {
    "openblas": {"version": "openblas_get_config", "cpu": "openblas_get_corename"},
    "blis": {"version": "bli_info_get_version_str"},
}
# SciPy's builds of OpenBLAS put their own name before, and the width of an integer behind.
_BEFORE, _BEHIND = ("", "scipy_"), ("", "64_", "_64")


def libraries() -> dict[str, Any]:
    """Facts by name: `openblas.numpy.libs.threads` is of the OpenBLAS that NumPy brought."""
    found: dict[str, Any] = {}
    for path in mapped_libraries():
        for pattern, kind in _KINDS:
            if match := pattern.match(os.path.basename(path)):
                place = _INSTALLED.match(path)
                name = f"{kind or match[1]}.{place[1] if place else 'system'}"
                found[f"{name}.file"] = os.path.basename(path)
                found.update((f"{name}.{told}", value) for told, value in _ask(kind, path))
                break
    return found


def _ask(kind: str, path: str) -> Iterator[tuple[str, Any]]:
    ctypes = sys.modules.get("ctypes")
    if ctypes is None or not hasattr(os, "RTLD_NOLOAD"):
        return
    try:
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return  # gone since, or one that another process has replaced
    for told, name in _NUMBERS.get(kind, {}).items():
        if (function := _function(library, name)) is not None:
            function.argtypes, function.restype = [], ctypes.c_int
            yield told, int(function())
    for told, name in _TEXTS.get(kind, {}).items():
        if (function := _function(library, name)) is not None:
            function.argtypes, function.restype = [], ctypes.c_char_p
            yield told, (function() or b"").decode("utf-8", "replace").strip()


def _function(library: Any, name: str) -> Any:
    for before in _BEFORE:
        for behind in _BEHIND:
            # A new object at each access by name in brackets: the script's own types stay.
            try:
                return library[f"{before}{name}{behind}"]
            except AttributeError:
                continue
    return None
