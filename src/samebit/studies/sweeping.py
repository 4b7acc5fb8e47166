"""Which trials a sweep is to have: a sampler's answers, by what came of those before, in a budget.

A configuration is one answer of the sampler, and one run for each of its seeds. The sampler learns
of configurations that are over, in the order of their numbers, just before it is asked; which these
were is written with its answer. So the same answers come from the same results, however many
runs go on at once and whatever was killed in between.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from msgspec import Struct

from samebit.folders.ending import STOPPED_EARLY
from samebit.studies.declared import ALL, Design, Study, Sweep, seed_of, settings_of
from samebit.studies.fates import Fate
from samebit.studies.following import Point
from samebit.studies.lasting import Covered, Span
from samebit.studies.samplers import Answers
from samebit.studies.space import Value
from samebit.studies.trials import History, Trial

__all__ = ["STAYS", "Budget", "Outcome", "Results", "Sweeping"]

STAYS = ("finished", STOPPED_EARLY)  # states of runs that never go on; others may, or are retried

Row = Mapping[str, object]
RowOf = Callable[[str], Row | None]
PointsOf = Callable[[str], Sequence[Point]]
_HOUR_S, _NS = 3600, 1_000_000_000
_HOPELESS = 3  # as of failures
_LOOK_S = 2.0  # between two looks at how much of a budget is left


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

    @property
    def is_of_time(self) -> bool:
        """Whether it is bounded by how long runs go on."""
        return bool(self.seconds or self.gpu_seconds)

    def most(self, size: int | None) -> int | None:
        """Configurations at most, where there are `size`; None where neither bounds them."""
        return min((n for n in (self.trials, size) if n), default=None)


class Outcome(Struct, frozen=True):
    """What came of a configuration."""

    state: str  # running | finished | stopped early | failed
    value: float | None  # the mean over its runs; None where it did not finish
    values: tuple[float, ...] = ()  # of its runs that have one
    has_metric: bool = True  # though it may be NaN; False where it ended without ever logging it


class Results:
    """What runs came to, as they are now; of those that never go on each is read once."""

    def __init__(self, study: Study, sweep: Sweep, row_of: RowOf, points_of: PointsOf) -> None:
        """Reads nothing yet.

        Args:
            study: the sweep's.
            sweep: by which value a run is judged.
            row_of: what is known of a run now, as `report.facts` has it.
            points_of: the values that a run has logged of the study's metric, by their steps.
        """
        self._key, self._sweep = f"metric.{study.metric}", sweep
        side = "max" if sweep.goal == "maximize" else "min"
        self._best = f"{side}.{study.metric}"
        self._row_of, self.points_of = row_of, points_of
        self._rows: dict[str, Row] = {}

    def row(self, run: str) -> Row | None:
        """What is known of a run; None where there is none."""
        if run not in self._rows:
            found = self._row_of(run)
            if found is None or found.get("state") not in STAYS:
                return found
            self._rows[run] = found
        return self._rows[run]

    def value(self, run: str) -> float | None:
        """By which a run is judged; None where that is missing, NaN or infinite."""
        row = self.row(run) or {}
        if self._sweep.take == "last":
            return _finite(row.get(self._key))
        best = _finite(row.get(self._best))
        if best is not None:
            return best
        # It is infinite, or there are values that are no numbers: of the others.
        seen = [value for _, value in self.points_of(run) if math.isfinite(value)]
        return (max if self._sweep.goal == "maximize" else min)(seen, default=None)

    def outcome(self, found: Sequence[Fate | None]) -> Outcome:
        """What a configuration came to, by its runs; None stands for one that is still to come.

        One that failed in any of its seeds has failed: a mean over the others would be one over
        chosen runs.
        """
        states = {one.state if one is not None else "waiting" for one in found}
        if not states.isdisjoint(("waiting", "running")):
            return Outcome("running", None)
        runs = [one.run for one in found if one is not None and one.state == "finished" and one.run]
        values = tuple(value for run in runs if (value := self.value(run)) is not None)
        if len(values) == len(found):
            return Outcome("finished", math.fsum(values) / len(values), values)
        is_early = states <= {STOPPED_EARLY, "finished"} and STOPPED_EARLY in states
        has_metric = any(self._key in (self.row(run) or {}) for run in runs) or not runs
        return Outcome(STOPPED_EARLY if is_early else "failed", None, values, has_metric)

    def devices(self, trials: Sequence[Trial]) -> float:
        """How many devices are held now; a machine without a card counts as one."""
        last = (self.row(trial.last.run) for trial in trials if trial.last is not None)
        going = (row for row in last if row is not None and row.get("state") == "running")
        return sum(_number(row.get("machine.devices")) or 1.0 for row in going)

    def spent(self, trials: Iterable[Trial]) -> tuple[list[Span], float]:
        """When runs went on, by a clock in seconds; how long devices were held."""
        now = time.time_ns() / _NS
        spans: list[Span] = []
        held = 0.0
        for run in dict.fromkeys(start.run for trial in trials for start in trial.starts):
            row = self.row(run)
            began = _number(row.get("started")) if row is not None else None
            if row is None or began is None:
                continue
            seconds, hours = _number(row.get("seconds")), _number(row.get("device_hours"))
            if row.get("state") == "running":
                seconds = now - began / _NS
                hours = seconds / _HOUR_S * (_number(row.get("machine.devices")) or 1.0)
            spans.append((began / _NS, began / _NS + (seconds or 0.0)))
            held += (hours or 0.0) * _HOUR_S
        return spans, held


class Sweeping:
    """The configurations of a sweep, in the order in which they are asked for."""

    def __init__(
        self, study: Study, sweep: Sweep, answers: Answers, budget: Budget, results: Results
    ) -> None:
        self._study, self._sweep, self._answers = study, sweep, answers
        self._budget, self._results = budget, results
        self._given = 0  # trials
        self._asked = 0  # questions
        self._open: dict[int, list[int]] = {}  # trials of questions not told of
        self._went_on, self._held = Covered(), 0.0  # of the others, where a time is the budget
        self._rest: list[Design] = []  # of the last configuration
        self._is_over = False
        self.used_up = ""  # the field of the budget because of which no more is asked for
        self._blind, self._seen = 0, False  # configurations without the metric; whether one has it
        self._left: tuple[float, float | None] = (-math.inf, None)  # when it was computed, and what

    def total(self, given: int) -> int | None:
        """By the budget of trials, or the grid."""
        most = self._budget.most(self._answers.size)
        return None if most is None else max(given, most * self._sweep.seeds)

    def left_s(self, fates: Mapping[int, Fate]) -> float | None:
        """By the budgets of time and of devices, at the pace of those that run now.

        It is asked for at each look, and computed once in a while.
        """
        now = time.monotonic()
        at, left = self._left
        if now - at >= _LOOK_S:
            at, left = self._left = now, self._compute_left(fates)
        return None if left is None else max(0.0, left - (now - at))

    def _compute_left(self, fates: Mapping[int, Fate]) -> float | None:
        budget, found = self._budget, list[float]()
        if not budget.is_of_time:
            return None
        seconds, held = self._spent(fates)
        running = [one.trial for one in fates.values() if one.state == "running"]
        devices = self._results.devices(running)
        if budget.seconds:
            found.append(budget.seconds - seconds)
        if budget.gpu_seconds and devices:
            found.append((budget.gpu_seconds - held) / devices)
        return min(found, default=None)

    @property
    def is_blind(self) -> bool:
        """Whether scripts end well, and none has the metric: so no more are asked for."""
        return self._blind >= _HOPELESS and not self._seen

    def next(self, history: History, fates: Mapping[int, Fate], free: int) -> Design | None:
        """The next run: of those that were decided before, of this configuration, of another."""
        if self._given < len(history.trials):
            return self._again(history.trials[self._given], fates)
        if free <= 0:
            return None
        if not self._rest and not self._is_over:
            self._rest = self._fresh(history, fates)
            self._is_over = not self._rest
        return self._give() if self._rest else None

    def _give(self) -> Design:
        one = self._rest.pop(0)
        assert one.asked is not None
        self._open.setdefault(one.asked, []).append(self._given)
        self._given += 1
        return one

    def _again(self, trial: Trial, fates: Mapping[int, Fate]) -> Design:
        """What an earlier controller decided; the sampler is told and asked as it was then."""
        if not self._rest:
            self._tell(trial.told, fates)
            settings = settings_of(self._study, trial.values)
            self._answers.ask(self._asked, settings)
            self._rest = self._designs(settings, trial.told, trial.by)
        return self._give()

    def _fresh(self, history: History, fates: Mapping[int, Fate]) -> list[Design]:
        most = self._budget.most(self._answers.size)
        if most is not None and self._asked >= most:
            return []
        self.used_up = self._used_up(fates)
        if self.used_up:
            return []
        told = [number for number in self._open if self._outcome(number, fates).state != "running"]
        self._tell(told, fates)
        if self.is_blind:
            return []
        return self._designs(self._answers.ask(self._asked), told, self._answers.by)

    def _designs(self, settings: Mapping[str, Value], told: Sequence[int], by: str) -> list[Design]:
        asked = self._asked
        self._asked += 1
        return [
            Design(
                {**settings, ALL: seed_of(self._study, ALL, number)},
                asked=asked,
                told=() if number else tuple(told),
                by=by,
            )
            for number in range(self._sweep.seeds)
        ]

    def _tell(self, numbers: Sequence[int], fates: Mapping[int, Fate]) -> None:
        for number in numbers:
            found = self._outcome(number, fates)
            steps: dict[int, float] = {}
            if found.state == STOPPED_EARLY:
                run = fates[self._open[number][0]].run
                points = self._results.points_of(run) if run is not None else ()
                steps = {int(step): value for step, value in points if math.isfinite(value)}
            self._answers.tell(number, found.value, steps)
            self._blind += not found.has_metric
            self._seen = self._seen or found.has_metric
            if self._budget.is_of_time:
                spans, held = self._results.spent(self._trials(number, fates))
                self._went_on.add(spans)
                self._held += held
            del self._open[number]

    def _outcome(self, number: int, fates: Mapping[int, Fate]) -> Outcome:
        trials = self._open[number]
        there = [fates.get(trial) for trial in trials]
        return self._results.outcome([*there, *[None] * (self._sweep.seeds - len(trials))])

    def _trials(self, number: int, fates: Mapping[int, Fate]) -> Iterator[Trial]:
        return (fates[trial].trial for trial in self._open[number] if trial in fates)

    def _used_up(self, fates: Mapping[int, Fate]) -> str:
        """Which time is."""
        budget = self._budget
        if not budget.is_of_time:
            return ""
        seconds, held = self._spent(fates)
        if budget.seconds and seconds >= budget.seconds:
            return "seconds"
        return "gpu_seconds" if budget.gpu_seconds and held >= budget.gpu_seconds else ""

    def _spent(self, fates: Mapping[int, Fate]) -> tuple[float, float]:
        """As `Results.spent`, in seconds, of all that were begun; none is still to be taken up."""
        going = chain.from_iterable(self._trials(number, fates) for number in self._open)
        spans, held = self._results.spent(going)
        return self._went_on.total(spans), self._held + held


def _finite(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and math.isfinite(number) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
