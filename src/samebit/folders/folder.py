"""A run's folder: claimed, begun, ended; only files that are created once."""

import getpass
import os
import socket
import time
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from samebit import __version__, digest, disk, records
from samebit.errors import Damaged, NotFound, RunNotFound, SamebitError, StoreTooNew, UsageError
from samebit.journal import reader
from samebit.records import ExecutionEnd, ExecutionStart, Note, RunRecord

__all__ = [
    "DROPPED",
    "NEWER",
    "RunFolder",
    "Trial",
    "begin",
    "begin_imported",
    "is_run_id",
    "run_id",
    "user_name",
]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32
_ID_LENGTH = 10
_LETTERS = (_ALPHABET * 8).encode()  # of each byte that of its lower five bits
DROPPED = "dropped"  # the kind of a note by which somebody lets go of a state: name, manifest
NEWER = "newer"  # the kind that stands for a note that cannot be read

T = TypeVar("T")


def run_id(data: bytes) -> str:
    """An id made of ten bytes."""
    return data[:_ID_LENGTH].translate(_LETTERS).decode()


def is_run_id(text: str) -> bool:
    """Whether a text could be a run's id."""
    return len(text) == _ID_LENGTH and all(c in _ALPHABET for c in text)


def user_name() -> str:
    """The user's name at this machine; empty where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


class Trial(Struct, frozen=True):
    """For which trial of a study a run is begun, and the id that was chosen for it."""

    study: str
    number: int
    run: str
    execution: int = 1  # so many the run has with this one; above 1 it goes on


class RunFolder(Struct, frozen=True):
    """Where a run lies: `<store>/runs/<id>`."""

    path: Path
    is_aside: bool = False  # durable as a whole, by `disk.publish_folders`, and not file by file

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def store(self) -> Path:
        """The store that it lies in."""
        return self.path.parent.parent

    @property
    def journal(self) -> Path:
        """The folder of its segments."""
        return self.path / "journal"

    @property
    def trace(self) -> Path:
        """The folder of what the journal does not have of the trace."""
        return self.path / "trace"

    def is_begun(self) -> bool:
        """Whether anything was written: a process may be killed as soon as it has the folder."""
        return (self.path / "run.json").exists() or any(
            _is_filled(self.path / name) for name in ("executions", "journal", "notes")
        )

    def record(self) -> RunRecord:
        """Who the run is; Damaged where `run.json` cannot be read, RunNotFound if never begun."""
        try:
            return self._read("run.json", RunRecord)
        except Damaged:
            if self.is_begun() or not self.path.is_dir():
                raise
        raise RunNotFound(
            f"run {self.id} never began: a process made its folder and wrote nothing into it",
            path=self.path,
            hint="it is about to, or was killed; an old folder like this can be deleted",
        )

    def executions(self) -> list[int]:
        """The numbers of its executions, in order; one that was claimed and not begun is none."""
        return [number for number in self.claimed() if self.is_started(number)]

    def is_started(self, number: int) -> bool:
        """Whether anything was written about an execution."""
        return _is_filled(self.path / "executions" / str(number))

    def claimed(self) -> list[int]:
        """The numbers that executions have taken, in order, begun or not."""
        try:
            names = os.listdir(f"{self.path}/executions")
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isdigit())

    def start(self, number: int) -> ExecutionStart:
        """What an execution was asked to do."""
        return self._read(f"executions/{number}/start.json", ExecutionStart)

    def end(self, number: int) -> ExecutionEnd | None:
        """How an execution ended, or None where nobody could write it down."""
        try:
            return self._read(f"executions/{number}/end.json", ExecutionEnd)
        except Damaged as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def has_ended(self) -> bool:
        """Whether somebody wrote down how its last execution ended."""
        try:
            return self.end(max(self.executions())) is not None
        except (NotFound, ValueError):
            return False

    def console(self, number: int) -> Path:
        """The folder of an execution's console logs."""
        return self.path / "executions" / str(number) / "console"

    def notes(self) -> list[Note]:
        """Everything said about it later, oldest first; a damaged note raises Damaged.

        What a newer version said becomes a note of the kind NEWER, which says that.
        """
        try:
            names = sorted(os.listdir(self.path / "notes"))
        except OSError:
            return []
        return [self._note(name) for name in names if name.endswith(".json")]

    def _note(self, name: str) -> Note:
        try:
            return self._read(f"notes/{name}", Note)
        except StoreTooNew as error:
            return Note(NEWER, 0, "", f"notes/{name}: {error.what}")

    def begin_execution(self, start: ExecutionStart, *, alone: bool = False) -> ExecutionStart:
        """Claim the next number and write `start.json`; durable when this returns.

        Raises UsageError where another process claims that number, and it is to be `alone`.
        """
        number = max(self.claimed(), default=0) + 1
        while not disk.claim_folder(self.path / "executions" / str(number)):
            if alone:
                raise UsageError(f"run {self.id} is gone on with by another process")
            number += 1
        numbered = replace(start, number=number)
        _create(self, f"executions/{number}/start.json", numbered)
        self.console(number).mkdir(exist_ok=True)
        return numbered

    def claim(self, number: int, name: str) -> bool:
        """Be the one process of an execution that has this; False where another one is."""
        try:
            (self.path / "executions" / str(number) / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def claim_rank(self, number: int, rank: str) -> int:
        """Which of the processes of an execution that record as this rank one is, from 1."""
        part = 1
        while not self.claim(number, f"joined-{rank}" + (f"-{part}" if part > 1 else "")):
            part += 1
        return part

    def claim_process(self, number: int, rank: str, program: str) -> str:
        """The name of a process among those of an execution that record as this rank."""
        name = digest.of_bytes(program.encode()).rpartition(":")[2][:16]
        again = 1
        while not self.claim(number, f"process-{rank}-{name}-{again}"):
            again += 1
        return program if again == 1 else f"{program} ({again})"

    def end_execution(self, number: int, end: ExecutionEnd) -> bool:
        """Write `end.json` with the segments as they are now; False where it was there already."""
        segments: dict[str, tuple[int, str]] = {}
        for segment in reader.list_segments(self.journal):
            name, size = digest.of_file(segment.path)
            segments[segment.path.name] = (size, name)
        try:
            _create(self, f"executions/{number}/end.json", replace(end, segments=segments))
        except FileExistsError:
            return False
        return True

    def add_note(self, kind: str, value: Any) -> Note:
        """Say something about the run, as a new file."""
        note = Note(kind, time.time_ns(), user_name(), records.plain(value))
        for folder in (self.path / "notes", self.store / "tmp")[: 1 if self.is_aside else 2]:
            folder.mkdir(exist_ok=True)  # a copy made by git or an object store lacks empty ones
        _create(self, f"notes/{note.at_ns}-{os.urandom(4).hex()}.json", note)
        return note

    def _read(self, name: str, kind: type[T]) -> T:
        path = f"{self.path}/{name}"  # a thousand runs are read at once: pathlib takes its time
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError as error:
            what = f"cannot read {name} of run {self.id}: {error.strerror}"
            raise Damaged(what, path=path) from error
        return records.decode(data, kind, where=path)


def _create(folder: RunFolder, name: str, value: Any) -> None:
    if folder.is_aside:
        disk.write_aside(folder.path / name, records.encode(value))
    else:
        disk.create(folder.path / name, records.encode(value), folder.store / "tmp")


def _is_filled(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def begin(
    store: Path,
    *,
    kind: str = "run",
    of: str | None = None,
    parent: str | None = None,
    group: str | None = None,
    name: str | None = None,
    trial: "Trial | None" = None,
) -> RunFolder:
    """Claim an id and write `run.json`; durable when this returns.

    A run that a study starts has the id that was chosen for it: UsageError where that is taken.
    """
    try:
        while True:
            run = trial.run if trial is not None else run_id(os.urandom(_ID_LENGTH))
            folder = RunFolder(store / "runs" / run)
            if disk.claim_folder(folder.path):
                break
            if trial is not None and folder.is_begun():
                raise UsageError(
                    f"trial {trial.number} is being run, or was, by this very start of it",
                    run=run,
                    hint="`samebit seeds` starts it again where that is right",
                )
            if trial is not None:
                break  # whoever made the folder was killed before it wrote anything
        _make_parts(folder)
        record = RunRecord(
            id=run,
            started_ns=time.time_ns(),
            kind=kind,
            of=of,
            parent=parent,
            group=group,
            name=name,
            user=user_name(),
            host=socket.gethostname(),
            project=str(store.parent),
            samebit=__version__,
            study=trial.study if trial is not None else None,
            trial=trial.number if trial is not None else None,
        )
        disk.create(folder.path / "run.json", records.encode(record), store / "tmp")
    except OSError as error:
        raise _cannot_begin(store, error) from error
    return folder


def begin_imported(store: Path, record: RunRecord, aside: Path | None = None) -> RunFolder | None:
    """Write the `run.json` of a run whose id is chosen; None where that id is another run's.

    It is the same run where its record names the same origin, and then stays as it is. One that is
    not there is begun in the folder `aside`, where one is given, and is not durable.
    """
    folder = RunFolder(store / "runs" / record.id)
    if aside is not None and not folder.path.exists():
        folder = RunFolder(aside / "runs" / record.id, is_aside=True)
    try:
        folder.path.mkdir(parents=folder.is_aside, exist_ok=True)
        _make_parts(folder)
        try:
            _create(folder, "run.json", record)
        except FileExistsError:
            return folder if folder.record().imported == record.imported else None
    except OSError as error:
        raise _cannot_begin(store, error) from error
    return folder


def _make_parts(folder: RunFolder) -> None:
    for part in ("executions", "journal", "notes"):
        (folder.path / part).mkdir(exist_ok=True)


def _cannot_begin(store: Path, error: OSError) -> SamebitError:
    return SamebitError(
        f"cannot begin a run: {error.strerror}",
        store=store,
        hint="SAMEBIT_DIR names another place for the store",
    )
