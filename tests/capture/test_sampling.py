"""What a run uses is sampled beside it: the numbers are of real processes."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from samebit.capture import cards, sampling
from samebit.capture.sampling import Sampler, family


@pytest.fixture
def samples() -> list[dict[str, Any]]:
    return []


def fail(source: str, error: Exception) -> None:
    raise AssertionError(source) from error


def test_work_memory_and_children_are_seen(samples: list[dict[str, Any]]) -> None:
    sampler = Sampler(samples.append, 10, fail)
    sampler.start()
    code = "import time; held = bytes(range(256)) * 200_000; print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        assert child.pid in family(os.getpid())
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        used = sampler.finish()
        child.communicate("\n")
    assert used is not None
    last = samples[-1]
    assert last["cpu_s"] >= 0.3
    assert last["cpu_percent"] > 0
    assert last["processes"] >= 2
    assert last["children_rss_bytes"] > 50_000_000
    assert last["rss_bytes"] > 5_000_000
    assert used["peak_with_children_bytes"] >= last["rss_bytes"] + last["children_rss_bytes"]
    assert used["cpu_s"] == last["cpu_s"]
    assert used["samples"] == len(samples)
    assert {tuple(sample) for sample in samples} == {tuple(last)}


def test_the_time_of_children_that_ended_is_kept(samples: list[dict[str, Any]]) -> None:
    sampler = Sampler(samples.append, 10, fail)
    sampler.start()
    work = "import time\nwhile time.process_time() < .3: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    used = sampler.finish()
    assert used is not None
    assert used["cpu_s"] >= 0.29


def test_bytes_that_were_written_are_counted(samples: list[dict[str, Any]], tmp_path: Path) -> None:
    sampler = Sampler(samples.append, 10, fail)
    sampler.start()
    (tmp_path / "data").write_bytes(bytes(3_000_000))
    used = sampler.finish()
    assert used is not None
    if Path("/proc/self/io").exists() and used["written_bytes"]:
        assert used["written_bytes"] >= 3_000_000


def test_switched_off_there_is_no_thread_and_nothing_is_said(samples: list[dict[str, Any]]) -> None:
    sampler = Sampler(samples.append, 0, fail)
    sampler.start()
    assert (sampler.finish(), samples) == (None, [])


def test_trouble_is_told_and_ends_it() -> None:
    told: list[str] = []

    def emit(values: Any) -> None:
        raise OSError("disk full")

    sampler = Sampler(emit, 10, lambda source, error: told.append(f"{source}: {error}"))
    sampler.start()
    assert sampler.finish() is not None
    assert told == ["capture.machine: disk full"]


def test_a_forked_child_neither_samples_nor_ends_it(samples: list[dict[str, Any]]) -> None:
    sampler = Sampler(samples.append, 10, fail)
    sampler.start()
    if not (pid := os.fork()):
        os._exit(0 if sampler.finish() is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert sampler.finish() is not None


def test_energy_is_counted_over_its_bound(
    samples: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, energy in (("intel-rapl:0", 900), ("intel-rapl:1", 100), ("intel-rapl:0:0", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{energy * 1_000_000}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1000000000\n")
    monkeypatch.setattr(sampling, "_RAPL", tmp_path)
    sampler = Sampler(samples.append, 10, fail)
    sampler.start()
    (tmp_path / "intel-rapl:0/energy_uj").write_text("50000000\n")  # it began anew
    (tmp_path / "intel-rapl:1/energy_uj").write_text("120000000\n")
    used = sampler.finish()
    assert used is not None
    assert used["cpu_joules"] == 170.0


NVML = """
#include <string.h>
typedef unsigned long long u64;
static long cards[2];
static u64 calls;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { return *n = 2, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { return *h = &cards[i], 0; }
static int second(void *h) { return h == &cards[1]; }
int nvmlDeviceGetUUID(void *h, char *u, unsigned n) {
    return strncpy(u, second(h) ? "GPU-bb-1" : "GPU-aa-1", n), 0;
}
int nvmlDeviceGetUtilizationRates(void *h, unsigned *u) { return u[0] = 40 + second(h), 0; }
int nvmlDeviceGetMemoryInfo(void *h, u64 *m) { return m[0] = 100, m[1] = 1, m[2] = 99, 0; }
int nvmlDeviceGetPowerUsage(void *h, unsigned *w) { return 3; /* not supported */ }
int nvmlDeviceGetTotalEnergyConsumption(void *h, u64 *e) {
    return *e = 5000000000000ULL + 2500 * calls++, 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize(
    ("visible", "names"),
    [(None, {"gpu0", "gpu1"}), ("1", {"gpu1"}), ("GPU-aa", {"gpu0"}), ("", set())],
)
def test_cards_are_asked_by_the_drivers_own_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, names: set[str]
) -> None:
    """A library with NVML's functions, as its header declares them: no card is needed."""
    import ctypes

    assert ctypes
    (tmp_path / "nvml.c").write_text(NVML)
    library = tmp_path / "libnvml.so"
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", library, tmp_path / "nvml.c"], check=True)
    monkeypatch.setattr(cards, "_LIBRARY", str(library))
    monkeypatch.setattr(cards, "_KERNEL", tmp_path)
    mapped: list[str] = []
    monkeypatch.setattr(cards, "mapped_libraries", lambda: mapped)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found = cards.Cards()
    assert found.sample() == {}  # nobody uses one: not woken
    mapped.append("/usr/lib/libcuda.so.1")
    found.sample()
    values = found.sample()
    assert {name.partition("_")[0] for name in values} == names
    if "gpu1" in names:
        assert (values["gpu1_percent"], values["gpu1_memory_bytes"]) == (41, 99)
        assert values["gpu1_watts"] is None
        joules = values["gpu1_joules"]
        assert joules is not None
        assert 0 < joules < 20
