"""The machine as it says of itself: processor, memory, graphics cards.

Only files of the kernel are read: no program is started, no CUDA is initialised, no framework
imported. What a system does not tell is None or missing, and nothing here raises.
"""

import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["describe"]

_PROC = Path("/proc")
_SYS = Path("/sys")
_ROOT = Path("/")

# The flags by which numeric libraries choose their kernels: other flags, other last bits.
_CODE_PATHS = """
sse4_1 sse4_2 avx avx2 fma f16c avx_vnni avx_ifma avx_vnni_int8 avx512f avx512bw avx512cd avx512dq
avx512vl avx512ifma avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_bf16 amx_int8 amx_fp16
asimd asimdhp asimddp asimdfhm fphp sve sve2 bf16 svebf16 i8mm svei8mm sme
"""
_FIRST_PROCESSOR_BYTES = 8192


def describe() -> dict[str, Any]:
    """The facts about this machine that a run keeps; in a few milliseconds."""
    processor = _processor()
    flags = set((processor.get("flags") or processor.get("features", "")).split())
    return {
        "host": socket.gethostname(),
        "system": _system(),
        "cpu": {
            "model": processor.get("model name") or processor.get("cpu part", ""),
            "architecture": _architecture(),
            "logical": os.cpu_count(),
            "physical": _physical_cores(),
            "allowed": _allowed_cpus(),
            "quota": _cpu_quota(),
            "flags": sorted(flags.intersection(_CODE_PATHS.split())),
        },
        "memory_bytes": _memory_bytes(),
        "gpus": _gpus(),
        "gpu_driver": _gpu_driver(),
        "boot": _read(_PROC / "sys/kernel/random/boot_id"),
        "container": _container(),
    }


def _read(path: Path, size_bytes: int = 65536) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return os.read(fd, size_bytes).decode("utf-8", "replace").strip()
        finally:
            os.close(fd)
    except OSError:
        return ""


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _system() -> dict[str, str]:
    if not hasattr(os, "uname"):
        return {"name": sys.platform, "release": "", "version": ""}
    name = os.uname()
    return {"name": name.sysname, "release": name.release, "version": name.version}


def _architecture() -> str:
    return (
        os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    )


def _processor() -> dict[str, str]:
    # Only the beginning: for each processor the kernel measures its clock while we read, which
    # takes a machine with many of them tens of milliseconds.
    found: dict[str, str] = {}
    for name, value in _fields(_read(_PROC / "cpuinfo", _FIRST_PROCESSOR_BYTES)):
        found.setdefault(name.lower(), value)
    return found


def _physical_cores() -> int | None:
    cpus = _SYS / "devices/system/cpu"
    siblings = {
        _read(cpus / name / "topology" / "thread_siblings_list")
        for name in _names(cpus)
        if re.fullmatch(r"cpu\d+", name)
    }
    return len(siblings - {""}) or None


def _allowed_cpus() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _cpu_quota() -> float | None:
    """How many processors' time the control group may use; None where nothing limits it."""
    quotas: list[float] = []
    for line in _read(_PROC / "self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            top = _SYS / "fs/cgroup"
            pair = ("cpu.max",)
        elif "cpu" in controllers.split(","):
            top = _SYS / "fs/cgroup/cpu"
            pair = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        # Every group above limits too; inside a container the outer ones are not to be seen.
        group = top / path.lstrip("/")
        while group == top or top in group.parents:
            numbers = " ".join(_read(group / name) for name in pair).split()
            if len(numbers) == 2 and all(number.isdigit() for number in numbers):
                quotas.append(int(numbers[0]) / max(int(numbers[1]), 1))
            group = group.parent
    return min(quotas, default=None)


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> list[dict[str, str]]:
    folder = _PROC / "driver/nvidia/gpus"
    found: list[dict[str, str]] = []
    for name in _names(folder):
        facts = dict(_fields(_read(folder / name / "information")))
        if facts:
            found.append(
                {
                    "model": facts.get("Model", ""),
                    "uuid": facts.get("GPU UUID", ""),
                    "bios": facts.get("Video BIOS", ""),
                    "bus": facts.get("Bus Location", name),
                }
            )
    return found


def _gpu_driver() -> str | None:
    version = re.search(r"\s(\d+\.\d+[.\d]*)\s", _read(_PROC / "driver/nvidia/version"))
    return version[1] if version else None


def _container() -> str | None:
    """What kind of container we seem to be in; None is no proof that it is none."""
    for name, kind in (("APPTAINER_NAME", "apptainer"), ("SINGULARITY_NAME", "singularity")):
        if os.environ.get(name):
            return kind
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if (_ROOT / ".dockerenv").exists():
        return "docker"
    if (_ROOT / "run/.containerenv").exists():
        return "podman"
    return os.environ.get("container") or None  # noqa: SIM112  (systemd's name for it)
