"""A store with a few runs, made once for the tests that only look."""

from pathlib import Path

import pytest

from samebit import places
from samebit.objects.store import Store
from samebit.objects.tree import SourceFile, save_tree
from tests.server.recorded import record

pytest.importorskip("numpy")
pytest.importorskip("starlette")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / "project" / places.STORE_NAME)


@pytest.fixture(scope="session")
def some_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds at one rate, one at another, and one that failed."""
    store = places.make_store(tmp_path_factory.mktemp("some") / "project" / places.STORE_NAME)
    files = [SourceFile("train.py", "file", b"print('<b>')\n"), SourceFile("b", "file", b"\0\xff")]
    tree, _ = save_tree(Store(store), files)
    for at, rate in enumerate((0.1, 0.1, 0.1, 0.01)):
        rows = [({"loss": (1 + at) / (step + 1), "acc": step / 50}, step) for step in range(50)]
        config = {"lr": rate, "seed": at}
        run = record(store, config=config, rows=rows, seed=at, name=f"n{at}", tree=tree)
        (run.console(1) / "0.log").write_text("héllo\n" * 10)
    record(store, config={"lr": 0.1, "seed": 9}, rows=[({"loss": 9.0}, 0)], status="failed")
    return store
