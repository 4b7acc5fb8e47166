"""A folder that was listed is known with its names and the order in which they came."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samebit.capture import locks
from samebit.capture.listings import ListingWatch


def listed(*folders: Path) -> list[dict[str, Any]]:
    """What is told of folders that are listed here."""
    facts: list[dict[str, Any]] = []
    trouble: list[object] = []
    watch = ListingWatch(
        facts.append, lambda job: job(), (), lambda source, error: trouble.append(error)
    )
    watch.install()
    try:
        for folder in folders:
            os.listdir(folder)
    finally:
        watch.finish()
    assert trouble == []
    return facts


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """Folders of a file system that gives names in the order of their making."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no file system in memory here: another would have to be made")
    folder = Path("/dev/shm") / f"samebit-listings-{os.getpid()}"
    folder.mkdir()
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_the_same_names_in_another_order_are_told_apart(in_memory: Path) -> None:
    for name, files in (("a", "xyz"), ("b", "zyx"), ("c", "xyz")):
        (in_memory / name).mkdir()
        for file in files:
            (in_memory / name / file).touch()
    first, second, third = listed(*(in_memory / name for name in "abc"))
    assert first["names"] == second["names"] == ["x", "y", "z"]
    assert first["order"] == third["order"] != second["order"]
    assert {first["sorted"], second["sorted"]} == {True, False}


def test_an_unchanged_folder_has_its_order_again(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number * 7919 % 1000}.png").touch()
    (first,), (second,) = listed(tmp_path), listed(tmp_path)
    assert first == second
    assert first["sorted"] == (os.listdir(tmp_path) == sorted(os.listdir(tmp_path)))


def test_what_we_list_ourselves_is_none_of_the_scripts(tmp_path: Path) -> None:
    """The folder in which lock files are looked for."""
    (tmp_path / "uv.lock").touch()
    facts: list[dict[str, Any]] = []
    watch = ListingWatch(facts.append, lambda job: job(), (), lambda source, error: None)
    watch.install()
    try:
        assert locks.find(tmp_path, None) == [tmp_path / "uv.lock"]
        assert facts == []
        os.listdir(tmp_path)
    finally:
        watch.finish()
    assert [fact["path"] for fact in facts] == [str(tmp_path)]
