"""Whether a process of this machine is still the one that it was: boot, pid and start time."""

import os
import select
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["began_ns", "boot_id", "is_alive", "process_started", "wait_for_end"]

_PROC = Path("/proc")


def boot_id() -> str:
    """The random name of this start of the machine; empty where the system gives none."""
    return _read(_PROC / "sys/kernel/random/boot_id")


def process_started(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None if it is gone or the system is mute."""
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def began_ns(pid: int) -> int:
    """When a process began, rounded up, in UTC ns; where the system does not say, now."""
    ticks = process_started(pid)
    if not ticks:
        return time.time_ns()
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * tick_ns
    return time.time_ns() - age_ns + tick_ns


def is_alive(pid: int, started: int, boot: str) -> bool | None:
    """Whether a process recorded on this host still runs; None where that cannot be known.

    Args:
        pid: its number.
        started: what `process_started` gave for it; 0 where that was unknown.
        boot: what `boot_id` gave then. Another boot than today's ends every process, so the
            caller must have seen that the record is of this host.
    """
    today = boot_id()
    if boot and today and boot != today:
        return False
    if not boot or not today or pid <= 0:
        return None
    stat = _stat(pid)
    if stat is None:
        # /proc may be mounted so that it hides the processes of others; the signal tells.
        return None if _takes_signals(pid) else False
    state, ticks = stat
    if state in "ZXx":  # ended, and only its parent has not looked yet
        return False
    return int(ticks) == started if started else None


def wait_for_end(pids: Iterable[int], most_s: float) -> None:
    """Return when one of some processes of this machine has ended, or after so many seconds.

    One that its parent has not looked at yet has ended; of one that is gone nothing is known, and
    its time is waited for. So it is for all of them where the system opens no processes (Linux
    before 5.3, and others than Linux).
    """
    opened: list[int] = []
    try:
        opened += filter(None, map(_opened, pids))
        if not opened:
            time.sleep(most_s)
            return
        ended = select.poll()
        for descriptor in opened:
            ended.register(descriptor, select.POLLIN)
        ended.poll(most_s * 1000)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _opened(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _takes_signals(pid: int) -> bool:
    if os.name != "posix":  # elsewhere os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _stat(pid: int) -> tuple[str, str] | None:
    """State and start time. The command stands in parentheses and may hold blanks and more such."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 and fields[19].isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""
