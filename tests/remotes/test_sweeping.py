"""What nothing at a remote names is taken away there: nothing that is named, and beside no push."""

import os
import socket
import time
from pathlib import Path

import pytest

from samebit import digest
from samebit.errors import Damaged, NotFound
from samebit.objects.store import Store
from samebit.remotes import sweeping
from samebit.remotes.claims import PUSH, SWEEP, Claim
from samebit.remotes.contents import Contents, read_id
from samebit.remotes.place import Place, RemoteError
from samebit.remotes.rows import encode, gather, read_rows
from samebit.remotes.sweeping import Unnamed
from tests.projects import SAMEBIT, Project
from tests.remotes.conftest import Watched, pull_all, push_all
from tests.remotes.test_checking import check, flip
from tests.remotes.test_push_and_pull import BROKEN_OFF, FINISHED, REPLAY, assert_same

LATER_NS = time.time_ns() + 10**15


def unnamed(place: Place, store: Store, before_ns: int = LATER_NS) -> list[Unnamed]:
    contents = Contents(place, store, read_id(place) or "")
    contents.list_objects()
    contents.list_packs()
    marks = sweeping.marked(place, store, contents)
    return list(sweeping.unnamed(place, contents, marks, before_ns))


def sweep(place: Place, store: Store) -> list[Unnamed]:
    found = unnamed(place, store)
    for one in found:
        assert sweeping.sweep(place, store, one)
    return found


def drop(place: Place, *runs: str) -> None:
    sweeping.drop(place, read_id(place) or "", runs)


def test_all_that_is_named_stays(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    assert sweep(place, other) == []
    pull_all(other, place)
    assert_same(store, other)


def test_what_is_unnamed_goes(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    drop(place, FINISHED, REPLAY)
    assert {one.found.path.partition("/")[0] for one in sweep(place, other)} == {"objects", "packs"}
    found = check(place, other, full=True)
    assert (found.runs, found.damaged, found.hurt) == (1, {}, {})
    assert set(pull_all(other, place).runs) == {BROKEN_OFF}
    push_all(store, place)  # brings everything again
    pull_all(other, place)
    assert_same(store, other)


@pytest.mark.parametrize("is_hurt", [False, True])
def test_what_lives_of_a_pack_is_packed_anew(
    is_hurt: bool, store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    (pack,) = (one.path for one in place.list("packs") if one.path.endswith(".pack"))
    named = {
        entry.name: store.read(entry.name)
        for entry in Contents(place, store, "x").entries_of(
            next(one for one in place.list("packs") if one.path == pack)
        )
    }
    junk = {digest.of_bytes(data): data for data in (os.urandom(5000), os.urandom(7000))}
    mixed = other.write_pack({**named, **junk}, ".pack")
    place.put(f"packs/{mixed.name}", mixed.read_bytes())
    place.remove(pack)
    mixed.unlink()
    if is_hurt:  # in an object that is to live, and is not here either
        (one,) = unnamed(place, other)
        flip(place, one.found.path, one.live[0].offset)
        assert not sweeping.sweep(place, other, one)
        assert place.find(one.found.path)
        return
    (one,) = sweep(place, other)
    assert (one.objects, len(one.live)) == (2, len(named))
    assert one.size_bytes > 12_000
    assert place.find(one.found.path) is None
    pull_all(other, place)
    assert_same(store, other)


def test_what_is_younger_stays(store: Store, place: Watched) -> None:
    push_all(store, place)
    drop(place, FINISHED, BROKEN_OFF, REPLAY)
    assert unnamed(place, store, time.time_ns() - 3600 * 10**9) == []
    assert unnamed(place, store)


def test_data_is_named_too(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    drop(place, FINISHED, BROKEN_OFF, REPLAY)
    sweep(place, other)
    pulled = pull_all(other, place)
    assert pulled.data == ("golden",)
    assert not pulled.incomplete


@pytest.mark.parametrize("part", ["runs", "packs", "objects"])
def test_nothing_is_taken_where_anything_cannot_be_told(
    part: str, store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    drop(place, BROKEN_OFF)
    for one in place.list(part):
        flip(place, one.path, 70)
    if part == "objects":  # none of these names others: nothing is in doubt
        unnamed(place, other)
        return
    with pytest.raises(Damaged, match="cannot be told"):
        unnamed(place, other)


def test_leftovers_go(store: Store, place: Watched) -> None:
    push_all(store, place)
    place.put("tmp/123-abc", b"half")
    place.put("claims/push-0123456789abcdef", b"{}")
    assert {one.found.path for one in sweep(place, store)} >= {
        "tmp/123-abc",
        "claims/push-0123456789abcdef",
    }
    assert list(place.list("claims")) == list(place.list("tmp")) == []


def test_a_push_and_a_sweep_keep_apart(store: Store, place: Watched) -> None:
    push_all(store, place)
    with Claim(place, PUSH):
        with pytest.raises(RemoteError, match="somebody pushes"):
            drop(place, FINISHED)
    with Claim(place, SWEEP):
        with pytest.raises(RemoteError, match="somebody sweeps") as caught:
            push_all(store, place)
        assert f"by: process {os.getpid()} of {socket.gethostname()}" in str(caught.value)
    place.put("claims/sweep-0123456789abcdef", b"{}")
    with pytest.raises(RemoteError, match="somebody sweeps") as caught:
        push_all(store, place)
    assert "by: somebody who is not named" in str(caught.value)
    place.remove("claims/sweep-0123456789abcdef")
    assert list(place.list("claims")) == []


def test_of_two_that_begin_at_once_one_at_least_sees_the_other(place: Watched) -> None:
    """The other's claim appears between the own claim and the look around."""
    begun: list[str] = []

    def between(what: str, path: str) -> None:
        if what == "list" and path == "claims" and not begun:
            begun.append("sweep")
            with pytest.raises(RemoteError, match="somebody pushes"), Claim(place, SWEEP):
                raise AssertionError("both are at work")

    place.before = between
    with Claim(place, PUSH):
        assert begun


def test_a_sweep_that_slept_goes_no_further(
    place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Claim(place, SWEEP) as claim:
        claim.check()
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        monkeypatch.setattr(time, "clock_gettime", lambda clock: now + 1300)
        with pytest.raises(RemoteError, match="interrupted for so long"):
            claim.check()


def test_stopped_in_a_drop_a_run_is_a_beginning_of_itself(
    store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    paths = sorted(one.path for one in place.list(f"runs/{FINISHED}"))

    def stop(what: str, path: str) -> None:
        if what == "remove" and path == paths[0]:
            raise RemoteError("the line is cut")

    place.before = stop
    with pytest.raises(RemoteError):
        drop(place, BROKEN_OFF, FINISHED)
    place.before = lambda what, path: None
    drop(place, FINISHED)
    with pytest.raises(NotFound):
        drop(place, FINISHED)
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


def test_rows_are_gathered(store: Store, place: Watched) -> None:
    push_all(store, place)
    identity = read_id(place) or ""
    for at in range(4):
        place.put(*encode([{"id": FINISHED, "name": f"{at}"}], time.time_ns()))
    place.put(*encode([{"id": "n0b0dy0000"}], time.time_ns()))
    before = read_rows(place, identity)
    gather(place, identity)
    assert len(list(place.list("rows"))) == 1
    assert read_rows(place, identity) == before
    assert {row["name"] for row in before if row["id"] == FINISHED} == {"3"}


def test_the_commands(store: Store, place: Watched, tmp_path: Path) -> None:
    project = Project(store.path.parent)
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "remote"))
    assert project.call(SAMEBIT, "remote", "gc", "lab").code == 7  # nothing was ever pushed
    push_all(store, place)
    assert project.call(SAMEBIT, "remote", "drop", "lab", "nobody").code == 7
    done = project.call(SAMEBIT, "remote", "drop", "lab", FINISHED[:6], REPLAY)
    assert done.code == 0, done.out + done.err
    assert "samebit remote gc lab" in done.out
    for path in (tmp_path / "remote").rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    before = len(list(place.list("")))
    done = project.call(SAMEBIT, "remote", "gc", "lab")
    assert done.code == 0, done.out + done.err
    assert "nothing was removed; `samebit remote gc lab --delete` does it" in done.out
    assert len(list(place.list(""))) == before
    done = project.call(SAMEBIT, "remote", "gc", "lab", "--delete")
    assert done.code == 0, done.out + done.err
    assert "removed" in done.out
    assert (
        project.call(SAMEBIT, "remote", "gc", "lab").out == "nothing unnamed is older than 14 d\n"
    )
    assert project.call(SAMEBIT, "remote", "check", "lab", "--full").code == 0
