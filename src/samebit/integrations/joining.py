"""The run that a door records into: the one that is there, or one that it begins."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from samebit.capture import console
from samebit.capture.config import plain
from samebit.capture.parsing import CODE, Parsed
from samebit.errors import in_a_line
from samebit.folders.folder import RunFolder
from samebit.journal.writer import Writer
from samebit.session import process
from samebit.session.joining import init
from samebit.session.process import here
from samebit.session.recording import Recording
from samebit.session.run import Run

__all__ = ["Door"]


class _Begun:
    """The run of this process that a door began."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.is_over = False  # the training that it was begun for


_begun = _Begun()


class Door:
    """What one callback, logger or tracker has of the run; nothing here raises.

    A training behind one that is over begins a run of its own, where the first was begun by a door.
    Pickled and opened in another process, a door joins what is recorded there; where nothing is
    (multiprocessing made it), its rows go into the run that it was pickled with.

    Args:
        framework: where its settings are said to come from.
        name: of the run, where this door begins it.
        group: the same.
    """

    def __init__(self, framework: str, name: str | None = None, group: str | None = None) -> None:
        self._framework = framework
        self._name = name
        self._group = group
        self._run: Run | None = None
        self._recording: Recording | None = None
        self._path: Path | None = None  # of the run's folder
        self._writer: Writer | None = None  # of rows alone, in another process
        self._settings: dict[str, Any] = {}
        self._has_told = False
        self._sources: dict[str, str] = {"": CODE}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None, "_recording": None, "_writer": None}

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # of one run there is one handle

    @property
    def run(self) -> Run:
        """The run, joined or begun when it is first asked for."""
        run = self._run
        return run if run is not None else self.enter()

    def enter(self) -> Run:
        """Join the run that is there, or begin one: a training begins."""
        active = here.active
        if self._run is not None and active is self._recording:
            self._continues()
            return self._run
        is_left = active is not None and active is _begun.recording and _begun.is_over
        if active is None or is_left or _is_to_be_taken(active):
            self._run = init(name=self._name, group=self._group)
            if here.active is not None and _is_begun(here.active):
                _begun.recording = here.active
        else:
            self._run = Run(active, process.end)
        self._recording = here.active
        self._path = self._run.path or self._path
        self._continues()
        self._give_settings()
        return self._run

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

    def log(self, values: Mapping[str, Any], step: int | None) -> None:
        """Record a row, as `Run.log` does."""
        run = self.run
        if run.id or self._path is None:
            run.log(values, step)
            return
        try:
            if self._writer is None:
                self._writer = Writer(RunFolder(self._path).journal, self._path.name, "0")
            self._writer.row(values, step or 0)
        except Exception as error:
            if not self._has_told:
                self._has_told = True
                console.say(f"samebit: log: {in_a_line(error)} (training goes on)")

    def _continues(self) -> None:
        if self._recording is _begun.recording:
            _begun.is_over = False

    def leave(self) -> None:
        """The training is over; the run stays open for what is logged about it afterwards."""
        if self._recording is not None and self._recording is _begun.recording:
            _begun.is_over = True

    def finish(self) -> None:
        """End the run, if a door began it."""
        self.leave()
        if self._run is not None and self._recording is _begun.recording:
            self._run.finish()

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


def _is_to_be_taken(active: Recording) -> bool:
    """Whether `samebit run` began it, and nothing in the script has joined it yet."""
    return active is here.supervised and active.is_here and not here.taken


def _is_begun(active: Recording) -> bool:
    """Whether an `init` began it, or it repeats one that an `init` began."""
    return active is not here.supervised or active.seeding.is_late
