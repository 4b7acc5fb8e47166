"""Whether a process of this machine is still the one that it was: boot, pid and start time."""

import os
from pathlib import Path

__all__ = ["boot_id", "is_alive", "process_started"]

_STARTED_FIELD = 22  # of /proc/<pid>/stat, counted from 1


def boot_id() -> str:
    """The id of this boot of the machine; empty where the system tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def process_started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where it is gone or unknowable."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The program's name stands in brackets and may hold spaces and brackets itself.
        fields = text[text.rindex(")") + 1 :].split()
        if fields[0] in ("Z", "X"):
            return None
        return int(fields[_STARTED_FIELD - 3])
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int, started: int, boot: str) -> bool | None:
    """Whether the process recorded so still runs here; None where that cannot be known."""
    if not boot or boot != boot_id():
        return False if boot and boot_id() else None
    if started:
        return process_started(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return None
    return None
