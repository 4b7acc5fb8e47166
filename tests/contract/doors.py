"""Every door as a few lines of a script: how it is made, records a value of its own, and finishes.

Each defines `make()`, `use(door, value)` and `finish(door)`; the value is found under a name.
"""

from dataclasses import dataclass

from samebit.folders.read import View

__all__ = ["DOORS", "DoorCode"]


@dataclass(frozen=True)
class DoorCode:
    """One door.

    Args:
        code: that defines the three functions.
        metric: under which its values stand; of a further training behind its number. Of a door
            that logs none of its own, the framework that its configuration is said to be of.
        begins: whether it begins a run where there is none.
        ends: whether its `finish` ends a run that it began.
        loads: modules that its code imports and that take a second or more.
        is_large: whether its tests are left out of the everyday ones all the same.
        makes_rows_elsewhere: whether a fork's value is a row of the run around it.
    """

    code: str
    metric: str = "x"
    begins: bool = True
    ends: bool = False
    loads: tuple[str, ...] = ()
    is_large: bool = True
    makes_rows_elsewhere: bool = True

    def count(self, view: View) -> int:
        """How many values of its own a run has; or whether its configuration is there."""
        said = view.facts.get("config_sources") or {}
        if any(one["parser"] == self.metric for one in said.get("made_by", ())):
            return 1
        found = view.metrics.items()
        return sum(len(c.values) for name, c in found if f".{name}".endswith(f".{self.metric}"))


_DOOR = """
from samebit.session.doors import Door

def make():
    door = Door("ours")
    door.enter()
    return door

def use(door, value):
    door.enter()
    door.settings({"setting": 1})
    door.log({"x": value}, None)
    door.leave()

def finish(door):
    door.finish()
"""
_WANDB = """
import samebit.compat.wandb as wandb

def make():
    return wandb.init(config={"setting": 1})

def use(door, value):
    door.log({"x": value})

def finish(door):
    door.finish()
"""
_WRITER = """
from tensorboardX import SummaryWriter

def make():
    return SummaryWriter("events")

def use(door, value):
    door.add_scalar("x", value, use.step)
    use.step += 1

use.step = 0

def finish(door):
    door.close()
"""
_SKLEARN = """
import numpy
import samebit
from sklearn.dummy import DummyRegressor

def make():
    samebit.sklearn.autolog(training_score=True)
    return DummyRegressor()

def use(door, value):
    door.fit(numpy.arange(4.0).reshape(4, 1), [value, 1, 2, 3])

def finish(door):
    samebit.sklearn.autolog(disable=True)
"""
_OPTUNA = """
import optuna
from samebit.integrations.optuna import SamebitCallback

optuna.logging.disable_default_handler()

def make():
    made = SamebitCallback()
    made.study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    return made

def use(door, value):
    door.study.optimize(lambda trial: float(value), n_trials=1, callbacks=[door])

def finish(door):
    pass
"""
_TRANSFORMERS = """
from transformers import TrainerControl, TrainerState, TrainingArguments
from samebit.integrations.transformers import SamebitCallback

def make():
    return SamebitCallback()

def use(door, value):
    args = TrainingArguments("out", use_cpu=True, report_to=[])
    state = TrainerState(global_step=use.step, is_world_process_zero=True)
    use.step += 1
    door.on_train_begin(args, state, TrainerControl())
    door.on_log(args, state, TrainerControl(), {"x": value})
    door.on_train_end(args, state, TrainerControl())

use.step = 0

def finish(door):
    pass
"""
_LIGHTNING = """
from samebit.integrations.lightning import SamebitLogger

def make():
    return SamebitLogger()

def use(door, value):
    door.log_hyperparams({"setting": 1})
    door.log_metrics({"x": value}, use.step)
    use.step += 1
    door.finalize("success")

use.step = 0

def finish(door):
    pass
"""
_ACCELERATE = """
import accelerate
from samebit.integrations.accelerate import SamebitTracker

accelerate.PartialState(cpu=True)

def make():
    return SamebitTracker()

def use(door, value):
    door.store_init_configuration({"setting": 1})
    door.log({"x": value})

def finish(door):
    door.finish()
"""
_KERAS = """
import keras, numpy
from samebit.integrations.keras import SamebitCallback

def make():
    return SamebitCallback()

def use(door, value):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    door.set_model(model)
    door.on_train_begin()
    door.on_epoch_end(0, {"x": value})
    door.on_train_end()

def finish(door):
    pass
"""
_XGBOOST = """
import numpy, xgboost
from samebit.integrations.xgboost import SamebitCallback

def make():
    return SamebitCallback()

def use(door, value):
    data = xgboost.DMatrix(numpy.arange(4.0).reshape(4, 1), [value, 1, 2, 3], nthread=1)
    settings = {"nthread": 1, "verbosity": 0}
    xgboost.train(settings, data, 1, evals=[(data, "x")], verbose_eval=False, callbacks=[door])

def finish(door):
    pass
"""
_LIGHTGBM = """
import lightgbm, numpy
from samebit.integrations.lightgbm import SamebitCallback

def make():
    return SamebitCallback()

def use(door, value):
    data = lightgbm.Dataset(numpy.arange(40.0).reshape(40, 1), numpy.arange(40) * value)
    settings = {"num_threads": 1, "verbosity": -1, "deterministic": True}
    lightgbm.train(settings, data, 1, valid_sets=[data], valid_names=["x"], callbacks=[door])

def finish(door):
    pass
"""
_IGNITE = """
from ignite.engine import Engine, Events
from samebit.integrations.ignite import SamebitLogger

def make():
    return SamebitLogger()

def use(door, value):
    trainer = Engine(lambda engine, batch: {"x": value})
    at = use.step
    use.step += 1
    door.attach_output_handler(
        trainer,
        Events.ITERATION_COMPLETED,
        tag="train",
        output_transform=lambda output: output,
        global_step_transform=lambda *_: at,
    )
    trainer.run([0], max_epochs=1)

use.step = 0

def finish(door):
    door.close()
"""
# What a function of Hydra's is given, by the API as by `@hydra.main`.
_HYDRA = """
import os, hydra
from omegaconf import OmegaConf

os.makedirs("conf", exist_ok=True)
open("conf/config.yaml", "w").write("x: 0\\n")

def make():
    return None

def use(door, value):
    with hydra.initialize_config_dir(os.path.abspath("conf"), version_base=None):
        config = hydra.compose("config", [f"x={value}"])
    assert config.x == value

def finish(door):
    pass
"""

DOORS = {
    "Door": DoorCode(_DOOR, ends=True, is_large=False),
    "wandb": DoorCode(_WANDB, ends=True, is_large=False),
    "SummaryWriter": DoorCode(
        _WRITER, begins=False, loads=("tensorboardX",), is_large=False, makes_rows_elsewhere=False
    ),
    "sklearn": DoorCode(
        _SKLEARN,
        "DummyRegressor/training_score",
        loads=("sklearn.dummy",),
        makes_rows_elsewhere=False,
    ),
    "optuna": DoorCode(_OPTUNA, "optuna/value", loads=("optuna",), makes_rows_elsewhere=False),
    "transformers": DoorCode(_TRANSFORMERS, loads=("transformers.trainer", "torch._dynamo")),
    "lightning": DoorCode(_LIGHTNING, loads=("lightning.pytorch",)),
    "accelerate": DoorCode(_ACCELERATE, ends=True, loads=("accelerate.tracking",)),
    "keras": DoorCode(_KERAS, loads=("keras",)),
    "xgboost": DoorCode(_XGBOOST, "x.rmse", loads=("xgboost",), makes_rows_elsewhere=False),
    "lightgbm": DoorCode(_LIGHTGBM, "x.l2", loads=("lightgbm",), makes_rows_elsewhere=False),
    "ignite": DoorCode(
        _IGNITE, "train/x", ends=True, loads=("ignite.distributed", "ignite.engine")
    ),
    "hydra": DoorCode(_HYDRA, "Hydra", begins=False, loads=("hydra",), makes_rows_elsewhere=False),
}
