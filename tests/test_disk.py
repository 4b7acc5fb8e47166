import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samebit
from samebit import disk

SOURCES = Path(samebit.__file__).parent
PUBLISH = """
import sys
from pathlib import Path
from samebit import disk
disk.publish(Path(sys.argv[1]) / "name", [b"a" * 70_000, b"b"], Path(sys.argv[1]) / "tmp")
"""
WHOLE = b"a" * 70_000 + b"b"
posix_only = pytest.mark.skipif(os.name == "nt", reason="signals and descriptors of POSIX")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


def arm(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setattr(disk, "FAULTS", disk._Faults(spec))


def run(code: str, *arguments: object, faults: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "SAMEBIT_FAULTS": faults},
        capture_output=True,
        text=True,
    )


@given(st.lists(st.binary(max_size=3000), max_size=6), st.sampled_from([bytes, bytearray]))
def test_a_published_file_holds_every_piece(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], kind: Any
) -> None:
    place = tmp_path_factory.mktemp("place")
    given_pieces = [memoryview(kind(piece)) for piece in pieces]
    assert disk.publish(place / "name", given_pieces, place)
    assert (place / "name").read_bytes() == b"".join(pieces)
    assert os.listdir(place) == ["name"]


def test_a_view_of_numbers_is_written_as_its_bytes(place: Path) -> None:
    numbers = memoryview(bytes(range(16))).cast("I")
    disk.publish(place / "name", [numbers], place / "tmp")
    assert (place / "name").read_bytes() == bytes(range(16))


def test_a_name_that_is_taken_is_never_overwritten(place: Path) -> None:
    (place / "name").write_bytes(b"first")
    assert not disk.publish(place / "name", [b"second"], place / "tmp")
    with pytest.raises(FileExistsError):
        disk.create(place / "name", b"third", place / "tmp")
    assert (place / "name").read_bytes() == b"first"
    assert not os.listdir(place / "tmp")


def test_of_many_writers_of_one_name_one_wins(place: Path) -> None:
    code = """
    import sys
    from pathlib import Path
    from samebit import disk
    place = Path(sys.argv[1])
    won = [
        disk.publish(place / f"name-{at}", [sys.argv[2].encode() * 1000], place / "tmp")
        for at in range(40)
    ]
    print(*[int(stamp > 0) for stamp in won])
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(place)]
    writers = [
        subprocess.Popen([*command, letter], stdout=subprocess.PIPE, text=True) for letter in "abcd"
    ]
    told = [writer.communicate()[0].split() for writer in writers]
    for at in range(40):
        (winner,) = [letter for letter, won in zip("abcd", told, strict=True) if won[at] == "1"]
        assert (place / f"name-{at}").read_bytes() == winner.encode() * 1000
    assert not os.listdir(place / "tmp")


def test_where_there_are_no_hard_links_a_file_is_published_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    assert disk.publish(place / "name", [b"first"], place / "tmp")
    assert not disk.publish(place / "name", [b"second"], place / "tmp")
    assert (place / "name").read_bytes() == b"first"
    assert not os.listdir(place / "tmp")


@posix_only
@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename"])
def test_a_kill_leaves_nothing_under_the_name(place: Path, point: str) -> None:
    ended = run(PUBLISH, place, faults=f"{point}=kill")
    assert ended.returncode == -signal.SIGKILL
    assert os.listdir(place) == ["tmp"]
    left = [path.read_bytes() for path in (place / "tmp").iterdir()]
    assert left == ([] if point == "disk.create" else [WHOLE])
    # What was left aside is in nobody's way.
    assert run(PUBLISH, place, faults=f"{point}=kill@2").returncode == 0
    assert (place / "name").read_bytes() == WHOLE


@posix_only
def test_a_kill_at_any_moment_leaves_the_whole_file_or_none(place: Path) -> None:
    code = """
    import itertools, sys
    from pathlib import Path
    from samebit import disk
    place = Path(sys.argv[1])
    for at in itertools.count():
        disk.publish(place / f"name-{at}", [bytes([at % 251])] * 3, place / "tmp")
        if at % 20 == 19:
            print(at, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
        said = [int(line) for line in child.stdout] or [19]
    names = sorted(place.glob("name-*"), key=lambda path: int(path.name[5:]))
    assert len(names) > said[-1]
    for at, path in enumerate(names):
        assert path.read_bytes() == bytes([at % 251]) * 3
    assert len(os.listdir(place / "tmp")) <= 1


@pytest.mark.parametrize("action", ["error", "full", "short", "raise"])
@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename"])
def test_a_failure_leaves_nothing_at_all(
    place: Path, monkeypatch: pytest.MonkeyPatch, point: str, action: str
) -> None:
    arm(monkeypatch, f"{point}={action}@1")
    with pytest.raises((OSError, RuntimeError), match="injected fault"):
        disk.create(place / "name", b"data", place / "tmp")
    assert os.listdir(place) == ["tmp"]
    assert not os.listdir(place / "tmp")
    disk.create(place / "name", b"data", place / "tmp")
    assert (place / "name").read_bytes() == b"data"


def test_a_source_of_pieces_that_fails_leaves_nothing(place: Path) -> None:
    def pieces() -> Any:
        yield b"half"
        raise RuntimeError("the other half is gone")

    with pytest.raises(RuntimeError, match="other half"):
        disk.publish(place / "name", pieces(), place / "tmp")
    assert os.listdir(place) == ["tmp"]
    assert not os.listdir(place / "tmp")


def test_every_fault_point_is_used_and_every_used_one_is_known() -> None:
    call = re.compile(r"""(?:fault|FAULTS\.at|tell|_safely)\(\s*"([a-z_]+\.[a-z_]+)\"""")
    used = {
        name
        for path in SOURCES.rglob("*.py")
        for name in call.findall(path.read_text(encoding="utf-8"))
    }
    assert used == disk.FAULT_POINTS


def test_a_point_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no such fault point: disk\.creat$"):
        disk._Faults("disk.creat=kill")
    with pytest.raises(ValueError, match="no such fault point"):
        disk._Faults("").at("disk.creat")


@given(st.integers(1, 6), st.sampled_from(["", "+"]), st.booleans())
def test_a_fault_acts_at_the_calls_it_was_armed_for(count: int, onwards: str, always: bool) -> None:
    when = "" if always else f"@{count}{onwards}"
    armed = disk._Faults(f"journal.sync=raise,disk.create=error{when}")
    acted = [armed.at("disk.create") == "error" for _ in range(8)]
    first = 1 if always else count
    assert acted == [
        at == first or ((always or onwards != "") and at > first) for at in range(1, 9)
    ]
    assert armed.at("disk.rename") is None


def test_without_faults_an_append_is_the_plain_system_call() -> None:
    assert os.environ.get("SAMEBIT_FAULTS") or disk.append is os.write


def test_a_short_append_writes_half_and_says_so(tmp_path: Path) -> None:
    code = """
    import os, sys
    from pathlib import Path
    from samebit import disk
    fd = disk.open_for_append(Path(sys.argv[1]))
    print(disk.append(fd, b"12345678"), disk.append(fd, b"abcdefgh"))
    disk.truncate(fd, 3)
    disk.append(fd, b"|")
    disk.sync(fd)
    """
    ended = run(code, tmp_path / "file", faults="journal.write=short@2")
    assert ended.stdout.split() == ["8", "4"], ended.stderr
    assert (tmp_path / "file").read_bytes() == b"123|"


@posix_only
def test_an_appended_file_is_out_of_the_scripts_way(tmp_path: Path) -> None:
    fd = disk.open_for_append(tmp_path / "file")
    assert fd >= 200
    assert not os.get_inheritable(fd)
    with pytest.raises(FileExistsError):
        disk.open_for_append(tmp_path / "file")
    os.close(fd)


@posix_only
def test_with_few_descriptors_a_low_one_does(tmp_path: Path) -> None:
    code = """
    import resource, sys
    from pathlib import Path
    from samebit import disk
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    print(disk.append(disk.open_for_append(Path(sys.argv[1])), b"data"))
    """
    assert run(code, tmp_path / "file", faults="").stdout == "4\n"


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    assert disk.claim_folder(tmp_path / "new")
    assert not disk.claim_folder(tmp_path / "new")
    with pytest.raises(FileNotFoundError):
        disk.claim_folder(tmp_path / "none" / "new")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_folder_that_cannot_be_synced_is_no_failure(
    place: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(fd: int) -> None:
        if Path(f"/dev/fd/{fd}").is_dir():
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    disk.create(place / "name", b"data", place / "tmp")


def test_a_folder_that_fails_to_sync_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        disk.sync_folder(place)
