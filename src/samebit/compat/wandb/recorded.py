"""The run of ours that a wandb-shaped one writes into: its own, one that was there, or none.

All that is asked of the recorder is here. What has no word of ours goes into the fact `wandb`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from samebit.compat.wandb.saying import hint
from samebit.folders import said
from samebit.folders.folder import RunFolder
from samebit.folders.read import View, read_run
from samebit.journal.values import plain_number
from samebit.session import doors
from samebit.session.elsewhere import Rows, next_step
from samebit.session.recording import Recording

__all__ = ["Nothing", "OfAnother", "Ours", "Recorded"]


class Recorded:
    """What a wandb-shaped run needs of the one below it; this one keeps nothing."""

    first_step = 0
    resumed = False
    name: str | None = None
    path: Path | None = None

    def __init__(self, id: str) -> None:
        self.id = id

    @property
    def is_here(self) -> bool:
        """Whether this process is the one that it belongs to."""
        return True

    @property
    def is_replay(self) -> bool:
        """Whether it repeats another one, and so keeps no files."""
        return False

    def log(self, row: dict[str, Any], step: int) -> None:
        """Write a row."""
        raise NotImplementedError

    def latest(self, name: str) -> Any:
        """The value of a metric that was logged last."""
        raise NotImplementedError

    def values(self, name: str) -> Sequence[Any]:
        """Every value of a metric."""
        raise NotImplementedError

    def set_config(self, config: dict[str, Any]) -> None:
        """Record the configuration."""

    def tell(self, fact: dict[str, Any]) -> None:
        """Record what has no word of ours."""

    def used(self, fact: dict[str, Any]) -> None:
        """Record that an artifact was logged or used."""

    def watch(self, *models: Any) -> None:
        """Name models."""

    def say(self, kind: str, value: str) -> None:
        """Say a name or a text of it."""

    def tag(self, tags: Sequence[str], before: Sequence[str] = ()) -> None:
        """Give it tags, and take those away that it had."""

    def finish(self, exit_code: int) -> None:
        """End it, if it is ours to end."""

    def leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The same, at the end of a `with`."""

    def told(self) -> dict[str, Any]:
        """What was told of it last, as `tell`."""
        return {}


class Nothing(Recorded):
    """`mode="disabled"`, or a process that records nothing: the last values are known, no more."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self._last: dict[str, Any] = {}

    def log(self, row: dict[str, Any], step: int) -> None:
        """Remember the numbers."""
        for name, value in row.items():
            if isinstance(value, Mapping):
                self.log({f"{name}.{below}": one for below, one in value.items()}, step)
            elif not getattr(value, "is_cuda", False):
                number = plain_number(value)
                if number is not None:
                    self._last[name] = number

    def latest(self, name: str) -> Any:
        """As it was logged."""
        return self._last.get(name)

    def values(self, name: str) -> Sequence[Any]:
        """The last one."""
        return [self._last[name]] if name in self._last else []


class Ours(Recorded):
    """A run that this process records.

    Args:
        joined: the run, and whether it was begun for this.
        recording: what it is of.
        first_step: the number of its first row.
    """

    def __init__(self, joined: doors.Joined, recording: Recording, *, first_step: int) -> None:
        run = joined.run
        folder = recording.folder
        record = folder.record()
        self._replays = record.kind == "replay"
        super().__init__(record.of if self._replays and record.of else folder.id)
        self.path = folder.path
        self.first_step = first_step
        self.resumed = recording.execution > 1
        self._run = run
        self._recording = recording
        self._folder = folder
        self._joined = joined
        self._names: str | None = None
        self.log: Callable[[dict[str, Any], int], None] = run.log  # type: ignore[method-assign]

    @property
    def is_here(self) -> bool:
        """A forked child of it logs, and never ends it."""
        return self._recording.is_here

    @property
    def is_replay(self) -> bool:
        """Whether it repeats another one."""
        return self._replays

    @property
    def name(self) -> str | None:  # type: ignore[override]
        """The name given last."""
        if self._names is None:
            given = [note.value for note in self._folder.notes() if note.kind == said.NAME]
            self._names = str(given[-1]) if given else self._folder.record().name or ""
        return self._names or None

    def latest(self, name: str) -> Any:
        """As the journal has it."""
        found = self._recording.writer.latest(name)
        if found is None:
            values = self.values(name)
            found = values[-1] if values else None
        return found

    def values(self, name: str) -> Sequence[Any]:
        """As the journal has them."""
        column = self.read().metrics.get(name)
        return column.values if column is not None else []

    def read(self) -> View:
        """What it has recorded so far."""
        return read_run(self._folder)

    def told(self) -> dict[str, Any]:
        """As the journal has it."""
        return _told(self.read())

    def set_config(self, config: dict[str, Any]) -> None:
        """As `Run.config`."""
        self._run.config = dict(config)

    def tell(self, fact: dict[str, Any]) -> None:
        """The fact `wandb`, of which the last counts."""
        self._recording.fact("wandb", fact)

    def used(self, fact: dict[str, Any]) -> None:
        """A fact `artifact`."""
        self._recording.fact("artifact", fact)

    def watch(self, *models: Any) -> None:
        """As `Run.watch`."""
        self._run.watch(*models)

    def say(self, kind: str, value: str) -> None:
        """A note, as `samebit note` writes it."""
        try:
            said.check(kind, value)
            self._folder.add_note(kind, value)
        except Exception as error:
            self._recording.trouble(f"wandb {kind}", error)
        if kind == said.NAME:
            self._names = value

    def tag(self, tags: Sequence[str], before: Sequence[str] = ()) -> None:
        """Notes: those that are new, and those that are gone."""
        for tag in tags:
            if tag not in before:
                self.say(said.TAG, tag.replace(",", ";"))
        for tag in before:
            if tag not in tags:
                self.say(said.UNTAG, tag.replace(",", ";"))

    def finish(self, exit_code: int) -> None:
        """As `Run.finish`; with another exit code than 0 it has failed."""
        if not doors.is_owner(self._joined) or not self.is_here:
            return
        if exit_code:
            error = SystemExit(exit_code)
            self._run.__exit__(SystemExit, error, None)
        else:
            self._run.finish()

    def leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """As the end of `with samebit.init()`."""
        if doors.is_owner(self._joined):
            self._run.__exit__(kind, error, trace)


class OfAnother(Recorded):
    """A run of another process of this machine, into which this one writes rows and no more."""

    def __init__(self, path: Path) -> None:
        self._folder = RunFolder(path)
        record = self._folder.record()
        super().__init__(record.of if record.kind == "replay" and record.of else record.id)
        self.path = path
        self._replays = record.kind == "replay"
        self._read = read_run(self._folder)
        self.first_step = next_step(self._read)
        self._rows = Rows(path, hint)
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """True in the process that attached."""
        return os.getpid() == self._pid

    @property
    def is_replay(self) -> bool:
        """Whether it repeats another one."""
        return self._replays

    def log(self, row: dict[str, Any], step: int) -> None:
        """Write a row of what is a number; what is not is said once."""
        self._rows.log(row, step)

    def latest(self, name: str) -> Any:
        """As this process has logged it."""
        return self._rows.latest(name)

    def values(self, name: str) -> Sequence[Any]:
        """As the journal has them."""
        column = read_run(self._folder).metrics.get(name)
        return column.values if column is not None else []

    def say(self, kind: str, value: str) -> None:
        """A note, too."""
        try:
            said.check(kind, value)
            self._folder.add_note(kind, value)
        except Exception as error:
            hint(f"{kind} is not kept: {error}")

    def told(self) -> dict[str, Any]:
        """As the journal has it."""
        return _told(self._read)

    def finish(self, exit_code: int) -> None:
        """What was written is durable; the run goes on."""
        self._rows.close()


def _told(view: View) -> dict[str, Any]:
    fact = view.facts.get("wandb")
    return dict(fact) if isinstance(fact, dict) else {}
