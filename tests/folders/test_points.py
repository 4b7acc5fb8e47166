"""A run's metrics as arrays are its metrics: of every rank, after every resume."""

import math
import random
from typing import Any

import pytest

from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.records import ExecutionEnd
from tests.folders.test_streams import execute, join, train

numpy = pytest.importorskip("numpy")


def numbers_of(view: View) -> dict[str, list[tuple[float, int, float]]]:
    """What `points` must have, from what is read one by one."""
    found: dict[str, list[tuple[float, int, float]]] = {}
    for name, column in view.metrics.items():
        rows = zip(column.steps, column.times_ns, column.values, strict=True)
        points = [
            (float(step), time_ns, float(value))
            for step, time_ns, value in rows
            if type(value) in (int, float) and math.isfinite(step)
        ]
        if points:
            found[name] = sorted(points)
    return found


def points_of(view: View) -> dict[str, list[tuple[float, int, float]]]:
    found: dict[str, list[tuple[float, int, float]]] = {}
    for name, points in view.points(numpy).items():
        columns = (points.steps.tolist(), points.times_ns.tolist(), points.values.tolist())
        found[name] = list(zip(*columns, strict=True))
        assert found[name] == sorted(found[name])
    return found


def check(run: RunFolder) -> dict[str, list[tuple[float, int, float]]]:
    view = read_run(run)
    found = points_of(view)
    assert found == numbers_of(view)
    return found


def test_one_process(run: RunFolder) -> None:
    execute(run)
    writer = join(run)
    for step in range(500):
        values: dict[str, Any] = {"loss": 1 / (step + 1), "lr": 0.1}
        if step % 10 == 0:
            values |= {"acc": step, "name": "x", "ok": True}
        writer.row(values, step)
    writer.close()
    assert {name: len(points) for name, points in check(run).items()} == {
        "loss": 500,
        "lr": 500,
        "acc": 50,
    }


def test_metrics_that_are_logged_together_share_their_steps(run: RunFolder) -> None:
    execute(run)
    writer = join(run)
    for step in range(100):
        writer.row({"a": 1.0, "b": 2.0}, step)
    writer.close()
    points = read_run(run).points(numpy)
    assert points["a"].steps is points["b"].steps
    assert points["a"].times_ns is points["b"].times_ns


def test_steps_out_of_order_and_again(run: RunFolder) -> None:
    execute(run)
    writer = join(run)
    source = random.Random(1)
    for at in range(300):
        writer.row({"a": float(at), "b": at}, source.randrange(50))
        writer.row({"a": float(-at)}, source.randrange(50) + 0.5)
    writer.close()
    found = check(run)
    assert len(found["a"]) == 100
    assert len(found["b"]) == 50


def test_the_lowest_rank_that_has_a_name(run: RunFolder) -> None:
    execute(run)
    for rank in ("10", "2", "0"):
        writer = join(run, rank)
        writer.row({"loss": float(rank), f"only {rank}": 1.0}, 1)
        writer.close()
    found = check(run)
    assert found["loss"][0][2] == 0.0
    assert set(found) == {"loss", "only 0", "only 2", "only 10"}


@pytest.mark.parametrize("log_again", [True, False])
def test_what_a_later_execution_did_again_counts_no_more(run: RunFolder, log_again: bool) -> None:
    number = execute(run)
    writer = join(run)
    train(writer, range(1, 11), 1)
    writer.row({"other": 5}, 9)
    writer.close()
    run.end_execution(number, ExecutionEnd(1, "killed"))
    execute(run)
    writer = join(run, execution=2)
    writer.fact("continued", {"execution": 2, "optimizer": 0, "count": 6, "by": "journal"})
    train(writer, range(7, 13), 2, log=log_again)
    writer.row({"other": 7}, 8)
    writer.close()
    found = check(run)
    assert [value for _, _, value in found["loss"]][:6] == [1] * 6
