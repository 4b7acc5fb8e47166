import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebit.capture import machine

linux = pytest.mark.skipif(sys.platform != "linux", reason="what the Linux kernel tells")
OTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without anything, to be furnished by a test."""
    monkeypatch.setattr(machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "_SYS", tmp_path / "sys")
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    for name in ("container", "APPTAINER_NAME", "SINGULARITY_NAME", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def odd_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose name is made to mislead who reads /proc/<pid>/stat from the left."""
    code = "open('/proc/self/comm', 'w').write('a) Z (b c'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_this_machine_is_described_in_plain_values() -> None:
    facts = machine.describe()
    assert facts["host"] == socket.gethostname()
    assert facts["cpu"]["logical"] == os.cpu_count()
    assert facts["cpu"]["architecture"]
    assert facts["memory_bytes"] > 2**27
    assert isinstance(facts["gpus"], list)


@linux
def test_the_processor_is_named_with_the_flags_that_choose_kernels() -> None:
    text = Path("/proc/cpuinfo").read_text()
    cpu = machine.describe()["cpu"]
    assert cpu["model"] in text
    assert all(flag in text.split() for flag in cpu["flags"])
    assert 1 <= cpu["physical"] <= cpu["logical"]
    assert cpu["allowed"] == len(os.sched_getaffinity(0))


def test_describing_loads_no_framework_and_starts_no_program() -> None:
    code = """
import sys
started = []
sys.addaudithook(lambda name, _: started.append(name) if "exec" in name or "Popen" in name else 0)
from samebit.capture import machine
started.clear()
machine.describe()
assert not started, started
assert not {"torch", "numpy", "subprocess", "ctypes"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_machine_that_tells_nothing_is_no_error(made_up: Path) -> None:
    facts = machine.describe()
    assert facts["boot"] == ""
    assert facts["gpus"] == []
    assert facts["gpu_driver"] is None
    assert facts["container"] is None
    assert facts["cpu"]["physical"] is None
    assert facts["cpu"]["quota"] is None
    assert facts["cpu"]["flags"] == []
    assert machine.process_started(os.getpid()) is None
    assert machine.is_alive(os.getpid(), 5, OTHER_BOOT) is None


def test_graphics_cards_are_read_from_the_driver_without_cuda(made_up: Path) -> None:
    card = (
        "Model: \t\t NVIDIA H200\nIRQ:   \t\t 45\nGPU UUID: \t GPU-1a2b\nVideo BIOS: \t 96.00.9F\n"
    )
    folder = made_up / "proc/driver/nvidia"
    write(folder / "gpus/0000:01:00.0/information", card + "Bus Location: \t 0000:01:00.0\n")
    write(folder / "gpus/0000:41:00.0/information", card)
    write(
        folder / "version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (x)\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n",
    )
    facts = machine.describe()
    assert facts["gpu_driver"] == "580.65.06"
    assert facts["gpus"][0] == {
        "model": "NVIDIA H200",
        "uuid": "GPU-1a2b",
        "bios": "96.00.9F",
        "bus": "0000:01:00.0",
    }
    assert facts["gpus"][1]["bus"] == "0000:41:00.0"


def test_the_tightest_quota_of_all_groups_above_counts(made_up: Path) -> None:
    write(made_up / "proc/self/cgroup", "0::/slice/job\n")
    write(made_up / "sys/fs/cgroup/slice/job/cpu.max", "800000 100000\n")
    write(made_up / "sys/fs/cgroup/slice/cpu.max", "250000 100000\n")
    assert machine.describe()["cpu"]["quota"] == 2.5
    write(made_up / "sys/fs/cgroup/slice/cpu.max", "max 100000\n")
    assert machine.describe()["cpu"]["quota"] == 8.0


def test_the_first_version_of_control_groups_is_read_too(made_up: Path) -> None:
    write(made_up / "proc/self/cgroup", "9:name=systemd:/x\n4:cpu,cpuacct:/docker/1\n3:memory:/\n")
    group = made_up / "sys/fs/cgroup/cpu/docker/1"
    write(group / "cpu.cfs_quota_us", "150000\n")
    write(group / "cpu.cfs_period_us", "100000\n")
    write(made_up / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(made_up / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert machine.describe()["cpu"]["quota"] == 1.5


@pytest.mark.parametrize(
    ("file", "kind"), [(".dockerenv", "docker"), ("run/.containerenv", "podman")]
)
def test_a_container_is_hinted_at(made_up: Path, file: str, kind: str) -> None:
    write(made_up / file, "")
    assert machine.describe()["container"] == kind


def test_cores_that_share_threads_are_counted_once(made_up: Path) -> None:
    for cpu, siblings in enumerate(["0,2", "1,3", "0,2", "1,3", "4"]):
        folder = made_up / f"sys/devices/system/cpu/cpu{cpu}/topology"
        write(folder / "thread_siblings_list", siblings + "\n")
    (made_up / "sys/devices/system/cpu/cpufreq").mkdir()
    assert machine.describe()["cpu"]["physical"] == 3


@linux
def test_a_process_is_known_by_its_start_though_its_name_misleads(
    odd_process: subprocess.Popen[bytes],
) -> None:
    started = machine.process_started(odd_process.pid)
    boot = machine.boot_id()
    assert started is not None
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(started / os.sysconf("SC_CLK_TCK") - uptime_s) < 60
    assert machine.is_alive(odd_process.pid, started, boot) is True
    assert machine.is_alive(odd_process.pid, started + 1, boot) is False
    assert machine.is_alive(odd_process.pid, started, OTHER_BOOT) is False
    assert machine.is_alive(odd_process.pid, started, "") is None
    assert machine.is_alive(odd_process.pid, 0, boot) is None


@linux
def test_a_killed_process_is_dead_even_before_its_parent_looks(
    odd_process: subprocess.Popen[bytes],
) -> None:
    started = machine.process_started(odd_process.pid)
    assert started is not None
    odd_process.kill()
    os.waitid(os.P_PID, odd_process.pid, os.WEXITED | os.WNOWAIT)
    assert machine.is_alive(odd_process.pid, started, machine.boot_id()) is False
    odd_process.wait()
    assert machine.is_alive(odd_process.pid, started, machine.boot_id()) is False
    assert machine.process_started(odd_process.pid) is None


@linux
def test_a_process_that_proc_hides_is_not_called_dead(
    made_up: Path, odd_process: subprocess.Popen[bytes]
) -> None:
    write(made_up / "proc/sys/kernel/random/boot_id", "today\n")
    assert machine.is_alive(odd_process.pid, 5, "today") is None
    odd_process.kill()
    odd_process.wait()
    assert machine.is_alive(odd_process.pid, 5, "today") is False


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**80])
def test_numbers_that_are_no_process_are_no_error(pid: int) -> None:
    assert machine.process_started(pid) is None
    assert machine.is_alive(pid, 1, machine.boot_id()) is not True
