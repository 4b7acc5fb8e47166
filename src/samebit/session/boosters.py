"""XGBoost and LightGBM: their `train` and `cv`, and what is asked of their boosters.

A callback of ours stands before the script's own, and stops nothing: behind them it would not be
asked about a round that one of them ends the training with. It reads the booster and changes none.
"""

import functools
import inspect
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from samebit.capture.importing import step_aside, when_imported
from samebit.errors import UsageError
from samebit.session.boosting import Call, Library, Training, scalars
from samebit.session.splitters import replace_by_name

__all__ = ["hook", "is_met", "unmet"]

Tell = Callable[..., Any]
Begin = Callable[[Mapping[str, Any], frozenset[str]], Training]

# Of both libraries the arguments of `train` and `cv` that are settings, as far as they have them.
_SETTINGS = ("num_boost_round", "early_stopping_rounds", "nfold", "stratified", "shuffle", "seed")

_is_met: list[bool] = []
_calls = threading.local()  # of this thread, those of `train` and `cv` that are under way and met


def unmet(library: str) -> UsageError:
    """What a callback says of a training whose `train` it is too late to meet: of a `partial`."""
    return UsageError(
        "of this training no round, score or booster is recorded: its train() was taken before "
        f"samebit.integrations.{library} was imported; import that above it"
    )


def is_met() -> bool:
    """Whether the training that asks, in a callback, is one that is met."""
    return bool(getattr(_calls, "depth", 0))


def hook(tell: Tell) -> None:
    """Meet the trainings, now or when a library is imported; only the first call does.

    Args:
        tell: is called with a source, a method of the listener (`boosting_begins`,
            `boosting_round`, `boosting_ends`) and its arguments, and never raises; what the first
            returns is None where nobody listens.
    """
    if _is_met:
        return
    _is_met.append(True)
    when_imported("xgboost.training", functools.partial(_xgboost, tell))
    when_imported("lightgbm.engine", functools.partial(_lightgbm, tell))


def _training(
    library: Library,
    params: Mapping[str, Any],
    batch: Callable[[], Any],
    arguments: Mapping[str, Any],
    said: frozenset[str],
    is_watched: bool,
) -> Training:
    of_call = {n: arguments[n] for n in _SETTINGS if arguments.get(n) is not None}
    given = {**scalars(arguments["params"]), **{n: of_call[n] for n in of_call if n in said}}
    defaults = {n: value for n, value in of_call.items() if n not in said}
    return Training(library, params, batch, given=given, defaults=defaults, is_watched=is_watched)


# XGBoost ----------------------------------------------------------------------------------------

_RATE = re.compile(r'"(?:learning_rate|eta)":\s*"([^"]+)"')
# Two names of one parameter, of which XGBoost writes both; the second counts where none was given.
_TWINS = (
    *(("learning_rate", "eta"), ("reg_alpha", "alpha"), ("reg_lambda", "lambda")),
    *(("min_split_loss", "gamma"), ("random_state", "seed"), ("n_jobs", "nthread")),
    ("updater_seq", "updater"),
)
# Counts of what was built, and checks.
_NO_SETTINGS = frozenset(
    {"num_trees", "num_feature", "num_target", "boost_from_average"}
    | {"fail_on_invalid_gpu_id", "validate_parameters"}
)


def _xgboost(tell: Tell, module: ModuleType) -> None:
    base: Any = sys.modules["xgboost.callback"].TrainingCallback
    library = Library("xgboost", _chosen_by_xgboost, _rate_of, _rounds_of_xgboost, _packed)

    class Callback(base):
        """Tells of each round."""

        def __init__(self, training: Training) -> None:
            super().__init__()
            self._training = training

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            tell("hooks.boosting", "boosting_round", self._training, model, _last_of(evals_log))
            return False

    def begin(arguments: Mapping[str, Any], said: frozenset[str]) -> Training:
        data = arguments["dtrain"]
        rounds = arguments["num_boost_round"]
        params = {**scalars(arguments["params"]), "num_boost_round": rounds}

        def batch() -> Any:
            size = data.num_row(), data.num_col()
            return {"size": size, "label": data.get_label(), "weight": data.get_weight()}

        is_watched = bool(arguments["callbacks"])
        return _training(library, params, batch, arguments, said, is_watched)

    for name in ("train", "cv"):
        _wrap(getattr(module, name), tell, begin, Callback)


def _last_of(history: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The scores of this round, by data set and metric; of folds their mean and deviation."""
    found: dict[str, Any] = {}
    for data, metrics in history.items():
        for metric, values in metrics.items():
            found |= _scored(f"{data}.{metric}", values[-1])
    return found


def _scored(name: str, score: Any) -> dict[str, Any]:
    if isinstance(score, tuple):
        mean, deviation = score[:2]
        return {f"{name}.mean": mean, f"{name}.std": deviation}
    return {name: score}


def _packed(model: Any) -> list[Any]:
    return [fold.bst for fold in getattr(model, "cvfolds", ())]


def _rounds_of_xgboost(booster: Any) -> int:
    return int(booster.num_boosted_rounds())


def _rate_of(booster: Any) -> str | None:
    found = _RATE.search((_packed(booster) or [booster])[0].save_config())
    return found[1] if found else None


def _chosen_by_xgboost(booster: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    learner = json.loads(booster.save_config())["learner"]
    found = {
        name: value
        for name, text in _parameters(learner)
        if name not in _NO_SETTINGS and (value := _number_of_xgboost(text)) is not None
    }
    for name, twin in _TWINS:
        found.pop(twin if name in given else name, None)
    metrics = [one["name"] for one in learner.get("metrics", ()) if "name" in one]
    return {**found, "eval_metric": metrics[0] if len(metrics) == 1 else metrics}


def _parameters(node: Mapping[str, Any], is_params: bool = False) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _parameters(value, name.endswith("_param"))
        elif is_params:
            yield name, value


def _number_of_xgboost(text: Any) -> Any:
    """A parameter as it writes it: a number of 32 bits by the shortest text that means the same."""
    value = _number(text.strip("[]") if isinstance(text, str) else text)
    if type(value) is not float:
        return value
    return float(str(sys.modules["numpy"].float32(value)))


def _number(text: Any) -> Any:
    """An integer, a float, or the text; None where there is nothing in it."""
    if not isinstance(text, str):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text if text not in ("", "()") else None


# LightGBM ---------------------------------------------------------------------------------------

_LINE = re.compile(r"^\[(\w+): (.*)\]$", re.MULTILINE)
# Files, hosts and cards, and what is printed.
_ELSEWHERE = frozenset(
    {"data", "valid", "verbosity", "header", "two_round", "pre_partition", "precise_float_parser"}
    | {"num_machines", "local_listen_port", "time_out", "num_gpu", "gpu_platform_id"}
    | {"gpu_device_id", "gpu_device_id_list", "gpu_use_dp", "saved_feature_importance_type"}
)


def _lightgbm(tell: Tell, module: ModuleType) -> None:
    library = Library(
        "lightgbm",
        _chosen_by_lightgbm,
        lambda _: None,  # its callbacks are told the parameters in force
        lambda booster: int(booster.current_iteration()),
        lambda model: list(getattr(model, "boosters", ())),
    )

    class Callback:
        """Tells of each round."""

        before_iteration = False
        order = float("-inf")

        def __init__(self, training: Training) -> None:
            self._training = training

        def __call__(self, env: Any) -> None:
            scores = _scores(env)
            tell("hooks.boosting", "boosting_round", self._training, env.model, scores, env.params)

    def begin(arguments: Mapping[str, Any], said: frozenset[str]) -> Training:
        data = arguments["train_set"]

        def batch() -> Any:
            size = data.num_data(), data.num_feature()
            return {"size": size, "label": data.get_label(), "weight": data.get_weight()}

        training = _training(library, {}, batch, arguments, said, False)
        if not _aliases("num_iterations").isdisjoint(scalars(arguments["params"])):
            training.given.pop("num_boost_round", None)  # which is passed over
            training.defaults.pop("num_boost_round", None)
        return training

    for name in ("train", "cv"):
        _wrap(getattr(module, name), tell, begin, Callback)


def _scores(env: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in env.evaluation_result_list or ():
        data, metric, value, _, *deviation = one
        # Of folds there is a deviation; newer versions have a place for it everywhere.
        spread = deviation[0] if deviation else None
        found |= _scored(f"{data}.{metric}", value if spread is None else (value, spread))
    return found


def _chosen_by_lightgbm(booster: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    text = booster.model_to_string(num_iteration=1)
    written = text[text.rfind("\nparameters:") :]
    found: dict[str, Any] = {}
    for name, value in _LINE.findall(written):
        names = _aliases(name)
        if name not in _ELSEWHERE and names.isdisjoint(given):
            found[name] = _number(value)
    return {name: value for name, value in found.items() if value is not None}


def _aliases(name: str) -> set[str]:
    """All names of a parameter of LightGBM's, this one too."""
    known = getattr(sys.modules["lightgbm.basic"], "_ConfigAliases", None)
    return {name} | (set() if known is None else set(known.get(name)))


# Both -------------------------------------------------------------------------------------------


def _wrap(original: Any, tell: Tell, begin: Begin, callback: Callable[[Training], Any]) -> None:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def train(*args: Any, **kwargs: Any) -> Any:
        training = tell("hooks.boosting", "boosting_begins", Call(signature, args, kwargs, begin))
        if training is not None:
            args, kwargs = _with(callback(training), signature, args, kwargs)
        _calls.depth = getattr(_calls, "depth", 0) + 1
        try:
            found = original(*args, **kwargs)
        except BaseException as error:
            step_aside(error)
            raise
        finally:
            _calls.depth -= 1
        if training is not None:
            tell("hooks.boosting", "boosting_ends", training, found)
        return found

    # Also where it was imported by name, by the package itself or by a script that calls `init`.
    replace_by_name(original, train)


def _with(
    callback: Any, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with one callback more, the others where they were given."""
    place = list(signature.parameters).index("callbacks")
    if place < len(args):
        return (*args[:place], [callback, *(args[place] or ())], *args[place + 1 :]), {**kwargs}
    return args, {**kwargs, "callbacks": [callback, *(kwargs.get("callbacks") or ())]}
