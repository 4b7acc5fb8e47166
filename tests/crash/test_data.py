"""A version of data is there whole or not at all, whoever killed the `add`, and that goes on."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from samebit import places
from samebit.cli.checking import examine
from samebit.data import manifests, versions
from samebit.data.fingerprints import fingerprint
from samebit.objects.store import Store
from tests.disks import fill

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

# `samebit data add`, with packs so small that there are several.
ADDING = """
import sys
from samebit.objects import pieces
from samebit.cli.main import main
pieces.PACK_BYTES = 1 << 20
sys.exit(main(["data", "add", sys.argv[1], "--json"]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = random.Random(1)
    path = tmp_path / "train"
    path.mkdir()
    for at in range(60):
        (path / f"{at}.bin").write_bytes(chance.randbytes(chance.randrange(100_000)))
    (path / "large.bin").write_bytes(chance.randbytes(3 << 20))
    return path


def add(
    folder: Path, faults: str = "", store: Path | None = None
) -> subprocess.CompletedProcess[str]:
    store = store or folder.parent / ".samebit"
    environ = {**os.environ, "SAMEBIT_FAULTS": faults, "SAMEBIT_DIR": str(store)}
    environ["SAMEBIT_CACHE"] = str(folder.parent / "cache")
    command = [sys.executable, "-c", ADDING, str(folder)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


def assert_whole_or_nothing(folder: Path, path: Path, *, is_there: bool | None = None) -> None:
    found = versions.read_versions(path, "train")
    assert is_there is None or bool(found) == is_there
    store = Store(path)
    assert examine(store).damage == []
    for version in found:
        manifest = manifests.read_manifest(store, version.manifest)
        for item in manifests.read_items(store, manifest):
            data = b"".join(store.read(one.name) for one in manifests.read_list(store, item))
            assert data == (folder / os.fsdecode(item.path)).read_bytes()


@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename"])
@pytest.mark.parametrize("when", [3, 8])  # the store's own file is the first; the record the last
def test_a_kill_leaves_no_version_and_the_next_add_goes_on(
    folder: Path, point: str, when: int
) -> None:
    path = folder.parent / ".samebit"
    done = add(folder, f"{point}=kill@{when}")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_whole_or_nothing(folder, path, is_there=False)
    before = sum(one.stat().st_size for one in (path / "packs").iterdir())
    assert add(folder).returncode == 0
    assert_whole_or_nothing(folder, path, is_there=True)
    after = sum(one.stat().st_size for one in (path / "packs").iterdir())
    size_bytes = versions.find_version(path, "train").size_bytes
    assert after - before < size_bytes - before + 300_000  # what was there was not stored again


@pytest.mark.parametrize(
    "fault",
    ["disk.create=full@3", "disk.fsync=error@7", "disk.rename=full@2", "disk.rename=error@8"],
)
def test_a_disk_that_fails_is_said_and_leaves_no_version(folder: Path, fault: str) -> None:
    done = add(folder, fault)
    assert done.returncode == 1
    assert "samebit: the store cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    path = folder.parent / ".samebit"
    assert_whole_or_nothing(folder, path, is_there=False)
    assert list((path / "tmp").iterdir()) == []


def test_a_full_disk_is_said_and_with_room_it_goes_on(folder: Path, little_disk: object) -> None:
    top: Path = little_disk("size=8m")  # type: ignore[operator]
    path = places.make_store(top / ".samebit")
    filling = fill(top, but_bytes=3 << 20)
    done = add(folder, store=path)
    assert (done.returncode, "No space left on device" in done.stderr) == (1, True), done.stderr
    assert_whole_or_nothing(folder, path, is_there=False)
    filling.unlink()
    assert add(folder, store=path).returncode == 0
    assert_whole_or_nothing(folder, path, is_there=True)


def test_two_adds_at_once_are_both_whole(folder: Path) -> None:
    environ = {**os.environ, "SAMEBIT_DIR": str(folder.parent / ".samebit")}
    command = [sys.executable, "-c", ADDING, str(folder)]
    both = [subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert_whole_or_nothing(folder, folder.parent / ".samebit", is_there=True)


LAYING_OUT = """
import sys
from samebit.cli.main import main
sys.exit(main(["data", "checkout", "train", sys.argv[1]]))
"""


@pytest.mark.parametrize("fault", ["kill@1", "kill@40", "full@40"])
def test_laying_out_that_is_stopped_leaves_whole_files_and_goes_on(
    folder: Path, fault: str
) -> None:
    add(folder)
    place = folder.parent / "place"
    environ = {**os.environ, "SAMEBIT_DIR": str(folder.parent / ".samebit")}
    command = [sys.executable, "-c", LAYING_OUT, str(place)]
    faulty = {**environ, "SAMEBIT_FAULTS": f"data.lay_out={fault}"}
    done = subprocess.run(command, env=faulty, capture_output=True, text=True)
    assert done.returncode == (-signal.SIGKILL if "kill" in fault else 1)
    assert "Traceback" not in done.stderr
    left = {path.name: path.read_bytes() for path in place.iterdir()}
    aside = [name for name in left if name.startswith(".samebit-")]
    assert len(aside) == ("kill" in fault)
    for name in left.keys() - set(aside):
        assert left[name] == (folder / name).read_bytes()
    again = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert fingerprint(place) == fingerprint(folder)
