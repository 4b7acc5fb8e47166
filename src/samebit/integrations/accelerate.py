"""`Accelerator(log_with=SamebitTracker())`: what a script logs through accelerate."""

from collections.abc import Mapping
from typing import Any

from accelerate import PartialState
from accelerate.tracking import GeneralTracker

from samebit.session.doors import Door
from samebit.session.run import Run

__all__ = ["SamebitTracker"]


class SamebitTracker(GeneralTracker):
    """Records what `accelerator.log` is given, and the config of `init_trackers`.

    Optimizers, schedule, batches and states are recorded without it. It begins the run, or joins
    the one that is there, when it is made; `end_training` ends a run that it began.

    Args:
        run_name: of the run, where it begins one.
        group: the same.
    """

    name = "samebit"
    requires_logging_directory = False
    main_process_only = False  # every process has its part of the run; rows are the first one's

    def __init__(self, run_name: str | None = None, group: str | None = None) -> None:
        super().__init__()
        self._door = Door("accelerate", run_name, group)
        self._door.enter()
        self._is_first: bool | None = None  # known when the accelerator has been made

    @property
    def tracker(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    @property
    def run(self) -> Run:
        """The same, as the other doors call it."""
        return self._door.run

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Take the config that `init_trackers` was given."""
        self._door.enter()
        self._door.settings(values)

    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Record a row, at the run's own step where none is given."""
        if self._is_first is None:
            self._is_first = bool(PartialState().is_main_process)
        if self._is_first:
            self._door.log(values, step)

    def finish(self) -> None:
        """The training is over."""
        self._door.finish()
