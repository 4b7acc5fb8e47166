"""Boosting libraries: `train` of XGBoost and LightGBM, each round of it a step.

A callback of ours stands before the script's own, and stops nothing: behind them it would not be
asked about a round that one of them ends the training with. It reads the booster and changes none.
"""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from msgspec import Struct

from samebit.capture.importing import step_aside, when_imported
from samebit.session.keeping import Keeper
from samebit.session.tracing import Loops
from samebit.states import estimators
from samebit.states import torch as torch_states
from samebit.trace.loops import Loop

__all__ = ["Boosting", "Call", "Training", "hook"]

_ROUNDS = "num_boost_round"
_WORDINESS = frozenset({"verbosity", "verbose", "verbose_eval", "silent"})
_RATES = ("learning_rate", "eta")  # by either name, the first that a script gave
_RATE = re.compile(r'"(?:learning_rate|eta)":\s*"([^"]+)"')

Tell = Callable[..., Any]


class Training:
    """One call of `train`, as far as it is recorded.

    Args:
        params: the scalars that it was called with.
        batch: gives what it is trained on, as far as that is had for little.
        is_watched: the script's own callbacks may change the learning rate.
    """

    def __init__(
        self, params: Mapping[str, Any], batch: Callable[[], Any], *, is_watched: bool = False
    ) -> None:
        self.params = params
        self.batch = batch
        self.is_watched = is_watched
        self.loop: Loop | None = None
        self._rate: str | None = None  # in the first round, as XGBoost writes it

    def follow(self, booster: Any, params: Any) -> None:
        """Take over the parameters in force: those that are said, or XGBoost's learning rate."""
        if params is not None:
            self.params = _scalars(params)
            return
        found = _RATE.search(booster.save_config()) if self.is_watched else None
        if found is None:
            return
        if self._rate is None:
            self._rate = found[1]
        elif self._rate != found[1]:
            name = next((name for name in _RATES if name in self.params), _RATES[0])
            self.params = {**self.params, name: float(found[1])}
            self._rate = found[1]


class Call(Struct, frozen=True):
    """One call of `train`, before it is made."""

    signature: inspect.Signature
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    begin: Callable[[Mapping[str, Any]], Training]  # given its arguments by name


class Boosting:
    """What is recorded of the trainings of boosting libraries in one process.

    Args:
        loops: each training is one of them.
        keeper: takes the boosters that trainings end with.
    """

    def __init__(self, loops: Loops, keeper: Keeper) -> None:
        self._loops = loops
        self._keeper = keeper

    def begins(self, call: Call) -> Training | None:
        """`train` is called; None where the call is none that a callback can be added to.

        Such a call is the library's to refuse.
        """
        try:
            bound = call.signature.bind(*call.args, **call.kwargs)
        except TypeError:
            return None
        bound.apply_defaults()
        if not isinstance(bound.arguments["callbacks"], (list, tuple, type(None))):
            return None
        return call.begin(bound.arguments)

    def round(self, training: Training, booster: Any, scores: Any, params: Any = None) -> None:
        """A round is over; `params` are those in force, where a library says them."""
        groups: dict[str, Any] = {"loss": scores} if scores else {}
        groups["param"] = booster
        if training.loop is None:
            training.loop = self._loops.open(0)  # also in a run that goes on: it begins anew
            groups |= _batch(training)
        training.follow(booster, params)
        self._loops.give(training.loop, groups, training.params)

    def ends(self, training: Training, booster: Any) -> None:
        """A training gave its booster back: its state, which no later change reaches."""
        found = estimators.booster(booster)
        loop = training.loop
        if loop is None or found is None or self._keeper.takes_nothing:
            return
        state = {"model": found, "generators": torch_states.generator_states()}
        if self._keeper.fits(state):
            self._keeper.save_later("final", loop.index, loop.count, state)
        else:
            self._keeper.save_now("final", loop.index, loop.count, state, keep=False)


def _batch(training: Training) -> dict[str, Any]:
    try:
        return {"batch": training.batch()}
    except Exception:  # data without labels, or from an iterator that is at its end
        return {}


def hook(tell: Tell) -> None:
    """Meet the trainings, now or when a library is imported.

    Args:
        tell: is called with a source, a method of the listener (`boosting_begins`,
            `boosting_round`, `boosting_ends`) and its arguments, and never raises; what the first
            returns is None where nobody listens.
    """
    when_imported("xgboost.training", functools.partial(_xgboost, tell))
    when_imported("lightgbm.engine", functools.partial(_lightgbm, tell))


def _xgboost(tell: Tell, module: ModuleType) -> None:
    base: Any = sys.modules["xgboost.callback"].TrainingCallback

    class Callback(base):
        """Tells of each round."""

        def __init__(self, training: Training) -> None:
            super().__init__()
            self._training = training

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            tell("hooks.boosting", "boosting_round", self._training, model, _last_of(evals_log))
            return False

    def begin(arguments: Mapping[str, Any]) -> Training:
        data = arguments["dtrain"]
        params = {**_scalars(arguments["params"]), _ROUNDS: arguments[_ROUNDS]}

        def batch() -> Any:
            size = data.num_row(), data.num_col()
            return {"size": size, "label": data.get_label(), "weight": data.get_weight()}

        return Training(params, batch, is_watched=bool(arguments["callbacks"]))

    _wrap(module, tell, begin, Callback)


def _last_of(history: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The scores of this round, by data set and metric."""
    return {
        f"{data}.{metric}": values[-1]
        for data, metrics in history.items()
        for metric, values in metrics.items()
    }


def _lightgbm(tell: Tell, module: ModuleType) -> None:
    class Callback:
        """Tells of each round."""

        before_iteration = False
        order = float("-inf")

        def __init__(self, training: Training) -> None:
            self._training = training

        def __call__(self, env: Any) -> None:
            tell(
                "hooks.boosting",
                "boosting_round",
                self._training,
                env.model,
                _scores(env),
                env.params,
            )

    def begin(arguments: Mapping[str, Any]) -> Training:
        data = arguments["train_set"]

        def batch() -> Any:
            size = data.num_data(), data.num_feature()
            return {"size": size, "label": data.get_label(), "weight": data.get_weight()}

        return Training({}, batch)  # its callbacks are told the parameters in force

    _wrap(module, tell, begin, Callback)


def _scores(env: Any) -> dict[str, Any]:
    return {f"{one[0]}.{one[1]}": one[2] for one in env.evaluation_result_list or ()}


def _scalars(params: Any) -> dict[str, Any]:
    pairs = params.items() if isinstance(params, Mapping) else params or ()
    return {
        str(name): value
        for name, value in pairs
        if value is not None and name not in _WORDINESS  # None is a default of the library
    }


def _wrap(
    module: ModuleType,
    tell: Tell,
    begin: Callable[[Mapping[str, Any]], Training],
    callback: Callable[[Training], Any],
) -> None:
    original: Any = module.train
    signature = inspect.signature(original)

    @functools.wraps(original)
    def train(*args: Any, **kwargs: Any) -> Any:
        training = tell("hooks.boosting", "boosting_begins", Call(signature, args, kwargs, begin))
        if training is not None:
            args, kwargs = _with(callback(training), signature, args, kwargs)
        try:
            booster = original(*args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        if training is not None:
            tell("hooks.boosting", "boosting_ends", training, booster)
        return booster

    # Also where it was imported by name, by the package itself or by a script that calls `init`.
    for holder in list(sys.modules.values()):
        if isinstance(holder, ModuleType) and vars(holder).get("train") is original:
            holder.train = train  # pyright: ignore[reportAttributeAccessIssue]


def _with(
    callback: Any, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with one callback more, the others where they were given."""
    place = list(signature.parameters).index("callbacks")
    if place < len(args):
        return (*args[:place], [callback, *(args[place] or ())], *args[place + 1 :]), {**kwargs}
    return args, {**kwargs, "callbacks": [callback, *(kwargs.get("callbacks") or ())]}
