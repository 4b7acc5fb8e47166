"""What storing a state costs: against torch.save and safetensors with fsync, memcpy, hash and disk.

    python benchmarks/states.py [MEGABYTES]     # 1000 without

And against what keeps files for people: the artifacts of W&B and MLflow, DVC, where installed.
Everything takes turns in one process; the figure is the median of the ratios of neighbours.
"""

import contextlib
import importlib
import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import blake3
import measure
import safetensors.torch
import torch

from samebit import places
from samebit.objects.store import Store
from samebit.states import storing
from samebit.states.stored import StoredState

_ROUNDS = 3
_LEAF_BYTES = 10 << 20


def make_state(megabytes: int) -> dict[str, torch.Tensor]:
    """Layers of float32 weights with small biases, as a model with its optimizer has."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for at in range(max(10, megabytes * 10**6 // _LEAF_BYTES)):
        state[f"layer{at}.weight"] = torch.randn(_LEAF_BYTES // 4) * 0.02
        state[f"layer{at}.bias"] = torch.randn(256)
    return state


def timed(work: Callable[[], Any]) -> float:
    """Seconds by the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def synced(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file, and make it durable."""
    write(path)
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def write_raw(path: Path, state: dict[str, torch.Tensor]) -> None:
    """The bytes alone: what the disk takes."""
    with open(path, "wb", buffering=0) as stream:
        for tensor in state.values():
            stream.write(memoryview(tensor.numpy().view("u1")))


def stored_bytes(store: Path) -> int:
    """What lies in the objects and packs."""
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def main(megabytes: int) -> None:
    """Print the tables."""
    state = make_state(megabytes)
    total = sum(tensor.nbytes for tensor in state.values())
    weights = [name for name in state if name.endswith("weight")]
    with measure.scratch_folder() as folder:
        measure.print_machine(folder)
        print(f"a state of {total / 1e6:.0f} MB, {len(state)} arrays\n")
        path, store = folder / "file", folder / "project" / ".samebit"
        shares: list[float] = []
        again_share: list[float] = []
        names: list[str] = []

        def new_store() -> Store:
            shutil.rmtree(store, ignore_errors=True)
            return Store(places.make_store(store))

        def samebit() -> float:
            objects = new_store()
            took = timed(lambda: names.append(storing.save(objects, state)))
            shares.append(stored_bytes(store) / total)
            return took

        def a_tenth_changed() -> float:
            changed = dict(state)
            for name in weights[:: max(1, len(weights) // max(1, len(weights) // 10))]:
                changed[name] = state[name] + 1
            part = sum(changed[n].nbytes for n in changed if changed[n] is not state[n]) / total
            before = stored_bytes(store)
            took = timed(lambda: storing.save(Store(store), changed))
            again_share.append((stored_bytes(store) - before) / total / part * 0.1)
            return took

        def bare(write: Callable[[Path], Any]) -> Callable[[], float]:
            return lambda: timed(lambda: synced(path, write))

        saving = {
            "torch.save + fsync": bare(lambda file: torch.save(state, file)),
            "samebit": samebit,
            "samebit, a tenth of it changed": a_tenth_changed,
            "safetensors.save_file + fsync": bare(
                lambda file: safetensors.torch.save_file(state, file)
            ),
            "the bytes + fsync": bare(lambda file: write_raw(file, state)),
            "memcpy": lambda: timed(lambda: [t.clone() for t in state.values()]),
            "blake3": lambda: timed(
                lambda: [blake3.blake3(t.numpy().view("u1")).digest() for t in state.values()]
            ),
        }
        with peers(folder, lambda file: torch.save(state, file)) as others:
            times = measure.take_turns(saving | others, _ROUNDS)
        report("saving", times, "torch.save + fsync", total)
        print(
            f"samebit stores {min(shares):.3f} of the bytes; where a tenth of them changed, "
            f"{min(again_share):.4f}\n"
        )

        safetensors.torch.save_file(state, path)

        def verified() -> None:
            for tensor in safetensors.torch.load_file(path).values():
                blake3.blake3(tensor.numpy().view("u1")).digest()

        buffers = {name: bytearray(tensor.nbytes) for name, tensor in state.items()}

        def into_buffers() -> None:
            objects = Store(store)
            for name, record in storing.read_manifest(objects, names[-1]).leaves.items():
                storing.read_into(objects, name, record, memoryview(buffers[name]))

        loading = {
            "safetensors + blake3": lambda: timed(verified),
            "samebit, load": lambda: timed(lambda: StoredState(Store(store), names[-1]).value()),
            "samebit, into buffers": lambda: timed(into_buffers),
        }
        report("loading", measure.take_turns(loading, _ROUNDS), "safetensors + blake3", total)
        print(measure.load())


@contextlib.contextmanager
def peers(folder: Path, save: Callable[[Path], Any]) -> Iterator[dict[str, Callable[[], float]]]:
    """Those that are installed; each is given a new file, as its users do, and keeps a copy."""
    found: dict[str, Callable[[], float]] = {}
    file = folder / "peers" / "model.pt"
    file.parent.mkdir()

    def with_a_file(keep: Callable[[], Any]) -> Callable[[], float]:
        def both() -> None:
            save(file)
            keep()

        return lambda: timed(both)

    run = measure.wandb_run(folder)
    if run is not None:
        artifact = importlib.import_module("wandb").Artifact
        numbers = itertools.count()

        def log_artifact() -> None:
            one = artifact(f"model-{next(numbers)}", "model")
            one.add_file(str(file))
            run.log_artifact(one)

        found["torch.save, wandb artifact (offline)"] = with_a_file(log_artifact)
    if mlflow := measure.peer("mlflow"):
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        where = mlflow.create_experiment("states", artifact_location=str(folder / "mlflow"))
        mlflow.start_run(experiment_id=where)
        found["torch.save, MLflow artifact (local)"] = with_a_file(
            lambda: mlflow.log_artifact(str(file))
        )
    if dvc := measure.peer("dvc.repo"):
        repository = dvc.Repo.init(str(file.parent), no_scm=True)
        found["torch.save, dvc add"] = with_a_file(lambda: repository.add(str(file)))
    yield found
    if run is not None:
        run.finish()
    if mlflow:
        mlflow.end_run()


def report(title: str, times: dict[str, list[float]], base: str, total: int) -> None:
    """One table: best time, rate, and the median ratio to the base."""
    rows = [
        (
            name,
            f"{min(taken):.2f}",
            f"{total / 1e6 / min(taken):.0f}",
            f"{measure.median_ratio(taken, times[base]):.2f}",
        )
        for name, taken in times.items()
    ]
    measure.print_table((title, "s", "MB/s", f"over {base}"), rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
