"""Adding versions: what is stored, what is read again, and what is refused."""

import io
import os
import random
import shutil
from pathlib import Path

import pytest

from samebit.data import (
    adding,
    cut_files,
    files,
    fingerprints,
    manifests,
    remembering,
    uses,
    versions,
)
from samebit.data.adding import Added
from samebit.errors import NotFound, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.objects.stored import PIECES


def add(store: Store, path: Path, **more: object) -> Added:
    # Each as a process of its own would.
    return adding.add(Store(store.path), files.survey(path), "train", **more)  # type: ignore[arg-type]


def content(store: Store, version: versions.DataRecord) -> dict[bytes, bytes]:
    """The bytes of all files, as whoever reads the page of the format gets them."""
    store = Store(store.path)
    manifest = manifests.read_manifest(store, version.manifest)
    return {
        item.path: b"".join(store.read(one.name) for one in manifests.read_list(store, item))
        for item in manifests.read_items(store, manifest)
        if item.digest
    }


def on_disk(path: Path) -> dict[bytes, bytes]:
    return {
        os.fsencode(one.relative_to(path)): one.read_bytes()
        for one in path.rglob("*")
        if one.is_file() and not one.is_symlink()
    }


def test_a_version_has_every_byte_and_the_fingerprint_of_the_folder(
    store: Store, folder: Path
) -> None:
    record = add(store, folder).record
    assert record.fingerprint == str(fingerprints.fingerprint(folder))
    assert content(store, record) == on_disk(folder)
    assert (record.files, record.size_bytes) == (5, sum(map(len, on_disk(folder).values())))
    manifest = manifests.read_manifest(store, record.manifest)
    items = {item.path: item for item in manifests.read_items(store, manifest)}
    assert [items[p].kind for p in (b"nothing", b"link", b"run.sh", b"a.bin")] == [
        "d",
        "l",
        "x",
        "f",
    ]
    assert items[b"link"].target == b"b/c.bin"
    assert [items[p].pieces != "" for p in (b"b/large.bin", b"b/c.bin")] == [True, False]


def test_a_file_alone_is_a_version_too(store: Store, folder: Path) -> None:
    for name in ("b/large.bin", "empty", "run.sh"):
        record = add(store, folder / name).record
        assert record.fingerprint == str(fingerprints.fingerprint(folder / name))
        assert content(store, record) == {b"": (folder / name).read_bytes()}


def test_the_same_again_is_nothing_new_and_nothing_is_read(store: Store, folder: Path) -> None:
    first = add(store, folder)
    again = add(store, folder)
    assert (first.is_new, again.is_new) == (True, False)
    assert (first.read_bytes, again.read_bytes) == (first.record.size_bytes, 0)
    assert len(versions.read_records(store.path, "train")) == 1
    assert add(store, folder, thorough=True).read_bytes == first.record.size_bytes


def test_an_edit_stores_little_and_says_what_changed(store: Store, folder: Path) -> None:
    add(store, folder)
    data = (folder / "b/large.bin").read_bytes()
    (folder / "b/large.bin").write_bytes(data[: 1 << 20] + b"inserted" + data[1 << 20 :])
    (folder / "new").write_bytes(b"new")
    (folder / "a.bin").unlink()
    added = add(store, folder)
    assert added.record.changes == {"added": 1, "changed": 1, "removed": 1}
    assert added.read_bytes == len(data) + 8 + 3
    assert added.record.new_bytes < len(data) // 2
    assert content(store, added.record) == on_disk(folder)
    # And the one before is still whole.
    before = versions.read_versions(store.path, "train")[1]
    assert content(store, before)[b"b/large.bin"] == data


def test_equal_files_are_stored_once(store: Store, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(2 << 20)
    for at in range(5):
        (tmp_path / "same" / str(at)).mkdir(parents=True)
        (tmp_path / "same" / str(at) / "x").write_bytes(data)
    record = add(store, tmp_path / "same").record
    assert record.size_bytes == 5 * len(data)
    assert record.new_bytes < 1.01 * len(data)


def test_a_large_file_is_read_in_blocks(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut_files, "_WHOLE_BYTES", 1 << 20)
    monkeypatch.setattr(cut_files, "_BLOCK_BYTES", 3 << 20)
    path = tmp_path / "large.bin"
    path.write_bytes(random.Random(1).randbytes((12 << 20) + 5))
    record = add(store, path).record
    assert record.fingerprint == str(fingerprints.fingerprint(path))
    assert content(store, record) == {b"": path.read_bytes()}
    # The pieces are those that another way of reading gives.
    monkeypatch.setattr(cut_files, "_WHOLE_BYTES", 100 << 20)
    assert not add(store, path, thorough=True).is_new


def test_text_lies_compressed_and_noise_as_it_is(store: Store, tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("".join(f"{n},{n % 7}\n" for n in range(300_000)))
    record = add(store, tmp_path / "text.csv").record
    assert record.new_bytes < record.size_bytes / 2
    assert content(store, record) == {b"": (tmp_path / "text.csv").read_bytes()}


def test_what_is_damaged_or_lost_in_the_store_is_stored_anew(store: Store, folder: Path) -> None:
    record = add(store, folder).record
    (pack,) = (store.path / "packs").glob(f"*{PIECES}")
    whole = pack.read_bytes()
    pack.write_bytes(whole[:200_000] + b"damage" + whole[200_006:])
    assert not add(store, folder).is_new  # that it is there is enough
    assert not add(store, folder, thorough=True).is_new
    assert content(store, record) == on_disk(folder)
    for pack in (store.path / "packs").glob(f"*{PIECES}"):
        pack.unlink()
    assert add(store, folder).read_bytes == record.size_bytes
    assert content(store, record) == on_disk(folder)


def test_a_file_that_changes_while_it_is_read_is_an_error_and_no_version(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = files.survey(folder)
    (folder / "a.bin").write_bytes(b"longer than before")
    with pytest.raises(SamebitError, match="changed while it was read"):
        adding.add(store, found, "train")
    found = files.survey(folder)
    (folder / "late").write_bytes(b"")
    with pytest.raises(SamebitError, match="changed while it was read"):
        adding.add(store, found, "train")
    found = files.survey(folder)
    (folder / "b/large.bin").unlink()
    with pytest.raises(NotFound, match="vanished"):
        adding.add(store, found, "train")
    assert versions.read_records(store.path, "train") == []


def test_what_an_add_has_stored_before_it_failed_is_not_stored_again(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebit.objects import pieces

    monkeypatch.setattr(pieces, "PACK_BYTES", 1 << 20)
    found = files.survey(folder)
    (folder / "late").write_bytes(b"")
    with pytest.raises(SamebitError):
        adding.add(store, found, "train")
    added = add(store, folder)
    assert added.read_bytes < added.record.size_bytes
    assert added.record.new_bytes < added.record.size_bytes
    assert content(store, added.record) == on_disk(folder)


def test_a_reference_has_digests_and_no_bytes(store: Store, folder: Path) -> None:
    record = add(store, folder, keep=False, source="s3://bucket/train").record
    assert record.fingerprint == str(fingerprints.fingerprint(folder))
    assert (record.kept, record.source) == (False, "s3://bucket/train")
    assert record.new_bytes < 2000
    kept = add(store, folder)
    assert kept.is_new
    assert content(store, kept.record) == on_disk(folder)
    # Of the two the one that has the bytes is meant, whichever is newer.
    add(store, folder, keep=False)
    digits = versions.digits_of(record)[:8]
    assert versions.find_version(store.path, f"train@{digits}").kept


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a b", "x" * 101, "ä"])
def test_a_name_that_is_no_folder_everywhere_is_refused(
    store: Store, folder: Path, name: str
) -> None:
    with pytest.raises(UsageError, match="cannot be named"):
        adding.add(store, files.survey(folder), name)


def test_a_repository_and_the_store_itself_are_refused(store: Store, folder: Path) -> None:
    with pytest.raises(UsageError, match="holds the store"):
        add(store, store.path.parent)
    (folder / "b/.git").mkdir()
    (folder / "b/.git/config").write_text("")
    with pytest.raises(UsageError, match="git repository"):
        add(store, folder)


def test_two_at_once_are_two_versions(store: Store, folder: Path) -> None:
    """Each writes a file of its own; the later one is the newest on any clock."""
    first = add(store, folder).record
    (folder / "new").write_bytes(b"1")
    second = add(store, folder).record
    assert second.at_ns > first.at_ns
    assert [v.manifest for v in versions.read_versions(store.path, "train")] == [
        second.manifest,
        first.manifest,
    ]
    assert versions.find_version(store.path, "train") == second
    digits = versions.digits_of(first)
    assert versions.find_version(store.path, f"train@{digits[:6]}") == first
    for wrong, error in (
        ("train@", UsageError),
        ("train@xyz", UsageError),
        ("train@" + "0" * 60, NotFound),
        ("other", NotFound),
    ):
        with pytest.raises(error):
            versions.find_version(store.path, wrong)


def test_the_last_word_on_a_version_holds(store: Store, folder: Path) -> None:
    record = add(store, folder).record
    versions.let_go(store.path, record)
    assert versions.read_versions(store.path, "train") == []
    assert versions.named_by_versions(store.path) == set()
    assert add(store, folder).is_new
    assert versions.named_by_versions(store.path) == {record.manifest}
    (use,) = uses.uses_of_all(Store(store.path))
    assert not use.missing
    assert use.root == record.manifest


def test_a_credential_is_not_written_and_a_file_that_may_hold_one_is_named(
    store: Store, folder: Path
) -> None:
    (folder / ".env").write_text("KEY=1")
    added = add(store, folder, source="https://ada:s3cr3tpass@example.org/train", keep=True)
    assert "s3cr3tpass" not in added.record.source
    assert "example.org" in added.record.source
    (record,) = (store.path / "data/train").iterdir()
    assert "s3cr3tpass" not in record.read_text()
    assert ".env" in added.notes[-1]


def test_two_copies_of_a_store_merge_by_union(store: Store, folder: Path, tmp_path: Path) -> None:
    first = add(store, folder).record
    other = Store(shutil.copytree(store.path, tmp_path / "other" / ".samebit"))
    (folder / "ours").write_bytes(b"ours")
    second = add(store, folder).record
    (folder / "theirs").write_bytes(b"theirs")
    third = add(other, folder).record
    shutil.copytree(other.path, store.path, dirs_exist_ok=True)
    found = versions.read_versions(store.path, "train")
    assert [one.manifest for one in found] == [third.manifest, second.manifest, first.manifest]
    assert content(store, third) == on_disk(folder)
    assert len(content(store, first)) == 5


def test_what_was_written_just_before_is_read_again(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change in the same tick of the clock would not show."""
    monkeypatch.setattr(remembering, "_SETTLED_NS", 60_000_000_000)
    size_bytes = add(store, folder).record.size_bytes
    assert add(store, folder).read_bytes == size_bytes


def test_a_memory_that_is_damaged_is_none(store: Store, folder: Path, tmp_path: Path) -> None:
    size_bytes = add(store, folder).record.size_bytes
    (memory,) = (tmp_path / "cache").glob("data-*.known")
    data = bytearray(memory.read_bytes())
    data[len(data) // 2] ^= 1
    memory.write_bytes(data)
    assert add(store, folder).read_bytes == size_bytes
    assert add(store, folder).read_bytes == 0


def test_a_file_of_the_same_size_that_changed_before_or_while_it_was_read_is_an_error(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "b/large.bin"
    data = path.read_bytes()
    found = files.survey(path)
    path.write_bytes(data[::-1])
    with pytest.raises(SamebitError, match="changed while it was read"):
        adding.add(store, found, "large")
    monkeypatch.setattr(cut_files, "_WHOLE_BYTES", 1 << 20)
    fill = cut_files._fill

    def written_meanwhile(file: io.FileIO, view: memoryview) -> int:
        count = fill(file, view)
        path.write_bytes(data)
        return count

    monkeypatch.setattr(cut_files, "_fill", written_meanwhile)
    with pytest.raises(SamebitError, match="changed while it was read"):
        adding.add(store, files.survey(path), "large")
    assert versions.list_names(store.path) == []
