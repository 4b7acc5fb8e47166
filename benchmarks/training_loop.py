"""What logging costs inside a real training loop, where it finds the caches cold.

A small convolutional network is trained on noise in one process and one torch thread. Blocks of
steps with a logger stand between blocks without one; each step logs ten values, `loss.item()` one
of them, which every block calls.
"""

import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import measure
from measure import clock

from samebit.session.run import Run

ROUNDS = 100
STEPS = 5  # in a block

Log = Callable[[dict[str, float], int], Any]


@dataclass
class Logger:
    """A way to log, and what was measured of it, in nanoseconds."""

    name: str
    log: Log
    rest: Callable[[], object] = lambda: None  # lets its threads and services finish
    calls: list[int] = field(default_factory=list)
    added: list[float] = field(default_factory=list)  # to the median step, one a round
    shares: list[float] = field(default_factory=list)


def main() -> None:
    """Print the table."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        recording = measure.new_recording(folder)
        run = Run(recording, lambda *_: None)
        fd = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        frame = os.urandom(123)  # what samebit writes for these ten values
        loggers = [
            Logger("nothing", lambda _, __: None),
            Logger("bare os.write", lambda _, __: os.write(fd, frame)),
            Logger("samebit", run.log),
            *_peers(folder),
        ]
        plain = _measure(loggers)
        os.close(fd)
        recording.writer.close()
    _print(loggers)
    low, high = measure.quartiles(plain)
    print(f"A step without a logger: {statistics.median(plain) / 1e6:.2f} ms", end=" ")
    print(f"(quartiles {low / 1e6:.2f} to {high / 1e6:.2f}). {measure.load()}")


def _peers(folder: Path) -> list[Logger]:
    found: list[Logger] = []
    board = measure.tensorboard_writer(folder / "tensorboard")
    if board is not None:

        def add(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                board.add_scalar(name, value, step)

        found.append(Logger("TensorBoard", add, board.flush))
    wandb = measure.wandb_run(folder)
    if wandb is not None:
        rest = functools.partial(time.sleep, 0.1)
        found.append(Logger("wandb offline", lambda values, _: wandb.log(values), rest))
    return found


def _measure(loggers: list[Logger]) -> list[float]:
    """Train with each logger in turn; the times of all steps without one."""
    step = _training()
    for _ in range(8 * STEPS):
        next(step)
    plain: list[float] = []
    count = 0
    for _ in range(ROUNDS):
        for logger in loggers:
            before = _block(step, None, count)
            during = _block(step, logger, count)
            logger.rest()
            after = _block(step, None, count)
            count += STEPS
            without = statistics.median([*before, *after])
            logger.added.append(statistics.median(during) - without)
            logger.shares.append(statistics.median(during) / without - 1)
            plain += [*before, *after]
    return plain


def _block(step: Iterator[float], logger: Logger | None, count: int) -> list[int]:
    times: list[int] = []
    for number in range(count, count + STEPS):
        began = clock()
        loss = next(step)
        values = {f"train/metric_{at}": loss * at for at in range(10)}
        if logger is not None:
            called = clock()
            logger.log(values, number)
            logger.calls.append(clock() - called)
        times.append(clock() - began)
    return times


def _training() -> Iterator[float]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        *(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(48 * 64, 10)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))
    while True:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        yield loss.item()


def _print(loggers: list[Logger]) -> None:
    floor = statistics.median(loggers[1].calls)
    rows: list[list[str]] = []
    for logger in loggers:
        call = statistics.median(logger.calls)
        low, high = measure.quartiles(logger.shares)
        rows.append(
            [
                logger.name,
                f"{call / 1e3:.1f}",
                f"{measure.percentile(logger.calls, 0.99) / 1e3:.0f}",
                f"{call / floor:.1f}",
                f"{statistics.median(logger.added) / 1e3:+.0f}",
                f"{statistics.median(logger.shares):+.2%} ({low:+.2%} to {high:+.2%})",
            ]
        )
    head = [
        "logger",
        "call µs",
        "p99 µs",
        "over a bare write",
        "added to a step, µs",
        "share of it",
    ]
    measure.print_table(head, rows)


if __name__ == "__main__":
    main()
