"""`Trainer(logger=SamebitLogger())`: what a LightningModule logs, and its hyper-parameters.

Of `lightning`; of `pytorch_lightning` where the script has loaded that, or there is no other.
"""

import sys
from argparse import Namespace
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from samebit.session.doors import Door
from samebit.session.run import Run

if TYPE_CHECKING or ("pytorch_lightning" not in sys.modules and find_spec("lightning") is not None):
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.utilities import rank_zero_only
else:
    from pytorch_lightning.loggers import Logger
    from pytorch_lightning.utilities import rank_zero_only

__all__ = ["SamebitLogger"]

# What a Trainer was told of how to train, by the names of its arguments.
_OF_TRAINER = (
    *("max_epochs", "min_epochs", "max_steps", "min_steps", "precision", "num_devices"),
    *("num_nodes", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    *("limit_train_batches", "check_val_every_n_epoch", "val_check_interval"),
)


class SamebitLogger(Logger):
    """Records what a LightningModule logs, by its names and Lightning's step.

    Saved hyper-parameters of module and data module are the run's config, what the Trainer was told
    stands below `trainer`. Optimizers, schedule, batches and states are recorded without it.

    It begins the run, or joins the one that is there, when it is made. It may be pickled: rows of a
    rank that Lightning spawns go into the same run.

    Args:
        name: of the run, where it begins one.
        group: the same.
        save_dir: where Lightning puts its checkpoints; its own `default_root_dir` where left out.
    """

    def __init__(
        self, name: str | None = None, group: str | None = None, save_dir: str | None = None
    ) -> None:
        super().__init__()
        self._name = name
        self._save_dir = save_dir
        self._door = Door("lightning", name, group)
        self._door.enter()
        self._version = self._door.id

    @property
    def experiment(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    @property
    def run(self) -> Run:
        """The same, as the other doors call it."""
        return self._door.run

    @property
    def name(self) -> str:
        """The name that it was given; with `version` the folder of Lightning's checkpoints."""
        return self._name or "samebit"

    @property
    def version(self) -> str:
        """The id of the run, in a replay of the one that it repeats: files have the same names."""
        return self._version or "0"

    @property
    def save_dir(self) -> str | None:
        """Where Lightning puts its checkpoints."""
        return self._save_dir

    def log_hyperparams(
        self, params: Mapping[str, Any] | Namespace | None, *args: Any, **kwargs: Any
    ) -> None:
        """Take hyper-parameters into the config."""
        if _is_first():
            self._door.enter()
            held = vars(params) if isinstance(params, Namespace) else params or {}
            self._door.settings({str(name): value for name, value in held.items()})

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Take what the module's Trainer was told; Lightning calls it when a loop begins."""
        if not _is_first():
            return
        self._door.enter()
        try:
            of = model.trainer
            told = {name: getattr(of, name) for name in _OF_TRAINER if hasattr(of, name)}
            told["strategy"] = type(of.strategy).__name__
            self._door.settings({"trainer": told})
        except Exception as error:
            self._door.trouble(error)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record what was logged."""
        if _is_first():
            self._door.log(metrics, step)

    def finalize(self, status: str) -> None:
        """A loop is over; what is tested behind a training is still recorded."""
        self._door.leave()


def _is_first() -> bool:
    return getattr(rank_zero_only, "rank", 0) in (0, None)
