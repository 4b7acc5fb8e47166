"""An object whose name was given out is there and whole, whatever killed whom and when."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samebit import digest, disk, places
from samebit.objects.store import Store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

POINTS = ["disk.create", "disk.fsync", "disk.rename"]

# Puts small and large objects for ever, and says a name once put_all() has returned.
PUTTING = """
import itertools, os, random, sys
from pathlib import Path
from samebit.objects.store import Store
store = Store(Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
for at in range(int(sys.argv[3])) if len(sys.argv) > 3 else itertools.count():
    small = [chance.randbytes(chance.randrange(60)) for _ in range(chance.randrange(1, 5))]
    large = [chance.randbytes(70_000)] if at % 3 == 0 else []
    try:
        names = store.put_all([*small, *large])
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\\n")
        continue
    os.write(1, "".join(name + "\\n" for name in names).encode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def put_with(
    faults: str, folder: Path, rounds: int = 12, seed: int = 1
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PUTTING, str(folder), str(seed), str(rounds)],
        env={**os.environ, "SAMEBIT_FAULTS": faults},
        capture_output=True,
        text=True,
    )


def assert_sound(folder: Path, acknowledged: list[str], left_aside: int = 0) -> None:
    """Every file under a name is whole, and what was acknowledged is among them."""
    store = Store(folder)
    assert {name: digest.of_bytes(store.read(name)) for name in acknowledged} == {
        name: name for name in acknowledged
    }
    for name in store.names():
        store.read(name)
    for pack in store.pack_paths():
        assert store.check_pack(pack)
    assert len(os.listdir(folder / "tmp")) <= left_aside


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_at_any_moment_loses_no_acknowledged_object(folder: Path, seed: int) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PUTTING, str(folder), str(who)],
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        for who in (seed, seed + 100)
    ]
    told = []
    for child in children:  # each has begun
        assert child.stdout is not None
        told.append(child.stdout.read(1))
    time.sleep(random.Random(seed).uniform(0, 0.3))
    for at, child in enumerate(children):
        child.send_signal(signal.SIGKILL)
        assert child.stdout is not None
        told[at] += child.stdout.read()
        child.stdout.close()
        child.wait()
    acknowledged = b"".join(told).decode().splitlines()
    assert acknowledged
    assert_sound(folder, acknowledged, left_aside=len(children))
    # What was left aside is in nobody's way.
    assert put_with("", folder, seed=seed).returncode == 0


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("at", [1, 2, 7])
def test_a_kill_at_a_fault_point_leaves_at_most_a_file_aside(
    folder: Path, point: str, at: int
) -> None:
    done = put_with(f"{point}=kill@{at}", folder)
    assert done.returncode == -signal.SIGKILL
    assert_sound(folder, done.stdout.split(), left_aside=0 if point == "disk.create" else 1)
    again = put_with("", folder)
    assert len(again.stdout.split()) > len(done.stdout.split())
    assert_sound(folder, again.stdout.split(), left_aside=1)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("action", ["error", "full", "raise"])
@pytest.mark.parametrize("when", ["@1", "@6", "@6+"])
def test_a_failure_is_said_and_leaves_nothing_aside(
    folder: Path, point: str, action: str, when: str
) -> None:
    done = put_with(f"{point}={action}{when}", folder)
    assert done.returncode == 0
    assert "injected fault" in done.stderr
    assert "Traceback" not in done.stderr
    if "+" not in when:
        assert len(done.stderr.splitlines()) == 1
    assert_sound(folder, done.stdout.split())


@pytest.mark.parametrize("point", POINTS)
def test_a_store_is_made_whole_or_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    making = (
        "import sys; from pathlib import Path; from samebit import places;"
        "places.make_store(Path(sys.argv[1]))"
    )
    folder = tmp_path / ".samebit"
    done = subprocess.run(
        [sys.executable, "-c", making, str(folder)],
        env={**os.environ, "SAMEBIT_FAULTS": f"{point}=kill"},
    )
    assert done.returncode == -signal.SIGKILL
    assert not (folder / "format").exists()
    monkeypatch.setattr(disk, "FAULTS", None)
    places.make_store(folder)
    assert Store(folder).read(Store(folder).put(b"x")) == b"x"
