"""Scores of several runs on several tasks, put together (Agarwal et al. 2021).

A table has a row for each run and a column for each task; every run has a score on every task.
Intervals are percentiles over stratified resamples: of each task, runs are drawn anew.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from samebit.errors import UsageError
from samebit.stats.inputs import Floats, check_confidence, matrix, series
from samebit.stats.resampling import SEED, Seed, drawn, generator, percentiles, portions
from samebit.stats.values import Estimate

__all__ = ["Measure", "over_tasks", "performance_profile", "probability_of_improvement"]

Measure = Literal["iqm", "fractional iqm", "mean", "median", "optimality gap"]

_METHOD = "stratified bootstrap interval"


def over_tasks(
    scores: ArrayLike,
    measure: Measure = "iqm",
    *,
    target: float = 1.0,
    over: str = "runs",
    confidence: float = 0.95,
    resamples: int = 9_999,
    seed: Seed = SEED,
) -> Estimate:
    """One number for all tasks, with an interval over runs.

    Args:
        scores: shape (runs, tasks), each task on a scale on which they can be averaged.
        measure: the mean of the middle half of all scores, of which a quarter rounded down is
            left out at both ends (`iqm`, as papers report it) or exactly a quarter, with parts of
            scores (`fractional iqm`); the mean; the median of the tasks' means; or how far
            scores stay below the target, on average (`optimality gap`).
        target: of the optimality gap: what counts as solved.
        over: what a run is one of.
        confidence: of the interval.
        resamples: of the bootstrap.
        seed: of the bootstrap; the runs in any order give the same interval.
    """
    of, what = _measure(measure, target)
    table = matrix(scores)
    runs, tasks = table.shape
    return _estimates(
        [np.sort(table, axis=0)],
        lambda parts: of(parts[0])[:, None],
        [f"{what} of {_counted(tasks)}"],
        over,
        runs,
        confidence,
        resamples,
        seed,
    )[0]


def performance_profile(
    scores: ArrayLike,
    thresholds: ArrayLike,
    *,
    of: Literal["runs", "averages"] = "runs",
    over: str = "runs",
    confidence: float = 0.95,
    resamples: int = 1_999,
    seed: Seed = SEED,
) -> tuple[Estimate, ...]:
    """The share of scores above each threshold, with pointwise intervals.

    Args:
        scores: shape (runs, tasks).
        thresholds: where the profile is looked at.
        of: all scores (a run-score distribution), or only each task's mean.
        over: what a run is one of.
        confidence: of each interval.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    if of not in ("runs", "averages"):
        raise UsageError(f"a profile is of runs or of averages, not of {of!r}")
    table = matrix(scores)
    at = series(thresholds, "thresholds")

    def shares(parts: list[Floats]) -> Floats:
        looked_at = parts[0] if of == "runs" else parts[0].mean(axis=1, keepdims=True)
        return np.stack([(looked_at > each).mean(axis=(1, 2)) for each in at], axis=1)

    kind = "scores" if of == "runs" else "tasks' means"
    names = [f"share of {kind} above {each:g}" for each in at]
    runs = len(table)
    ordered = [np.sort(table, axis=0)]
    return _estimates(ordered, shares, names, over, runs, confidence, resamples, seed)


def probability_of_improvement(
    a: ArrayLike,
    b: ArrayLike,
    *,
    over: str = "runs",
    confidence: float = 0.95,
    resamples: int = 1_999,
    seed: Seed = SEED,
) -> Estimate:
    """How likely a run of a scores higher than one of b on a task, on average over tasks.

    On one task it is Mann and Whitney's U over the number of pairs, ties counted as half.

    Args:
        a: shape (runs, tasks).
        b: shape (other runs, the same tasks).
        over: what a run is one of.
        confidence: of the interval.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    first, second = matrix(a, "a"), matrix(b, "b")
    if first.shape[1] != second.shape[1]:
        raise UsageError("a and b are not of the same tasks", a=first.shape[1], b=second.shape[1])

    def share(parts: list[Floats]) -> Floats:
        off = parts[0][:, :, None, :] - parts[1][:, None, :, :]
        return ((np.sign(off) + 1) / 2).mean(axis=(1, 2, 3))[:, None]

    name = f"probability of improvement on {_counted(first.shape[1])}"
    tables = [np.sort(table, axis=0) for table in (first, second)]
    runs = min(len(first), len(second))
    return _estimates(tables, share, [name], over, runs, confidence, resamples, seed)[0]


def _measure(measure: str, target: float) -> tuple[Callable[[Floats], Floats], str]:
    """From tables, shape (resamples, runs, tasks), to one number of each; and what it is called."""
    known: dict[str, tuple[Callable[[Any], Any], str]] = {
        "iqm": (lambda x: _middle(x, whole=True), "IQM"),
        "fractional iqm": (lambda x: _middle(x, whole=False), "fractional IQM"),
        "mean": (lambda x: x.mean(axis=(1, 2)), "mean"),
        "median": (lambda x: np.median(x.mean(axis=1), axis=1), "median of means"),
        "optimality gap": (
            lambda x: target - np.minimum(x, target).mean(axis=(1, 2)),
            f"optimality gap to {target:g}",
        ),
    }
    if measure not in known:
        raise UsageError(f"no measure over tasks is called {measure!r}", known=", ".join(known))
    return known[measure]


def _counted(tasks: int) -> str:
    return f"{tasks} tasks" if tasks > 1 else "one task"


def _middle(tables: Floats, *, whole: bool) -> Floats:
    ordered = np.sort(tables.reshape(len(tables), -1), axis=1)
    n = ordered.shape[1]
    left_out = n // 4 if whole else n / 4
    # How much of each score lies between the two cuts, where each is one wide.
    at = np.arange(n)
    weights = np.clip(np.minimum(at + 1, n - left_out) - np.maximum(at, left_out), 0, 1)
    return ordered @ weights / weights.sum()


def _estimates(
    tables: list[Floats],
    of: Callable[[list[Floats]], Floats],
    names: list[str],
    over: str,
    runs: int,
    confidence: float,
    resamples: int,
    seed: Seed,
) -> tuple[Estimate, ...]:
    """Of each number that `of` gives for tables of shape (resamples, runs, tasks)."""
    check_confidence(confidence)
    values = of([table[None] for table in tables])[0]
    if max(len(table) for table in tables) == 1:
        note = "one run: no interval"
        return tuple(
            Estimate(float(value), runs, over, name, note=note)
            for name, value in zip(names, values, strict=True)
        )
    source = generator(seed)
    size = sum(table.size for table in tables) * (len(tables[-1]) if len(tables) > 1 else 1)
    found = np.concatenate(
        [
            of([_resampled(table, source, rows) for table in tables])
            for rows in portions(resamples, size)
        ]
    )
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    return tuple(
        Estimate(
            float(value),
            runs,
            over,
            name,
            *percentiles(found[:, at], *tails),
            f"{_METHOD} from {resamples} resamples",
            confidence,
            "" if np.ptp(found[:, at]) else "all resamples are equal",
        )
        for at, (name, value) in enumerate(zip(names, values, strict=True))
    )


def _resampled(table: Floats, source: np.random.Generator, count: int) -> Floats:
    runs, tasks = table.shape
    return table[drawn(source, runs, (count, runs, tasks)), np.arange(tasks)]
