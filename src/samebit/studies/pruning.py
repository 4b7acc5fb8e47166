"""Runs of a sweep are stopped early by a pruner of Optuna, which sees their values as they come.

Each value is put to it in the order of the run's steps, whether they came one by one or not, so
that what it says of a run depends on how far the others are and not on how often we look. Of a
study that goes on it is shown again what the runs have logged.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from samebit.errors import UsageError
from samebit.folders.ending import STOPPED_EARLY
from samebit.studies.declared import Study, Sweep
from samebit.studies.samplers import load_optuna, quietly
from samebit.studies.stopping import Observed, Stop

if TYPE_CHECKING:
    import optuna

__all__ = ["PRUNERS", "Pruning", "check_pruner"]

PRUNERS = ("median", "asha", "hyperband")


class Pruning:
    """Stops what a pruner says, as `control` asks."""

    def __init__(self, study: Study, sweep: Sweep) -> None:
        """NotFound where Optuna is missing."""
        self._optuna = load_optuna()
        pruners = self._optuna.pruners
        makes = {
            "median": pruners.MedianPruner,
            "asha": pruners.SuccessiveHalvingPruner,
            "hyperband": pruners.HyperbandPruner,
        }
        self._name = f"{sweep.pruner} of optuna {self._optuna.__version__}"
        self._metric = study.metric
        with quietly():
            self._study = self._optuna.create_study(
                study_name=study.id,  # by which hyperband parts trials into brackets
                direction=sweep.goal,
                sampler=self._optuna.samplers.RandomSampler(seed=0),  # it is never asked for values
                pruner=makes[sweep.pruner](),
            )
        self._trials: list[optuna.trial.Trial] = []
        self._shown: dict[int, tuple[str, float]] = {}  # of a trial the run, and its last step

    def look(self, observed: Observed) -> Sequence[Stop]:
        """What is to end, by all values until now."""
        stops: list[Stop] = []
        with quietly():
            for number in observed.changed:
                fate = observed.fates[number]
                if fate.trial.last is None:
                    continue
                stop = self._show(number, fate.trial.last.run, observed.points(number))
                if fate.state == "running" and stop is not None:
                    stops.append(stop)
                elif fate.state in _STATES:
                    self._end(number, _STATES[fate.state])
        return stops

    def _show(self, number: int, run: str, points: Sequence[tuple[float, float]]) -> Stop | None:
        """Put new values of a run to the pruner; the first by which it would end."""
        while len(self._trials) <= number:
            self._trials.append(self._study.ask())
        trial = self._trials[number]
        before, last = self._shown.get(number, (run, -1.0))
        if before != run:
            last = -1.0  # started once more; steps that it was shown already do not count again
        found: Stop | None = None
        for step, value in points:
            if step <= last or step != int(step):
                continue
            trial.report(value, int(step))
            last = step
            if trial.should_prune() and found is None:
                found = Stop(number, step, f"{self._name}, {self._metric} {value:.4g}")
        self._shown[number] = (run, last)
        return found

    def _end(self, number: int, state: str) -> None:
        """A run is over: of those that finished the pruner may know the last value."""
        trial = self._trials[number]
        states = self._optuna.trial.TrialState
        seen = self._study.trials[number].intermediate_values
        if self._study.trials[number].state != states.RUNNING:
            return
        if state == "COMPLETE" and seen:
            self._study.tell(trial, seen[max(seen)])
        else:
            self._study.tell(trial, state=states.FAIL if state == "COMPLETE" else states[state])


_STATES: Mapping[str, str] = {
    "finished": "COMPLETE",
    STOPPED_EARLY: "PRUNED",
    "failed": "FAIL",
}


def check_pruner(name: str, seeds: int) -> None:
    """UsageError for a pruner that there is not, or that would judge one seed of several."""
    if name and name not in PRUNERS:
        raise UsageError(f"no pruner is called {name!r}", known=", ".join(PRUNERS))
    if name and seeds > 1:
        raise UsageError(
            "a pruner stops single runs, and a configuration is judged by several here",
            seeds=seeds,
            hint="seeds = 1 with a pruner; run the best again with `samebit seeds`",
        )
