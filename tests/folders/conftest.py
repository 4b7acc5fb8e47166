from pathlib import Path

import pytest

from samebit import places
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


@pytest.fixture
def run(store: Path) -> RunFolder:
    return runs.begin(store)
