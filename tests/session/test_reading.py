"""Reading a store's runs in Python."""

from pathlib import Path

import pytest

import samebit
from samebit import places
from samebit.folders import folder as runs


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return places.make_store(tmp_path / ".samebit")


def test_what_cannot_be_read_does_not_hide_the_rest(store: Path) -> None:
    whole, hurt, newer = (runs.begin(store) for _ in range(3))
    (hurt.path / "run.json").write_bytes(b"{")
    (newer.path / "run.json").write_bytes(b'{"format":"samebit-run 2"}')
    (store / "runs" / "0000000000").mkdir()  # as a process leaves it that is killed at once
    with pytest.warns(UserWarning, match="3 run folders cannot be read") as said:
        found = samebit.runs(store=store)
    assert [run.id for run in found] == [whole.id]
    assert __file__ == said[0].filename


def test_where_all_can_be_read_nothing_is_said(store: Path) -> None:
    begun = [runs.begin(store).id for _ in range(3)][::-1]
    assert [run.id for run in samebit.runs(store=store)] == begun
