import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from samebit.capture import machine

linux = pytest.mark.skipif(sys.platform != "linux", reason="what the Linux kernel tells")


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
