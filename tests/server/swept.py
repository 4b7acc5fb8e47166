"""A sweep of which the test plays the controller and the runs: one that goes on, bit by bit."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from samebit.folders.folder import RunFolder
from samebit.folders.folder import Trial as TrialOf
from samebit.journal.writer import Writer
from samebit.studies.declared import (
    ALL,
    Design,
    Study,
    Sweep,
    folder_of,
    join_or_declare,
    seed_of,
    study_id,
)
from samebit.studies.space import Value, read_space
from samebit.studies.trials import Trials
from tests.server.recorded import begin, finish

SPACE = {
    "lr": {"log": [1e-5, 1e-1]},
    "optimizer": ["sgd", "adam"],
    "momentum": {"float": [0, 0.99], "when": {"optimizer": "sgd"}},
}
METRIC = "val_acc"
BUDGET = {"trials": 12, "seconds": 7200}


class Played:
    """A sweep and its lines, for as long as it is open."""

    def __init__(
        self,
        store: Path,
        name: str = "digits",
        *,
        seeds: int = 1,
        take: str = "last",
        budget: Mapping[str, int] = BUDGET,
        space: Mapping[str, object] = SPACE,
        sampler: str = "random",
    ) -> None:
        self.store, self._seeds, self._budget = store, seeds, budget
        sweep = Sweep(read_space(space), sampler, "maximize", take=take, seeds=seeds)
        words = ("t.py", "--lr", "{lr}", "--optimizer", "{optimizer}", "--momentum", "{momentum}")
        self.study = Study(
            study_id(store, name), name, "script", words, str(store.parent), (ALL,), False, 1,
            metric=METRIC, sweep=sweep,
        )  # fmt: skip
        join_or_declare(store, self.study)
        self._log = Trials(folder_of(store, self.study.id), self.study.id)
        self._asked = 0

    def __enter__(self) -> Self:
        self._log.__enter__()
        self._log.want(self._budget, 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.__exit__(kind, error, trace)

    def ask(self, settings: Mapping[str, Value]) -> list[int]:
        """A configuration more; the numbers of its trials, which wait."""
        found = [
            self._log.decide(
                Design(
                    {**settings, ALL: seed_of(self.study, ALL, number)},
                    asked=self._asked,
                    by="optuna 4.5.0 random",
                )
            ).number
            for number in range(self._seeds)
        ]
        self._asked += 1
        return found

    def start(self, number: int) -> tuple[RunFolder, Writer]:
        """The run of a trial, which goes on."""
        trial = self._log.start(number)
        assert trial.last is not None
        values = trial.values
        run, writer = begin(
            self.store,
            seed=values[ALL],
            group=self.study.name,
            trial=TrialOf(self.study.id, number, trial.last.run),
        )
        writer.fact("config", {name: value for name, value in values.items() if name != ALL})
        return run, writer

    def end(self, number: int, *values: float, status: str = "finished") -> None:
        """The run of a trial, from its begin to its end, with what it logged."""
        run, writer = self.start(number)
        for step, value in enumerate(values, 1):
            writer.row({METRIC: value}, step)
        finish(run, writer, status)

    def stop_early(self, number: int, value: float) -> None:
        """It is stopped by a pruner at its first step."""
        run, writer = self.start(number)
        writer.row({METRIC: value}, 1)
        self._log.stop_early(number, 1, f"{METRIC} {value}")
        run.add_note("stopped early", {"execution": 1, "why": "by the sweep at step 1"})
        finish(run, writer, "killed")


def some(sweep: Played) -> None:
    """Configurations of one seed: two finished, one was stopped, one failed, one waits."""
    for settings in (
        {"lr": 0.01, "optimizer": "adam"},
        {"lr": 0.003, "optimizer": "sgd", "momentum": 0.9},
        {"lr": 0.00002, "optimizer": "adam"},
        {"lr": 0.1, "optimizer": "sgd", "momentum": 0.25},
        {"lr": 0.05, "optimizer": "sgd", "momentum": 0.5},
    ):
        sweep.ask(settings)
    sweep.end(0, 0.5, 0.75)
    sweep.end(1, 0.95, 0.875)
    sweep.stop_early(2, 0.1)
    sweep.end(3, status="failed")
