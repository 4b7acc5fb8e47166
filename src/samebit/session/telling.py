"""How hooks tell what they met: in the process and the thread that train, and never raising.

A source that fails is switched off, and that is said once.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Protocol

from samebit import disk
from samebit.session import boosting, summaries

__all__ = [
    "Guard",
    "Listener",
    "is_ours",
    "listen",
    "tell",
    "tell_of_fits",
    "tell_of_scalars",
    "tell_of_splits",
    "tell_of_summaries",
    "unheard",
]

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

    def summary_scalar(self, writer: Any, tag: Any, value: Any, step: Any, wall: Any, /) -> None:
        """It has logged a number."""

    def trouble(self, source: str, error: Exception) -> None:
        """Something of ours failed; the source is switched off."""


_get_ident = threading.get_ident
_forks = 0  # between the process that imported this and this one; asking for the pid takes longer


def _after_fork_in_child() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Guard:
    """Runs our part of a hook: in the process and thread that train, and never raising."""

    current: "Guard | None" = None

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.forks = _forks
        self.off: set[str] = set()  # sources that failed
        self._thread: int | None = None

    def run(self, source: str, method: str, args: tuple[Any, ...]) -> Any:
        """Call a method of the listener; None where that fails, or is not for this thread."""
        if source in self.off or self.forks != _forks:
            return None
        if self._thread != _get_ident() and not self._is_training_thread(source):
            return None
        try:
            if disk.FAULTS is not None:
                disk.fault(source)
            return getattr(self.listener, method)(*args)
        except Exception as error:
            self.failed(source, error)
            return None

    def failed(self, source: str, error: Exception) -> None:
        """Switch a source off, and say so."""
        self.off.add(source)
        self.listener.trouble(source, error)

    def _is_training_thread(self, source: str) -> bool:
        """Not DataParallel's threads, an evaluation beside the training, a loader read ahead."""
        if source == summaries.SOURCE:
            return True  # what a script logs it may log from any thread
        me = _get_ident()
        if self._thread is None and source in _OF_TRAINING:
            self._thread = me
        if self._thread is None and source in _OF_MAIN:
            return me == threading.main_thread().ident
        return self._thread in (None, me)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is where our part of a hook begins; what it calls is our own work."""
    return frame.f_code is Guard.run.__code__


@contextlib.contextmanager
def unheard() -> Generator[None]:
    """Nobody listens: what is called within is no training, whatever a data set does in it."""
    guard, Guard.current = Guard.current, None
    try:
        yield
    finally:
        Guard.current = guard


def listen(listener: Listener | None) -> None:
    """From now on this one is told; None: nobody is."""
    Guard.current = None if listener is None else Guard(listener)


def tell(source: str, method: str, *args: Any) -> Any:
    """Call a method of whoever listens; None where nobody does.

    Args:
        source: the kind of hook, which is switched off where it fails.
        method: one of `Listener`.
        args: its arguments.
    """
    guard = Guard.current
    return None if guard is None else guard.run(source, method, args)


def tell_of_splits(work: Callable[[Any], Any]) -> Any:
    """The same of splits; see `Listener.splitting`."""
    return tell("hooks.splits", "splitting", work)


def tell_of_fits(work: Callable[[Any], Any]) -> Any:
    """The same of what is fitted."""
    return tell("hooks.fits", "fitting", work)


def tell_of_summaries(call: summaries.Summary) -> None:
    """The same of what a `SummaryWriter` logged."""
    tell(summaries.SOURCE, "summary", call)


def tell_of_scalars(writer: Any, tag: Any, value: Any, step: Any, wall: Any) -> None:
    """The same of one number of it, which may be logged from any thread."""
    # As `Guard.run`, in one call, for it is what is told most.
    guard = Guard.current
    if guard is None or guard.forks != _forks or summaries.SOURCE in guard.off:
        return
    try:
        if disk.FAULTS is not None:
            disk.fault(summaries.SOURCE)
        guard.listener.summary_scalar(writer, tag, value, step, wall)
    except Exception as error:
        guard.failed(summaries.SOURCE, error)
