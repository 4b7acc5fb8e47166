"""When a process is to end before its script does; for replays and trials."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

__all__ = ["Ender", "Ends", "OpsWanted"]


class OpsWanted(Struct, frozen=True):
    """The step whose operations are noted."""

    rank: str
    optimizer: int
    step: int  # of that optimizer; the first one's begin where torch is imported
    file: str


class Ends(Struct, frozen=True):
    """After which step a process ends: the first of these that comes."""

    until: int | None = None  # after this step of the main optimizer
    file: str = ""  # after the step at which this file is there
    ops: OpsWanted | None = None  # after the step whose operations are noted


class Ender:
    """Ends this process where no more of it is wanted: no further line of the script is run.

    Args:
        ends: when.
        rank: of this process.
        models: gives name and module of each model that was met.
        fact: takes that it was ended.
        finish: completes the record.
    """

    def __init__(
        self,
        ends: Ends,
        rank: str,
        models: Callable[[], Iterable[tuple[str, Any]]],
        fact: Callable[[str, Mapping[str, Any]], None],
        finish: Callable[[str], None],
    ) -> None:
        self._ends = ends
        self._fact = fact
        self._finish = finish
        self._ops = None
        if ends.ops is not None and ends.ops.rank == rank:
            from samebit.session.oplog import OpWatch  # noqa: PLC0415  (not in a training's time)

            self._ops = OpWatch(ends.ops, models)

    def install(self) -> None:
        """Begin to note operations, where those before the first step are wanted."""
        if self._ops is not None:
            self._ops.install()

    def after_step(self, index: int, count: int, *, is_main: bool) -> None:
        """An optimizer or a loop has made a step, and all of it is recorded."""
        until, file = self._ends.until, self._ends.file
        is_asked = until is not None and is_main and count >= until
        if self._ops is not None:
            is_asked = self._ops.after_step(index, count)
        if not is_asked and not (file and os.path.exists(file)):
            return
        self._fact("stopped", {"why": "asked" if is_asked else "parted", "count": count})
        self._finish("finished")
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(0)
