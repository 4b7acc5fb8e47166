"""Pushes and pulls that are killed, race each other, or meet clocks and listings that are wrong.

Real processes, on a folder. Which fault is tried where: `docs/design/024-remotes.md`.
"""

import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from samebit import disk, places
from samebit.cli.checking import examine
from samebit.folders.folder import RunFolder
from samebit.objects.store import Store
from samebit.remotes import checking, claims, listing, moving
from samebit.remotes.contents import read_id
from samebit.remotes.folder import FolderPlace
from samebit.remotes.place import Found, Place, RemoteError
from samebit.remotes.rows import read_rows
from tests.remotes.conftest import Watched, files_of, pull_all, push_all
from tests.remotes.test_push_and_pull import BROKEN_OFF, FINISHED, REPLAY, assert_same

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def killed(do: Callable[[], object]) -> bool:
    """Do it in a process of its own; whether that was killed rather than went to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other threads are there, which it does not need
        child = os.fork()
    if not child:
        try:
            do()
        except BaseException:
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def kill_at(place: Watched, number: int) -> None:
    """Kill whoever asks this place for the so manieth time: what was asked before was answered."""
    left = number

    def count(_what: str, _path: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    place.before = count


def assert_nothing_wrong(store: Store, place: Place, fresh: Path) -> None:
    """What lies at a remote is whole, and names nothing that is not there."""
    made = Store(places.make_store(fresh / ".samebit"))
    if read_id(place) is not None:
        found = checking.check(place, made, read_id(place) or "", full=True)
        assert (found.damaged, found.hurt) == ({}, {})
        pulled = pull_all(made, place)
        assert (pulled.failed, pulled.incomplete) == ({}, {})
    assert files_of(made).items() <= files_of(store).items()
    shutil.rmtree(fresh)


@pytest.mark.slow
def test_a_push_that_is_killed_at_any_request(
    store: Store, other: Store, place: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving.move, "__kwdefaults__", {"workers": 1})
    top = tmp_path / "remote"
    for number in range(100):
        kill_at(place, number)
        if not killed(lambda: push_all(store, place)):
            break
        assert_nothing_wrong(store, FolderPlace(top), tmp_path / "fresh")
        if number % 3 == 0:  # the same again does the rest; else the next goes on
            push_all(store, FolderPlace(top))
            assert not push_all(store, FolderPlace(top)).size_bytes
            shutil.rmtree(top)
            top.mkdir()
    assert number > 10
    pull_all(other, FolderPlace(top))
    assert_same(store, other)


@pytest.mark.slow
def test_a_pull_that_is_killed_at_any_request(
    store: Store, other: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving.move, "__kwdefaults__", {"workers": 1})
    push_all(store, place)
    shutil.rmtree(places.cache_folder())
    for number in range(100):
        kill_at(place, number)
        if not killed(lambda: pull_all(other, place)):
            break
        assert_here_is_nothing_wrong(store, other)
    assert number > 5
    assert_same(store, other)


def assert_here_is_nothing_wrong(store: Store, other: Store) -> None:
    """Runs are here whole or not at all, and every object is what its name says."""
    mine, theirs = files_of(other), files_of(store)
    assert mine.items() <= theirs.items()
    runs = {path.split("/")[1] for path in mine if path.startswith("runs/")}
    assert {path for path in theirs if path.split("/")[1] in runs} <= mine.keys()
    assert examine(Store(other.path)).damage == []


@pytest.mark.slow
@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename"])
@pytest.mark.parametrize("what", ["push", "pull"])
def test_killed_at_any_write(
    what: str, point: str, store: Store, other: Store, place: Watched, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A push writes into a folder's remote, a pull into the store."""
    if what == "pull":
        push_all(store, place)

    def do() -> None:
        push_all(store, place) if what == "push" else pull_all(other, place)

    for number in [1, 2, 3, 5, 8, 13, 21, 34, 55]:
        monkeypatch.setattr(disk, "FAULTS", disk._Faults(f"{point}=kill@{number}"))  # pyright: ignore[reportPrivateUsage]
        was_killed = killed(do)
        monkeypatch.setattr(disk, "FAULTS", None)
        assert was_killed or number > 1
        if what == "push":
            assert_nothing_wrong(store, place, tmp_path / "fresh")
        else:
            assert_here_is_nothing_wrong(store, other)
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


PUSHING = """
import sys
from pathlib import Path
from samebit.data import versions
from samebit.folders.folder import RunFolder
from samebit.objects.store import Store
from samebit.remotes import checking, contents, named, pushing
store, place = Store(Path(sys.argv[1])), named.open_place(named.Remote("x", sys.argv[2]))
sys.stdin.readline()
if sys.argv[3:] == ["repair"]:
    for _ in range(5):
        remote_id = contents.read_id(place)
        if remote_id:
            found = checking.check(place, store, remote_id, full=True)
            checking.repair(place, store, remote_id, found.damaged)
else:
    folders = [RunFolder(store.path / "runs" / run) for run in sys.argv[3:]]
    names = versions.list_names(store.path)
    done = pushing.push(store, place, folders, names, rows=lambda ids: [{"id": id} for id in ids])
    assert not done.held_back, done
print("done")
"""


def all_at_once(store: Store, place: Place, *what: tuple[str, ...]) -> None:
    """Processes that all begin when the last of them is there."""
    command = [sys.executable, "-c", PUSHING, str(store.path), place.url]
    every = [
        subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for words in what
    ]
    for one in every:
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.flush()
    for one in every:
        out, _ = one.communicate(timeout=60)
        assert (one.returncode, out) == (0, b"done\n")


def test_pushers_who_race_to_a_new_remote(store: Store, other: Store, place: Watched) -> None:
    """The same run and different ones: there is one remote, and everything is in it."""
    all_at_once(store, place, (FINISHED, REPLAY), (FINISHED,), (BROKEN_OFF, FINISHED))
    identity = b"".join(place.read("format"))
    all_at_once(store, place, (FINISHED, BROKEN_OFF, REPLAY))
    assert b"".join(place.read("format")) == identity
    pull_all(other, place)
    assert_same(store, other)
    assert not list(place.list("claims"))


def test_of_two_who_make_a_remote_one_does(store: Store, place: Watched) -> None:
    """The other is quicker between a look and the making."""
    theirs = FolderPlace(Path(place.url.removeprefix("file://")))

    def before(what: str, path: str) -> None:
        if (what, path) == ("put", "format"):
            push_all(store, theirs)

    place.before = before
    push_all(store, place)
    own = [found for found in place.list("claims")]
    assert own == []
    assert len(list((places.cache_folder() / "remotes").iterdir())) == 1


def test_a_pusher_and_a_repair(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    for part in ("packs", "objects", "runs"):
        for found in list(place.list(part)):
            data = bytearray(b"".join(place.read(found.path)))
            data[70 % len(data)] ^= 1
            place.put(found.path, bytes(data))
    every = (FINISHED, BROKEN_OFF, REPLAY)
    all_at_once(store, place, ("repair",), every, ("repair",), every)
    push_all(store, place)
    found = checking.check(place, other, read_id(place) or "", full=True)
    assert (found.damaged, found.hurt) == ({}, {})
    pull_all(other, place)
    assert_same(store, other)


def test_what_was_damaged_on_the_way_only_is_not_taken_away(store: Store, place: Watched) -> None:
    """A repair believes no answer that comes once."""
    push_all(store, place)
    before = {found.path for found in place.list("")}
    place.given = lambda path, data: data if path == "format" else data[:-1] + bytes([data[-1] ^ 1])
    identity = read_id(place) or ""
    found = checking.check(place, store, identity, full=True)
    assert any(path.startswith("runs/") for path in found.damaged)
    place.given = lambda _path, data: data
    healed, left = checking.repair(place, store, identity, found.damaged)
    assert (set(healed), left) == (set(found.damaged), [])
    assert {found.path for found in place.list("")} == before


# Listings that lag: what is new appears late, and what is gone is still listed.


@pytest.mark.parametrize("part", ["objects", "packs", "runs", "rows", "data"])
def test_a_name_that_is_listed_and_gone(
    part: str, store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    checking.check(place, other, read_id(place) or "", full=False)  # knows what is in packs
    gone = {found.path: b"".join(place.read(found.path)) for found in place.list(part)}
    stale = list(place.list(part))
    folders = {folder: list(place.folders(folder)) for folder in ("runs", "data", "studies")}
    for path in gone:
        place.remove(path)
    place.folders = lambda folder: iter(folders[folder])  # type: ignore[method-assign]
    real = place.list, place.find
    place.find = lambda path: {one.path: one for one in stale}.get(path) or real[1](path)  # type: ignore[method-assign]
    place.list = lambda folder: iter(  # type: ignore[method-assign]
        [*real[0](folder), *(one for one in stale if one.path.startswith(f"{folder}/"))]
    )
    pulled = pull_all(other, place)
    if part == "rows":
        assert len(read_rows(place, "an-id")) == 3
    else:
        assert pulled.failed or pulled.incomplete
    assert files_of(other).items() <= files_of(store).items()
    checking.check(place, other, read_id(place) or "", full=True)
    for path, data in gone.items():
        place.put(path, data)
    pulled = pull_all(other, place)
    assert (pulled.failed, pulled.incomplete) == ({}, {})
    assert_same(store, other)


@pytest.mark.parametrize("part", ["objects", "packs", "runs", "data", "rows"])
def test_names_that_appear_late(part: str, store: Store, other: Store, place: Watched) -> None:
    """Who pushes sends them again; who pulls has less, says so, and gets it by the same again."""
    push_all(store, place)
    place.said = lambda found: None if found.path.startswith(f"{part}/") else found
    pulled = pull_all(other, place)
    assert files_of(other).items() <= files_of(store).items()
    assert (part in ("data", "rows")) != bool(pulled.failed or pulled.incomplete)
    push_all(store, place)
    place.said = lambda found: found
    pull_all(other, place)
    assert_same(store, other)


def test_a_claim_that_is_listed_late(
    store: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(claims.time, "sleep", slept.append)
    place.said = lambda found: found if slept or not found.path.startswith("claims/") else None
    assert push_all(store, place).runs
    assert len(slept) == 1
    place.said = lambda found: None if found.path.startswith("claims/") else found
    with pytest.raises(RemoteError, match="does not list") as caught:
        push_all(store, place)
    assert "try again" in str(caught.value)


# Clocks that are days off: those of who pushes. What is compared of claims is the remote's own.

DAYS_NS = 5 * 86_400 * 10**9


@pytest.mark.parametrize("off_ns", [DAYS_NS, -DAYS_NS])
def test_what_is_pushed_later_counts_whatever_the_clocks_say(
    off_ns: int, store: Store, other: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = store.path / "runs" / FINISHED / "trace/0-rlku4fe23ohj-1.leaves"
    trace.parent.mkdir(exist_ok=True)
    trace.write_bytes(b"first")
    push_all(store, place)
    now = listing.time.time_ns
    for word in (b"later", b"final"):
        with monkeypatch.context() as patch:
            off = off_ns if word == b"later" else -off_ns
            patch.setattr(listing.time, "time_ns", lambda off=off: now() + off)
            trace.write_bytes(word)
            RunFolder(store.path / "runs" / FINISHED).add_note("remark", word.decode())
            push_all(store, place)
    places_of = [found.path for found in listing.list_bundles(place, [FINISHED])[FINISHED]]
    assert len(places_of) == 3
    assert all(listing.BUNDLE.fullmatch(path) for path in places_of)
    pull_all(other, place)
    assert_same(store, other)
    rows = listing.list_rows(place)
    assert len(rows) == 3
    assert sorted(rows, key=lambda one: one.modified_ns) == rows


def test_a_name_of_the_end_of_time(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    (found,) = listing.list_bundles(place, [BROKEN_OFF])[BROKEN_OFF]
    last = f"runs/{BROKEN_OFF}/{'f' * 16}-{found.path.rpartition('-')[2]}"
    place.put(last, b"".join(place.read(found.path)))
    RunFolder(store.path / "runs" / BROKEN_OFF).add_note("remark", "more")
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


def test_a_claim_of_a_clock_that_is_wrong(store: Store, place: Watched) -> None:
    """Times of claims are the remote's: by ours one that is new might be days old."""
    place.put("claims/sweep-0123456789abcdef", b"{}")
    place.said = lambda found: Found(found.path, found.size_bytes, found.modified_ns - DAYS_NS)
    with pytest.raises(RemoteError, match="somebody sweeps this remote"):
        push_all(store, place)


def test_a_disk_that_is_full_on_a_pull(
    store: Store, place: Watched, little_disk: Callable[..., Path], tmp_path: Path
) -> None:
    from tests.disks import fill
    from tests.projects import SAMEBIT, Project

    large = Store(store.path).put(os.urandom(2 << 20))
    RunFolder(store.path / "runs" / FINISHED).add_note("names", large)
    push_all(store, place)
    project = Project(little_disk("size=8m"))
    project.call(SAMEBIT, "remote", "add", "lab", str(tmp_path / "remote"))
    filling = fill(project.path, but_bytes=300_000)
    done = project.call(SAMEBIT, "pull", SAMEBIT_CACHE=str(tmp_path / "cache"))
    assert (done.code, "a fault of ours" in done.err, "Traceback" in done.err) == (1, False, False)
    assert "what comes cannot be stored here: No space left on device" in done.err
    assert f"store: {project.store}" in done.err
    assert_here_is_nothing_wrong(store, Store(project.store))
    filling.unlink()
    assert project.call(SAMEBIT, "pull", SAMEBIT_CACHE=str(tmp_path / "cache")).code == 0
    assert_same(store, Store(project.store))
