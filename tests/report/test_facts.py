"""What papers say of a run, as one row: of every kind of run, whatever is in it."""

import math
from pathlib import Path
from typing import Any

import pytest

from samebit import places
from samebit.folders import folder as runs
from samebit.folders.folder import RunFolder
from samebit.folders.read import read_run
from samebit.journal.writer import Writer
from samebit.records import ExecutionEnd, ExecutionStart
from samebit.report.facts import facts

MODEL = {"name": "model", "class": "torch.nn.Linear", "parameters": 60, "trainable": 40}
GROUP = {
    "parameters": 60,
    "tensors": 2,
    "hyper": {"lr": 0.5, "betas": [0.9, 0.999], "eps": 1e-8, "amsgrad": False, "initial_lr": 0.5},
}
TRAINING: dict[str, Any] = {
    "models": [{**MODEL, "dtypes": {"float32": 60}}],
    "optimizers": [{"class": "torch.optim.adamw.AdamW", "groups": [GROUP]}],
    "batch": {"micro": 8, "accumulation": 4, "world": 2, "effective": 64, "from": "loader"},
    "epochs": {"begun": 3, "finished": 2},
    "samples": 1000,
    "precision": {"parameters": ["float32"], "autocast": ["bfloat16"]},
    "clipping": [{"kind": "norm", "limit": 1.0, "calls": 5}],
}
GPUS = [{"model": "NVIDIA H100"}, {"model": "NVIDIA H100"}]
HOUR = 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return places.make_store(tmp_path / ".samebit")


def record(run: RunFolder, *, hours: float | None = 2, **said: Any) -> None:
    start = ExecutionStart(0, 10**18, "script", ("train.py",), "/p")
    number = run.begin_execution(start).number
    writer = Writer(run.journal, run.id, "0")
    for name, value in said.items():
        writer.fact(name, value)
    for step in range(1, 101):
        writer.hyper(0, step, 0, {"lr": step / 100})
    for step, (acc, words) in enumerate([(0.5, "a"), (math.nan, "b"), (0.75, "c"), (0.7, "d")]):
        writer.row({"acc": acc, "words": words}, step)
    writer.close()
    if hours is not None:
        ended = 10**18 + int(hours * HOUR)
        run.end_execution(number, ExecutionEnd(ended, "finished"))


def row_of(store: Path, **said: Any) -> dict[str, Any]:
    record(runs.begin(store), **said)
    (row,) = facts(store)
    return row


def test_the_method_is_told_from_the_record(store: Path) -> None:
    row = row_of(
        store,
        training=TRAINING,
        config={"lr": 0.5, "model": {"depth": 3}},
        config_sources={"values": {"": "default", "lr": "command line"}},
        machine={"cpu": {"model": "EPYC"}, "gpus": GPUS, "memory_bytes": 2**30},
        settings={"torch.cuda_version": "13.0"},
        interpreter={"version": "3.11.7"},
        packages={"versions": {"torch": "2.13.0", "jax": "0.5", "left-pad": "1"}},
        seed_call={"library": "numpy", "value": 5, "at": "train.py:3"},
    )
    told = {
        "optimizer.name": "AdamW",
        "optimizer.lr": "linear warm-up 100 steps to 1",
        "optimizer.betas": [0.9, 0.999],
        "optimizer.eps": 1e-8,
        "command": "train.py",
        "training.parameters": 60,
        "training.trainable": 40,
        "training.batch": 64,
        "training.accumulation": 4,
        "training.epochs": 2,
        "training.precision": "float32, autocast bfloat16",
        "training.clipping": "norm 1",
        "seeds.numpy": 5,
        "source.lr": "command line",
        "source.model.depth": "default",
        "machine.device": "NVIDIA H100 × 2",
        "machine.devices": 2,
        "device_hours": 4.0,
        "software.python": "3.11.7",
        "software.torch": "2.13.0",
        "metric.acc": 0.7,
        "first.acc": 0.5,
        "min.acc": 0.5,
        "max.acc": 0.75,
        "points.acc": 4,
        "step.acc": 3,
        "points.words": 4,
    }
    assert {key: row.get(key) for key in told} == told
    absent = {"optimizer.amsgrad", "optimizer.initial_lr", "max.words"}
    absent |= {"software.left-pad", "software.jax"}  # the second was installed, and not loaded
    assert not absent & {*row}


@pytest.mark.parametrize(
    ("visible", "device"),
    [("1", "NVIDIA H100"), ("0,1", "NVIDIA H100 × 2"), ("", "EPYC"), ("-1", "EPYC")],
)
def test_only_what_the_run_could_see_is_its_device(store: Path, visible: str, device: str) -> None:
    row = row_of(
        store,
        machine={"cpu": {"model": "EPYC"}, "gpus": GPUS},
        settings={"torch.cuda_version": "13.0"},
        variables={"CUDA_VISIBLE_DEVICES": visible},
    )
    assert row["machine.device"] == device


def test_a_cpu_build_of_torch_holds_no_gpu(store: Path) -> None:
    machine = {"cpu": {"model": "EPYC"}, "gpus": GPUS}
    row = row_of(store, machine=machine, settings={"torch.cuda_version": None})
    assert row["machine.device"] == "EPYC"


def test_a_run_without_an_end_held_its_devices_until_its_last_sign(store: Path) -> None:
    # Its rows were written now, and it began long ago by its own word.
    assert row_of(store, hours=None)["device_hours"] > 24


def test_a_run_that_said_nothing_has_a_row(store: Path) -> None:
    run = runs.begin(store)
    (row,) = facts(store)
    assert row["id"] == run.id
    assert "optimizer.name" not in row
    (store / "runs" / "0123456789").mkdir()
    assert {row["state"] for row in facts(store)} == {"broken off", "not begun"}


def test_what_lay_beside_the_sources_is_no_other_program(store: Path) -> None:
    def ran(tree: str, *modules: tuple[str, str, str]) -> object:
        code = {"root": "/p", "tree": f"blake3:{tree * 32}", "files": 2, "size_bytes": 9}
        run = runs.begin(store)
        record(run, code=code, sources={"path": [], "modules": list(modules)})
        return next(row for row in facts(store) if row["id"] == run.id)["code.ran"]

    script = ("__main__", "/p/train.py", "blake3:" + "ab" * 32)
    same = ran("11", script)
    assert ran("22", script, ("__mp_main__", *script[1:])) == same
    assert ran("11", ("__main__", "/p/train.py", "blake3:" + "cd" * 32)) != same
    assert ran("11") == f"blake3:{'11' * 32}"  # no source is known: whatever it was is in the tree


def test_replays_come_when_asked_for(store: Path) -> None:
    first = runs.begin(store)
    runs.begin(store, kind="replay", of=first.id)
    assert len(facts(store)) == 1
    assert len(facts(store, replays=True)) == 2


def test_each_run_is_read_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(runs.begin(store))
    read: list[str] = []
    true = read_run

    def reading(folder: RunFolder) -> Any:
        read.append(folder.id)
        return true(folder)

    monkeypatch.setattr("samebit.folders.read.read_run", reading)
    (row,) = facts(store)
    assert {"state", "command", "metric.acc", "points.acc"} <= row.keys()
    assert len(read) == 1
