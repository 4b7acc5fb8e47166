"""Installed files are compared with what their installer wrote down about them."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from samebit import digest
from samebit.capture import installed

WAIT_S = 60.0


class Site:
    """A folder of distributions, and a cache."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "lib/site-packages"
        self.cache = tmp_path / "cache/installed"
        self.kept: list[bytes] = []

    def install(self, name: str, files: dict[str, bytes], record: str | None = None) -> None:
        info = self.path / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        lines = []
        for file, content in files.items():
            path = self.path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            digits = (
                base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            )
            lines.append(f"{file},sha256={digits},{len(content)}")
        lines.append(f"{info.name}/RECORD,,")
        (info / "RECORD").write_text("\r\n".join(lines) if record is None else record)

    def keep(self, data: bytes) -> str:
        self.kept.append(data)
        return digest.of_bytes(data)

    def check(self, *files: str, wait_s: float = WAIT_S) -> dict[str, Any]:
        paths = [str(self.path / file) for file in files]
        return installed.check(paths, self.cache, wait_s, self.keep)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.install("pkg", {"pkg/a.py": b"A = 1\n", "pkg/b.so": b"\0" * 3000})
    site.install("other", {"other.py": b"B = 1\n"})
    return site


CLEAN: dict[str, Any] = {
    "checked": 0,
    "edited": {},
    "added": {},
    "without_record": [],
    "unchecked": 0,
    "unchecked_bytes": 0,
}


def test_what_is_as_it_was_installed_is_only_counted(site: Site) -> None:
    for _ in range(2):
        assert site.check("pkg/a.py", "pkg/b.so", "other.py") == CLEAN | {"checked": 3}
    assert site.kept == []


@pytest.mark.parametrize("content", [b"A = 2\n", b"A = 10\n"], ids=["same size", "other size"])
@pytest.mark.parametrize("cached", [True, False])
def test_an_edited_file_is_named_and_kept(site: Site, content: bytes, cached: bool) -> None:
    path = site.path / "pkg/a.py"
    if cached:
        site.check("pkg/a.py")
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=times)  # an editor may put the time back; the inode's own it cannot
    for _ in range(2):
        found = site.check("pkg/a.py", "other.py")
        edited = {"pkg/a.py": digest.of_bytes(content)}
        assert found == CLEAN | {"checked": 1, "edited": edited}
    assert site.kept == [content] * 2


def test_what_was_installed_since_the_last_time_is_known(site: Site) -> None:
    assert site.check("pkg/a.py", "late.py") == CLEAN | {"checked": 1}
    (site.path / "mine.py").write_bytes(b"M = 1\n")
    assert site.check("mine.py")["added"] == {"mine.py": digest.of_bytes(b"M = 1\n")}
    site.install("late", {"late.py": b"L = 1\n"})
    (site.path / "pkg-1.0.dist-info/RECORD").unlink()
    site.install("mine", {"mine.py": b"M = 1\n"})
    found = site.check("pkg/a.py", "late.py", "mine.py")
    assert found == CLEAN | {"checked": 2, "without_record": ["pkg"]}


def test_a_newer_record_stands_in_place_of_what_was_remembered(site: Site) -> None:
    site.check("pkg/a.py")
    record = site.path / "pkg-1.0.dist-info/RECORD"
    record.write_text("pkg/a.py,sha256=AAAA,6\n")
    assert list(site.check("pkg/a.py")["edited"]) == ["pkg/a.py"]


def test_a_file_that_no_installer_knows_is_named_and_kept(site: Site) -> None:
    (site.path / "mine.py").write_bytes(b"M = 1\n")
    (site.path / "pkg/hack.py").write_bytes(b"H = 1\n")
    found = site.check("mine.py", "pkg/hack.py", "pkg/a.py")
    assert found["added"] == {
        "mine.py": digest.of_bytes(b"M = 1\n"),
        "pkg/hack.py": digest.of_bytes(b"H = 1\n"),
    }
    assert found["checked"] == 1


def test_when_the_time_is_up_it_is_said_what_was_not_hashed(site: Site) -> None:
    found = site.check("pkg/a.py", "pkg/b.so", wait_s=-1)
    assert found == CLEAN | {"unchecked": 2, "unchecked_bytes": 3006}
    (site.path / "pkg/b.so").write_bytes(b"\0" * 3001)
    found = site.check("pkg/a.py", "pkg/b.so", wait_s=-1)
    assert found["unchecked"] == 1
    assert list(found["edited"]) == ["pkg/b.so"]  # its size alone gives it away


def test_a_file_that_took_the_whole_time_alone_is_not_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([1.0, -1.0])
    monkeypatch.setattr(installed._Clock, "left", lambda clock: next(left))
    assert site.check("pkg/b.so", wait_s=1.0)["unchecked"] == 1
    monkeypatch.undo()
    assert site.check("pkg/b.so")["unchecked"] == 1
    (site.path / "pkg/b.so").touch()
    assert site.check("pkg/b.so")["checked"] == 1


@pytest.mark.parametrize(
    "record",
    [
        "",
        "\xff\xfe\0",
        "pkg2/c.py",
        "pkg2/c.py,,",
        "pkg2/c.py,md5=0,x",
        ",,,\n,\n\n",
        "pkg2/c.py,a=b=c,",
    ],
)
def test_a_broken_record_is_no_error(site: Site, record: str) -> None:
    site.install("pkg2", {"pkg2/c.py": b""}, record)
    found = site.check("pkg2/c.py", "pkg/a.py")
    assert found["checked"] == 1
    assert found["unchecked"] + len(found["added"]) == 1


def test_a_distribution_without_a_record_is_named(site: Site) -> None:
    site.install("Odd.Name", {"odd_name/c.py": b""})
    (site.path / "Odd.Name-1.0.dist-info/RECORD").unlink()
    (site.path / "egg-1.0.egg-info").write_text("")
    found = site.check("odd_name/c.py", "pkg/a.py", "gone.py")
    assert found == CLEAN | {"checked": 1, "without_record": ["egg", "odd-name"]}


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x81\xa1a\x01"])
def test_a_broken_cache_is_made_again(site: Site, content: bytes) -> None:
    site.cache.parent.mkdir()
    site.cache.write_bytes(content)
    assert site.check("pkg/a.py")["checked"] == 1
    assert site.cache.read_bytes() != content


def test_a_home_that_cannot_be_written_to_is_no_error(site: Site) -> None:
    site.cache.parent.write_text("a file")
    assert site.check("pkg/a.py")["checked"] == 1


def test_the_real_libraries_of_this_process_are_as_installed(tmp_path: Path) -> None:
    import _pytest
    import msgspec

    files = [path for path in installed.loaded_files() if "_pytest" in path or "pluggy" in path]
    assert str(Path(_pytest.__file__)) in files
    assert str(Path(msgspec.__file__)) in installed.loaded_files()
    found = installed.check(files, tmp_path / "installed", WAIT_S, digest.of_bytes)
    assert found["checked"] == len(files)
