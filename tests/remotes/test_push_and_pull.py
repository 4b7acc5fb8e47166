"""What is pushed and pulled is the same again, whatever happens on the way."""

import itertools
import os
import shutil
import threading
from pathlib import Path

import pytest

from samebit import digest
from samebit.errors import Damaged, NotFound, SamebitError, StoreTooNew
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.objects.store import Store
from samebit.remotes import bundles, moving, probing, pushing
from samebit.remotes.moving import Job, Pace
from samebit.remotes.place import Guarantees, RemoteError
from samebit.remotes.rows import read_rows
from tests.remotes.conftest import Watched, files_of, pull_all, push_all

FINISHED, BROKEN_OFF, REPLAY = "f1n1shed00", "br0ken0ff0", "rep1ay0000"


def assert_same(store: Store, other: Store) -> None:
    """Files are the same, and every object of the one is in the other."""
    assert files_of(other) == files_of(store)
    there = Store(other.path)
    for name in Store(store.path).names():
        there.read(name)


def test_everything_comes_back(store: Store, other: Store, place: Watched) -> None:
    pushed = push_all(store, place)
    assert set(pushed.runs) == {FINISHED, BROKEN_OFF, REPLAY}
    assert not pushed.held_back
    pulled = pull_all(other, place)
    assert set(pulled.runs) == set(pushed.runs)
    assert pulled.data == ("golden",)
    assert not pulled.failed
    assert_same(store, other)
    assert not any((other.path / "tmp").iterdir())
    assert not any((store.path / "tmp").iterdir())


def test_without_ranges(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    place.place.guarantees = Guarantees(ranges=False)  # pyright: ignore[reportAttributeAccessIssue]
    pull_all(other, place, kinds=("code",))
    pull_all(other, place)
    assert_same(store, other)


def test_who_may_only_read_can_pull(store: Store, other: Store, place: Watched) -> None:
    def refuse(what: str, path: str) -> None:
        if what in ("put", "remove"):
            raise RemoteError("the remote does not let us in", path=path)

    place.before = refuse
    nothing = probing.probe(place)  # where there is nothing to be read, it is of no use
    assert isinstance(nothing.trouble, RemoteError)
    place.before = lambda what, path: None
    push_all(store, place)
    place.before = refuse
    found = probing.probe(place)
    assert found.trouble is None
    assert found.guarantees == Guarantees(creates=False, ranges=True, writes=False)
    pull_all(other, place)
    assert_same(store, other)


def test_the_second_time_next_to_nothing_is_asked(
    store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    pull_all(other, place)
    place.asked.clear()
    assert push_all(store, place).size_bytes == 0
    assert {what for what, path in place.asked if not path.startswith("claims/")} <= {
        "find",
        "read",
        "list",
    }
    asked = [one for one in place.asked if one[0] != "list" and "claims/" not in one[1]]
    assert [path for _, path in asked if path != "format"] == [
        path for what, path in asked if what == "find" and path.startswith("objects/")
    ]
    place.asked.clear()
    pulled = pull_all(other, place)
    assert not pulled.runs
    assert not pulled.data
    assert pulled.size_bytes == 0
    assert pulled.unchanged == 3
    assert not [path for what, path in place.asked if what == "read" and path != "format"]


def test_requests_do_not_grow_with_objects(store: Store, place: Watched) -> None:
    """Many small objects are few files, and none of them is asked about by itself."""
    names = store.put_all([b"%d" % at * 20 for at in range(3_000)])
    note = RunFolder(store.path / "runs" / FINISHED).add_note("names", names)
    assert note.kind == "names"
    pushed = push_all(store, place)
    assert pushed.plan.objects >= 3_000
    assert len(place.asked) < 60
    place.asked.clear()
    push_all(store, place)
    assert len(place.asked) < 30


def test_a_copy_of_the_objects_is_a_store(store: Store, place: Watched, tmp_path: Path) -> None:
    """Objects, packs and words of data lie there as they do here."""
    push_all(store, place)
    for name in Store(tmp_path / "remote").names():
        Store(tmp_path / "remote").read(name)


def test_a_run_that_goes_on_is_a_beginning_of_itself(
    store: Store, other: Store, place: Watched
) -> None:
    folder = RunFolder(store.path / "runs" / FINISHED)
    whole = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    end = folder.path / "executions/1/end.json"
    end.unlink()
    second = folder.journal / "0-rlku4fe23ohj-1.sbj"
    second.unlink()
    first = folder.journal / "0-rlku4fe23ohj-0.sbj"
    for cut in (40, len(whole[first]) // 2, len(whole[first])):
        first.write_bytes(whole[first][:cut])
        push_all(store, place)
        pull_all(other, place)
        assert files_of(other) == files_of(store)
        read_run(RunFolder(other.path / "runs" / FINISHED))
    sent = push_all(store, place).size_bytes
    assert sent == 0
    for path, data in whole.items():
        path.write_bytes(data)
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)
    assert read_run(RunFolder(other.path / "runs" / FINISHED)).status == "finished"


def test_a_long_run_is_several_bundles(
    store: Store, other: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "MOST_BYTES", 1000)
    monkeypatch.setattr(bundles.decode_object, "__defaults__", (10**6,))
    push_all(store, place)
    assert len(list(place.list(f"runs/{FINISHED}"))) > 3
    pull_all(other, place)
    assert_same(store, other)
    # What ends it is in the last: before that nobody takes it for whole.
    last = max(one.path for one in place.list(f"runs/{FINISHED}"))
    place.remove(last)
    shutil.rmtree(other.path / "runs" / FINISHED)
    pull_all(other, place)
    assert not (other.path / "runs" / FINISHED / "executions/1/end.json").exists()


def test_a_bundle_that_is_not_listed_yet(
    store: Store, other: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that lags behind: an end without its journal is not taken."""
    monkeypatch.setattr(bundles, "MOST_BYTES", 1000)
    monkeypatch.setattr(bundles.decode_object, "__defaults__", (10**6,))
    push_all(store, place)
    hidden = sorted(one.path for one in place.list(f"runs/{FINISHED}"))[1]
    data = b"".join(place.read(hidden))
    place.remove(hidden)
    pulled = pull_all(other, place)
    assert "is not whole at the remote" in pulled.failed[FINISHED]
    assert not (other.path / "runs" / FINISHED).exists()
    place.put(hidden, data)
    pull_all(other, place)
    assert_same(store, other)


class Stopped(BaseException):
    """As a process that is killed: nobody catches it."""


@pytest.mark.parametrize("what", ["push", "pull"])
def test_stopped_at_every_request(
    what: str, store: Store, other: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was asked last, nothing wrong is there or here, and the same again ends it."""
    monkeypatch.setattr(moving.move, "__kwdefaults__", {"workers": 1})
    if what == "pull":
        push_all(store, place)
    count = itertools.count()
    limit = 0

    def before(_what: str, _path: str) -> None:
        if next(count) == limit:
            raise Stopped

    place.before = before
    for limit in range(200):  # noqa: B007  (read above)
        count = itertools.count()
        try:
            if what == "push":
                push_all(store, place)
            else:
                pull_all(other, place)
        except Stopped:
            place.before = lambda _what, _path: None
            _assert_nothing_wrong(store, other, place, what)
            place.before = before
            continue
        break
    assert limit > 10
    place.before = lambda _what, _path: None
    pull_all(other, place)
    assert_same(store, other)


def _assert_nothing_wrong(store: Store, other: Store, place: Watched, what: str) -> None:
    if what == "push":
        fresh = Store(_fresh(other))
        assert not _pulled_or_none(fresh, place)
        assert files_of(fresh).items() <= files_of(store).items()
        shutil.rmtree(fresh.path.parent)
    else:
        mine, theirs = files_of(other), files_of(store)
        runs = {path.split("/")[1] for path in mine if path.startswith("runs/")}
        for path in theirs:
            if path.split("/")[1] in runs:
                assert mine[path] == theirs[path]  # whole, or not at all
        for name in Store(other.path).names():
            Store(other.path).read(name)


def _fresh(other: Store) -> Path:
    from samebit import places

    return places.make_store(other.path.parent.parent / f"fresh{os.urandom(3).hex()}" / ".samebit")


def _pulled_or_none(store: Store, place: Watched) -> dict[str, str]:
    try:
        return pull_all(store, place).failed
    except NotFound:
        return {}


def test_an_error_of_the_remote_ends_it_with_words(store: Store, place: Watched) -> None:
    def before(what: str, path: str) -> None:
        if path.startswith("packs/") and what == "put":
            raise RemoteError("the remote does not answer as it should", hint="again")

    place.before = before
    with pytest.raises(RemoteError, match="does not answer"):
        push_all(store, place)
    assert not list(place.place.list("runs"))
    assert not list(place.place.list("claims"))


def test_what_is_damaged_here_stays_here(store: Store, other: Store, place: Watched) -> None:
    large = next(store.object_paths())
    data = bytearray(large.read_bytes())
    data[-1] ^= 1
    large.write_bytes(data)
    pushed = push_all(store, place)
    assert "is damaged here" in pushed.held_back[FINISHED]
    assert BROKEN_OFF in pushed.runs
    assert not list(place.list("objects"))
    again = push_all(store, place)
    assert (again.objects, again.size_bytes) == (0, 0)  # and it is not said to have gone
    pull_all(other, place)
    assert not (other.path / "runs" / FINISHED).exists()


@pytest.mark.parametrize("part", ["packs", "objects", "runs"])
def test_a_flipped_byte_at_the_remote(
    part: str, store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    for at, found in enumerate(list(place.list(part))):
        data = bytearray(b"".join(place.read(found.path)))
        data[-41 if part == "packs" else (7 * at) % len(data)] ^= 4
        place.put(found.path, bytes(data))
    pulled = pull_all(other, place)
    assert pulled.failed or pulled.incomplete
    for run in pulled.failed.keys() & {FINISHED, BROKEN_OFF, REPLAY}:
        assert not (other.path / "runs" / run).exists()
    for name in Store(other.path).names():
        Store(other.path).read(name)
    mine = files_of(other)
    assert mine.items() <= files_of(store).items()


@pytest.mark.parametrize("cut", [0, 1, 20, 63, 64, 100])
def test_short_answers(cut: int, store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    place.given = lambda path, data: data if path == "format" else data[: -cut - 1]
    with pytest.raises(RemoteError, match="bytes"):
        pull_all(other, place)
    place.given = lambda path, data: data if path == "format" else data + b"x" * (cut + 1)
    with pytest.raises(RemoteError, match="more than it said"):
        pull_all(other, place)
    place.given = lambda _path, data: data
    pull_all(other, place)
    assert_same(store, other)


def test_a_wrong_part_of_a_file(store: Store, other: Store, place: Watched) -> None:
    """A server that answers a range with other bytes of the same length."""
    push_all(store, place)
    place.given = lambda path, data: data if path in ("format",) else data[1:] + data[:1]
    pulled = pull_all(other, place)
    assert set(pulled.failed) >= {FINISHED, BROKEN_OFF, REPLAY}
    assert not files_of(other)
    place.given = lambda _path, data: data
    pull_all(other, place)
    assert_same(store, other)


def bundle_of(run: str, *parts: tuple[str, int, bytes], time: int = 1) -> tuple[str, bytes]:
    digits, file = bundles.encode_object(bundles.make(parts))
    return f"runs/{run}/{time:016x}-{digits}", file


@pytest.mark.parametrize(
    "path",
    [
        "../../escaped",
        "/tmp/escaped",
        "journal/../../../escaped",
        "executions/1/../../../escaped",
        "notes/x.json",
        "run.json\0",
        "executions/01/start.json",
        "journal/a\n.sbj",
    ],
)
def test_names_that_lead_elsewhere_are_passed_over(
    path: str, store: Store, other: Store, place: Watched
) -> None:
    push_all(store, place)
    place.put(*bundle_of(FINISHED, (path, 0, b"hostile")))
    before = set(other.path.parent.parent.rglob("*"))
    pull_all(other, place)
    new = set(other.path.parent.parent.rglob("*")) - before
    assert not [found for found in new if "escaped" in found.name]
    assert_same(store, other)


def test_a_run_under_another_name(store: Store, other: Store, place: Watched) -> None:
    record = (store.path / "runs" / FINISHED / "run.json").read_bytes()
    place.put("format", b"samebit-store 1\nid 00\n")
    place.put(*bundle_of("0ther8n000", ("run.json", 0, record)))
    pulled = pull_all(other, place)
    assert "is another one" in pulled.failed["0ther8n000"]
    assert not files_of(other)


def test_two_that_are_no_copies_of_one_run(store: Store, other: Store, place: Watched) -> None:
    push_all(store, place)
    start = store.path / "runs" / FINISHED / "executions/1/start.json"
    start.write_bytes(start.read_bytes().replace(b"train", b"TRAIN"))
    start.write_bytes(start.read_bytes() + b" ")
    (store.path / "runs" / FINISHED / "notes").joinpath("17-00000000.json").write_bytes(b"{}")
    pushed = push_all(store, place)
    assert "not copies of one run" in pushed.held_back[FINISHED]
    place.put(*bundle_of(FINISHED, ("executions/1/start.json", 0, start.read_bytes()), time=2))
    pulled = pull_all(other, place)
    assert "not copies of one run" in pulled.failed[FINISHED]


def test_a_remote_of_a_newer_version(store: Store, other: Store, place: Watched) -> None:
    place.put("format", b"samebit-store 2\nid 00\n")
    with pytest.raises(StoreTooNew):
        push_all(store, place)
    with pytest.raises(StoreTooNew):
        pull_all(other, place)
    assert not files_of(other)


def test_something_that_is_no_remote(store: Store, other: Store, place: Watched) -> None:
    with pytest.raises(NotFound, match="nothing was ever pushed"):
        pull_all(other, place)
    place.put("format", b"hello")
    with pytest.raises(Damaged, match="not one of ours"):
        push_all(store, place)


@pytest.mark.parametrize("kinds", [(), ("code",), ("states",), ("data", "code")])
def test_kinds(kinds: tuple[str, ...], store: Store, other: Store, place: Watched) -> None:
    push_all(store, place, kinds=kinds)
    pull_all(other, place)
    assert files_of(other) == files_of(store)
    # The rest comes when it is asked for, into runs that are there already.
    push_all(store, place)
    pull_all(other, place)
    assert_same(store, other)


def test_two_who_push_at_once(store: Store, other: Store, place: Watched) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            push_all(store, place)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    pull_all(other, place)
    assert_same(store, other)
    assert not list(place.list("claims"))


def test_a_push_waits_for_no_sweep(store: Store, place: Watched) -> None:
    place.put("claims/sweep-0123456789abcdef", b"{}")
    with pytest.raises(RemoteError, match="somebody sweeps this remote"):
        push_all(store, place)
    assert not list(place.list("runs"))
    stale = Path(place.url.removeprefix("file://")) / "claims/sweep-0123456789abcdef"
    os.utime(stale, (1_700_000_000, 1_700_000_000))
    push_all(store, place)


def test_rows_of_runs_that_are_not_here(store: Store, place: Watched) -> None:
    push_all(store, place)
    rows = read_rows(place, "an-id")
    assert {row["name"] for row in rows} == {
        f"name of {run}" for run in (FINISHED, BROKEN_OFF, REPLAY)
    }
    place.asked.clear()
    assert read_rows(place, "an-id") == rows
    assert [what for what, _ in place.asked] == ["folders", "list"]
    for found in list(place.list("rows")):
        place.remove(found.path)
    assert {row["id"] for row in read_rows(place, "an-id")} == {FINISHED, BROKEN_OFF, REPLAY}


def test_only_so_many_bytes_a_second(
    store: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(moving.time, "sleep", slept.append)
    pace = Pace(1000.0)
    for size in (500, 500, 1000):
        pace.wait(size)
    assert slept == pytest.approx([0, 0.5, 1.0], abs=0.1)
    slept.clear()
    folder = RunFolder(store.path / "runs" / FINISHED)
    pushing.push(store, place, [folder], [], rows=lambda _: [], pace=Pace(1000.0))
    assert max(slept) > 1


def test_bytes_that_are_held_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_MOST_BYTES", 100)
    held = most = 0
    lock = threading.Lock()

    def do(size: int) -> None:
        nonlocal held, most
        with lock:
            held += size
            most = max(most, held)
        threading.Event().wait(0.001)
        with lock:
            held -= size

    sizes = [30, 60, 90, 5, 250, 40, 40, 40] * 10
    moving.move(Job(size, lambda size=size: do(size)) for size in sizes)
    assert most <= 250
    assert held == 0
    assert moving.all_of([lambda at=at: at * at for at in range(50)]) == [n * n for n in range(50)]


def test_the_first_trouble_ends_all() -> None:
    done: list[int] = []

    def fail() -> None:
        raise SamebitError("it broke")

    with pytest.raises(SamebitError, match="it broke"):
        moving.move(
            [Job(1, fail), *(Job(1, lambda at=at: done.append(at)) for at in range(10_000))],
            workers=2,
        )
    assert len(done) < 10_000


def test_a_full_disk_while_pulling(
    store: Store, other: Store, place: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_all(store, place)
    from samebit import disk

    for at in range(1, 8):
        monkeypatch.setattr(disk, "FAULTS", disk._Faults(f"disk.fsync=full@{at}+"))  # pyright: ignore[reportPrivateUsage]
        with pytest.raises((OSError, SamebitError)):
            pull_all(other, place)
        monkeypatch.setattr(disk, "FAULTS", None)
        for name in Store(other.path).names():
            Store(other.path).read(name)
        assert files_of(other).items() <= files_of(store).items()
    pull_all(other, place)
    assert_same(store, other)


def test_names_of_objects_hash_to_their_bytes(store: Store, place: Watched) -> None:
    push_all(store, place)
    for found in place.list("objects"):
        file = b"".join(place.read(found.path))
        digits = found.path.removeprefix("objects/").replace("/", "")
        assert digest.hex_of(digest.of_bytes(bundles.decode_object(file, digits))) == digits
