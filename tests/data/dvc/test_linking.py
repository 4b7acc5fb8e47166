"""What a run read and DVC keeps: told from the DVC files of then, and from bytes alone."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from samebit.data.dvc import knowing
from samebit.data.dvc.linking import Link, Projects
from samebit.digest import of_bytes
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from samebit.records import TreeEntry
from tests.data.dvc.projects import DvcProject, everything

IMAGES = {"1.png": b"one", "a/2.png": b"two"}


@pytest.fixture
def project(store: Store) -> DvcProject:
    return DvcProject(store.path.parent)


def code(store: Store, project: DvcProject) -> tuple[TreeEntry, ...]:
    """The DVC files as the snapshot of a run's code has them."""
    found = [*project.path.rglob("*.dvc"), *project.path.rglob("dvc.*")]
    files = [
        SourceFile(path.relative_to(project.path).as_posix(), "file", path.read_bytes())
        for path in found
        if path.is_file()
    ]
    return save_tree(store, files)[1].entries


def links(
    store: Store,
    project: DvcProject,
    entries: tuple[TreeEntry, ...],
    read: Mapping[str, bytes | None],
    budget_bytes: float = float("inf"),
) -> list[Link]:
    names = {
        str(project.path / path): None if data is None else of_bytes(data)
        for path, data in read.items()
    }
    return Projects(project.path, entries, store).links(names, budget_bytes)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_was_read_is_what_dvc_had_or_is_not(
    store: Store, project: DvcProject, legacy: bool
) -> None:
    project = DvcProject(project.path, legacy=legacy)
    project.add("data", IMAGES)
    project.lock({"prep": {"out/m": b"model"}})
    entries = code(store, project)
    before = everything(project.path, ".samebit")
    read = {"data/1.png": b"one", "data/a/2.png": b"two", "out/m": b"model", "x": b"x"}
    data, model = links(store, project, entries, read)
    assert (data.kept.out.file, data.files, data.total) == ("data.dvc", 2, 2)
    assert (data.same, data.differs, data.unknown) == (["1.png", "a/2.png"], [], [])
    assert (model.kept.out.stage, model.same) == ("prep", ["out/m"])
    (data,) = links(store, project, entries, {"data/1.png": b"two", "data/new": b"new"})
    assert (data.same, data.differs, data.unknown) == ([], ["1.png", "new"], [])
    assert everything(project.path, ".samebit") == before


def test_a_year_later_the_dvc_files_of_then_count(store: Store, project: DvcProject) -> None:
    project.add("data", IMAGES)
    entries = code(store, project)
    project.add("data", {**IMAGES, "1.png": b"changed"})
    (link,) = links(store, project, entries, {"data/1.png": b"one"})
    assert (link.same, link.kept.is_now, link.kept.is_there) == (["1.png"], False, False)
    # Where the record has none, those that lie there now are asked, and it is said.
    (link,) = links(store, project, (), {"data/1.png": b"one"})
    assert (link.differs, link.kept.is_now) == (["1.png"], True)


def test_what_is_not_here_is_not_known_and_no_guess(store: Store, project: DvcProject) -> None:
    listed = project.add("data", IMAGES)
    one = project.add("one", b"one")
    entries = code(store, project)
    (link,) = links(store, project, entries, {"data/1.png": None})
    assert (link.unknown, link.why) == (["1.png"], "no digest of it was recorded")
    project.damage(one)
    project.write("data/1.png", b"changed since")
    (link,) = links(store, project, entries, {"data/1.png": b"one"})
    assert link.unknown == ["1.png"]
    assert "cache is damaged" in link.why
    project.lose(one)
    (link,) = links(store, project, entries, {"data/1.png": b"one"})
    assert "neither in DVC's cache nor where they were" in link.why
    project.lose(listed)
    (link,) = links(store, project, entries, {"data/1.png": b"one"})
    assert (link.total, link.unknown) == (None, ["1.png"])
    assert "is not in DVC's cache" in link.why
    shutil.rmtree(project.path / ".dvc")
    (link,) = links(store, project, entries, {"data/1.png": b"one"})
    assert "not on this machine" in link.why


def test_what_was_computed_once_is_known(
    store: Store, project: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("data", IMAGES)
    entries = code(store, project)
    read = {"data/1.png": b"one", "data/a/2.png": b"two"}
    (link,) = links(store, project, entries, read, budget_bytes=3)
    assert (link.same, link.unknown) == (["1.png"], ["a/2.png"])
    assert "too much to read" in link.why
    (link,) = links(store, project, entries, read, budget_bytes=3)
    assert link.same == ["1.png", "a/2.png"]
    (link,) = links(store, project, entries, {"data/1.png": b"two"}, budget_bytes=0)
    assert link.differs == ["1.png"]
    (file,) = (store.path.parent.parent / "cache").glob("dvc-*.known")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (link,) = links(store, project, entries, read, budget_bytes=0)
    assert link.same == []  # a cache file that is hurt is none
    assert knowing.Known(project.path).find("md5", of_bytes(b"one")) == ()


def test_a_file_of_the_cache_stands_in_only_with_the_recorded_bytes(
    store: Store, project: DvcProject
) -> None:
    name = project.add("data/one", b"one")
    entries = code(store, project)
    path = str(project.path / "data/one")

    def find(content: bytes) -> tuple[Path | None, str]:
        return Projects(project.path, entries, store).find(path, of_bytes(content))

    assert find(b"one") == (project.at(name), "data/one.dvc")
    assert find(b"other") == (None, "what data/one.dvc had there is another content")
    project.damage(name)
    place, said = find(b"one")
    assert place is None
    assert "cache is damaged" in said
    assert "`dvc fetch data/one.dvc`" in said
    project.lose(name)
    assert "`dvc fetch data/one.dvc`" in find(b"one")[1]
    project.add("data/one", b"newer")
    assert "`dvc fetch --all-commits data/one.dvc`" in find(b"one")[1]
    # A content that was seen under another md5 is found by it.
    other = project.add("other", b"one")
    links(store, project, code(store, project), {"other": b"one"})
    assert find(b"one")[0] == project.at(other)
    assert Projects(project.path, entries, store).find(str(project.path / "x"), "") == (None, "")


def test_of_texts_in_two_forms_the_older_rule_tells_nothing_by_the_cache_alone(
    store: Store, project: DvcProject
) -> None:
    project = DvcProject(project.path, legacy=True)
    project.add("text", b"a\nb\n")
    entries = code(store, project)
    project.write("text", b"a\r\nb\r\n")
    (link,) = links(store, project, entries, {"text": b"a\r\nb\r\n"})
    assert link.same == ["text"]  # DVC has it for the same
    (link,) = links(store, project, entries, {"text": b"a\r\nb\n"})
    assert (link.same, link.differs, link.unknown) == ([], [], ["text"])
