"""`run.trace`: the rows and the states of a loop in which no optimizer of PyTorch steps.

What was given as `params` and `state` last is held, as it lies there, and is the final state when
the run ends. A state at step 0 is copied at once, because arrays may be written to or donated.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from samebit.session.keeping import Keeper
from samebit.states import storing
from samebit.states import torch as torch_states
from samebit.trace import given
from samebit.trace.budget import Rate
from samebit.trace.digests import NotTraceable
from samebit.trace.loops import Loop
from samebit.trace.recorder import Recorder
from samebit.trace.rows import Emit

__all__ = ["Loops", "Told", "Tracing"]

_OF_THE_STATE = {"param": "model", "state": "state"}  # group of the trace: part of a state
_INTERRUPTED_BYTES = 1 << 30  # after Ctrl-C a larger state is not written any more


class Told(Struct, frozen=True):
    """What loops ask of the run, and tell it."""

    left: Callable[[int], int | None]  # the steps of a number's loop so far, if the run goes on
    begins: Callable[[], None]  # a loop is about to give its first row
    complete: Callable[[int, int], None]  # no more comes of this row; its number and count
    stepped: Callable[[int, int], None]  # its number and count
    continued: Callable[[int, int], None]  # the same, where an earlier execution had left it


class Loops:
    """The loops of one process, in order of their first rows.

    Args:
        recorder: gives them their numbers, among its optimizers, and takes their rows.
        emit: takes schedule and facts.
        told: hears how far they are.
        rates: of a replay, the recorded ones.
    """

    def __init__(
        self,
        recorder: Recorder,
        emit: Emit,
        told: Told,
        rates: Mapping[tuple[int, int], Rate] | None,
    ) -> None:
        self._recorder = recorder
        self._emit = emit
        self._told = told
        self._rates = rates

    def open(self, before: int | None = None) -> Loop:
        """A further loop; a run that goes on has so many steps of it behind it."""
        index = self._recorder.next_index()
        base = self._told.left(index)
        if base is not None:
            base = base if before is None else before
            self._told.continued(index, base)
        self._told.begins()
        return Loop(index, self._recorder.row, self._emit, self._rates, base or 0)

    def give(
        self, loop: Loop, groups: Mapping[str, Any], hyper: Any = None, count: int | None = None
    ) -> None:
        """Give a loop its next row, or that of a count; see `Loop.give`."""
        if loop.has_rows and count != loop.count:
            self._told.complete(loop.index, loop.count)
        loop.give(groups, hyper, count)
        self._told.stepped(loop.index, loop.count)


class Tracing:
    """The loop that the script gives rows of.

    Args:
        loops: opens it.
        keeper: takes its states.
        problem: says what could not be kept, and marks the run.
    """

    def __init__(self, loops: Loops, keeper: Keeper, problem: Callable[[str, str], object]) -> None:
        self._loops = loops
        self._keeper = keeper
        self._problem = problem
        self._loop: Loop | None = None
        self._initial: dict[str, Any] | None = None  # until the first row says its number
        self._held: dict[str, Any] = {}
        self._is_over = False

    def row(self, step: int | None, groups: Mapping[str, Any], hyper: Any) -> None:
        """Take what the script gave: a row, or before the first one the state at step 0."""
        if self._is_over:
            return
        if hyper is None and not step and self._is_beginning(groups):
            self._begin_with(groups)
        else:
            loop = self._loop or self._opened(None if step is None else max(step - 1, 0))
            if step is not None and step < loop.count:
                what = f"step {step} came after step {loop.count}: from there on they are counted"
                self._problem("trace", what)
                step = None
            self._loops.give(loop, groups, hyper, step)
        self._held.update((name, groups[name]) for name in _OF_THE_STATE if name in groups)

    def _is_beginning(self, groups: Mapping[str, Any]) -> bool:
        fresh = self._loop is None and not self._held
        return fresh and "param" in groups and groups.keys() <= _OF_THE_STATE.keys()

    def _begin_with(self, groups: Mapping[str, Any]) -> None:
        if self._keeper.takes_nothing or (state := self._state(groups, "step 0")) is None:
            return
        if self._keeper.fits(state):
            self._initial = torch_states.frozen_copy(state, "text")
        else:  # too large to be held twice
            loop = self._opened(None)
            self._keeper.save_now(f"step {loop.count}", loop.index, loop.count, state, keep=False)

    def _opened(self, before: int | None) -> Loop:
        self._loop = loop = self._loops.open(before)
        if self._initial is not None:
            initial, self._initial = self._initial, None
            self._keeper.save_later(f"step {loop.count}", loop.index, loop.count, initial)
        return loop

    def finish(self, *, interrupted: bool) -> None:
        """Complete the last row, and take the final state; nothing is taken after it."""
        if self._is_over:
            return
        self._is_over = True
        self._initial = None  # of a training that is one call: what it began with was its end
        held, self._held = self._held, {}
        if not held:
            return
        loop = self._loop or self._opened(None)
        loop.complete(held)
        if self._keeper.takes_nothing or (state := self._state(held, "final")) is None:
            return
        keep = self._keeper.keeps_bytes and self._keeper.fits(state)
        if interrupted and storing.size_bytes(state) > _INTERRUPTED_BYTES:
            keep = False
        self._keeper.save_now("final", loop.index, loop.count, state, keep=keep)

    def _state(self, groups: Mapping[str, Any], name: str) -> dict[str, Any] | None:
        try:
            state = {
                part: given.plain(groups[group])
                for group, part in _OF_THE_STATE.items()
                if group in groups
            }
        except NotTraceable as reason:
            hint = "give run.trace the params once more when the loop is over"
            self._problem(f"state {name!r} not kept", f"{reason}; {hint}")
            return None
        return {**state, "generators": torch_states.generator_states()}
