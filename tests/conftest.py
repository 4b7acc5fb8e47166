"""What every test needs: nothing of ours outside its own folders."""

import os
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.warm import Warm

# Threads of OpenMP and OpenBLAS that wait sleep. By default they turn in circles: where other tests
# run beside a training, most of its processor time. Read when libraries are loaded, here and in
# other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

# No test is about time: a machine may be busy with another.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.fixture(autouse=True, scope="session")
def _own_cache_and_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Indexes and settings of whoever runs the tests are neither used nor touched."""
    folder: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBIT_CACHE", str(folder / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.delenv("SAMEBIT_DIR", raising=False)
        # On a machine with a card JAX would take all of its memory, in each test's process.
        patch.setenv("JAX_PLATFORMS", "cpu")
        yield


@pytest.fixture
def little_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A small file system of its own; called with options, it is mounted or changed with them."""
    top = tmp_path / "disk"
    top.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(top)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a file system can be mounted by root only")
        return top

    yield mount
    subprocess.run(["umount", "-l", str(top)], capture_output=True)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A process that has torch, in whose forks scripts run."""
    if find_spec("torch") is None:  # not imported: that would change this process
        pytest.skip("torch is not installed")
    process = Warm(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()
