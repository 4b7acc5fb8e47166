"""Fingerprints of files and folders: what matters, what is refused, and nothing that moves."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from samebit.data import files
from samebit.data.files import of_path
from samebit.data.fingerprints import fingerprint
from samebit.errors import NotFound, SamebitError, UsageError
from tests.data import by_the_page


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "train").mkdir(parents=True)
    (made / "train" / "a.bin").write_bytes(b"a" * 3_000_000)
    (made / "train" / "b.bin").write_bytes(b"")
    (made / "labels.csv").write_bytes(b"x,y\n")
    (made / "none").mkdir()
    (made / "link").symlink_to("train/a.bin")
    return made


def test_a_file_has_the_digits_of_its_bytes(root: Path) -> None:
    data = (root / "train/a.bin").read_bytes()
    found = fingerprint(root / "train/a.bin")
    assert found.name == "fp1:file:" + blake3(data).hexdigest()
    assert found.counts == {"size_bytes": len(data)}


def test_a_large_file_is_hashed_by_several_processors_to_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(root)
    monkeypatch.setattr(files, "_LARGE_BYTES", 1)
    monkeypatch.setattr(files, "_LARGE_PIECE_BYTES", 4099)
    assert fingerprint(root) == before


def test_a_folder_is_what_the_page_says(root: Path) -> None:
    found = fingerprint(root)
    assert found.name == by_the_page.folder(root)
    assert found.counts == {"entries": 5, "size_bytes": 3_000_004}
    assert sorted(found.parts) == ["labels.csv", "train/a.bin", "train/b.bin"]
    assert not found.notes


@given(st.randoms(use_true_random=False))
def test_a_folder_of_anything_is_what_the_page_says(dice: random.Random) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        for at in range(dice.randrange(8)):
            folder = made.joinpath(
                *(dice.choice("ab-.é") * 2 + str(at) for _ in range(dice.randrange(3)))
            )
            folder.mkdir(parents=True, exist_ok=True)
            if dice.random() < 0.7:
                (folder / f"f{at}").write_bytes(dice.randbytes(dice.randrange(5)))
        assert str(fingerprint(made)) == by_the_page.folder(made)


def test_nothing_but_names_bytes_and_links_matters(root: Path, tmp_path: Path) -> None:
    before = fingerprint(root)
    os.utime(root / "labels.csv", (1, 1))
    (root / "labels.csv").chmod(0o600)
    root.rename(tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere") == before


CHANGES: dict[str, Callable[[Path], Any]] = {
    "a byte": lambda root: (root / "labels.csv").write_bytes(b"x,z\n"),
    "a name": lambda root: (root / "labels.csv").rename(root / "label.csv"),
    "a file more": lambda root: (root / "more").touch(),
    "a file less": lambda root: (root / "train/b.bin").unlink(),
    "an empty folder": lambda root: (root / "none").rmdir(),
    "a file for a folder": lambda root: ((root / "none").rmdir(), (root / "none").touch()),
    "a link's target": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("train")),
    "a link that is a file": lambda root: (
        (root / "link").unlink(),
        (root / "link").write_bytes(b"a" * 3_000_000),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_of_a_folder_is_seen(what: str, root: Path) -> None:
    before = fingerprint(root).name
    CHANGES[what](root)
    assert fingerprint(root).name != before


def test_only_strict_knows_which_files_may_be_executed(root: Path) -> None:
    both = fingerprint(root).name, fingerprint(root, level="strict").name
    (root / "labels.csv").chmod(0o755)
    now = fingerprint(root).name, fingerprint(root, level="strict").name
    assert now[0] == both[0] != both[1] != now[1]
    with pytest.raises(UsageError, match="no level `set`"):
        fingerprint(root, level="set")


def test_links_out_of_the_root_are_not_followed_and_are_said(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"1")
    (root / "out").symlink_to("../outside")
    (root / "far").symlink_to("/nowhere/at/all")
    before = fingerprint(root)
    assert len(before.notes) == 1
    assert "2 links point out of the folder" in before.notes[0]
    assert "far, out" in before.notes[0]
    (tmp_path / "outside").write_bytes(b"2")
    assert fingerprint(root) == before


def test_a_link_by_its_absolute_path_is_the_link_of_a_copy(root: Path, tmp_path: Path) -> None:
    before = fingerprint(root).name
    (root / "link").unlink()
    (root / "link").symlink_to(root / "train" / "a.bin")
    found = fingerprint(root)
    assert (found.name, found.notes) == (before, ())


def test_followed_links_are_a_copy(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/deep").write_bytes(b"1")
    (root / "out").symlink_to("../outside")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-rL", str(root), str(copy)], check=True)
    assert of_path(root, follow=True) == of_path(copy, follow=True) == of_path(copy)
    assert of_path(root, follow=True).name != of_path(root).name


def test_links_without_an_end_are_refused_when_followed(root: Path) -> None:
    (root / "train/up").symlink_to("..")
    assert fingerprint(root).name
    with pytest.raises(UsageError, match="a folder that it lies in"):
        of_path(root, follow=True)
    (root / "train/up").unlink()
    for target in ("gone", "up"):
        (root / "train/up").symlink_to(target)
        with pytest.raises(UsageError, match="cannot be followed") as caught:
            of_path(root, follow=True)
        assert caught.value.facts["target"] == target
        (root / "train/up").unlink()


def test_a_folder_by_a_link_to_it_is_the_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "by").symlink_to(root)
    assert fingerprint(tmp_path / "by") == fingerprint(root)


def test_names_that_are_one_elsewhere_are_told(root: Path) -> None:
    (root / "LABELS.csv").touch()
    (root / "train" / "é").touch()
    (root / "train" / "e\u0301").touch()
    notes = fingerprint(root).notes
    assert len(notes) == 2
    assert "LABELS.csv, labels.csv" in notes[0]
    assert "train/e\u0301, train/é" in notes[1]


def test_a_name_that_is_no_unicode(root: Path) -> None:
    before = fingerprint(root).name
    raw = os.fsencode(root) + b"/\xff\xfe"
    with open(raw, "wb") as file:
        file.write(b"1")
    found = fingerprint(root)
    assert found.name != before
    assert "\\xff\\xfe" in found.parts


def test_what_has_no_bytes_is_refused_and_never_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(UsageError, match="pipe or device"):
        fingerprint(root)
    (root / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
        with pytest.raises(UsageError, match="socket"):
            fingerprint(root)
    with pytest.raises(UsageError):
        fingerprint(Path("/dev/null"))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing at that path"):
        fingerprint(tmp_path / "none")


def as_nobody(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as a user who may not read everything; root needs another for it."""
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and there is no setpriv")
        words = [setpriv, "--reuid=65534", "--clear-groups", "--bounding-set=-all", *words]
    return subprocess.run(words, capture_output=True, text=True)


def test_what_may_not_be_read_is_named() -> None:
    if as_nobody([sys.executable, "-c", "import samebit.data.files"]).returncode:
        pytest.skip("another user cannot start this Python")
    script = (
        "import sys\nfrom pathlib import Path\nfrom samebit.data.files import of_path\n"
        "from samebit.errors import SamebitError\n"
        "try:\n    of_path(Path(sys.argv[1]))\n"
        "except SamebitError as error:\n    print(error.exit_code.value, error)\n"
    )
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        os.chmod(name, 0o755)
        for secret in ("labels.csv", "folder"):
            place = Path(name) / secret
            place.mkdir() if secret == "folder" else place.touch()
            place.chmod(0)
            done = as_nobody([sys.executable, "-c", script, name])
            place.chmod(0o755)
            assert done.stdout.startswith("1 cannot be read: Permission denied"), done.stderr
            assert secret in done.stdout


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Let something happen once, when the first bytes of the first file have been hashed."""
    real, lock, done = files.digest.Hasher.update, threading.Lock(), []

    def update(self: Any, data: Any) -> None:
        real(self, data)
        with lock:
            if not done:
                done.append(happens())

    monkeypatch.setattr(files.digest.Hasher, "update", update)


MEANWHILE: dict[str, Callable[[Path], Any]] = {
    "grows": lambda root: os.truncate(root / "train/a.bin", 3_000_001),
    "is cut": lambda root: os.truncate(root / "train/a.bin", 10),
    "is written anew": lambda root: (root / "train/a.bin").write_bytes(b"b" * 3_000_000),
    "is replaced": lambda root: (
        (root / "new").write_bytes(b"b" * 3_000_000),
        (root / "new").replace(root / "train/a.bin"),
    ),
    "has a new neighbour": lambda root: (root / "train/c.bin").touch(),
    "loses an empty folder": lambda root: (root / "none").rmdir(),
    "has a link moved": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("none")),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_folder_that_changes_while_it_is_read_has_no_fingerprint(
    what: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: MEANWHILE[what](root))
    with pytest.raises(SamebitError, match="changed while it was read") as caught:
        fingerprint(root)
    assert caught.value.exit_code == 1
    assert str(root) in str(caught.value.facts["path"])
    monkeypatch.undo()
    assert fingerprint(root).name  # and when all is quiet, there is one


def test_a_file_that_vanishes_meanwhile_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = files.survey(root)
    (root / "train/a.bin").unlink()
    with pytest.raises(NotFound, match="vanished") as caught:
        files.of_survey(found)
    assert caught.value.facts["path"] == str(root / "train/a.bin")


def test_a_file_that_became_a_pipe_meanwhile_is_not_waited_for(root: Path) -> None:
    found = files.survey(root)
    (root / "labels.csv").unlink()
    os.mkfifo(root / "labels.csv")
    with pytest.raises(SamebitError, match="changed while it was read"):
        files.of_survey(found)


def test_progress_counts_every_byte(root: Path) -> None:
    told: list[int] = []
    found = fingerprint(root, advance=told.append)
    assert sum(told) == found.counts["size_bytes"] == files.survey(root).size_bytes


def test_a_very_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"1")
    assert list(fingerprint(tmp_path).parts) == ["d/" * 300 + "f"]
