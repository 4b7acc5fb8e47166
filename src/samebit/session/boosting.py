"""What is recorded of trainings of boosting libraries, each round of them a step.

`boosters.py` meets the libraries. Scores are metrics too, by data set and metric; of further
trainings of a process behind their number, as are the parameters that they were given.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from samebit.capture.parsing import CODE, DEFAULT
from samebit.session.keeping import Keeper
from samebit.session.tracing import Loops
from samebit.states import estimators
from samebit.states import torch as torch_states
from samebit.trace.loops import Loop

__all__ = ["MOST_NAMED", "Boosting", "Call", "Library", "Training"]

MOST_NAMED = 20  # trainings of one process whose scores and settings have names; each has its rows


class Library(Struct, frozen=True):
    """What is asked of a boosting library.

    Attributes:
        name: under which its settings stand.
        chosen: the parameters that a booster has, with those that the library chose, as texts or
            numbers; given what the script said, whose names for them count.
        rate: its learning rate alone, as it writes it, where that is not said; else None.
        rounds: how many a booster has.
        boosters: those of a cross-validation, one for each fold; empty for a booster itself.
    """

    name: str
    chosen: Callable[[Any, Mapping[str, Any]], dict[str, Any]]
    rate: Callable[[Any], str | None]
    rounds: Callable[[Any], int]
    boosters: Callable[[Any], list[Any]]


class Training:
    """One call of `train` or `cv`, as far as it is recorded.

    Args:
        library: whose.
        params: the scalars that it was called with.
        batch: gives what it is trained on, as far as that is had for little.
        given: what the script set: those, and what it told the call itself.
        defaults: what it left as it was, of the call itself.
        is_watched: the script's own callbacks may change the learning rate.
    """

    def __init__(
        self,
        library: Library,
        params: Mapping[str, Any],
        batch: Callable[[], Any],
        *,
        given: dict[str, Any],
        defaults: dict[str, Any],
        is_watched: bool = False,
    ) -> None:
        self.library = library
        self.params = params
        self.batch = batch
        self.given = given
        self.defaults = defaults
        self.is_watched = is_watched
        self.loop: Loop | None = None
        self.name: str | None = None  # of this training; None where it has none
        self.rounds = 0
        self.last: Any = None  # the booster, or those of a cross-validation, behind a round
        self._rate: str | None = None  # in the first round, as XGBoost writes it

    def follow(self, booster: Any, params: Any) -> None:
        """Take over the parameters in force: those that are said, or XGBoost's learning rate."""
        if params is not None:
            self.params = scalars(params)
            return
        found = self.library.rate(booster) if self.is_watched else None
        if found is None:
            return
        if self._rate is None:
            self._rate = found
        elif self._rate != found:
            name = next((name for name in RATES if name in self.params), RATES[0])
            self.params = {**self.params, name: float(found)}
            self._rate = found


RATES = ("learning_rate", "eta")  # by either name, the first that a script gave
_WORDINESS = frozenset({"verbosity", "verbose", "verbose_eval", "silent"})


def scalars(params: Any) -> dict[str, Any]:
    """Parameters as a script gives them, without what is only printed, and what is None."""
    pairs = params.items() if isinstance(params, Mapping) else params or ()
    return {
        str(name): value
        for name, value in pairs
        if value is not None and name not in _WORDINESS  # None is a default of the library
    }


class Call(Struct, frozen=True):
    """One call of `train` or `cv`, before it is made."""

    signature: inspect.Signature
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    # Given its arguments by name, and which of them the script gave.
    begin: Callable[[Mapping[str, Any], frozenset[str]], Training]


class Boosting:
    """What is recorded of the trainings of boosting libraries in one process.

    Args:
        loops: each training is one of them.
        keeper: takes the boosters that trainings end with.
        log: takes values and a step, as `Run.log`.
        settings: takes a library, settings below it, and where they came from.
    """

    def __init__(
        self,
        loops: Loops,
        keeper: Keeper,
        log: Callable[[dict[str, Any], int], object],
        settings: Callable[[str, dict[str, Any], dict[str, str]], object],
    ) -> None:
        # Within a fit that is recorded itself: its rounds alone, or nothing.
        self.takes: Literal["all", "rounds", "nothing"] = "all"
        self._loops = loops
        self._keeper = keeper
        self._log = log
        self._settings = settings
        self._count = 0  # trainings that began anew
        self._told: dict[str, dict[str, Any]] = {}  # settings of the first training, by library

    def begins(self, call: Call) -> Training | None:
        """`train` is called; None where the call is none that a callback can be added to.

        Such a call is the library's to refuse.
        """
        if self.takes == "nothing":
            return None
        names = list(call.signature.parameters)
        try:
            # By name, for XGBoost still takes by place what is by name alone.
            by_place = dict(zip(names, call.args, strict=False))
            bound = call.signature.bind(**by_place, **call.kwargs)
        except TypeError:
            return None
        if len(call.args) > len(names):
            return None
        said = frozenset(bound.arguments)
        bound.apply_defaults()
        if not isinstance(bound.arguments["callbacks"], (list, tuple, type(None))):
            return None
        return call.begin(bound.arguments, said)

    def round(self, training: Training, booster: Any, scores: Any, params: Any = None) -> None:
        """A round is over; `params` are those in force, where a library says them."""
        groups: dict[str, Any] = {"loss": scores} if scores else {}
        folds = training.library.boosters(booster)
        groups["param"] = _by_fold(folds) if folds else booster
        if training.loop is None:
            training.loop = self._loops.open(0)  # also in a run that goes on: it begins anew
            groups |= _batch(training)
            training.rounds = training.library.rounds(folds[0] if folds else booster)
            self._begin(training, folds[0] if folds else booster)
        else:
            training.rounds += 1
        training.last = booster
        training.follow(booster, params)
        self._loops.give(training.loop, groups, training.params)
        if scores and training.name is not None:
            before = training.name
            self._log({before + name: value for name, value in scores.items()}, training.rounds)

    def _begin(self, training: Training, booster: Any) -> None:
        """Name a training, and tell its settings; one that goes on with a booster has its name."""
        if training.rounds <= 1 or not self._count:
            self._count += 1
        if self._count > MOST_NAMED:
            return
        library = training.library
        called = library.name if self._count == 1 else f"{library.name}-{self._count}"
        training.name = "" if self._count == 1 else f"{called}."
        chosen = library.chosen(booster, training.given)
        values = {**training.defaults, **chosen, **training.given}
        first = self._told.setdefault(library.name, values)
        if values is not first:  # only what is not as in the first
            values = {k: v for k, v in values.items() if k not in first or first[k] != v}
        if values:
            sources = {k: CODE if k in training.given else DEFAULT for k in values}
            self._settings(library.name, {called: values}, _below(called, sources))

    def ends(self, training: Training, booster: Any) -> None:
        """A training is over: its state, which no later change reaches; and its best round."""
        last, training.last = training.last, None
        folds = [] if last is None else training.library.boosters(last)
        self._log_best(training, last if folds else booster)
        found = estimators.booster(booster)
        if folds:  # a cross-validation gives back its scores alone
            found = {name: estimators.booster(one) for name, one in _by_fold(folds).items()}
        loop = training.loop
        if loop is None or found is None or self.takes != "all" or self._keeper.takes_nothing:
            return
        state = {"model": found, "generators": torch_states.generator_states()}
        if self._keeper.fits(state):
            self._keeper.save_later("final", loop.index, loop.count, state)
        else:
            self._keeper.save_now("final", loop.index, loop.count, state, keep=False)

    def _log_best(self, training: Training, model: Any) -> None:
        """What early stopping found; the number of the round is the library's own."""
        try:
            best, score = model.best_iteration, getattr(model, "best_score", None)
        except (AttributeError, TypeError):  # of XGBoost: it never stopped early
            return
        is_of_xgboost = training.library.name == "xgboost"  # which counts rounds from 0
        if training.name is None or best is None or (not is_of_xgboost and best <= 0):
            return
        values: dict[str, Any] = {f"{training.name}best_iteration": best}
        if score and not callable(score):  # LightGBM's CVBooster has a method of every name
            values[f"{training.name}best_score"] = score
        self._log(values, training.rounds)


def _by_fold(boosters: list[Any]) -> dict[str, Any]:
    return {f"fold_{at}": one for at, one in enumerate(boosters, 1)}


def _below(called: str, sources: Mapping[str, str]) -> dict[str, str]:
    return {f"{called}.{name}": source for name, source in sources.items()}


def _batch(training: Training) -> dict[str, Any]:
    try:
        return {"batch": training.batch()}
    except Exception:  # data without labels, or from an iterator that is at its end
        return {}
