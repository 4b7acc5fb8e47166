"""Fingerprints in the oldest versions that install here are the golden ones.

The packages come from whatever index pip is set up for; where there is none, the tests are skipped
with what pip said.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.test_fingerprints import GOLDEN
from tests.replay.wheels import NEEDED

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "tests/data/examples.py"
LIBRARIES = ("pandas", "pyarrow", "polars", "datasets", "numpy")

# What is the oldest depends on the interpreter, for which wheels must have been built. Of polars
# and datasets it is the oldest that works with the others: docs/design/015-data-fingerprints.md.
SETS = {
    "oldest": {
        "pandas": "1.5.0",
        "numpy": "1.23.2",
        "pyarrow": "10.0.1",
        "polars": "0.14.19",
        "datasets": "1.18.0",
    },
    "of 2023": {
        "pandas": "1.5.3",
        "numpy": "1.26.4",
        "pyarrow": "14.0.0",
        "polars": "0.19.0",
        "datasets": "2.16.0",
    },
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 11), reason="the oldest versions are those for Python 3.11"
    ),
]


@pytest.fixture(scope="module", params=SETS)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What an environment with other versions says of the examples."""
    versions = SETS[request.param]
    folder = tmp_path_factory.mktemp("versions")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pins = [f"{name}=={version}" for name, version in versions.items()]
    words = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    words += ["--no-compile", "--only-binary", ":all:", *pins, *NEEDED]  # few modules are imported
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the packages cannot be had: {done.stderr.strip().splitlines()[-1]}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    words = [str(python), "-W", "ignore", str(EXAMPLES), *LIBRARIES, "tempfile", "json"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {name: said["versions"][name] for name in versions} == versions
    return said


def test_other_versions_say_the_golden_fingerprints(asked: dict) -> None:
    assert {name for name, _, _ in asked["found"]} == set(GOLDEN)
    differing = [(name, how) for name, how, value in asked["found"] if value != GOLDEN[name]]
    assert not differing


def test_the_versions_compared_are_not_those_that_are_installed_here(asked: dict) -> None:
    import importlib.metadata

    here = {name: importlib.metadata.version(name) for name in LIBRARIES}
    assert all(asked["versions"][name] != here[name] for name in LIBRARIES)
