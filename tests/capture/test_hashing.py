"""A digest is of the bytes that were there, also when it was taken in an earlier run."""

import os
import time
from pathlib import Path

import pytest

from samebit import digest
from samebit.capture.hashing import Found, Hasher, Remembered, look

OLD_NS = 10**18


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(b"content")
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


def seen(path: Path) -> Found:
    found = look(str(path))
    assert found is not None
    return found


def settled(path: Path) -> int:
    """A moment at which nothing of a file is new any more."""
    return seen(path).ctime_ns + 3 * 10**9


def test_what_is_remembered_is_found_by_another_process_object(tmp_path: Path, file: Path) -> None:
    name, _ = digest.of_file(file)
    Remembered(tmp_path / "c" / "cache").add(seen(file), name, settled(file))
    assert Remembered(tmp_path / "c" / "cache").find(seen(file)) == name


@pytest.mark.parametrize("what", ["content", "time", "replaced", "linked"])
def test_a_file_that_is_another_in_anything_is_not_found(
    tmp_path: Path, file: Path, what: str
) -> None:
    remembered = Remembered(tmp_path / "cache")
    remembered.add(seen(file), "blake3:" + "0" * 64, settled(file))
    time.sleep(0.02)  # the clock of the file system has ticked
    if what == "content":
        file.write_bytes(b"CONTENT")
        os.utime(file, ns=(OLD_NS, OLD_NS))  # size and time of change are what they were
    elif what == "time":
        os.utime(file, ns=(OLD_NS, OLD_NS + 1))
    elif what == "replaced":
        (tmp_path / "other").write_bytes(b"content")
        os.utime(tmp_path / "other", ns=(OLD_NS, OLD_NS))
        os.replace(tmp_path / "other", file)
    else:
        os.link(file, tmp_path / "link")
    assert remembered.find(seen(file)) is None


def test_what_was_changed_just_before_is_not_remembered(tmp_path: Path, file: Path) -> None:
    remembered = Remembered(tmp_path / "cache")
    found = seen(file)
    remembered.add(found, digest.of_file(file)[0], found.ctime_ns + 1_900_000_000)
    assert remembered.find(found) is None


def test_an_entry_that_is_torn_is_none(tmp_path: Path, file: Path) -> None:
    remembered = Remembered(tmp_path / "cache")
    remembered.add(seen(file), digest.of_file(file)[0], settled(file))
    data = bytearray((tmp_path / "cache").read_bytes())
    at = next(at for at, byte in enumerate(data) if byte)
    data[at + 45] ^= 1  # in the digest
    (tmp_path / "cache").write_bytes(data)
    assert remembered.find(seen(file)) is None


def test_a_table_that_is_full_forgets_and_is_never_wrong(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samebit.capture.hashing._SLOTS", 16)
    remembered = Remembered(tmp_path / "cache")
    many = [Found(at, OLD_NS, OLD_NS, at + 1, 7) for at in range(200)]
    names = [digest.of_bytes(bytes([at])) for at in range(200)]
    for found, name in zip(many, names, strict=True):
        remembered.add(found, name, OLD_NS * 2)
    answers = [remembered.find(found) for found in many]
    assert all(a in (None, name) for a, name in zip(answers, names, strict=True))
    assert any(answers)
    assert (tmp_path / "cache").stat().st_size <= 16 * 80


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, file: Path) -> None:
    (tmp_path / "no folder").touch()
    hasher = Hasher(1 << 20, tmp_path / "no folder" / "cache")
    for _ in range(2):
        assert hasher.of(str(file), seen(file)) == {"digest": digest.of_bytes(b"content")}


def test_what_is_remembered_costs_no_budget(tmp_path: Path, file: Path) -> None:
    Remembered(tmp_path / "cache").add(seen(file), digest.of_file(file)[0], settled(file))
    hasher = Hasher(0, tmp_path / "cache")
    assert hasher.of(str(file), seen(file)) == {"digest": digest.of_bytes(b"content")}
    assert Hasher(0).of(str(file), seen(file)) == {}


def test_a_file_that_is_not_what_was_opened_is_changed(tmp_path: Path, file: Path) -> None:
    found = seen(file)
    file.write_bytes(b"more than it was")
    assert Hasher(1 << 20).of(str(file), found) == {"changed": True}
    file.unlink()
    assert Hasher(1 << 20).of(str(file), found) == {"changed": True}
