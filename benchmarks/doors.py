"""What a door costs: beside `run.log` with the same values, and beside the library's own loop.

First, calls as a framework makes them, of one value and of ten; blocks of them take turns in one
process. The target is 2 µs more than `run.log` for each value. The real wandb is there in
`.venv/peers/bin/python`. Then, whole trainings of boosting libraries, which have no call to time.
"""

import functools
import gc
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measure
from measure import clock

ROUNDS = 40
CALLS = 200
LOOPS = 15
TARGET_US = 2.0

Row = dict[str, float]
Log = Callable[[Row], Any]


def main() -> None:
    """Print the tables."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        os.environ["SAMEBIT_DIR"] = str(folder / ".samebit")
        os.environ["SAMEBIT_CONSOLE"] = "off"
        os.environ.setdefault("KERAS_BACKEND", "torch")
        os.chdir(folder)
        import samebit.compat.wandb as shape
        from samebit.session.process import end, here
        from samebit.session.run import Run

        run = shape.init(project="doors")
        assert here.active is not None
        native = Run(here.active, end)
        rows: list[list[object]] = []
        doors = {**_doors(), "wandb's shape": shape.init(reinit="return_previous").log}
        real = measure.wandb_run(folder)
        if real is not None:
            doors["wandb offline"] = real.log
        for values in (1, 10):
            row = {f"train/metric_{at}": at / 7 for at in range(values)}
            cases = {"run.log": functools.partial(_native, native), **doors}
            found = _measure(cases, row)
            rows += [_line(name, values, found) for name in cases]
        loops = [_loop(name, make()) for name, make in LIBRARIES.items() if measure.peer(name)]
        summaries = _summaries(folder, native)
        run.finish()
    head = ["µs a call", "values", "median", "more than run.log, a value", "ratio to run.log"]
    measure.print_table(head, rows)
    print(f"Target: at most {TARGET_US} µs more for each value. {measure.load()}\n")
    if summaries:
        head = ["µs a call", "median", "quartiles"]
        measure.print_table(head, summaries)
    head = ["a round", "values", "alone, µs", "recorded, µs", "of it scores, µs a value"]
    measure.print_table(head, loops)


# A door each: given a row, what its framework calls with that row.


def _doors() -> dict[str, Log]:
    made = {
        "transformers": _transformers,
        "lightning": _lightning,
        "accelerate": _accelerate,
        "ignite": _ignite,
        "keras": _keras,
    }
    return {name: make() for name, make in made.items() if measure.peer(name) is not None}


def _transformers() -> Log:
    from samebit.integrations.transformers import SamebitCallback

    callback = SamebitCallback()
    state = SimpleNamespace(is_world_process_zero=True, global_step=0)

    def log(row: Row) -> None:
        state.global_step += 1
        callback.on_log(None, state, None, logs=row)

    return log


def _lightning() -> Log:
    from samebit.integrations.lightning import SamebitLogger

    logger = SamebitLogger()
    return lambda row: logger.log_metrics(row, _next())


def _accelerate() -> Log:
    from samebit.integrations.accelerate import SamebitTracker

    tracker = SamebitTracker()
    return lambda row: tracker.log(row, step=_next())


def _ignite() -> Log:
    from samebit.integrations.ignite import SamebitLogger

    logger = SamebitLogger()
    return lambda row: logger.log(row, _next())


def _keras() -> Log:
    from samebit.integrations.keras import SamebitCallback

    callback = SamebitCallback()
    return lambda row: callback.on_epoch_end(0, row)  # with `epoch`, a value more


_step = 0


def _next() -> int:
    global _step
    _step += 1
    return _step


def _native(run: Any, row: Row) -> None:
    run.log(row, _next())


def _measure(cases: dict[str, Log], row: Row) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in cases}
    for log in cases.values():
        _block(log, row)  # names are met
    gc.collect()
    for _ in range(ROUNDS):
        for name, log in cases.items():
            times[name].append(_block(log, row))
            if name == "wandb offline":
                time.sleep(0.2)  # lets its service finish
    return times


def _block(log: Log, row: Row) -> float:
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


# What is met at its methods: the writer's own call, and the same recorded.


def _summaries(folder: Path, native: Any) -> list[list[object]]:
    """`add_scalar` alone and recorded, of the processor: its writer has a thread of its own."""
    writer = measure.tensorboard_writer(folder / "events")
    recorded = type(writer).add_scalar
    alone = getattr(recorded, "__wrapped__", None)
    if alone is None:
        print("left out: SummaryWriter, whose module is not met\n")
        return []
    cases: dict[str, Callable[[], object]] = {
        "add_scalar alone": lambda: alone(writer, "a", 0.5, _next()),
        "recorded": lambda: recorded(writer, "b", 0.5, _next()),
        "run.log": lambda: native.log({"c": 0.5}, _next()),
    }
    times = measure.take_turns(
        {name: functools.partial(_processor, call) for name, call in cases.items()}, ROUNDS
    )
    added = [
        both - bare for both, bare in zip(times["recorded"], times["add_scalar alone"], strict=True)
    ]
    over = [more - row for more, row in zip(added, times["run.log"], strict=True)]
    writer.close()
    rows = {**times, "recorded adds": added, "of it without the row": over}
    return [
        [
            name,
            f"{statistics.median(one):.2f}",
            " to ".join(f"{q:.2f}" for q in measure.quartiles(one)),
        ]
        for name, one in rows.items()
    ]


def _processor(call: Callable[[], object]) -> float:
    """Microseconds a call, of this thread alone."""
    began = time.thread_time_ns()
    for _ in range(CALLS):
        call()
    return (time.thread_time_ns() - began) / CALLS / 1e3


# Trainings: alone, recorded, and recorded without scores, in turns.

_BOOSTED = 50


def _xgboost() -> Callable[[bool], object]:
    import numpy as np
    import xgboost

    data = np.random.default_rng(0).normal(size=(2000, 8))
    train = xgboost.DMatrix(data, data[:, 0] > 0)
    params = {"max_depth": 3, "nthread": 1, "objective": "binary:logistic"}
    params |= {"eval_metric": ["logloss", "auc"]}

    def fit(scored: bool) -> object:
        evals = [(train, "train"), (train, "rest")] if scored else []
        return xgboost.train(params, train, _BOOSTED, evals=evals, verbose_eval=False)

    return fit


def _lightgbm() -> Callable[[bool], object]:
    import lightgbm
    import numpy as np

    data = np.random.default_rng(0).normal(size=(2000, 8))
    made = {"verbose": -1, "num_threads": 1, "force_row_wise": True}
    train = lightgbm.Dataset(data, data[:, 0] > 0, params=made)
    rest = lightgbm.Dataset(data, data[:, 0] > 0, reference=train, params=made)
    params = {**made, "objective": "binary", "metric": ["binary_logloss", "auc"], "num_leaves": 7}

    def fit(scored: bool) -> object:
        sets = [train, rest] if scored else None
        return lightgbm.train(params, train, _BOOSTED, valid_sets=sets)

    return fit


LIBRARIES = {"xgboost": _xgboost, "lightgbm": _lightgbm}


def _loop(name: str, fit: Callable[[bool], object]) -> list[object]:
    """Four scores a round; the scores' part is what they add to what a round adds without any."""
    from samebit.session.telling import unheard

    def timed(scored: bool, heard: bool) -> float:
        began = time.process_time_ns()
        if heard:
            fit(scored)
        else:
            with unheard():
                fit(scored)
        return (time.process_time_ns() - began) / _BOOSTED / 1e3

    kinds = [(scored, heard) for scored in (True, False) for heard in (False, True)]
    for kind in kinds:
        timed(*kind)
    found: dict[tuple[bool, bool], list[float]] = {kind: [] for kind in kinds}
    for _ in range(LOOPS):
        for kind in kinds:
            found[kind].append(timed(*kind))
    scores = [
        (both - alone) - (rows - bare)
        for both, alone, rows, bare in zip(
            *(found[kind] for kind in ((True, True), (True, False), (False, True), (False, False))),
            strict=True,
        )
    ]
    alone, recorded = (statistics.median(found[True, heard]) for heard in (False, True))
    each = statistics.median(scores) / 4
    return [name, 4, f"{alone:.0f}", f"{recorded:.0f}", f"{each:.1f}"]


if __name__ == "__main__":
    main()
