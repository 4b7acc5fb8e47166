"""`lightgbm.train(…, callbacks=[SamebitCallback()])`: a run for a training of LightGBM.

Rounds, scores, parameters and the booster are recorded without it, under `samebit run` or behind
`samebit.init()`; it begins the run where there is none, as other trackers' callbacks do.
"""

from typing import Any

from samebit.session.boosters import is_met, unmet
from samebit.session.doors import Door
from samebit.session.hooks import meet_boosters
from samebit.session.run import Run

__all__ = ["SamebitCallback"]

# `lightgbm.train` is looked up before its arguments are made, and one of these begins the run.
meet_boosters()


class SamebitCallback:
    """Begins a run for a training of LightGBM, or joins the one that is there, when it is made.

    To be given to `lightgbm.train`, `lightgbm.cv`, or the `fit` of an estimator. What is recorded
    is what is without it, and once.

    Args:
        name: of the run, where it begins one.
        group: the same.
    """

    before_iteration = False
    order = 0

    def __init__(self, name: str | None = None, group: str | None = None) -> None:
        self._door = Door("lightgbm", name, group)
        self._door.enter()

    @property
    def run(self) -> Run:
        """The run, to log more into."""
        return self._door.run

    def __call__(self, env: Any) -> None:
        """A round is over: of the training, as far as LightGBM tells, any may be the last."""
        self._door.enter()
        if not is_met():
            self._door.trouble(unmet("lightgbm"))
        self._door.leave()
