"""Makes `wandb-1` and `mlflow-1`: what the real wandb and MLflow write, for `samebit import`.

    PEERS/bin/python tests/golden/make_imports.py wandb|mlflow FOLDER

in an environment with both (`benchmarks/peers.txt`). FOLDER gets a folder `wandb`, or `mlruns` and
`store.db`. What is in the repository was made in a folder that names nobody; of the database it is
what `tests/compat/stores.py` reads, as SQL.
"""

import contextlib
import math
import os
import sys
from pathlib import Path

import numpy as np


def make_wandb(folder: Path) -> None:
    """One run with all that has a place here."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    config = {"lr": 0.1, "net": {"width": 64, "act": "relu"}, "big": 2**60, "seeds": [1, 2]}
    run = wandb.init(
        project="digits",
        id="golden",
        name="alpha",
        group="first",
        job_type="train",
        tags=["a", "b"],
        notes="a note",
        config=config,
        dir=folder,
    )
    run.config.update({"late": 1})
    for at in range(4):
        run.log({"loss": 1 / (at + 3), "nested": {"x": at}, "flag": at % 2 == 0})
    picture = np.zeros((4, 4, 3), np.uint8)
    run.log({"odd": math.inf, "none": None, "nan": math.nan, "text": "hello"}, step=20)
    run.log(
        {
            "img": wandb.Image(picture, caption="black"),
            "imgs": [wandb.Image(picture), wandb.Image(picture + 9)],
            "sound": wandb.Audio(np.zeros(80), sample_rate=8000),
            "h": wandb.Histogram(np_histogram=([1, 2], [0.0, 1.0, 2.0])),
            "t": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2.5, "y"]]),
            "html": wandb.Html("<p>hi</p>"),
        }
    )
    run.summary["best"] = 0.25
    print("to the console")
    run.finish()


def make_mlflow(folder: Path, address: str) -> None:
    """Runs of an experiment: one with a child, one that failed, was deleted, goes on."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    os.chdir(folder)
    import mlflow

    mlflow.set_tracking_uri(address)
    mlflow.set_experiment("digits & co")
    with mlflow.start_run(run_name="alpha", description="a note"):
        mlflow.log_params({"lr": 0.1, "width": 64, "act": "relu", "a/b": "x", "flag": True})
        for at in range(4):
            mlflow.log_metric("loss", 1 / (at + 3), step=at)
        for value in (math.nan, math.inf, 2.0):
            mlflow.log_metric("no step", value)
        mlflow.log_metric("val/acc", 0.5, step=-2, timestamp=1_700_000_000_123)
        mlflow.log_metric("system/cpu", 12.5, step=0)
        mlflow.set_tag("team", "x")
        mlflow.log_text("hello", "notes/a.txt")
        mlflow.log_image(np.zeros((4, 4, 3), np.uint8), key="pic", step=1)
        rows = mlflow.data.from_numpy(np.zeros((3, 2)), name="zeros")
        mlflow.log_input(rows, context="training")
        with mlflow.start_run(nested=True, run_name="child"):
            mlflow.log_metric("loss", 1.0, step=0)
    with contextlib.suppress(ValueError), mlflow.start_run(run_name="bad"):
        raise ValueError
    with mlflow.start_run(run_name="gone") as gone:
        pass
    mlflow.delete_run(gone.info.run_id)
    mlflow.start_run(run_name="open")
    mlflow.log_metric("x", 1)
    sys.stdout.flush()
    os._exit(0)  # it is never ended


if __name__ == "__main__":
    target = Path(sys.argv[2]).absolute()
    if sys.argv[1] == "wandb":
        make_wandb(target)
    elif len(sys.argv) > 3:
        make_mlflow(target, sys.argv[3])
    else:
        for one in ("mlruns", "sqlite:///store.db"):
            if not os.fork():
                make_mlflow(target, one)
            os.wait()
