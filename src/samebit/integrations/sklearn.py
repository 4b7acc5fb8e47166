"""scikit-learn: `samebit.sklearn.autolog()` records every fit of the script.

    import samebit
    samebit.sklearn.autolog()

Recorded is the outermost call: a pipeline, a search or a cross-validation, and not what these fit
themselves. Nothing is drawn, no estimator is changed, and a fit never fails because of it.
"""

import functools
import inspect
import re
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from samebit.capture.importing import step_aside, when_imported
from samebit.errors import UsageError
from samebit.session import doors
from samebit.session.fits import replace_below
from samebit.session.recording import Recording
from samebit.session.splitters import replace_by_name
from samebit.states.estimators import is_estimator

__all__ = ["autolog"]

_SOURCE = "sklearn"
_FITS = ("fit", "fit_transform", "fit_predict", "partial_fit")
_VALIDATIONS = (
    "cross_validate",
    "cross_val_score",
    "cross_val_predict",
    "learning_curve",
    "validation_curve",
    "permutation_test_score",
)
_OF_FOLDS = frozenset({"cross_validate", "cross_val_score"})
_SCORE = re.compile(r"(?:mean|std|rank)_(?:test|train)_\w+|(?:test|train)_\w+")
_BOOSTERS = ("xgboost", "lightgbm")
_MOST_NAMED = 200  # fits whose parameters are told; each has its row of the trace


class _Autolog:
    """What is on, and what was recorded so far, in this process."""

    def __init__(self) -> None:
        self.is_hooked = False
        self.is_on = False
        self.scores_training = False
        self.is_inside = False  # in any thread: what a recorded call fits in its own is not ours
        self.run = ""
        self.fits = 0
        self.counts: dict[str, int] = {}
        # Of the objects that are still there: under which name, with which parameters.
        self.named: weakref.WeakKeyDictionary[Any, tuple[str, Any]] = weakref.WeakKeyDictionary()

    def begin(self, run: str) -> None:
        """Count anew in another run."""
        if run != self.run:
            self.run, self.fits = run, 0
            self.counts.clear()
            self.named.clear()


_autolog = _Autolog()


def autolog(*, disable: bool = False, training_score: bool = False) -> None:
    """Record what the script fits with scikit-learn, or a library that builds on it, from now on.

    Of each outermost `fit` (`fit_transform`, `fit_predict`, `partial_fit`, `cross_validate` and its
    like): its parameters and which `random_state` was None, in the configuration under
    `sklearn.NAME`; what it was given, and the fitted estimator, as a row of the trace, the last
    estimator as the final state; of a search and a cross-validation the scores, as metrics. It
    joins the run that is there, and begins one where there is none.

    Args:
        disable: record none from now on.
        training_score: also `estimator.score` on what it was fitted on, which costs a prediction.

    Raises:
        UsageError: an argument is neither True nor False.
    """
    for name, value in (("disable", disable), ("training_score", training_score)):
        if not isinstance(value, bool):
            raise UsageError(f"{name} must be True or False, not {value!r}")
    _autolog.is_on = not disable
    _autolog.scores_training = training_score
    if disable:
        return
    doors.join()
    if not _autolog.is_hooked:
        _autolog.is_hooked = True
        when_imported("sklearn.base", lambda it: replace_below(it.BaseEstimator, _FITS, _met))
        when_imported("sklearn.model_selection._validation", _meet_validations)


def _meet_validations(module: Any) -> None:
    for name in _VALIDATIONS:
        original = getattr(module, name)
        replace_by_name(original, _met(name, original))


def _met(name: str, original: Any) -> Any:
    # It names functions alone: a class of the script's takes it into joblib's workers by value.
    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        call = _enter(original, args, kwargs)
        try:
            found = original(*args, **kwargs)
            if call is not None:
                doors.safely(_SOURCE, lambda it: _ends(it, name, call, found))
        except BaseException as error:
            step_aside(error)
            raise
        finally:
            _leave(call)
        return found

    return method


def _enter(
    original: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Record that a call of the script's begins; what it was given, None where it is another."""
    if not _autolog.is_on or _autolog.is_inside:
        return None
    given: dict[str, Any] = {}
    doors.safely(_SOURCE, lambda it: given.update(_begins(it, original, args, kwargs)))
    _autolog.is_inside = bool(given)
    if given:
        takes = "rounds" if _is_of_boosters(given) else "nothing"
        doors.safely(_SOURCE, lambda it: setattr(it.boosting, "takes", takes))
    return given or None


def _leave(call: Mapping[str, Any] | None) -> None:
    if call is not None:
        _autolog.is_inside = False
        doors.safely(_SOURCE, lambda it: setattr(it.boosting, "takes", "all"))


def _is_of_boosters(given: Mapping[str, Any]) -> bool:
    """Whether a call fits an estimator of a boosting library, and not one within another."""
    own = type(given.get("self")).__mro__
    return any(one.__module__.partition(".")[0] in _BOOSTERS for one in own)


def _begins(
    recording: Recording, original: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Record the parameters; what the call was given, by name."""
    given = inspect.signature(original).bind(*args, **kwargs).arguments
    estimator: Any = given.get("self", given.get("estimator"))
    _autolog.begin(recording.folder.id)
    parameters = estimator.get_params(deep=True)
    plain = {name: _plain(value) for name, value in sorted(parameters.items()) if name != "steps"}
    known = _autolog.named.get(estimator)
    if known is None or known[1] != repr(plain):
        kind = type(estimator).__name__
        count = _autolog.counts[kind] = _autolog.counts.get(kind, 0) + 1
        called = kind if count == 1 else f"{kind}-{count}"
        _autolog.named[estimator] = called, repr(plain)
        if sum(_autolog.counts.values()) <= _MOST_NAMED:
            unseeded = [
                name
                for name, value in plain.items()
                if name.rpartition("__")[2] == "random_state" and value is None
            ]
            told = {**plain, "unseeded": unseeded}
            if within := _drawn_in_workers(given, plain, unseeded):
                told["unseeded_in_workers"] = within
            recording.configuration.tell(_SOURCE, {_SOURCE: {called: told}})
        else:
            text = f"more than {_MOST_NAMED} estimators: the parameters of later ones are not told"
            recording.problem(_SOURCE, text)
    return dict(given)


def _drawn_in_workers(
    given: Mapping[str, Any], parameters: Mapping[str, Any], unseeded: list[str]
) -> list[str]:
    """Which `random_state` that is None is drawn from generators of joblib's workers.

    A search, a validation or an ensemble of given estimators fits clones there. What an estimator
    hands out itself, as a forest does to its trees, it has drawn before.
    """
    if "self" not in given:
        return unseeded if given.get("n_jobs") not in (None, 1) else []
    hands_out = not {"cv", "estimators"} & parameters.keys()
    if hands_out or parameters.get("n_jobs") in (None, 1):
        return []
    return [name for name in unseeded if "__" in name]


def _plain(value: Any) -> Any:
    """A parameter as the configuration takes it: an estimator by its name, its own stand beside."""
    if is_estimator(value):
        return type(value).__name__
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _ends(recording: Recording, method: str, given: Mapping[str, Any], found: Any) -> None:
    """Record what came out of a call."""
    estimator: Any = given.get("self", given.get("estimator"))
    name = _autolog.named[estimator][0]
    _autolog.fits += 1
    batch = {part: given[part] for part in ("X", "y") if given.get(part) is not None}
    groups: dict[str, Any] = {"batch": batch}
    if "self" in given:
        groups["param"] = estimator
    elif hasattr(found, "dtype"):
        groups["output"] = found
    recording.fits.row(None, groups, {})
    log = doors.handle(recording).log
    if method in _OF_FOLDS:
        scores = _scores(found) if isinstance(found, dict) else {"test_score": found}
        for fold, row in enumerate(_rows(scores)):
            log({f"{name}/{metric}": value for metric, value in row.items()}, step=fold)
        summary: dict[str, Any] = {}
        for metric, values in scores.items():
            summary[f"{name}/mean_{metric}"] = float(values.mean())
            summary[f"{name}/std_{metric}"] = float(values.std())
        log(summary, step=_autolog.fits)
    if isinstance(getattr(estimator, "cv_results_", None), dict) and "self" in given:
        _log_search(log, name, estimator)
    if _autolog.scores_training and "self" in given and hasattr(estimator, "score"):
        log({f"{name}/training_score": _training_score(estimator, given)}, step=_autolog.fits)


def _log_search(log: Callable[..., None], name: str, search: Any) -> None:
    """The candidates of a search, a row each, and the best of them."""
    results = search.cv_results_
    scores = _scores(results)
    for at, (row, chosen) in enumerate(zip(_rows(scores), results["params"], strict=True)):
        of_candidate = {f"{name}/param_{key}": _loggable(value) for key, value in chosen.items()}
        scored = {f"{name}/{metric}": value for metric, value in row.items()}
        log(scored | of_candidate, step=at)
    best: dict[str, Any] = {}
    if hasattr(search, "best_params_"):
        best = {
            f"{name}/best_{key}": _loggable(value) for key, value in search.best_params_.items()
        }
    if hasattr(search, "best_score_"):
        best[f"{name}/best_score"] = float(search.best_score_)
    if best:
        log(best, step=_autolog.fits)


def _scores(found: Mapping[str, Any]) -> dict[str, Any]:
    """What was scored, without times."""
    return {name: values for name, values in found.items() if _SCORE.fullmatch(name)}


def _rows(columns: Mapping[str, Any]) -> list[dict[str, float]]:
    length = max((len(values) for values in columns.values()), default=0)
    return [{name: float(values[at]) for name, values in columns.items()} for at in range(length)]


def _loggable(value: Any) -> Any:
    is_scalar = isinstance(value, (bool, int, float, str)) or hasattr(value, "dtype")
    return value if is_scalar else str(_plain(value))


def _training_score(estimator: Any, given: Mapping[str, Any]) -> float:
    """`score` on what it was fitted on; the global generator stays where it is."""
    chance: Any = sys.modules["numpy"].random
    before = chance.get_state()
    try:
        data = [given["X"]] if given.get("y") is None else [given["X"], given["y"]]
        return float(estimator.score(*data))
    finally:
        chance.set_state(before)
