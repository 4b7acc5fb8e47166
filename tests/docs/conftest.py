"""One demo, run once for all documents."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Demo:
    """Where it ran, what it printed, and the environment that finds `samebit` as a command."""

    folder: Path
    printed: str
    environ: dict[str, str]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    for module in ("torch", "sklearn"):  # not imported: that would change this process
        if find_spec(module) is None:
            pytest.skip(f"the demo needs {module}")
    base = tmp_path_factory.mktemp("docs")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SAMEBIT_", "COV_"))}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    environ["SAMEBIT_CACHE"] = str(base / "cache")
    done = subprocess.run(
        [sys.executable, "-m", "samebit.cli.main", "demo"],
        cwd=base,
        env=environ,
        capture_output=True,
        timeout=240,
    )
    printed = done.stdout.decode()
    assert done.returncode == 0, printed + done.stderr.decode()
    return Demo(base / "samebit-demo", printed, environ)


@pytest.fixture
def project(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's folder, to work in."""
    copied = tmp_path / "samebit-demo"
    shutil.copytree(demo.folder, copied, symlinks=True)
    return copied
