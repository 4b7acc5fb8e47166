"""`samebit import wandb --artifacts`: files that a run has made and that lie here, no others."""

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import samebit
from samebit.cli.main import main
from samebit.compat.files.wire import bytes_field, varint_field
from samebit.data import versions
from tests.compat import wandb_files as files

Capture = pytest.CaptureFixture[str]
PEERS = Path(sys.prefix) / "peers" / "bin" / "python"
ARTIFACT = 8


def artifact(name: str, staged: dict[str, Path], content: dict[str, bytes]) -> bytes:
    """The record of an artifact whose files lie where `staged` says."""
    entries = b""
    for path, place in staged.items():
        md5 = base64.b64encode(hashlib.md5(content[path]).digest())
        entry = bytes_field(1, path.encode()) + bytes_field(2, md5)
        entry += varint_field(4, len(content[path])) + bytes_field(6, str(place).encode())
        entries += bytes_field(4, entry)
    body = bytes_field(4, b"dataset") + bytes_field(5, name.encode()) + bytes_field(12, entries)
    return bytes_field(ARTIFACT, body)


def project_of(tmp_path: Path, *records: bytes) -> Path:
    """The folder of files of a run that lies in a project."""
    path = files.write(tmp_path / "p" / "wandb", "r", [files.run("r"), *records, files.ended()])
    inside = path.parent / "files"
    inside.mkdir()
    return inside


def stage(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / "artifacts" / "staging" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def brought(tmp_path: Path, store: Path) -> dict[str, bytes]:
    """By its path the content of each file that was stored."""
    (run,) = samebit.runs()
    if not versions.read_versions(store, f"artifacts-{run.id}"):
        return {}
    to = tmp_path / "laid"
    assert main(["data", "checkout", f"artifacts-{run.id}", str(to)]) == 0
    paths = [path for path in to.rglob("*") if path.is_file()]
    return {path.relative_to(to).as_posix(): path.read_bytes() for path in paths}


def test_saved_files_and_those_of_artifacts_come(
    store: Path, tmp_path: Path, capsys: Capture
) -> None:
    first, again = {"a/x.bin": b"one"}, {"a/x.bin": b"two"}
    records = [
        artifact("data", {"a/x.bin": stage(tmp_path, "t1", b"one")}, first),
        artifact("data", {"a/x.bin": stage(tmp_path, "t2", b"two")}, again),
    ]
    inside = project_of(tmp_path, *records)
    (tmp_path / "p" / "model.pt").write_bytes(b"weights")
    os.symlink(tmp_path / "p" / "model.pt", inside / "model.pt")
    (inside / "notes.txt").write_text("n")
    (inside / "requirements.txt").write_text("numpy==2.0\n")  # it comes as the environment
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb")]) == 0
    assert "1 run made files, which stay where they are; --artifacts stores them" in (
        capsys.readouterr().out
    )
    assert brought(tmp_path, store) == {}
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb"), "--artifacts"]) == 0
    assert brought(tmp_path, store) == {
        "artifacts/data/a/x.bin": b"one",
        "artifacts/data (2)/a/x.bin": b"two",
        "files/model.pt": b"weights",
        "files/notes.txt": b"n",
    }
    capsys.readouterr()
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb"), "--artifacts"]) == 0
    assert "nothing new" in capsys.readouterr().out


@pytest.mark.parametrize(
    "target", ["../secret.txt", "p/.env", "p/.hidden/x", "p/id_rsa", "p/nothing", "p/wandb"]
)
def test_a_link_to_anything_else_is_not_followed(
    store: Path, tmp_path: Path, capsys: Capture, target: str
) -> None:
    inside = project_of(tmp_path)
    place = tmp_path / target
    if not target.endswith(("nothing", "wandb")):
        place.parent.mkdir(exist_ok=True)
        place.write_text("secret")
    os.symlink(place, inside / "model.pt")
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb"), "--artifacts"]) == 0
    said = capsys.readouterr().out
    assert "artifact files/model.pt: is a link that leads elsewhere, or to nothing" in said
    assert brought(tmp_path, store) == {}
    if place.is_file():
        place.unlink()


@pytest.mark.parametrize("name", ["../../up", "/etc/x", ".git/config", "a//b", "n\0"])
def test_a_path_of_an_artifact_is_no_path_of_ours(
    store: Path, tmp_path: Path, capsys: Capture, name: str
) -> None:
    staged = stage(tmp_path, "t", b"one")
    project_of(tmp_path, artifact("data", {name: staged}, {name: b"one"}))
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb"), "--artifacts"]) == 0
    assert "no version of data may have a file of this path" in capsys.readouterr().out
    assert brought(tmp_path, store) == {}


def test_a_copy_that_is_another_one_now_is_told(
    store: Path, tmp_path: Path, capsys: Capture
) -> None:
    project_of(tmp_path, artifact("d", {"x": stage(tmp_path, "t", b"other")}, {"x": b"one"}))
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb"), "--artifacts"]) == 0
    assert "artifact artifacts/d/x: is not what was logged any more" in capsys.readouterr().out
    assert brought(tmp_path, store) == {}


def test_only_copies_of_wandbs_own_are_read(store: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"s")
    linked = stage(tmp_path, "t", b"")
    linked.unlink()
    linked.symlink_to(secret)
    places = {"a": secret, "b": linked, "c": Path("staging/t")}
    project_of(tmp_path, artifact("d", places, dict.fromkeys(places, b"s")))
    assert main(["import", "wandb", str(tmp_path / "p" / "wandb"), "--artifacts"]) == 0
    assert brought(tmp_path, store) == {}


SCRIPT = """
import os, wandb
open("model.pt", "wb").write(b"m" * 2000)
quiet = {"silent": True, "x_disable_stats": True, "console": "off"}
run = wandb.init(project="p", mode="offline", settings=quiet)
wandb.save("model.pt")
open(os.path.join(run.dir, "in_dir.txt"), "w").write("d")
artifact = wandb.Artifact("data", "dataset")
artifact.add_file("model.pt")
with artifact.new_file("n.txt") as stream:
    stream.write("new")
run.log_artifact(artifact)
run.finish()
"""


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="wandb is not installed beside")
def test_what_the_wandb_of_today_saves_comes(store: Path, tmp_path: Path) -> None:
    project = tmp_path / "theirs"
    project.mkdir()
    own = {f"WANDB_{name}_DIR": str(tmp_path / name) for name in ("DATA", "CACHE", "CONFIG")}
    env = {**os.environ, **own, "HOME": str(tmp_path)}
    subprocess.run([str(PEERS), "-c", SCRIPT], cwd=project, env=env, check=True)
    assert main(["import", "wandb", str(project / "wandb"), "--artifacts"]) == 0
    assert brought(tmp_path, store) == {
        "artifacts/data/model.pt": b"m" * 2000,
        "artifacts/data/n.txt": b"new",
        "files/in_dir.txt": b"d",
        "files/model.pt": b"m" * 2000,
    }
