"""How far a run is: its step, and from where optimizers, loops and rows of metrics count on.

Each optimizer and each loop counts its own steps from 1, in a run that goes on from what earlier
executions left; the run's step is the count of one of them.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from samebit.session.resuming import Left, base_of
from samebit.trace.recorder import Recorder

__all__ = ["Progress"]


class Progress:
    """The counts of one process.

    Args:
        recorder: counts the steps of optimizers.
        execution: its number.
        left: by earlier executions, where there were any.
        fact: takes from where something goes on.

    Attributes:
        step: the run's; 0 before the first one.
        main: the optimizer or loop whose count it is, by its number.
    """

    def __init__(
        self,
        recorder: Recorder,
        execution: int,
        left: Left | None,
        fact: Callable[[str, Any], None],
    ) -> None:
        self.step = left.counts.get(0, 0) if left is not None else 0
        self.main = 0
        self._recorder = recorder
        self._execution = execution
        self._left = left
        self._fact = fact
        self._rows: dict[tuple[str, ...], Iterator[int]] = {}
        self._restored: dict[int, int] = {}  # steps, by the id of an optimizer that goes on

    def next_step(self, values: Any) -> int:
        """The step of a row while no optimizer has stepped: how often these names came before.

        Without it, every row of a loop without PyTorch would replace the one before.
        """
        names = tuple(values)
        first = self._left.next_row(names) if self._left and names not in self._rows else 0
        # Without a lock, which a fork could leave taken for ever: both calls are atomic.
        return next(self._rows.setdefault(names, itertools.count(first)))

    def stepped(self, index: int, count: int) -> None:
        """An optimizer or a loop has made this step."""
        if index == self.main:
            self.step = count

    def went_on_from(self, optimizer: Any, count: int) -> None:
        """An optimizer was given the state that it had after so many steps of the run."""
        self._recorder.index(optimizer)  # in the order that they had
        self._restored[id(optimizer)] = count

    def go_on(self, optimizer: Any, index: int) -> None:
        """Count the steps on where an earlier execution left them, and say where that is."""
        left = self._left or Left()
        if id(optimizer) in self._restored:
            count = self._restored.pop(id(optimizer))
            self._recorder.go_on_from(optimizer, count)
            self._continued(index, count, None, "checkpoint")
            return
        count, own, by = base_of(left, index, optimizer)
        if self._left is None:
            if own:  # a state from elsewhere: what a resumed process finds counts from there
                self._continued(index, 0, own, "optimizer")
            return
        self._recorder.go_on_from(optimizer, count)
        self._continued(index, count, own, by)

    def count_of(self, optimizer: Any) -> tuple[int, int]:
        """An optimizer's number, and how many steps it has behind it."""
        count = self._recorder.count(optimizer)
        return self._recorder.index(optimizer), self._restored.get(id(optimizer), count)

    def left_of_loop(self, index: int) -> int | None:
        """The steps of a loop that earlier executions made, as far as this one goes on from."""
        if self._left is None:
            return None
        return self.step if index == self.main else self._left.counts.get(index, 0)

    def loop_goes_on(self, index: int, count: int) -> None:
        """A loop goes on behind so many steps of earlier executions."""
        self._continued(index, count, None, "journal")

    def _continued(self, index: int, count: int, own: int | None, by: str) -> None:
        said = {"execution": self._execution, "optimizer": index, "count": count}
        self._fact("continued", {**said, "state_step": own, "by": by})
