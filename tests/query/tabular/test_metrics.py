"""Metrics as batches: each value to the bit, the same whether NumPy reads them or nobody does."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebit import places
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.query.tabular.columns import values_of
from samebit.query.tabular.metrics import long_batches, wide_batches
from tests.query.test_index import record

NAMES = st.sampled_from(["loss", "val/acc", "ü", "=1+1"])
NUMBERS = st.floats() | st.integers(-(2**53), 2**53)
ANYTHING = NUMBERS | st.booleans() | st.text(max_size=3) | st.integers(-(2**70), 2**70)
STEPS = st.integers(-5, 5)
ODD_STEPS = STEPS | st.floats() | st.integers(-(2**70), 2**70)


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if type(value) is float else value


def long_rows(run: RunFolder, numpy: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(map(bits, row))
        for batch in long_batches(read_run(run), numpy)
        for row in zip(*(values_of(c, batch.rows) for c in batch.columns), strict=True)
    ]


def written(folder: Path, rows: list[tuple[Any, dict[str, Any]]]) -> RunFolder:
    store = places.make_store(folder / f"{len(list(folder.iterdir()))}" / ".samebit")
    return record(store, rows=rows, settled=False, steps_given=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(ODD_STEPS, st.dictionaries(NAMES, ANYTHING, min_size=1))))
def test_every_value_of_any_kind_is_there_with_its_step_and_time(
    rows: list[tuple[Any, dict[str, Any]]], tmp_path: Path
) -> None:
    run = written(tmp_path, rows)
    metrics = read_run(run).metrics
    expected: set[Any] = set()
    for name, column in metrics.items():
        for step, time_ns, value in zip(column.steps, column.times_ns, column.values, strict=True):
            expected.add((run.id, name, str(_plain(step)), time_ns, _told(value)))
    found: set[Any] = set()
    for _, name, step, time_ns, value, text, odd in long_rows(run, np):
        assert (step is None) is (odd is not None)
        found.add((run.id, name, odd if step is None else str(step), time_ns, (value, text)))
    assert found == expected


def _plain(step: Any) -> Any:
    return int(step) if isinstance(step, float) and step.is_integer() else step


def _told(value: Any) -> tuple[Any, Any]:
    """The number as bits, and the text where that is not all: written out once more, by hand."""
    if isinstance(value, bool):
        return bits(float(value)), "true" if value else "false"
    if isinstance(value, str):
        return None, value
    number = float(value)
    exact = type(value) is float or int(number) == value
    return bits(number), None if exact else str(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(ODD_STEPS, st.dictionaries(NAMES, ANYTHING, min_size=1))))
def test_with_numpy_and_without_the_rows_are_the_same_in_the_same_order(
    rows: list[tuple[Any, dict[str, Any]]], tmp_path: Path
) -> None:
    run = written(tmp_path, rows)
    assert long_rows(run, np) == long_rows(run, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.tuples(STEPS, st.dictionaries(NAMES, NUMBERS, min_size=1)), min_size=1, max_size=30
    )
)
def test_plain_numbers_come_as_arrays_and_to_the_bit(
    rows: list[tuple[int, dict[str, Any]]], tmp_path: Path
) -> None:
    run = written(tmp_path, rows)
    batches = list(long_batches(read_run(run), np))
    assert all(isinstance(batch.columns[4], np.ndarray) for batch in batches)
    assert long_rows(run, np) == long_rows(run, None)


@pytest.mark.parametrize("value", [True, "text", 2**53 + 1, -(2**60) - 1, 10**400])
def test_one_value_that_float64_does_not_hold_is_enough_to_look_at_each(
    value: Any, tmp_path: Path
) -> None:
    run = written(tmp_path, [(1, {"loss": 0.5}), (2, {"loss": value}), (3, {"loss": 0.25})])
    assert read_run(run).exact_points(np) is None
    rows = long_rows(run, np)
    assert [row[2] for row in rows] == [1, 2, 3]
    assert [row[5] for row in rows] == [None, str(value).lower(), None]


def test_steps_ascend_and_names_are_in_order_however_they_were_logged(tmp_path: Path) -> None:
    run = written(tmp_path, [(3, {"b": 1.0}), (1, {"b": 2.0, "a": 3.0}), (3, {"b": 4.0})])
    shown = [(row[1], row[2], struct.unpack("<d", row[4])[0]) for row in long_rows(run, np)]
    assert shown == [("a", 1, 3.0), ("b", 1, 2.0), ("b", 3, 4.0)]  # the later of one step counts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.tuples(STEPS, st.dictionaries(NAMES, NUMBERS, min_size=1)), min_size=1, max_size=20
    )
)
def test_wide_rows_are_the_long_ones_and_what_is_missing_is_nothing(
    rows: list[tuple[int, dict[str, Any]]], tmp_path: Path
) -> None:
    run = written(tmp_path, rows)
    names = sorted({name for _, values in rows for name in values})
    found: dict[bool, list[Any]] = {}
    for with_numpy in (True, False):
        numpy = np if with_numpy else None
        found[with_numpy] = [
            tuple(map(bits, row))
            for batch in wide_batches(read_run(run), names, numpy)
            for row in zip(*(values_of(c, batch.rows) for c in batch.columns), strict=True)
        ]
    assert found[True] == found[False]
    long = {(row[1], row[2]): row[4] for row in long_rows(run, np)}
    assert [row[1] for row in found[True]] == sorted({step for _, step in long})
    for row in found[True]:
        for name, value in zip(names, row[4:], strict=True):
            assert value == long.get((name, row[1]))


def test_what_is_no_number_at_all_is_nan_and_not_nothing(tmp_path: Path) -> None:
    run = written(tmp_path, [(1, {"loss": math.nan, "acc": 1.0}), (2, {"acc": 0.5})])
    (batch,) = wide_batches(read_run(run), ["acc", "loss"], np)
    loss = list(values_of(batch.columns[5], batch.rows))
    assert math.isnan(loss[0])
    assert loss[1] is None
