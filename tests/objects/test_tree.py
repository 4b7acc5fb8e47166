import os
import shutil
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samebit import digest, places, records
from samebit.errors import Damaged, NotFound
from samebit.objects.store import SMALL_BYTES, Store
from samebit.objects.tree import SourceFile, lay_out, read_tree, save_tree
from samebit.records import TreeEntry, TreeRecord

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")

part = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8
).filter(lambda name: name not in (".", "..") and name.lower() != ".git")
paths = st.lists(part, min_size=1, max_size=3).map("/".join)
targets = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


def as_file(path: str, kind: str, content: bytes, target: str) -> SourceFile:
    return SourceFile(path, kind, target.encode() if kind == "link" else content)


source_files = st.builds(
    as_file, paths, st.sampled_from(["file", "exec", "link"]), st.binary(max_size=60), targets
)


def possible(files: list[SourceFile]) -> list[SourceFile]:
    """Those of the files that fit into one folder: no path twice, none below a file."""
    kept: dict[PurePosixPath, SourceFile] = {}
    for file in files:
        path = PurePosixPath(file.path)
        above = any(path in other.parents for other in kept)
        if path not in kept and not above and kept.keys().isdisjoint(path.parents):
            kept[path] = file
    return list(kept.values())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(places.make_store(tmp_path / ".samebit"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(places.make_store(tmp_path_factory.mktemp("trees") / ".samebit"))


def found_in(folder: Path) -> set[tuple[str, str, bytes]]:
    """Every file below a folder, no link followed."""
    found: set[tuple[str, str, bytes]] = set()
    for above, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(above, name)
            shown = path.relative_to(folder).as_posix()
            if path.is_symlink():
                found.add((shown, "link", os.fsencode(os.readlink(path))))
            elif path.is_file():
                kind = "exec" if path.stat().st_mode & 0o100 else "file"
                found.add((shown, kind, path.read_bytes()))
    return found


@given(st.lists(source_files, max_size=8).map(possible))
@settings(deadline=None)
def test_a_folder_comes_back_with_its_links_and_exec_bits(
    shared: Store, tmp_path_factory: pytest.TempPathFactory, files: list[SourceFile]
) -> None:
    name, tree = save_tree(shared, files)
    assert read_tree(Store(shared.path), name) == tree
    folder = tmp_path_factory.mktemp("laid out")
    lay_out(shared, tree, folder)
    assert found_in(folder) == {(file.path, file.kind, file.content) for file in files}
    shutil.rmtree(folder)


@given(st.lists(source_files, max_size=6).map(possible), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_name_of_a_tree_does_not_depend_on_the_order(
    shared: Store, files: list[SourceFile], order
) -> None:
    shuffled = list(files)
    order.shuffle(shuffled)
    assert save_tree(shared, shuffled) == save_tree(shared, files)


def test_a_tree_is_one_pack_and_its_large_files(store: Store) -> None:
    files = [SourceFile(f"src/{at}.py", "file", f"print({at})".encode()) for at in range(300)]
    save_tree(store, [*files, SourceFile("weights", "file", os.urandom(SMALL_BYTES))])
    assert len(store.pack_paths()) == 1
    assert len([p for p in (store.path / "objects").rglob("*") if p.is_file()]) == 1


def test_these_bytes_never_change(store: Store) -> None:
    files = [
        SourceFile("run.sh", "exec", b"#!/bin/sh\n"),
        SourceFile("a/b.py", "file", b"x = 1\n"),
        SourceFile("latest", "link", b"a/b.py"),
    ]
    assert save_tree(store, files)[0] == (
        "blake3:98c38e04b93fc41bfc6e4cfd8f1df7cb2d26461c736987c6b09e7f19ac5c5663"
    )


def keep(store: Store, entries: list[tuple[str, str]]) -> str:
    """A tree that nobody would save, put as bytes."""
    target = store.put(b"/")
    return store.put(
        records.encode(TreeRecord(tuple(TreeEntry(p, target, 1, k) for p, k in entries)))
    )


HOSTILE = [
    [("../outside", "file")],
    [("a/../../outside", "file")],
    [("..", "link")],
    [("/etc/outside", "file")],
    [("//outside", "file")],
    [("", "file")],
    [(".", "link")],
    [("./", "link")],
    [(".git/config", "file")],
    [("a/.git", "link")],
    [(".GIT/hooks/post-checkout", "exec")],
    [("a\0b", "file")],
    [("pipe", "fifo")],
    [("a", "link"), ("a/outside", "file")],
    [("a/outside", "file"), ("a", "link")],
    [("a", "link"), ("a/outside", "link")],
    [("a", "link"), ("a/b/c/outside", "link")],
    [("a", "file"), ("a/b", "file")],
    [("a", "link"), ("./a/outside", "link")],
    [("a", "file"), ("a", "file")],
    [("a", "file"), ("./a", "link")],
    [("a//b", "file"), ("a/b", "exec")],
]


@pytest.mark.parametrize("entries", HOSTILE, ids=str)
def test_a_tree_that_reaches_outside_is_refused(
    store: Store, entries: list[tuple[str, str]]
) -> None:
    name = keep(store, entries)
    with pytest.raises(Damaged, match="a tree names a path"):
        read_tree(store, name)


CLOSE = ["a", "a/b", "a/b/c", "a/./b", "b", "b/a", "../outside", "a/../../outside", "/outside"]


@given(
    st.lists(
        st.tuples(st.sampled_from(CLOSE), st.sampled_from(["file", "exec", "link", "link"])),
        max_size=5,
    )
)
@example([("a", "link"), ("a/b", "link")])
@example([("a", "link"), ("a/b/c", "link")])
@settings(deadline=None, max_examples=100)
def test_no_tree_writes_outside_its_folder(
    shared: Store, tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str]]
) -> None:
    """Each link leads out of the folder; even a record that was never checked writes none there."""
    top = tmp_path_factory.mktemp("top")
    (top / "outer" / "beside").mkdir(parents=True)
    link = shared.put(os.fsencode(top / "outer" / "beside"))
    tree = TreeRecord(tuple(TreeEntry(path, link, 1, kind) for path, kind in entries))
    try:
        read_tree(shared, shared.put(records.encode(tree)))
    except Damaged:
        # Refused already; what is left to see is that links alone open no way out.
        inside = [e for e in tree.entries if not {"..", ""} & set(e.path.split("/"))]
        tree = TreeRecord(tuple(inside))
    try:
        lay_out(shared, tree, top / "outer" / "folder")
    except OSError:
        pass
    assert [p.name for p in top.iterdir()] == ["outer"]
    assert {p.name for p in (top / "outer").iterdir()} <= {"beside", "folder"}
    assert not list((top / "outer" / "beside").iterdir())
    shutil.rmtree(top)


def test_what_is_there_already_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    _, tree = save_tree(store, [SourceFile("train.py", "file", b"new")])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train.py").write_bytes(b"the user's")
    with pytest.raises(FileExistsError):
        lay_out(store, tree, tmp_path / "folder")
    assert (tmp_path / "folder" / "train.py").read_bytes() == b"the user's"


def test_a_damaged_file_is_never_laid_out(store: Store, tmp_path: Path) -> None:
    content = os.urandom(SMALL_BYTES)
    _, tree = save_tree(store, [SourceFile("weights", "file", content)])
    (hurt,) = [p for p in (store.path / "objects").rglob("*") if p.is_file()]
    hurt.write_bytes(hurt.read_bytes()[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Damaged):
        lay_out(store, tree, tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())


def test_what_is_no_tree_is_damaged(store: Store) -> None:
    with pytest.raises(Damaged, match="TreeRecord"):
        read_tree(store, store.put(b"import this"))
    with pytest.raises(NotFound):
        read_tree(store, digest.of_bytes(b"nobody put this"))
