"""Loops that are not torch's, recorded and verified: identical, or the step that differs and why.

Each script goes another way where it is told to: in a replay, or by a word of its command.
"""

import functools
from collections.abc import Callable

import pytest

from tests.replay.conftest import SAMEBIT, Project

# What differs, at which step, and what the verdict calls it.
OTHERWISE = """
import os, sys
import numpy as np

def differs(what):
    told = os.environ.get("OTHERWISE", "")
    return what in told and "SAMEBIT_RATES" in os.environ  # in a replay alone
"""

NUMPY = """
import samebit
run = samebit.init(seed=1)
chance = np.random.default_rng(0)
inputs = chance.normal(size=(32, 3)); labels = inputs @ [1.0, 2.0, 3.0]
w, rate = np.zeros(3), 0.1
run.trace(params={"w": w})
for step in range(1, 9):
    at = chance.integers(0, 32, 8)
    if step == 3 and differs("batch"):
        at[0] += 1
    if step == 4 and differs("order"):
        at = at[::-1].copy()
    if step == 5 and differs("rate"):
        rate = 0.05
    error = inputs[at] @ w - labels[at]
    loss = float(error @ error)
    if step == 6 and differs("loss"):
        loss = np.nextafter(loss, 0.0).item()
    gradient = inputs[at].T @ error / 8
    if step == 6 and differs("grad"):
        gradient[1] = np.nextafter(gradient[1], 0.0)
    w -= rate * gradient
    if step == 7 and differs("params"):
        w[2] = np.nextafter(w[2], 0.0)
    run.trace(batch=(inputs[at], labels[at]), loss=loss, grads=gradient, params={"w": w},
              hyper={"lr": rate})
"""

JAX = """
import functools
import jax, jax.numpy as jnp, optax
import samebit
run = samebit.init(seed=1)
data = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
params = {"w": jnp.zeros(3), "b": jnp.zeros((), jnp.bfloat16)}
optimizer = optax.inject_hyperparams(optax.adam)(optax.cosine_decay_schedule(0.1, 8))
state, key = optimizer.init(params), jax.random.key(3)
run.trace(params=params, state=(state, key))

@functools.partial(jax.jit, donate_argnums=(0, 1))
def train(params, state, batch):
    def loss_of(params):
        return ((batch @ params["w"] + params["b"].astype("float32") - batch[:, 0]) ** 2).mean()
    loss, grads = jax.value_and_grad(loss_of)(params)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, loss, grads

for step in range(1, 9):
    key, used = jax.random.split(jax.random.key(9) if step == 4 and differs("key") else key)
    batch = data[np.asarray(jax.random.permutation(used, 32)[:8])]
    params, state, loss, grads = train(params, state, batch)
    if step == 6 and differs("state"):
        state = state._replace(count=state.count + 1)
    run.trace(batch=batch, loss=loss, grads=grads, params=params, state=(state, used),
              hyper={"lr": state.hyperparams["learning_rate"]})
"""

KERAS = """
os.environ["KERAS_BACKEND"] = sys.argv[1]
import keras
import samebit
run = samebit.init(seed=1)
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.1),
                          keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")

class Trace(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        run.trace(params=self.model)
    def on_train_batch_end(self, at, logs=None):
        of = self.model.optimizer
        if run.step == 4 and differs("rate"):
            of.learning_rate = 0.02
        run.trace(loss=logs["loss"], params=self.model, state=of, hyper={"lr": of.learning_rate})

data = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
model.fit(data, data[:, :1], batch_size=8, epochs=2, verbose=0, callbacks=[Trace()])
"""

SKLEARN = """
from sklearn.linear_model import SGDClassifier
import samebit
run = samebit.init(seed=1)
chance = np.random.default_rng(0)
model = SGDClassifier(random_state=0)
for step in range(1, 7):
    batch, labels = chance.normal(size=(8, 3)), chance.integers(0, 2, 8)
    if step == 3 and differs("batch"):
        batch[0, 0] += 1
    if step == 5 and differs("alpha"):
        model.set_params(alpha=0.5)
    model.partial_fit(batch, labels, classes=[0, 1])
    run.trace(batch=(batch, labels), params=model, hyper={"alpha": model.alpha})
"""

FITTED = """
from sklearn.linear_model import Ridge
import samebit
run = samebit.init(seed=1)
data = np.random.default_rng(0).normal(size=(32, 3))
model = Ridge(0.2 if differs("alpha") else 0.1).fit(data, data[:, 0])
run.trace(params=model)
"""

XGBOOST = """
import xgboost
data = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
labels = (data[:, 0] > 0).astype("float32")
if differs("labels"):
    labels[7] = 1 - labels[7]
if differs("data"):
    data[7, 0] = -data[7, 0]

class Slower(xgboost.callback.TrainingCallback):
    def after_iteration(self, booster, epoch, history):
        if epoch == 3 and differs("rate"):
            booster.set_param("eta", 0.05)
        return False

train = xgboost.DMatrix(data, labels)
params = {"eta": 0.3, "nthread": 1, "subsample": 0.5, "objective": "binary:logistic"}
xgboost.train(params, train, 8, evals=[(train, "train")], verbose_eval=False, callbacks=[Slower()])
xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(data, labels)
"""

LIGHTGBM = """
import lightgbm
data = np.random.default_rng(0).normal(size=(200, 4))
labels = (data[:, 0] > 0).astype("float32")
if differs("labels"):
    labels[7] = 1 - labels[7]
rates = [0.1] * 4 + [0.05 if differs("rate") else 0.1] * 4
train = lightgbm.Dataset(data, labels)
params = {"num_threads": 1, "verbose": -1, "objective": "binary", "force_row_wise": True,
          "bagging_fraction": 0.5, "bagging_freq": 1}
lightgbm.train(params, train, 8, valid_sets=[train],
               callbacks=[lightgbm.reset_parameter(learning_rate=rates)])
lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(data, labels)
"""

SCRIPTS = {
    "numpy": NUMPY,
    "jax": JAX,
    "keras jax": KERAS,
    "keras torch": KERAS,
    "sklearn": SKLEARN,
    "fitted": FITTED,
    "xgboost": XGBOOST,
    "lightgbm": LIGHTGBM,
}
NEEDED = {"jax": ["jax", "optax"], "numpy": ["numpy"], "fitted": ["sklearn"]}


def record(project: Project, kind: str) -> Project:
    library, *words = kind.split()
    for needed in NEEDED.get(library, [library, *words]):
        pytest.importorskip(needed) if needed != "keras" else keras_is_there()
    if library == "keras":  # which otherwise writes its settings into the user's home
        home = project.folder.parent / "keras"
        home.mkdir()
        (home / "keras.json").write_text('{"floatx": "float32"}')
        project.environ["KERAS_HOME"] = str(home)
    # What is to differ is not what the run was told: it is no variable that is replayed.
    project.write(train=OTHERWISE + SCRIPTS[kind])
    project.run("train.py", *words)
    return project


@pytest.fixture(scope="module")
def recorded(make: Callable[..., Project]) -> Callable[[str], Project]:
    """The project with the run of a kind, which its tests verify one after the other."""
    return functools.cache(lambda kind: record(make("loop"), kind))


def keras_is_there() -> None:
    """Not imported: here it would choose TensorFlow."""
    from importlib.util import find_spec

    if find_spec("keras") is None:
        pytest.skip("Keras is not installed")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k == "numpy" else pytest.mark.slow) for k in SCRIPTS]
)
def test_a_loop_that_is_not_torchs_is_verified(
    recorded: Callable[[str], Project], kind: str
) -> None:
    found = recorded(kind).verify()
    assert found.text == "identical: ", found.verdict
    scope = "\n".join(found.verdict["scope"])
    assert "final state identical" in scope
    assert ("steps 1 to" in scope or " steps of 2 optimizers" in scope) == (kind != "fitted")
    assert "not traced" not in scope


WRONG = {
    ("numpy", "batch"): (3, "the batch differed: other samples, or other content"),
    ("numpy", "order"): (4, "the batch differed: the same samples in another order"),
    ("numpy", "rate"): (5, "a hyper-parameter differed"),
    ("numpy", "loss"): (6, "the loss differed"),
    ("numpy", "grad"): (6, "the backward pass differed: same loss, other gradients"),
    ("numpy", "params"): (7, "the optimizer's update differed: same gradients"),
    ("jax", "key"): (4, "the batch differed"),
    ("jax", "state"): (6, "the optimizer's state differed: same gradients and parameters"),
    ("keras jax", "rate"): (5, "a hyper-parameter differed"),
    ("sklearn", "batch"): (3, "the batch differed"),
    ("sklearn", "alpha"): (5, "a hyper-parameter differed"),
    ("fitted", "alpha"): (None, "the final state differs: model.coef_"),
    ("xgboost", "labels"): (1, "the batch differed"),
    ("xgboost", "data"): (1, "the loss differed"),
    ("xgboost", "rate"): (5, "a hyper-parameter differed"),
    ("lightgbm", "labels"): (1, "the batch differed"),
    ("lightgbm", "rate"): (5, "a hyper-parameter differed"),
}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        pytest.param(*key, marks=[] if key == ("numpy", "params") else pytest.mark.slow)
        for key in WRONG
    ],
)
def test_the_first_step_that_differs_is_named_with_its_cause(
    recorded: Callable[[str], Project], kind: str, what: str
) -> None:
    step, cause = WRONG[kind, what]
    found = recorded(kind).verify(OTHERWISE=what)
    assert (found.verdict["grade"], found.verdict["step"]) == ("different", step), found.verdict
    assert found.verdict["cause"].startswith(cause)
    if "hyper" in cause:
        facts = found.verdict["evidence"]["divergence"]["facts"]
        assert " in the first run, " in facts[0]


def test_a_loop_without_params_is_not_called_identical(project: Project) -> None:
    """Nothing that it ended with is known: doubt is no pass."""
    project.write(train="import samebit\nrun = samebit.init()\nrun.trace(loss=1.0)\n")
    project.run("train.py")
    found = project.verify()
    assert found.text == "unknown: no final state was recorded on both sides"


@pytest.mark.slow
def test_a_verdict_is_shown_and_states_are_compared_by_the_commands(project: Project) -> None:
    record(project, "numpy")
    assert project.verify(OTHERWISE="params").code == 5
    run, replay = (view.id for view in (project.last(), project.view(replay_of(project))))
    said = project.call(*SAMEBIT, "diff", run, replay, "--trace", expect=5).stdout
    assert "step 7" in said
    said = project.call(*SAMEBIT, "state", "diff", run, replay, expect=5).stdout
    assert "model.w" in said
    said = project.call(*SAMEBIT, "show", run, "--schedule").stdout
    assert "lr 0.1" in said
    file = str(project.folder / "out.safetensors")
    project.call(*SAMEBIT, "state", "export", f"{run}:step 0", file)


def replay_of(project: Project) -> str:
    (verdict,) = project.last().verdicts
    return str(verdict.replay)
