"""What a run recorded step by step, put together for its readers: metrics, schedules.

Streams are given by rank, the lowest first. What is written in a way that this version does not
know is left out, and said beside what was found.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from samebit.folders.streams import Rows, Stream, rank_number
from samebit.journal import reader
from samebit.journal.reader import Frame

__all__ = [
    "Changes",
    "Column",
    "Schedule",
    "changes_of_face",
    "machine",
    "metrics",
    "rows",
    "schedules",
]

RankRow = tuple[int, int, int, dict[str, Any]]  # rank, step, time in UTC ns, values by name


class Column(Struct, frozen=True):
    """One metric: three lists of equal length, in order of step's first writing."""

    steps: list[int]
    times_ns: list[int]
    values: list[Any]


class Changes(Struct, frozen=True):
    """One scalar: from which step of its optimizer on it had which value."""

    counts: list[int]
    values: list[Any]

    def followed_by(self, later: "Changes") -> "Changes":
        """With those of a later execution, which made again what it has from its first step on."""
        kept = bisect_left(self.counts, later.counts[0])
        return Changes(self.counts[:kept] + later.counts, self.values[:kept] + later.values)


class Schedule(Struct, frozen=True):
    """Every scalar of one process's optimizers, by (optimizer, group, name).

    Group -1 is the loss scaler's: `scale`, and `skipped`, how many steps it has kept back.
    """

    rank: str
    scalars: dict[tuple[int, int, str], Changes]

    def at(self, optimizer: int, count: int) -> dict[tuple[int, str], Any]:
        """What each scalar was in a step, by (group, name)."""
        return {
            (group, name): changes.values[bisect_right(changes.counts, count) - 1]
            for (index, group, name), changes in self.scalars.items()
            if index == optimizer and changes.counts[0] <= count
        }

    def rows(self) -> list[tuple[int, int, int, dict[str, Any]]]:
        """(optimizer, count, group, scalars that changed), by optimizer and count."""
        found: dict[tuple[int, int, int, int], dict[str, Any]] = {}
        for (optimizer, group, name), changes in self.scalars.items():
            before, again = 0, 0
            for count, value in zip(changes.counts, changes.values, strict=True):
                # A scalar changes twice at one count where the step between was skipped.
                before, again = count, again + 1 if count == before else 0
                found.setdefault((optimizer, count, again, group), {})[name] = value
        return [(key[0], key[1], key[3], found[key]) for key in sorted(found)]


def rows(of_ranks: Mapping[str, Rows]) -> tuple[list[RankRow], list[str]]:
    """The rows of metrics, rank by rank and each rank's oldest first."""
    found: list[RankRow] = []
    odd: list[str] = []
    for rank, mine in of_ranks.items():
        if mine.is_odd:
            odd.append("a row of metrics has a shape that this version does not know")
        found += [(rank_number(rank), *row) for row in mine.rows]
    return found, odd


def metrics(rows: Sequence[RankRow]) -> dict[str, Column]:
    """Each metric as the lowest rank logged it; of its rows of a step the later one counts."""
    found: dict[str, tuple[int, dict[int, tuple[int, Any]]]] = {}
    for rank, step, time_ns, values in rows:
        for name, value in values.items():
            of = found.get(name)
            if of is None:
                found[name] = rank, {step: (time_ns, value)}
            elif of[0] == rank:
                of[1][step] = time_ns, value
    return {name: _column(points) for name, (_, points) in found.items()}


def _column(points: Mapping[int, tuple[int, Any]]) -> Column:
    times_ns, values = zip(*points.values(), strict=True)
    return Column(list(points), list(times_ns), list(values))


def machine(frames: Sequence[Frame]) -> dict[str, Column]:
    """The samples of the machine, by name; see `View.machine`."""
    found: dict[str, Column] = {}
    counts: dict[str, int] = defaultdict(int)
    for rank, time_ns, values in reader.samples(frames):
        for name, value in values.items():
            if value is None:
                continue
            shown = name if rank == "0" else f"{rank}/{name}"
            column = found.setdefault(shown, Column([], [], []))
            column.steps.append(counts[rank])
            column.times_ns.append(time_ns)
            column.values.append(value)
        counts[rank] += 1
    return found


def schedules(streams: Mapping[str, Stream]) -> tuple[list[Schedule], list[str]]:
    """The scalars that each process's optimizers used, in the order of ranks and executions."""
    found: dict[str, Schedule] = {}
    odd: list[str] = []
    for stream in streams.values():
        if stream.odd_changes:
            odd.append("a change of an optimizer has a shape that this version does not know")
        for rank, writer, block in stream.changes:
            schedule = found.setdefault(writer, Schedule(rank, {}))
            key = (block.optimizer, block.group, block.name)
            column = schedule.scalars.setdefault(key, Changes([], []))
            column.counts.extend(block.counts)
            column.values.extend(block.values)
    return sorted(found.values(), key=lambda schedule: rank_number(schedule.rank)), odd


def changes_of_face(schedules: Sequence[Schedule]) -> list[tuple[int, int, int, dict[str, Any]]]:
    """(optimizer, count, group, scalars that changed) as the lowest rank used them, by count."""
    face = min((rank_number(schedule.rank) for schedule in schedules), default=0)
    of_face = [schedule for schedule in schedules if rank_number(schedule.rank) == face]
    return [row for schedule in of_face for row in schedule.rows()]
