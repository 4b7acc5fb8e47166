"""What `run.log()` of a picture or a histogram costs, and what it costs until it is durable.

Beside a copy of as many bytes, which is the least that such a call can do, and TensorBoard's
writer, which encodes within the call. Each is called in turn on new values.
"""

import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure
import numpy as np
from measure import clock

import samebit
from samebit.media.drafts import draft
from samebit.session.run import Run

CALLS = 60
CHANCE = np.random.default_rng(0)


def main() -> None:
    """Print the table."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        recording = measure.new_recording(folder)
        run = Run(recording, lambda *_: None)
        rows = [
            *_measured(run, "image, 224 × 224 × 3", _smooth(224), samebit.Image, folder),
            *_measured(run, "image, 1024 × 1024 × 3", _smooth(1024), samebit.Image, folder),
            *_measured(run, "histogram of 1,000,000", _normal, samebit.Histogram, folder),
        ]
        recording.media.finish(interrupted=False)
        recording.writer.close()
    measure.print_table(["", "call, µs", "p90", "against a copy", "made, ms", "stored, ms"], rows)
    print(measure.load())


def _smooth(side: int) -> Callable[[], Any]:
    """Pictures that compress as photographs do."""

    def make() -> Any:
        coarse = CHANCE.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        noise = CHANCE.integers(0, 8, (side, side, 3), dtype=np.uint8)
        return coarse.repeat(8, 0).repeat(8, 1) // 2 + noise

    return make


def _normal() -> Any:
    return CHANCE.normal(size=1_000_000).astype(np.float32)


def _measured(
    run: Run, name: str, make: Callable[[], Any], kind: Callable[[Any], Any], folder: Path
) -> list[list[str]]:
    ours: list[int] = []
    copies: list[int] = []
    made: list[int] = []
    stored: list[int] = []
    writer = measure.tensorboard_writer(folder / "tensorboard")
    theirs: list[int] = []
    recording: Any = run._recording
    for step in range(CALLS):
        value = make()
        copies.append(_timed(value.copy))
        ours.append(_timed(functools.partial(run.log, {name: kind(value)}, step)))
        one = draft(kind(value), lambda tensor: tensor)
        made.append(_timed(one.make))
        stored.append(_timed(recording.media._write_waiting))
        if writer is not None:
            add = writer.add_image if value.ndim == 3 else writer.add_histogram
            more = {"dataformats": "HWC"} if value.ndim == 3 else {}
            theirs.append(_timed(functools.partial(add, name, value, step, **more)))
        time.sleep(0.002)
    rows = [_row(name, ours, copies, made, stored)]
    if theirs:
        rows.append(_row("  TensorBoard", theirs, copies, [], []))
    return rows


def _timed(call: Callable[[], object]) -> int:
    began = clock()
    call()
    return clock() - began


def _row(
    name: str, calls: list[int], copies: list[int], made: list[int], stored: list[int]
) -> list[str]:
    median = statistics.median(calls)
    return [
        name,
        f"{median / 1e3:.0f}",
        f"{measure.percentile(calls, 0.9) / 1e3:.0f}",
        f"{median / statistics.median(copies):.1f} x",
        *(f"{statistics.median(some) / 1e6:.1f}" if some else "" for some in (made, stored)),
    ]


if __name__ == "__main__":
    main()
