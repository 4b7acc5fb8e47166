"""A run of an older environment, verified in one with other versions, and in its own again."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from samebit.cli import environments
from samebit.cli.main import main
from samebit.replay import installers
from tests.projects import Project
from tests.replay import wheels

UV = installers.find_uv(os.environ)
pytestmark = pytest.mark.slow

TRAIN = """
from importlib import metadata
import leaf, samebit
from helper import more
run = samebit.init(seed=1)
own = float(metadata.version("helper"))
for step in range(3):
    run.log({"value": leaf.VALUE + step, "more": more.MORE, "own": own})
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.fill(tmp_path_factory.mktemp("wheels") / "shelf")


@pytest.fixture
def project(tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A run with `leaf` 1.0 and a project beside it in editable mode; its environment is gone."""
    (tmp_path / "work").mkdir()
    project = Project(tmp_path / "work")
    project.write("train.py", TRAIN)
    project.write("../helper/src/helper/__init__.py", "")
    project.write("../helper/src/helper/more.py", "MORE = 7.0\n")
    python = wheels.make_recording_environment(tmp_path / "then", shelf, "leaf==1.0")
    (site,) = (tmp_path / "then").glob("lib/python*/site-packages")
    (site / "helper.pth").write_text(f"{tmp_path / 'helper/src'}\n")
    told = site / "helper-0.5.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Name: helper\nVersion: 0.5\n")
    origin = {"url": f"file://{tmp_path / 'helper'}", "dir_info": {"editable": True}}
    (told / "direct_url.json").write_text(json.dumps(origin))
    done = project.call(str(python), "-m", "samebit.cli.main", "run", "--quiet", "train.py")
    assert done.code == 0, done
    (tmp_path / "then").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("SAMEBIT_DIR", str(project.store))
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    for name, value in wheels.environ(shelf).items():
        monkeypatch.setenv(name, value)
    return project


def other_leaf(folder: Path, shelf: Path) -> str:
    """A folder for PYTHONPATH that has another version."""
    words = ["-m", "pip", "-q", "install", "--no-deps", "--target", folder, "leaf==2.0"]
    subprocess.run([sys.executable, *words], check=True)
    return str(folder)


def verify(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["verify", "@last", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_same_bits_with_the_versions_it_had_and_others_with_those_that_are_here(
    project: Project,
    shelf: Path,
    tool: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if tool == "uv" and UV is None:
        pytest.skip("uv is not installed")
    monkeypatch.setattr(environments, "find_uv", lambda environ: UV if tool == "uv" else None)
    around = project.path.parent
    paths = [
        other_leaf(around / "other/site-packages", shelf),
        str(around / "helper/src"),
        str(around / "told"),
    ]
    stub = around / "told/helper-0.5.dist-info"
    stub.mkdir(parents=True)
    (stub / "METADATA").write_text("Name: helper\nVersion: 0.5\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    code, verdict = verify(capsys)
    run = verdict["run"]
    assert (code, verdict["grade"]) == (5, "different"), verdict
    assert "leaf: 1.0 then, 2.0 now" in verdict["differences"]
    (remedy,) = verdict["remedies"]
    assert remedy.startswith(f"`samebit verify {run} --env rebuild` has what it had: leaf 1.0")

    project.write("../helper/src/helper/more.py", "MORE = 8.0  # and the recorded one is run\n")
    code, verdict = verify(capsys, "--env", "rebuild")
    number = sys.version.split()[0]
    count = len(wheels.NEEDED) + 1
    assert (code, verdict["grade"]) == (6, "unknown"), verdict
    assert verdict["cause"].startswith("metrics agree, but no optimizer of PyTorch stepped")
    said = f"environment rebuilt: {count} packages, Python {number}, by {tool}"
    assert {"metrics identical: 3 names, 9 values", said} <= set(verdict["scope"])
    assert not [line for line in verdict["differences"] if "then" in line]
    told = verdict["evidence"]["environment"]
    assert (told["packages"], told["not_installed"], told["left_out"]) == (count, 1, [])
    assert "PIP_FIND_LINKS" not in json.dumps(verdict)

    assert main(["env", "ls"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[1].split()[:3] == [told["made_from"][:12], str(count), number]
    assert main(["env", "rm", told["made_from"][:6]]) == 0
    assert main(["env", "ls"]) == 0
    assert capsys.readouterr().out.splitlines() == ["removed 1 environments"]
    assert list((around / "cache/environments").iterdir()) == []


def test_what_cannot_be_had_is_all_in_the_verdict_and_nothing_runs(
    project: Project,
    shelf: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = shelf.parent / "nothing"
    nothing.mkdir(exist_ok=True)
    needed = [f"{name}-{metadata.version(name)}" for name in wheels.NEEDED]
    monkeypatch.setenv("PIP_FIND_LINKS", str(nothing))
    monkeypatch.setenv("UV_FIND_LINKS", str(nothing))
    monkeypatch.setenv("UV_CACHE_DIR", str(nothing / "uv"))
    code, verdict = verify(capsys, "--env", "rebuild")
    assert (code, verdict["grade"], verdict["replay"]) == (6, "unknown", None)
    assert verdict["cause"].startswith("its environment cannot be rebuilt: ")
    missing = verdict["evidence"]["environment"]["cannot_be_rebuilt"]
    assert len(missing) == len(needed) + 1
    nowhere = "no index that is configured has it for this Python and platform"
    assert f"leaf 1.0: {nowhere}" in missing
    (remedy,) = verdict["remedies"]
    assert f"`samebit verify {verdict['run']} --env current`" in remedy
    assert "packages as recorded; differs: " in remedy
    assert "leaf 1.0 then, not here" in remedy
    assert len(project.views()) == 1
    assert main(["verify", "@last", "--env", "rebuild"]) == 6
    assert f"    leaf 1.0: {nowhere}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("words", [["rm"], ["rm", "nobody"]])
def test_nothing_is_removed_that_was_not_named(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", *words]) in (2, 7)
    assert "hint: samebit env" in capsys.readouterr().err


def test_real_packages_of_a_real_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the others do with wheels that were made for them, with the user's own settings."""
    words = ["-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path / "got"), "idna==3.7"]
    if subprocess.run([sys.executable, *words], capture_output=True).returncode:
        pytest.skip("no index answers")
    (tmp_path / "work").mkdir()
    project = Project(tmp_path / "work")
    script = "import idna, samebit\n"
    script += "samebit.init().log({'minor': float(idna.__version__.split('.')[1])})\n"
    project.write("train.py", script)
    shelf = wheels.fill(tmp_path / "shelf")
    wheels.make_wheel(shelf, "idna", "3.7", idna="__version__ = '3.7'\n")
    python = wheels.make_recording_environment(tmp_path / "then", shelf, "idna==3.7")
    assert project.call(str(python), "-m", "samebit.cli.main", "run", "train.py").code == 0
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("SAMEBIT_DIR", str(project.store))
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    _, verdict = verify(capsys, "--env", "rebuild")
    if "no index that is configured has it" in verdict["cause"]:
        pytest.skip("the index has not all of these")
    assert "metrics identical: 1 name, 1 value" in verdict["scope"], verdict
    assert any(line.startswith("environment rebuilt: ") for line in verdict["scope"])
