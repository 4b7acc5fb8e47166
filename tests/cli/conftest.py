from pathlib import Path

import pytest

from samebit.cli.main import main
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


@pytest.fixture
def certificate(capsys: pytest.CaptureFixture[str]) -> verdicts.Certificate:
    """`samebit certificate` with words: how it must end, what it must say; what it said."""

    def call(*words: object, ends: int | set[int] = 0, says: str = "") -> str:
        capsys.readouterr()
        code = main(["certificate", *map(str, words)])
        found = capsys.readouterr()
        text = found.out + found.err
        assert code in (ends if isinstance(ends, set) else {ends}), (words, code, text)
        assert says in text
        return text

    return call
