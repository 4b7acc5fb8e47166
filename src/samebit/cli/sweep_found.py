"""What a sweep came to: its configurations best first, the best so far, what it took.

`samebit sweep show` prints it, and the page is given it, so that both say the same.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from samebit import stats
from samebit.cli.words import counted
from samebit.errors import NotFound
from samebit.folders.ending import STOPPED_EARLY
from samebit.report.checklist.project import is_test
from samebit.stats.values import Estimate
from samebit.studies.declared import Study, Sweep, find_study, folder_of, settings_of
from samebit.studies.fates import Fate, fates
from samebit.studies.following import Following, Point
from samebit.studies.space import Value, words
from samebit.studies.sweeping import Results
from samebit.studies.trials import History, Trial, read_history

__all__ = ["Configuration", "Found", "Weight", "find_sweep", "found_of", "read_found"]

_BUDGETS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
Row = Mapping[str, object]


class Configuration(Struct, frozen=True):
    """What was tried, and what came of it."""

    number: int  # of the question to the sampler, from 1
    settings: dict[str, Value]
    state: str  # running | finished | stopped early | failed
    value: float | None  # the mean over its runs; None where it did not finish
    sd: float | None  # of these; None of fewer than two
    values: list[float]  # of its runs
    runs: list[str]
    by: str  # who said so, with its version
    stopped_at: float | None = None  # the step at which it was seen to be worth no more
    why: str = ""  # it was stopped early, by whom and at which value; or failed


class Weight(Struct, frozen=True):
    """How much a setting mattered (`stats.importance`), over the configurations with a value."""

    setting: str
    share: float  # of the variance, by this setting alone
    rank: float | None  # correlation; None where it is no number
    n: int  # configurations with a value that have this setting


class Found(Struct, frozen=True):
    """What a sweep came to."""

    study: str  # its id, which its runs have as `study`
    name: str
    metric: str
    goal: str  # maximize | minimize
    take: str  # of each run's metric: last | best
    rule: str  # by which the best is chosen
    sampler: str
    by: list[str]  # who answered, with versions
    seed: int
    seeds: int
    pruner: str
    space: dict[str, str]
    budget: dict[str, int]  # trials, seconds, gpu_seconds: what of it was set
    spent_seconds: float  # in which at least one run went on
    spent_device_seconds: float
    configurations: list[Configuration]  # as they were asked for
    ranking: list[int]  # their numbers, best first; behind them those without a value, as asked for
    best: int | None  # the first of these, where it has a value
    best_so_far: list[float]  # after each configuration that finished
    expected_of: list[int]  # of random search: of so many configurations
    expected_best: list[Estimate]  # each the best of so many, on average
    importance: list[Weight]  # the strongest first; without those of which too few have a value
    warnings: list[str]


def find_sweep(store: Path, name: str) -> tuple[Study, Sweep]:
    """The sweep whose runs are in a group of this name; NotFound."""
    study = find_study(store, name)
    if study is None or study.sweep is None:
        hint = f"samebit seeds show {name}" if study is not None else "`samebit ls` has groups"
        raise NotFound(f"no sweep is called {name!r}", hint=hint)
    return study, study.sweep


def read_found(store: Path, study: Study, sweep: Sweep, every: Sequence[Row]) -> Found:
    """What a sweep came to, by the rows that `report.facts` has of all runs of its store."""
    history = read_history(folder_of(store, study.id), study.id)
    rows = {str(row["id"]): row for row in every}
    return found_of(study, sweep, history, rows, Following(store, study.metric).points)


def found_of(
    study: Study,
    sweep: Sweep,
    history: History,
    rows: Mapping[str, Row],
    points_of: Callable[[str], Sequence[Point]],
) -> Found:
    """What a sweep came to.

    Args:
        study: what was run.
        sweep: what was searched.
        history: the trials that were decided.
        rows: by id, what `query.index` and `report.facts` have of its runs.
        points_of: the values that a run has logged of the metric, by their steps.
    """
    results = Results(study, sweep, rows.get, points_of)
    grouped: dict[int, list[Fate]] = {}
    for one in fates(history.trials, rows):
        grouped.setdefault(one.trial.asked or 0, []).append(one)
    tried = [
        _configuration(study, sweep, results, asked, members) for asked, members in grouped.items()
    ]
    ranked = _ranked(tried, sweep.goal)
    seconds, held = results.spent(history.trials)
    budgets = _budgets(tried, sweep)
    return Found(
        study.id,
        study.name,
        study.metric,
        sweep.goal,
        sweep.take,
        sweep.rule,
        sweep.sampler,
        list(dict.fromkeys(one.by for one in tried)),
        study.seed,
        sweep.seeds,
        sweep.pruner,
        {one.name: words(one) for one in sweep.space},
        dict(history.counts),
        seconds,
        held,
        tried,
        [one.number for one in ranked],
        ranked[0].number if ranked and ranked[0].value is not None else None,
        _best_so_far(tried, sweep.goal),
        budgets,
        _expected(tried, sweep, budgets),
        _importance(tried, sweep),
        _warnings(study, tried, history.trials),
    )


def _configuration(
    study: Study, sweep: Sweep, results: Results, asked: int, members: Sequence[Fate]
) -> Configuration:
    came = results.outcome([*members, *[None] * (sweep.seeds - len(members))])
    first = members[0].trial
    early = next((one.trial.early for one in members if one.state == STOPPED_EARLY), None)
    causes = [one.cause for one in members if one.cause]
    return Configuration(
        asked + 1,
        settings_of(study, first.values),
        came.state,
        came.value,
        stats.sd(came.values) if len(came.values) > 1 else None,
        list(came.values),
        [one.run for one in members if one.run is not None],
        first.by,
        early.step if early is not None else None,
        early.why if early is not None else ", ".join(dict.fromkeys(causes)),
    )


def _ranked(tried: Sequence[Configuration], goal: str) -> list[Configuration]:
    sign = -1 if goal == "maximize" else 1
    ended = [one for one in tried if one.value is not None]
    ended.sort(key=lambda one: sign * (one.value or 0.0))
    return ended + [one for one in tried if one.value is None]


def _best_so_far(tried: Sequence[Configuration], goal: str) -> list[float]:
    better = max if goal == "maximize" else min
    found: list[float] = []
    for one in tried:
        if one.value is not None:
            found.append(better(found[-1], one.value) if found else one.value)
    return found


def _budgets(tried: Sequence[Configuration], sweep: Sweep) -> list[int]:
    """None but of random search: elsewhere configurations are not independent of each other."""
    most = sum(one.value is not None for one in tried)
    if sweep.sampler != "random" or sweep.pruner or most < 2:
        return []
    return [n for n in _BUDGETS if n < most] + [most]


def _expected(
    tried: Sequence[Configuration], sweep: Sweep, budgets: Sequence[int]
) -> list[Estimate]:
    if not budgets:
        return []
    return list(
        stats.expected_best(
            [one.value for one in tried if one.value is not None],
            budgets,
            sampler="random",
            lower_is_better=sweep.goal == "minimize",
            over="configurations",
        )
    )


def _importance(tried: Sequence[Configuration], sweep: Sweep) -> list[Weight]:
    results = [one.value for one in tried]
    found: list[Weight] = []
    for name in (one.name for one in sweep.space):
        told = stats.importance([one.settings.get(name) for one in tried], results)
        if told is not None:
            found.append(Weight(name, told.share, told.rank, told.n))
    return sorted(found, key=lambda one: -one.share)


def _warnings(study: Study, tried: Sequence[Configuration], trials: Sequence[Trial]) -> list[str]:
    found: list[str] = []
    if is_test(study.metric):
        found.append(
            f"{study.metric} looks like a test metric; what is chosen by it cannot be judged by it"
        )
    failed = sum(one.state == "failed" for one in tried)
    if failed:
        found.append(f"{failed} of {counted(len(tried), 'configuration')} failed or have no number")
    ended = [one for one in tried if one.state == "finished"]
    if len(ended) > 2 and len({tuple(one.values) for one in ended}) == 1:
        found.append("all results are equal to the bit: the script may not use what it is given")
    return found
