"""A training of PyTorch as the hooks see it: which of our parts hears what, and in which order."""

import sys
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from samebit.session.arriving import Arriving
from samebit.session.facts import Facts
from samebit.session.keeping import Keeper
from samebit.session.members import Members
from samebit.session.models import Models
from samebit.session.positions import Positions
from samebit.session.progress import Progress
from samebit.session.reducing import LocalGradients
from samebit.session.schedulers import Schedulers
from samebit.session.tally import Tally
from samebit.trace.recorder import Recorder

__all__ = ["Heard", "Training"]


class Heard(Struct, frozen=True):
    """What the run hears of its training."""

    begins: Callable[[], None]  # an optimizer is about to step for the first time
    epoch: Callable[[Any], None]  # a data loader is about to begin an epoch
    complete: Callable[[int, int], None]  # no more comes of a step; optimizer, count


class Training:
    """What of a training is recorded, as its hooks tell it.

    Args:
        recorder: takes the trace.
        progress: counts the steps.
        keeper: takes the states.
        arriving: is looked after at each batch and each step.
        facts: takes schedulers, what was counted, and what went wrong.
        heard: by the run.
    """

    def __init__(
        self,
        recorder: Recorder,
        progress: Progress,
        keeper: Keeper,
        arriving: Arriving,
        facts: Facts,
        heard: Heard,
    ) -> None:
        self._recorder = recorder
        self._progress = progress
        self._arriving = arriving
        self._trouble = facts.trouble
        self._heard = heard
        self.members = Members()
        self.models = Models(keeper, self.members)
        self.positions = Positions(facts.problem)
        self.schedulers = Schedulers(lambda fact: facts.tell("scheduler", fact))
        self.tally = Tally(lambda fact: facts.tell("training", fact), self.models.named)
        self._local = LocalGradients(lambda: recorder.is_full_next)
        self._counts = True
        # What these hear goes to them as it is.
        self.epoch_is_made = self.positions.is_made
        self.epoch_is_asked = self.positions.is_asked
        self.epoch_begun = self.positions.begun
        self.first_batch = self.positions.first_batch
        self.scaler_updated = self.tally.scaler_updated
        self.accumulated = recorder.accumulated

    def epoch(self, loader: Any) -> int | None:
        """A data loader is about to begin an epoch; how many batches of it were given before."""
        self._heard.epoch(loader)
        return self.positions.begins(loader)

    def loader_ends(self, iterator: Any) -> None:
        """A data loader has no more."""
        self.positions.ended(iterator)
        self.tally.loader_ends(iterator)

    def batch(self, value: Any, iterator: Any) -> None:
        """A data loader gave a batch."""
        self._arriving.look()
        self.positions.gave(iterator)
        self._recorder.batch(value)
        self._count(self.tally.batch, value, iterator)

    def forward_begins(self, module: Any, args: Any, kwargs: Any) -> None:
        """The outermost module is called; only training is traced."""
        if module.training and sys.modules["torch"].is_grad_enabled():
            if self.models.entered(module):
                self.models.before_training(module)
                self._recorder.entered(args, kwargs)
                self._local.forward_begins(module)
                self._count(self.tally.forward, args, kwargs)
        else:
            self.models.entered(module)

    def forward_ends(self, module: Any, output: Any) -> None:
        """The outermost module returned."""
        if module.training and sys.modules["torch"].is_grad_enabled():
            self._recorder.returned(output)

    def clipped(self, kind: str, limit: Any, norm_type: Any, parameters: Any) -> None:
        """The gradients of parameters are about to be clipped."""
        self.tally.clipped(kind, limit, norm_type)
        if hasattr(parameters, "grad"):
            parameters = [parameters]
        if isinstance(parameters, (list, tuple)):  # an iterator is the script's to go through
            self._recorder.clipping(parameters)

    def backward(self, tensors: Any) -> None:
        """`backward` was called on these."""
        self._recorder.loss(tensors)
        self._count(self.tally.backward)

    def before_step(self, optimizer: Any) -> None:
        """An optimizer is about to step."""
        recorder = self._recorder
        if recorder.count(optimizer) == 0 and not recorder.is_inner(optimizer):
            index = recorder.index(optimizer)
            self._progress.go_on(optimizer, index)
            self.models.before_first_step(optimizer, index, recorder.count(optimizer))
            self._count(self.tally.before_first_step, optimizer, index)
            self._heard.begins()
        self.schedulers.before_step(optimizer, recorder.index(optimizer))
        recorder.before_step(optimizer, self.models.parameter_names)

    def after_step(self, optimizer: Any) -> None:
        """An optimizer has stepped."""
        self._arriving.look()
        if self._recorder.after_step(optimizer, self.models.buffers):
            index, count = self._recorder.index(optimizer), self._recorder.count(optimizer)
            self._progress.stepped(index, count)
            self.models.after_step(optimizer, index, count)
            self.members.meet("optimizer", optimizer)
            self.positions.stepped()
            self._local.stepped()
            self._count(self.tally.after_step, index, index == self._progress.main)
            self._heard.complete(index, count)

    def before_scaled_step(self, scaler: Any, optimizer: Any) -> None:
        """A loss scaler is about to decide whether an optimizer steps."""
        self.members.meet("scaler", scaler)
        of = vars(scaler)
        if of.get("_enabled"):
            self._recorder.asked(optimizer, of.get("_scale"))
            self._count(self.tally.scaler_begins, scaler)

    def after_scaled_step(self, scaler: Any, optimizer: Any) -> None:
        """It has decided."""
        if vars(scaler).get("_enabled"):
            self._recorder.answered(optimizer)
            self._count(self.tally.scaler_ends, scaler)

    def scheduler_made(self, scheduler: Any) -> None:
        """A learning-rate scheduler was attached to its optimizer."""
        self.members.meet("scheduler", scheduler)
        self.schedulers.made(scheduler)

    def _count(self, function: Callable[..., None], *given: Any) -> None:
        """Counting that fails is given up, and costs the trace nothing."""
        if self._counts:
            try:
                function(*given)
            except Exception as error:
                self._counts = False
                self._trouble("hooks.training", error)

    def finish_trace(self) -> None:
        """Complete the last row."""
        if self.models.last is not None:
            self._recorder.finish(self.models.last)
