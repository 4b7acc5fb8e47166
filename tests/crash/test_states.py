"""Saving a state that is killed, or meets a bad disk: all of it is there, or none of it."""

import functools
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from samebit import disk, places, records
from samebit.errors import SamebitError
from samebit.folders import naming
from samebit.objects import sweeping
from samebit.objects.store import Store
from samebit.records import StateManifest
from samebit.states import storing
from tests.crash.saving import small_parts, state_of
from tests.disks import fill
from tests.loaded import load

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

# Each with the times at which a save is killed there.
POINTS = [
    ("state.save", "first"),
    *itertools.product(["disk.create", "disk.fsync", "disk.rename"], ["first", "second", "last"]),
]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch.setattr)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(places.make_store(tmp_path / ".samebit"))


def start(store: Store, kind: str, *seeds: int, faults: str = "") -> "subprocess.Popen[bytes]":
    """A process that saves states."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.saving", str(store.path), kind, *map(str, seeds)],
        env={**os.environ, "SAMEBIT_FAULTS": faults},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        bufsize=0,
    )


def assert_whole(store: Store, name: str, seed: int, kind: str) -> None:
    """A state loads, and is bit for bit what was saved."""
    back = load(Store(store.path), name, as_torch=False)
    np.testing.assert_equal(back, state_of(seed, kind))


def manifests_in(store: Store) -> Iterator[str]:
    for name in store.names():
        try:
            records.decode(store.read(name), StateManifest, where=name)
        except SamebitError:
            continue
        yield name


def assert_nothing_named_is_missing(store: Store) -> None:
    store = Store(store.path)
    for manifest in manifests_in(store):
        for name in storing.objects_of(store, manifest):
            store.read(name)


def sweep(store: Store, *kept: str) -> None:
    """`samebit gc` without a grace time, where runs name these states."""
    store = Store(store.path)
    marked = set(naming.reached_from(store, kept))
    before_ns = sweeping.clock_ns(store) + 10**12
    for found in list(sweeping.unmarked(store, marked, before_ns)):
        sweeping.sweep(store, found, before_ns)


@functools.cache
def passes(kind: str) -> dict[str, int]:
    """How often the saving of the second state passes each point."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        store = Store(places.make_store(Path(folder) / ".samebit"))
        storing.save(store, state_of(1, kind))
        faults = disk._Faults(",".join(f"{point}=kill@{10**9}" for point, _ in POINTS))
        patch.setattr(disk, "FAULTS", faults)
        storing.save(store, state_of(2, kind))
    return faults.seen


@pytest.mark.parametrize("kind", ["few", pytest.param("many", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("point", "at"), POINTS)
def test_a_save_that_is_killed_leaves_the_state_before_and_nothing_by_halves(
    store: Store, point: str, at: str, kind: str
) -> None:
    times = passes(kind)[point]
    assert times > 4 or point == "state.save"
    before = storing.save(store, state_of(1, kind))
    wanted = {"first": 1, "second": 2, "last": times}[at]
    child = start(store, kind, 2, faults=f"{point}=kill@{wanted}")
    told, _ = child.communicate()
    assert (child.returncode, told) == (-signal.SIGKILL, b"")
    assert_whole(store, before, 1, kind)
    assert_nothing_named_is_missing(store)
    assert list(manifests_in(Store(store.path))) == [before]
    # What it had put already is not swept while a process may be about to name it.
    lately = sweeping.clock_ns(store) - int(sweeping.LEAST_GRACE_S * 1e9)
    assert list(sweeping.unmarked(Store(store.path), {before}, lately)) == []
    # A door that was open all the time, and one after everything unnamed is gone.
    after = storing.save(store, state_of(2, kind))
    assert_whole(store, after, 2, kind)
    sweep(store, before)
    assert os.listdir(store.path / "tmp") == []
    assert_whole(store, before, 1, kind)
    assert not Store(store.path).has(after)
    assert storing.save(store, state_of(2, kind)) == after
    sweep(store, before, after)
    assert_whole(store, before, 1, kind)
    assert_whole(store, after, 2, kind)


@pytest.mark.parametrize("action", ["error", "full"])
@pytest.mark.parametrize(("point", "at"), POINTS)
def test_a_save_that_the_disk_refuses_says_so_and_leaves_nothing_aside(
    store: Store, monkeypatch: pytest.MonkeyPatch, point: str, at: str, action: str
) -> None:
    before = storing.save(store, state_of(1, "few"))
    wanted = {"first": 1, "second": 2, "last": passes("few")[point]}[at]
    monkeypatch.setattr(disk, "FAULTS", disk._Faults(f"{point}={action}@{wanted}"))
    with pytest.raises(SamebitError, match="the store cannot be written: injected fault"):
        storing.save(store, state_of(2, "few"))
    monkeypatch.setattr(disk, "FAULTS", None)
    assert os.listdir(store.path / "tmp") == []
    assert list(manifests_in(store)) == [before]
    assert_whole(store, before, 1, "few")
    assert_whole(store, storing.save(store, state_of(2, "few")), 2, "few")


@pytest.mark.parametrize("room_bytes", [0, 100_000, 300_000])
def test_a_state_for_which_there_is_no_room_leaves_the_one_before(
    little_disk: Callable[..., Path], room_bytes: int
) -> None:
    top = little_disk("size=4m")
    store = Store(places.make_store(top / ".samebit"))
    before = storing.save(store, state_of(1, "few"))
    filling = fill(top, but_bytes=room_bytes)
    with pytest.raises(SamebitError, match="the store cannot be written: No space left"):
        storing.save(store, state_of(2, "few"))
    assert os.listdir(store.path / "tmp") == []
    assert list(manifests_in(Store(store.path))) == [before]
    assert_whole(store, before, 1, "few")
    assert storing.save(store, state_of(1, "few")) == before  # nothing of it is new
    filling.unlink()
    assert_whole(store, storing.save(store, state_of(2, "few")), 2, "few")


def test_a_store_that_is_read_only_keeps_what_it_has(little_disk: Callable[..., Path]) -> None:
    store = Store(places.make_store(little_disk("size=4m") / ".samebit"))
    before = storing.save(store, state_of(1, "few"))
    little_disk("remount,ro")
    with pytest.raises(SamebitError, match="cannot be written: Read-only") as raised:
        storing.save(store, state_of(2, "few"))
    assert raised.value.facts == {"store": store.path}
    assert list(manifests_in(Store(store.path))) == [before]
    assert_whole(store, before, 1, "few")
    assert storing.save(Store(store.path), state_of(1, "few")) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_of_two_that_save_the_same_and_are_killed_every_acknowledged_state_is_whole(
    store: Store, seed: int
) -> None:
    seeds = range(1, 200)
    children = [start(store, "few", *seeds) for _ in range(2)]
    told = []
    for child in children:  # each has begun
        assert child.stdout is not None
        told.append(child.stdout.readline())
    time.sleep(random.Random(seed).uniform(0, 0.5))
    for at, child in enumerate(children):
        child.kill()
        told[at] += child.communicate()[0]
    for lines in told:
        for number, name in zip(seeds, lines.decode().split(), strict=False):
            assert_whole(store, name, number, "few")
    assert_nothing_named_is_missing(store)
    assert len(os.listdir(store.path / "tmp")) <= 6  # a file of each thread that wrote
