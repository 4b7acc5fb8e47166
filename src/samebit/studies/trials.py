"""`trials.jsonl`: which trials of a study were decided, and how often each was started.

Append-only; each line is a JSON object with its own checksum (CRC-32 of its canonical JSON without
`check`), durable before what it says is done: of many that are decided or started at once, all are
before the first of them is. A crash may cut the last line short: reading stops
there, and the next writer cuts it off. How a trial went is not here: its run says that.
"""

import errno
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct, field

from samebit import digest, disk
from samebit.errors import Damaged, SamebitError
from samebit.folders.folder import run_id
from samebit.studies.declared import Design

__all__ = ["Early", "History", "Start", "Trial", "Trials", "parse", "read_history"]

FILE = "trials.jsonl"
_LINE = msgspec.json.Decoder(dict[str, Any])
_CHECK = re.compile(rb'"check":"[0-9a-f]{8}",?')


class Start(Struct, frozen=True):
    """A process was to be started for a trial."""

    attempt: int  # from 1
    run: str  # the id that its run has, if it came to that
    execution: int = 1  # so many its run has then; above 1 that of the start before goes on
    stopped: bool = False  # by us, so that it counts for nothing
    lost: str = ""  # why it ended, as the place said: what its run cannot know of


class Early(Struct, frozen=True):
    """It was decided that a trial ends before its script does."""

    step: float  # at which it was judged
    why: str


class Trial(Struct, frozen=True):
    """What was decided, and what was done for it."""

    number: int  # from 0
    values: dict[str, Any]
    repeat: int = 0
    starts: tuple[Start, ...] = ()
    given_up: str = ""  # why it is not taken further
    early: Early | None = None  # it is stopped, or was; unless it was quicker and finished
    asked: int | None = None  # of a sweep: by the so-manieth question to the sampler, from 0
    told: tuple[int, ...] = ()  # what the sampler was told of since the question before
    by: str = ""  # what said so, with its version

    @property
    def last(self) -> Start | None:
        """The last start; None where there was none."""
        return self.starts[-1] if self.starts else None

    @property
    def tried(self) -> int:
        """How many of these were to come to what the last one was: an execution of one run."""
        at = self.last and (self.last.run, self.last.execution)
        return sum((one.run, one.execution) == at and not one.stopped for one in self.starts)

    @property
    def named_by(self) -> int:
        """The attempt that the run of the last start was begun by; its name has it."""
        assert self.last is not None
        return next(one.attempt for one in self.starts if one.run == self.last.run)

    @property
    def counted(self) -> int:
        """How many starts were not stopped by us."""
        return sum(not start.stopped for start in self.starts)


class History(Struct):
    """All that a study's lines say."""

    trials: list[Trial] = field(default_factory=list[Trial])
    counts: dict[str, int] = field(default_factory=dict[str, int])  # as they were wanted last
    repeats: int = 0

    def take(self, study: str, line: Mapping[str, Any]) -> None:
        """Count one line; KeyError, TypeError, IndexError where it makes no sense here."""
        kind = line["kind"]
        if kind == "wanted":
            self.counts, self.repeats = dict(line["counts"]), int(line["repeats"])
        elif kind == "trial":
            if line["number"] != len(self.trials):
                raise IndexError(line["number"])
            self.trials.append(
                Trial(
                    line["number"],
                    dict(line["values"]),
                    line["repeat"],
                    asked=line.get("asked"),
                    told=tuple(line.get("told", ())),
                    by=line.get("by", ""),
                )
            )
        else:
            number = line["number"]
            trial = self.trials[number]
            if kind == "start":
                execution = line.get("goes_on", 1)
                run = named(study, number, line["attempt"])
                run = trial.starts[-1].run if execution > 1 else run
                start = Start(line["attempt"], run, execution)
                trial = msgspec.structs.replace(trial, starts=(*trial.starts, start))
            elif kind == "stopped":
                last = msgspec.structs.replace(trial.starts[-1], stopped=True)
                trial = msgspec.structs.replace(trial, starts=(*trial.starts[:-1], last))
            elif kind == "lost":
                last = msgspec.structs.replace(trial.starts[-1], lost=line["why"])
                trial = msgspec.structs.replace(trial, starts=(*trial.starts[:-1], last))
            elif kind == "stopped early":
                early = Early(line["step"], line["why"])
                trial = msgspec.structs.replace(trial, early=early)
            elif kind == "given up":
                trial = msgspec.structs.replace(trial, given_up=line["why"])
            self.trials[number] = trial


def named(study: str, number: int, attempt: int) -> str:
    """What the run of a start is called: so no start can come to two runs."""
    text = digest.canonical_json([study, number, attempt])
    return run_id(digest.raw(text))


def packed(line: Mapping[str, Any]) -> bytes:
    """A line with its checksum."""
    check = f"{zlib.crc32(digest.canonical_json(dict(line))):08x}"
    return digest.canonical_json({**line, "check": check}) + b"\n"


def parse(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The whole lines, and where they end.

    Raises Damaged where a line does not check out and whole ones follow: no crash leaves that.
    """
    found: list[dict[str, Any]] = []
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        line = _checked(data[at:end])
        if line is None:
            break
        found.append(line)
        at = end + 1
    behind = data[at:].split(b"\n")[1:-1]
    if any(_checked(line) is not None for line in behind):
        raise Damaged("a line between others is not what its checksum says", at_byte=at)
    return found, at


def _checked(text: bytes) -> dict[str, Any] | None:
    try:
        line = _LINE.decode(text)
        check = line.pop("check")
    except (msgspec.DecodeError, ValueError, KeyError):
        return None
    is_right = check == f"{zlib.crc32(_uncheck(text)):08x}" or (
        check == f"{zlib.crc32(digest.canonical_json(line)):08x}"
    )
    return line if is_right else None


def _uncheck(text: bytes) -> bytes:
    """A line as it was before it got its checksum, where no value in it has one of that name.

    Of ten thousand trials it takes a tenth of the time of writing each anew.
    """
    return _CHECK.sub(b"", text, count=1).replace(b",}", b"}", 1)


def _read(folder: Path, study: str) -> tuple[History, int]:
    path = folder / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return History(), 0
    except OSError as error:
        raise Damaged(f"cannot read the trials: {error.strerror}", path=path) from error
    history = History()
    try:
        lines, intact = parse(data)
        for line in lines:
            history.take(study, line)
    except Damaged as error:
        error.facts["path"] = path
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Damaged(f"a line makes no sense where it stands: {error!r}", path=path) from error
    return history, intact


def read_history(folder: Path, study: str) -> History:
    """What the lines of a study say; nothing where there are none."""
    return _read(folder, study)[0]


class Trials:
    """The lines, open for the one controller of a study.

    What is wanted, decided and about to be started is durable after `sync`, which comes before the
    first process is started; everything else when the call returns.

    Attributes:
        history: all that was decided so far.
    """

    history: History

    def __init__(self, folder: Path, study: str) -> None:
        self._path, self._study = folder / FILE, study

    def __enter__(self) -> Self:
        self.history, intact = _read(self._path.parent, self._study)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._fd = os.open(self._path, flags, 0o644)
        disk.truncate(self._fd, intact)
        disk.sync_folder(self._path.parent)
        self._size = self._durable = intact
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def want(self, counts: Mapping[str, int], repeats: int) -> None:
        """So many are wanted from now on."""
        if (self.history.counts, self.history.repeats) != (dict(counts), repeats):
            self._write({"kind": "wanted", "counts": dict(counts), "repeats": repeats})

    def decide(self, one: Design) -> Trial:
        """A trial more."""
        number = len(self.history.trials)
        line = {"kind": "trial", "number": number, "values": one.values, "repeat": one.repeat}
        if one.asked is not None:
            line |= {"asked": one.asked, "told": list(one.told), "by": one.by}
        self._write(line)
        return self.history.trials[number]

    def start(self, number: int, *, execution: int = 1) -> Trial:
        """A process is about to be started for a trial.

        Args:
            number: the trial's.
            execution: above 1 the run of the start before goes on, with so many executions.
        """
        attempt = len(self.history.trials[number].starts) + 1
        line: dict[str, Any] = {"kind": "start", "number": number, "attempt": attempt}
        self._write(line | ({"goes_on": execution} if execution > 1 else {}))
        return self.history.trials[number]

    def stopped(self, number: int) -> Trial:
        """We stopped the last start."""
        self._say({"kind": "stopped", "number": number})
        return self.history.trials[number]

    def lost(self, number: int, why: str) -> Trial:
        """The last start was ended by something that has no part in its script."""
        self._say({"kind": "lost", "number": number, "why": why})
        return self.history.trials[number]

    def stop_early(self, number: int, step: float, why: str) -> Trial:
        """A trial that goes on is about to be stopped: what it is worth was seen at a step."""
        at = int(step) if step == int(step) else step
        self._say({"kind": "stopped early", "number": number, "step": at, "why": why})
        return self.history.trials[number]

    def give_up(self, number: int, why: str) -> Trial:
        """A trial is not taken further."""
        self._say({"kind": "given up", "number": number, "why": why})
        return self.history.trials[number]

    def sync(self) -> None:
        """Make all that was written durable; what cannot be is taken back."""
        try:
            disk.sync(self._fd)
        except OSError as error:
            self._size = self._durable
            disk.truncate(self._fd, self._size)
            raise self._unwritten(error) from error
        self._durable = self._size

    def _say(self, line: dict[str, Any]) -> None:
        self._write(line)
        self.sync()

    def _write(self, line: dict[str, Any]) -> None:
        data = packed(line)
        disk.fault("study.decide")
        try:
            if disk.append(self._fd, data) != len(data):
                raise OSError(errno.ENOSPC, "no space left on device")
        except OSError as error:
            disk.truncate(self._fd, self._size)
            raise self._unwritten(error) from error
        self._size += len(data)
        self.history.take(self._study, line)
        disk.fault("study.decided")

    def _unwritten(self, error: OSError) -> SamebitError:
        return SamebitError(
            f"what was decided cannot be written: {error.strerror}",
            path=self._path,
            hint="the same command goes on where this one stopped",
        )


def by_run(trials: Sequence[Trial]) -> dict[str, Trial]:
    """The trial of each run that was started."""
    return {start.run: trial for trial in trials for start in trial.starts}
