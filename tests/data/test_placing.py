"""Laying versions out: what comes back is what was added, and nothing of the user's is lost."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebit import digest, disk
from samebit.data import files, fingerprints, manifests, placing, remembering, versions
from samebit.data.manifests import Item
from samebit.errors import Damaged, NotFound, SamebitError, UsageError
from samebit.objects.store import Store
from samebit.objects.stored import PIECES
from samebit.records import DataRecord
from tests.data.test_adding import add


def lay_out(store: Store, version: DataRecord, root: Path, *, force: bool = False) -> placing.Laid:
    fresh = Store(store.path)
    return placing.lay_out(fresh, placing.make_plan(fresh, version, root), force=force)


def name_of(path: Path) -> str:
    return str(fingerprints.fingerprint(path, level="content"))


def strictly(path: Path) -> str:
    return str(fingerprints.fingerprint(path, level="strict"))


def test_what_was_added_comes_back_with_its_links_modes_and_empty_folders(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    record = add(store, folder).record
    laid = lay_out(store, record, tmp_path / "new" / "place")
    assert laid == placing.Laid(copied=5)
    strict = [
        str(fingerprints.fingerprint(p, level="strict")) for p in (folder, tmp_path / "new/place")
    ]
    assert strict[0] == strict[1]
    assert lay_out(store, record, tmp_path / "new" / "place") == placing.Laid()
    file = add(store, folder / "b/large.bin").record
    lay_out(store, file, tmp_path / "alone.bin")
    assert (tmp_path / "alone.bin").read_bytes() == (folder / "b/large.bin").read_bytes()


def test_switching_versions_in_place_leaves_what_is_nobodys(store: Store, folder: Path) -> None:
    first = add(store, folder).record
    (folder / "a.bin").write_bytes(b"second")
    (folder / "only in second").mkdir()
    (folder / "only in second/x").write_bytes(b"x")
    second = add(store, folder).record
    (folder / "mine").write_bytes(b"of nobody's")
    plan = placing.make_plan(store, first, folder)
    assert (plan.others, plan.lost) == (1, [])
    lay_out(store, first, folder)
    assert (folder / "mine").read_bytes() == b"of nobody's"
    assert not (folder / "only in second").exists()
    (folder / "mine").unlink()
    assert name_of(folder) == first.fingerprint
    lay_out(store, second, folder)
    assert name_of(folder) == second.fingerprint


def test_changed_files_are_shown_and_not_written_over(store: Store, folder: Path) -> None:
    record = add(store, folder).record
    (folder / "a.bin").write_bytes(b"worked on for days")
    (folder / "b/c.bin").unlink()
    with pytest.raises(UsageError, match="1 changed file would be lost") as error:
        lay_out(store, record, folder)
    assert str(folder / "a.bin") in str(error.value)
    assert (folder / "a.bin").read_bytes() == b"worked on for days"
    assert not (folder / "b/c.bin").exists()  # nothing was done
    lay_out(store, record, folder, force=True)
    assert name_of(folder) == record.fingerprint


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_what_is_in_the_way_is_not_written_through(
    store: Store, folder: Path, tmp_path: Path, there: str
) -> None:
    record = add(store, folder).record
    (tmp_path / "outside").mkdir()
    place = tmp_path / "place"
    place.mkdir()
    if there == "file":
        (place / "b").write_bytes(b"where a folder is to be")
    elif there == "folder":
        (place / "a.bin").mkdir()
        (place / "a.bin" / "inner").write_bytes(b"where a file is to be")
    else:
        (place / "b").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="would be lost"):
        lay_out(store, record, place)
    lay_out(store, record, place, force=True)
    assert name_of(place) == record.fingerprint
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_where_a_folder_is_meant_and_the_reverse_are_refused(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    whole, one = add(store, folder).record, add(store, folder / "a.bin").record
    for record, place in ((whole, folder / "a.bin"), (one, folder)):
        with pytest.raises(UsageError, match="the version is a"):
            lay_out(store, record, place, force=True)


def test_a_file_that_changes_between_plan_and_writing_stays(store: Store, folder: Path) -> None:
    first = add(store, folder).record
    (folder / "a.bin").write_bytes(b"second")
    add(store, folder)
    plan = placing.make_plan(store, first, folder)
    (folder / "a.bin").write_bytes(b"third, and just now")
    with pytest.raises(SamebitError, match="changed"):
        placing.lay_out(store, plan)
    assert (folder / "a.bin").read_bytes() == b"third, and just now"


def test_a_damaged_piece_is_an_error_and_leaves_no_file(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    record = add(store, folder).record
    (pack,) = (store.path / "packs").glob(f"*{PIECES}")
    whole = pack.read_bytes()
    at = whole.index((folder / "b/c.bin").read_bytes()) + 500
    pack.write_bytes(whole[:at] + b"damage" + whole[at + 6 :])
    with pytest.raises(Damaged):
        lay_out(store, record, tmp_path / "place")
    left = [path for path in (tmp_path / "place").rglob("*") if path.is_file()]
    assert not (tmp_path / "place/b/c.bin").exists()
    assert all(
        (folder / path.relative_to(tmp_path / "place")).read_bytes() == path.read_bytes()
        for path in left
    )
    pack.write_bytes(whole)
    lay_out(store, record, tmp_path / "place")
    assert name_of(tmp_path / "place") == record.fingerprint


def test_pieces_that_are_not_the_file_are_damage(store: Store, tmp_path: Path) -> None:
    """What a stranger's store may say: every piece is right, and the file is another one."""
    names = store.put_all([b"one", b"two"])
    listed = manifests.put_list(store.put, [manifests.Piece(name, 3) for name in names])
    item = Item(b"x", "f", 6, digest.of_bytes(b"twoone"), pieces=listed)
    with open(tmp_path / "x", "wb") as stream, pytest.raises(Damaged, match="are not that file"):
        placing.write_file(store, item, stream.fileno())


@pytest.mark.parametrize("paths", [(b"a", b"a/b"), (b"a", b"a-", b"a/b")])
def test_a_path_below_a_file_is_damage(
    store: Store, tmp_path: Path, paths: tuple[bytes, ...]
) -> None:
    found = [Item(one, "f", 0, store.put(b"")) for one in paths]
    name, _ = manifests.put_manifest(store.put, "fp1:folder:00", found, kept=True)
    record = DataRecord("add", "train", 1, "", name, "fp1:folder:00")
    with pytest.raises(Damaged, match="below a file"):
        placing.make_plan(store, record, tmp_path / "place")


def test_of_a_reference_what_lies_where_it_was_is_copied_and_compared(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    record = add(store, folder, keep=False, source="s3://bucket/train").record
    lay_out(store, record, tmp_path / "place")
    assert name_of(tmp_path / "place") == record.fingerprint
    (folder / "b/c.bin").write_bytes(b"other")
    with pytest.raises(NotFound, match="is another file now") as error:
        lay_out(store, record, tmp_path / "second")
    assert "s3://bucket/train" in str(error.value)
    (folder / "b/c.bin").unlink()
    with pytest.raises(NotFound, match="cannot be read"):
        lay_out(store, record, tmp_path / "second")


def test_names_that_are_one_here_are_refused(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "A.bin").write_bytes(b"other")
    record = add(store, folder).record
    lay_out(store, record, tmp_path / "place")  # this file system tells them apart
    monkeypatch.setattr(placing, "_folds", lambda root: True)
    with pytest.raises(UsageError, match="one and the same on this file system"):
        lay_out(store, record, tmp_path / "second")


names = st.text("ab", min_size=1, max_size=2)
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=3).map("/".join), st.binary(max_size=3), max_size=6
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


def write_tree(root: Path, tree: dict[str, bytes]) -> None:
    root.mkdir(parents=True)
    for name, data in sorted(tree.items()):
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError:
            pass  # below a file of the same tree, or in the place of a folder


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(trees, min_size=2, max_size=3))
def test_any_version_comes_back_over_any_other(shared: Path, found: list[dict[str, bytes]]) -> None:
    from samebit import places

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembering, "_SETTLED_NS", 10**18)
        top = shared / os.urandom(6).hex()
        store = Store(places.make_store(top / ".samebit"))
        records = []
        for at, tree in enumerate(found):
            write_tree(top / str(at), tree)
            records.append(add(store, top / str(at)).record)
        for record in [*records, *reversed(records)]:
            lay_out(store, record, top / "place")
            assert name_of(top / "place") == record.fingerprint


def test_blocks_are_shared_where_the_file_system_can(
    tmp_path: Path, store: Store, folder: Path
) -> None:
    image, top = tmp_path / "image", tmp_path / "mounted"
    top.mkdir()
    for make in (["mkfs.btrfs", "-q"], ["mkfs.xfs", "-q", "-m", "reflink=1"]):
        image.write_bytes(b"")
        os.truncate(image, 400 << 20)
        try:
            made = subprocess.run([*make, str(image)], capture_output=True).returncode == 0
        except FileNotFoundError:
            made = False
        if (
            made
            and not subprocess.run(
                ["mount", "-o", "loop", str(image), str(top)], capture_output=True
            ).returncode
        ):
            break
    else:
        pytest.skip("no file system that shares blocks can be made and mounted here")
    try:
        subprocess.run(["cp", "-r", str(folder), str(top / "train")], check=True)
        record = add(store, top / "train").record
        laid = lay_out(store, record, top / "place")
        assert laid.cloned == 5
        assert name_of(top / "place") == record.fingerprint
    finally:
        subprocess.run(["umount", "-l", str(top)], capture_output=True)


def test_a_file_that_was_changed_since_is_not_shared(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(theirs: int, ours: int) -> bool:
        os.sendfile(ours, theirs, 0, 10**9)
        return True

    monkeypatch.setattr(disk, "clone", clone)
    record = add(store, folder).record
    data = (folder / "b/c.bin").read_bytes()
    (folder / "b/c.bin").write_bytes(data[:-1] + b"?")
    laid = lay_out(store, record, tmp_path / "place")
    assert (laid.cloned, laid.copied) == (4, 1)
    assert name_of(tmp_path / "place") == record.fingerprint


def test_the_newest_of_a_name_is_meant(store: Store, folder: Path) -> None:
    record = add(store, folder).record
    assert versions.find_version(store.path, "train") == record
    assert files.survey(folder).size_bytes == record.size_bytes
