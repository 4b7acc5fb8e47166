"""DVC's cache: where it is, by which rule it names, and that it is never trusted."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.data.dvc.cache import Hashes, find_cache, find_top, look
from samebit.data.dvc.outs import LEGACY, Out
from samebit.digest import of_bytes
from samebit.errors import Damaged, NotFound
from tests.data.dvc.projects import DvcProject

MB = 1 << 20


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@given(st.lists(st.binary(max_size=40)), st.sampled_from(["md5", LEGACY]))
def test_pieces_do_not_matter(pieces: list[bytes], rule: str) -> None:
    whole, parts = Hashes(rule), Hashes(rule)
    whole.update(b"".join(pieces))
    for piece in pieces:
        parts.update(piece)
    assert whole.names() == parts.names()


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", [b""]),
        (b"a\r\nb\r\n", [b"a\nb\n"]),
        (b"a\r\nb\0", [b"a\r\nb\0"]),  # binary
        (bytes(range(128, 255)) + b"\r\n", [bytes(range(128, 255)) + b"\r\n"]),
        # A break that lies on the border of two pieces stays.
        (b"x" * (MB - 1) + b"\r\n" + b"y", [b"x" * (MB - 1) + b"\r\n" + b"y"]),
        # DVC 2 asked the first piece of a file alone what it is.
        (b"x" * MB + b"\0\r\n", [b"x" * MB + b"\0\r\n", b"x" * MB + b"\0\n"]),
    ],
)
def test_the_older_rule_reads_breaks_of_dos_as_those_of_unix(
    data: bytes, names: list[bytes]
) -> None:
    hashes = Hashes(LEGACY)
    hashes.update(data)
    assert hashes.names() == tuple(map(md5, names))
    plain = Hashes("md5")
    plain.update(data)
    assert plain.names() == (md5(data),)


def test_the_cache_is_where_the_last_word_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = DvcProject(tmp_path / "project").path
    for name in ("user", "system"):
        monkeypatch.setenv(
            f"DVC_{'GLOBAL' if name == 'user' else 'SYSTEM'}_CONFIG_DIR", str(tmp_path / name)
        )
        (tmp_path / name).mkdir()
    assert find_top(project) == project
    inner = project / "a/b"
    inner.mkdir(parents=True)
    assert find_top(inner) == project
    assert find_top(tmp_path) is None
    assert find_cache(None).place("md5", "abcd") is None
    assert find_cache(project).place("md5", "abcd") == project / ".dvc/cache/files/md5/ab/cd"
    assert find_cache(project).place(LEGACY, "abcd") == project / ".dvc/cache/ab/cd"
    said = [
        (tmp_path / "system/config", "[cache]\n    dir = /shared\n", Path("/shared")),
        (tmp_path / "user/config", "[cache]\ndir = ~/mine", Path.home() / "mine"),
        (
            project / ".dvc/config",
            "[core]\n    remote = x\n['remote \"x\"']\n    dir = no\n"
            "[cache]\n    type = reflink\n    dir = ../../there  # theirs\n",
            tmp_path / "there",
        ),
        (project / ".dvc/config.local", "[Cache]\nDIR='/local'\n", Path("/local")),
    ]
    for file, text, folder in said:
        file.write_text(text)
        assert find_cache(project).folder == folder


def test_a_folder_is_its_list_which_has_its_own_md5(tmp_path: Path) -> None:
    project = DvcProject(tmp_path)
    name = project.add("data", {"b": b"b", "a/c": b"c"})
    cache = find_cache(tmp_path)
    out = Out("data.dvc", "data", "md5", name.removesuffix(".dir"), is_folder=True)
    assert [one.relpath for one in cache.files(out)] == ["a/c", "b"]
    project.damage(name)
    with pytest.raises(Damaged, match="damaged: its md5 is"):
        cache.files(out)
    project.lose(name)
    with pytest.raises(NotFound, match="not in DVC's cache"):
        cache.files(out)
    for odd in (b"[]]", b"{}", b'[{"relpath": "../x", "md5": "%b"}]' % md5(b"").encode()):
        odder = Out("data.dvc", "data", "md5", md5(odd), is_folder=True)
        project.keep(odd, ".dir")
        with pytest.raises(Damaged):
            cache.files(odder)


def test_what_is_no_file_in_the_cache_is_not_read(tmp_path: Path) -> None:
    project = DvcProject(tmp_path)
    name = project.add("file", b"bytes")
    cache = find_cache(tmp_path)
    place = cache.holds("md5", name)
    assert place is not None
    seen = look(place, "md5", follow=False)
    assert seen is not None
    assert (seen.digest, seen.size_bytes, seen.md5s) == (of_bytes(b"bytes"), 5, (name,))
    project.lose(name)
    place.symlink_to(tmp_path / "file")
    assert cache.holds("md5", name) is None
    assert look(place, "md5", follow=False) is None
    assert look(place, "md5", follow=True) == seen  # as links in a working tree are
    place.unlink()
    os.mkfifo(place)
    assert cache.holds("md5", name) is None
    assert look(place, "md5", follow=True) is None


def test_the_writer_of_these_tests_writes_lists_as_dvc_does(tmp_path: Path) -> None:
    # What DVC 3.67.1 has in its cache for a folder of three files: `tests/walks/test_dvc.py`.
    listed = json.dumps([{"md5": md5(b"img 1\n"), "relpath": "a/1.png"}], sort_keys=True)
    assert listed == '[{"md5": "2c20bb74c60c990558b529c73f1f7e4a", "relpath": "a/1.png"}]'
    files = {f"a/{n}.png": b"img %d\n" % n for n in (1, 2, 3)}
    assert DvcProject(tmp_path).add("train", files) == "e98839ceec9823465d6943f8f86b40e3.dir"
