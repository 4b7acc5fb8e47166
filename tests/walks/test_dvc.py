"""A day with DVC itself; and that what our tests write by hand is what DVC writes."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from samebit.data.dvc.cache import Hashes
from samebit.data.dvc.outs import LEGACY
from tests.data.dvc.projects import DvcProject, everything
from tests.projects import SAMEBIT, Project

DVC = shutil.which("dvc")
pytestmark = [
    pytest.mark.slow,  # each command of theirs takes a second or two
    pytest.mark.skipif(DVC is None, reason="dvc is not installed"),
]

PIPELINE = """
    stages:
      prepare:
        wdir: work
        cmd: mkdir -p out && cp ../data/labels.csv out/l.csv && cp ../data/labels.csv ../model
        deps: [../data/labels.csv]
        params: [lr, deep]
        outs: [out, ../model]
      each:
        foreach: ["1", "2"]
        do:
          cmd: echo ${item} > f${item}
          outs: ["f${item}"]
"""
TRAIN = """
    import os, numpy, samebit
    run = samebit.init(seed=1)
    total = sum(open("model", "rb").read()) + sum(open("work/out/l.csv", "rb").read())
    for name in sorted(os.listdir("data/train")):
        total += len(open(os.path.join("data/train", name), "rb").read())
    run.trace(params={"w": numpy.array([float(total)])})
    run.finish()
"""
IMAGES = {f"{at}.png": b"image %d\n" % at for at in range(4)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "x")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "x@x")
    project = Project(tmp_path / "project")
    project.path.mkdir()
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert project.call(*command).code == 0
    return project


def ok(project: Project, *words: str) -> str:
    done = project.call(*words)
    assert done.code == 0, done.out + done.err
    return done.out


def theirs(project: Project) -> dict[str, Any]:
    """All that is DVC's and the user's, bytes and times; in the top folder lies a store, too."""
    found = everything(project.path, ".samebit", ".git", "__pycache__")
    return {path: facts for path, facts in found.items() if path != str(project.path)}


def write(project: Project, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes(data)


@pytest.mark.parametrize("link", ["copy", "symlink", "hardlink"])
def test_a_day(project: Project, tmp_path: Path, link: str) -> None:
    ok(project, "dvc", "config", "cache.type", link)
    if link == "symlink":
        ok(project, "dvc", "cache", "dir", "--local", str(tmp_path / "shared cache"))
    write(project, {f"data/train/{name}": data for name, data in IMAGES.items()})
    write(project, {"data/labels.csv": b"a,b\r\n1,2\r\n", "work/params.yaml": b"lr: 0.1\n"})
    (project.path / "work/params.yaml").write_text("lr: 0.1\ndeep: &a\n- {x: 'y: z', n: null}\n")
    project.write("dvc.yaml", PIPELINE)
    project.write("train.py", TRAIN)
    ok(project, "dvc", "add", "-q", "data/train", "data/labels.csv")
    ok(project, "dvc", "repro", "-q")
    ok(project, "git", "add", "-A")
    ok(project, "git", "commit", "-qm", "one")
    before = theirs(project)
    assert project.run("--name", "first", "train.py").code == 0
    assert "as data/train.dvc has them" in ok(project, SAMEBIT, "show", "first")
    assert "as dvc.lock, stage prepare, has it" in ok(project, SAMEBIT, "show", "first")
    assert theirs(project) == before

    ok(project, "dvc", "unprotect", "data/train")
    write(project, {"data/train/0.png": b"changed", "data/train/new.png": b"new"})
    found = ok(project, SAMEBIT, "show", "first")
    assert "all 4 files, as data/train.dvc has them" in found
    ok(project, "dvc", "add", "-q", "data/train")
    ok(project, "git", "commit", "-qam", "two")
    assert "1 from DVC's cache" in ok(project, SAMEBIT, "verify", "first", "--plan")
    assert project.call(SAMEBIT, "verify", "first").out.startswith("identical")

    before = theirs(project)
    said = json.loads(ok(project, SAMEBIT, "data", "import", "--dvc", "--json"))
    assert {one["path"]: one["how"] for one in said["outs"]} == dict.fromkeys(
        ["data/labels.csv", "data/train", "f1", "f2", "model", "work/out"], "imported"
    )
    said = json.loads(ok(project, SAMEBIT, "data", "import", "--dvc", "--all-revs", "--json"))
    assert [one["how"] for one in said["outs"] if one["path"] == "data/train"] == [
        "imported",
        "there",
    ]
    assert said["problems"] == []
    assert theirs(project) == before
    assert "up to date" in ok(project, "dvc", "status")

    # DVC lets go of the old content; the version of data has it.
    ok(project, "dvc", "gc", "-w", "-f", "-q")
    assert "1 from data-train@" in ok(project, SAMEBIT, "verify", "first", "--plan")


def test_what_is_told_to_do_brings_it_back(project: Project, tmp_path: Path) -> None:
    ok(project, "dvc", "remote", "add", "-q", "-d", "lab", str(tmp_path / "remote"))
    write(project, {f"data/train/{name}": data for name, data in IMAGES.items()})
    ok(project, "dvc", "add", "-q", "data/train")
    ok(project, "git", "add", "-A")
    ok(project, "git", "commit", "-qm", "one")
    ok(project, "dvc", "push", "-q")
    project.write("sum.py", "print(len(open('data/train/0.png').read()))")
    assert project.run("--name", "first", "sum.py").code == 0
    write(project, {"data/train/0.png": b"changed"})
    ok(project, "dvc", "add", "-q", "data/train")
    ok(project, "git", "commit", "-qam", "two")
    shutil.rmtree(project.path / ".dvc/cache")
    done = project.call(SAMEBIT, "data", "import", "--dvc", "--rev", "HEAD~1")
    assert done.code == 7
    done = project.call(SAMEBIT, "verify", "first", "--plan")
    assert done.code == 6
    assert "`dvc fetch --all-commits data/train.dvc`" in " ".join(done.out.split())
    ok(project, "dvc", "fetch", "-q", "--all-commits", "data/train.dvc")
    assert "1 from DVC's cache" in ok(project, SAMEBIT, "verify", "first", "--plan")
    assert "imported data-train@" in ok(
        project, SAMEBIT, "data", "import", "--dvc", "--rev", "HEAD~1"
    )


def test_other_ways_to_have_data(project: Project, tmp_path: Path) -> None:
    write(project, {"sub/keep": b"", "no commit": b"no commit", "../ext": b"external"})
    ok(project, "dvc", "add", "-q", "--no-commit", "no commit")
    ok(project, "dvc", "import-url", "-q", str(tmp_path / "ext"), "from elsewhere")
    inner = Project(project.path / "sub")
    ok(inner, "dvc", "init", "-q", "--subdir")
    write(inner, {"deep/x": b"x"})
    ok(inner, "dvc", "add", "-q", "deep/x")
    found = json.loads(ok(project, SAMEBIT, "data", "import", "--dvc", "--json"))
    assert {one["name"]: one["how"] for one in found["outs"]} == {
        "from_elsewhere": "imported",
        "no_commit": "imported",
    }
    found = json.loads(ok(inner, SAMEBIT, "data", "import", "--dvc", "--json"))
    assert [one["path"] for one in found["outs"]] == ["deep/x"]


def test_dvc_writes_what_the_writer_of_our_tests_writes(project: Project, tmp_path: Path) -> None:
    ours = DvcProject(tmp_path / "ours")
    for name, content in {"one": b"1\r\n", "sub/many": IMAGES | {"a/ü.png": b"\0"}}.items():
        ours.add(name, content)
        shutil.copytree(ours.path, project.path, dirs_exist_ok=True, ignore=_dvc)
        ok(project, "dvc", "add", "-q", name)
        file = f"{name}.dvc"
        assert (project.path / file).read_bytes() == (ours.path / file).read_bytes()
    cached = [
        {place.relative_to(top): place.read_bytes() for place in top.rglob("*") if place.is_file()}
        for top in (project.path / ".dvc/cache", ours.cache)
    ]
    assert cached[0] == cached[1]


def _dvc(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(".dvc")]


def test_the_older_rule_is_theirs(tmp_path: Path) -> None:
    assert DVC is not None
    python = Path(os.path.realpath(DVC)).read_text().splitlines()[0].removeprefix("#!")
    code = (
        "import sys; from dvc_data.hashfile.hash import file_md5\n"
        "for name in sys.argv[1:]: print(file_md5(name, name='md5-dos2unix'))"
    )
    big = b"text\r\n" * 400_000
    contents = [b"", b"a\r\nb", b"\r\n\0", bytes(range(256)), big, big + b"\0" * (1 << 20) + big]
    files: list[str] = []
    for at, data in enumerate(contents):
        (tmp_path / str(at)).write_bytes(data)
        files.append(str(tmp_path / str(at)))
    said = subprocess.run([python, "-c", code, *files], capture_output=True, text=True, check=True)
    for data, name in zip(contents, said.stdout.split(), strict=True):
        hashes = Hashes(LEGACY)
        hashes.update(data)
        assert hashes.names()[0] == name
