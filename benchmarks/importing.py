"""Runs of other tools imported into a store: 1,000 of wandb and of MLflow, 1,000,000 points.

Runs of wandb are files as wandb writes them offline. Those of MLflow are 20 that MLflow itself
wrote (it is in `.venv/peers`, see tools/peers.sh), each 50 times under another id. Points are event
files of TensorBoard, beside its own readers: `EventAccumulator` is what it reads with in Python and
keeps in memory, `EventFileLoader` what it decodes with. They take turns with ours.

Names behind it choose what is done: `runs`, `points`.
"""

import logging
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import measure
import numpy

sys.path.insert(0, str(measure.REPOSITORY))

from tests.compat import wandb_files as files

from samebit import places
from samebit.cli.events import export_events
from samebit.compat.files.framed import pack_records
from samebit.compat.files.logdirs import Logdir
from samebit.compat.importing import Importer
from samebit.query import index

POINTS = 1_000_000
TAGS = 20
ROUNDS = 3
NAME = "events.out.tfevents.1700000000.host.1.0"
RUNS = 1000
STEPS = 50  # of three metrics each
WRITTEN = 20  # by MLflow itself
PEERS = Path(sys.prefix) / "peers" / "bin" / "python"
MAKE_MLFLOW = f"""
import sys
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.create_experiment("digits", artifact_location=sys.argv[2])
for at in range({WRITTEN}):
    run = client.create_run(experiment, run_name=f"run {{at}}").info.run_id
    metrics = [
        Metric(name, value, 1_700_000_000_000 + step * 250, step)
        for step in range({STEPS})
        for name, value in (
            ("loss", 1 / (at + step + 1)), ("accuracy", step / {STEPS}), ("epoch", step)
        )
    ]
    client.log_batch(run, metrics, [Param("lr", str(at / 1000)), Param("seed", str(at % 5))])
    client.set_terminated(run)
"""


def main(chosen: list[str]) -> None:
    """Print the tables."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        if "runs" in chosen or not chosen:
            rows = [row for name, path in _stores(folder) for row in _imports(folder, name, path)]
            head = [f"{RUNS:,} runs, {RUNS * STEPS * 3:,} points", "MB", "processor, s", "clock, s"]
            measure.print_table(head, rows)
        if ("points" in chosen or not chosen) and measure.peer("tensorboard") is not None:
            logging.getLogger("tensorboard").setLevel(logging.ERROR)
            logdir = folder / "logs"
            _make(logdir)
            # Their reader takes minutes, and every point of it alike: a tenth says as much.
            tenth = folder / "tenth"
            _make(tenth, POINTS // 10)
            rows = _readers(folder, logdir, tenth)
            head = ["1,000,000 points", "processor, s", "against ours", "clock, s"]
            measure.print_table(head, rows)
    print(measure.load())


# Runs


def _stores(folder: Path) -> Iterator[tuple[str, Path]]:
    _make_wandb(folder / "wandb")
    yield "wandb", folder / "wandb"
    if not PEERS.exists():
        print("left out: mlflow; sh tools/peers.sh\n")
        return
    few, database = folder / "few", folder / "mlflow.db"
    for address in (few.as_uri(), f"sqlite:///{database}"):
        words = [str(PEERS), "-c", MAKE_MLFLOW, address, (folder / "artifacts").as_uri()]
        env = measure.child_environment(MLFLOW_ALLOW_FILE_STORE="true")
        subprocess.run(words, check=True, capture_output=True, env=env, cwd=folder)
    _copy_folders(few, folder / "mlruns")
    yield "mlflow", folder / "mlruns"
    _copy_rows(database)
    yield "mlflow", database


def _make_wandb(folder: Path) -> None:
    """Files with the summary that wandb writes beside each row."""
    for at in range(RUNS):
        records = [files.run(f"r{at}", config={"lr": at / 1000, "seed": at % 5})]
        for step in range(STEPS):
            values = {"loss": 1 / (at + step + 1), "accuracy": step / STEPS, "epoch": step}
            records += [files.summary(values), files.history(step, values)]
        files.write(folder, f"r{at}", [*records, files.ended()])


def _copies(name: str) -> list[str]:
    """The ids of what is made of a run of MLflow; the first is its own."""
    return [name, *(f"x{at:02}{name[3:]}" for at in range(RUNS // WRITTEN - 1))]


def _copy_folders(few: Path, many: Path) -> None:
    for meta in few.glob("*/*/meta.yaml"):
        name = meta.parent.name
        for copy in _copies(name):
            at = many / meta.parent.parent.name / copy
            shutil.copytree(meta.parent, at)
            (at / "meta.yaml").write_text(meta.read_text().replace(name, copy))
    for at in many.iterdir():
        shutil.copy(few / at.name / "meta.yaml", at)


def _copy_rows(database: Path) -> None:
    tables = ("runs", "params", "tags", "metrics", "latest_metrics")
    with sqlite3.connect(database) as connection:
        names = [name for (name,) in connection.execute("select run_uuid from runs")]
        for table in tables:
            about = connection.execute(f"pragma table_info({table})").fetchall()
            others = ", ".join(f'"{one[1]}"' for one in about if one[1] != "run_uuid")
            connection.executemany(
                f"insert into {table} (run_uuid, {others})"
                f" select ?, {others} from {table} where run_uuid = ?",
                [(copy, name) for name in names for copy in _copies(name)[1:]],
            )


def _imports(folder: Path, tool: str, path: Path) -> Iterator[list[str]]:
    every = measure.files_of(path)
    size = sum(one.stat().st_size for one in every)
    what = f"{tool}, {path.name}"
    began, used = time.perf_counter(), time.process_time()
    for one in every:
        zlib.crc32(one.read_bytes())
    yield _timing(f"{what}: read with a checksum", size, time.process_time() - used, began)
    project = folder / f"project-{path.name}"
    project.mkdir()
    for how in ("imported", "imported again"):
        began, used = time.perf_counter(), _of_children()
        words = [sys.executable, "-m", "samebit.cli.main", "import", tool, str(path)]
        env = measure.child_environment()
        subprocess.run(words, cwd=project, env=env, check=True, stdout=subprocess.DEVNULL)
        yield _timing(f"{what}: {how}", size, _of_children() - used, began)
    store = places.find_store(project)
    assert len(index.rows(store)) == RUNS


def _timing(what: str, size: int, used_s: float, began: float) -> list[str]:
    clock = f"{time.perf_counter() - began:.2f}"
    return [what, f"{size / 1e6:.1f}", f"{used_s:.2f}", clock]


def _of_children() -> float:
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


# Points

Timed = tuple[float, float]  # seconds of the processor, and on the clock


def _make(logdir: Path, points: int = POINTS) -> None:
    """A file of scalars, each serialized by TensorBoard's own classes."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    def event(step: int, tag: int) -> bytes:
        value = Summary.Value(tag=f"train/metric_{tag}", simple_value=1 / (step + 1) + tag)
        wall_time = 1.7e9 + step * 0.1 + tag * 1e-4
        return Event(
            wall_time=wall_time, step=step, summary=Summary(value=[value])
        ).SerializeToString()

    payloads = [Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString()]
    payloads += [event(step, tag) for step in range(points // TAGS) for tag in range(TAGS)]
    logdir.mkdir(parents=True)
    (logdir / NAME).write_bytes(pack_records(payloads, numpy))


def _readers(folder: Path, logdir: Path, tenth: Path) -> list[list[str]]:
    ours: list[Timed] = []
    reading: list[Timed] = []
    again: list[Timed] = []
    accumulated: list[Timed] = []
    loaded: list[Timed] = []
    written: list[Timed] = []
    for at in range(ROUNDS):
        store = places.make_store(folder / f"project-{at}" / ".samebit")
        reading.append(_timed(lambda: _read(logdir)))
        accumulated.append(_timed(lambda: _accumulate(tenth), 10))
        ours.append(_timed(lambda store=store: _import(store, logdir)))
        loaded.append(_timed(lambda: _load(tenth / NAME), 10))
        again.append(_timed(lambda store=store: _import(store, logdir)))
        rows = index.rows(store)
        out = folder / f"out-{at}"
        written.append(_timed(lambda s=store, r=rows, o=out: export_events(s, r, o)))
    base = statistics.median(used for used, _ in ours)

    def row(name: str, times: list[Timed]) -> list[str]:
        used, clock = (statistics.median(one) for one in zip(*times, strict=True))
        return [name, f"{used:.2f}", f"{used / base:.2f}", f"{clock:.2f}"]

    return [
        row("imported: read, checked, written durably", ours),
        row("read and checked alone", reading),
        row("imported again: nothing is new", again),
        row("EventAccumulator, of a tenth, times ten", accumulated),
        row("EventFileLoader alone, of a tenth, times ten", loaded),
        row("written as event files", written),
    ]


def _timed(work: Callable[[], object], times: int = 1) -> Timed:
    began, used = time.perf_counter(), time.process_time()
    work()
    return times * (time.process_time() - used), times * (time.perf_counter() - began)


def _read(logdir: Path) -> Any:
    return [found.read(lambda _: None) for found in Logdir(logdir).find()]


def _import(store: Path, logdir: Path) -> None:
    with Importer(store) as importer:
        for run in _read(logdir):
            importer.add(run)


def _accumulate(logdir: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(logdir), size_guidance={"scalars": 0})
    accumulator.Reload()
    found = sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])
    assert found == POINTS // 10


def _load(path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    assert sum(1 for _ in EventFileLoader(str(path)).Load()) == POINTS // 10 + 1


if __name__ == "__main__":
    main(sys.argv[1:])
