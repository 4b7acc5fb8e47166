"""The job of a sweep of Hydra that a run is of: which it is, and when another begins."""

import sys
from collections.abc import Callable
from typing import Any

from samebit.capture import secrets
from samebit.capture.parsing import Job
from samebit.folders.folder import RunFolder

__all__ = ["SweepJob"]


class SweepJob:
    """Which job of a sweep a run is, if it is any.

    A run that `init()` began or joined outside of a job has all jobs of the sweep, and is none.

    Args:
        folder: the run's.
        execution: its number.
        names_group: whether this process says in which group the run is: that of the sweep.
        fact: takes which job it is.

    Attributes:
        is_whole: whether the run began with the job.
    """

    def __init__(
        self,
        folder: RunFolder,
        execution: int,
        *,
        names_group: bool,
        fact: Callable[[str, Any], None],
    ) -> None:
        self.is_whole = False
        self._folder = folder
        self._execution = execution
        self._names_group = names_group
        self._fact = fact
        self._number: int | None = None
        self._is_of_script = False

    @property
    def is_known(self) -> bool:
        """Whether the run has met a job: its own, or one of all."""
        return self._number is not None

    def taken_by_init(self) -> None:
        """An `init()` began the run, or joined it."""
        self._is_of_script = self._number is None

    def is_other(self, job: Job | None) -> bool:
        """Whether a job is a further one, which is a run of its own; also where this is over."""
        is_another = job is not None and self._number not in (None, job.number)
        return is_another and not self._is_of_script

    def is_run(self, number: int) -> bool:
        """Whether the run ends with the job of this number."""
        return self._number == number and not self._is_of_script

    def begins(self, job: Job) -> None:
        """The run has met its first job."""
        from samebit.capture.composed import options_of  # noqa: PLC0415  (for Hydra alone)

        self._number = job.number
        start = self._folder.start(self._execution)
        # The process may be a launcher's own, with another command than the sweep.
        words = sys.argv[1:] if start.how == "command" else start.argv[1:]
        arguments, _ = secrets.mask_arguments([*options_of(words), *job.arguments])
        fact = {"number": job.number, "arguments": arguments, "replaces": len(words)}
        self._fact("job", {**fact, "sweep": job.sweep, "whole": self.is_whole})
        if self._names_group and not self._is_of_script and self._folder.record().group is None:
            self._folder.add_note("group", job.sweep)
