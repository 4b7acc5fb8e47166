"""A day with three scripts: where each thing is from, and what came of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.digest import of_bytes, short
from tests.data.dvc.projects import DvcProject
from tests.projects import Project

PREPARE = """
    import pathlib
    words = pathlib.Path("raw.txt").read_text().split()
    pathlib.Path("data").mkdir(exist_ok=True)
    pathlib.Path("data/train.txt").write_text("\\n".join(sorted(words)))
    pathlib.Path("data/test.txt").write_text(words[0])
"""
TRAIN = """
    import os, pathlib
    import numpy as np
    import samebit
    run = samebit.init(seed=1)
    values = [float(word) for word in pathlib.Path("data/train.txt").read_text().split()]
    run.trace(params={"w": np.array(values)})
    pathlib.Path("model.tmp").write_text(str(sum(values)))
    os.replace("model.tmp", "model.txt")
    run.finish()
"""
EVALUATE = """
    import pathlib
    model = float(pathlib.Path("model.txt").read_text())
    test = float(pathlib.Path("data/test.txt").read_text())
    pathlib.Path("report.txt").write_text(str(model - test))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("lineage"))
    project.write("raw.txt", "3 1 2")
    for name, text in (("prepare", PREPARE), ("train", TRAIN), ("evaluate", EVALUATE)):
        project.write(f"{name}.py", text)
        ended = project.run("--name", name, f"{name}.py")
        assert ended.code == 0, ended.err
    return project


@pytest.fixture(autouse=True)
def _here(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path))
    monkeypatch.setenv("SAMEBIT_DIR", str(project.store))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["lineage", *words]) == 0
    return capsys.readouterr().out


def ways(capsys: pytest.CaptureFixture[str], thing: str) -> tuple[set[str], set[str]]:
    """The names of all that a thing is from, and of all that came of it; sources left out."""
    found = json.loads(said(capsys, thing, "--json"))
    roots = set(found["thing"]["nodes"])
    return tuple(  # type: ignore[return-value]
        {
            _name(node)
            for node in found["nodes"]
            if node[way] and node["node"] not in roots and not _name(node).endswith(".py")
        }
        for way in ("upstream", "downstream")
    )


def _name(node: dict[str, Any]) -> str:
    return node["name"] if "name" in node else os.path.basename(node["names"][0]["name"])


def test_each_thing_is_told_in_both_directions(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    of_raw = {"prepare", "train.txt", "test.txt", "train", "model.txt", "final"}
    of_raw |= {"evaluate", "report.txt"}
    of_train = {"model.txt", "final", "evaluate", "report.txt"}
    expected = {
        "raw.txt": (set(), of_raw),
        "prepare": ({"raw.txt"}, of_raw - {"prepare"}),
        "data/train.txt": ({"prepare", "raw.txt"}, {"train", *of_train}),
        "train": ({"train.txt", "prepare", "raw.txt"}, of_train),
        "train:final": ({"train", "train.txt", "prepare", "raw.txt"}, set()),
        "model.txt": ({"train", "train.txt", "prepare", "raw.txt"}, {"evaluate", "report.txt"}),
        "report.txt": (of_raw - {"final", "report.txt"} | {"raw.txt"}, set()),
    }
    assert {thing: ways(capsys, thing) for thing in expected} == expected
    digest = of_bytes((project.path / "model.txt").read_bytes())
    for name in (digest, short(digest), str(project.path / "model.txt")):
        assert ways(capsys, name) == expected["model.txt"]


def test_a_file_of_dvcs_means_what_dvc_keeps(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = DvcProject(project.path)
    theirs.add("raw.txt", b"3 1 2", tree=False)
    theirs.add("data", {"x": b"x"}, tree=False)
    theirs.add("other", b"x", tree=False)
    assert ways(capsys, "raw.txt.dvc") == ways(capsys, "raw.txt")
    assert ways(capsys, "data.dvc") == ways(capsys, "data")
    assert main(["lineage", "other.dvc"]) == 7
    assert "it keeps: other" in capsys.readouterr().err


def test_the_text_has_a_line_for_each_step_of_the_way(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "model.txt").splitlines()
    ids = {view.name: view.id for view in project.views()}
    begins = [
        "{model.txt} model.txt",
        "where it is from",
        f"└─ made by {ids['train']} train (finished, no verdict, ",
        "   └─ {data/train.txt} data/train.txt",
        f"      └─ made by {ids['prepare']} prepare (finished, no verdict, ",
        "         └─ {raw.txt} raw.txt",
        "what came of it",
        f"└─ used by {ids['evaluate']} evaluate (finished, no verdict, ",
        "   └─ {report.txt} report.txt",
    ]
    assert len(lines) == len(begins)
    for line, begin in zip(lines, begins, strict=True):
        name = begin.partition("{")[2].partition("}")[0]
        known = short(of_bytes((project.path / name).read_bytes())) if name else ""
        assert line.startswith(begin.replace(f"{{{name}}}", known))
    assert lines[2].endswith(") train.py")


def test_a_changed_file_is_said_to_be_another_content(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project.path / "data" / "train.txt"
    before = path.read_bytes()
    had, now = short(of_bytes(before)), short(of_bytes(before + b"\n9"))
    path.write_bytes(before + b"\n9")
    try:
        text = said(capsys, "data/train.txt")
        assert f"another content now ({now})" in text
        assert f"the record of it had {had}" in text
        assert f"{had} data/train.txt (another content now)" in said(capsys, "model.txt")
        path.unlink()
        assert "not there now" in said(capsys, "data/train.txt")
        assert f"{had} data/train.txt (gone)" in said(capsys, "model.txt")
    finally:
        path.write_bytes(before)
    assert "another" not in said(capsys, "model.txt")  # the same content, at another time
