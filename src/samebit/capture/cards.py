"""NVIDIA's graphics cards, by the library that comes with their driver: it knows no CUDA.

It is loaded only where the kernel shows such a card, the script has loaded `ctypes` itself (as
PyTorch does: an import of ours in a thread could leave its lock taken in a forked child), and the
script has begun to use a card: to begin with one that sleeps takes seconds, and a process that
forks meanwhile is in trouble. The numbers are of the whole card, whoever uses it.
"""

import os
import sys
from pathlib import Path
from typing import Any

from samebit.capture.sources import mapped_libraries

__all__ = ["Cards"]

_LIBRARY = "libnvidia-ml.so.1"
_KERNEL = Path("/proc/driver/nvidia/version")
_OTHERS = ("jax", "cupy", "tensorflow", "numba.cuda", "pycuda")
_MAX_CARDS = 16


class Cards:
    """The cards that this process may use; none where there are none, or nobody tells."""

    def __init__(self) -> None:
        self._ctypes: Any = None
        self._library: Any = None
        self._handles: dict[int, Any] = {}
        self._energy_mj: dict[int, int] = {}
        self._is_open = not _KERNEL.exists()

    def sample(self) -> dict[str, float | int | None]:
        """Use, memory and power of each card now, and its energy since the first sample."""
        if not self._is_open:
            self._open()
        ctypes = self._ctypes
        found: dict[str, float | int | None] = {}
        for index, handle in self._handles.items():
            share = (ctypes.c_uint * 2)()
            memory = (ctypes.c_ulonglong * 3)()
            watts, energy = ctypes.c_uint(), ctypes.c_ulonglong()
            name = f"gpu{index}_"
            ask = self._ask
            found[name + "percent"] = share[0] if ask("UtilizationRates", handle, share) else None
            found[name + "memory_bytes"] = memory[2] if ask("MemoryInfo", handle, memory) else None
            power = ctypes.byref(watts)
            found[name + "watts"] = watts.value / 1e3 if ask("PowerUsage", handle, power) else None
            total = ctypes.byref(energy)
            joules = None
            if ask("TotalEnergyConsumption", handle, total):
                first = self._energy_mj.setdefault(index, energy.value)
                joules = round((energy.value - first) / 1e3, 1)
            found[name + "joules"] = joules
        return found

    def _ask(self, what: str, handle: Any, answer: Any) -> bool:
        function = getattr(self._library, f"nvmlDeviceGet{what}", None)
        return function is not None and function(handle, answer) == 0

    def _open(self) -> None:
        ctypes: Any = sys.modules.get("ctypes")
        if not hasattr(ctypes, "CDLL") or not _is_used():
            return  # not loaded, or just about to be
        self._is_open, self._ctypes = True, ctypes
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError:
            return
        if library.nvmlInit_v2() != 0:
            return
        self._library = library
        count = ctypes.c_uint()
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return
        for index in range(min(count.value, _MAX_CARDS)):
            handle = ctypes.c_void_p()
            if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
                uuid = ctypes.create_string_buffer(96)
                library.nvmlDeviceGetUUID(handle, uuid, 96)
                if _is_ours(index, uuid.value.decode("ascii", "replace")):
                    self._handles[index] = handle


def _is_used() -> bool:
    """Whether the script has made CUDA ready.

    The word of torch, which may map its library long before; without it, that library is the sign.
    """
    torch: Any = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_initialized():
            return True
    except AttributeError:
        return False  # it is just being imported
    if torch is not None and not any(name in sys.modules for name in _OTHERS):
        return False
    return any("/libcuda.so" in path for path in mapped_libraries())


def _is_ours(index: int, uuid: str) -> bool:
    """Whether CUDA_VISIBLE_DEVICES lets the script use a card; it counts as the bus does."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return True
    names = [name.strip() for name in visible.split(",")]
    return str(index) in names or any(n[:4] == "GPU-" and uuid.startswith(n) for n in names)
