"""`xgboost.train(…, callbacks=[SamebitCallback()])`: a run for a training of XGBoost.

Rounds, scores, parameters and the booster are recorded without it, under `samebit run` or behind
`samebit.init()`; it begins the run where there is none, as other trackers' callbacks do.
"""

from typing import Any

from xgboost.callback import TrainingCallback

from samebit.session.boosters import is_met, unmet
from samebit.session.doors import Door
from samebit.session.hooks import meet_boosters
from samebit.session.run import Run

__all__ = ["SamebitCallback"]

# `xgboost.train` is looked up before its arguments are made, and one of these begins the run.
meet_boosters()


class SamebitCallback(TrainingCallback):
    """Begins a run for a training of XGBoost, or joins the one that is there, when it is made.

    To be given to `xgboost.train`, `xgboost.cv`, or an estimator (`XGBClassifier(callbacks=…)`).
    What is recorded is what is without it, and once.

    Args:
        name: of the run, where it begins one.
        group: the same.
    """

    def __init__(self, name: str | None = None, group: str | None = None) -> None:
        super().__init__()
        self._door = Door("xgboost", name, group)
        self._door.enter()

    @property
    def run(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    def before_training(self, model: Any) -> Any:
        """Join the run."""
        self._door.enter()
        if not is_met():
            self._door.trouble(unmet("xgboost"))
        return model

    def after_training(self, model: Any) -> Any:
        """The training is over; what is evaluated behind it is still recorded."""
        self._door.leave()
        return model
