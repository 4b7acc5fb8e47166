"""What everything that is recorded adds to a script: to its start, to its end, and to its steps.

The start: a git repository of 2,000 files, some changed and some untracked, and a script that
imports torch, numpy and scikit-learn and takes three steps, plain and under `samebit run`, whole
processes taking turns. Processor time is that of all processes together, git's included: on a busy
machine it says more than the clock. The steps: one process, in which blocks with nothing, with the
trace alone and with everything on take turns.
"""

import contextlib
import itertools
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import measure
import recorder
from measure import clock

from samebit.session import hooks, telling
from samebit.session.recording import Recording

FILES = 2000
CHANGED = 12
UNTRACKED = 25
STARTS = 8
FIRST_STARTS = 4
TARGET_START_S = 0.3
TARGET_STEP = 0.01  # of 25 ms
STEP_MS = 25

_SCRIPT = """
import time
began = time.time_ns()
import argparse
import numpy
import sklearn.linear_model
import torch
imported = time.time_ns()
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
lr = parser.parse_args().lr
torch.manual_seed(0)
numpy.random.seed(0)
model = torch.nn.Linear(8, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=lr)
stepped = 0
for _ in range(3):
    loss = model(torch.randn(4, 8)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    stepped = stepped or time.time_ns()
open("times", "w").write(f"{began} {imported} {stepped} {time.time_ns()}")
"""
_PARTS = ("to its first line", "its imports", "to its first step", "its other steps", "its end")


@dataclass(frozen=True)
class Start:
    """One process, in milliseconds."""

    wall: float
    processor: float
    parts: tuple[float, ...]


def main() -> None:
    """Print the tables."""
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        _starts(folder)
        _steps(folder)
    print(measure.load())


# The start.


def _starts(folder: Path) -> None:
    project = folder / "project"
    _make_repository(project)
    env = measure.child_environment(
        SAMEBIT_CACHE=str(folder / "cache"), OMP_NUM_THREADS="1", PYTHONHASHSEED="0"
    )
    bare = [sys.executable, "train.py"]
    recorded = [str(Path(sys.executable).with_name("samebit")), "run", "train.py"]

    def start(words: list[str], *, fresh: bool, stale: bool) -> Callable[[], Start]:
        def case() -> Start:
            if fresh:
                shutil.rmtree(project / ".samebit", ignore_errors=True)
                shutil.rmtree(folder / "cache", ignore_errors=True)
            if stale:
                _make_stale(project)
            return _timed(words, project, env)

        return case

    for words in (bare, recorded):  # writes the bytecode
        start(words, fresh=False, stale=False)()
    cases = {
        "bare": start(bare, fresh=False, stale=False),
        "index fresh": start(recorded, fresh=False, stale=False),
        "index stale": start(recorded, fresh=False, stale=True),
    }
    times: dict[str, list[Start]] = {name: [] for name in cases}
    for _ in range(STARTS):
        for name, case in cases.items():
            times[name].append(case())
    first = {
        "bare, again": cases["bare"],
        "first run ever": start(recorded, fresh=True, stale=True),
    }
    times |= {name: [] for name in first}
    for _ in range(FIRST_STARTS):
        for name, case in first.items():
            times[name].append(case())
    _print_starts(times)


def _print_starts(times: dict[str, list[Start]]) -> None:
    rows: list[list[str]] = []
    parts: list[list[str]] = []
    for name, taken in times.items():
        plain = times["bare, again" if name in ("bare, again", "first run ever") else "bare"]
        row = [name]
        for of in ("wall", "processor"):
            values = [getattr(one, of) for one in taken]
            before = [getattr(one, of) for one in plain]
            over = statistics.median(a - b for a, b in zip(values, before, strict=True))
            row += [f"{statistics.median(values):.0f}", f"{min(values):.0f}", f"{over:+.0f}"]
            row.append(f"{min(values) - min(before):+.0f}")
        rows.append(row)
        parts.append([name])
        for at in range(len(_PARTS)):
            over = statistics.median(
                a.parts[at] - b.parts[at] for a, b in zip(taken, plain, strict=True)
            )
            parts[-1].append(f"{over:+.0f}")
    head = ["ms, whole process", "wall", "best", "added", "of the best"]
    measure.print_table([*head, "processor", "best", "added", "of the best"], rows)
    measure.print_table(["wall ms added", *_PARTS], parts)
    print(
        f"Target: under {TARGET_START_S * 1000:.0f} ms added. A stale index is one that git cannot "
        f"trust: it reads each of the\n{FILES:,} files. The first run ever has no store and no "
        f"cache either. {measure.load()}\n",
        flush=True,
    )


def _timed(words: list[str], project: Path, env: dict[str, str]) -> Start:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.time_ns()
    wall = measure.time_process(words, env=env, cwd=project)
    ended = time.time_ns()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    marks = [began, *map(int, (project / "times").read_text(encoding="utf-8").split()), ended]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    parts = tuple((b - a) / 1e6 for a, b in itertools.pairwise(marks))
    return Start(wall, spent * 1000, parts)


def _make_repository(project: Path) -> None:
    project.mkdir()
    for number in range(FILES - 1):
        package = project / f"package_{number % 40}"
        package.mkdir(exist_ok=True)
        body = f"VALUE = {number}\n" + f"# line {number}\n" * (number % 200)
        (package / f"module_{number}.py").write_text(body, encoding="utf-8")
    (project / "train.py").write_text(_SCRIPT, encoding="utf-8")
    (project / ".gitignore").write_text("times\n", encoding="utf-8")
    who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "start")):
        subprocess.run(["git", *words], cwd=project, check=True)
    for path in sorted(project.glob("package_*/*.py"))[:CHANGED]:
        path.write_text(path.read_text(encoding="utf-8") + "CHANGED = True\n", encoding="utf-8")
    for number in range(UNTRACKED):
        (project / f"notes_{number}.txt").write_text(f"note {number}\n" * 50, encoding="utf-8")
    # A file written in the index's own second is not trusted by git; users' are older.
    for path in project.rglob("*.*"):
        if ".git" not in path.parts:
            os.utime(path, (1_700_000_000, 1_700_000_000))
    subprocess.run(["git", "status", "--short"], cwd=project, check=True, capture_output=True)


def _make_stale(project: Path) -> None:
    """Give each file another time, as a fresh copy of the repository has."""
    when = clock() % 1_000_000_000
    for path in project.glob("package_*/*.py"):
        os.utime(path, ns=(when, when))


# The steps.

WARM_UP = 40
BLOCK = 8
SECONDS = 60


class TraceAlone:
    """A listener of torch's hooks that makes the trace, and nothing else."""

    def __init__(self, recording: Recording) -> None:
        self.recorder = recording.recorder

    def batch(self, value: Any, iterator: Any) -> None:
        """A data loader gave a batch."""
        self.recorder.batch(value)

    def forward_begins(self, module: Any, args: Any, kwargs: Any) -> None:
        """The outermost module is called."""
        if module.training and sys.modules["torch"].is_grad_enabled():
            self.recorder.entered(args, kwargs)

    def forward_ends(self, module: Any, output: Any) -> None:
        """It returned."""
        if module.training and sys.modules["torch"].is_grad_enabled():
            self.recorder.returned(output)

    def backward(self, tensors: Any) -> None:
        """`backward` is called."""
        self.recorder.loss(tensors)

    def before_step(self, optimizer: Any) -> None:
        """An optimizer is about to step."""
        self.recorder.before_step(optimizer, dict)

    def after_step(self, optimizer: Any) -> None:
        """It has stepped."""
        self.recorder.after_step(optimizer)

    def ignore(self, *_: Any) -> None:
        """What is no part of the trace."""

    epoch = epoch_is_made = epoch_is_asked = epoch_begun = first_batch = loader_ends = ignore
    scheduler_made = clipped = before_scaled_step = after_scaled_step = scaler_updated = ignore

    def trouble(self, source: str, error: Exception) -> None:
        """A benchmark of what fails would be none."""
        raise RuntimeError(source) from error


@dataclass
class Mode:
    """One of the three: who listens, and what was measured."""

    listener: Any
    known: Any = None  # what the recorder knows of the optimizer
    cheap: list[float] = field(default_factory=list[float])
    full: list[float] = field(default_factory=list[float])
    blocks: list[float] = field(default_factory=list[float])
    spent: list[float] = field(default_factory=list[float])  # processor time of the process


def _steps(folder: Path) -> None:
    recording = measure.new_recording(folder / "everything")
    traced = measure.new_recording(folder / "traced")
    modes = {
        "bare": Mode(None),
        "trace alone": Mode(TraceAlone(traced)),
        "everything": Mode(recording.listener),
    }
    recording.begin(seed=None, deterministic=False)
    step = _training()
    for mode in modes.values():
        _listen(mode)
        for _ in range(WARM_UP):
            next(step)
    modes["trace alone"].known = next(iter(traced.recorder._optimizers.values()))
    modes["everything"].known = next(iter(recording.recorder._optimizers.values()))
    threads = _threads_ns()
    began = clock()
    length = max(BLOCK, *(1 << mode.known.pace.k for mode in modes.values() if mode.known))
    rounds = 0
    while clock() - began < SECONDS * 1e9:
        # Each follows each of the others equally often.
        for mode in list(modes.values())[:: 1 if rounds % 2 else -1]:
            _block(mode, step, length)
        rounds += 1
    of_threads = (_threads_ns() - threads) / (clock() - began)
    hooks.install(None)
    recording.finish("finished")
    traced.writer.close()
    _print_steps(modes, of_threads)


def _print_steps(modes: dict[str, Mode], of_threads: float) -> None:
    bare, k = modes["bare"], modes["everything"].known.pace.k
    inside: dict[str, float] = {}
    rows: list[list[str]] = []
    for name, mode in modes.items():
        row = [
            name,
            f"{statistics.median(mode.blocks):.2f}",
            f"{statistics.median(mode.spent):.2f}",
        ]
        if mode is not bare:
            cheap = statistics.median(mode.cheap) if k else 0.0
            full = statistics.median(mode.full)
            rarely = 1 / (1 << k)
            inside[name] = full * rarely + cheap * (1 - rarely)
            low, high = measure.quartiles(
                [a / b for a, b in zip(mode.blocks, bare.blocks, strict=True)]
            )
            wall = measure.median_ratio(mode.blocks, bare.blocks) - 1
            spent = measure.median_ratio(mode.spent, bare.spent) - 1
            row += [f"{cheap:.3f}", f"{full:.3f}", f"{inside[name]:.3f}"]
            row += [f"{wall:+.2%} ({low - 1:+.2%} to {high - 1:+.2%})", f"{spent:+.2%}"]
        rows.append([*row, *["–"] * (8 - len(row))])
    head = ["ms a step", "wall", "processor", "cheap row", "full row", "in hooks"]
    measure.print_table([*head, "wall, blocks", "processor, blocks"], rows)
    more = inside["everything"] - inside["trace alone"]
    print(
        f"On top of the trace, in the hooks: {more * 1000:+.0f} µs, {more / STEP_MS:.2%} of "
        f"{STEP_MS} ms (target: under {TARGET_STEP:.0%}); k = {k}.\n"
        f"Our threads (sync, machine, files, states) took {of_threads:.2%} of one core."
    )


def _listen(mode: Mode) -> None:
    hooks.install(mode.listener)
    if mode.listener is not None:
        telling.Guard.current = recorder.Timed(telling.Guard.current)  # pyright: ignore


def _block(mode: Mode, step: Iterator[None], length: int) -> None:
    _listen(mode)
    timed: Any = telling.Guard.current
    next(step)  # the first one finds what the other mode left in the caches
    began, spent = clock(), time.process_time_ns()
    for _ in range(length):
        before = timed.spent if timed else 0
        next(step)
        if timed:
            is_full = mode.known.last_full == mode.known.count
            (mode.full if is_full else mode.cheap).append((timed.spent - before) / 1e6)
    mode.blocks.append((clock() - began) / 1e6 / length)
    mode.spent.append((time.process_time_ns() - spent) / 1e6 / length)


def _training() -> Iterator[None]:
    """The CNN of `recorder.py` in a loop that clips and has a schedule, as people's have."""
    import torch

    model, optimizer, inputs, targets = recorder.cnn()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100_000)
    data = torch.utils.data.TensorDataset(inputs, targets)
    loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True, drop_last=True)
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            yield


def _threads_ns() -> int:
    """Processor time of our own threads; 0 where the system does not say."""
    total = 0
    for thread in threading.enumerate():
        if thread.name.startswith("samebit-"):
            told = Path(f"/proc/self/task/{thread.native_id}/schedstat")
            with contextlib.suppress(OSError):
                total += int(told.read_text(encoding="ascii").split()[0])
    return total


if __name__ == "__main__":
    main()
