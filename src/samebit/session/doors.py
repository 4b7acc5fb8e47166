"""The run that a door records into: the one that is there, or one that is begun for it.

A door is what a script has of a framework or a tracker and that calls us: callbacks and loggers,
`autolog()`, `wandb.init`, a `SummaryWriter`. Which run each gets, and who ends that, is the table
of docs/design/034-doors.md; all of it is decided here and in `joining.py`.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from samebit.capture import console
from samebit.capture.config import plain
from samebit.capture.parsing import CODE, Parsed
from samebit.errors import in_a_line
from samebit.session import process
from samebit.session.elsewhere import Rows
from samebit.session.entering import meet_rank
from samebit.session.joining import begin_for_a_door
from samebit.session.process import here
from samebit.session.ranks import is_within
from samebit.session.recording import Recording
from samebit.session.run import Run

__all__ = [
    "Door",
    "Joined",
    "begin",
    "current",
    "fail",
    "handle",
    "is_owner",
    "join",
    "safely",
    "there",
]


class Joined(Struct, frozen=True):
    """The run that a door has come into.

    Args:
        run: as users hold it; it takes every call and does nothing where there is none.
        recording: what it is of, None where there is none. In a fork of the process that records
            (`recording.is_here` is false) it takes rows alone.
        is_begun: whether it was begun for this door, which therefore ends it.
    """

    run: Run
    recording: Recording | None
    is_begun: bool = False


def current() -> Recording | None:
    """What this process records into now; None in a fork of it, too."""
    found = here.active
    return found if found is not None and found.is_here else None


def handle(recording: Recording) -> Run:
    """The same, as users hold it."""
    return Run(recording, process.end)


def there(left: Recording | None = None) -> Joined | None:
    """The run that is there for a door; None where one is to be begun, or joined as `init` does.

    Args:
        left: one that the door has done with.
    """
    active = here.active
    if active is None or (active is left and active.is_here and not _is_of_the_script(active)):
        return None
    # The training that another door began it for; or nothing has joined it.
    is_left = active is here.door and here.is_over
    waits = active is here.supervised and not (here.taken or here.entered)
    return None if (is_left or waits) and active.is_here else Joined(handle(active), active)


def _is_of_the_script(active: Recording) -> bool:
    """Whether an `init()` of the script has begun or joined it."""
    return here.taken if active is here.supervised else active is not here.door


def begin(
    name: str | None = None,
    group: str | None = None,
    resume: str | None = None,
    *,
    trains: bool = False,
) -> Joined:
    """Join what `samebit run` began, if nothing has joined that; else begin a run.

    Args:
        name: of the run.
        group: the same.
        resume: a run that goes on, as `init` takes it.
        trains: whether it is of one training, and over with that.

    Raises:
        UsageError, RunNotFound, AmbiguousRun: there is no such run to resume. All else that goes
            wrong is said, and the handle takes every call.
    """
    if not begin_for_a_door(name, group, resume) or here.active is None:
        return Joined(Run(None, process.end), None)
    here.trains = trains
    return Joined(handle(here.active), here.active, here.active is here.door)


def join(name: str | None = None, group: str | None = None, *, trains: bool = False) -> Joined:
    """The run that is there, or one that is begun now, as `begin`; never raises."""
    try:
        return there() or begin(name, group, trains=trains)
    except Exception as error:
        fail("door", error)
        return Joined(Run(None, process.end), None)


def fail(source: str, error: Exception) -> None:
    """A door could not come into its run: it is said, and marked where there is one."""
    recording = current()
    if recording is not None:
        recording.trouble(source, error)
    else:
        console.say(f"samebit: {source}: {in_a_line(error)} (training goes on without a record)")


def is_owner(joined: Joined) -> bool:
    """Whether the door is still who ends its run: an `init()` of the script takes it over."""
    return joined.is_begun and joined.recording is here.door


def safely(source: str, function: Callable[[Recording], Any]) -> None:
    """Record something, if this process records; what goes wrong is said once."""
    recording = current()
    if recording is None:
        return
    try:
        function(recording)
    except Exception as error:
        recording.trouble(source, error)


class Door:
    """What one callback, logger or tracker has of the run; nothing here raises.

    A training behind one that is over begins a run of its own, where the first was begun by a door.
    Pickled and opened in another process, a door joins what is recorded there; where nothing is
    (multiprocessing made it), its rows go into the run that it was pickled with, and it joins that
    as a rank once the process is one.

    Args:
        framework: where its settings are said to come from.
        name: of the run, where this door begins it.
        group: the same.
    """

    def __init__(self, framework: str, name: str | None = None, group: str | None = None) -> None:
        self._framework = framework
        self._name = name
        self._group = group
        self._joined: Joined | None = None
        self._path: Path | None = None  # of the run's folder
        self._rows: Rows | None = None  # in another process
        self._settings: dict[str, Any] = {}
        self._sources: dict[str, str] = {"": CODE}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_joined": None, "_rows": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._path is not None and not is_within(self._path, os.environ):
            self._path = None  # of a run with which this process has nothing to do
        meet_rank()

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # of one run there is one handle

    @property
    def run(self) -> Run:
        """The run, joined or begun when it is first asked for."""
        joined = self._joined
        if joined is None or (joined.recording is None and here.active is not None):
            return self.enter()
        return joined.run

    def enter(self) -> Run:
        """Join the run that is there, or begin one: a training begins."""
        joined = self._joined
        if joined is None or joined.recording is not here.active:
            self._joined = joined = join(self._name, self._group, trains=True)
            self._path = joined.run.path or self._path
            self._give_settings()
        if joined.recording is here.door:
            here.is_over = False
        return joined.run

    @property
    def id(self) -> str:
        """The run's id, in a replay that of the run that it repeats; empty where there is none."""
        recording = self._recording
        if recording is None:
            return ""
        try:
            return recording.folder.record().of or recording.folder.id
        except Exception as error:
            self.trouble(error)
            return recording.folder.id

    @property
    def _recording(self) -> Recording | None:
        return self._joined.recording if self._joined is not None else None

    def log(self, values: Mapping[str, Any], step: int | None) -> None:
        """Record a row, as `Run.log` does."""
        run = self.run
        if self._recording is not None or self._path is None:
            run.log(values, step)
            return
        if self._rows is None:
            self._rows = Rows(self._path)
        self._rows.log(values, step)

    def leave(self) -> None:
        """The training is over; the run stays open for what is logged about it afterwards."""
        if self._recording is not None and self._recording is here.door and here.trains:
            here.is_over = True

    def finish(self) -> None:
        """End the run, if this door began it."""
        self.leave()
        if self._joined is not None and is_owner(self._joined):
            self._joined.run.finish()

    def settings(self, values: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> None:
        """Add to the run's config, below what the script itself gave, and its command line.

        Args:
            values: by name; what is not plain keeps a readable text.
            sources: which of them are defaults, as `declared` says it.
        """
        self._settings = {**self._settings, **values}
        self._sources = {**self._sources, **(sources or {})}
        self._give_settings()

    def _give_settings(self) -> None:
        recording = self._recording
        if recording is None or not recording.is_here or not self._settings:
            return
        try:
            values, sources = plain(self._settings), self._sources
            made = Parsed(self._framework, lambda: values, sources, rank=0, is_of=id(self))
            recording.configuration.parsed(made)
        except Exception as error:
            recording.trouble(f"config of {self._framework}", error)

    def trouble(self, error: Exception) -> None:
        """Say once that something of a framework could not be recorded, and mark the run."""
        if self._recording is not None:
            self._recording.trouble(self._framework, error)
