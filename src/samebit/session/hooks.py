"""Torch's global hooks, calling functions they are given; installed when torch is imported.

None of them draws, copies to or from a device, or lets an exception of ours out. A hook that fails
is switched off and reported once.

Modules are met in `torch.nn.Module.__call__`, not by torch's global forward hooks: with one of
those, a compiled model is compiled anew at every step (docs/design/002-module-calls.md).
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Protocol

from samebit import disk
from samebit.capture.importing import step_aside, when_imported
from samebit.session import boosters, boosting, compiling, fits, splitters, summaries

__all__ = ["Listener", "install", "is_ours", "meet_boosters", "unheard"]


_OF_TRAINING = ("hooks.backward", "hooks.pre_step")  # the thread that does these is the one
# As long as none is, of these the main thread's alone: others may be an evaluation, or a search.
_OF_MAIN = ("hooks.batch", "hooks.epoch", "hooks.boosting")


class Listener(Protocol):
    """What the hooks tell."""

    def epoch(self, loader: Any) -> int | None:
        """A data loader is about to begin an epoch; how many batches of it were given before.

        None where it begins as any other.
        """
        ...

    def epoch_is_made(self, loader: Any) -> bool:
        """Its iterator was made, and it was begun before; whether it is to be made once more."""
        ...

    def epoch_is_asked(self, loader: Any) -> None:
        """Its iterator is made, and the batches that were given before are asked for."""

    def epoch_begun(self, loader: Any, iterator: Any) -> None:
        """Its iterator is about to be given out."""

    def first_batch(self, iterator: Any) -> None:
        """A data loader is asked for the first batch of an epoch."""

    def batch(self, value: Any, iterator: Any) -> None:
        """A data loader gave a batch."""

    def loader_ends(self, iterator: Any) -> None:
        """A data loader has no more."""

    def forward_begins(self, module: Any, args: Any, kwargs: Any) -> None:
        """The outermost module is called."""

    def forward_ends(self, module: Any, output: Any) -> None:
        """It returned."""

    def backward(self, tensors: Any) -> None:
        """`backward` is called."""

    def before_step(self, optimizer: Any) -> None:
        """An optimizer is about to step."""

    def after_step(self, optimizer: Any) -> None:
        """It has stepped."""

    def before_scaled_step(self, scaler: Any, optimizer: Any) -> None:
        """A loss scaler is about to decide whether an optimizer steps."""

    def after_scaled_step(self, scaler: Any, optimizer: Any) -> None:
        """It has decided."""

    def accumulated(self, parameter: Any) -> None:
        """The gradient of a parameter is there, and was not reduced yet."""

    def scaler_updated(self, scaler: Any) -> None:
        """It has taken its next scale."""

    def scheduler_made(self, scheduler: Any) -> None:
        """A learning-rate scheduler was attached to its optimizer."""

    def clipped(self, kind: str, limit: Any, norm_type: Any, parameters: Any) -> None:
        """The gradients of parameters are about to be clipped, by `norm` or by `value`."""

    def boosting_begins(self, call: boosting.Call) -> boosting.Training | None:
        """`train` of a boosting library is called; None where it is not to be met."""
        ...

    def boosting_round(
        self, training: boosting.Training, booster: Any, scores: Any, params: Any = None
    ) -> None:
        """A round of it is over."""

    def boosting_ends(self, training: boosting.Training, booster: Any) -> None:
        """It gave its booster back."""

    def splitting(self, work: Callable[[Any], Any]) -> Any:
        """A library splits data: what is to be told of it."""

    def fitting(self, work: Callable[[Any], Any]) -> Any:
        """A transformer is fitted, or transforms: what is to be told of it."""

    def summary(self, call: summaries.Summary) -> None:
        """A `SummaryWriter` has logged something."""

    def summary_scalar(self, writer: Any, tag: Any, value: Any, step: Any, wall: Any) -> None:
        """It has logged a number."""

    def trouble(self, source: str, error: Exception) -> None:
        """Something of ours failed; the source is switched off."""


_getpid = os.getpid


class _Guard:
    """Runs our part of a hook: in the process and thread that train, and never raising."""

    current: "_Guard | None" = None

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._pid = os.getpid()
        self._thread: int | None = None
        self._off: set[str] = set()

    def run(self, source: str, method: str, args: tuple[Any, ...]) -> Any:
        if source in self._off or os.getpid() != self._pid:
            return None
        if not self._is_training_thread(source):
            return None
        try:
            disk.fault(source)
            return getattr(self._listener, method)(*args)
        except Exception as error:
            self._off.add(source)
            self._listener.trouble(source, error)
            return None

    def scalar(self, writer: Any, tag: Any, value: Any, step: Any, wall: Any) -> None:
        """As `run`, for the hook that is called most; a number may be logged from any thread."""
        if summaries.SOURCE in self._off or _getpid() != self._pid:
            return
        try:
            disk.fault(summaries.SOURCE)
            self._listener.summary_scalar(writer, tag, value, step, wall)
        except Exception as error:
            self._off.add(summaries.SOURCE)
            self._listener.trouble(summaries.SOURCE, error)

    def _is_training_thread(self, source: str) -> bool:
        """Not DataParallel's threads, an evaluation beside the training, a loader read ahead."""
        if source == summaries.SOURCE:
            return True  # what a script logs it may log from any thread
        me = threading.get_ident()
        if self._thread is None and source in _OF_TRAINING:
            self._thread = me
        if self._thread is None and source in _OF_MAIN:
            return me == threading.main_thread().ident
        return self._thread in (None, me)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is where our part of a hook begins; what it calls is our own work."""
    return frame.f_code is _Guard.run.__code__


@contextlib.contextmanager
def unheard() -> Generator[None]:
    """Nobody listens: what is called within is no training, whatever a data set does in it."""
    guard, _Guard.current = _Guard.current, None
    try:
        yield
    finally:
        _Guard.current = guard


def _tell(source: str, method: str, *args: Any) -> Any:
    if _Guard.current is None:
        return None
    return _Guard.current.run(source, method, args)


def _tell_of_splits(work: Callable[[Any], Any]) -> Any:
    return _tell("hooks.splits", "splitting", work)


def _tell_of_fits(work: Callable[[Any], Any]) -> Any:
    return _tell("hooks.fits", "fitting", work)


def _tell_of_summaries(call: summaries.Summary) -> None:
    _tell(summaries.SOURCE, "summary", call)


def _tell_of_scalars(writer: Any, tag: Any, value: Any, step: Any, wall: Any) -> None:
    # Told one by one: a call that unpacks its arguments takes twice as long.
    if (guard := _Guard.current) is not None:
        guard.scalar(writer, tag, value, step, wall)


_installed: list[bool] = []


def install(listener: Listener | None) -> None:
    """Hook into torch, now or when it is imported; a later call only changes who listens."""
    _Guard.current = None if listener is None else _Guard(listener)
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
    splitters.hook(_tell_of_splits)
    fits.hook(_tell_of_fits)
    summaries.hook(_tell_of_summaries, _tell_of_scalars)


def meet_boosters() -> None:
    """Meet the boosting libraries alone; for a door that begins a run as an argument of `train`."""
    boosters.hook(_tell)


def _optimizers(module: Any) -> None:
    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        _tell("hooks.pre_step", "before_step", optimizer)

    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        _tell("hooks.post_step", "after_step", optimizer)

    module.register_optimizer_step_pre_hook(before)
    module.register_optimizer_step_post_hook(after)


def _scalers(module: Any) -> None:
    scaler = module.GradScaler
    original, original_update = scaler.step, scaler.update

    @functools.wraps(original)
    def step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        _tell("hooks.scaler", "before_scaled_step", self, optimizer)
        try:
            returned = original(self, optimizer, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        # torch itself has waited for the device, where it had to know whether to step.
        _tell("hooks.scaler", "after_scaled_step", self, optimizer)
        return returned

    @functools.wraps(original_update)
    def update(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            returned = original_update(self, *args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        _tell("hooks.scaler", "scaler_updated", self)
        return returned

    scaler.step, scaler.update = step, update


def watch_gradients(module: Any) -> list[Any]:
    """Tell of each gradient of a module before it is reduced; gives what can be removed again.

    torch runs these hooks as it has accumulated a gradient, and `DistributedDataParallel`'s own
    behind them.
    """

    def accumulated(parameter: Any) -> None:
        _tell("hooks.local", "accumulated", parameter)

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
        _tell("hooks.scheduler", "scheduler_made", self)

    return __init__


def _backward(module: Any) -> None:
    original = module.backward

    @functools.wraps(original)
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        _tell("hooks.backward", "backward", tensors)
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
            _tell("hooks.epoch", "first_batch", self)
        try:
            batch = original(self)
        except BaseException as error:
            if isinstance(error, StopIteration):
                _tell("hooks.epoch", "loader_ends", self)
            step_aside(error)
            raise
        _tell("hooks.batch", "batch", batch, self)
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
        given = _tell("hooks.epoch", "epoch", self)
        splitters.loader_begins(_tell_of_splits, self)
        try:
            iterator = begin(self)
            if given is not None:
                if _tell("hooks.epoch", "epoch_is_made", self):
                    iterator = begin(self)
                if given:
                    _tell("hooks.epoch", "epoch_is_asked", self)
                    skip(iterator, given)
        except BaseException as error:
            step_aside(error)
            raise
        _tell("hooks.epoch", "epoch_begun", self, iterator)
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
            _tell("hooks.forward", "forward_begins", module, args, kwargs)
            output = original(module, *args, **kwargs)
            _tell("hooks.forward", "forward_ends", module, output)
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

    def wrap(name: str, second: str, tell: Callable[[Any, Any], object]) -> Any:
        """The function of this name, which tells its second and first argument before it runs."""
        original = getattr(module, name)

        def met(args: Any, kwargs: Any) -> Any:
            tell(args[1] if len(args) > 1 else kwargs.get(second), args[0] if args else None)
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
        _tell("hooks.clip", "clipped", "norm", limit, norm_type[0], parameters)

    def by_value(limit: Any, parameters: Any) -> None:
        _tell("hooks.clip", "clipped", "value", limit, None, parameters)

    if hasattr(module, "_clip_grads_with_norm_") and hasattr(module, "_get_total_norm"):
        wrap("_clip_grads_with_norm_", "max_norm", by_norm)
        wrap("_get_total_norm", "norm_type", lambda given, _: norm_type.__setitem__(0, given))
    torch.nn.utils.clip_grad_value_ = wrap("clip_grad_value_", "clip_value", by_value)
