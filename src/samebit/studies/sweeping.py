"""Which trials a sweep is to have: a sampler's answers, by what came of those before, in a budget.

A configuration is one answer of the sampler, and one run for each of its seeds. The sampler learns
of configurations that are over, in the order of their numbers, just before it is asked; which these
were is written with its answer. So the same answers come from the same results, however many
runs go on at once and whatever was killed in between.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from samebit.studies.declared import ALL, FACTORS, Design, Study, Sweep, seed_of
from samebit.studies.fates import Fate
from samebit.studies.samplers import Answers
from samebit.studies.trials import History, Trial

__all__ = ["Budget", "Configuration", "Sweeping", "configurations", "spent", "value_of"]

Row = Mapping[str, object]
RowOf = Callable[[str], Row | None]
_HOUR_S, _NS = 3600, 1_000_000_000


class Budget(Struct, frozen=True):
    """How much a sweep may take; no more is begun where one of these is used up. 0: no limit."""

    trials: int = 0  # configurations
    seconds: int = 0  # in which at least one of its runs went on
    gpu_seconds: int = 0  # of all devices that its runs held, added up

    @property
    def counts(self) -> dict[str, int]:
        """As `trials.jsonl` has it."""
        both = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: count for name, count in both if count}


class Configuration(Struct, frozen=True):
    """An answer of the sampler, and what came of it."""

    number: int  # of the question, from 0
    settings: dict[str, object]
    trials: list[Trial]  # one for each seed
    state: str  # running | finished | stopped early | failed
    value: float | None  # None where it is not finished
    values: list[float]  # of its runs that have one
    by: str  # who answered


class Sweeping:
    """The configurations of a sweep, in the order in which they were asked for."""

    def __init__(
        self,
        study: Study,
        sweep: Sweep,
        answers: Answers,
        budget: Budget,
        row_of: RowOf,
        steps_of: Callable[[str], Mapping[int, float]],
    ) -> None:
        """Asks nothing yet.

        Args:
            study: the sweep's.
            sweep: what is searched.
            answers: of its sampler.
            budget: how much it may take.
            row_of: what is known of a run now, as `report.facts` has it.
            steps_of: of a run that was stopped early its values by their steps.
        """
        self._study, self._sweep, self._answers, self._budget = study, sweep, answers, budget
        self._row_of, self._steps_of = row_of, steps_of
        self._given = 0  # trials
        self._asked = 0  # questions
        self._told: set[int] = set()
        self._rest: list[Design] = []  # of the last configuration
        self._is_over = False

    def total(self, given: int) -> int:
        """By the budget of trials, or the grid; else as many as there are."""
        limits = [n for n in (self._budget.trials, self._answers.size) if n]
        return max(given, min(limits) * self._sweep.seeds) if limits else given

    def next(self, history: History, fates: Mapping[int, Fate], free: int) -> Design | None:
        """The next run: of those that were decided before, of this configuration, of another."""
        if self._given < len(history.trials):
            return self._again(history, fates)
        if not self._rest and free > 0 and not self._is_over:
            self._rest = self._configuration(history, fates)
            self._is_over = not self._rest
        if not self._rest or free <= 0:
            return None
        self._given += 1
        return self._rest.pop(0)

    def _again(self, history: History, fates: Mapping[int, Fate]) -> Design:
        trial = history.trials[self._given]
        self._given += 1
        asked = trial.asked if trial.asked is not None else self._asked
        one = Design(trial.values, trial.repeat, asked, trial.told, trial.by)
        if asked == self._asked:
            self._tell(trial.told, history, fates)
            settings = settings_of(trial.values)
            self._answers.ask(asked, settings)
            self._asked += 1
            self._rest = self._designs(asked, settings, trial.told, trial.by)
        self._rest = self._rest[1:]
        return one

    def _configuration(self, history: History, fates: Mapping[int, Fate]) -> list[Design]:
        limits = [n for n in (self._budget.trials, self._answers.size) if n]
        if limits and self._asked >= min(limits):
            return []
        if _is_spent(self._budget, history.trials, self._row_of):
            return []
        told = [
            one.number
            for one in configurations(self._study, self._sweep, history, fates, self._row_of)
            if one.number not in self._told and one.state != "running"
        ]
        self._tell(told, history, fates)
        settings = self._answers.ask(self._asked)
        self._asked += 1
        return self._designs(self._asked - 1, settings, tuple(told), self._answers.by)

    def _designs(
        self, asked: int, settings: Mapping[str, object], told: tuple[int, ...], by: str
    ) -> list[Design]:
        found: list[Design] = []
        for number in range(self._sweep.seeds):
            values = {**settings, ALL: seed_of(self._study, ALL, number)}
            found.append(Design(values, 0, asked, () if number else told, by))
        return found

    def _tell(self, numbers: Sequence[int], history: History, fates: Mapping[int, Fate]) -> None:
        if not numbers:
            return
        self._told.update(numbers)
        every = configurations(self._study, self._sweep, history, fates, self._row_of)
        for number in numbers:
            one = every[number]
            steps: Mapping[int, float] = {}
            if one.state == "stopped early":
                last = one.trials[0].last
                steps = self._steps_of(last.run) if last is not None else {}
            self._answers.tell(number, one.value, steps)
