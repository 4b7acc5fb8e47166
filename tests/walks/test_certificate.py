"""A training is verified, certified, and the certificate checked by somebody else."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.projects import SAMEBIT, Ended, Project

pytestmark = pytest.mark.slow
pytest.importorskip("torch")

TRAIN = """
    import json, os, time
    import torch

    torch.manual_seed(1)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    os.makedirs("out", exist_ok=True)
    torch.save(model.state_dict(), "out/model.pt")
    with open("out/weights.json", "w") as stream:
        json.dump(model.weight.tolist(), stream)
    with open("when.txt", "w") as stream:
        stream.write(str(time.time()))
"""


def test_from_a_training_to_a_reviewer_who_has_nothing_but_two_files(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.path.mkdir()
    project.write("train.py", TRAIN)
    mine, reviewers = str(tmp_path / "mine"), str(tmp_path / "reviewers")

    def certificate(*words: str, config: str = mine, cwd: Path | None = None) -> Ended:
        return project.call(SAMEBIT, "certificate", *words, cwd=cwd, XDG_CONFIG_HOME=config)

    assert project.run("train.py").code == 0
    verified = project.call(SAMEBIT, "verify", "@last", "--json")
    assert verified.json["grade"] == "identical", verified.out
    made = certificate("make", "@last", "--to", "given", "--json")
    assert made.code == 0, made.err
    assert {one["file"]: one["replay"] for one in made.json["files"]} == {
        "out/model.pt": "same bytes",
        "out/weights.json": "same bytes",
        "when.txt": "other bytes",
    }
    content = yaml.safe_load((project.path / "given/codecheck.yml").read_text())
    assert [one["file"] for one in content["manifest"]] == [
        "out/model.pt",
        "out/weights.json",
        "when.txt",
    ]
    assert certificate("check", "given", "--files", ".").code == 0

    away = tmp_path / "away"
    shutil.copytree(project.path / "given", away)
    shutil.copytree(project.path / "out", away / "out")
    project.store.rename(tmp_path / "hidden")
    unknown = certificate("check", ".", config=reviewers, cwd=away)
    assert unknown.code == 6, unknown.out
    key = made.json["key"]
    assert f"signed by an unknown key {key}" in unknown.out
    good = certificate("check", ".", "--key", key, "--json", config=reviewers, cwd=away)
    assert good.code == 0, good.out
    assert "files: 2 of 3 were found and have the stated bytes" in good.json["right"]
    assert good.json["statement"]["predicate"]["verdict"]["grade"] == "identical"
    (away / "out/weights.json").write_text(json.dumps([[0.0]]))
    changed = certificate("check", ".", "--key", key, config=reviewers, cwd=away)
    assert changed.code == 5
    assert "out/weights.json has other bytes than were stated" in changed.out
    assert not (tmp_path / "reviewers").exists()  # who only checks gets no key
