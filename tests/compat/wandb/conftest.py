import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import Project

ROOT = Path(__file__).parent.parent.parent.parent
# An environment with the real wandb over the packages of ours: `tools/peers.sh`.
PEERS = ROOT / ".venv" / "peers" / "bin" / "python"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "work").mkdir()
    return Project(tmp_path / "work")


@pytest.fixture(scope="session")
def peers() -> str:
    """A Python that has the real wandb, and us."""
    if not PEERS.exists():
        pytest.skip("there is no .venv/peers; `make peers` makes it")
    words = [str(PEERS), "-c", "import wandb, samebit"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"wandb is not installed beside: {done.stderr[-200:]}")
    assert sys.executable != str(PEERS)
    return str(PEERS)
