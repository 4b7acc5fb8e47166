"""What a run uses: processor, memory, disk, network, graphics cards and energy, from time to time.

Only files of the kernel are read, and NVIDIA's own library where the script has a use for it: no
program is started and no CUDA is initialised. A thread of its own does it, often at first and then
more seldom; what a system does not tell is missing.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samebit.capture.cards import Cards
from samebit.threads import Helper

__all__ = ["Sampler", "family"]

_PROC = Path("/proc")
_RAPL = Path("/sys/class/powercap")
_FIRST_S = 1.0
_SWEEP_S = 60.0  # between looks at what is open; each is twice as long as the one before
_MAX_PROCESSES = 256
_MAX_THREADS = 64  # whose children are asked for; of more, only those of the main one

Values = dict[str, float | int | None]


class Sampler:
    """Samples this process and its children until `finish`.

    Args:
        emit: takes the values of one sample; of a sample that has the same cards, the same names.
        every_s: seconds between two samples, once the run has gone on for ten times as long.
        trouble: told once when something of ours failed; it is sampled no more then.
        sweep: given the processes now and then, to look at what they have open.
    """

    def __init__(
        self,
        emit: Callable[[Values], None],
        every_s: int,
        trouble: Callable[[str, Exception], None],
        sweep: Callable[[list[int]], None] = lambda pids: None,
    ) -> None:
        self._emit = emit
        self._every_s = every_s
        self._trouble = trouble
        self._sweep = sweep
        self._pid = os.getpid()
        self._helper: Helper | None = None
        self._began = time.monotonic()
        self._next_sweep_s = self._sweep_after_s = _SWEEP_S
        self._machine = _Machine(self._pid)

    def start(self) -> None:
        """Begin; nothing where it is switched off."""
        if self._every_s > 0 and _PROC.joinpath("self/stat").exists():
            self._helper = Helper("samebit-machine", self._tick, min(_FIRST_S, self._every_s))
            self._helper.begin()

    def finish(self) -> dict[str, Any] | None:
        """End, and say what was used in all; None where nothing was sampled, and in a child."""
        if self._helper is None or os.getpid() != self._pid:
            return None
        self._helper.finish()
        self._helper = None
        try:
            self._emit(self._machine.sample())
        except Exception as error:
            self._trouble("capture.machine", error)
        return {"wall_s": round(time.monotonic() - self._began, 3), **self._machine.total()}

    def _tick(self) -> float | None:
        try:
            self._emit(self._machine.sample())
            age_s = time.monotonic() - self._began
            if age_s > self._next_sweep_s:
                self._sweep_after_s *= 2
                self._next_sweep_s = age_s + self._sweep_after_s
                self._sweep(self._machine.processes)
        except Exception as error:
            self._trouble("capture.machine", error)
            return None
        return min(max(_FIRST_S, age_s / 10), self._every_s)


class _Machine:
    """Reads the counters, and remembers what they were first and what they were at most."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.processes = [pid]
        self._cards = Cards()
        self._at = time.monotonic()
        self._spent_s = _cpu_s(pid)
        self._first_cpu_s = self._spent_s
        self._first_net = _network()
        self._first_disk = _disk([pid])
        self._joules = {zone: _Counter(*zone_range) for zone, zone_range in _rapl()}
        self._peaks: dict[str, float] = {}
        self._last: Values = {}
        self._count = 0

    def sample(self) -> Values:
        """The values now; counts are since we began, rates since the last."""
        self.processes = family(self._pid)
        now = time.monotonic()
        # Of what ended and was waited for, time and bytes are counted with who waited.
        spent_s = sum(_cpu_s(pid, own=pid != self._pid) for pid in self.processes)
        elapsed_s = max(now - self._at, 1e-6)
        rss = [_status(pid) for pid in self.processes]
        read, written = (
            b - a for a, b in zip(self._first_disk, _disk(self.processes), strict=True)
        )
        received, sent = (b - a for a, b in zip(self._first_net, _network(), strict=True))
        values: Values = {
            "cpu_percent": round(max(spent_s - self._spent_s, 0.0) / elapsed_s * 100, 1),
            "cpu_s": round(spent_s - self._first_cpu_s, 2),
            "rss_bytes": rss[0]["VmRSS"],
            "children_rss_bytes": sum(one["VmRSS"] for one in rss[1:]),
            "threads": rss[0]["Threads"],
            "processes": len(self.processes),
            "free_bytes": _available(),
            "read_bytes": read,
            "written_bytes": written,
            "received_bytes": received,
            "sent_bytes": sent,
        }
        if self._joules:
            values["cpu_joules"] = round(self._cpu_joules(), 1)
        values.update(self._cards.sample())
        self._at, self._spent_s = now, spent_s
        self._count += 1
        self._raise("peak_rss_bytes", rss[0]["VmHWM"])
        self._raise("peak_with_children_bytes", sum(one["VmRSS"] for one in rss))
        for name, value in values.items():
            of_card = name.startswith("gpu")
            if of_card and name.endswith(("percent", "memory_bytes", "watts")) and value:
                self._raise("peak_" + name, value)
        self._last = values
        return values

    def total(self) -> dict[str, Any]:
        """What was used in all, and at most."""
        names = ("cpu_s", "read_bytes", "written_bytes", "received_bytes", "sent_bytes")
        found = {name: self._last[name] for name in (*names, "cpu_joules") if name in self._last}
        found |= {k: v for k, v in self._last.items() if k.startswith("gpu") and "joules" in k}
        return {**found, **self._peaks, "samples": self._count}

    def _raise(self, name: str, value: float) -> None:
        self._peaks[name] = max(value, self._peaks.get(name, 0))

    def _cpu_joules(self) -> float:
        zones = self._joules.items()
        return sum(counter.add(_number(zone / "energy_uj")) for zone, counter in zones) / 1e6


class _Counter:
    """A count that begins anew at a bound."""

    def __init__(self, first: int, bound: int) -> None:
        self._last = first
        self._bound = bound
        self._sum = 0

    def add(self, now: int | None) -> int:
        if now is not None:
            step = now - self._last
            self._sum += step if step >= 0 else step + self._bound
            self._last = now
        return self._sum


def family(pid: int) -> list[int]:
    """A process and those that it and its children started, as far as they are alive."""
    found = [pid]
    for parent in found:
        folder = _PROC / str(parent) / "task"
        try:
            threads = os.listdir(folder)
        except OSError:
            continue
        for thread in threads if len(threads) <= _MAX_THREADS else [str(parent)]:
            found += map(int, _read(folder / thread / "children").split())
        if len(found) >= _MAX_PROCESSES:
            break
    return found[:_MAX_PROCESSES]


def _cpu_s(pid: int, *, own: bool = False) -> float:
    """Processor time of a process and, unless only its own is asked for, of ended children."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    ticks = [int(field) for field in fields[11 : 13 if own else 15]]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _status(pid: int) -> dict[str, int]:
    found = {"VmRSS": 0, "VmHWM": 0, "Threads": 0}
    for name, number in _numbers(_PROC / str(pid) / "status"):
        if name in found:
            found[name] = number * (1 if name == "Threads" else 1024)
    return found


def _disk(pids: list[int]) -> tuple[int, int]:
    """Bytes that came from disks and went there, for processes and their ended children."""
    found = [dict(_numbers(_PROC / str(pid) / "io")) for pid in pids]
    read = sum(one.get("read_bytes", 0) for one in found)
    return read, sum(one.get("write_bytes", 0) for one in found)


def _available() -> int | None:
    for name, number in _numbers(_PROC / "meminfo"):
        if name == "MemAvailable":
            return number * 1024
    return None


def _network() -> tuple[int, int]:
    """Bytes that came and went over every interface but the loop: of the whole machine."""
    received = sent = 0
    for line in _read(_PROC / "self/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = rest.split()
        if name.strip() != "lo" and len(numbers) > 8:
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


def _rapl() -> Iterator[tuple[Path, tuple[int, int]]]:
    """The processor packages that tell their energy, with what they say now and their bound."""
    try:
        zones = sorted(name for name in os.listdir(_RAPL) if name.count(":") == 1)
    except OSError:
        return
    for zone in zones:
        now = _number(_RAPL / zone / "energy_uj")  # mostly for root alone
        if now is not None:
            yield _RAPL / zone, (now, _number(_RAPL / zone / "max_energy_range_uj") or 1 << 32)


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _numbers(path: Path) -> Iterator[tuple[str, int]]:
    for line in _read(path).splitlines():
        name, _, rest = line.partition(":")
        first = rest.split(None, 1)[:1]
        if first and first[0].isdigit():
            yield name, int(first[0])


def _read(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return os.read(fd, 1 << 16).decode("utf-8", "replace")
        finally:
            os.close(fd)
    except OSError:
        return ""
