"""A state on its way into the store: within which budget, on which thread, and its fact."""

import shutil
import threading
from collections.abc import Callable
from typing import Any

from samebit.objects.store import Store
from samebit.states import storing
from samebit.threads import Helper

__all__ = ["Keeper"]

_FREE_SHARE = 0.1  # of the disk's free space, at most, for the bytes of one state
_FORK_S = 2.0  # longer than any fork keeps our threads ended
_INTERRUPTED_S = 5.0
_FREE_SHARE_ASKED = 0.5  # the same of a checkpoint, which the script asks for


class Keeper:
    """Where the states of one process go.

    Args:
        store: where they go.
        emit: takes the fact about a state that was stored.
        trouble: told when something of ours failed.
        budget_bytes: above it, a state that nobody asked for is kept as digests.
        keep: auto, all, digest or none.
    """

    def __init__(
        self,
        store: Store,
        emit: Callable[[dict[str, Any]], None],
        trouble: Callable[[str, Exception], None],
        *,
        budget_bytes: int,
        keep: str,
    ) -> None:
        self.store = store
        self.tell = trouble
        self.is_over = False
        self._emit = emit
        self._budget = budget_bytes
        self._keep = keep
        self._helper = Helper("samebit-states")
        self._is_used = False  # the thread may have been given something

    @property
    def takes_nothing(self) -> bool:
        """Whether the user wants no states at all."""
        return self._keep == "none"

    @property
    def keeps_bytes(self) -> bool:
        """Whether bytes may be kept, and not only digests."""
        return self._keep not in ("none", "digest")

    def fits(self, state: Any) -> bool:
        """Whether a state that nobody asked for is small enough for its bytes to be kept."""
        return self._keep == "all" or storing.size_bytes(state) <= self.most_bytes()

    def most_bytes(self) -> int:
        """How large a state that nobody asked for may be for its bytes to be kept."""
        return min(self._budget, int(_FREE_SHARE * self.free_bytes()))

    def fits_asked(self, size_bytes: int) -> bool:
        """Whether there is room for a state of this size that the script asked for."""
        return self._keep == "all" or size_bytes <= _FREE_SHARE_ASKED * self.free_bytes()

    def free_bytes(self) -> int:
        """What is free on the disk of the store."""
        return shutil.disk_usage(self.store.path).free

    def save_now(self, name: str, index: int, step: int, state: Any, *, keep: bool) -> None:
        """Store a state before this returns; a failure is told, and nothing is raised."""
        try:
            digest = storing.save(self.store, state, keep=keep, unknown="text")
        except Exception as error:
            self.tell(f"the state {name!r}", error)
            return
        if self.is_over:
            return
        self._emit(
            {
                "name": name if index == 0 else f"{name} of optimizer {index}",
                "optimizer": index,
                "step": step,
                "manifest": digest,
                "size_bytes": storing.size_bytes(state),
                "kept": keep,
            }
        )

    def save_later(self, name: str, index: int, step: int, state: Any) -> None:
        """Store a state that does not change any more, on the thread of states."""
        self.later(lambda: self.save_now(name, index, step, state, keep=self.keeps_bytes))

    def later(self, job: Callable[[], None]) -> None:
        """Do something on the thread of states, after what was given before; it never raises."""
        self._is_used = True
        self._helper.do(job)

    def wait(self) -> None:
        """Wait until everything given so far is done."""
        if self._is_used:
            done = threading.Event()
            self._helper.do(done.set)
            while not done.wait(_FORK_S):
                self._helper.go_on()  # a fork of another thread failed, and left ours ended

    def finish(self, *, interrupted: bool) -> None:
        """Wait until everything is done, and end the thread; not for long after an interrupt.

        What is not done then is told, and no fact of it comes any more.
        """
        if not self._helper.finish(_INTERRUPTED_S if interrupted else None):
            self.is_over = True
            said = f"still being written {_INTERRUPTED_S:.0f} s after the interrupt"
            self.tell("a state", TimeoutError(f"{said}; those before it are whole"))
