"""Stores with runs and data of every kind, and places that can be made to fail."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samebit import places
from samebit.data import versions
from samebit.folders.find import list_runs
from samebit.objects.store import Store
from samebit.remotes import listing, pulling, pushing
from samebit.remotes.folder import FolderPlace
from samebit.remotes.place import Found, Guarantees, Place
from samebit.remotes.pulling import Pulled
from samebit.remotes.pushing import Pushed

__all__ = ["Watched", "files_of", "pull_all", "push_all"]

_GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs (finished, broken off, a replay), and a version of data."""
    made = places.make_store(tmp_path / "here" / ".samebit")
    for golden in ("store-1", "data-1"):
        for part in ("objects", "packs", "runs", "data"):
            if (_GOLDEN / golden / part).exists():
                shutil.copytree(_GOLDEN / golden / part, made / part, dirs_exist_ok=True)
    for path in made.rglob("*.sbj"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # a checkout made them new
    return Store(made)


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(places.make_store(tmp_path / "there" / ".samebit"))


@pytest.fixture
def place(tmp_path: Path) -> "Watched":
    (tmp_path / "remote").mkdir()
    return Watched(FolderPlace(tmp_path / "remote"))


class Watched:
    """A place that counts what is asked of it, and does what a test puts in between."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], object] = lambda what, path: None
        self.given: Callable[[str, bytes], bytes] = lambda path, data: data
        self.said: Callable[[Found], Found | None] = lambda found: found

    @property
    def url(self) -> str:
        return self.place.url

    @property
    def guarantees(self) -> Guarantees:
        return self.place.guarantees

    def _ask(self, what: str, path: str) -> None:
        self.asked.append((what, path))
        self.before(what, path)

    def put(self, path: str, data: bytes, *, new: bool = False) -> bool:
        self._ask("put", path)
        return self.place.put(path, data, new=new)

    def read(self, path: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        self._ask("read", path)
        yield self.given(path, b"".join(self.place.read(path, begin, end)))

    def find(self, path: str) -> Found | None:
        self._ask("find", path)
        found = self.place.find(path)
        return None if found is None else self.said(found)

    def list(self, folder: str) -> Iterator[Found]:
        self._ask("list", folder)
        listed = map(self.said, self.place.list(folder))
        return iter([found for found in listed if found is not None])

    def folders(self, folder: str) -> Iterator[str]:
        self._ask("folders", folder)
        return self.place.folders(folder)

    def remove(self, path: str) -> None:
        self._ask("remove", path)
        self.place.remove(path)


def push_all(store: Store, place: Place, *, kinds: tuple[str, ...] = pushing.KINDS) -> Pushed:
    """Push everything, as a process of its own would."""
    folders = sorted(list_runs(store.path), key=lambda one: one.id)
    return pushing.push(
        Store(store.path),
        place,
        folders,
        versions.list_names(store.path),
        kinds=kinds,
        rows=lambda ids: [{"id": run, "name": f"name of {run}"} for run in ids],
    )


def pull_all(store: Store, place: Place, *, kinds: tuple[str, ...] = pushing.KINDS) -> Pulled:
    """Pull everything, likewise."""
    runs, names = listing.list_runs(place), listing.list_names(place)
    return pulling.pull(Store(store.path), place, runs, names, kinds=kinds)


def files_of(store: Store) -> dict[str, bytes]:
    """Every file of the runs and of what was said of data."""
    found: dict[str, bytes] = {}
    for part in ("runs", "data"):
        for path in (store.path / part).rglob("*"):
            if path.is_file():
                found[str(path.relative_to(store.path))] = path.read_bytes()
    return found
