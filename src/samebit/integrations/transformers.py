"""`Trainer(callbacks=[SamebitCallback()])`: the Trainer's settings and metrics in the run."""

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from samebit.capture.config import declared
from samebit.session.doors import Door
from samebit.session.run import Run

__all__ = ["SamebitCallback"]


class SamebitCallback(TrainerCallback):
    """Records what a Trainer knows; nothing of it is switched on or off.

    The training arguments are the run's config under their own names, the model's configuration
    below `model`, an adapter's below `peft`. What the Trainer logs has its names and its
    `global_step`. Optimizer, schedule, batches and states are recorded without it.

    Made before the Trainer, it begins the run there; under `samebit run`, or behind
    `samebit.init()`, it joins the run that there is.

    Args:
        name: of the run, where it begins one.
        group: the same.
    """

    def __init__(self, name: str | None = None, group: str | None = None) -> None:
        self._door = Door("transformers", name, group)
        self._door.enter()

    @property
    def run(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Join the run, and tell the settings."""
        self._door.enter()
        try:
            self._door.settings(_settings(args, kwargs.get("model")), declared(args))
        except Exception as error:
            self._door.trouble(error)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Record what the Trainer logs, of evaluations too."""
        if state.is_world_process_zero and logs:
            self._door.run.log(logs, step=state.global_step)

    def on_predict(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Record the metrics of `predict`, which the Trainer itself does not log."""
        if state.is_world_process_zero and metrics:
            self._door.run.log(metrics, step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The training is over; evaluations behind it are still recorded."""
        self._door.leave()


def _settings(args: Any, model: Any) -> dict[str, Any]:
    """What configures a training; secrets among the arguments are masked by `to_dict`."""
    found: dict[str, Any] = dict(args.to_dict())
    config = getattr(model, "config", None)
    if config is not None:
        found["model"] = config if isinstance(config, Mapping) else config.to_dict()
    adapters = getattr(model, "peft_config", None)
    if adapters:
        found["peft"] = {name: adapter.to_dict() for name, adapter in adapters.items()}
    return found
