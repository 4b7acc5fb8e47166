"""Whether the kernel has killed a process because memory ran out.

The kernel tells it nobody directly; it counts. A control group (a container, a Slurm job, a systemd
unit) has a counter of its own, the machine has one of all.
"""

from pathlib import Path

__all__ = ["oom_kills"]


def oom_kills(root: Path = Path("/")) -> dict[str, int]:
    """How often it happened so far: in our control group, and on this machine.

    A counter that cannot be read is missing.
    """
    found: dict[str, int] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            place = root / "sys/fs/cgroup"
            files = [place / path.lstrip("/") / "memory.events", place / "memory.events"]
        elif "memory" in controllers.split(","):
            place = root / "sys/fs/cgroup/memory"
            # In a container the path is the host's, and what is mounted is its end.
            files = [place / path.lstrip("/") / "memory.oom_control", place / "memory.oom_control"]
        else:
            continue
        counts = [count for file in files if (count := _count(file)) is not None]
        if counts:
            found["group"] = counts[0]
    machine = _count(root / "proc/vmstat")
    if machine is not None:
        found["machine"] = machine
    return found


def _count(file: Path) -> int | None:
    for line in _read(file).splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
