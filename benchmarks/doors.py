"""What `wandb.log` of our shape costs beside `run.log`, and beside the real wandb offline.

Blocks of calls take turns in one process; the real one is there in `.venv/peers/bin/python`. The
target is 2 µs more than `run.log` for each value.
"""

import functools
import gc
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import measure
from measure import clock

ROUNDS = 40
CALLS = 500
TARGET_US = 2.0

Log = Callable[[dict[str, float]], Any]


def main() -> None:
    """Print the table."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        os.environ["SAMEBIT_DIR"] = str(folder / ".samebit")
        os.environ["SAMEBIT_CONSOLE"] = "off"
        os.chdir(folder)
        import samebit.compat.wandb as shape
        from samebit.session.process import end, here
        from samebit.session.run import Run

        run = shape.init(project="doors")
        assert here.active is not None
        native = Run(here.active, end)
        counted = shape.init(reinit="return_previous")
        real = measure.wandb_run(folder)
        rows: list[list[object]] = []
        for values in (1, 10):
            row = {f"train/metric_{at}": at / 7 for at in range(values)}
            cases: dict[str, Log] = {
                "run.log": functools.partial(_native, native),
                "shape of wandb": counted.log,
            }
            if real is not None:
                cases["wandb offline"] = real.log
            found = _measure(cases, row)
            rows += [_line(name, values, found) for name in cases]
        run.finish()
    head = ["µs a call", "values", "median", "more than run.log, a value", "ratio to run.log"]
    measure.print_table(head, rows)
    print(f"Target: at most {TARGET_US} µs more for each value. {measure.load()}")


_step = 0


def _native(run: Any, row: dict[str, float]) -> None:
    global _step
    _step += 1
    run.log(row, _step)


def _measure(cases: dict[str, Log], row: dict[str, float]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in cases}
    for name, log in cases.items():
        _block(log, row)  # names are met
        times[name].clear()
    gc.collect()
    for _ in range(ROUNDS):
        for name, log in cases.items():
            times[name].append(_block(log, row))
            if name.startswith("wandb"):
                time.sleep(0.2)  # lets its service finish
    return times


def _block(log: Log, row: dict[str, float]) -> float:
    """Microseconds a call, of processor and waiting."""
    began = clock()
    for _ in range(CALLS):
        log(row)
    return (clock() - began) / CALLS / 1e3


def _line(name: str, values: int, found: dict[str, list[float]]) -> list[object]:
    base = found["run.log"]
    more = statistics.median(a - b for a, b in zip(found[name], base, strict=True)) / values
    ratio = measure.median_ratio(found[name], base)
    return [name, values, f"{statistics.median(found[name]):.2f}", f"{more:.2f}", f"{ratio:.2f}"]


if __name__ == "__main__":
    main()
