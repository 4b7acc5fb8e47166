"""Who hears what the hooks tell: a table from what they call to the part that records it."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samebit.session.boosting import Boosting
from samebit.session.training import Training

if TYPE_CHECKING:
    from samebit.session.fitted import Fitted
    from samebit.session.met import Met
    from samebit.session.splits import Splits
    from samebit.session.summaries import Summaries, Summary

__all__ = ["Listening"]


class Listening:
    """The listener of a run (`telling.Listener`).

    Args:
        training: hears of a training of PyTorch.
        boosting: of trainings of boosting libraries.
        splits: gives what hears of splits and of what is fitted; made when one comes.
        summaries: makes what hears of a `SummaryWriter`.
        trouble: takes what failed.
    """

    def __init__(
        self,
        training: Training,
        boosting: Boosting,
        splits: "Callable[[], Splits]",
        summaries: "Callable[[], Summaries]",
        trouble: Callable[[str, Exception], None],
    ) -> None:
        self._trouble = trouble
        self.epoch = training.epoch
        self.epoch_is_made = training.epoch_is_made
        self.epoch_is_asked = training.epoch_is_asked
        self.epoch_begun = training.epoch_begun
        self.first_batch = training.first_batch
        self.batch = training.batch
        self.loader_ends = training.loader_ends
        self.forward_begins = training.forward_begins
        self.forward_ends = training.forward_ends
        self.backward = training.backward
        self.accumulated = training.accumulated
        self.clipped = training.clipped
        self.before_step = training.before_step
        self.after_step = training.after_step
        self.before_scaled_step = training.before_scaled_step
        self.after_scaled_step = training.after_scaled_step
        self.scaler_updated = training.scaler_updated
        self.scheduler_made = training.scheduler_made
        self.boosting_begins = boosting.begins
        self.boosting_round = boosting.round
        self.boosting_ends = boosting.ends
        self.summary_scalar: Callable[[Any, Any, Any, Any, Any], None] = self._first_scalar
        self._splits = splits
        self._make_summaries = summaries
        self._is_over = False

    @functools.cached_property
    def _summaries(self) -> "Summaries":
        return self._make_summaries()

    def splitting(self, work: "Callable[[Met], Any]") -> Any:
        """A library splits data: what is to be told of it."""
        return work(self._splits().met) if not self._is_over else None

    def fitting(self, work: "Callable[[Fitted], Any]") -> Any:
        """A transformer is fitted: what is to be told of it."""
        return work(self._splits().fitted) if not self._is_over else None

    def summary(self, call: "Summary") -> None:
        """A `SummaryWriter` has logged something."""
        if not self._is_over:
            self._summaries.take(call)

    def _first_scalar(self, writer: Any, tag: Any, value: Any, step: Any, wall: Any) -> None:
        """It has logged a number; the next ones go where this one goes, without this call."""
        if not self._is_over:
            self.summary_scalar = self._summaries.scalar
            self.summary_scalar(writer, tag, value, step, wall)

    def trouble(self, source: str, error: Exception) -> None:
        """Something of ours failed; the source is switched off."""
        self._trouble(source, error)

    def finish(self) -> None:
        """Hear no more of what may still be told while the record is completed."""
        self._is_over = True
        self.summary_scalar = self._first_scalar
