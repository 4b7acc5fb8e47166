"""What every place elsewhere must do, whoever keeps it."""

import itertools
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from samebit.errors import NotFound
from samebit.remotes import named, probing
from samebit.remotes.named import Remote
from samebit.remotes.place import Guarantees, Place, RemoteError, read_whole
from tests import servers

_BUCKETS = itertools.count()


@pytest.fixture(scope="module", params=["folder", "ssh", "ssh of rclone", *servers.KINDS])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[str, Place]]:
    """A place of each kind, opened as `samebit remote add` leaves it."""
    folder: Path = tmp_path_factory.mktemp("place")
    if request.param == "folder":
        yield "folder", named.open_place(Remote("x", f"file://{folder}"))
        return
    if request.param.startswith("ssh"):
        begun = servers.sshd(folder) if request.param == "ssh" else servers.rclone_sftp(folder)
        with begun as sshd, pytest.MonkeyPatch.context() as patch:
            sshd.patch(patch)
            found = probing.probe(named.open_place(named.of_url("x", sshd.url, {})))
            assert found.trouble is None
            yield request.param, named.open_place(Remote("x", sshd.url, {}, found.guarantees))
        return
    with servers.started(request.param, folder) as server:
        url = server.make_bucket(f"bucket{next(_BUCKETS)}") + "/some/where"
        remote = named.of_url("x", url, server.options)
        found = probing.probe(named.open_place(remote))
        assert found.trouble is None
        yield request.param, named.open_place(Remote("x", url, remote.options, found.guarantees))


@pytest.fixture
def place(opened: tuple[str, Place]) -> Place:
    return opened[1]


@pytest.fixture
def top(request: pytest.FixtureRequest) -> str:
    """A folder that no other test uses."""
    return f"t{next(_BUCKETS)}"


def test_what_it_can_do_is_found_by_trying(opened: tuple[str, Place]) -> None:
    kind, place = opened
    can = Guarantees(creates="rclone" not in kind, ranges=kind != "rclone")
    assert place.guarantees == can
    assert list(place.list("claims")) == []  # nothing is left of it


@pytest.mark.parametrize("size", [0, 1, 70_000, 9_000_000])
def test_bytes_come_back(place: Place, top: str, size: int) -> None:
    data = os.urandom(size)
    assert place.put(f"{top}/a/b", data)
    assert b"".join(place.read(f"{top}/a/b")) == data
    assert read_whole(place, f"{top}/a/b", size) == data
    found = place.find(f"{top}/a/b")
    assert found is not None
    assert found.size_bytes == size
    for begin, end in ((0, size // 2), (size // 3, size), (size, size)):
        assert b"".join(place.read(f"{top}/a/b", begin, end)) == data[begin:end]


def test_a_name_is_taken_once(place: Place, top: str) -> None:
    assert place.put(f"{top}/x", b"first", new=True)
    assert not place.put(f"{top}/x", b"second", new=True)
    assert b"".join(place.read(f"{top}/x")) == b"first"
    assert list(place.list("tmp")) == []  # nothing is left of what was refused
    assert place.put(f"{top}/x", b"third")
    assert b"".join(place.read(f"{top}/x")) == b"third"


def test_what_is_not_there(place: Place, top: str) -> None:
    assert place.find(f"{top}/none") is None
    with pytest.raises(NotFound):
        list(place.read(f"{top}/none"))
    with pytest.raises(NotFound):
        list(place.read(f"{top}/none", 1, 2))
    assert list(place.list(f"{top}/none")) == list(place.folders(f"{top}/none")) == []
    place.remove(f"{top}/none")


def test_listings(place: Place, top: str) -> None:
    paths = [f"{top}/{part}/{name}" for part in ("p", "pp", "q") for name in ("1", "2/3")]
    for path in paths:
        place.put(path, path.encode())
    assert sorted(one.path for one in place.list(top)) == sorted(paths)
    assert {one.size_bytes for one in place.list(top)} == {len(path) for path in paths} - {0}
    # A folder, and not whatever begins like it.
    assert sorted(one.path for one in place.list(f"{top}/p")) == [f"{top}/p/1", f"{top}/p/2/3"]
    assert sorted(place.folders(top)) == ["p", "pp", "q"]
    times = [one.modified_ns for one in place.list(top)]
    assert max(times) - min(times) < 600e9
    place.remove(f"{top}/p/1")
    assert [one.path for one in place.list(f"{top}/p")] == [f"{top}/p/2/3"]
    for name in ("1", "2/3"):
        place.remove(f"{top}/q/{name}")
    place.remove(f"{top}/pp/1")
    assert "pp" in place.folders(top)
    assert list(place.folders(f"{top}/q")) == []


@pytest.mark.slow
def test_more_than_one_page_is_listed(place: Place, top: str) -> None:
    from samebit.remotes import moving

    names = {f"{top}/{at:04}" for at in range(1_050)}
    moving.all_of([lambda path=path: place.put(path, b"") for path in names])
    assert {one.path for one in place.list(top)} == names


def test_more_or_fewer_bytes_than_expected_are_an_error(place: Place, top: str) -> None:
    place.put(f"{top}/x", b"12345")
    with pytest.raises(RemoteError, match="sent 5 of 9 bytes"):
        read_whole(place, f"{top}/x", 9)
    assert read_whole(place, f"{top}/x", 3) == b"123"
