"""Things that a state may hold, each made anew, and changed by what users do to it.

Every maker is called in several processes and must give equal things; it seeds what it draws from.
"""

import dataclasses
import random
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Held:
    names: set[str]
    weights: Any


class Averaged:
    """A moving average as people write it: no base class, a `state_dict`."""

    def __init__(self) -> None:
        self.decay, self.shadow = 0.9, {"w": np.ones(3)}

    def state_dict(self) -> dict[str, Any]:
        return {"decay": self.decay, "shadow": self.shadow}


def network() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


def nudge(module: Any) -> None:
    import torch

    with torch.no_grad():
        next(module.parameters()).view(-1)[0] += 1


def averaged_model() -> Any:
    import torch

    return torch.optim.swa_utils.AveragedModel(network())


def optimizer(name: str) -> Callable[[], Any]:
    def make() -> Any:
        import torch

        torch.manual_seed(0)
        sparse = name == "SparseAdam"
        model = (
            torch.nn.Embedding(4, 3, sparse=True) if sparse else torch.nn.Linear(4, 3, bias=False)
        )
        made = getattr(torch.optim, name)(model.parameters(), lr=0.1)
        made.model = model

        def closure() -> Any:
            made.zero_grad()
            given = torch.tensor([1, 3]) if sparse else torch.ones(2, 4)
            loss = made.model(given).square().sum()
            loss.backward()
            return loss

        made.closure = closure
        made.step(closure)
        return made

    return make


def step(made: Any) -> None:
    made.step(made.closure)


def scheduler(make: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    def made() -> Any:
        import torch

        sgd = torch.optim.SGD(network().parameters(), lr=0.1)
        return make(torch.optim.lr_scheduler, sgd)

    return made


def sequential(kinds: Any, sgd: Any) -> Any:
    parts = [kinds.ConstantLR(sgd), kinds.ExponentialLR(sgd, 0.9)]
    return kinds.SequentialLR(sgd, parts, milestones=[1])


def schedule(made: Any) -> None:
    made.optimizer.step()
    made.step()


def scaler() -> Any:
    import torch

    return torch.amp.GradScaler("cpu", init_scale=8.0)


def estimator(home: str, name: str, **chosen: Any) -> Callable[[], Any]:
    def make() -> Any:
        import importlib

        made = getattr(importlib.import_module(home), name)(**chosen)
        rng = np.random.RandomState(0)
        x = rng.rand(40, 4)
        return made.fit(x, (x.sum(1) > 2).astype(int))

    return make


def pipeline() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    rng = np.random.RandomState(0)
    x = rng.rand(40, 4)
    forest = RandomForestClassifier(3, random_state=0)
    made = make_pipeline(StandardScaler(), FunctionTransformer(np.log1p), forest)
    with np.errstate(invalid="ignore"):
        made.fit(np.abs(x), x.sum(1) > 2)
    return made


def text_pipeline() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(stop_words=["the"]).fit(["the quick brown fox", "a lazy dog", "the fox"])


def change_text(made: Any) -> None:
    made.fit(["another text"])


def forest_change(made: Any) -> None:
    last = made[-1] if hasattr(made, "steps") else made
    last.n_features_in_ += 1


def xgboost_booster() -> Any:
    import xgboost

    x = np.random.RandomState(0).rand(40, 4)
    data = xgboost.DMatrix(x, x.sum(1) > 2)
    return xgboost.train({"max_depth": 2, "nthread": 1, "seed": 0}, data, 3)


def xgboost_change(made: Any) -> None:
    made.set_attr(mine="1")


def lightgbm_booster() -> Any:
    import lightgbm

    x = np.random.RandomState(0).rand(60, 4)
    chosen = {
        "num_threads": 1,
        "verbose": -1,
        "seed": 0,
        "deterministic": True,
        "objective": "binary",
    }
    return lightgbm.train(chosen, lightgbm.Dataset(x, (x.sum(1) > 2).astype(int)), 3)


def lightgbm_change(made: Any) -> None:
    made.set_leaf_output(0, 0, 5.0)


def optax_state() -> Any:
    import jax.numpy as jnp
    import optax

    weights = {"w": jnp.arange(3.0), "b": jnp.zeros(2, "bfloat16")}
    return [weights, optax.chain(optax.clip(1.0), optax.adamw(0.1)).init(weights)]


def optax_change(made: Any) -> None:
    made[0]["w"] = made[0]["w"] + 1


def flax_module() -> Any:
    from flax import nnx

    return nnx.state(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))


def flax_change(made: Any) -> None:
    made["bias"].set_value(made["bias"].get_value() + 1)


def train_state() -> Any:
    import flax.linen as nn
    import jax
    import optax
    from flax.training.train_state import TrainState

    dense = nn.Dense(2)
    weights = dense.init(jax.random.key(0), np.ones((1, 3), "f4"))
    made = TrainState.create(apply_fn=dense.apply, params=weights, tx=optax.sgd(0.1))
    return [made, jax.random.key(1)]


def train_state_change(made: Any) -> None:
    made[0] = made[0].replace(step=7)


def generator() -> Any:
    return np.random.default_rng(3)


def held() -> Any:
    return Held({f"name{i}" for i in range(20)}, (np.ones(2), {frozenset("abcdef"): Pair(1, 2.5)}))


@dataclasses.dataclass(frozen=True)
class Adapter:
    """How to make a thing, how to change it, and the packages without which it cannot be made."""

    make: Callable[[], Any]
    change: Callable[[Any], Any]
    needs: tuple[str, ...] = ()


TORCH_OPTIMIZERS = [
    *("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD", "LBFGS", "Muon"),
    *("NAdam", "RAdam", "RMSprop", "Rprop", "SparseAdam"),
]

ADAPTERS = {
    "module": Adapter(network, nudge),
    "averaged model": Adapter(averaged_model, nudge),
    "average": Adapter(Averaged, lambda made: setattr(made, "decay", 0.8)),
    **{f"optimizer {name}": Adapter(optimizer(name), step) for name in TORCH_OPTIMIZERS},
    "optimizer SGD": Adapter(optimizer("SGD"), lambda made: made.param_groups[0].update(lr=0.2)),
    "LambdaLR": Adapter(
        scheduler(lambda kinds, sgd: kinds.LambdaLR(sgd, lambda n: 0.9**n)), schedule
    ),
    "OneCycleLR": Adapter(
        scheduler(lambda kinds, sgd: kinds.OneCycleLR(sgd, 0.1, total_steps=9)), schedule
    ),
    "SequentialLR": Adapter(scheduler(sequential), schedule),
    "ReduceLROnPlateau": Adapter(
        scheduler(lambda kinds, sgd: kinds.ReduceLROnPlateau(sgd)), lambda made: made.step(1.0)
    ),
    "scaler": Adapter(
        scaler, lambda made: made.load_state_dict({**made.state_dict(), "scale": 4.0})
    ),
    "generator": Adapter(generator, lambda made: made.random()),
    "random": Adapter(lambda: random.Random(1), lambda made: made.random()),
    "dataclass": Adapter(held, lambda made: made.names.add("other")),
    "forest": Adapter(
        estimator("sklearn.ensemble", "RandomForestClassifier", n_estimators=3, random_state=0),
        forest_change,
    ),
    "boosting": Adapter(
        estimator("sklearn.ensemble", "HistGradientBoostingClassifier", max_iter=3, random_state=0),
        forest_change,
    ),
    "perceptron": Adapter(
        estimator("sklearn.neural_network", "MLPClassifier", max_iter=300, random_state=0),
        lambda made: made.coefs_[0].__setitem__((0, 0), 9.0),
    ),
    "neighbours": Adapter(estimator("sklearn.neighbors", "KNeighborsClassifier"), forest_change),
    "pipeline": Adapter(pipeline, forest_change),
    "texts": Adapter(text_pipeline, change_text),
    "XGBoost": Adapter(xgboost_booster, xgboost_change, ("xgboost",)),
    "LightGBM": Adapter(lightgbm_booster, lightgbm_change, ("lightgbm",)),
    "LGBMClassifier": Adapter(
        estimator("lightgbm", "LGBMClassifier", n_estimators=2, n_jobs=1, verbose=-1),
        lambda made: made.set_params(n_jobs=2),
        ("lightgbm",),
    ),
    "XGBClassifier": Adapter(
        estimator("xgboost", "XGBClassifier", n_estimators=2, n_jobs=1),
        lambda made: made.set_params(n_jobs=2),
        ("xgboost",),
    ),
    "optax": Adapter(optax_state, optax_change, ("jax", "optax")),
    "flax nnx": Adapter(flax_module, flax_change, ("flax",)),
    "flax linen": Adapter(train_state, train_state_change, ("flax",)),
}
