"""Everything that a run's folder says, put together: facts, metrics, states, trace, status.

A `View` is what was there when it was read; nothing in it changes afterwards.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import Damaged, NotFound
from samebit.folders import ending, points, series, steps, streams, summaries
from samebit.folders.data_facts import FileFact
from samebit.folders.ending import ENDED
from samebit.folders.facts import MANY, SeedCallFact, StateFact, read_fact
from samebit.folders.folder import DROPPED, NEWER, RunFolder
from samebit.folders.growing import Growing
from samebit.folders.media import unwritten
from samebit.folders.points import Points
from samebit.folders.said import Said, said_by
from samebit.folders.series import Column, Schedule
from samebit.folders.steps import TraceRow
from samebit.folders.streams import FACE, LAUNCH, Replaced, Stream
from samebit.folders.summaries import Summary, summary
from samebit.folders.verdicts import verdicts_of
from samebit.journal import reader
from samebit.journal.reader import Gap, Journal
from samebit.journal.traced import numpy_for
from samebit.records import CodeRecord, ExecutionEnd, ExecutionStart, Note, RunRecord, Verdict

__all__ = ["View", "read_run"]

_NAMED = 3  # files in one line
_NOT_TRACED = " not traced"  # what the recorder says of a group of fingerprints


class View(Struct, frozen=True, dict=True):
    """A run as it was read.

    Of a run of many processes each rank wrote what it saw. Rank 0 is the run's face: where only one
    can be meant, its word counts, and another's only where it said nothing. `at_rank` is the run as
    one rank saw it. After a resume what an earlier execution recorded counts up to where the later
    one began; `at_execution` has all that one recorded.
    """

    folder: RunFolder
    record: RunRecord
    starts: list[ExecutionStart]
    ends: list[ExecutionEnd | None]
    notes: list[Note]
    journal: Journal
    rank: str = ""  # the only one that is shown, where given
    execution: int | None = None  # the only one that is shown, where given
    process: str | None = None  # the only one of that rank that is shown, where given

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def start(self) -> ExecutionStart | None:
        """The first execution's start; that of the only one that is shown."""
        return self._shown[0][0] if self._shown else None

    @property
    def end(self) -> ExecutionEnd | None:
        """The last execution's end, or None; that of the only one that is shown."""
        return self._shown[-1][1] if self._shown else None

    @cached_property
    def _shown(self) -> list[tuple[ExecutionStart, ExecutionEnd | None]]:
        """The executions of which this speaks, each with its end."""
        return [
            (start, end)
            for start, end in zip(self.starts, self.ends, strict=True)
            if self.execution in (None, start.number)
        ]

    @property
    def _last(self) -> list[ExecutionStart]:
        """The start of the last of these."""
        return [start for start, _ in self._shown[-1:]]

    @property
    def seed(self) -> int | None:
        """The seed that the run was given by us: by `init`, or by `samebit run`."""
        asked = self.facts.get("asked") or {}
        given = asked.get("seed")
        return given if given is not None or self.start is None else self.start.seed

    @property
    def name(self) -> str | None:
        """The name given last."""
        given = [n.value for n in self.notes if n.kind == "name" and isinstance(n.value, str)]
        return given[-1] if given else self.record.name

    @property
    def group(self) -> str | None:
        """The group that it was given: when it began, or where there was none by its script."""
        given = (n.value for n in self.notes if n.kind == "group" and isinstance(n.value, str))
        return self.record.group or next(given, None)

    @property
    def said(self) -> Said:
        """What people said of it afterwards."""
        return said_by(self.notes)

    @cached_property
    def ranks(self) -> list[str]:
        """The ranks that recorded something, in order; the first is the run's face."""
        return streams.ranks_of(self.journal)

    def at_rank(self, rank: str) -> "View":
        """The same run as one of its ranks recorded it; NotFound names those there are."""
        if rank not in self.ranks:
            raise NotFound(f"run {self.id} has no rank {rank!r}", ranks=", ".join(self.ranks))
        return replace(self, rank=rank)

    def processes(self, rank: str) -> list[str]:
        """The names of a rank's processes, where it was several; see `at_process`."""
        return streams.processes_of(self.journal.frames, rank, self.execution)

    def at_process(self, rank: str, process: str) -> "View":
        """The same run as one process of a rank recorded it; `OTHERS`: as none of these did."""
        return replace(self, rank=rank, process=process)

    def at_execution(self, number: int) -> "View":
        """What one execution recorded, also what a later one recorded again."""
        numbers = [start.number for start in self.starts]
        if number not in numbers:
            executions = ", ".join(map(str, numbers))
            raise NotFound(f"run {self.id} has no execution {number}", executions=executions)
        return replace(self, execution=number)

    @cached_property
    def _streams(self) -> dict[str, Stream]:
        """What counts, by rank: first the supervisor's, which is every rank's, then the lowest."""
        return {
            rank: streams.pick(
                self.journal,
                self.starts,
                rank,
                self.execution,
                self.process if rank != LAUNCH else None,
            )
            for rank in [LAUNCH, *([self.rank] if self.rank else self.ranks)]
        }

    def points(self, numpy: Any) -> dict[str, Points]:
        """What of `metrics` is a number, as arrays in order of the steps."""
        return points.read(self._streams, numpy)

    def exact_points(self, numpy: Any) -> dict[str, Points] | None:
        """The same, where this is all that `metrics` has, to the bit; else None."""
        return points.read_exact(self._streams, numpy)

    @property
    def replaced(self) -> list[Replaced]:
        """Metrics of the face that count no more: a later execution began before them."""
        face = self._rows.get(self.rank or next(iter(self.ranks), ""))
        return face.replaced if face is not None else []

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What was learnt; of each name the last value (names in MANY: see `all_facts`)."""
        return {
            name: min(reversed(said), key=_rank)[1]
            for name, said in self._facts.items()
            if name not in MANY
        }

    def all_facts(self, name: str) -> list[Any]:
        """Every value of a fact, oldest first."""
        return [value for _, value in self._facts.get(name, ())]

    @property
    def fact_names(self) -> list[str]:
        """The names under which anything was learnt, in order of the alphabet."""
        return sorted(self._facts)

    def by_rank(self, name: str) -> list[tuple[str, Any]]:
        """The same, each with its rank; those of a lower rank come first."""
        return list(self._facts.get(name, ()))

    @property
    def code(self) -> CodeRecord | None:
        """Where the code lies, if it was recorded."""
        return msgspec.convert(self.facts["code"], CodeRecord) if "code" in self.facts else None

    @property
    def files(self) -> list[FileFact]:
        """What is known of the files that it read or wrote, oldest first."""
        return self.all_facts("file")

    @cached_property
    def sources(self) -> dict[str, list[Any]]:
        """The modules that any process of the run had loaded, and its search paths."""
        found = self.all_facts("sources")
        modules = dict.fromkeys(tuple(module) for value in found for module in value["modules"])
        return {
            "path": list(dict.fromkeys(path for value in found for path in value["path"])),
            "modules": [list(module) for module in modules],
        }

    @property
    def seed_calls(self) -> list[SeedCallFact]:
        """The script's own seed calls."""
        return self.all_facts("seed_call")

    @property
    def rates(self) -> dict[str, list[tuple[int, int, int, int]]]:
        """By rank (optimizer, count, k, data): which steps it traced in full, and with data."""
        found: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
        for rank, said in self._facts.get("rate", []):
            rate = said["k"], said.get("data", 0)
            found[rank].append((said["optimizer"], said["count"], *rate))
        return dict(found)

    @cached_property
    def odd(self) -> list[str]:
        """What was written in a way that this version does not know, and was left out."""
        rows = self._read_rows[1] if self._summed is None else []
        return list(dict.fromkeys([*self._read_facts[1], *rows, *self._schedules[1]]))

    @property
    def _facts(self) -> dict[str, list[tuple[str, Any]]]:
        return self._read_facts[0]

    @cached_property
    def _read_facts(self) -> tuple[dict[str, list[tuple[str, Any]]], list[str]]:
        """By name every (rank, value), oldest first; and what is said of those that do not fit."""
        found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        odd: list[str] = []
        for stream in self._streams.values():
            for frame in stream.facts:
                name = frame.items[2]
                try:
                    found[name].append((frame.rank, read_fact(name, frame.items[3])))
                except Damaged as error:
                    odd.append(error.what)
        for problem in (p for _, end in self._shown if end is not None for p in end.problems):
            try:  # what no journal took
                found["problem"].append((FACE, read_fact("problem", problem)))
            except Damaged as error:
                odd.append(error.what)
        return {name: said for name, said in found.items() if said}, odd

    @cached_property
    def metrics(self) -> dict[str, Column]:
        """Each metric as the lowest rank logged it; of its rows of a step the later one counts."""
        return series.metrics(self._read_rows[0])

    @cached_property
    def summaries(self) -> dict[str, Summary]:
        """Each metric in a few values."""
        if self._summed is not None:
            return self._summed
        return {name: summary(column) for name, column in self.metrics.items()}

    @cached_property
    def _summed(self) -> dict[str, Summary] | None:
        """The same, where there are very many rows, of numbers alone; else None."""
        numpy = numpy_for(sum(map(len, self.journal.logged)))
        return summaries.read(self._streams, numpy) if numpy is not None else None

    def growing(self) -> Growing:
        """From where on it is read as it grows."""
        return Growing(self.folder.path, self.journal, self._streams, self.facts.get("main", 0))

    @cached_property
    def _read_rows(self) -> tuple[list[tuple[int, int, int, dict[str, Any]]], list[str]]:
        """(rank, step, time, values), the lowest rank first and each rank's oldest first."""
        return series.rows(self._rows)

    @cached_property
    def _rows(self) -> dict[str, streams.Rows]:
        """By rank; a long run has a million, so that they are read when somebody asks."""
        return {r: streams.rows_of(stream) for r, stream in self._streams.items()}

    @cached_property
    def machine(self) -> dict[str, Column]:
        """What the machine did, as metrics are given; the step is the sample's number.

        Of a run of several ranks, the names of all but rank 0 begin with the rank: `1/cpu_percent`.
        """
        return series.machine(self.journal.frames)

    @property
    def trace(self) -> Sequence[TraceRow]:
        """Every step's fingerprints, as the run's face saw them."""
        return next(iter(self.traces.values()), [])

    @cached_property
    def traces(self) -> dict[str, Sequence[TraceRow]]:
        """By rank, the lowest first, its steps as written; rows of one step are one row."""
        return steps.traces(self._streams)

    @property
    def schedules(self) -> list[Schedule]:
        """The scalars that each process's optimizers used, in the order of ranks and executions."""
        return self._schedules[0]

    @property
    def schedule(self) -> list[tuple[int, int, int, dict[str, Any]]]:
        """(optimizer, count, group, scalars that changed) of the run's face, by count.

        One dict per change: of a long run `schedules` is the smaller form.
        """
        return series.changes_of_face(self.schedules)

    @cached_property
    def _schedules(self) -> tuple[list[Schedule], list[str]]:
        return series.schedules(self._streams)

    @cached_property
    def states(self) -> dict[str, StateFact]:
        """Of each name (`step 0`, `checkpoint 40`, `final`) the last state, oldest first.

        It is that of the lowest rank that has one; what a rule or somebody let go of later is
        `dropped`.
        """
        notes = [note.value for note in self.notes if note.kind == DROPPED]
        gone = [(n.get("name"), n.get("manifest")) for n in notes if isinstance(n, dict)]
        found: dict[str, StateFact] = {}
        for stream in self._streams.values():
            mine: dict[str, StateFact] = {}
            for name, fact in streams.values(stream.facts, ("state", "dropped")):
                if name == "state":
                    if fact.get("whole", True):  # what is left of an older one keeps its place
                        mine.pop(fact["name"], None)
                    mine[fact["name"]] = fact
                elif mine.get(fact["name"], {}).get("manifest") == fact["manifest"]:
                    mine[fact["name"]] = {**mine[fact["name"]], "dropped": True}
            for name, fact in mine.items():
                is_gone = (name, fact["manifest"]) in gone
                found.setdefault(name, {**fact, "dropped": True} if is_gone else fact)
        return found

    def manifest(self, at: str) -> str:
        """The digest of a state's manifest; NotFound names the states there are."""
        if at not in self.states:
            raise NotFound(
                f"run {self.id} has no state {at!r}",
                states=", ".join(map(repr, self.states)) or "none were recorded",
            )
        return self.states[at]["manifest"]

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict on this run, oldest first; one that has no time has its note's."""
        return verdicts_of(self.notes, self.folder.path)

    @property
    def gaps(self) -> list[Gap]:
        """What was written and cannot be read."""
        return self.journal.gaps

    @cached_property
    def status(self) -> str:
        """finished, failed, killed, running, or broken off; unknown where it went on elsewhere.

        Of an imported run that is what its tool said of its end; of one that a study has ended,
        however it took that, `stopped early`.
        """
        if self.record.imported is not None:
            said = (self.facts.get("imported") or {}).get("status")
            return said if said in ENDED else "unknown"
        ended = ending.status(self._last, self.end, self._said_at_end)
        ended = ended or ("running" if self._is_alive() else "broken off")
        if ended in ("finished", "running") or self._stopped_early is None:
            return ended
        return ending.STOPPED_EARLY

    @cached_property
    def cause(self) -> str | None:
        """Why it failed or was killed (`out of memory`, `ValueError`, `SIGTERM`), where known."""
        if self.status == ending.STOPPED_EARLY:
            return self._stopped_early
        if self.status not in ("failed", "killed"):
            return None
        exception = self.facts.get("exception")
        return ending.cause(self.end, exception, ending.last_word(self._last, self._said_at_end))

    @cached_property
    def restarts(self) -> int:
        """How often an elastic launcher started its ranks again."""
        return max((fact.get("restart", 0) for fact in self.all_facts("joined")), default=0)

    def processes_alive(self) -> list[int]:
        """Processes of the last execution that are known to run on this machine."""
        return [
            pid
            for start in self._last
            for pid in ending.processes_alive(start, self.all_facts("process"))
        ]

    @property
    def _stopped_early(self) -> str | None:
        return ending.stopped_early(self.notes, self._last[0].number if self._last else 0)

    @property
    def _said_at_end(self) -> list[tuple[str, Any]]:
        return self._facts.get("end", [])

    def _is_alive(self) -> bool:
        if not self._last or self._last[0].number < self.starts[-1].number:
            return False  # a later one began when it had ended
        last, processes = self._last[0], self.all_facts("process")
        gone_ns = ending.gone_ns(self.notes, last.number)
        return ending.is_alive(last, processes, self.journal, self.folder.journal, gone_ns)

    @cached_property
    def missing(self) -> list[str]:
        """What this record lacks, each with what it means or how to get it."""
        lines = _troubles(self.all_facts("problem"))
        lines += [f"journal: {gap.what} ({gap.segment})" for gap in self.gaps]
        lines += [*self.odd, *(str(note.value) for note in self.notes if note.kind == NEWER)]
        lines += self._changed_files()
        if self.status != "running":
            lines += unwritten(self.by_rank("media"))
        of_ours = self.record.kind == "run" and self.record.imported is None
        if of_ours and "code" not in self.facts:
            lines.append("the code was not recorded")
        said = ending.last_word(self._last, self._said_at_end)
        broke_off = self.status not in ("running", "unknown") and said is None
        if broke_off and self.all_facts("trace") and "final" not in self.states:
            lines.append("no final state: the process ended without the interpreter's own exit")
        return list(dict.fromkeys(lines))  # each rank tells of the same trouble

    def _changed_files(self) -> list[str]:
        """What was read and has been changed since, while the run was going on."""
        paths = {
            fact["path"]: None
            for fact in self.all_facts("file")
            # The code is taken before it runs; what is edited afterwards is no part of the run.
            if fact.get("changed") and not fact["path"].endswith(".py")
        }
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        named = ", ".join(list(paths)[:_NAMED])
        return [f"files: changed while the run used them: {named}{more}"] if paths else []


def _troubles(problems: list[Any]) -> list[str]:
    """A line for each, and one for all that was not traced for the same reason."""
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for problem in problems:
        if problem["what"].endswith(_NOT_TRACED):
            groups[problem["detail"]][problem["what"].removesuffix(_NOT_TRACED)] = None
    untraced = [f"not traced: {', '.join(names)} ({why})" for why, names in groups.items()]
    others = [
        f"{p['what']}: {p['detail']}" for p in problems if not p["what"].endswith(_NOT_TRACED)
    ]
    return untraced + others


def _rank(said: tuple[str, Any]) -> int:
    return streams.rank_number(said[0])


def read_run(folder: RunFolder) -> View:
    """Read a run; a record that cannot be read raises Damaged, a hurt journal is reported."""
    record = folder.record()
    starts: list[ExecutionStart] = []
    ends: list[ExecutionEnd | None] = []
    for number in folder.claimed():
        try:
            starts.append(folder.start(number))
        except Damaged:
            if folder.is_started(number):
                raise
        else:
            ends.append(folder.end(number))
    last = ends[-1] if ends else None
    journal = reader.read_journal(
        folder.journal,
        record.id,
        ended=last is not None,
        sealed=last.segments if last is not None else None,
    )
    return View(folder, record, starts, ends, folder.notes(), journal)
