"""Rows of `report.facts` as tests of tables need them: two methods, two tasks, three seeds."""

from typing import Any

from samebit.report.tables import Options, Settings, Table, to_markdown
from samebit.report.tables.settings import read

__all__ = ["ACCURACY", "row", "settings", "shown", "study"]

WARM_UP = "linear warm-up 500 steps to 3e-4, cosine to 3e-5 at 20k"
ACCURACY = {
    ("ours", "digits"): (0.93, 0.95, 0.94),
    ("ours", "letters"): (0.81, 0.80, 0.85),
    ("base", "digits"): (0.90, 0.89, 0.92),
    ("base", "letters"): (0.80, 0.81, 0.79),
}


def row(at: int, **more: Any) -> dict[str, Any]:
    """A finished run; what is None is not recorded of it."""
    run: dict[str, Any] = {
        "id": f"run{at:07d}",
        "name": None,
        "state": "finished",
        "seed": at,
        "seconds": 3600.0,
        "device_hours": 2.0,
        "machine.device": "NVIDIA H100 × 2",
    }
    keys = {name.replace("__", "."): value for name, value in more.items()}
    return {key: value for key, value in (run | keys).items() if value is not None}


def study() -> list[dict[str, Any]]:
    """A whole study with sources, schedules, a path, a constant and a setting of one method."""
    runs: list[dict[str, Any]] = []
    for (method, task), values in ACCURACY.items():
        for seed, accuracy in enumerate(values):
            is_ours = method == "ours"
            found = row(
                len(runs),
                seed=seed,
                config__method=method,
                config__task=task,
                config__seed=seed,
                config__optim__lr=3e-4,
                config__optim__weight_decay=0.01,
                config__batch_size=64,
                config__dropout=0.1 if is_ours else None,
                config__model__width=1024 if task == "letters" else 256,
                config__out_dir=f"/runs/{method}/{seed}",
                config__log_every=50,
                optimizer__name="AdamW",
                optimizer__lr=WARM_UP if is_ours else 3e-4,
                optimizer__betas=[0.9, 0.999],
                optimizer__eps=1e-8,
                optimizer__weight_decay=0.01,
                training__batch=64,
                training__parameters=65536,
                training__precision="float32, autocast bfloat16",
                seeds__torch=seed,
                metric__acc=accuracy,
                metric__val_loss=round(1 - accuracy, 6),
                data__digits_csv="fp1:" + "ab" * 32,
                data_rows__digits_csv=1797,
                split__digits__train=1437,
                split__digits__test=360,
                split_digest__digits="blake3:" + "cd" * 32,
            )
            runs.append(
                found | {"source.method": "command line", "source.optim.lr": "file:/c/a.yaml"}
            )
    return runs


def settings(**table: Any) -> Settings:
    return read(table, "samebit.toml")


def shown(table: Table) -> list[list[str]]:
    """The cells of the Markdown form, without rule and notes."""
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]
    return [cells[0], *cells[2:]]


DEFAULT = Options()
