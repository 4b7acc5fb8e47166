"""Torch's global hooks, which tell what they met; installed when torch is imported.

None of them draws, copies to or from a device, or lets an exception of ours out (`telling.py`).

Modules are met in `torch.nn.Module.__call__`, not by torch's global forward hooks: with one of
those, a compiled model is compiled anew at every step (docs/design/002-module-calls.md).
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from samebit.capture.importing import step_aside, when_imported
from samebit.session import boosters, compiling, fits, splitters, summaries
from samebit.session.telling import (
    Listener,
    listen,
    tell,
    tell_of_fits,
    tell_of_scalars,
    tell_of_splits,
    tell_of_summaries,
)

__all__ = ["install", "meet_boosters", "watch_gradients"]


_installed: list[bool] = []


def install(listener: Listener | None) -> None:
    """Hook into torch, now or when it is imported; a later call only changes who listens."""
    listen(listener)
    if listener is None or _installed:
        return
    _installed.append(True)
    compiling.stay_out()
    when_imported("torch.optim.optimizer", _optimizers)
    when_imported("torch.optim.lr_scheduler", _schedulers)
    when_imported("torch.amp.grad_scaler", _scalers)
    when_imported("torch.autograd", _backward)
    when_imported("torch.utils.data.dataloader", _loaders)
    # Only when the whole of torch is there: the wrap asks torch.compiler whether it is compiling.
    when_imported("torch", _modules)
    when_imported("torch", _clipping)
    meet_boosters()
    splitters.hook(tell_of_splits)
    fits.hook(tell_of_fits)
    summaries.hook(tell_of_summaries, tell_of_scalars)


def meet_boosters() -> None:
    """Meet the boosting libraries alone; for a door that begins a run as an argument of `train`."""
    boosters.hook(tell)


def _optimizers(module: Any) -> None:
    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        tell("hooks.pre_step", "before_step", optimizer)

    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        tell("hooks.post_step", "after_step", optimizer)

    module.register_optimizer_step_pre_hook(before)
    module.register_optimizer_step_post_hook(after)


def _scalers(module: Any) -> None:
    scaler = module.GradScaler
    original, original_update = scaler.step, scaler.update

    @functools.wraps(original)
    def step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        tell("hooks.scaler", "before_scaled_step", self, optimizer)
        try:
            returned = original(self, optimizer, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        # torch itself has waited for the device, where it had to know whether to step.
        tell("hooks.scaler", "after_scaled_step", self, optimizer)
        return returned

    @functools.wraps(original_update)
    def update(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            returned = original_update(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        tell("hooks.scaler", "scaler_updated", self)
        return returned

    scaler.step, scaler.update = step, update


def watch_gradients(module: Any) -> list[Any]:
    """Tell of each gradient of a module before it is reduced; gives what can be removed again.

    torch runs these hooks as it has accumulated a gradient, and `DistributedDataParallel`'s own
    behind them.
    """

    def accumulated(parameter: Any) -> None:
        tell("hooks.local", "accumulated", parameter)

    return [
        parameter.register_post_accumulate_grad_hook(accumulated)
        for parameter in module.parameters()
        if parameter.requires_grad and parameter.is_leaf
    ]


def _schedulers(module: Any) -> None:
    # Those that do not call the base's `__init__`; every other class calls one of these.
    for name in ("LRScheduler", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"):
        kind = getattr(module, name, None)
        if kind is not None and "__init__" in vars(kind):
            kind.__init__ = _telling(kind.__init__)


def _telling(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        tell("hooks.scheduler", "scheduler_made", self)

    return __init__


def _backward(module: Any) -> None:
    original = module.backward

    @functools.wraps(original)
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        tell("hooks.backward", "backward", tensors)
        try:
            return original(tensors, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise

    module.backward = backward


def _loaders(module: Any) -> None:
    iterator = module._BaseDataLoaderIter
    original = iterator.__next__

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        if not getattr(self, "_num_yielded", 1):
            tell("hooks.epoch", "first_batch", self)
        try:
            batch = original(self)
        except BaseException as error:
            if isinstance(error, StopIteration):
                tell("hooks.epoch", "loader_ends", self)
            step_aside(error)
            raise
        tell("hooks.batch", "batch", batch, self)
        return batch

    def skip(self: Any, given: int) -> None:
        """Fetch what was given before; an exception of the data set is the script's to hear."""
        try:
            for _ in range(given):
                original(self)
        except StopIteration:
            pass  # there is less than there was, which is told when the epoch has begun

    iterator.__next__ = __next__
    loader = module.DataLoader
    begin = loader.__iter__

    @functools.wraps(begin)
    def __iter__(self: Any) -> Any:
        given = tell("hooks.epoch", "epoch", self)
        splitters.loader_begins(tell_of_splits, self)
        try:
            iterator = begin(self)
            if given is not None:
                if tell("hooks.epoch", "epoch_is_made", self):
                    iterator = begin(self)
                if given:
                    tell("hooks.epoch", "epoch_is_asked", self)
                    skip(iterator, given)
        except BaseException as error:
            step_aside(error)
            raise
        tell("hooks.epoch", "epoch_begun", self, iterator)
        return iterator

    loader.__iter__ = __iter__


class _Depth(threading.local):
    """Whether this thread is inside an outermost module already."""

    inside = False


def _modules(torch: Any) -> None:
    base = torch.nn.Module
    original = base.__call__
    depth = _Depth()

    def outermost(module: Any, args: Any, kwargs: Any) -> Any:
        depth.inside = True
        try:
            tell("hooks.forward", "forward_begins", module, args, kwargs)
            output = original(module, *args, **kwargs)
            tell("hooks.forward", "forward_ends", module, output)
            return output
        except BaseException as error:
            step_aside(error)
            raise
        finally:
            depth.inside = False

    state, transform = torch._C._get_tracing_state, torch._C._functorch.peek_interpreter_stack

    def tracing() -> bool:
        # torch.jit.trace records even that a shape is read; inside torch.func nothing has memory.
        return state() is not None or transform() is not None

    base.__call__ = compiling.in_place_of(
        original,
        "lambda self, *args, **kwargs: original(self, *args, **kwargs)"
        " if compiling() or depth.inside or tracing() else outermost(self, args, kwargs)",
        {
            "compiling": torch.compiler.is_compiling,
            "depth": depth,
            "tracing": tracing,
            "outermost": outermost,
        },
    )


def _clipping(torch: Any) -> None:
    """Met in the functions that clipping calls: a script may have the outer ones by name already.

    What torch.compile traces is left alone.
    """
    module = torch.nn.utils.clip_grad
    norm_type: list[Any] = [2.0]  # of the norm that was computed last

    def wrap(name: str, second: str, meet: Callable[[Any, Any], object]) -> Any:
        """The function of this name, which tells its second and first argument before it runs."""
        original = getattr(module, name)

        def met(args: Any, kwargs: Any) -> Any:
            meet(args[1] if len(args) > 1 else kwargs.get(second), args[0] if args else None)
            try:
                return original(*args, **kwargs)
            except BaseException as error:
                step_aside(error)
                raise

        wrapped = compiling.in_place_of(
            original,
            "lambda *args, **kwargs:"
            " original(*args, **kwargs) if compiling() else met(args, kwargs)",
            {"compiling": torch.compiler.is_compiling, "met": met},
        )
        setattr(module, name, wrapped)
        return wrapped

    def by_norm(limit: Any, parameters: Any) -> None:
        tell("hooks.clip", "clipped", "norm", limit, norm_type[0], parameters)

    def by_value(limit: Any, parameters: Any) -> None:
        tell("hooks.clip", "clipped", "value", limit, None, parameters)

    if hasattr(module, "_clip_grads_with_norm_") and hasattr(module, "_get_total_norm"):
        wrap("_clip_grads_with_norm_", "max_norm", by_norm)
        wrap("_get_total_norm", "norm_type", lambda given, _: norm_type.__setitem__(0, given))
    torch.nn.utils.clip_grad_value_ = wrap("clip_grad_value_", "clip_value", by_value)
