import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from samebit import digest, disk, places
from samebit.objects import store as store_module
from samebit.objects import sweeping
from samebit.objects.store import Store
from tests.objects.test_store import files_of, large

OLD_NS = 10**18


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def test_what_was_made_here_can_be_taken_back(folder: Path) -> None:
    store = Store(folder)
    kept = store.put_all([b"kept", large(1)])
    names = store.put_all([b"one", b"two", large(2)])
    before = sum(path.stat().st_size for path in files_of(folder))
    freed = sweeping.take_back(store, names)
    assert sum(path.stat().st_size for path in files_of(folder)) == before - freed
    for door in (store, Store(folder)):
        assert sorted(door.names()) == sorted(kept)
        assert not any(map(door.has, names))
    assert store.put_all([b"one", b"two", large(2)]) == names
    assert [Store(folder).read(name) for name in names] == [b"one", b"two", large(2)]


def test_what_somebody_else_put_meanwhile_stays(folder: Path) -> None:
    store, other = Store(folder), Store(folder)
    names = [*store.put_all([b"one"]), *store.put_all([large(1)]), *store.put_all([large(2)])]
    other.put_all([b"one", large(1)])
    sweeping.take_back(store, names)
    assert set(store.names()) == set(names[:2])


def test_what_was_here_before_is_not_taken_back(folder: Path) -> None:
    names = Store(folder).put_all([b"one", large(1)])
    store = Store(folder)
    assert store.put_all([b"one", large(1)]) == names
    assert sweeping.take_back(store, names) == 0
    assert set(store.names()) == set(names)


def test_what_else_a_pack_holds_is_packed_anew_where_it_is_the_smaller_half(folder: Path) -> None:
    store = Store(folder)
    small, big = store.put_all([b"small", os.urandom(5000)])
    (before,) = store.pack_paths()
    assert sweeping.take_back(store, [small]) == 0
    assert store.pack_paths() == [before]
    freed = sweeping.take_back(store, [big])
    (after,) = store.pack_paths()
    assert freed >= 5000
    assert after != before
    for door in (store, Store(folder)):
        assert (list(door.names()), door.read(small)) == ([small], b"small")
    # What was packed anew is still what was made here.
    assert sweeping.take_back(store, [small]) > 0
    assert store.pack_paths() == []


def test_a_touch_at_the_last_moment_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(folder)
    name = store.put(large(1))
    path = store.object_path(name)
    rename = os.rename

    def touched_just_before(source: Path, target: Path) -> None:
        if source == path:
            assert Store(folder).put(large(1)) == name
        rename(source, target)

    monkeypatch.setattr(os, "rename", touched_just_before)
    assert sweeping.take_back(store, [name]) == 0
    assert Store(folder).read(name) == large(1)
    assert not os.listdir(folder / "tmp")


def test_who_puts_while_a_file_is_aside_writes_it_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder)
    name = store.put(large(1))

    def put_meanwhile(point: str) -> None:
        if point == "disk.remove":
            assert Store(folder).put(large(1)) == name

    monkeypatch.setattr(disk, "fault", put_meanwhile)
    assert sweeping.take_back(store, [name]) > 0
    assert Store(folder).read(name) == large(1)
    assert not os.listdir(folder / "tmp")


def test_two_changes_within_one_tick_of_the_clock_are_two(folder: Path) -> None:
    store = Store(folder)
    for at in range(50):
        name = store.put(large(at))
        Store(folder).put(large(at))
        assert sweeping.take_back(store, [name]) == 0


# Puts and sweeps that run into each other.


class Between:
    """The `os` of a module that does something else just before or after one of its calls."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.plan: dict[tuple[str, str], Callable[[], None]] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.names:
            return real

        def call(*given: Any, **more: Any) -> Any:
            if (name, "inside") in self.plan:
                # The kernel finds the file by its name, and changes its time later.
                fd = os.open(given[0], os.O_RDONLY)
                self._meet(name, "inside")
                os.utime(fd)
                return os.close(fd)
            self._meet(name, "before")
            try:
                return real(*given, **more)
            finally:
                self._meet(name, "after")

        return call

    def _meet(self, name: str, when: str) -> None:
        if meanwhile := self.plan.pop((name, when), None):
            meanwhile()


PIECES = [b"one", b"two", *(large(at) for at in range(3))]
pieces = st.integers(0, len(PIECES) - 1)


class PutsAndSweeps(RuleBasedStateMachine):
    """What was put since the time before which a sweep removes is there, whatever ran between."""

    @initialize()
    def make(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.top = Path(os.environ["PYTEST_STORE_TOP"]) / os.urandom(8).hex()
        self.folder = places.make_store(self.top / ".samebit")
        self.doors = [Store(self.folder), Store(self.folder)]
        self.relied_on: set[str] = set()  # put, and not aged since
        self.puts: dict[str, list[int]] = {}  # by which doors, since it was last not there
        self.marked: set[str] = set()
        self.of_disk = Between("stat", "rename", "unlink", "link")
        self.of_store = Between("utime")
        self.put(1, [0, 2])
        self.time_passes(set())
        self.patch.setattr(disk, "os", self.of_disk)
        self.patch.setattr(store_module, "os", self.of_store)

    def put(self, door: int, wanted: list[int]) -> None:
        for name in dict.fromkeys(self.doors[door].put_all([PIECES[at] for at in wanted])):
            self.relied_on.add(name)
            self.puts.setdefault(name, []).append(door)

    def sweep(self) -> None:
        before_ns = OLD_NS + 1
        for found in list(sweeping.unmarked(self.doors[0], self.marked, before_ns)):
            sweeping.sweep(self.doors[0], found, before_ns)
        self.forget_what_is_gone()

    def forget_what_is_gone(self) -> None:
        there = set(Store(self.folder).names())
        self.puts = {name: doors for name, doors in self.puts.items() if name in there}

    def take_back(self, unwanted: list[int]) -> None:
        """The first door put these once, and does not want them any more."""
        names = {digest.of_bytes(PIECES[at]) for at in unwanted}
        going = {name for name in names - self.marked if self.puts.get(name) == [0]}
        sweeping.take_back(self.doors[0], going)
        # Who put one of them in the middle of this has them.
        self.relied_on -= {name for name in going if self.puts.get(name) == [0]}
        self.forget_what_is_gone()

    @rule(door=st.integers(0, 1), wanted=st.lists(pieces, min_size=1, max_size=4))
    def somebody_puts(self, door: int, wanted: list[int]) -> None:
        self.put(door, wanted)

    @rule(named=st.sets(pieces))
    def time_passes(self, named: set[int]) -> None:
        """Some of what was put has been named by now; all the rest is nobody's."""
        self.marked = {digest.of_bytes(PIECES[at]) for at in named} & set(self.doors[1].names())
        self.relied_on = set(self.marked)
        for path in files_of(self.folder):
            os.utime(path, ns=(OLD_NS, OLD_NS))

    @rule(unwanted=st.lists(pieces, min_size=1, max_size=4))
    def somebody_takes_back(self, unwanted: list[int]) -> None:
        self.take_back(unwanted)

    @rule(
        call=st.sampled_from(["stat", "rename", "unlink", "link"]),
        when=st.sampled_from(["before", "after"]),
        wanted=st.lists(pieces, min_size=1, max_size=3),
    )
    def a_put_in_the_middle_of_taking_back(self, call: str, when: str, wanted: list[int]) -> None:
        self.put(0, wanted)
        self.of_disk.plan[call, when] = lambda: self.put(1, wanted)
        self.take_back(list(range(len(PIECES))))
        self.of_disk.plan.clear()

    @rule()
    def a_sweep(self) -> None:
        self.sweep()

    @rule(
        call=st.sampled_from(["stat", "rename", "unlink", "link"]),
        when=st.sampled_from(["before", "after"]),
        wanted=st.lists(pieces, min_size=1, max_size=3),
    )
    def a_put_in_the_middle_of_a_sweep(self, call: str, when: str, wanted: list[int]) -> None:
        self.of_disk.plan[call, when] = lambda: self.put(1, wanted)
        self.sweep()
        self.of_disk.plan.clear()

    @rule(
        when=st.sampled_from(["before", "inside", "after"]),
        wanted=st.lists(pieces, min_size=1, max_size=3),
    )
    def a_sweep_in_the_middle_of_a_put(self, when: str, wanted: list[int]) -> None:
        self.of_store.plan["utime", when] = self.sweep
        self.put(1, wanted)
        self.of_store.plan.clear()

    @rule(wanted=pieces)
    def a_kill_in_the_middle_of_a_sweep(self, wanted: int) -> None:
        def killed() -> None:
            raise Killed

        self.of_disk.plan["rename", "after"] = killed
        with suppress(Killed):
            self.sweep()
        self.of_disk.plan.clear()
        sweeping.put_back_all(self.doors[0])

    @invariant()
    def what_is_relied_on_is_there(self) -> None:
        if hasattr(self, "doors"):
            for door in (*self.doors, Store(self.folder)):
                for name in self.relied_on:
                    assert digest.of_bytes(door.read(name)) == name
            assert not list((self.folder / "tmp").iterdir())

    def teardown(self) -> None:
        if hasattr(self, "top"):
            self.patch.undo()
            shutil.rmtree(self.top)


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.slow
def test_whatever_runs_between_a_sweep_takes_nothing_that_was_put_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_STORE_TOP", str(tmp_path))
    few = settings(max_examples=100, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(PutsAndSweeps, settings=few)


PUTTING = """
import random, sys, time
from pathlib import Path
from samebit import digest
from samebit.errors import NotFound
from samebit.objects.store import Store
store, grace_s, chance = Store(Path(sys.argv[1])), float(sys.argv[2]), random.Random(sys.argv[3])
pieces = [bytes([at]) * (50 if at % 2 else 70_000) for at in range(12)]
until, puts, late = time.monotonic() + float(sys.argv[4]), 0, 0
while time.monotonic() < until:
    began = time.monotonic()
    names = store.put_all(chance.sample(pieces, 3))
    try:
        for name in names:
            store.read(name)
    except NotFound as error:
        if time.monotonic() - began < grace_s / 2:
            sys.exit(f"after {time.monotonic() - began:.3f} s of {grace_s}: {error}")
        late += 1
    puts += 1
    time.sleep(chance.uniform(0, grace_s))
print(puts, late)
"""
SWEEPING = """
import sys, time
from pathlib import Path
from samebit.objects import sweeping
from samebit.objects.store import Store
store, grace_s = Store(Path(sys.argv[1])), float(sys.argv[2])
until, gone = time.monotonic() + float(sys.argv[4]), 0
while time.monotonic() < until:
    before_ns = sweeping.clock_ns(store) - int(grace_s * 1e9)
    for found in sweeping.unmarked(store, (), before_ns):
        gone += sweeping.sweep(store, found, before_ns) > 0
print(gone)
"""


@pytest.mark.slow
def test_processes_that_put_and_sweep_at_once_lose_nothing(folder: Path) -> None:
    grace_s, length_s = "0.6", "6"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), grace_s, str(at), length_s],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for at, code in enumerate([PUTTING, PUTTING, PUTTING, SWEEPING, SWEEPING])
    ]
    told = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0] * 5, told
    puts = [int(out.split()[0]) for out, _ in told[:3]]
    gone = [int(out.split()[0]) for out, _ in told[3:]]
    assert all(puts)
    assert any(gone)
    assert [digest.of_bytes(Store(folder).read(name)) for name in Store(folder).names()]
