"""Of more files than are told one by one, a replay has those of their folders."""

import os

import pytest

from tests.replay.conftest import Project

pytestmark = pytest.mark.slow

TRAIN = """
from pathlib import Path
import torch
import samebit.capture.files as files
files.MAX_FILES = 3
torch.manual_seed(1)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for at in range(8):
    optimizer.zero_grad()
    (model(torch.ones(1, 1)) * float(Path(f"data/{at}.txt").read_text())).sum().backward()
    optimizer.step()
"""


def test_a_folder_of_many_files_is_laid_out_and_compared(project: Project) -> None:
    (project.folder / "data").mkdir()
    for at in range(8):
        path = project.folder / f"data/{at}.txt"
        path.write_text(str(at))
        os.utime(path, ns=(10**18, 10**18))
    project.write(train=TRAIN)
    project.run("train.py")
    found = project.verify()
    assert found.text == "identical: "
    assert any(f"files of {project.folder / 'data'}" in line for line in found.verdict["scope"])
    os.utime(project.folder / "data/7.txt", ns=(10**18, 10**18 + 1))
    assert "some are others now" in project.verify().text
