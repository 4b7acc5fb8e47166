"""What `run.log()` costs against a bare `os.write` of the same bytes, and against its peers.

Each logger's block of calls follows a block of the bare write, in one process. Once each call is
timed, and the cost of looking at the clock taken off; once a whole block is. The second flatters
the bare write, which then has the caches and the branch predictor to itself.
"""

import functools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
from measure import clock

from samebit.session.run import Run

ROUNDS = 60
ROWS = 512  # different ones, so that a call does not find its floats in the nearest cache
TARGET = 3.0

Log = Callable[[dict[str, float], int], Any]


@dataclass(frozen=True)
class Logger:
    """A way to log: the call, the rows it is given, how many calls make a block."""

    name: str
    log: Log
    rows: list[dict[str, float]]
    frame: bytes  # what the bare write beside it writes
    calls: int = 500
    rest: Callable[[], object] = lambda: None  # lets its threads and services finish


@dataclass(frozen=True)
class Figures:
    """What was measured of one logger, in nanoseconds a call."""

    calls: list[int]
    blocks: list[float]
    call_ratio: float
    block_ratio: float
    bare: float
    spread: tuple[float, float]  # quartiles of the ratio over the rounds


def main() -> None:
    """Print the table."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        recording = measure.new_recording(folder)
        run = Run(recording, lambda *_: None)
        ten, one = _rows(10), _rows(1)
        ten_frame, one_frame = (
            os.urandom(_frame_bytes(run, ten)),
            os.urandom(_frame_bytes(run, one)),
        )
        loggers = [
            Logger("samebit, 10 metrics", run.log, ten, ten_frame),
            Logger("samebit, 1 metric", run.log, one, one_frame),
            *_peers(folder, ten, ten_frame),
        ]
        fd = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        found = {logger.name: _measure(logger, fd) for logger in loggers}
        os.close(fd)
        recording.writer.close()
    _print(found)
    print(f"The same bytes: {len(ten_frame)} for 10 metrics, {len(one_frame)} for 1.")
    ratio = found["samebit, 10 metrics"].call_ratio
    print(f"Target: at most {TARGET:.0f} x; measured {ratio:.2f} x. {measure.load()}")


def _rows(metrics: int) -> list[dict[str, float]]:
    return [
        {f"train/metric_{number}": (at * 10 + number) / 7 for number in range(metrics)}
        for at in range(ROWS)
    ]


def _frame_bytes(run: Run, rows: list[dict[str, float]]) -> int:
    """What one call appends, once its names are known and its step is of the usual size."""
    assert run.path is not None
    sizes: list[int] = []
    for step in range(70_000, 70_003):
        run.log(rows[1], step)
        sizes.append(sum(path.stat().st_size for path in (run.path / "journal").iterdir()))
    return sizes[-1] - sizes[-2]


def _peers(folder: Path, rows: list[dict[str, float]], frame: bytes) -> list[Logger]:
    found: list[Logger] = []
    board = measure.tensorboard_writer(folder / "tensorboard")
    if board is not None:

        def add(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                board.add_scalar(name, value, step)

        found.append(Logger("TensorBoard, 10 metrics", add, rows, frame, 50, board.flush))
    wandb = measure.wandb_run(folder)
    if wandb is not None:
        name, rest = "wandb offline, 10 metrics", functools.partial(time.sleep, 0.2)
        found.append(Logger(name, lambda row, _: wandb.log(row), rows, frame, 50, rest))
    return found


def _measure(logger: Logger, fd: int) -> Figures:
    """Blocks in turn: bare write, logger, bare write, logger…"""
    frames = [(fd, logger.frame)] * logger.calls
    calls: list[int] = []
    blocks: list[float] = []
    call_ratios: list[float] = []
    block_ratios: list[float] = []
    bares: list[float] = []
    for number in range(ROUNDS):
        first = 100_000 + 2 * number * logger.calls
        steps = range(first, first + 2 * logger.calls)
        rows = [(logger.rows[step % ROWS], step) for step in steps]
        empty = _clock_ns()
        bare_median = statistics.median(_each(os.write, frames)) - empty
        taken = [max(0, int(ns - empty)) for ns in _each(logger.log, rows[: logger.calls])]
        logger.rest()
        bare_block = _whole(os.write, frames)
        block = _whole(logger.log, rows[logger.calls :])
        logger.rest()
        calls += taken
        blocks.append(block)
        bares.append(bare_median)
        call_ratios.append(statistics.median(taken) / bare_median)
        block_ratios.append(block / bare_block)
    return Figures(
        calls,
        blocks,
        statistics.median(call_ratios),
        statistics.median(block_ratios),
        statistics.median(bares),
        measure.quartiles(call_ratios),
    )


def _clock_ns() -> float:
    """What looking at the clock twice adds to a call."""
    times: list[int] = []
    for _ in range(200):
        began = clock()
        times.append(clock() - began)
    return statistics.median(times)


def _each(function: Callable[[Any, Any], Any], arguments: list[tuple[Any, Any]]) -> list[int]:
    times: list[int] = []
    for first, second in arguments:
        began = clock()
        function(first, second)
        times.append(clock() - began)
    return times


def _whole(function: Callable[[Any, Any], Any], arguments: list[tuple[Any, Any]]) -> float:
    began = clock()
    for first, second in arguments:
        function(first, second)
    return (clock() - began) / len(arguments)


def _print(found: dict[str, Figures]) -> None:
    rows: list[list[str]] = []
    for name, of in found.items():
        low, high = of.spread
        rows.append(
            [
                name,
                f"{statistics.median(of.calls) / 1e3:.2f}",
                f"{measure.percentile(of.calls, 0.99) / 1e3:.1f}",
                f"{max(of.calls) / 1e6:.2f}",
                f"{of.bare / 1e3:.2f}",
                f"{of.call_ratio:.2f} ({low:.2f} to {high:.2f})",
                f"{of.block_ratio:.2f}",
            ]
        )
    head = [
        "µs a call",
        "median",
        "p99",
        "worst ms",
        "bare write",
        "ratio (quartiles)",
        "in a block",
    ]
    measure.print_table(head, rows)


if __name__ == "__main__":
    main()
