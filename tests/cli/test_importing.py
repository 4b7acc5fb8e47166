"""`samebit data import --dvc`: what has the md5 that DVC has for it; theirs is only read."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from samebit.cli.main import main
from samebit.data import cut_files, manifests, remembering, versions
from samebit.data.dvc import importing
from samebit.data.fingerprints import fingerprint
from samebit.objects import pieces
from samebit.objects.store import Store
from tests.cli.stores import said
from tests.data.dvc.projects import DvcProject, everything

Capture = pytest.CaptureFixture[str]
IMAGES = {"cats/1.png": b"one", "cats/2.png": b"two", "3.png": b""}


@pytest.fixture
def project(store: Path, monkeypatch: pytest.MonkeyPatch) -> DvcProject:
    """A project of DVC around the store, which is in the working directory."""
    monkeypatch.setattr(remembering, "_SETTLED_NS", 0)
    return DvcProject(store.parent)


def imported(capsys: Capture, *words: str, ends: int = 0) -> dict[str, Any]:
    """What became of each out, by its path."""
    code, text = said(capsys, "data", "import", "--dvc", *words, "--json")
    assert code == ends, text
    found = json.loads(text)
    return {f"{one['path']}{(one['revision'] or '')[:4]}": one for one in found["outs"]}


def content(store: Path, name: str) -> dict[str, bytes]:
    objects = Store(store)
    version = versions.find_version(store, name)
    manifest = manifests.read_manifest(objects, version.manifest)
    return {
        item.path.decode(): b"".join(
            objects.read(piece.name) for piece in manifests.read_list(objects, item)
        )
        for item in manifests.read_items(objects, manifest)
    }


@pytest.mark.parametrize("legacy", [False, True])
def test_all_that_dvc_keeps_becomes_versions_and_nothing_of_theirs_is_written(
    store: Path, project: DvcProject, capsys: Capture, legacy: bool
) -> None:
    project = DvcProject(project.path, legacy=legacy)
    large = random.Random(1).randbytes(9 << 20)
    name = project.add("data/train", IMAGES)
    project.add("data/labels.csv", b"a,b\r\n1,2\r\n")
    project.add("model", large, tree=False)
    project.lock({"prep": {"out/x": b"x", "out/y": IMAGES}})
    project.write("out/x", b"x")
    shutil.rmtree(project.path / "data/train")
    before = everything(project.path, ".samebit")
    found = imported(capsys)
    assert {path: one["how"] for path, one in found.items()} == dict.fromkeys(
        ["data/labels.csv", "data/train", "model", "out/x", "out/y"], "imported"
    )
    assert content(store, "data-train") == IMAGES
    assert content(store, "data-labels.csv") == {"": b"a,b\r\n1,2\r\n"}
    assert content(store, "model") == {"": large}
    version = found["data/train"]["version"]
    assert version["origin"] == {
        "kind": "dvc",
        "file": "data/train.dvc",
        "path": "data/train",
        "hash": "md5-dos2unix" if legacy else "md5",
        "md5": name,
    }
    assert version["path"] == str(project.path / "data/train")
    assert found["out/y"]["version"]["origin"]["stage"] == "prep"
    assert {one["how"] for one in imported(capsys).values()} == {"there"}
    assert everything(project.path, ".samebit") == before
    # It is the version that one gets who adds the folder.
    assert said(capsys, "data", "checkout", "data-train")[0] == 0
    assert str(fingerprint(project.path / "data/train")) == version["fingerprint"]
    code, text = said(capsys, "data", "add", "data/train", "--name", "data-train")
    assert (code, "is there already" in text) == (0, True)
    assert said(capsys, "check")[0] == 0


def test_the_bytes_are_where_dvc_says_or_where_they_lie_or_it_is_told_what_to_do(
    store: Path, project: DvcProject, capsys: Capture
) -> None:
    for name in ("uncommitted", "damaged", "both", "gone", "changed"):
        project.add(name, name.encode(), commit=name != "uncommitted")
    for name in ("damaged", "both"):
        project.damage(project.name(name.encode()))
    for name in ("gone", "changed"):
        project.lose(project.name(name.encode()))
    (project.path / "gone").unlink()
    for name in ("both", "changed"):
        project.write(name, b"written since")
    folder = project.add("folder", IMAGES)
    project.lose(project.name(b"one"))
    (project.path / "folder/cats/1.png").unlink()
    project.add("unlisted", {"a": b"a"})
    project.lose(project.add("unlisted", {"a": b"a"}))
    found = imported(capsys, ends=7)
    assert {path: one["how"] for path, one in found.items()} == {
        **dict.fromkeys(["uncommitted", "damaged"], "imported"),
        **dict.fromkeys(["both", "gone", "changed", "folder", "unlisted"], "missing"),
    }
    assert content(store, "damaged") == {"": b"damaged"}
    assert "cache is damaged" in found["both"]["why"]
    assert "another content" in found["changed"]["why"]
    assert found["folder"]["missing"] == ["cats/1.png"]
    text = said(capsys, "data", "import", "--dvc")[1]
    for name in ("both", "gone", "changed", "folder", "unlisted"):
        assert f"`dvc fetch {name}.dvc`" in text
    assert "1 file: cats/1.png" in text
    project.keep(b"one")
    assert imported(capsys, "folder")["folder"]["how"] == "imported"
    assert imported(capsys, "folder.dvc")["folder"]["version"]["origin"]["md5"] == folder


def test_what_is_remembered_of_a_folder_has_no_md5_for_that(
    project: DvcProject, capsys: Capture
) -> None:
    project.add("data", IMAGES)
    project.lose(project.name(b"one"))
    project.write("data/cats/1.png", b"written since")
    assert said(capsys, "data", "add", "data", "--name", "theirs")[0] == 0
    found = imported(capsys, ends=7)["data"]
    assert (found["how"], "another content" in found["why"]) == ("missing", True)


def test_some_of_it_and_a_name_of_ones_own(
    store: Path, project: DvcProject, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/x", "a/y z", "a-x", "b/ü"):
        project.add(name, name.encode())
    assert list(imported(capsys, "a")) == ["a/x", "a/y z"]
    names = [one["name"] for one in imported(capsys).values()]
    assert names[:3] == ["a-x", names[1], "a-y_z"]
    assert names[1].startswith("a-x-")
    assert names[3] == "b-_"
    assert imported(capsys, "a/x.dvc", "--name", "mine")["a/x"]["name"] == "mine"
    assert content(store, "mine") == {"": b"a/x"}
    assert said(capsys, "data", "import", "--dvc", "a", "--name", "mine")[0] == 2
    assert said(capsys, "data", "import", "--dvc", "nothing")[0] == 7
    assert said(capsys, "data", "import")[0] == 2
    monkeypatch.chdir(store.parent.parent)
    assert said(capsys, "data", "import", "--dvc")[0] == 7
    assert said(capsys, "data", "import", "--dvc", str(project.path / "b"))[0] == 0


def test_a_project_inside_of_it_is_another(project: DvcProject, capsys: Capture) -> None:
    project.add("x", b"x")
    inner = DvcProject(project.path / "sub")
    inner.add("y", b"y")
    (project.path / "x.dvc").chmod(0o444)
    project.write("data/not.dvc", b"outs: [{path: ../../x}]\n")
    code, text = said(capsys, "data", "import", "--dvc")
    assert (code, "imported x@" in text, "y@" in text) == (7, True, False)
    assert "not read: data/not.dvc cannot be read: its outs are no list" in text
    assert list(imported(capsys, "sub")) == ["y"]


def git(project: DvcProject, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@x")
    done = subprocess.run(
        ["git", *identity, *words], cwd=project.path, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_what_it_was_at_other_commits(store: Path, project: DvcProject, capsys: Capture) -> None:
    git(project, "init", "-q")
    (project.path / ".gitignore").write_text("/data\n/.samebit\n/.dvc/cache\n")
    contents = [{"a": b"%d" % at, "b": b"b"} for at in (0, 1, 0, 3)]
    commits: list[str] = []
    for at, some in enumerate(contents):
        project.add("data", some)
        git(project, "add", ".")
        when = f"2026-01-0{at + 1}T00:00:00Z"
        git(project, "-c", "core.hooksPath=/dev/null", "commit", "-qm", str(at), "--date", when)
        commits.append(git(project, "rev-parse", "HEAD"))
        git(project, "tag", f"v{at}")
    before = everything(project.path, ".samebit")
    assert imported(capsys)["data"]["how"] == "imported"
    found = imported(capsys, "--rev", "v1", "--rev", "HEAD~3")
    assert [one["how"] for one in found.values()] == ["imported", "imported"]
    assert {one["version"]["origin"]["revision"] for one in found.values()} == set(commits[:2])
    # What lies there now is the newest still.
    assert content(store, "data") == contents[3]
    assert {one["how"] for one in imported(capsys, "--all-revs").values()} == {"there"}
    assert content(store, "data") == contents[3]
    fingerprints = {one.fingerprint for one in versions.read_versions(store, "data")}
    assert len(fingerprints) == 3
    assert main(["data", "import", "--dvc", "--rev", "HEAD", "--rev", "none"]) == 7
    assert "git knows no revision 'none'" in capsys.readouterr().err
    assert said(capsys, "data", "import", "--dvc", "--rev=--all")[0] == 7
    assert everything(project.path, ".samebit") == before
    assert said(capsys, "check")[0] == 0


def test_what_was_stopped_goes_on(
    store: Path, project: DvcProject, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{at}.bin": random.Random(at).randbytes(400_000) for at in range(6)}
    project.add("data", files)
    whole = cut_files._read_whole
    read: list[str] = []

    def stopping(entry: Any, *more: Any) -> Any:
        read.append(entry.path.decode())
        if len(read) > 3:
            raise KeyboardInterrupt
        return whole(entry, *more)

    monkeypatch.setattr(cut_files, "_read_whole", stopping)
    monkeypatch.setattr(cut_files.files, "together", lambda entries: [[one] for one in entries])
    monkeypatch.setattr(cut_files, "_AHEAD", 0)
    monkeypatch.setattr(pieces, "PACK_BYTES", 500_000)
    assert said(capsys, "data", "import", "--dvc")[0] == 130
    assert versions.read_versions(store, "data") == []
    read.clear()
    monkeypatch.setattr(
        cut_files, "_read_whole", lambda e, *m: (read.append(e.path.decode()), whole(e, *m))[1]
    )
    assert imported(capsys)["data"]["how"] == "imported"
    assert content(store, "data") == files
    assert 0 < len(read) < 6


def test_names_do_not_depend_on_what_is_asked_for() -> None:
    from samebit.data.dvc.outs import Out

    outs = [Out("a.dvc", path, "md5", "0" * 32) for path in ("a/b", "a-b", "-", "x" * 200)]
    names = {one.out.path: one.name for one in importing.name_outs(outs)}
    assert names == {one.out.path: one.name for one in importing.name_outs(outs[::-1])}
    assert len(set(names.values())) == 4
    assert all(versions.check_name(name) for name in names.values())
