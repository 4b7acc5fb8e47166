"""XGBoost and LightGBM: scores, settings and the best round, with a callback of ours or without."""

from pathlib import Path
from typing import Any

import pytest

from samebit.folders.read import View
from tests.integrations.doors import WAYS, recorded, values
from tests.replay.conftest import Project

pytestmark = pytest.mark.slow  # starts of the libraries, and of scikit-learn

DATA = """
import os, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
chance = np.random.default_rng(0)
X = chance.normal(size=(300, 4)).astype("float32")
y = (X[:, 0] + 0.3 * chance.normal(size=300) > 0).astype("float32")
X, Z, y, z = X[:200], X[200:], y[:200], y[200:]
"""
XGBOOST = (
    DATA
    + """
import xgboost as xgb
from samebit.integrations.xgboost import SamebitCallback
train, rest = xgb.DMatrix(X, y), xgb.DMatrix(Z, z)
params = {"objective": "binary:logistic", "eta": 0.5, "nthread": 1}
def odd(at):
    return 0.5 if at < 4 else 0.5 + int.from_bytes(os.urandom(4)) / 2**40
def fit(callbacks=(), **more):
    return xgb.train(params, train, 40, evals=[(train, "train"), (rest, "rest")],
                     verbose_eval=False, callbacks=list(callbacks), **more)
"""
)
LIGHTGBM = (
    DATA
    + """
import lightgbm as lgb
from samebit.integrations.lightgbm import SamebitCallback
train = lgb.Dataset(X, y, params={"verbose": -1}, free_raw_data=False)
rest = lgb.Dataset(Z, z, reference=train, free_raw_data=False)
params = {"objective": "binary", "eta": 0.5, "num_threads": 1, "verbose": -1,
          "force_row_wise": True, "deterministic": True}
def odd(at):
    return 0.5 if at < 4 else 0.5 + int.from_bytes(os.urandom(4)) / 2**40
def fit(callbacks=(), stop=None, **more):
    stops = [] if stop is None else [lgb.early_stopping(stop, verbose=False)]
    return lgb.train(params, train, 40, valid_sets=[train, rest], valid_names=["train", "rest"],
                     callbacks=[*callbacks, *stops], **more)
"""
)
SCRIPTS = {"xgboost": XGBOOST, "lightgbm": LIGHTGBM}
SCORES = {"xgboost": "logloss", "lightgbm": "binary_logloss"}
STOPS = {"xgboost": "early_stopping_rounds=2", "lightgbm": "stop=2"}
RATE = {
    "xgboost": "xgb.callback.LearningRateScheduler(odd)",
    "lightgbm": "lgb.reset_parameter(learning_rate=odd)",
}

library = pytest.mark.parametrize("library", SCRIPTS)


def sources(view: View) -> dict[str, str]:
    return view.facts["config_sources"]["values"]


def comes_back(project: Project) -> None:
    found = project.verify()
    assert (found.verdict["grade"], found.code) == ("identical", 0), found.verdict


@library
@pytest.mark.parametrize("way", WAYS)
def test_a_training_has_its_scores_its_best_round_and_all_parameters(
    tmp_path: Path, way: str, library: str
) -> None:
    """The same with the callback as argument of `train`, and by `samebit run` alone."""
    pytest.importorskip(library)
    callbacks = "[SamebitCallback(name='boosted')]" if way == "python" else "[]"
    script = SCRIPTS[library] + f"found = fit({callbacks}, {STOPS[library]})\n"
    script += "print(found.best_iteration)\n"
    project = recorded(tmp_path, script, way)
    view = project.last()
    assert view.name == ("boosted" if way == "python" else None)
    rest = values(view, f"rest.{SCORES[library]}")
    assert list(rest) == list(range(1, len(view.trace) + 1))
    assert list(values(view, f"train.{SCORES[library]}")) == list(rest)
    (best,) = values(view, "best_iteration").values()
    counted = best + (library == "xgboost")  # which counts from 0
    assert min(rest, key=lambda at: rest[at]) == counted == len(rest) - 2
    score = "best_score" if library == "xgboost" else f"best_score.rest.{SCORES[library]}"
    assert values(view, score) == {len(rest): rest[counted]}
    config = view.facts["config"][library]
    assert (config["eta"], config["num_boost_round"]) == (0.5, 40)
    assert not {"learning_rate", "verbose", "verbosity"} & config.keys()
    assert config["max_depth"] == (6 if library == "xgboost" else -1)  # as the library chose
    assert (sources(view)[f"{library}.eta"], sources(view)[f"{library}.max_depth"]) == (
        *("code", "default"),
    )
    assert view.all_facts("problem") == [] or way == "python"
    assert list(view.states) == ["final"]
    comes_back(project)


@library
def test_what_changes_in_a_round_is_told_with_that_round(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    script = SCRIPTS[library] + f"fit([{RATE[library]}])\n"
    project = recorded(tmp_path, script, "samebit run")
    found = project.verify()
    assert (found.verdict["grade"], found.code) == ("different", 5), found.verdict
    # XGBoost sets a rate behind a round, for the next one.
    step = 6 if library == "xgboost" else 5
    said = found.verdict["step"], found.verdict["cause"]
    assert said == (step, "a hyper-parameter differed"), found.verdict


CV = {
    "xgboost": "xgb.cv(params, train, 4, nfold=3, metrics=['auc', 'logloss'], seed=1)\n",
    "lightgbm": "lgb.cv(params, train, 4, nfold=3, metrics=['auc', 'binary_logloss'], seed=1, "
    "callbacks=[lgb.early_stopping(4, verbose=False)])\n",
}


@library
def test_a_cross_validation_is_a_training_of_its_folds(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    script = SCRIPTS[library] + f"fit()\nfound = {CV[library]}print(found)\n"
    project = recorded(tmp_path, script, "samebit run")
    view = project.last()
    name = f"{library}-2." + ("test" if library == "xgboost" else "valid")
    for metric in ("auc", SCORES[library]):
        assert list(values(view, f"{name}.{metric}.mean")) == [1, 2, 3, 4]
        assert all(spread > 0 for spread in values(view, f"{name}.{metric}.std").values())
    assert [row.count for row in view.trace if row.optimizer == 1] == [1, 2, 3, 4]
    assert view.all_facts("problem") == []
    if library == "lightgbm":
        assert 1 <= values(view, "lightgbm-2.best_iteration")[4] <= 4
    further = view.facts["config"][f"{library}-2"]  # only what is not as in the first
    assert (further["nfold"], further["num_boost_round"], further["seed"]) == (3, 4, 1)
    assert not {"eta", "max_depth"} & further.keys()
    assert list(view.states) == ["final", "final of optimizer 1"]
    assert view.all_facts("problem") == []
    comes_back(project)


GOES_ON = {
    "xgboost": "fit(xgb_model=fit())\n",
    "lightgbm": "fit(init_model=fit())\n",
}


@library
def test_a_training_that_goes_on_counts_on(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    view = recorded(tmp_path, SCRIPTS[library] + GOES_ON[library], "samebit run").last()
    assert list(values(view, f"rest.{SCORES[library]}")) == list(range(1, 81))
    assert not any("-2" in name for name in view.metrics)


ESTIMATORS = """
import samebit
samebit.sklearn.autolog()
model = {of}(n_estimators=3, {more})
model.fit(X, y, eval_set=[(Z, z)])
from sklearn.model_selection import GridSearchCV
GridSearchCV({of}(n_estimators=2, {more}), {{"max_depth": [2, 3]}}, cv=2).fit(X, y)
"""
MADE = {
    "xgboost": ("xgb.XGBClassifier", "n_jobs=1, verbosity=0"),
    "lightgbm": ("lgb.LGBMClassifier", "n_jobs=1, verbose=-1, force_row_wise=True"),
}


@library
def test_an_estimator_under_autolog_is_recorded_once(tmp_path: Path, library: str) -> None:
    """Its rounds and scores are the booster's, its state and the search are the estimators'."""
    pytest.importorskip(library)
    of, more = MADE[library]
    script = SCRIPTS[library] + ESTIMATORS.format(of=of, more=more)
    project = recorded(tmp_path, script, "samebit run")
    view = project.last()
    data = "validation_0" if library == "xgboost" else "valid_0"
    assert list(values(view, f"{data}.{SCORES[library]}")) == [1, 2, 3]
    assert [(row.optimizer, row.count) for row in view.trace] == [
        *((0, 1), (0, 2), (0, 3)),  # rounds
        *((1, 1), (1, 2)),  # fits
    ]
    assert list(view.states) == ["final of optimizer 1"]
    assert not any(name.startswith(f"{library}-") for name in view.facts["config"])
    comes_back(project)


@library
@pytest.mark.parametrize("made", ["once", "anew"])
def test_each_callback_that_is_made_is_a_run(tmp_path: Path, library: str, made: str) -> None:
    pytest.importorskip(library)
    once = "mine = SamebitCallback(name='all')\n"
    script = SCRIPTS[library] + (once if made == "once" else "")
    mine = "mine" if made == "once" else "SamebitCallback(name=str(at))"
    script += f"for at in range(2): fit([{mine}])\n"
    project = recorded(tmp_path, script, "python")
    names: list[Any] = []
    for run in ("@last", "@last-1"):
        try:
            names.append(project.view(run).name)
        except Exception:
            names.append("")
    assert names == (["all", ""] if made == "once" else ["1", "0"])


ALIASES = {
    "by another name": ("from {library} import train as fit\n", "fit", False),
    "within a partial": ("import functools\nfit = functools.partial({short}.train)\n", "fit", True),
}


@library
@pytest.mark.parametrize("how", ALIASES)
def test_a_train_that_was_taken_before_the_callback_was_imported(
    tmp_path: Path, library: str, how: str
) -> None:
    """By another name it is met all the same; where it cannot be, that is said and marked."""
    pytest.importorskip(library)
    taken, name, is_marked = ALIASES[how]
    short = {"xgboost": "xgb", "lightgbm": "lgb"}[library]
    door = f"from samebit.integrations.{library} import SamebitCallback"
    before = taken.format(library=library, short=short)
    script = (
        SCRIPTS[library].replace(door, f"{before}{door}").replace(f"{short}.train(", f"{name}(")
    )
    script = (
        script.replace("def fit(callbacks", "def boost(callbacks") + "boost([SamebitCallback()])\n"
    )
    project = recorded(tmp_path, script, "python", marked=is_marked)
    view = project.last()
    assert len(view.trace) == (0 if is_marked else 40)
    said = [str(fact) for fact in view.all_facts("problem")]
    assert any("import that above it" in one for one in said) is is_marked, said
