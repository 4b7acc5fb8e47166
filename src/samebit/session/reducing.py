"""Gradients as they are on a rank before `DistributedDataParallel` reduces them over all.

They tell a backward pass that differed on one rank from a reduction that differed. Torch's hooks
are there during steps that are traced in full, and removed after them.
"""

from collections.abc import Callable
from typing import Any

from samebit.session import hooks

__all__ = ["LocalGradients"]


class LocalGradients:
    """Listens to the gradients of the modules that are trained in parallel."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        """Take what says whether the step that comes is traced in full."""
        self._is_wanted = is_wanted
        self._handles: dict[int, list[Any]] = {}  # by module

    def forward_begins(self, module: Any) -> None:
        """The outermost module is called in training."""
        parts = module._modules  # of a scripted module no dict
        module = parts["_orig_mod"] if "_orig_mod" in parts else module  # noqa: SIM401
        if type(module).__name__ != "DistributedDataParallel" or id(module) in self._handles:
            return
        if self._is_wanted():
            self._handles[id(module)] = hooks.watch_gradients(module)

    def stepped(self) -> None:
        """An optimizer has stepped."""
        for handle in (handle for handles in self._handles.values() for handle in handles):
            handle.remove()
        self._handles = {}
