"""Estimators, boosters and the nodes of JAX trees, as names of types and plain content.

An object is described by what it would give `pickle` to be made again, but nothing is pickled and
nothing that is stored can be called.
"""

import dataclasses
import sys
from typing import Any

from samebit.states.forms import Described, Text, type_name

__all__ = ["booster", "is_estimator", "reduced", "tree_node"]

# What an object remembers of where it lies in memory, which is another in each process.
_ADDRESSES = frozenset({"_stop_words_id"})
# What a search of scikit-learn's measured with a clock.
_TIMES = frozenset(
    {"refit_time_", "mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"}
)


def is_estimator(value: object) -> bool:
    """Whether a value is an estimator of scikit-learn, or of a library that builds on it."""
    return _is_a(value, "sklearn.base", "BaseEstimator")


def booster(value: Any) -> Described | None:
    """A booster of XGBoost or LightGBM in the bytes of its own library; None for anything else."""
    if _is_a(value, "xgboost.core", "Booster"):
        content = {"ubj": bytes(value.save_raw("ubj")), "best_iteration": _best(value)}
    elif _is_a(value, "lightgbm.basic", "Booster"):
        # All iterations: by default those after the best one are left out.
        text = value.model_to_string(num_iteration=-1)
        content = {"text": text.encode(), "best_iteration": value.best_iteration}
    else:
        return None
    return Described(type_name(value), content)


def tree_node(value: Any) -> Described | None:
    """A dataclass, or a type that JAX knows how to flatten, with its children by name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return Described(type_name(value), fields)
    registry = getattr(getattr(sys.modules.get("jax"), "tree_util", None), "default_registry", None)
    flat = None if registry is None else registry.flatten_one_level_with_keys(value)
    if flat is None:
        return None
    content: Any = {_key_text(key): child for key, child in flat[0]}
    if flat[1] and _is_plain(flat[1]):
        content = {"children": content, "static": flat[1]}
    return Described(type_name(value), content)


def reduced(value: Any) -> Any:
    """What an object would give `pickle`: its type, what it is made with, and its state.

    Raises what its own `__reduce_ex__` raises, as of an open file or a lock.
    """
    if isinstance(value, type):
        return Text(f"class {type_name(value)}")
    found: Any = value.__reduce_ex__(4)
    if isinstance(found, str):
        return Text(f"{type(value).__module__}.{found}")
    parts: list[Any] = [*found, None, None, None]
    make, args, state, items, pairs = parts[:5]
    if getattr(make, "__name__", "") in ("__newobj__", "__newobj_ex__"):
        args = args[1:]  # the first is the type
    elif make is not type(value):
        args = (make, *args)
    if isinstance(state, dict):
        state = {key: item for key, item in state.items() if key not in _ADDRESSES | _TIMES}
        results = state.get("cv_results_")
        if isinstance(results, dict):
            timeless = {name: item for name, item in results.items() if name not in _TIMES}
            state = {**state, "cv_results_": timeless}
    content = {
        "args": tuple(args) or None,
        "state": state,
        "items": None if items is None else list(items),
        "pairs": None if pairs is None else [list(pair) for pair in pairs],
    }
    content = {name: item for name, item in content.items() if item is not None}
    return Described(type_name(value), state if list(content) == ["state"] else content)


def _best(booster: Any) -> int | None:
    try:
        return int(booster.best_iteration)
    except AttributeError:  # it never stopped early
        return None


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _key_text(key: Any) -> str | int:
    for name in ("name", "key", "idx"):
        if hasattr(key, name):
            found = getattr(key, name)
            return found if isinstance(found, (str, int)) else str(found)
    return str(key)


def _is_a(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)
