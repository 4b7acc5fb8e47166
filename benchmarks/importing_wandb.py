"""`samebit import wandb` of 1,000 runs, against reading as many bytes and their checksums."""

import subprocess
import sys
import time
import zlib
from pathlib import Path

from measure import REPOSITORY, child_environment, scratch_folder

sys.path.insert(0, str(REPOSITORY))

from tests.compat import wandb_files as files

RUNS = 1000
STEPS = 50


def make(folder: Path) -> int:
    """Runs with 50 steps of three metrics each, and the summary that wandb writes beside; bytes."""
    total = 0
    for at in range(RUNS):
        records = [files.run(f"r{at}", config={"lr": at / 1000, "seed": at % 5})]
        for step in range(STEPS):
            values = {"loss": 1 / (at + step + 1), "accuracy": step / STEPS, "epoch": step}
            records += [files.summary(values), files.history(step, values)]
        total += files.write(folder, f"r{at}", [*records, files.ended()]).stat().st_size
    return total


def main() -> None:
    """Print what an import takes, and one again."""
    with scratch_folder() as folder:
        size = make(folder / "wandb")
        began = time.perf_counter()
        for path in (folder / "wandb").rglob("*.wandb"):
            zlib.crc32(path.read_bytes())
        bare = time.perf_counter() - began
        print(f"{RUNS:,} runs of wandb, {RUNS * STEPS * 3:,} points, {size / 1e6:.1f} MB")
        print(f"  read with a checksum  {bare:6.2f} s")
        for what in ("imported", "imported again"):
            began = time.perf_counter()
            words = [sys.executable, "-m", "samebit.cli.main", "import", "wandb", "wandb"]
            subprocess.run(
                words, cwd=folder, env=child_environment(), check=True, stdout=subprocess.DEVNULL
            )
            print(f"  {what:20}  {time.perf_counter() - began:6.2f} s")


if __name__ == "__main__":
    main()
