"""What `samebit ls` takes on a store of a thousand runs: index cold and warm, whole processes."""

import shutil
import socket
import statistics
import sys
import time
from pathlib import Path

import measure

from samebit import places
from samebit.folders import folder as runs
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart

RUNS = 1000
ROWS = 20  # logged by each
COLD = 5
WARM = 15


def main() -> None:
    """Print the table."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        project = folder / "project"
        began = time.monotonic()
        store = places.make_store(project / places.STORE_NAME)
        for number in range(RUNS):
            _make_run(store, number)
        print(f"{RUNS} runs of {ROWS} rows made in {time.monotonic() - began:.1f} s\n", flush=True)
        _list(project, folder / "cache")
    print(f"Target: under 100 ms. {measure.load()}")


def _make_run(store: Path, number: int) -> None:
    run = runs.begin(store, name=f"run-{number}")
    start = run.begin_execution(
        ExecutionStart(
            number=0,
            started_ns=time.time_ns(),
            how="script",
            argv=("train.py", "--lr", str(number / 1000)),
            cwd=str(store.parent),
            host=socket.gethostname(),
            user=runs.user_name(),
            seed=number,
        )
    )
    writer = Writer(run.journal, run.id)
    writer.fact("config", {"lr": number / 1000, "batch": 32, "model": {"width": 64, "depth": 4}})
    for step in range(ROWS):
        writer.row({"loss": 1 / (step + 1), "acc": step / ROWS, "val/acc": number / RUNS}, step)
    writer.close()
    run.end_execution(start.number, ExecutionEnd(time.time_ns(), "finished", exit_code=0))


def _list(project: Path, cache: Path) -> None:
    env = measure.child_environment(SAMEBIT_CACHE=str(cache))
    bare = [sys.executable, "-c", "pass"]
    ls = [sys.executable, "-m", "samebit.cli.main", "ls"]
    where = [*ls, "--where", "acc > 0.5 and config.lr < 0.01", "--sort", "val/acc:desc"]

    def timed(words: list[str]) -> float:
        return measure.time_process(words, env=env, cwd=project)

    def cold() -> float:
        shutil.rmtree(cache, ignore_errors=True)
        return timed(ls)

    timed(ls)  # writes the bytecode
    times = measure.take_turns({"python -c pass": lambda: timed(bare), "ls, cold": cold}, COLD)
    warm = {
        "python -c pass": lambda: timed(bare),
        "ls, warm": lambda: timed(ls),
        "ls --limit 20, warm": lambda: timed([*ls, "--limit", "20"]),
        "ls --where … --sort …, warm": lambda: timed(where),
    }
    times |= measure.take_turns(warm, WARM)
    rows: list[list[str]] = []
    for name, taken in times.items():
        low, high = measure.quartiles(taken)
        rows.append([name, f"{statistics.median(taken):.0f}", f"{low:.0f} to {high:.0f}"])
        rows[-1].append(f"{min(taken):.0f}")
    measure.print_table(["ms, whole process", "median", "quartiles", "best"], rows)


if __name__ == "__main__":
    main()
