"""What is started once more, and whether its run goes on or another one begins.

A run goes on where it has a checkpoint that it can go on from, as a job does that Slurm queues
again: as a further execution of the same run. One that was lost does so as often as it comes
further; without a checkpoint it is started once more as another run.
"""

from collections.abc import Callable
from pathlib import Path

from samebit.folders.folder import RunFolder
from samebit.studies.fates import LOST, MOST_STARTS, Fate, goes_again
from samebit.studies.trials import Trial, Trials

__all__ = ["AGAIN", "ON", "GoesOn", "Restarts"]

# Whether a run can go on from a checkpoint; with True only where its last execution made a newer
# one than there was before it.
GoesOn = Callable[[RunFolder, bool], bool]
AGAIN, ON = "again", "on"  # what comes after a run: another one, or it goes on from a checkpoint


class Restarts:
    """Decides it for the trials of a study, and makes their starts.

    Attributes:
        on: the trials that wait to go on.
    """

    on: set[int]

    def __init__(self, store: Path, goes_on: GoesOn) -> None:
        self._store, self._can_go_on = store, goes_on
        self.on = set()

    def then(self, found: Fate, *, retry: bool = False) -> str:
        """AGAIN or ON for what is to be started once more; empty where it is not, or is new.

        Args:
            found: how it is with a trial.
            retry: what failed or was given up is started, too.
        """
        then = self._then(found, retry=retry)
        if then == ON:
            self.on.add(found.trial.number)
        return then

    def _then(self, found: Fate, *, retry: bool) -> str:
        last = found.trial.last
        # A start that came to nothing leaves no run, unless it was one of a run that goes on.
        has_run = found.began or (last is not None and last.execution > 1)
        if found.state == "waiting":
            return self._on_or_again(found.trial) if has_run else ""
        if goes_again(found) or (retry and found.state in ("failed", *LOST)):
            return self._on_or_again(found.trial) if has_run else AGAIN
        if found.state not in LOST or found.is_in_vain or not has_run:
            return ""
        is_tried = not found.began and found.trial.tried >= MOST_STARTS
        return ON if not is_tried and self._goes_on(found.trial, further=True) else ""

    def _on_or_again(self, trial: Trial) -> str:
        return ON if self._goes_on(trial) else AGAIN

    def _goes_on(self, trial: Trial, *, further: bool = False) -> bool:
        return self._can_go_on(self._run(trial), further)

    def _run(self, trial: Trial) -> RunFolder:
        assert trial.last is not None
        return RunFolder(self._store / "runs" / trial.last.run)

    def start(self, log: Trials, found: Fate) -> Trial:
        """The trial with the start that is to be made now; one that came to nothing is made again.

        What is written is durable after `log.sync`.
        """
        trial, number = found.trial, found.trial.number
        last = trial.last
        came_to_nothing = last is not None and not (last.stopped or last.lost or found.began)
        if number not in self.on:
            is_same = came_to_nothing and last is not None and last.execution == 1
            return trial if is_same else log.start(number)
        self.on.discard(number)
        if came_to_nothing:
            return trial
        return log.start(number, execution=len(self._run(trial).executions()) + 1)
