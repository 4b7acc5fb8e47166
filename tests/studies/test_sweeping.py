"""What a sweep asks for: the same from the same results, wherever it was killed."""

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from samebit.errors import NotFound
from samebit.folders.ending import STOPPED_EARLY
from samebit.studies import samplers
from samebit.studies.declared import Study, Sweep, settings_of
from samebit.studies.fates import Fate
from samebit.studies.lasting import covered
from samebit.studies.samplers import SAMPLERS, open_sampler
from samebit.studies.space import read_space
from samebit.studies.sweeping import Budget, Results, Sweeping
from samebit.studies.trials import History, Trial, Trials

SPACE = {
    "lr": {"log": [1e-5, 1e-1]},
    "batch": [16, 32, 64],
    "drop": {"float": [0, 0.5], "step": 0.1},
    "layers": {"int": [1, 4]},
    "opt": ["sgd", "adam"],
    "mom": {"float": [0, 1], "when": {"opt": "sgd"}},
}
MOM = {"choices": [0.5, 0.9], "when": {"opt": "sgd"}}
POINTS = {**SPACE, "lr": [1e-1, 1e-3], "mom": MOM, "drop": [0.0]}  # of which there is a grid
PLAIN = {name: said for name, said in SPACE.items() if name != "mom"}
STUDY = Study("aaaaaaaaaa", "g", "script", ("t.py",), "/w", ("all",), False, 1, metric="acc")
RANDOM = tuple(name for name in SAMPLERS if name not in ("grid", "gp"))  # gp: torch is heavy


def sweep_of(sampler: str, **more: Any) -> Sweep:
    table = {"grid": POINTS, "sobol": PLAIN, "halton": PLAIN}.get(sampler, SPACE)
    space = read_space(table)
    return Sweep(space, sampler, "maximize", **more)


def worth(trial: Trial) -> float:
    """What a run comes to: nothing but its values says; one in seven is NaN."""
    lr = float(trial.values["lr"])
    if trial.number % 7 == 3:
        return math.nan
    return -((math.log10(lr) + 2) ** 2) + trial.values["all"] / 2**34


class Controller:
    """Decides, starts and ends trials as the loop of a study does, without any run."""

    def __init__(self, folder: Path, study: Study, sweep: Sweep, trials: int) -> None:
        study = replace(study, sweep=sweep)
        self.log = Trials(folder, study.id)
        self.fates: dict[int, Fate] = {}
        self.rows: dict[str, Mapping[str, object]] = {}
        results = Results(study, sweep, self.rows.get, self.points)
        budget = Budget(trials=trials)
        self.asked = Sweeping(study, sweep, open_sampler(study, sweep), budget, results)

    def points(self, run: str) -> Sequence[tuple[float, float]]:
        value = self.rows[run]["metric.acc"]
        assert isinstance(value, float)
        return [(1.0, value - 1), (2.0, value - 0.5)]

    def run(self, jobs: int, ends: Random, most: int = 1000, early: int = 0) -> History:
        """Go on with what there is, until all is over or so many have ended: then it is killed."""
        with self.log as log:
            running: list[int] = []
            while True:
                while (
                    one := self.asked.next(log.history, self.fates, jobs - len(running))
                ) is not None:
                    known = [
                        t
                        for t in log.history.trials
                        if (t.asked, t.values) == (one.asked, one.values)
                    ]
                    trial = known[0] if known else log.decide(one)
                    if trial.last is None:
                        trial = log.start(trial.number)
                        running.append(trial.number)
                        self.fates[trial.number] = Fate(trial, "running")
                    elif trial.given_up:  # as this test says that it is over
                        self.end(trial, early)
                    else:
                        running.append(trial.number)
                        self.fates[trial.number] = Fate(trial, "running")
                if not running or most == 0:
                    return log.history
                most -= 1
                number = running.pop(ends.randrange(len(running)))
                self.end(log.give_up(number, "over"), early)

    def end(self, trial: Trial, early: int) -> None:
        assert trial.last is not None
        run = trial.last.run
        state = STOPPED_EARLY if early and trial.number % early == 1 else "finished"
        self.fates[trial.number] = Fate(trial, state, run)
        self.rows[run] = {"state": state, "metric.acc": worth(trial)}


def asked_of(history: History) -> list[tuple[object, ...]]:
    return [(one.number, one.values, one.asked, one.told, one.by) for one in history.trials]


@pytest.mark.parametrize(
    ("jobs", "sampler"),
    [
        *itertools.product((1, 3), SAMPLERS[:-1]),
        pytest.param(1, "gp", marks=pytest.mark.slow),
    ],
)
def test_a_study_again_has_the_same_trials_also_where_it_was_killed(
    sampler: str, jobs: int, tmp_path: Path
) -> None:
    sweep = sweep_of(sampler, seeds=2)
    for name in "ab":
        (tmp_path / name).mkdir()
    whole = Controller(tmp_path / "a", STUDY, sweep, 14).run(jobs, Random(0), early=5)
    assert len(whole.trials) == 28
    assert [one.asked for one in whole.trials] == [number // 2 for number in range(28)]
    cut = None
    ends = Random(0)
    for most in (1, 2, 5, 8, 1000):  # killed after so many
        cut = Controller(tmp_path / "b", STUDY, sweep, 14).run(jobs, ends, most, early=5)
    assert cut is not None
    if jobs == 1:
        assert asked_of(cut) == asked_of(whole)
    assert {one.number for one in cut.trials} == {one.number for one in whole.trials}
    assert all(len(one.starts) == 1 for one in cut.trials)
    again = replay(STUDY, sweep, cut)
    assert again == [
        settings_of(replace(STUDY, sweep=sweep), one.values) for one in cut.trials[::2]
    ]


def replay(study: Study, sweep: Sweep, history: History) -> list[dict[str, object]]:
    """What a sampler answers that is told what was told then, in that order, and nothing else."""
    answers = open_sampler(study, sweep)
    found: list[dict[str, object]] = []
    for first in history.trials[:: sweep.seeds]:
        for number in first.told:
            members = [one for one in history.trials if one.asked == number]
            values = [worth(one) for one in members]
            is_early = any(one.number % 5 == 1 for one in members)
            value = sum(values) / 2 if all(map(math.isfinite, values)) and not is_early else None
            last = values[0]
            steps = {1: last - 1, 2: last - 0.5} if is_early and math.isfinite(last) else {}
            answers.tell(number, value, steps)
        assert first.asked is not None
        found.append(dict(answers.ask(first.asked)))
    return found


@pytest.mark.parametrize("sampler", RANDOM)
def test_answers_lie_in_the_space_and_another_seed_has_others(sampler: str) -> None:
    sweep = sweep_of(sampler)
    space = {one.name: one for one in sweep.space}
    found: list[list[dict[str, Any]]] = []
    for seed in (0, 1):
        study = replace(STUDY, seed=seed)
        answers = open_sampler(study, sweep)
        found.append([answers.ask(number) for number in range(12)])
        for one in found[-1]:
            assert ("mom" in one) == (one["opt"] == "sgd" and "mom" in space)
            for name, value in one.items():
                where = space[name]
                if where.choices:
                    assert value in where.choices
                else:
                    assert where.low is not None
                    assert where.high is not None
                    assert where.low <= value <= where.high
                    assert isinstance(value, int) == (where.kind == "int")
        assert len({one["lr"] for one in found[-1]}) == 12
    assert found[0] != found[1]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_sampler_learns(sampler: str) -> None:
    space = read_space({"x": {"float": [-5, 5]}, "y": {"float": [-5, 5]}})
    sweep = Sweep(space, sampler, "minimize")
    answers = open_sampler(STUDY, sweep)
    found: list[float] = []
    for number in range(60):
        one = answers.ask(number)
        x, y = float(one["x"]), float(one["y"])
        found.append(x * x + y * y)
        answers.tell(number, found[-1], {})
    assert sum(found[-20:]) < sum(found[:20]) / 3


def test_another_sampler_than_then_leaves_what_was_decided(tmp_path: Path) -> None:
    before = Controller(tmp_path, STUDY, sweep_of("random"), 6).run(1, Random(0))
    after = Controller(tmp_path, STUDY, sweep_of("cmaes"), 9).run(1, Random(0))
    assert asked_of(after)[:6] == asked_of(before)
    assert len(after.trials) == 9
    assert {one.by.split()[-1] for one in after.trials} == {"random", "cmaes"}


def test_a_grid_ends_with_its_last_cell_and_a_larger_budget_does_not_change_that(
    tmp_path: Path,
) -> None:
    sweep = sweep_of("grid")
    size = open_sampler(STUDY, sweep).size
    assert size == 2 * 3 * 1 * 4 * (2 + 1)
    control = Controller(tmp_path, STUDY, sweep, 10_000)
    history = control.run(4, Random(0))
    assert len(history.trials) == size
    assert control.asked.total(0) == size
    cells = [
        tuple(settings_of(replace(STUDY, sweep=sweep), one.values).items())
        for one in history.trials
    ]
    assert len(set(cells)) == size


def test_a_configuration_fails_with_any_of_its_seeds() -> None:
    sweep = sweep_of("random", seeds=2)
    rows: dict[str, Mapping[str, object]] = {
        "a": {"state": "finished", "metric.acc": 0.5},
        "b": {"state": "finished", "metric.acc": math.inf},
        "c": {"state": "finished"},
        "d": {"state": "finished", "metric.acc": 0.5, "max.acc": 0.8},
        "e": {"state": "finished", "metric.acc": 0.5, "max.acc": math.inf},
    }
    results = Results(STUDY, sweep, rows.get, lambda run: [(1.0, 0.1), (2.0, 0.9), (3.0, math.nan)])
    ended = {run: Fate(Trial(0, {}), "finished", run) for run in rows}
    assert results.outcome([ended["a"], ended["a"]]).value == 0.5
    assert results.outcome([ended["a"], ended["b"]]).state == "failed"
    assert results.outcome([ended["a"], None]).state == "running"
    assert results.outcome([ended["a"], Fate(Trial(0, {}), "failed", "f")]).state == "failed"
    assert not results.outcome([ended["c"], ended["c"]]).has_metric
    best = Results(STUDY, replace(sweep, take="best"), rows.get, results.points_of)
    # The row tells it; points are read where it does not, or where that is no number to judge by.
    told = {run: best.outcome([ended[run]] * 2).value for run in "ade"}
    assert told == {"a": 0.9, "d": 0.8, "e": 0.9}
    assert replace(sweep, take="best").rule == "highest value over the steps, mean of 2 seeds"


def test_a_run_that_may_go_on_is_read_again() -> None:
    states = ["killed", "running", "finished", "not asked again"]
    results = Results(
        STUDY, sweep_of("random"), lambda run: {"state": states.pop(0)}, lambda run: []
    )
    seen = [(results.row("a") or {})["state"] for _ in range(4)]
    assert seen == ["killed", "running", "finished", "finished"]


def taken_up(asked: Sweeping, history: History) -> dict[int, Fate]:
    """Every trial as one that an earlier controller decided, and that finished."""
    fates: dict[int, Fate] = {}
    for trial in history.trials:
        assert asked.next(history, fates, 0) is not None
        fates[trial.number] = Fate(trial, "finished", trial.last and trial.last.run)
    return fates


def test_time_is_that_in_which_any_run_went_on_and_devices_are_added_up(tmp_path: Path) -> None:
    second = 1_000_000_000
    rows: dict[str, Mapping[str, object]] = {}
    with Trials(tmp_path, STUDY.id) as log:
        control = Controller(tmp_path, STUDY, sweep_of("random"), 3)
        for number in range(3):
            one = control.asked.next(log.history, {}, 1)
            assert one is not None
            trial = log.start(log.decide(one).number)
            assert trial.last is not None
            rows[trial.last.run] = {
                "state": "finished",
                "metric.acc": 0.5,
                "started": [10, 15, 100][number] * second,
                "seconds": 10.0,
                "device_hours": 0.5,
            }
        results = Results(STUDY, sweep_of("random"), rows.get, lambda run: [])
        spans, held = results.spent(log.history.trials)
        assert (covered(spans), held) == (25.0, 1.5 * 3600)
        budgets = {
            Budget(seconds=26, gpu_seconds=5401): "",
            Budget(seconds=25): "seconds",
            Budget(gpu_seconds=5400): "gpu_seconds",
            Budget(trials=3, seconds=25): "",
        }
        for budget, used_up in budgets.items():
            answers = open_sampler(STUDY, sweep_of("random"))
            study = replace(STUDY, sweep=sweep_of("random"))
            asked = Sweeping(study, sweep_of("random"), answers, budget, results)
            fates = taken_up(asked, log.history)
            is_over = bool(used_up or budget.trials)
            assert (asked.next(log.history, fates, 1) is None) == is_over
            assert asked.used_up == used_up
        budgets_left = {
            Budget(trials=3): None,
            Budget(seconds=40): 15.0,
            Budget(seconds=20): 0.0,
            Budget(gpu_seconds=5401): None,  # nothing runs that would use it up
        }
        for budget, left in budgets_left.items():
            answers = open_sampler(STUDY, sweep_of("random"))
            asked = Sweeping(STUDY, sweep_of("random"), answers, budget, results)
            assert asked.left_s(taken_up(asked, log.history)) == (
                left and pytest.approx(left, abs=1)
            )
        running = {"state": "running", "started": time.time_ns(), "machine.devices": 2}
        rows[log.history.trials[0].starts[0].run] = running
        results = Results(STUDY, sweep_of("random"), rows.get, lambda run: [])
        answers = open_sampler(STUDY, sweep_of("random"))
        budget = Budget(gpu_seconds=5 * 3600)
        asked = Sweeping(STUDY, sweep_of("random"), answers, budget, results)
        fates = taken_up(asked, log.history)
        fates[0] = replace(fates[0], state="running")
        left = asked.left_s(fates)
        assert left is not None
        assert 0 < left <= 2 * 3600  # 4 of 5 hours, of two devices at once


def test_without_the_package_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(samplers, "import_module", none)
    with pytest.raises(NotFound, match="optuna"):
        open_sampler(STUDY, sweep_of("tpe"))
    assert open_sampler(STUDY, sweep_of("grid")).size
