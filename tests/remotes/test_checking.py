"""Damage at a remote is found, its victims named, and either side is healed from the other."""

from pathlib import Path

import pytest

from samebit.errors import NotFound
from samebit.objects.store import Store
from samebit.remotes import checking
from samebit.remotes.contents import read_id
from tests.projects import SAMEBIT, Project
from tests.remotes.conftest import Watched, files_of, pull_all, push_all
from tests.remotes.test_push_and_pull import FINISHED, assert_same


def check(place: Watched, store: Store, *, full: bool) -> checking.Checked:
    identity = read_id(place)
    assert identity is not None
    return checking.check(place, Store(store.path), identity, full=full)


def heal(place: Watched, store: Store, damaged: dict[str, str]) -> tuple[list[str], list[str]]:
    return checking.repair(place, Store(store.path), read_id(place) or "", damaged)


def flip(place: Watched, path: str, at: int) -> None:
    data = bytearray(b"".join(place.read(path)))
    data[at % len(data)] ^= 16
    place.put(path, bytes(data))


@pytest.mark.parametrize("full", [False, True])
def test_what_is_whole(full: bool, store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    before = sorted(place.list(""), key=lambda one: one.path)
    for looks in (store, other):  # also from a store that has nothing of it
        found = check(place, looks, full=full)
        assert not found.damaged
        assert not found.hurt
        assert found.runs == 3
    assert sorted(place.list(""), key=lambda one: one.path) == before
    assert not any((store.path / "tmp").iterdir())


@pytest.mark.parametrize("at", [0, 70, 300, -1, -30, -45])
@pytest.mark.parametrize("part", ["objects", "packs", "runs"])
def test_damage_is_found_and_healed(
    part: str, at: int, store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    hurt = [one.path for one in place.list(part)]
    for path in hurt:
        flip(place, path, at)
    found = check(place, other, full=True)
    assert set(found.damaged) == set(hurt)
    healed, left = heal(place, store, found.damaged)
    assert (sorted(healed), left) == (sorted(hurt), [])
    push_all(store, place)
    assert not check(place, other, full=True).damaged
    pull_all(other, place)
    assert_same(store, other)


def test_what_is_gone_hurts_its_run(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    for found in list(place.list("objects")):
        place.remove(found.path)
    assert FINISHED in check(place, other, full=False).hurt
    assert "of state" in check(place, store, full=False).hurt[FINISHED]
    push_all(store, place)
    assert not check(place, other, full=True).hurt


def test_of_what_nothing_whole_is_known(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    paths = [one.path for part in ("objects", "packs") for one in place.list(part)]
    for path in paths:
        flip(place, path, 66)
    found = check(place, other, full=True)
    healed, left = heal(place, other, found.damaged)
    assert healed == []
    assert sorted(left) == sorted(paths)


def test_healed_here_from_there(store: Store, place: Watched, tmp_path: Path) -> None:
    push_all(store, place)
    project = Project(store.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "remote"))
    before = files_of(store)
    for path in [*store.object_paths(), *store.pack_paths()]:
        data = bytearray(path.read_bytes())
        data[20 if path.suffix else -1] ^= 1  # of a pack the first object in it
        path.write_bytes(data)
    assert project.call(SAMEBIT, "check").code == 7
    done = project.call(SAMEBIT, "repair", "--from", "lab")
    assert done.code == 0, done.out + done.err
    assert project.call(SAMEBIT, "check").code == 0
    assert files_of(store) == before
    assert project.call(SAMEBIT, "repair", "--from", "nothing").code == 7


def test_the_command(store: Store, place: Watched, tmp_path: Path) -> None:
    project = Project(store.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "remote"))
    assert project.call(SAMEBIT, "remote", "check", "lab").code == 7  # nothing was ever pushed
    push_all(store, place)
    done = project.call(SAMEBIT, "remote", "check", "lab", "--full")
    assert done.code == 0, done.out + done.err
    flip(place, next(iter(place.list("objects"))).path, 90)
    assert project.call(SAMEBIT, "remote", "check", "lab", "--full", "--json").code == 7
    done = project.call(SAMEBIT, "remote", "repair", "lab")
    assert done.code == 0, done.out + done.err
    assert "healed" in done.out
    assert project.call(SAMEBIT, "remote", "check", "lab", "--full").code == 0


def test_something_that_is_no_remote(store: Store, place: Watched) -> None:
    assert read_id(place) is None
    with pytest.raises(NotFound):
        pull_all(store, place)
