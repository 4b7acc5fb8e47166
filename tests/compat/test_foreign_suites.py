"""Tests that others have written for their trackers pass while we record what they log.

They come from the packages' own sdists (`tools/foreign.sh`), of the versions that are installed.
"""

import shutil
import sys
from pathlib import Path

import pytest

from samebit.query import index
from tests.projects import Project

FOREIGN = Path(sys.prefix) / "foreign"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (FOREIGN / "ready").exists(), reason="no sdists are there: sh tools/foreign.sh"
    ),
]

# What does not apply, and why. Everything else has to pass.
TENSORBOARDX = {
    "test_embedding.py": "is written for moto 4, which had `mock_s3`",
    "test_record_writer.py": "is written for moto 4, which had `mock_s3`",
    "test_figure.py": "draws with matplotlib",
    "test_onnx_graph.py": "reads with onnx",
    "test_openvino_graph.py": "reads with openvino",
    "test_lint.py": "asks ruff about the sources of tensorboardX",
}
ACCELERATE = {
    "WandBTrackingTest": "its authors skip it",
    "MLflowTrackingTest": "MLflow is in another environment",
}


def suite(name: str, project: Project) -> Path:
    """The tests of a package, copied to where they may write."""
    (tests,) = FOREIGN.glob(f"{name}-*/tests")
    return Path(shutil.copytree(tests, project.path / "tests"))


def run_suite(project: Project, *words: str) -> str:
    pytest_words = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout=120"]
    done = project.run("-m", "pytest", *pytest_words, *words)
    assert done.code == 0, done.out[-5000:]
    assert " failed" not in done.out
    return done.out


def passed(said: str) -> int:
    return int(said.rpartition(" passed")[0].split()[-1])


def test_tensorboardx_passes_its_tests_while_it_is_recorded(tmp_path: Path) -> None:
    project = Project(tmp_path)
    tests = suite("tensorboardx", project)
    for name in TENSORBOARDX:
        (tests / name).unlink()
    assert passed(run_suite(project, "tests", "--ignore=tests/test_writer.py")) > 50
    (row,) = index.rows(project.store)
    assert row["state"] == "finished"
    assert row["metric.accuracy"] == 204.001  # as it was given, and no float32


def test_tensorboardx_passes_its_tests_of_threads_and_flushes(tmp_path: Path) -> None:
    project = Project(tmp_path)
    suite("tensorboardx", project)
    assert passed(run_suite(project, "tests/test_writer.py")) > 5
    assert project.view().metrics["a"].values == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_accelerate_passes_its_tests_of_tensorboard(tmp_path: Path) -> None:
    project = Project(tmp_path)
    suite("accelerate", project)
    chosen = " and ".join(["TensorBoard", *(f"not {name}" for name in ACCELERATE)])
    assert passed(run_suite(project, "tests/test_tracking.py", "-k", chosen)) > 2
    assert project.view().metrics["total_loss"].values == [0.1]
