import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import blake3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from samebit import digest, places
from samebit.errors import Damaged, NotFound, SamebitError
from samebit.objects import encoding
from samebit.objects.store import SMALL_BYTES, Store
from tests.disks import fill

ABSENT = digest.of_bytes(b"an object that nobody puts")


def large(seed: int, size: int = SMALL_BYTES, *, shrinks: bool = False) -> bytes:
    piece = random.Random(seed).randbytes(64 if shrinks else size)
    return (piece * (size // len(piece) + 1))[:size] if piece else b""


small_contents = st.binary(max_size=40) | st.builds(
    lambda piece, times: piece * times, st.binary(min_size=1, max_size=9), st.integers(0, 900)
)
edge_contents = st.builds(
    large,
    st.integers(0, 3),
    st.integers(SMALL_BYTES - 1, SMALL_BYTES + 1),
    shrinks=st.booleans(),
)
contents = small_contents | edge_contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def files_of(folder: Path) -> list[Path]:
    return sorted(
        p for part in ("objects", "packs") for p in (folder / part).rglob("*") if p.is_file()
    )


class AgainstADict(RuleBasedStateMachine):
    """Whatever is put, in whatever way, is read back by every door that is open."""

    @initialize()
    def make(self) -> None:
        self.top = Path(os.environ["PYTEST_STORE_TOP"]) / os.urandom(8).hex()
        self.folder = places.make_store(self.top / ".samebit")
        self.doors = [Store(self.folder)]
        self.kept: dict[str, bytes] = {}

    @rule(data=contents, door=st.integers(0, 9))
    def put(self, data: bytes, door: int) -> None:
        name = self.doors[door % len(self.doors)].put(data)
        assert name == digest.of_bytes(data)
        self.kept[name] = data

    @rule(pieces=st.lists(contents, max_size=5), door=st.integers(0, 9))
    def put_all(self, pieces: list[bytes], door: int) -> None:
        views = [memoryview(data) for data in pieces]
        names = self.doors[door % len(self.doors)].put_all(views)
        assert names == [digest.of_bytes(data) for data in pieces]
        self.kept.update(zip(names, pieces, strict=True))

    @rule()
    def open_another_door(self) -> None:
        self.doors = [*self.doors[-2:], Store(self.folder)]

    @rule(data=contents, door=st.integers(0, 9))
    def ask(self, data: bytes, door: int) -> None:
        name = digest.of_bytes(data)
        store = self.doors[door % len(self.doors)]
        assert store.has(name) == (name in self.kept)
        if name in self.kept:
            assert store.read(name) == data
        else:
            with pytest.raises(NotFound):
                store.read(name)

    @rule(door=st.integers(0, 9))
    def read_everything(self, door: int) -> None:
        store = self.doors[door % len(self.doors)]
        assert {name: store.read(name) for name in store.names()} == self.kept

    @invariant()
    def nothing_is_left_aside(self) -> None:
        assert not os.listdir(self.folder / "tmp")

    def teardown(self) -> None:
        if hasattr(self, "top"):
            shutil.rmtree(self.top)


def test_a_store_is_a_dict_of_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    monkeypatch.setenv("PYTEST_STORE_TOP", str(tmp_path))
    few = settings(max_examples=25, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(AgainstADict, settings=few)


# Where bytes lie.


@pytest.mark.parametrize("shrinks", [False, True])
@pytest.mark.parametrize("size", [SMALL_BYTES, SMALL_BYTES + 1, 1 << 20])
def test_an_object_of_64_kib_is_a_file_of_its_own(folder: Path, size: int, shrinks: bool) -> None:
    data = large(1, size, shrinks=shrinks)
    name = Store(folder).put(data)
    digits = name.removeprefix("blake3:")
    path = folder / "objects" / digits[:2] / digits[2:]
    assert files_of(folder) == [path]
    assert (path.stat().st_size < size) == shrinks
    assert Store(folder).read(name) == data


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES - 1])
def test_a_smaller_one_is_in_a_pack(folder: Path, size: int) -> None:
    name = Store(folder).put(large(1, size))
    (pack,) = files_of(folder)
    assert pack.suffix == ".pack"
    assert pack.stem == blake3.blake3(pack.read_bytes()).hexdigest()
    assert Store(folder).check_pack(pack) == [name]
    assert Store(folder).read(name) == large(1, size)


def test_small_ones_that_are_put_together_share_a_pack(folder: Path) -> None:
    store = Store(folder)
    pieces = [f"file {at}".encode() for at in range(500)]
    names = store.put_all(iter(pieces))
    (pack,) = store.pack_paths()
    assert sorted(store.check_pack(pack)) == sorted(names)
    assert [Store(folder).read(name) for name in names] == pieces


def test_what_is_there_is_touched_and_not_written_again(folder: Path) -> None:
    store = Store(folder)
    store.put_all([b"one", b"two", large(1), large(2)])
    before = {path: path.stat().st_ino for path in files_of(folder)}
    for path in before:
        os.utime(path, (1, 1))
    Store(folder).put_all([b"two", large(1), b"one", b"one"])
    store.put(b"two")
    assert {path: path.stat().st_ino for path in files_of(folder)} == before
    old = [path for path in before if path.stat().st_mtime < 2]
    assert old == [store.object_path(digest.of_bytes(large(2)))]


@given(st.lists(small_contents, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_same_objects_are_the_same_pack_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], order: random.Random
) -> None:
    top = tmp_path_factory.mktemp("packs")
    shuffled = pieces + pieces[:2]
    order.shuffle(shuffled)
    stores = [Store(places.make_store(top / name / ".samebit")) for name in ("one", "other")]
    for store, given_pieces in zip(stores, (pieces, shuffled), strict=True):
        store.put_all(given_pieces)
    one, other = ([p.name for p in store.pack_paths()] for store in stores)
    assert one == other
    shutil.rmtree(top)


def test_a_name_that_is_none_is_damaged(folder: Path) -> None:
    for name in ("", "blake3:", "sha256:" + "0" * 64, "blake3:" + "../" * 21 + "x"):
        with pytest.raises(Damaged, match="not a content name"):
            Store(folder).read(name)
        with pytest.raises(Damaged, match="not a content name"):
            Store(folder).has(name)


def test_what_was_never_put_is_not_found(folder: Path) -> None:
    with pytest.raises(NotFound, match="is not in this store") as error:
        Store(folder).read(ABSENT)
    assert not isinstance(error.value, Damaged)
    assert error.value.hint is None


# Damage.

SAMPLE = [b"", b"x", b"code " * 40, large(1, 200), large(2, 300, shrinks=True)]
HURT_FILES = [large(3), large(4, shrinks=True)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one pack and two object files, to be hurt and healed again."""
    folder = places.make_store(tmp_path_factory.mktemp("sound") / ".samebit")
    Store(folder).put_all([*SAMPLE, *HURT_FILES])
    return folder


def assert_never_wrong(folder: Path, hurt: Path) -> int:
    """Every object is its own bytes or an error, and outside the hurt file all are there."""
    store = Store(folder)
    lost = 0
    for data in [*SAMPLE, *HURT_FILES]:
        name = digest.of_bytes(data)
        home = store.object_path(name)
        try:
            found = store.read(name)
        except NotFound as error:
            said = str(error)
        else:
            assert found == data
            continue
        lost += 1
        assert home == hurt if home.exists() else hurt.suffix == ".pack"
        assert f"path: {hurt}" in said or "a damaged pack may have held it" in said
    return lost


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_is_never_read_as_content(sound: Path, data: st.DataObject) -> None:
    hurt = data.draw(st.sampled_from(files_of(sound)), label="file")
    before = hurt.read_bytes()
    ends = st.integers(0, 63) | st.integers(max(0, len(before) - 400), len(before) - 1)
    at = data.draw(ends | st.integers(0, len(before) - 1), label="offset")
    after = bytearray(before)
    after[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    hurt.write_bytes(after)
    try:
        if hurt.suffix != ".pack":
            assert assert_never_wrong(sound, hurt) <= 1
        else:
            lost = assert_never_wrong(sound, hurt)
            index_at = int.from_bytes(before[-40:-32], "little")
            if 16 <= at < index_at:
                assert lost <= 1  # none where it is a bit that zstd does not need, as of its window
            else:
                assert lost == (0 if at < 16 else len(SAMPLE))
            with pytest.raises(Damaged):
                Store(sound).check_pack(hurt)
    finally:
        hurt.write_bytes(before)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_file_that_was_cut_off_is_never_read_as_content(sound: Path, data: st.DataObject) -> None:
    hurt = data.draw(st.sampled_from(files_of(sound)), label="file")
    before = hurt.read_bytes()
    cut = data.draw(st.integers(0, 130) | st.integers(0, len(before) - 1), label="length")
    hurt.write_bytes(before[:cut])
    try:
        lost = assert_never_wrong(sound, hurt)
        assert lost == (len(SAMPLE) if hurt.suffix == ".pack" else 1)
    finally:
        hurt.write_bytes(before)


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def cut(path: Path, at: int) -> None:
    path.write_bytes(path.read_bytes()[:at])


HURTS = [(flipped, 3), (flipped, 70), (flipped, -1), (cut, 0), (cut, 63), (cut, -1)]


@pytest.mark.parametrize(("hurt", "at"), HURTS)
@pytest.mark.parametrize("shrinks", [False, True])
def test_what_is_put_over_a_damaged_object_heals_it(
    folder: Path, hurt: Callable[[Path, int], None], at: int, shrinks: bool
) -> None:
    data = large(1, SMALL_BYTES + 9, shrinks=shrinks)
    name = Store(folder).put(data)
    (path,) = files_of(folder)
    hurt(path, at)
    assert Store(folder).put(data) == name
    assert Store(folder).read(name) == data
    assert files_of(folder) == [path]


@pytest.mark.parametrize(("hurt", "at"), [*HURTS, (flipped, 20), (flipped, -50)])
@pytest.mark.parametrize("pieces", [[b"a" * 100], [b"a" * 100, b"b"], [b"a" * 100, b"b", b"new"]])
def test_what_is_put_over_a_damaged_pack_heals_it(
    folder: Path, hurt: Callable[[Path, int], None], at: int, pieces: list[bytes]
) -> None:
    names = Store(folder).put_all(pieces[:2])
    (path,) = Store(folder).pack_paths()
    hurt(path, at)
    store = Store(folder)
    assert store.put_all(pieces)[: len(names)] == names
    for reader in (store, Store(folder)):
        assert [reader.read(digest.of_bytes(data)) for data in pieces] == pieces


def test_of_two_copies_one_whole_one_is_enough(folder: Path) -> None:
    one, both = Store(folder), Store(folder)
    one.put(b"twice")
    (path,) = one.pack_paths()
    flipped(path, 16)
    names = both.put_all([b"twice", b"more"])
    assert len(both.pack_paths()) == 2
    for _ in range(3):
        assert [Store(folder).read(name) for name in names] == [b"twice", b"more"]
    assert one.read(names[0]) == b"twice"  # opened before it was healed


def test_a_large_body_is_not_read_again_when_it_is_put_again(folder: Path) -> None:
    data = large(1, 3 << 20)
    name = Store(folder).put(data)
    (path,) = files_of(folder)
    flipped(path, 2 << 20)
    Store(folder).put(data)  # said to be done, as the format says: `samebit check` finds it
    with pytest.raises(Damaged):
        Store(folder).read(name)
    path.unlink()
    Store(folder).put(data)
    assert Store(folder).read(name) == data
    cut(path, -1)
    Store(folder).put(data)
    assert Store(folder).read(name) == data


def test_a_file_that_is_another_object_is_damaged(folder: Path) -> None:
    store = Store(folder)
    one, other = store.put_all([large(1), large(2)])
    shutil.copyfile(store.object_path(one), store.object_path(other))
    with pytest.raises(Damaged, match=f"object {digest.short(other)} .* hash to") as error:
        store.read(other)
    assert error.value.hint is not None
    assert "samebit check" in error.value.hint
    assert store.read(one) == large(1)


def test_a_damaged_pack_hides_only_its_own_objects(folder: Path) -> None:
    store = Store(folder)
    lost, kept = store.put(b"lost"), store.put(b"kept")
    (hurt,) = [path for path in store.pack_paths() if store.check_pack(path) == [lost]]
    hurt.write_bytes(hurt.read_bytes()[:-1])
    again = Store(folder)
    assert again.read(kept) == b"kept"
    assert not again.has(lost)
    with pytest.raises(NotFound, match="a damaged pack may have held it"):
        again.read(lost)
    assert list(again.names()) == [kept]


def test_a_pack_that_cannot_be_opened_now_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = Store(folder).put(b"behind a network that hiccups")
    store = Store(folder)
    (pack,) = store.pack_paths()
    pack.rename(folder / "away")
    pack.symlink_to(folder / "nowhere")
    assert not store.has(name)
    pack.unlink()
    (folder / "away").rename(pack)
    assert store.read(name) == b"behind a network that hiccups"


HOSTILE = """
import resource, sys
from pathlib import Path
from samebit.objects.store import Store
from samebit.errors import Damaged
store = Store(Path(sys.argv[1]))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
try:
    store.read(sys.argv[2])
except Damaged as error:
    print("damaged:", error.what)
except MemoryError:
    print("out of memory")
"""


def read_with_little_memory(folder: Path, name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(folder), name], capture_output=True, text=True
    )
    return done.stdout or done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child")
@pytest.mark.parametrize("kind", [encoding.RAW, encoding.ZSTD, 7])
def test_a_size_that_is_only_claimed_costs_no_memory(folder: Path, kind: int) -> None:
    path = Store(folder).object_path(ABSENT)
    path.parent.mkdir()
    body = encoding.zstd.compress(b"small") if kind == encoding.ZSTD else b"small"
    path.write_bytes(encoding.object_header(kind, 2**40) + body)
    assert "damaged: object" in read_with_little_memory(folder, ABSENT)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child")
@pytest.mark.parametrize("place", ["file", "pack"])
def test_a_bomb_in_a_store_does_not_go_off(folder: Path, place: str) -> None:
    machine = encoding.zstd.ZstdCompressor()
    bomb = b"".join(machine.compress(bytes(1 << 20)) for _ in range(1024)) + machine.flush()
    assert len(bomb) < 1 << 17
    if place == "file":
        path = Store(folder).object_path(ABSENT)
        path.parent.mkdir()
        path.write_bytes(encoding.object_header(encoding.ZSTD, 100_000) + bomb)
    else:
        raw = bytes.fromhex(digest.hex_of(ABSENT))
        index = encoding._ENTRY.pack(raw, 16, len(bomb), 1000, encoding.ZSTD)
        checksum = blake3.blake3(index).digest(16)
        footer = encoding._FOOTER.pack(16 + len(bomb), 1, checksum, b"samebitQ")
        header = b"samebitP\x01" + bytes(7)
        (folder / "packs" / f"{'0' * 64}.pack").write_bytes(header + bomb + index + footer)
    assert "damaged: object" in read_with_little_memory(folder, ABSENT)


def test_strange_files_in_the_store_are_passed_over(folder: Path) -> None:
    store = Store(folder)
    name = store.put(b"mine")
    (folder / "packs" / "notes.txt").write_text("not a pack")
    (folder / "packs" / "empty.pack").write_bytes(b"")
    (folder / "packs" / "folder.pack").mkdir()
    (folder / "objects" / "README").write_text("not an object")
    (folder / "objects" / "3f").mkdir()
    (folder / "objects" / "3f" / ".nfs000000000001").write_text("what NFS keeps of an open file")
    again = Store(folder)
    assert again.read(name) == b"mine"
    assert list(again.names()) == [name]
    assert again.put(b"more") in set(again.names())


# Several processes.

PUTTING = """
import sys
from pathlib import Path
from samebit.objects.store import Store
store = Store(Path(sys.argv[1]))
sys.stdin.readline()
for round in range(6):
    pieces = [bytes([round, at]) * 9 for at in range(20)]
    large = [bytes([round, at]) * 40_000 for at in range(3)]
    store.put_all([*pieces, *large])
    print(*store.put_all([b"mine " + sys.argv[2].encode(), *pieces, *large]))
"""


def test_processes_that_put_the_same_objects_share_them(folder: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PUTTING, str(folder), str(at)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for at in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("now\n")
        child.stdin.flush()
    before = Store(folder)
    told = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * 4
    named = {name for text in told for name in text.split()}
    assert len(named) == 6 * 23 + 4
    # A door that was open all the time sees what the others added.
    assert {name: digest.of_bytes(before.read(name)) for name in named} == {n: n for n in named}
    assert set(before.names()) == named
    # Six packs of twenty, and each child's own.
    assert len(before.pack_paths()) == 6 + 4
    assert not os.listdir(folder / "tmp")


# A disk that refuses.


@pytest.mark.parametrize("refused", [[b"small"], [large(9, 1 << 16)], [b"a" * 100, large(9)]])
def test_a_full_disk_leaves_the_store_as_it_was(
    little_disk: Callable[..., Path], refused: list[bytes]
) -> None:
    top = little_disk("size=2m")
    folder = places.make_store(top / ".samebit")
    store = Store(folder)
    names = store.put_all([b"one", b"two", large(1)])
    before = files_of(folder)
    fill(top)
    with pytest.raises((OSError, SamebitError), match=r"[Nn]o space left"):
        store.put_all(refused)
    assert files_of(folder) == before
    assert not os.listdir(folder / "tmp")
    assert [store.read(name) for name in names] == [b"one", b"two", large(1)]
    (top / "filling").unlink()
    assert [Store(folder).read(name) for name in store.put_all(refused)] == refused


def test_a_store_that_cannot_be_written_can_be_read(little_disk: Callable[..., Path]) -> None:
    top = little_disk("size=2m")
    folder = places.make_store(top / ".samebit")
    names = Store(folder).put_all([b"one", large(1)])
    little_disk("remount,ro")
    store = Store(folder)
    assert [store.read(name) for name in names] == [b"one", large(1)]
    assert store.put_all([b"one", large(1)]) == names  # nothing of it is new
    for refused in ([b"new"], [large(2)]):
        with pytest.raises((OSError, SamebitError), match=r"[Rr]ead-only"):
            store.put_all(refused)
    assert set(store.names()) == set(names)


def test_a_missing_folder_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = Store(folder).put(b"one")
    shutil.rmtree(folder / "packs")
    with pytest.raises(NotFound):
        Store(folder).read(name)
    with pytest.raises((OSError, SamebitError), match="packs"):
        Store(folder).put(b"two")


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="format file"):
        Store(tmp_path)


def test_what_is_put_over_a_damaged_pack_of_many_objects_heals_it(folder: Path) -> None:
    pieces = [f"piece {number}".encode() * 20 for number in range(60)]
    names = Store(folder).put_all(pieces)
    (path,) = (folder / "packs").glob("*.pack")
    assert Store(folder).put_all(pieces) == names
    assert list((folder / "packs").glob("*.pack")) == [path]  # what is whole is not written again
    whole = path.read_bytes()
    path.chmod(0o644)
    for at in (20, len(whole) // 4, len(whole) // 2 - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert Store(folder).put_all(pieces) == names
        store = Store(folder)
        assert [store.read(name) for name in names] == pieces
        for other in (folder / "packs").glob("*.pack"):
            if other != path:
                other.unlink()
