"""Runs of other tools become runs of the store; of one that was imported before, what is new.

What a reader gives is always the whole (`compat/foreign.py`). How much of each series the store has
is a fact of the run, `taken`, with a digest of those points: where they are what they were, only
the rest is written; where they are not, the whole series is, and on reading the later point of a
step counts. So a run that is imported twice is one run, and nothing that is there is changed.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from samebit import __version__, digest, disk
from samebit.capture import secrets
from samebit.compat.foreign import Execution, ForeignRun, Series, Thing
from samebit.compat.outputs import keep_outputs
from samebit.compat.taken import name_of, name_of_files, name_of_things
from samebit.compat.things import facts_of
from samebit.errors import Damaged, SamebitError, UsageError
from samebit.folders import said
from samebit.folders.aside import aside
from samebit.folders.ending import ENDED
from samebit.folders.facts import read_fact
from samebit.folders.folder import RunFolder, begin_imported, run_id, user_name
from samebit.folders.read import read_run
from samebit.journal.frame import Kind
from samebit.journal.values import exact
from samebit.journal.writer import Writer
from samebit.objects.store import Store
from samebit.records import ExecutionEnd, ExecutionStart, Origin, RunRecord

__all__ = ["Added", "Importer", "id_of"]

_TRIES = 16  # ids of one run, where others have its first ones
_MOST_NAME = 10_000  # letters of a metric's name
_RUNS_TOGETHER = 200  # new ones that get their names at once
_POINTS_TOGETHER = 4_000_000  # or that have so many points
_MOST_SHOWN = 200  # letters of what cannot be said
_OTHER_POINTS = (
    "had other points when it was imported before; of a step that both have the later counts"
)


class Added(Struct, frozen=True):
    """What an import did to one run."""

    run: str
    is_new: bool
    points: int  # that were written
    things: int
    outputs: int = 0  # files that it had made, and that were stored
    problems: tuple[tuple[str, str], ...] = ()  # that were not known before


class _Have:
    """What the store has of one run."""

    def __init__(self, folder: RunFolder) -> None:
        view = read_run(folder)
        self.folder = folder
        self.executions = {start.number: start for start in view.starts}
        self.ended = {s.number for s, e in zip(view.starts, view.ends, strict=True) if e}
        self.taken: dict[tuple[int, str, str], tuple[int, str]] = {}
        for fact in view.all_facts("taken"):
            for kind in ("series", "machine", "things", "outputs"):
                for name, (count, mark) in fact.get(kind, {}).items():
                    self.taken[fact["execution"], kind, name] = count, mark
        self.facts = {
            name: value for name, value in view.facts.items() if name not in ("taken", "process")
        }
        self.problems = {(p["what"], p["detail"]) for p in view.all_facts("problem")}
        self.name = view.name
        self.said = view.said
        self.writers: dict[int, Writer] = {}


class Importer:
    """Writes into one store; a context, at whose end everything is durable.

    Runs that are new are written aside and get their names together, whole and durable: a disk
    takes a thousand files at once in the time of a dozen that are waited for one by one.

    Args:
        store: where to.
        follows: runs are added to again and again, and what is open of them is kept so.
        outputs: the files that runs have made are stored by their content, too.
    """

    def __init__(self, store: Path, *, follows: bool = False, outputs: bool = False) -> None:
        self._store = store
        self._follows = follows
        self._outputs = outputs
        self._objects: Store | None = None
        self._have: dict[str, _Have] = {}
        self._stack = contextlib.ExitStack()
        self._aside: Path | None = None
        self._waiting: dict[str, RunFolder] = {}  # whole runs, by their ids
        self._points = 0  # that they have

    def __enter__(self) -> Self:
        if not self._follows:
            self._aside = self._stack.enter_context(aside(self._store, "import"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            for have in self._have.values():
                with _calmly(error):
                    _close(have)
            with _calmly(error):
                self.publish()

    def publish(self) -> None:
        """Give the new runs their names.

        Raises:
            SamebitError: the store does not take them.
        """
        waiting, self._waiting, self._points = self._waiting, {}, 0
        if not waiting:
            return
        moves = [(one.path, self._store / "runs" / name) for name, one in waiting.items()]
        try:
            taken = disk.publish_folders(moves)
        except OSError as error:
            what = f"{len(moves)} runs cannot be written into the store: {error.strerror}"
            raise SamebitError(what, store=self._store) from error
        for path in taken:  # somebody else has imported it meanwhile
            shutil.rmtree(waiting[path.name].path, ignore_errors=True)

    def add(self, run: ForeignRun, told: Callable[[int], object] = lambda points: None) -> Added:
        """Make a run of it, or add what is new, which is durable when this returns.

        A run that is new is in the store from the next `publish` on, which comes by itself after
        some of them and at the end; where runs are followed, at once.

        Args:
            run: as it is now.
            told: how many points more were written.

        Raises:
            SamebitError: the store takes nothing.
        """
        folder, is_new = self._folder(run)
        if not is_new and folder.id in self._have:
            have = self._have[folder.id]
        else:
            have = self._have[folder.id] = _Have(folder)
        writing = _Writing(have, told)
        try:
            writing.add(run, self._put)
            if self._outputs and run.outputs:
                writing.keep(self._store, run)
            writing.end(run)
        except BaseException:
            if folder.is_aside:  # half of a run is none
                self._waiting.pop(folder.id, None)
                shutil.rmtree(folder.path, ignore_errors=True)
            raise
        finally:
            if not (self._follows and writing.points):
                _close(have)
            if not self._follows:
                del self._have[folder.id]
        if folder.is_aside:
            self._waiting[folder.id] = folder
            self._points += writing.points
            if len(self._waiting) >= _RUNS_TOGETHER or self._points >= _POINTS_TOGETHER:
                self.publish()
        elif writing.has_written:
            os.utime(folder.journal)  # a segment may have grown: whoever knows the run looks anew
        counts = writing.points, writing.things, writing.outputs
        return Added(folder.id, is_new, *counts, tuple(writing.new_problems))

    def _folder(self, run: ForeignRun) -> tuple[RunFolder, bool]:
        for attempt in range(_TRIES):
            chosen = id_of(run.tool, run.id, attempt)
            is_there = (self._store / "runs" / chosen / "run.json").exists()
            is_new = not is_there and chosen not in self._waiting
            starts = [one.started_ns for one in run.executions if one.started_ns > 0]
            record = RunRecord(
                id=chosen,
                started_ns=min(starts, default=0),
                parent=None if run.parent is None else id_of(run.tool, run.parent),
                group=run.group,
                name=run.name,
                project=str(self._store.parent),
                samebit=__version__,
                imported=Origin(run.tool, run.id),
            )
            folder = begin_imported(self._store, record, self._aside)
            if folder is not None:
                return folder, is_new
        raise SamebitError(f"no id is free for the {run.tool} run {run.id!r}")

    def _put(self, pieces: Sequence[bytes]) -> None:
        self._objects = self._objects or Store(self._store)
        self._objects.put_all(pieces)


def id_of(tool: str, foreign: str, attempt: int = 0) -> str:
    """The id here of a run there; another attempt gives another one."""
    named = digest.canonical_json([tool, foreign, *([attempt] if attempt else [])])
    return run_id(bytes.fromhex(digest.of_bytes(named).rpartition(":")[2]))


def _calmly(error: BaseException | None) -> contextlib.AbstractContextManager[None]:
    """While something else is raised, what fails besides is not."""
    if error is None:
        return contextlib.nullcontext()
    return contextlib.suppress(SamebitError, OSError)


def _close(have: _Have) -> None:
    writers, have.writers = have.writers, {}
    for writer in writers.values():
        writer.close()


class _Writing:
    """One run at one time."""

    def __init__(self, have: _Have, told: Callable[[int], object]) -> None:
        self._have = have
        self._told = told
        self.points = 0
        self.things = 0
        self.outputs = 0
        self.new_problems: list[tuple[str, str]] = []
        self.has_written = False
        self._now_ns = 0

    def add(self, run: ForeignRun, put: Callable[[Sequence[bytes]], None]) -> None:
        for number, execution in enumerate(run.executions, 1):
            self._begin(number, execution)
            for kind, given in (("series", execution.series), ("machine", execution.machine)):
                taken = {}
                for one in given:
                    if mark := self._series(number, kind, one):
                        taken[one.name] = mark
                self._take(number, kind, taken)
            self._take(number, "things", self._things(number, execution.things, put))
        last = max(len(run.executions), 1)
        self._facts(last, run)
        self._notes(run)

    def keep(self, store: Path, run: ForeignRun) -> None:
        """Store the files that it made, where they are others than those that are stored."""
        number = max(len(run.executions), 1)
        mark = len(run.outputs), name_of_files(run.outputs)
        if self._have.taken.get((number, "outputs", "")) == mark:
            return
        kept = keep_outputs(store, self._have.folder.id, run.tool, run.outputs, run.md5)
        for what, detail in kept.problems:
            self._problem(what, detail)
        if kept.fact is not None:
            self._fact(number, "artifact", kept.fact)
            self.outputs = kept.files
        self._take(number, "outputs", {"": mark})

    def _begin(self, number: int, execution: Execution) -> None:
        if number in self._have.executions:
            return
        start = ExecutionStart(
            number=0, started_ns=execution.started_ns, how="import", argv=(), cwd=""
        )
        self._have.executions[number] = self._have.folder.begin_execution(start)

    def _writer(self, number: int) -> Writer:
        self.has_written = True
        if number not in self._have.writers:
            folder = self._have.folder
            writer = Writer(folder.journal, folder.id, in_utc=True, is_aside=folder.is_aside)
            # Not `joined`, by which one writer's facts would outweigh those of a later import.
            process = {"pid": os.getpid(), "pid_started": 0, "boot": "", "execution": number}
            writer.fact("process", process, self._time_of(number))
            self._have.writers[number] = writer
        return self._have.writers[number]

    def _time_of(self, number: int) -> int:
        return self._have.executions[number].started_ns

    def _fact(self, number: int, name: str, value: Any) -> None:
        self._writer(number).fact(name, value, self._time_of(number))

    def _take(self, number: int, kind: str, taken: Mapping[str, tuple[int, str]]) -> None:
        if taken:
            self._fact(number, "taken", {"execution": number, kind: taken})
            for name, mark in taken.items():
                self._have.taken[number, kind, name] = mark

    # Numbers

    def _series(self, number: int, kind: str, one: Series) -> tuple[int, str] | None:
        """Write what is new of a series; what is in the store then, None where nothing was."""
        size = len(one.steps)
        if not size or self._is_refused(one):
            return None
        known, mark = self._have.taken.get((number, kind, one.name), (0, ""))
        is_same = known <= size and mark == name_of(one, known)
        if known and not is_same:
            self._problem(one.name, _OTHER_POINTS)
        begin = known if is_same else 0
        if begin == size:
            return None
        rows = _rows(one, begin, has_steps=kind == "series")
        writer = self._writer(number)
        writer.rows([one.name], rows, Kind.ROW if kind == "series" else Kind.SAMPLE)
        self.points += size - begin
        self._told(size - begin)
        return size, name_of(one, size)

    def _is_refused(self, one: Series) -> bool:
        if len(one.name) <= _MOST_NAME:
            return False
        self._problem(one.name[:40] + "…", f"a name of {len(one.name):,} letters; not imported")
        return True

    # What is none

    def _things(
        self, number: int, things: Iterable[Thing], put: Callable[[Sequence[bytes]], None]
    ) -> dict[str, tuple[int, str]]:
        by_name: dict[str, list[Thing]] = {}
        for thing in things:
            by_name.setdefault(thing.name, []).append(thing)
        taken: dict[str, tuple[int, str]] = {}
        for name, mine in by_name.items():
            known, mark = self._have.taken.get((number, "things", name), (0, ""))
            is_same = known <= len(mine) and mark == name_of_things(mine[:known])
            new = mine[known:] if is_same else mine
            for facts in facts_of(new, put, self._problem):
                writer = self._writer(number)
                for fact, time_ns in facts:
                    writer.fact("media", fact, time_ns)
                    self.things += "at" in fact
            if new:
                taken[name] = len(mine), name_of_things(mine)
        return taken

    # What is said of it

    def _facts(self, number: int, run: ForeignRun) -> None:
        config = None if run.config is None else secrets.mask_values(dict(run.config))
        facts: dict[str, Any] = {**run.facts, **({"config": config} if config is not None else {})}
        facts["imported"] = {
            "where": run.where,
            "by": user_name(),
            "version": run.version,
            "status": run.status,
            "digest": run.digest,
            "said": secrets.mask_values(dict(run.said)),
        }
        for name, value in facts.items():
            try:
                value = read_fact(name, exact(value))
            except Damaged as error:
                self._problem(name, error.what)
                continue
            if not _is_equal(self._have.facts.get(name), value):
                self._have.facts[name] = value
                self._fact(number, name, value)
        for what, detail in run.problems:
            self._problem(what, detail)

    def _problem(self, what: str, detail: str) -> None:
        if (what, detail) not in self._have.problems:
            self._have.problems.add((what, detail))
            self.new_problems.append((what, detail))
            self._fact(max(self._have.executions), "problem", {"what": what, "detail": detail})

    def _notes(self, run: ForeignRun) -> None:
        have = self._have
        if run.name and have.name is None:
            have.folder.add_note(said.NAME, run.name)
            have.name = run.name
        tags = [
            tag for tag in run.tags if tag not in have.said.tags and self._can_say(said.TAG, tag)
        ]
        for tag in tags:
            have.folder.add_note(said.TAG, tag)
        if run.text and have.said.text is None:
            have.folder.add_note(said.TEXT, run.text)
            have.said = replace(have.said, text=run.text)
        have.said = replace(have.said, tags=(*have.said.tags, *tags))

    def _can_say(self, kind: str, value: str) -> bool:
        try:
            said.check(kind, value)
        except UsageError as error:
            self._problem(f"{kind} {value[:_MOST_SHOWN]!r}", error.what)
            return False
        return True

    def end(self, run: ForeignRun) -> None:
        """Write down the end of the last execution, where the tool knows both how and when."""
        number = max(len(run.executions), 1)
        ended_ns = run.executions[-1].ended_ns if run.executions else None
        if run.status not in ENDED or ended_ns is None or number in self._have.ended:
            return
        self._have.ended.add(number)
        _close(self._have)
        self._have.folder.end_execution(number, ExecutionEnd(ended_ns, run.status))


def _rows(one: Series, begin: int, *, has_steps: bool) -> Iterator[tuple[Any, ...]]:
    steps, times_ns, values = (_plain(p[begin:]) for p in (one.steps, one.times_ns, one.values))
    if not set(map(type, values)) <= {bool, float}:
        values = [exact(value) for value in values]
    if has_steps:
        return zip(map(exact, steps), times_ns, values, strict=True)
    return zip(times_ns, values, strict=True)


def _plain(part: Any) -> Any:
    return part.tolist() if hasattr(part, "tolist") else part


def _is_equal(one: Any, other: Any) -> bool:
    return digest.canonical_json(one) == digest.canonical_json(other)
