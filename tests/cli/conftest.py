from pathlib import Path

import pytest

from tests.cli import stores, verdicts


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, found from the working directory."""
    monkeypatch.setenv("SAMEBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMEBIT_DIR", raising=False)
    folder = stores.new_store(tmp_path / "project")
    monkeypatch.chdir(folder.parent)
    return folder


@pytest.fixture
def verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> verdicts.Verified:
    """A project with a run that was verified, and keys of its own."""
    found = verdicts.verified_run(tmp_path / "home")
    return verdicts.placed(found, tmp_path, monkeypatch)
