"""How long a checkpoint keeps a training waiting, against a copy of as many bytes and `torch.save`.

The state of AdamW and a model, of a size that SAMEBIT_BENCH_MB chooses, on the device that
SAMEBIT_BENCH_DEVICE names (`cuda`: the copy is then the one from the card to plain memory). Each
round has one of each, one after the other: the copy by torch into memory that has been used before,
`run.checkpoint`, and `torch.save` with an fsync. What a checkpoint does after the copy is waited
for, and timed, too.
"""

import os
import statistics
from pathlib import Path
from typing import Any

import measure
import torch
from measure import clock

from samebit.session.run import Run

ROUNDS = 5
MEGABYTES = int(os.environ.get("SAMEBIT_BENCH_MB", "192"))
DEVICE = os.environ.get("SAMEBIT_BENCH_DEVICE", "cpu")
TARGET = 1.3


def trained(megabytes: int) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A model and its AdamW with a state of about this size: weights and two moments."""
    width = 1024
    layers = max(1, megabytes * 2**20 // (3 * 4 * width * width))
    model = torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers))).to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.randn(2, width, device=DEVICE)).square().mean().backward()
    optimizer.step()
    return model, optimizer


def change(model: torch.nn.Module) -> None:
    """As training does: every weight is another, so that every byte is written again."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.0001)
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def arrays(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[Any]:
    """Everything of a checkpoint that is an array."""
    moments = [v for state in optimizer.state.values() for v in state.values()]
    return [tensor.detach() for tensor in (*model.parameters(), *moments)]


def save(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """What people do: `torch.save`; made durable, as ours is."""
    with open(path, "wb") as file:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    """Print the medians and the ratios of neighbours."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, optimizer = trained(MEGABYTES)
    theirs = arrays(model, optimizer)
    size = sum(array.nbytes for array in theirs)
    into = [array.to("cpu", copy=True) for array in theirs]
    times: dict[str, list[int]] = {name: [] for name in ("copy", "blocked", "whole", "torch.save")}
    with measure.scratch_folder() as folder:
        recording = measure.new_recording(folder)
        run = Run(recording, lambda *_: None)
        run.watch(model, optimizer)
        recording.training.members.meet("optimizer", optimizer)
        for number in range(ROUNDS + 1):
            change(model)
            began = clock()
            for source, target in zip(theirs, into, strict=True):
                target.copy_(source)
            copied = clock()
            run.checkpoint(number)
            back = clock()
            recording.checkpoints.wait()
            written = clock()
            save(folder / "state.pt", model, optimizer)
            saved = clock()
            if number:  # the first one makes its memory
                times["copy"].append(copied - began)
                times["blocked"].append(back - copied)
                times["whole"].append(written - copied)
                times["torch.save"].append(saved - written)
        recording.finish("finished")
    print(f"a state of {size / 2**20:.0f} MiB on {DEVICE}, {len(theirs)} arrays, {ROUNDS} rounds\n")
    for name, found in times.items():
        print(f"{name:12} {statistics.median(found) / 1e6:9.1f} ms")
    for name, against in (("blocked", "copy"), ("blocked", "torch.save"), ("whole", "torch.save")):
        pairs = zip(times[name], times[against], strict=True)
        ratio = statistics.median(ours / other for ours, other in pairs)
        aim = f"  (aim: at most {TARGET})" if against == "copy" else ""
        print(f"{name} / {against}: {ratio:.2f}{aim}")


if __name__ == "__main__":
    main()
