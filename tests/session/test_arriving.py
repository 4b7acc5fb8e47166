"""Metrics on a device: logged without waiting, written with the time at which they were.

The device here is a number that is not there yet.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit import places
from samebit.errors import UsageError
from samebit.folders import folder as runs
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.session.arriving import Arriving


class Far:
    """A number that lies on a device."""

    is_cuda = True

    def __init__(self, value: float, shape: tuple[int, ...] = (), late: int | None = 0) -> None:
        self.value, self.shape, self.late = value, shape, late

    def dim(self) -> int:
        return len(self.shape)


class Near:
    """Its copy in the host's memory."""

    shape = ()

    def __init__(self) -> None:
        self.value = 0.0

    def item(self) -> float:
        return self.value


def fetch(far: Far) -> tuple[Near, Any]:
    near, left = Near(), [far.late]

    def has_come() -> bool:
        if left[0]:
            left[0] -= 1
        if left[0] == 0:
            near.value = far.value
        return left[0] == 0

    return near, has_come


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebit.session.arriving._POLL_S", 0)
    monkeypatch.setattr("samebit.trace.cards.is_there", lambda value: isinstance(value, Far))
    monkeypatch.setattr("samebit.session.arriving._PATIENCE_S", 0.2)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_rows_are_written_whole_in_their_order_and_with_their_times(delays: list[int]) -> None:
    rows: list[tuple[Any, int, int]] = []

    def write(values: Mapping[str, Any], step: int, time_ns: int) -> None:
        rows.append(({"loss": values["loss"].item(), "lr": values["lr"]}, step, time_ns))

    arriving = Arriving(write, fetch)
    for step, late in enumerate(delays):
        arriving.take({"loss": Far(step / 8, late=late), "lr": 0.1}, step)
        arriving.look()
    assert arriving.wait() == 0
    expected = [({"loss": step / 8, "lr": 0.1}, step) for step in range(len(delays))]
    assert [row[:2] for row in rows] == expected
    assert [time for *_, time in rows] == sorted(time for *_, time in rows)


def test_a_row_that_comes_late_stands_where_it_was_logged(tmp_path: Path) -> None:
    folder = runs.begin(places.make_store(tmp_path / ".samebit"))
    writer = Writer(folder.journal, folder.id, "0")
    arriving = Arriving(writer.row, fetch)
    arriving.take({"loss": Far(1.0, late=3), "nested": {"acc": Far(0.5, late=1)}}, 1)
    arriving.take({"loss": Far(2.0, late=1)}, 2)
    arriving.take({"again": Far(3.0, late=1)}, 2)
    writer.row({"again": 4.0}, 2)  # of two of the same step, the later one counts
    writer.row({"loss": 5.0}, 3)
    assert arriving.wait() == 0
    writer.close()
    found = {name: (c.steps, c.values) for name, c in read_run(folder).metrics.items()}
    assert found == {
        "loss": ([1, 2, 3], [1.0, 2.0, 5.0]),
        "nested.acc": ([1], [0.5]),
        "again": ([2], [4.0]),
    }


@pytest.mark.parametrize("wrong", [Far(1.0, (3,)), None, "\ud800"])
def test_what_is_no_number_is_refused_when_it_is_logged(tmp_path: Path, wrong: Any) -> None:
    rows: list[Any] = []
    arriving = Arriving(lambda *row: rows.append(row), fetch)
    values = {"loss": Far(1.0), **({1: 2} if wrong == "\ud800" else {"wrong": wrong})}
    with pytest.raises(UsageError):
        arriving.take(values, 1)  # type: ignore[arg-type]
    assert arriving.wait() == 0
    assert rows == []


def test_a_device_that_hangs_holds_nobody_for_ever() -> None:
    rows: list[Any] = []
    arriving = Arriving(lambda *row: rows.append(row), fetch)
    arriving.take({"loss": Far(1.0, late=None)}, 1)
    arriving.take({"loss": Far(2.0)}, 2)
    assert arriving.wait() == 2
    assert rows == []


def test_rows_do_not_pile_up_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebit.session.arriving._MOST", 3)
    rows: list[Any] = []
    arriving = Arriving(lambda *row: rows.append(row), fetch)
    draw = random.Random(1)
    for step in range(50):
        arriving.take({"loss": Far(1.0, late=draw.randint(1, 9))}, step)
        assert len(rows) >= step - 2
