"""Trainings of XGBoost and LightGBM are recorded round by round, and stay what they were."""

import json
from typing import Any

import pytest

from samebit.folders.read import View
from samebit.session.reading import RecordedRun
from tests.projects import SAMEBIT, Project

DATA = """
import hashlib, json, sys
import numpy as np
chance = np.random.default_rng(0)
X = chance.normal(size=(400, 6)).astype("float32")
y = (X[:, 0] * X[:, 1] + 0.3 * chance.normal(size=400) > 0).astype("float32")
half = slice(0, 200), slice(200, 400)
"""

XGBOOST = DATA + (
    """
import xgboost as xgb
from xgboost import train
train_set, rest = (xgb.DMatrix(X[part], y[part]) for part in half)
params = {"objective": "binary:logistic", "eta": 0.3, "max_depth": 3, "nthread": 1, "verbosity": 0}
"""
)

LIGHTGBM = DATA + (
    """
import lightgbm as lgb
from lightgbm import train
train_set = lgb.Dataset(X[half[0]], y[half[0]], params={"verbose": -1})
rest = lgb.Dataset(X[half[1]], y[half[1]], reference=train_set)
params = {"objective": "binary", "learning_rate": 0.3, "num_leaves": 4, "num_threads": 1,
          "verbose": -1, "deterministic": True, "force_row_wise": True}
"""
)

LIBRARIES = {"xgboost": XGBOOST, "lightgbm": LIGHTGBM}
PLAIN = {
    "xgboost": "found = train(params, train_set, 12, evals=[(rest, 'rest')], verbose_eval=False)\n",
    "lightgbm": "found = train(params, train_set, 12, valid_sets=[rest])\n",
}

library = pytest.mark.parametrize("library", LIBRARIES)


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    """Both libraries take a second to load: only what is asked for is looked for."""
    if "library" in request.fixturenames:
        pytest.importorskip(request.getfixturevalue("library"))


def record(project: Project, text: str, *words: str, **env: str) -> tuple[View, str]:
    project.write("a.py", text)
    ended = project.run("a.py", *words, PYTHONHASHSEED="1", **env)
    assert ended.code == 0, ended
    return project.views()[-1], ended.out + ended.err


@library
def test_each_round_is_a_step_of_a_training_that_knows_nothing_of_us(
    project: Project, library: str
) -> None:
    view, said = record(project, LIBRARIES[library] + PLAIN[library])
    assert [(row.optimizer, row.count) for row in view.trace] == [(0, n) for n in range(1, 13)]
    assert all({"loss", "hyper", "rng.numpy"} <= row.groups.keys() for row in view.trace)
    assert all("param" in row.groups for row in view.trace[:10])
    assert [row.count for row in view.trace if "batch" in row.groups] == [1]
    hyper = view.schedule[0][3]
    assert hyper["eta" if library == "xgboost" else "learning_rate"] == 0.3
    assert not {"verbosity", "verbose"} & hyper.keys()
    assert {name: state["step"] for name, state in view.states.items()} == {"final": 12}
    assert RecordedRun(view).state().parts["model"][0].dtype == "uint8"
    assert said == ""
    assert view.all_facts("problem") == []


# What a script can see of its training, with callbacks of its own that stop it.
SEEN = {
    "xgboost": """
seen = []
class Mine(xgb.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        seen.append([epoch, evals_log["rest"]["logloss"][-1].hex(), len(self.__dict__)])
        return epoch == stop
def fit(**more):
    history = {}
    callbacks = [Mine(), xgb.callback.LearningRateScheduler(lambda at: 0.3 * 0.9**at)]
    booster = xgb.train(params, train_set, 20, evals=[(rest, "rest")], evals_result=history,
                        early_stopping_rounds=3, callbacks=callbacks, verbose_eval=5, **more)
    return booster.save_raw("json").decode(), history, len(callbacks), booster.best_iteration
""",
    "lightgbm": """
seen = []
def mine(env):
    seen.append([env.iteration, [float(one[2]).hex() for one in env.evaluation_result_list]])
    if env.iteration == stop:
        raise lgb.callback.EarlyStopException(stop, env.evaluation_result_list)
def fit(**more):
    history = {}
    callbacks = [mine, lgb.reset_parameter(learning_rate=lambda at: 0.3 * 0.9**at),
                 lgb.record_evaluation(history), lgb.early_stopping(3), lgb.log_evaluation(5)]
    booster = lgb.train(params, train_set, 20, valid_sets=[rest], callbacks=callbacks, **more)
    orders = [getattr(one, "order", None) for one in callbacks]
    return booster.model_to_string(), history, orders, booster.best_iteration
""",
}
REST = """
stop = int(sys.argv[1])
model, *others = fit()
print(json.dumps([hashlib.sha256(model.encode()).hexdigest(), others, seen,
                  np.random.get_state()[2]]))
"""


@library
@pytest.mark.parametrize("stop", ["4", "99"])
@pytest.mark.slow
def test_a_training_is_the_same_to_the_bit_with_the_callbacks_that_a_script_has(
    project: Project, library: str, stop: str
) -> None:
    project.write("a.py", LIBRARIES[library] + SEEN[library] + REST)
    plain = project.python("a.py", stop, PYTHONHASHSEED="1")
    recorded = project.run("a.py", stop, PYTHONHASHSEED="1")
    assert plain.code == 0, plain.err
    assert (recorded.out, recorded.err) == (plain.out, plain.err)
    view = project.view()
    rounds = len(plain.json[2])
    # Also the round in which a callback of the script's ended it.
    assert [row.count for row in view.trace] == list(range(1, rounds + 1))
    name = "eta" if library == "xgboost" else "learning_rate"
    rates = [values[name] for _, _, _, values in view.schedule if name in values]
    assert rates == pytest.approx(
        [0.3 * 0.9**at for at in range(rounds - (library == "xgboost"))], rel=1e-6
    )


ERRORS = {
    "xgboost": [
        "train(params, train_set, 3, callbacks=[print])",
        "train(params, train_set, 3, callbacks=7)",
        "train(params)",
        "train({'objective': 'no such'}, train_set, 3)",
        "train(params, train_set, 3, callbacks=[Raises()])",
    ],
    "lightgbm": [
        "train(params, train_set, 3, callbacks=[7])",
        "train(params, train_set, 3, callbacks=7)",
        "train(params, train_set, 0)",
        "train(params, 3)",
        "train(params, train_set, 3, callbacks=[raises])",
    ],
}
RAISES = {
    "xgboost": """
class Raises(xgb.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        raise KeyError(epoch)
""",
    "lightgbm": """
def raises(env):
    raise KeyError(env.iteration)
""",
}
EACH = """
import re, traceback
for call in {calls}:
    try:
        eval(call)
    except BaseException as error:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        said = re.sub(r"\\d+:\\d+:\\d+", "time", str(error))  # XGBoost says when
        print(type(error).__name__, said.splitlines()[:1], frames)
"""


@library
@pytest.mark.slow
def test_what_a_call_raises_is_what_it_raised(project: Project, library: str) -> None:
    text = LIBRARIES[library] + RAISES[library] + EACH.format(calls=ERRORS[library])
    project.write("a.py", text)
    plain, recorded = project.python("a.py"), project.run("a.py")
    assert plain.out.count("\n") == len(ERRORS[library])
    assert recorded.out == plain.out
    view = project.view()
    assert [(row.optimizer, row.count) for row in view.trace] == [(0, 1)]
    assert view.states == {}
    assert view.all_facts("problem") == []


SEVERAL = {
    "xgboost": """
for at in range(2):
    xgb.XGBClassifier(n_estimators=3 + at, n_jobs=1).fit(X, y)
xgb.cv(params, train_set, 3, nfold=2)
""",
    "lightgbm": """
for at in range(2):
    lgb.LGBMClassifier(n_estimators=3 + at, n_jobs=1, verbose=-1).fit(X, y)
lgb.cv(params, train_set, 3, nfold=2)
""",
}


@library
@pytest.mark.slow
def test_estimators_are_trainings_too_and_each_is_one_of_its_own(
    project: Project, library: str
) -> None:
    view, _ = record(project, LIBRARIES[library] + SEVERAL[library])
    counts = [(row.optimizer, row.count) for row in view.trace]
    rounds = [(0, 3), (1, 4), (2, 3)]  # the last are of a cross-validation
    assert counts == [(at, n) for at, last in rounds for n in range(1, last + 1)]
    assert list(view.states) == ["final", "final of optimizer 1", "final of optimizer 2"]


@library
@pytest.mark.slow
def test_a_library_that_was_imported_before_init_is_met(project: Project, library: str) -> None:
    text = LIBRARIES[library] + "import samebit\nrun = samebit.init()\n" + PLAIN[library]
    project.write("a.py", text + "print(run.step)\n")
    ended = project.python("a.py")
    assert (ended.code, ended.out.split()) == (0, ["12"]), ended
    assert len(project.view().trace) == 12


@pytest.mark.slow
@library
def test_a_fault_of_ours_ends_the_tracing_and_not_the_training(
    project: Project, library: str
) -> None:
    text = LIBRARIES[library] + PLAIN[library] + "print(found.num_trees() if hasattr(found, "
    text += "'num_trees') else found.num_boosted_rounds())\n"
    view, said = record(project, text, SAMEBIT_FAULTS="hooks.boosting=raise@5+")
    assert "12\n" in said
    assert len(view.trace) == 3
    assert [p["what"] for p in view.all_facts("problem")] == ["hooks.boosting"]


@library
@pytest.mark.slow
def test_a_booster_in_bytes_is_the_same_in_each_process(project: Project, library: str) -> None:
    """Neither library writes a time, a path or an address into its bytes."""
    text = LIBRARIES[library] + PLAIN[library]
    found: list[Any] = []
    for folder in ("one", "two"):
        project.write(f"{folder}/a.py", text)
        ended = project.run("a.py", cwd=project.path / folder)
        assert ended.code == 0, ended
        view = project.views()[-1]
        rows = [
            {g: row.groups[g] for g in ("param", "loss") if g in row.groups}
            for row in view.trace[:10]
        ]
        found.append((rows, json.dumps(RecordedRun(view).state().identity("model"))))
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_search_of_many_trainings_is_shown_in_few_lines(project: Project) -> None:
    pytest.importorskip("xgboost")
    text = XGBOOST + "for at in range(20): train(params, train_set, 1)\n"
    view, _ = record(project, text)
    assert len(view.states) == 20
    said = project.call(SAMEBIT, "show", view.id).out
    assert "\n  optimizer 7 " in said
    assert "\n  optimizer 8 " not in said
    assert "and 12 more\n" in said
    assert f"and 4 more; samebit state ls {view.id}" in said


BESIDE = """
import threading, torch
beside = threading.Thread(target=train, args=(params, train_set, 3))
beside.start(); beside.join()
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
train(params, train_set, 3)
"""


@pytest.mark.slow
def test_a_training_in_another_thread_is_not_the_one_and_takes_nothing_from_it(
    project: Project,
) -> None:
    for library in ("xgboost", "torch"):
        pytest.importorskip(library)
    view, _ = record(project, XGBOOST + BESIDE)
    counts = [(row.optimizer, row.count) for row in view.trace]
    assert counts == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
    assert "grad" in view.trace[0].groups


@pytest.mark.slow
def test_a_run_that_goes_on_trains_a_booster_anew(project: Project) -> None:
    pytest.importorskip("xgboost")
    text = XGBOOST + "train(params, train_set, int(sys.argv[1]))\nsys.exit(int(sys.argv[2]))\n"
    project.write("a.py", text)
    assert project.run("a.py", "7", "1").code == 1
    assert project.run("--resume", project.view().id, "a.py", "5", "0").code == 0
    view = project.view()
    assert [row.count for row in view.trace] == [1, 2, 3, 4, 5]
    assert {name: state["step"] for name, state in view.states.items()} == {"final": 5}
