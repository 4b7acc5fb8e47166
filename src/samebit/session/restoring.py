"""A checkpoint back into the objects it was taken from: all of it, or nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.errors import UsageError
from samebit.states.stored import StoredState

__all__ = ["Into", "restore"]


class Into(Struct, frozen=True):
    """The objects of this process, each list in the order of its kind."""

    modules: Sequence[Any]
    optimizers: Sequence[Any]
    schedulers: Sequence[Any]
    scalers: Sequence[Any]
    others: Sequence[Any]
    generators: Sequence[Any]


def restore(stored: StoredState, state: Mapping[str, Any], into: Into, name: str) -> list[str]:
    """Give the objects the state of a checkpoint, in place.

    Args:
        stored: the checkpoint.
        state: of it, loaded, everything but modules and optimizers.
        into: what to give it to.
        name: of the checkpoint, for what is said.

    Returns:
        The places that stay as the script made them, of which nobody knows whether that is right:
        there is only a description of what was there, and it does not tell all.

    Raises:
        UsageError: an object has other arrays than the checkpoint, or is missing.
        NotFound, Damaged: something of it cannot be read.
            After each of them nothing of any object is changed.
    """
    progress = state["progress"]
    wrong = [
        *_count("module", progress["modules"], into.modules),
        *_count("optimizer", progress["optimizers"], into.optimizers),
        *_count("scheduler", state["schedulers"], into.schedulers),
        *_count("scaler", state["scalers"], into.scalers),
        *_count("other object", state["others"], into.others),
        *_count("generator", progress["generators"], into.generators),
    ]
    if wrong:
        raise UsageError(
            f"{name} does not fit: {'; '.join(wrong)}",
            hint="give it what watch() or resume_state() was given before; nothing was changed",
        )
    giving = stored.giving()
    for part, module in zip(progress["modules"], into.modules, strict=True):
        giving.module(part, module, strictly=True)
    for at, optimizer in enumerate(into.optimizers):
        giving.optimizer("optimizer" if not at else f"optimizer_{at + 1}", optimizer, {}, "")
    for kind in ("schedulers", "scalers", "others"):
        for saved, thing in zip(state[kind], getattr(into, kind), strict=True):
            giving.thing(thing, saved, names_stay=kind != "others")
    giving.do(name, hint="the model, or what trains it, is not as it was", staged=True)
    return giving.untold


def _count(kind: str, saved: Sequence[Any], ours: Sequence[Any]) -> list[str]:
    if len(saved) == len(ours):
        return []
    return [f"it has {len(saved)} of the kind {kind}, and was given {len(ours)}"]
