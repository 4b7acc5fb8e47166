"""A store, and a folder of data beside it."""

import random
from pathlib import Path

import pytest

from samebit import places
from samebit.data import remembering
from samebit.objects.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remembering, "_SETTLED_NS", 0)  # what was written just now counts, too
    return Store(places.make_store(tmp_path / "project" / ".samebit"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "train"
    for name, size in {"a.bin": 10, "b/c.bin": 100_000, "b/large.bin": 3 << 20, "empty": 0}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(random.Random(name).randbytes(size))
    (path / "nothing").mkdir()
    (path / "link").symlink_to("b/c.bin")
    (path / "run.sh").write_text("echo\n" * 1000)
    (path / "run.sh").chmod(0o755)
    return path
