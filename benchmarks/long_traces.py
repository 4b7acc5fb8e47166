"""What `samebit diff --trace` takes on two runs of a million traced steps, as whole processes.

Beside it, in the same run: reading and hashing the same bytes, which nothing that looks at all of
them can go below, and a Python that does nothing.
"""

import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measure
from blake3 import blake3

from samebit import places
from samebit.folders import folder as runs
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart

STEPS = 1_000_000
PARTED = 900_000
ROUNDS = 5
CHEAP = ["batch", "input", "rng.torch", "rng.numpy", "hyper", "loss"]  # every row has them
RARE = ["samples", "rng.python", "entering", "output", "grad", "param", "buffers"]
FULL = 8  # each so many-th row has all


def main() -> None:
    """Print the table."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        project = folder / "project"
        store = places.make_store(project / places.STORE_NAME)
        first, second = (_make_run(store, parts) for parts in (False, True))
        segments = sorted((store / "runs").glob("*/journal/*.sbj"))
        size = sum(segment.stat().st_size for segment in segments)
        print(f"two runs of {STEPS:,} steps, {size / 1e6:.0f} MB in {len(segments)} segments\n")
        samebit = [sys.executable, "-m", "samebit.cli.main", "diff", first, second, "--trace"]
        env = measure.child_environment(SAMEBIT_CACHE=str(folder / "cache"))

        def compared() -> float:
            began = measure.clock()
            done = subprocess.run(
                samebit, cwd=project, env=env, check=False, capture_output=True, text=True
            )
            took = (measure.clock() - began) / 1e6
            if f"step {PARTED}: the loss differed" not in done.stdout:
                raise RuntimeError(f"it said {done.stdout} {done.stderr}")
            return took

        def hashed() -> float:
            began = measure.clock()
            for segment in segments:
                blake3(segment.read_bytes()).digest()
            return (measure.clock() - began) / 1e6

        cases = {
            "read and hash the bytes": hashed,
            "python -c pass": lambda: measure.time_process([sys.executable, "-c", "pass"], env=env),
            "samebit diff --trace": compared,
        }
        for name, times in measure.take_turns(cases, ROUNDS).items():
            print(f"{name:<28} {statistics.median(times):8.0f} ms")
    print(f"\nTarget: under 1,000 ms. {measure.load()}")


def _make_run(store: Path, parts: bool) -> str:
    numbers = random.Random(0)
    run = runs.begin(store)
    start = run.begin_execution(
        ExecutionStart(0, time.time_ns(), "script", ("train.py",), str(store.parent), "", "")
    )
    writer = Writer(run.journal, run.id)
    writer.fact("trace", {"algorithm": "xxh3-128/8", "groups": [*CHEAP, *RARE]})
    for step in range(1, STEPS + 1):
        groups = len(CHEAP) + len(RARE) * (step <= 10 or step % FULL == 0)
        digests = numbers.randbytes(8 * groups)
        if parts and step >= PARTED:
            digests = digests[:40] + bytes(8) + digests[48:]
        writer.trace(0, step, (1 << groups) - 1, digests)
    writer.close()
    run.end_execution(start.number, ExecutionEnd(time.time_ns(), "finished", exit_code=0))
    return run.id


if __name__ == "__main__":
    main()
