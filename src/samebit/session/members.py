"""What a training consists of beside its modules: optimizers, schedulers, scalers, generators.

Each has a place among those of its kind: what the user named first, in that order, then what the
hooks met. By kind and place the same thing is found again in another process.
"""

import sys
import weakref
from typing import Any

from samebit.capture import generators
from samebit.errors import UsageError

__all__ = ["KINDS", "Members", "kind_of"]

# As they stand in a state, each as a list, or with a number behind it.
KINDS = ("optimizer", "scheduler", "scaler", "other", "generator", "loader")


class Members:
    """The things of each kind, in order; a thing that is gone is left out."""

    def __init__(self) -> None:
        self._named: dict[str, list[Any]] = {kind: [] for kind in KINDS}
        self._met: dict[str, list[Any]] = {kind: [] for kind in KINDS}

    def name(self, kind: str, thing: Any) -> None:
        """The user named a thing."""
        if not _has(self._named[kind], thing):
            self._named[kind].append(_reference(thing))

    def meet(self, kind: str, thing: Any) -> None:
        """The hooks met a thing."""
        if not _has(self._named[kind], thing) and not _has(self._met[kind], thing):
            self._met[kind] = [one for one in self._met[kind] if _held(one) is not None]
            self._met[kind].append(_reference(thing))

    def named(self, kind: str) -> list[Any]:
        """Those that the user named."""
        return [thing for thing in map(_held, self._named[kind]) if thing is not None]

    def living(self, kind: str) -> list[Any]:
        """All of a kind: those that the user named, and then those that the hooks met."""
        met = [thing for thing in map(_held, self._met[kind]) if thing is not None]
        named = self.named(kind)
        others = [thing for thing in met if not any(thing is one for one in named)]
        # The state of a scheduler that is made of others has theirs in it.
        parts = [part for thing in (*named, *others) for part in _parts(thing)]
        return [*named, *(t for t in others if not any(t is part for part in parts))]


def kind_of(thing: Any) -> str:
    """`module`, or one of KINDS; UsageError where it is nothing whose state could be kept."""
    if hasattr(thing, "named_parameters"):
        return "module"
    if hasattr(thing, "param_groups"):
        return "optimizer"
    if generators.is_generator(thing):
        return "generator"
    if hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict"):
        if hasattr(thing, "optimizer"):
            return "scheduler"
        return "scaler" if hasattr(thing, "get_scale") else "other"
    data = sys.modules.get("torch.utils.data")
    if data is not None and isinstance(thing, data.DataLoader):
        return "loader"
    kind = type(thing).__name__
    raise UsageError(
        f"watch() takes modules, optimizers and whatever has a state_dict, not a {kind}",
        hint="data loaders and generators (random, NumPy, torch) are taken, too",
    )


def _reference(thing: Any) -> Any:
    """A weak reference; NumPy's generators cannot have one, and are small."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return thing


def _held(one: Any) -> Any:
    return one() if isinstance(one, weakref.ref) else one


def _has(things: list[Any], thing: Any) -> bool:
    return any(_held(one) is thing for one in things)


def _parts(thing: Any) -> list[Any]:
    parts: Any = getattr(thing, "__dict__", {}).get("_schedulers")
    return list(parts) if type(parts) in (list, tuple) else []
