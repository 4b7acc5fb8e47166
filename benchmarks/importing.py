"""Event files of TensorBoard: imported into a store, beside TensorBoard's own readers.

`EventAccumulator` is what TensorBoard reads with in Python and keeps in memory; `EventFileLoader`
is what it decodes with, and keeps nothing. They take turns with ours, on files of the same events.
Times are of the processor, for others work on the machine.
"""

import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import numpy

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


def main() -> None:
    """Print the table."""
    if measure.peer("tensorboard") is None:
        print("TensorBoard is not installed")
        return
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        logdir = folder / "logs"
        _make(logdir)
        # Their reader takes minutes, and every point of it alike: a tenth says as much.
        tenth = folder / "tenth"
        _make(tenth, POINTS // 10)
        rows = _readers(folder, logdir, tenth)
    measure.print_table(["1,000,000 points", "processor, s", "against ours"], rows)
    print(measure.load())


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
    ours: list[float] = []
    reading: list[float] = []
    again: list[float] = []
    accumulated: list[float] = []
    loaded: list[float] = []
    written: list[float] = []
    for at in range(ROUNDS):
        store = places.make_store(folder / f"project-{at}" / ".samebit")
        reading.append(_timed(lambda: _read(logdir)))
        accumulated.append(10 * _timed(lambda: _accumulate(tenth)))
        ours.append(_timed(lambda store=store: _import(store, logdir)))
        loaded.append(10 * _timed(lambda: _load(tenth / NAME)))
        again.append(_timed(lambda store=store: _import(store, logdir)))
        rows = index.rows(store)
        out = folder / f"out-{at}"
        written.append(_timed(lambda s=store, r=rows, o=out: export_events(s, r, o)))
    base = statistics.median(ours)

    def row(name: str, times: list[float]) -> list[str]:
        found = statistics.median(times)
        return [name, f"{found:.2f}", f"{found / base:.2f}"]

    return [
        row("imported: read, checked, written durably", ours),
        row("read and checked alone", reading),
        row("imported again: nothing is new", again),
        row("EventAccumulator, of a tenth", accumulated),
        row("EventFileLoader alone, of a tenth", loaded),
        row("written as event files", written),
    ]


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


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
    main()
