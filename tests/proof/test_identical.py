"""No false alarm: what is the same is found to be identical, whatever it is made of."""

import sys
from pathlib import Path

import pytest

from tests.projects import SAMEBIT, Project
from tests.proof.injected import ALIKE

pytest.importorskip("torch")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("alike"))
    project.write("alike.py", Path(__file__).with_name("alike.py").read_text())
    return project


@pytest.mark.parametrize("kind", ALIKE)
def test_two_executions_of_one_training_are_identical(project: Project, kind: str) -> None:
    words = ["alike.py", kind]
    if "ddp" in kind:
        torchrun = str(Path(sys.executable).with_name("torchrun"))
        words = ["--", torchrun, "--nproc-per-node", "2", "--standalone", *words]
    ended = project.run(*words)
    assert ended.code == 0, ended
    ended = project.call(SAMEBIT, "verify", "@last")
    assert ended.code == 0, ended
    assert ended.out.startswith("identical\n"), ended.out
    assert "final state identical" in ended.out
