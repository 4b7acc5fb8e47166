"""`SamebitLogger().attach(trainer, …)`: what engines of Ignite put out, as its own loggers take it.

from samebit.integrations.ignite import SamebitLogger, global_step_from_engine

logger = SamebitLogger(name="mnist", config={"lr": 0.1})
logger.attach_output_handler(
    trainer, Events.ITERATION_COMPLETED(every=10), tag="train", output_transform=lambda loss: loss
)
"""

from collections.abc import Mapping
from typing import Any

import ignite.distributed
from ignite.engine import Engine, Events
from ignite.handlers import global_step_from_engine
from ignite.handlers.base_logger import BaseLogger, BaseOptimizerParamsHandler, BaseOutputHandler

from samebit.session.doors import Door
from samebit.session.run import Run

__all__ = ["OptimizerParamsHandler", "OutputHandler", "SamebitLogger", "global_step_from_engine"]


class SamebitLogger(BaseLogger):
    """Records what engines put out, their metrics, and parameters of optimizers.

    Optimizers' steps, schedule, batches and states are recorded without it. It begins the run, or
    joins the one that is there, when it is made; `close()` ends a run that it began.

    Args:
        name: of the run, where it begins one.
        group: the same.
        config: settings, below what the script gave otherwise.
    """

    def __init__(
        self,
        name: str | None = None,
        group: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self._door = Door("ignite", name, group)
        self._door.enter()
        self._trainer: Engine | None = None  # of those attached to, the one with the most epochs
        if config is not None:
            self._door.settings(config)

    @property
    def run(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    def attach(
        self, engine: Engine, log_handler: Any, event_name: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Call a handler at an event of an engine; see `ignite.handlers.base_logger`."""
        if not engine.has_event_handler(self._begins, Events.STARTED):
            engine.add_event_handler(Events.STARTED, self._begins)
            engine.add_event_handler(Events.COMPLETED, self._ends)
        return super().attach(engine, log_handler, event_name, *args, **kwargs)

    def close(self) -> None:
        """The training is over."""
        self._door.finish()

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Record a row, in the first rank; what handlers call."""
        if ignite.distributed.get_rank() == 0:
            self._door.log(values, step)

    def _begins(self, engine: Engine) -> None:
        """Join the run, and tell how long the training is to be."""
        self._door.enter()
        epochs = engine.state.max_epochs or 0
        if self._trainer is None or epochs > (self._trainer.state.max_epochs or 0):
            self._trainer = engine
            told = {"max_epochs": epochs, "epoch_length": engine.state.epoch_length}
            self._door.settings({"trainer": told})

    def _ends(self, engine: Engine) -> None:
        """What is evaluated behind a training is still recorded."""
        if engine is self._trainer:
            self._door.leave()

    def _create_output_handler(self, *args: Any, **kwargs: Any) -> "OutputHandler":
        return OutputHandler(*args, **kwargs)

    def _create_opt_params_handler(self, *args: Any, **kwargs: Any) -> "OptimizerParamsHandler":
        return OptimizerParamsHandler(*args, **kwargs)


class OutputHandler(BaseOutputHandler):
    """Records what an engine put out and its metrics, as `TAG/NAME`; arguments are the base's.

    The step is that of the event (its iteration or epoch), or what `global_step_transform` gives.
    """

    def __call__(self, engine: Engine, logger: SamebitLogger, event_name: Any) -> None:
        """Record them."""
        step = self.global_step_transform(engine, event_name)
        values = self._setup_output_metrics_state_attrs(engine, log_text=True, key_tuple=False)
        logger.log(values, step)


class OptimizerParamsHandler(BaseOptimizerParamsHandler):
    """Records a parameter of each group of an optimizer, as `TAG/NAME/group_0`."""

    def __call__(self, engine: Engine, logger: SamebitLogger, event_name: Any) -> None:
        """Record them."""
        before = f"{self.tag}/" if self.tag else ""
        values = {
            f"{before}{self.param_name}/group_{at}": group[self.param_name]
            for at, group in enumerate(self.optimizer.param_groups)
        }
        logger.log(values, engine.state.get_event_attrib_value(event_name))
