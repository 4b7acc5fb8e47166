import os
from pathlib import Path

import pytest

from samebit import disk, places
from samebit.objects import sweeping
from samebit.objects.store import Store
from tests.objects.test_store import files_of, large


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


def test_a_pack_that_holds_something_else_stays(folder: Path) -> None:
    store = Store(folder)
    names = store.put_all([b"one", b"two"])
    assert sweeping.take_back(store, names[:1]) == 0
    assert store.read(names[0]) == b"one"


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
