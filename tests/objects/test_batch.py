import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from samebit import digest, disk, places
from samebit.objects import batch, encoding
from samebit.objects.batch import Pace
from samebit.objects.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def weights(seed: int, count: int = 400_000) -> bytes:
    return np.random.default_rng(seed).standard_normal(count).astype("f4").tobytes()


def kind_of(store: Store, name: str) -> int:
    with open(store.object_path(name), "rb") as stream:
        return encoding.read_object_header(stream.read(64))[0]


def clock(monkeypatch: pytest.MonkeyPatch, times: list[float]) -> None:
    """Of the batch alone: other threads of this process have the machine's."""
    monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=lambda: times.pop(0)))


def test_what_a_disk_takes_is_counted_while_any_writer_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pace = Pace()
    assert pace.encoding_pays(1000)
    assert not pace.encoding_pays(1 << 24)
    clock(monkeypatch, [0.0, 1.0, 1.5, 10.0, 10.5])
    with pace.writing(100_000_000):  # from 0
        with pace.writing(100_000_000):  # to 1
            pass
    # to 1.5; then nobody writes
    assert pace.encoding_pays(1 << 24)  # 133 MB/s
    with pace.writing(1_000_000_000):  # from 10 to 10.5
        pass
    assert not pace.encoding_pays(1 << 24)  # 600 MB/s
    assert not pace.encoding_pays(1000)


def test_an_encoder_that_is_slower_than_thought_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pace = Pace()
    clock(monkeypatch, [0.0, 1.0, 2.0, 12.0])
    with pace.writing(100_000_000):
        pass
    assert pace.encoding_pays(1 << 24)
    with pace.encoding(50_000_000):
        pass
    assert not pace.encoding_pays(1 << 24)


@pytest.mark.parametrize("pays", [True, False])
def test_weights_are_encoded_where_it_pays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pays: bool
) -> None:
    monkeypatch.setattr(Pace, "encoding_pays", lambda *_: pays)
    store = Store(folder)
    pieces = [weights(seed) for seed in range(6)]
    with store.batch() as putting:
        slots = [putting.add(piece, 4) for piece in pieces]
        zeros = putting.add(bytes(1 << 20), 4)
    for slot, piece in zip(slots, pieces, strict=True):
        assert slot.name == digest.of_bytes(piece)
        assert kind_of(store, slot.name) == (encoding.PLANES[4] if pays else encoding.RAW)
        assert Store(folder).read(slot.name) == piece
        buffer = bytearray(len(piece))
        store.read_into(slot.name, memoryview(buffer))
        assert buffer == piece
        raw = store.open_raw(slot.name)
        assert raw is None if pays else raw == piece
    assert kind_of(store, zeros.name) == encoding.PLANES[4]  # saves more than half


def test_where_no_thread_can_start_the_caller_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pieces = [weights(seed) for seed in range(7)]
    names = Store(folder).put_all([*pieces, b"small"])
    assert [Store(folder).read(name) for name in names] == [*pieces, b"small"]


@pytest.mark.parametrize("at", [1, 2, 5])
@pytest.mark.parametrize("point", ["disk.create", "disk.fsync", "disk.rename"])
def test_what_a_thread_cannot_write_is_raised_where_it_was_put(
    folder: Path, monkeypatch: pytest.MonkeyPatch, point: str, at: int
) -> None:
    monkeypatch.setattr(disk, "FAULTS", disk._Faults(f"{point}=full@{at}"))
    pieces = [weights(seed, 30_000) for seed in range(9)]
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="injected"):
        Store(folder).put_all([b"small", *pieces])
    monkeypatch.setattr(disk, "FAULTS", None)
    assert set(threading.enumerate()) <= before
    assert not list((folder / "tmp").iterdir())
    names = Store(folder).put_all([b"small", *pieces])
    assert [Store(folder).read(name) for name in names] == [b"small", *pieces]


def test_a_caller_that_gives_up_leaves_no_thread_behind(folder: Path) -> None:
    store = Store(folder)

    def interrupted():
        for seed in range(9):
            yield weights(seed, 30_000)
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        store.put_all(interrupted())
    assert set(threading.enumerate()) <= before
    for name in store.names():
        store.read(name)
    assert not store.pack_paths()


def test_few_pieces_are_on_their_way_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(folder)
    open_now: list[int] = []
    most: list[int] = []
    write = store.write_object

    def slow(name: str, kind: int, body: bytes | memoryview, size_bytes: int) -> None:
        open_now.append(1)
        most.append(len(open_now))
        time.sleep(0.01)
        write(name, kind, body, size_bytes)
        open_now.pop()

    monkeypatch.setattr(store, "write_object", slow)
    made: list[int] = []
    done: list[int] = []

    def pieces():
        for seed in range(12):
            made.append(seed)
            done.append(len(made) - sum(1 for _ in store.object_paths()))
            yield weights(seed, 20_000)

    store.put_all(pieces())
    assert max(most) <= batch._WORKERS + 1  # and the caller, once nothing more comes
    assert max(done) <= batch._WORKERS + batch._AHEAD + 1


def test_an_object_of_its_own_file_can_be_mapped(folder: Path) -> None:
    store = Store(folder)
    raw, small = np.random.default_rng(0).bytes(100_000), b"in a pack"
    name = store.put(raw)
    mapped = store.open_raw(name)
    assert mapped == raw
    assert mapped is not None
    assert mapped.readonly
    assert np.frombuffer(mapped, "u1").ctypes.data % 64 == 0
    assert store.open_raw(store.put(small)) is None
    assert store.open_raw(store.put(bytes(100_000))) is None
    assert store.open_raw(digest.of_bytes(b"absent")) is None
