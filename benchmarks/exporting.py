"""What it takes to have everything as Parquet and as frames, against writing arrays that are there.

The bound is what pyarrow and pandas take for the same values once they lie in memory as arrays: of
what we take beyond that, reading the journals is the most, which is timed by itself.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import measure
import numpy as np

from samebit import places
from samebit.folders import folder as runs
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.query import index
from samebit.query.tabular import taking
from samebit.query.tabular.frames import make_frame
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.report.export.files import write_files

STEPS = 2500
NAMES = ("loss", "acc", "val/loss", "lr")
REPEATS = 3


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=1000)
    parser.add_argument("many", type=int, nargs="?", default=10_000, help="runs without points")
    options = parser.parse_args()
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        os.environ["SAMEBIT_CACHE"] = str(folder / "cache")
        store = places.make_store(folder / "points" / places.STORE_NAME)
        for number in range(options.runs):
            _make_run(store, number, STEPS)
        points = options.runs * STEPS * len(NAMES)
        print(f"\n{options.runs:,} runs, {points:,} points; processor time, best of {REPEATS}\n")
        _metrics(store, folder)
        store = places.make_store(folder / "many" / places.STORE_NAME)
        for number in range(options.many):
            _make_run(store, number, 1)
        time.sleep(6)  # until the index may keep them
        index.rows(store)
        print(f"\n{options.many:,} runs, the index warm\n")
        _rows(store)
    print(f"\n{measure.load()}")


def _make_run(store: Path, number: int, steps: int) -> None:
    run = runs.begin(store, name=f"run-{number}")
    start = run.begin_execution(
        ExecutionStart(0, time.time_ns(), "script", ("train.py",), str(store.parent), seed=number)
    )
    writer = Writer(run.journal, run.id)
    writer.fact("config", {"lr": number / 1000, "batch": 32, "model": {"width": 64, "depth": 4}})
    noise = np.random.default_rng(number).normal(size=(steps, len(NAMES))).tolist()
    for step, values in enumerate(noise):
        writer.row(dict(zip(NAMES, values, strict=True)), step)
    writer.close()
    run.end_execution(start.number, ExecutionEnd(time.time_ns(), "finished", exit_code=0))


def _best(work: Any) -> tuple[float, float]:
    """Processor time and wall time in seconds, of the quickest."""
    found: list[tuple[float, float]] = []
    for _ in range(REPEATS):
        wall, used = time.perf_counter(), time.process_time()
        work()
        found.append((time.process_time() - used, time.perf_counter() - wall))
    return min(found)


def _say(what: str, taken: tuple[float, float], bound: tuple[float, float] | None = None) -> None:
    ratio = f"  {taken[0] / bound[0]:5.2f} ×" if bound else ""
    print(f"  {what:<44} {taken[0]:8.2f} s  (wall {taken[1]:6.2f}){ratio}", flush=True)


def _metrics(store: Path, folder: Path) -> None:
    import pandas
    import polars
    from pyarrow import parquet

    rows = taking.choose_rows(store)
    shape = taking.shape_of("metrics", rows)

    def batches() -> Any:
        return taking.read_batches(store, rows, [shape], np, failed=_fail)

    def frame(kind: str) -> Any:
        return make_frame(shape, [batch for _, batch in batches()], kind, np)

    def export(form: str) -> None:
        path = folder / f"metrics.{form}"
        write_files({"metrics": path}, [shape], form, batches(), np, replace=True)

    whole = frame("pyarrow")
    arrays = {name: whole[name].to_numpy() for name in ("step", "time", "value")}
    ids = whole["run"]
    names = whole["name"]

    def written() -> None:
        deltas = dict.fromkeys(("step", "time"), "DELTA_BINARY_PACKED")
        parquet.write_table(
            whole,
            folder / "bound.parquet",
            compression="zstd",
            row_group_size=1 << 20,
            use_dictionary=["run", "name", "text", "odd_step"],
            column_encoding=deltas,
        )

    def in_pandas() -> Any:
        texts = {"run": ids.to_pandas(), "name": names.to_pandas()}
        return pandas.DataFrame({**texts, **{name: array.copy() for name, array in arrays.items()}})

    def in_polars() -> Any:
        return polars.DataFrame({"run": polars.from_arrow(ids), **arrays})

    def read_all() -> None:
        for row in rows:
            read_run(runs.RunFolder(store / "runs" / str(row["id"]))).exact_points(np)

    bound = _best(written)
    _say("pyarrow writes the same table", bound)
    _say("reading all journals into arrays", _best(read_all))
    _say("samebit export --parquet", _best(lambda: export("parquet")), bound)
    sizes = [(folder / f"{name}.parquet").stat().st_size for name in ("metrics", "bound")]
    print(f"    bytes: {sizes[0]:,} of ours, {sizes[1]:,} of pyarrow's")
    _say("samebit export --csv", _best(lambda: export("csv")), bound)
    bound = _best(in_pandas)
    _say("pandas makes a frame of the same arrays", bound)
    _say("frame to pandas", _best(lambda: frame("pandas")), bound)
    bound = _best(in_polars)
    _say("polars makes a frame of the same arrays", bound)
    _say("frame to polars", _best(lambda: frame("polars")), bound)
    _say("frame to pyarrow", _best(lambda: frame("pyarrow")))
    shutil.rmtree(folder / "points")


def _rows(store: Path) -> None:
    import samebit

    for kind in ("pandas", "polars", "pyarrow"):
        _say(f"samebit.runs().frame(to={kind!r})", _best(lambda kind=kind: _frame(store, kind)))
    _say("samebit.runs() alone", _best(lambda: samebit.runs(store=store)))
    _say(
        'samebit.runs(where="loss < 0")', _best(lambda: samebit.runs(where="loss < 0", store=store))
    )


def _frame(store: Path, kind: str) -> Any:
    import samebit

    return samebit.runs(store=store).frame(to=kind)


def _fail(run: str, why: str) -> None:
    sys.exit(f"{run}: {why}")


if __name__ == "__main__":
    main()
