"""Files that a run read are kept as they were read, or it is said that they are not."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from samebit import digest, disk, places
from samebit.data.linking import kept_by_run
from samebit.data.placing import write_file
from samebit.objects.store import Store
from samebit.session.saving import Saver


class Told:
    """What a saver emits and says."""

    def __init__(self, store: Store, free_bytes: int = 1 << 40) -> None:
        self.facts: list[dict[str, Any]] = []
        self.problems: list[tuple[str, str]] = []
        self.saver = Saver(
            store,
            self.facts.append,
            lambda what, detail: self.problems.append((what, detail)),
            lambda: free_bytes,
        )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(places.make_store(tmp_path / ".samebit"))


def read(path: Path, data: bytes) -> dict[str, Any]:
    """The fact that a file was read."""
    path.write_bytes(data)
    fact = {"path": str(path), "how": "read", "given": "relative", "written": False}
    return {**fact, "size_bytes": len(data), "mtime_ns": 1, "digest": digest.of_bytes(data)}


def back(store: Store, fact: dict[str, Any], place: Path) -> bytes:
    found = kept_by_run(store, fact)
    assert found is not None
    with open(place, "wb", buffering=0) as stream:
        write_file(store, found.item, stream.fileno())
    return place.read_bytes()


def test_small_files_are_kept_soon_and_large_ones_at_the_end(store: Store, tmp_path: Path) -> None:
    told = Told(store)
    small = read(tmp_path / "small", b"1" * 1000)
    large = read(tmp_path / "large", random.Random(1).randbytes((9 << 20) + 1))
    for fact in (small, large, read(tmp_path / "empty", b"")):
        told.saver.take(fact)
    told.saver.tick()
    assert [fact["path"] for fact in told.facts] == [str(tmp_path / n) for n in ("small", "empty")]
    assert told.facts[0]["saved"] == small["digest"]
    told.saver.finish(interrupted=False)
    assert len(told.facts) == 3
    assert told.facts[2]["saved"] != large["digest"]  # the list of its pieces
    for fact in told.facts:
        assert back(store, fact, tmp_path / "back") == Path(fact["path"]).read_bytes()
    assert not told.problems
    # What two runs read is stored once.
    before = sum(path.stat().st_size for path in (store.path / "packs").iterdir())
    again = Told(Store(store.path))
    again.saver.take(large)
    again.saver.finish(interrupted=False)
    assert sum(path.stat().st_size for path in (store.path / "packs").iterdir()) == before


def test_a_file_that_is_another_by_now_is_said_and_not_kept(store: Store, tmp_path: Path) -> None:
    told = Told(store)
    changed = read(tmp_path / "changed", b"then")
    gone, seen = read(tmp_path / "gone", b"then"), read(tmp_path / "seen", b"then")
    folder, written = read(tmp_path / "folder", b"then"), read(tmp_path / "written", b"then")
    for fact in (changed, gone, seen, folder, written):
        told.saver.take(fact)
    (tmp_path / "changed").write_bytes(b"now!")
    (tmp_path / "gone").unlink()
    (tmp_path / "folder").unlink()
    (tmp_path / "folder").mkdir()
    told.saver.take({**seen, "changed": True})
    told.saver.take({**written, "written": True, "kept": None})
    told.saver.finish(interrupted=False)
    assert not told.facts
    assert [what for what, _ in told.problems] == [
        f"data {tmp_path / name}" for name in ("seen", "changed", "gone", "folder")
    ]
    assert all(detail.startswith("not kept: ") for _, detail in told.problems)


def test_what_does_not_fit_or_was_interrupted_is_said(store: Store, tmp_path: Path) -> None:
    told = Told(store, free_bytes=100)
    told.saver.take(read(tmp_path / "a", b"1" * 51))
    told.saver.take(read(tmp_path / "b", b"1" * 50))
    told.saver.tick()
    assert [fact["path"] for fact in told.facts] == [str(tmp_path / "b")]
    assert "twice as much free" in told.problems[0][1]
    told.saver.take(read(tmp_path / "c", b"1"))
    told.saver.finish(interrupted=True)
    assert told.problems[1] == (
        "data",
        "1 of the files that were read are not kept: the run was interrupted",
    )


def test_a_store_that_takes_nothing_is_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(store)
    told.saver.take(read(tmp_path / "a", os.urandom(100)))
    monkeypatch.setattr(disk, "FAULTS", disk._Faults("disk.fsync=error"))
    told.saver.finish(interrupted=False)
    assert not told.facts
    assert "the store cannot be written" in told.problems[0][1]


def test_a_file_of_which_a_piece_is_gone_is_not_taken_for_whole(
    store: Store, tmp_path: Path
) -> None:
    told = Told(store)
    told.saver.take(read(tmp_path / "a", random.Random(2).randbytes(3 << 20)))
    told.saver.finish(interrupted=False)
    (fact,) = told.facts
    assert kept_by_run(store, fact) is not None
    for pack in (store.path / "packs").iterdir():
        pack.unlink()
    assert kept_by_run(Store(store.path), fact) is None
