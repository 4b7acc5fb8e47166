"""How the benchmarks time: what is compared takes turns in one run, and ratios are of neighbours.

Other work on the machine moves every figure by a factor; it moves two neighbouring blocks alike.
So each case's block is followed or preceded by a block of what it is measured against, and the
figure is the median of the ratios of such pairs.
"""

import contextlib
import importlib
import importlib.metadata
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent

clock = time.perf_counter_ns


def child_environment(**more: str) -> dict[str, str]:
    """What a user's shell would give: bytecode is cached, and nothing of ours is set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED")
        and not name.startswith("SAMEBIT_")
    }
    return {**kept, **more}


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for stores; TMPDIR chooses the disk that is measured."""
    folder = Path(tempfile.mkdtemp(prefix="samebit-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_recording(project: Path) -> Any:
    """A recording into a new run, as `init()` makes it, without what is captured at the start."""
    from samebit import places
    from samebit.folders import folder as runs
    from samebit.session.recording import Recording

    store = places.make_store(project / ".samebit")
    return Recording(runs.begin(store), 1, places.Settings(console="off"))


def peer(name: str) -> Any:
    """What samebit is timed against, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"left out: {name}; pip install -r benchmarks/peers.txt\n")
        return None


def wandb_run(folder: Path) -> Any:
    """A wandb run that stays on this machine, or None."""
    wandb = peer("wandb")
    if wandb is None:
        return None
    # Its best case: quiet, no code saved, no machine sampled.
    settings = {"silent": True, "save_code": False, "x_disable_stats": True, "console": "off"}
    return wandb.init(mode="offline", dir=str(folder), settings=settings)


def tensorboard_writer(folder: Path) -> Any:
    """TensorBoard's writer, torch's own or tensorboardX, or None."""
    for name in ("torch.utils.tensorboard", "tensorboardX"):
        try:
            return importlib.import_module(name).SummaryWriter(str(folder))
        except ImportError:
            continue
    print("left out: TensorBoard's writer; pip install -r benchmarks/peers.txt\n")
    return None


def files_of(data: Path) -> list[Path]:
    """The files of a folder, in order; of a file itself."""
    return sorted(p for p in data.rglob("*") if p.is_file()) if data.is_dir() else [data]


def write_small(data: Path, files: int, size_bytes: int) -> Path:
    """Many files of so many bytes, in a hundred folders; always the same ones."""
    chance = random.Random(1)
    for at in range(files):
        path = data / f"{at % 100:02}" / f"{at}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size_bytes))
    return data


def write_large(data: Path, mb: int) -> Path:
    """One file of so many MB of chance."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with open(data, "wb") as stream:
        for _ in range(mb):
            stream.write(os.urandom(1_000_000))
    return data


def time_process(words: Sequence[str], **how: Any) -> float:
    """Milliseconds from starting a process until it has ended; it must succeed."""
    with tempfile.TemporaryFile() as said:
        began = clock()
        done = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=said, **how)
        took = (clock() - began) / 1e6
        if done.returncode:
            said.seek(0)
            raise RuntimeError(f"{words} failed: {said.read().decode(errors='replace')}")
    return took


def take_turns(cases: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call each case once a round; its result is its time."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            times[name].append(case())
    return times


def median_ratio(these: Iterable[float], those: Iterable[float]) -> float:
    """The median of the ratios of neighbours."""
    return statistics.median(a / b for a, b in zip(these, those, strict=True))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third quartile: how noisy a figure is."""
    first, _, third = statistics.quantiles(values, n=4)
    return first, third


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which a share of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table, aligned."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    for number, line in enumerate(lines):
        cells = [
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print(flush=True)


def print_machine(folder: Path) -> None:
    """Where and with what it was measured."""
    packages = ("samebit", "torch", "numpy", "wandb", "tensorboard", "tensorboardX", "msgspec")
    versions: list[str] = []
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {_processor()}, {os.cpu_count()} cores")
    print(f"{platform.system()} {platform.release()}, Python {platform.python_version()}")
    print(", ".join(versions))
    print(f"file system of the stores: {_file_system(folder)}; {load()}\n", flush=True)


def load() -> str:
    """How busy the machine is besides; a figure taken under load says so."""
    average = getattr(os, "getloadavg", None)
    return f"load {average()[0]:.1f} of {os.cpu_count()} cores" if average else "load unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(folder: Path) -> str:
    if shutil.which("stat") is None or sys.platform != "linux":
        return "unknown"
    found = subprocess.run(
        ["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
