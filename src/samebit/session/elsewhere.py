"""A run of another process of this machine: rows into it, and a handle that was pickled there."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from samebit.capture import console
from samebit.errors import in_a_line
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.journal.values import flatten
from samebit.journal.writer import Writer
from samebit.session.entering import meet_rank
from samebit.session.process import end, here
from samebit.session.ranks import is_within
from samebit.session.run import Run

__all__ = ["Elsewhere", "Rows", "next_step", "reopened"]


class Rows:
    """Rows of a process that has no part of its own in a run.

    Its segments lie beside those of the run's own processes, as of rank 0.

    Args:
        folder: of the run.
        say: takes what went wrong; printed, once each, where left out.
    """

    def __init__(self, folder: Path, say: Callable[[str], object] | None = None) -> None:
        self._said: set[str] = set()
        self._say = say or self._print
        self._first: int | None = None
        self._counts: dict[tuple[str, ...], Iterator[int]] = {}
        self._folder = RunFolder(folder)
        self._writer = Writer(self._folder.journal, folder.name, "0")

    def log(self, values: Mapping[str, Any], step: int | None) -> None:
        """Write a row of what is a number or a text; never raises.

        Without a step rows are counted by their names, from behind all that the run had by then.
        """
        kept: dict[str, Any] = {}
        try:
            for name, value in values.items():
                try:
                    kept.update(flatten({name: value}))
                except Exception as error:
                    self._say(f"{name!r} is not kept: {in_a_line(error)}")
            if kept:
                if step is None:
                    step = self._count(tuple(kept))
                self._writer.row(kept, step)
        except Exception as error:
            self._say(f"a row is not kept: {in_a_line(error)}")

    def _count(self, names: tuple[str, ...]) -> int:
        if self._first is None:
            self._first = next_step(read_run(self._folder))
        return next(self._counts.setdefault(names, itertools.count(self._first)))

    def latest(self, name: str) -> Any:
        """The value that was logged last under a name; None where it was not lately."""
        return self._writer.latest(name)

    def close(self) -> None:
        """Make what was written durable; never raises."""
        try:
            self._writer.close()
        except Exception as error:
            self._say(f"rows may not be durable: {in_a_line(error)}")

    def _print(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            console.say(f"samebit: log: {text} (training goes on)")


class Elsewhere(Run):
    """A run's handle that came here from the process that records it: its rows go into that run.

    Once this process is a rank of the run, it is the handle of that rank.

    Args:
        path: of the run's folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(None, end)
        del self._recording  # so that each call of the handle looks whether there is one by now
        self._path = path
        self._rows = Rows(path)
        self._is_used = False

    def __getattr__(self, name: str) -> Any:
        if name != "_recording":
            raise AttributeError(name)
        if not self._is_used:  # where it is unpickled a process does not know its parent so far
            self._is_used = True
            meet_rank()
        active = here.active
        if active is None or active.folder.path != self._path:
            return None
        self.__dict__[name] = active
        return active

    @property
    def id(self) -> str:
        """The run's id."""
        return self._path.name

    @property
    def path(self) -> Path | None:
        """The run's folder."""
        return self._path

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Record a row: of numbers and texts alone, while this process is no rank."""
        if self._recording is not None:
            super().log(values, step)
        else:
            self._rows.log(values, step)

    def finish(self) -> None:
        """What was written is durable; the run goes on where it is recorded."""
        self._rows.close()
        super().finish()


def reopened(path: Path | None) -> Run:
    """What a handle is where it is unpickled; `path` is that of its run, None where it had none.

    In a process that has nothing to do with that run (a checkpoint is loaded, a day later) it takes
    every call and does nothing.
    """
    active = here.active
    if path is not None and active is not None and active.folder.path == path:
        return Run(active, end)
    if path is None or not is_within(path, os.environ):
        return Run(None, end)
    return Elsewhere(path)


def next_step(view: View) -> int:
    """The number behind the greatest step of a metric."""
    steps = (step for column in view.metrics.values() for step in column.steps)
    return max((step for step in steps if isinstance(step, int)), default=-1) + 1
