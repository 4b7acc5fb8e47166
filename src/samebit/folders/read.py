"""Everything that a run's folder says, put together: facts, metrics, states, trace, status.

A `View` is what was there when it was read; nothing in it changes afterwards.
"""

import socket
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from samebit import records
from samebit.errors import NotFound
from samebit.folders.folder import RunFolder
from samebit.journal import reader
from samebit.journal.frame import Kind
from samebit.journal.reader import Frame, Gap, Journal
from samebit.launch import alive
from samebit.records import ExecutionEnd, ExecutionStart, Note, RunRecord, Verdict

__all__ = ["Column", "TraceRow", "View", "read_run"]

# Facts of which every one counts; of the others the last one does.
MANY = frozenset(
    (
        *("process", "joined", "trace", "state", "file", "problem", "rate"),
        *("seed_call", "generator", "unseeded", "entropy", "epoch"),
    )
)
_HEARTBEAT_S = 300.0


@dataclass(frozen=True)
class Column:
    """One metric: three lists of equal length, in order of step's first writing."""

    steps: list[int]
    times_ns: list[int]
    values: list[Any]


@dataclass(frozen=True)
class TraceRow:
    """The fingerprints of one step: group name to eight bytes."""

    optimizer: int
    count: int
    groups: dict[str, bytes]


@dataclass(frozen=True)
class View:
    """A run as it was read."""

    folder: RunFolder
    record: RunRecord
    starts: list[ExecutionStart]
    ends: list[ExecutionEnd | None]
    notes: list[Note]
    journal: Journal

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def start(self) -> ExecutionStart | None:
        """The first execution's start."""
        return self.starts[0] if self.starts else None

    @property
    def end(self) -> ExecutionEnd | None:
        """The last execution's end, or None."""
        return self.ends[-1] if self.ends else None

    @property
    def name(self) -> str | None:
        """The name given last."""
        given = [note.value for note in self.notes if note.kind == "name"]
        return given[-1] if given else self.record.name

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What was learnt; of each name the last value (names in MANY: see `all_facts`)."""
        return {name: values[-1] for name, values in self._facts.items() if name not in MANY}

    def all_facts(self, name: str) -> list[Any]:
        """Every value of a fact, oldest first."""
        return self._facts.get(name, [])

    @cached_property
    def _facts(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for frame in sorted(self._of_kind(Kind.FACT), key=lambda f: f.time_ns):
            found[frame.items[2]].append(reader.fact_value(frame))
        return dict(found)

    @cached_property
    def metrics(self) -> dict[str, Column]:
        """Each metric; of rows with the same name and step the later one counts."""
        found: dict[str, dict[int, tuple[int, Any]]] = defaultdict(dict)
        for step, time_ns, values in sorted(reader.rows(self.journal.frames), key=_time):
            for name, value in values.items():
                found[name][step] = (time_ns, value)
        return {
            name: Column(
                list(points), [t for t, _ in points.values()], [v for _, v in points.values()]
            )
            for name, points in found.items()
        }

    @cached_property
    def trace(self) -> list[TraceRow]:
        """Every step's fingerprints, in the order written; rows of one step are one row."""
        groups: dict[str, list[str]] = {}
        for frame in self._of_kind(Kind.FACT):
            if frame.items[2] == "trace":
                groups[frame.writer] = frame.items[3]["groups"]
        rows: dict[tuple[int, int], dict[str, bytes]] = {}
        for frame in self._of_kind(Kind.TRACE):
            _, optimizer, count, _, mask, digests = frame.items[:6]
            row = rows.setdefault((optimizer, count), {})
            at = 0
            for bit, name in enumerate(groups.get(frame.writer, [])):
                if mask >> bit & 1:
                    row[name] = digests[at : at + 8]
                    at += 8
        return [TraceRow(optimizer, count, found) for (optimizer, count), found in rows.items()]

    @cached_property
    def schedule(self) -> list[tuple[int, int, int, dict[str, Any]]]:
        """(optimizer, count, group, scalars that changed), in the order written."""
        return [
            (f.items[1], f.items[2], f.items[3], reader.unwrap(f.items[4]))
            for f in self._of_kind(Kind.HYPER)
        ]

    @cached_property
    def states(self) -> dict[str, dict[str, Any]]:
        """The last state fact of each name (`step 0`, `final`)."""
        return {fact["name"]: fact for fact in self.all_facts("state")}

    def manifest(self, at: str) -> str:
        """The digest of a state's manifest; NotFound names the states there are."""
        if at not in self.states:
            raise NotFound(
                f"run {self.id} has no state {at!r}",
                states=", ".join(map(repr, self.states)) or "none were recorded",
            )
        return str(self.states[at]["manifest"])

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict on this run, oldest first."""
        from_notes = [note.value for note in self.notes if note.kind == "verdict"]
        return [records.decode(records.encode(v), Verdict, self.folder.path) for v in from_notes]

    @property
    def gaps(self) -> list[Gap]:
        """What was written and cannot be read."""
        return self.journal.gaps

    @cached_property
    def status(self) -> str:
        """finished, failed, killed, running, or broken off."""
        if self.end is not None:
            return self.end.status
        if self._last_word is not None:
            return str(self._last_word.get("status", "finished"))
        return "running" if self.starts and self._is_alive(self.starts[-1]) else "broken off"

    @property
    def _last_word(self) -> dict[str, Any] | None:
        """What the last execution's process said at its own end; None where it came to none."""
        said = self.facts.get("end")
        if not isinstance(said, dict) or not self.starts:
            return None
        return said if said.get("execution") == self.starts[-1].number else None

    def _is_alive(self, start: ExecutionStart) -> bool:
        if start.host == socket.gethostname():
            # The supervisor may be gone while the training it started goes on.
            processes = [(start.pid, start.pid_started, start.boot)]
            processes += [
                (p["pid"], p["pid_started"], p["boot"])
                for p in self.all_facts("process")
                if p["execution"] == start.number
            ]
            known = [alive.is_alive(*process) for process in processes]
            if True in known or None not in known:
                return True in known
        newest = max(
            (segment.path.stat().st_mtime for segment in reader.list_segments(self.folder.journal)),
            default=start.started_ns / 1e9,
        )
        return time.time() - newest < _HEARTBEAT_S

    @cached_property
    def missing(self) -> list[str]:
        """What this record lacks, each with what it means or how to get it."""
        lines = [f"{p['what']}: {p['detail']}" for p in self.all_facts("problem")]
        lines += [f"journal: {gap.what} ({gap.segment})" for gap in self.gaps]
        if self.record.kind == "run" and "code" not in self.facts:
            lines.append("the code was not recorded")
        broke_off = self.status != "running" and self._last_word is None
        if broke_off and self.all_facts("trace") and "final" not in self.states:
            lines.append("no final state: the process ended without the interpreter's own exit")
        return lines

    def _of_kind(self, kind: Kind) -> Iterable[Frame]:
        return (frame for frame in self.journal.frames if frame.kind == kind)


def _time(row: tuple[int, int, dict[str, Any]]) -> int:
    return row[1]


def read_run(folder: RunFolder) -> View:
    """Read a run; a record that cannot be read raises Damaged, a hurt journal is reported."""
    record = folder.record()
    numbers = folder.executions()
    starts = [folder.start(number) for number in numbers]
    ends = [folder.end(number) for number in numbers]
    last = ends[-1] if ends else None
    journal = reader.read_journal(
        folder.journal,
        record.id,
        ended=last is not None,
        sealed=last.segments if last is not None else None,
    )
    return View(folder, record, starts, ends, folder.notes(), journal)
