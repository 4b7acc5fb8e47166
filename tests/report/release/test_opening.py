"""A stranger's bundle: whatever its names and sizes say, nothing leads out of a folder."""

import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.errors import Damaged, NotFound
from samebit.report.release import opening
from samebit.report.release.writing import sum_line

OUTSIDE = ["../x", "/x", "a/../../x", "a/./x", "a//x", "", "..", "a/..", "nul\0x"]


def zip_of(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def info(name: str, mode: int, system: int = 3) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.create_system = system
    found.external_attr = mode << 16
    return found


def refused(path: Path, tmp_path: Path) -> str:
    top = tmp_path / "in" / "side"
    top.mkdir(parents=True)
    before = {one for one in tmp_path.rglob("*") if one != path}
    with pytest.raises(Damaged) as error:
        opening.unpack(path, top / "bundle")
    assert {one for one in tmp_path.rglob("*") if one != path} == before
    return str(error.value)


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name and "\0" not in name])
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    assert "what no bundle has" in refused(zip_of(tmp_path / "a.zip", (name, b"x")), tmp_path)


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_there_are_no_links_and_no_devices(tmp_path: Path, kind: int) -> None:
    archive = zip_of(tmp_path / "a.zip", (info("code", kind | 0o777), b"/etc"), ("b", b""))
    assert "what no bundle has" in refused(archive, tmp_path)


def test_no_file_lies_below_a_file_and_none_twice(tmp_path: Path) -> None:
    below = zip_of(tmp_path / "a.zip", ("a", b"x"), ("a/b", b"y"))
    assert "what no bundle has" in refused(below, tmp_path / "one")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zip_of(tmp_path / "b.zip", ("a", b"x"), ("a", b"y"))
    assert "a name twice" in refused(twice, tmp_path / "two")


def test_what_would_grow_without_measure_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(name, bytes(64 << 20))
    assert "grow as no bundle does" in refused(path, tmp_path)


def test_a_size_that_is_a_lie_is_found_out(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", ("a", b"x" * 1000))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)  # what it says it will be
    path.write_bytes(data)
    top = tmp_path / "top"
    with pytest.raises(Damaged):
        opening.unpack(path, top)
    assert sum(one.stat().st_size for one in top.rglob("*")) <= 10


def test_an_encrypted_or_broken_zip_is_none(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", ("a", b"x"))
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused(path, tmp_path / "one")
    path.write_bytes(bytes(data)[:30])
    assert "no whole zip" in refused(path, tmp_path / "two")


def test_a_folder_with_a_link_is_no_bundle(tmp_path: Path) -> None:
    for kind in ("file", "folder", "pipe"):
        top = tmp_path / kind
        top.mkdir()
        if kind == "pipe":
            os.mkfifo(top / "release.json")
        else:
            (top / "code").symlink_to("/etc/passwd" if kind == "file" else "/etc")
        with pytest.raises(Damaged), opening.opened(top):
            pass
    with pytest.raises(NotFound), opening.opened(tmp_path / "nowhere"):
        pass


@given(
    st.dictionaries(
        st.text(
            st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1
        ).filter(lambda name: name not in (".", "..")),
        st.binary(min_size=32, max_size=32).map(bytes.hex),
    )
)
def test_sums_are_read_as_they_are_written_whatever_the_names(files: dict[str, str]) -> None:
    text = "".join(sum_line(sha256, name) for name, sha256 in files.items())
    assert opening.parse_sums(text, "sums") == files


@pytest.mark.parametrize("name", OUTSIDE)
def test_sums_name_nothing_outside(name: str) -> None:
    with pytest.raises(Damaged):
        opening.parse_sums(f"{'0' * 64}  {name}\n", "sums")


@pytest.mark.parametrize(
    "line", ["x", "0" * 64, "z" * 64 + "  a", "0" * 64 + " -a", "\\" + "0" * 63]
)
def test_a_line_that_says_nothing_is_refused(line: str) -> None:
    with pytest.raises(Damaged):
        opening.parse_sums(f"{line}\n", "sums")
    with pytest.raises(Damaged):
        opening.parse_sums(f"{'0' * 64}  a\n" * 2, "sums")


RUN = {
    "id": "a",
    "name": "",
    "status": "finished",
    "started": "",
    "ended": None,
    "seconds": None,
    "code": "code",
    "command": {"how": "script", "words": ["a.py"], "cwd": ".", "variables": {}},
    "seed": None,
    "config": {},
    "results": {},
    "volatile": [],
    "steps": 0,
    "metrics": "m.csv",
    "states": [],
    "splits": {},
    "written": [],
    "verdict": None,
}
CODE = {"folder": "code", "tree": "", "swhid": "", "files": 0, "size_bytes": 0}
DATUM = {"path": "d", "size_bytes": 1, "digest": None, "is_inside": True}
CONTENTS = {
    "format": "samebit-release 1",
    "title": "",
    "samebit": "",
    "anonymous": False,
    "date": "",
    "codes": [CODE],
    "links": [],
    "data": [],
    "runs": [RUN],
    "python": "3.11.7",
    "abi": "",
    "packages": 0,
    "hashed": "",
    "machine": "",
    "license": None,
    "needs_samebit": False,
}


@pytest.mark.parametrize(
    "change",
    [
        {"codes": [CODE | {"folder": "../code"}]},
        {"runs": [RUN | {"code": "/code"}]},
        {"runs": [RUN | {"id": "a/b"}]},
        {"runs": [RUN | {"id": "../b"}]},
        {"runs": [RUN | {"metrics": "../../etc/passwd"}]},
        {"runs": [RUN | {"command": RUN["command"] | {"cwd": ".."}}]},
        {"runs": [RUN | {"splits": {"s": "../s"}}]},
        {"links": [{"path": "code/link", "target": "../../outside"}]},
        {"links": [{"path": "code/link", "target": "/etc"}]},
        {"links": [{"path": "../link", "target": "a"}]},
        {
            "data": [
                {"path": "d", "size_bytes": 1, "digest": None, "is_inside": True, "place": "/d"}
            ]
        },
        {"data": [DATUM | {"place": "code/d"}]},
        {"record": "../.samebit"},
    ],
)
def test_contents_name_nothing_outside(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "release.json"
    path.write_text(json.dumps(CONTENTS))
    assert opening.read_contents(tmp_path).runs[0].id == "a"
    path.write_text(json.dumps(CONTENTS | change))
    with pytest.raises(Damaged, match="names what is not in it"):
        opening.read_contents(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "samebit-release 2"}', "\xff", "{" * 9999]
)
def test_what_is_no_release_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "release.json").write_text(text, encoding="latin-1")
    with pytest.raises(Damaged):
        opening.read_contents(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"runs": []},
        {"runs": [RUN | {"command": RUN["command"] | {"words": []}}]},
        {"runs": [RUN | {"command": RUN["command"] | {"how": "shell"}}]},
        {"runs": [RUN | {"command": RUN["command"] | {"words": ["a\0b"]}}]},
        {"runs": [RUN | {"command": RUN["command"] | {"variables": {"A=B": "c"}}}]},
        {"runs": [RUN | {"command": RUN["command"] | {"variables": {"A": "\0"}}}]},
    ],
)
def test_a_command_that_is_none_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "release.json").write_text(json.dumps(CONTENTS | change))
    with pytest.raises(Damaged):
        opening.read_contents(tmp_path)
