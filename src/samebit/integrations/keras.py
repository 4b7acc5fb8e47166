"""`model.fit(callbacks=[SamebitCallback()])`: a training of Keras, on any backend."""

from collections.abc import Mapping
from typing import Any

import keras

from samebit.session.doors import Door
from samebit.session.run import Run

__all__ = ["SamebitCallback"]


class SamebitCallback(keras.callbacks.Callback):
    """Records a training of Keras: settings, epochs' metrics, and each batch as a step.

    No optimizer of PyTorch steps in it, so the callback itself gives the trace: behind each batch
    its logs, the model, the optimizer's state and learning rate; the model before the first batch
    is the state at step 0. It begins the run, or joins the one that is there, when it is made.

    Args:
        name: of the run, where it begins one.
        group: the same.
    """

    def __init__(self, name: str | None = None, group: str | None = None) -> None:
        super().__init__()
        self._door = Door("keras", name, group)
        self._door.enter()
        self._has_begun = False

    @property
    def run(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    def on_train_begin(self, logs: Any = None) -> None:
        """Tell the settings, and keep the state at step 0."""
        before = self._door.run.id
        run = self._door.enter()
        try:
            self._door.settings(_settings(self.model, self.params))
        except Exception as error:
            self._door.trouble(error)
        if not self._has_begun or run.id != before:
            self._has_begun = True
            run.trace(params=self.model)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Give a row of the trace."""
        try:
            model: Any = self.model
            optimizer = model.optimizer
            self._door.run.trace(
                loss=dict(logs or {}),
                params=model,
                state=optimizer,
                hyper={"lr": optimizer.learning_rate},
            )
        except Exception as error:
            self._door.trouble(error)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record what Keras logs of an epoch, at the run's step."""
        self._door.log({"epoch": epoch, **(logs or {})}, None)

    def on_train_end(self, logs: Any = None) -> None:
        """The training is over; what is evaluated behind it is still recorded."""
        self._door.leave()


def _settings(model: Any, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `fit` and `compile` were told."""
    found: dict[str, Any] = {"backend": keras.backend.backend(), **(params or {})}
    optimizer = model.optimizer
    found["optimizer"] = {"class": type(optimizer).__name__, **optimizer.get_config()}
    found["model"] = type(model).__name__
    return found
