"""Optuna: each trial of a study as a row of metrics, with sampler and pruner beside it.

from samebit.integrations.optuna import SamebitCallback

study.optimize(objective, n_trials=50, callbacks=[SamebitCallback()])
"""

import functools
import threading
import weakref
from types import ModuleType
from typing import Any

from samebit.capture.importing import when_imported
from samebit.session import doors
from samebit.session.boosting import MOST_NAMED
from samebit.session.recording import Recording

__all__ = ["SamebitCallback"]

_SOURCE = "optuna"
_WITHOUT_A_NAME = "no-name-"  # before a name that Optuna drew

# A sampler seeds its generator and forgets the seed: None where it had none.
_seeds: "weakref.WeakKeyDictionary[Any, int | None]" = weakref.WeakKeyDictionary()


def _remember_seeds(module: ModuleType) -> None:
    original: Any = module.LazyRandomState.__init__

    @functools.wraps(original)
    def begin(self: Any, seed: int | None = None) -> None:
        original(self, seed)
        _seeds[self] = seed

    module.LazyRandomState.__init__ = begin


when_imported("optuna.samplers._lazy_random_state", _remember_seeds)


class _Studied:
    """What one run has of one study, which is called `optuna`, or `optuna-2`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.space: dict[str, str] = {}
        self.is_told = False
        self.best: list[dict[str, Any]] = []


class _Studies:
    """The studies of one run, in order of their first trials."""

    def __init__(self) -> None:
        self._known: dict[Any, _Studied] = {}
        # Of objects that are there, so as not to ask a database at each trial.
        self._keys: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def find(self, study: Any) -> _Studied:
        """The one that a study is, as it was made or loaded anew."""
        if study not in self._keys:
            # Of one name there may be several, each in a storage in memory.
            first = next(iter(study.get_trials(deepcopy=False)), None)
            self._keys[study] = study.study_name, getattr(first, "datetime_start", None)
        key = self._keys[study]
        if key not in self._known:
            number = len(self._known) + 1
            self._known[key] = _Studied(_SOURCE if number == 1 else f"{_SOURCE}-{number}")
        return self._known[key]

    def are_named(self) -> bool:
        """Whether there are so few that each has its metrics and settings."""
        return len(self._known) <= MOST_NAMED

    def best(self) -> Any:
        """The best trials; of several studies by their names."""
        found = {one.name: one.best for one in self._known.values()}
        return found if len(found) > 1 else found[_SOURCE]


_studies: "weakref.WeakKeyDictionary[Recording, _Studies]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class SamebitCallback:
    """Called by `study.optimize` after each trial, in any of its threads.

    A trial is a step of metrics, by its number: `optuna/param_x`, `optuna/value` (of several
    objectives `optuna/value_0` or the study's own metric names), `optuna/state`,
    `optuna/duration_s`, and `optuna/best_value` where there is one objective; and a row of the
    trace. The best trials are the final state. Sampler, pruner, directions and the space so far
    stand in the configuration under `optuna`; a sampler's seed where this module was imported
    before the sampler was made. All of a second study of the run stands under `optuna-2`. It joins
    the run that is there, and begins one where there is none.
    """

    def __init__(self) -> None:
        doors.join()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        doors.join()

    def __call__(self, study: Any, trial: Any) -> None:
        """Record a trial that is over."""
        with _lock:
            doors.safely(_SOURCE, lambda it: _record(it, study, trial))


def _record(recording: Recording, study: Any, trial: Any) -> None:
    studies = _studies.setdefault(recording, _Studies())
    studied = studies.find(study)
    if studies.are_named():
        _tell(recording, studied, study, trial)
    row = {f"param_{name}": _loggable(value) for name, value in trial.params.items()}
    values = trial.values or ()
    names = study.metric_names or [f"value_{at}" for at in range(len(values))]
    row |= dict(zip(["value"] if len(values) == 1 else names, values, strict=True))
    row["state"] = trial.state.name
    if trial.duration is not None:
        row["duration_s"] = trial.duration.total_seconds()
    if len(study.directions) == 1:
        try:
            row["best_value"] = study.best_value
        except ValueError:  # no trial has come to its end so far
            pass
    # With a row of the trace and a final state, a search that came out the same is judged so.
    studied.best = _best(study)
    hyper = {name: _loggable(value) for name, value in trial.params.items()}
    groups: dict[str, Any] = {"state": studies.best()}
    if values:
        groups["loss"] = list(values)
    recording.fits.row(None, groups, hyper)
    if studies.are_named():
        named = {f"{studied.name}/{name}": value for name, value in row.items()}
        doors.handle(recording).log(named, step=trial.number)


def _best(study: Any) -> list[dict[str, Any]]:
    """The best trials so far, of several objectives those that no other one dominates."""
    try:
        found = [study.best_trial] if len(study.directions) == 1 else study.best_trials
    except ValueError:  # no trial has come to its end so far
        return []
    return [
        {
            "trial": one.number,
            "values": list(one.values),
            "params": {name: _loggable(value) for name, value in one.params.items()},
        }
        for one in found
    ]


def _tell(recording: Recording, studied: _Studied, study: Any, trial: Any) -> None:
    space = {name: str(one) for name, one in trial.distributions.items()}
    if studied.is_told and space.items() <= studied.space.items():
        return
    studied.is_told = True
    studied.space |= space
    settings: dict[str, Any] = {
        "directions": [one.name for one in study.directions],
        "sampler": _described(study.sampler),
        "pruner": _described(study.pruner),
        "space": dict(studied.space),
    }
    if not study.study_name.startswith(_WITHOUT_A_NAME):
        settings["study"] = study.study_name
    recording.configuration.tell(_SOURCE, {studied.name: settings})


def _described(thing: Any) -> dict[str, Any]:
    """A sampler or pruner: its class, and those of its settings that are plain."""
    found: dict[str, Any] = {"class": type(thing).__name__}
    for name, value in vars(thing).items():
        if value is None or isinstance(value, (bool, int, float, str)):
            found[name.removeprefix("_")] = value
    generator = getattr(thing, "_rng", None)
    if generator in _seeds:
        found["seed"] = _seeds[generator]
    return found


def _loggable(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
