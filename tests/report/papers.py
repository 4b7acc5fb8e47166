"""Rows of a paper's runs as `report.facts` has them, made by hand, so that no clock is in them."""

import math
from pathlib import Path
from typing import Any

from samebit.report.checklist.items import CHECKLISTS, fill
from samebit.report.checklist.project import Project, Row, Split
from samebit.report.checklist.written import to_latex, to_markdown

GOLDEN = Path(__file__).parent.parent / "golden"
METHOD: Row = {
    "state": "finished",
    "kind": "run",
    "seconds": 60.0,
    "steps": 100,
    "command": "train.py --lr 0.1 --data /data/ada/digits",
    "config.lr": 0.1,
    "config.layers": 2,
    "source.lr": "command line",
    "source.layers": "default",
    "metric.loss": 0.25,
    "metric.val/acc": 0.9,
    "metric.test/acc": 0.875,
    "points.loss": 100,
    "points.val/acc": 10,
    "points.test/acc": 1,
    "optimizer.name": "AdamW",
    "optimizer.lr": "linear warm-up 10 steps to 0.1",
    "training.parameters": 12_345,
    "training.trainable": 12_345,
    "training.batch": 64,
    "training.epochs": 5,
    "training.precision": "float32",
    "data.digits": "fp1:array:" + "ab" * 32,
    "data_rows.digits": 1797,
    "split_digest.splits": "blake3:" + "cd" * 32,
    "code.tree": "blake3:" + "ef" * 32,
    "code.ran": "blake3:" + "fe" * 32,
    "code.dirty": False,
    "software.python": "3.11.7",
    "software.torch": "2.13.0",
    "machine.device": "NVIDIA H100 × 2",
    "machine.devices": 2,
    "machine.cpu": "AMD EPYC",
    "machine.memory_bytes": 10**12,
    "machine.peak_memory_bytes": 2 * 10**9,
    "device_hours": 1 / 30,
    "state.final": "kept",
    "state.final_bytes": 49_380,
}


def run(number: int, **said: Any) -> Row:
    """A finished run with its own seed, and what is said of it instead; None takes a key away."""
    row = METHOD | {"id": f"run{number:07}", "seed": number, "seeds.torch": number}
    row |= {name.replace("__", "."): value for name, value in said.items()}
    return {key: value for key, value in row.items() if value is not None}


def paper() -> Project:
    """Three seeds of two configurations, with the search before and all that went wrong."""
    runs = [run(seed, verified="identical" if seed < 2 else None) for seed in range(3)]
    runs += [run(seed, id=f"dropout{seed}", config__dropout=0.5) for seed in range(3)]
    runs[-1] |= {"metric.test/acc": 0.8, "points.test/acc": 4}
    others = [
        run(10, config__lr=0.3, **{"metric.loss": math.nan}),
        run(11, config__lr=1e-3, steps=40, seconds=24.0),
        run(11, config__lr=1e-3),
        run(12, state="failed", seconds=3.5, device_hours=3.5 / 1800),
        run(13, state="broken off", seconds=None, device_hours=0.5),
    ]
    for row in others:
        row.pop("metric.test/acc")
        row.pop("points.test/acc")
    split = Split(
        "splits",
        6,
        (("train", 1437), ("test", 360)),
        "given by the script",
        "blake3:" + "cd" * 32,
        shared=("3 of 360 rows of test: equal to rows of train",),
    )
    files = (("README.md", "requirements.txt", "train.py", "docs/README.md"),)
    replays = (run(20, kind="replay", of="run0000000"),)
    return Project(
        tuple(runs),
        tuple(others),
        replays,
        1,
        ("test/acc",),
        "metrics with the word",
        (split,),
        files,
    )


def written_as(suffix: str) -> str:
    """Every checklist of that paper, one behind the other."""
    write = {"md": to_markdown, "tex": to_latex}[suffix]
    return "\n".join(write(fill(key, paper())) for key in CHECKLISTS)


if __name__ == "__main__":
    for suffix in ("md", "tex"):
        (GOLDEN / f"checklist.{suffix}").write_text(written_as(suffix), encoding="utf-8")
