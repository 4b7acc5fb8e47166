"""Going on from a checkpoint: which one it is, and what then stands where it stood.

That is the objects, the generators, the data loaders, and the counts of the run.
"""

import sys
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from samebit.capture import generators
from samebit.errors import Damaged, NotFound, UsageError
from samebit.objects.store import Store
from samebit.session.ranks import world_size
from samebit.session.recording import Recording
from samebit.session.restoring import Into, restore
from samebit.states import torch as torch_states
from samebit.states.described import few
from samebit.states.stored import StoredState

__all__ = ["Resumed", "go_on"]

_BESIDE = ("progress", "generators", "schedulers", "scalers", "others", "extra")


class Resumed(Struct, frozen=True):
    """Where a training goes on.

    Attributes:
        step: the run's step; the next one is one more.
        epoch: how many epochs of the loader that is trained on were finished, and so the number of
            the one that goes on, counted from 0.
        batch: how many batches of that epoch were given before; its loader goes on behind them.
        extra: what `checkpoint` was given.
    """

    step: int
    epoch: int
    batch: int
    extra: Any


def go_on(recording: Recording) -> Resumed | None:
    """Give everything that was named the newest whole checkpoint; None where there is none.

    Raises:
        UsageError: it does not fit the objects, or this rank has none; nothing was changed.
        Damaged: none of the checkpoints that are there can be read.
    """
    hurt: list[str] = []
    for name, manifest in recording.checkpoints.to_go_on_from():
        try:
            state, into = _give(recording, name, manifest)
        except NotFound as error:
            hurt.append(f"{name}: {error.what}")
            continue
        if hurt:
            detail = f"{'; '.join(hurt)}: the run goes on from {name}"
            recording.problem("damaged checkpoints", detail)
        return _put_in_place(recording, name, manifest, state, into)
    if hurt:
        raise Damaged(
            "no checkpoint of this run can be read",
            run=recording.folder.id,
            found="; ".join(hurt),
            hint="without `--resume` a new run begins from the start",
        )
    if others := recording.checkpoints.of_others:
        name = others[-1]
        raise _of_other_ranks(recording, name, "this rank is new in the run")
    return None


def _of_other_ranks(recording: Recording, name: str, why: str) -> UsageError:
    run = recording.folder.id
    return UsageError(
        f"{why}: run {run} cannot go on from {name}; generators and loaders are each rank's own",
        hint="resume it on as many ranks; or begin a new run, and give its model that state: "
        f"open_run({run!r}).state({name!r}).load_into(model, optimizer)",
    )


def _give(recording: Recording, name: str, manifest: str) -> tuple[Mapping[str, Any], Into]:
    """Give the objects a checkpoint; what else it has, and the objects."""
    training = recording.training
    members = training.members
    into = Into(
        modules=[module for _, module in training.models.trained()],
        optimizers=members.living("optimizer"),
        schedulers=members.living("scheduler"),
        scalers=members.living("scaler"),
        others=members.living("other"),
        generators=members.living("generator"),
    )
    stored = StoredState(Store(recording.folder.store), manifest)
    as_torch = "torch" in sys.modules
    state = {part: stored.part(part, as_torch=as_torch) for part in _BESIDE}
    if not isinstance(state["progress"], Mapping):
        raise Damaged("this is no checkpoint", state=name, digest=manifest)
    ranks, before = world_size(), state["progress"].get("ranks")
    if before not in (ranks, None):
        raise _of_other_ranks(
            recording, name, f"it is of {before} ranks, and here there are {ranks}"
        )
    try:
        untold = restore(stored, state, into, name)
    except KeyError as error:
        raise UsageError(f"{name} lacks {error}: it was made by another version") from error
    if untold:
        detail = f"of {few(untold)} {name} has only a description: it is as the script made it"
        recording.problem("resume", f"{detail}, and the training may go on otherwise")
    return state, into


def _put_in_place(
    recording: Recording, name: str, manifest: str, state: Mapping[str, Any], into: Into
) -> Resumed:
    training, progress = recording.training, state["progress"]
    recording.checkpoints.went_on_from(name)
    said = {"execution": recording.execution, "name": name, "manifest": manifest}
    recording.fact("resumed", {**said, "count": progress["step"]})
    counts = zip(progress["optimizers"], into.optimizers, strict=True)
    for (_, count), optimizer in sorted(counts, key=lambda pair: pair[0][0]):
        recording.progress.went_on_from(optimizer, count)
    recording.progress.step = progress["step"]
    recording.recorder.go_on_with(progress["since"])
    training.positions.go_on(progress["loaders"], state["generators"])
    for loader in training.members.living("loader"):
        training.positions.take(loader)
    for found, saved in zip(into.generators, progress["generators"], strict=True):
        generators.give(found, saved)
    torch_states.restore_generators(state["generators"])
    epoch, batch = training.positions.place
    return Resumed(progress["step"], epoch, batch, state["extra"])
