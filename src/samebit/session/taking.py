"""The code of a run that `samebit run` begins: it is taken before the first line of the command.

A Python that we start ourselves starts up meanwhile. In `entry` it waits for a byte through a pipe:
then the code has been taken. Where the pipe ends without one, it does not begin.
"""

import os
from collections.abc import Callable
from pathlib import Path

from samebit import places
from samebit.errors import CannotStart, SamebitError

__all__ = ["READY", "Taking", "refuse_changes"]

READY = "SAMEBIT_READY"  # the variable that names the child's end of the pipe
_NAMED = 5  # files in one sentence


class Taking:
    """What is done about it before and after the start of the command.

    Args:
        take: takes the code.
    """

    def __init__(self, take: Callable[[], None]) -> None:
        self._take = take
        self._ends: tuple[int, ...] = ()

    def before(self, *, waits: bool) -> dict[str, str]:
        """Take the code now, or have a child that `waits` do so; gives variables of the child."""
        if not waits:
            self._take()
            return {}
        self._ends = os.pipe()
        os.set_inheritable(self._ends[0], True)
        return {READY: str(self._ends[0])}

    def after(self) -> None:
        """The child is there; what was not taken is taken, and it may go on.

        Whatever the journal raises, it does not.
        """
        if self._ends:
            try:
                self._take()
                os.write(self._ends[1], b".")
            finally:
                self.give_up()

    def give_up(self) -> None:
        """A child that waits is not to begin."""
        for end in self._ends:
            os.close(end)
        self._ends = ()


def refuse_changes(store: Path, start: Path) -> None:
    """With `code.on_changed = refuse`, only what is committed is run; else CannotStart.

    `--or-run-anyway` does not help: it is for trouble with the record, and this is a rule.
    """
    try:
        settings = places.read_settings(store)
    except SamebitError:
        return  # said where the run is begun
    if settings.code_on_changed != "refuse":
        return
    from samebit.capture import code, git  # noqa: PLC0415  (most runs need them a moment later)

    hint = "SAMEBIT_CODE_ON_CHANGED=record runs it for once"
    try:
        changes = code.find_changes(start)
    except git.Refused as refusal:
        what = f"nothing was started: code.on_changed is refuse, and {refusal}"
        raise CannotStart(
            what, folder=start, hint="for once: SAMEBIT_CODE_ON_CHANGED=record"
        ) from None
    if changes:
        more = f" and {len(changes) - _NAMED} more" if changes[_NAMED:] else ""
        raise CannotStart(
            "nothing was started: there are uncommitted changes, and code.on_changed is refuse",
            changes=", ".join(changes[:_NAMED]) + more,
            hint=f"commit them; {hint}",
        )
