"""Which frames of a journal are one rank's, and which of them still count after a resume.

A *part* is one process that recorded: it says so with the fact `joined`. A rank has several parts
where one command starts several Pythons, where a script replaces itself, and where a launcher
starts a rank again; one of them is the *face* of the rank. An *episode* is what ran from a start or
restart to its end: an execution, and within it each restart by an elastic launcher. A later episode
begins at some step again; what an earlier one recorded beyond it stays on disk, and counts no more.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import Damaged
from samebit.folders.facts import MANY, read_fact
from samebit.journal import reader
from samebit.journal.columns import Block
from samebit.journal.frame import Kind
from samebit.journal.logged import Logged, Row
from samebit.journal.reader import Frame, Journal
from samebit.journal.traced import Traced
from samebit.journal.values import is_plain
from samebit.records import ExecutionStart

__all__ = [
    "FACE",
    "LAUNCH",
    "OTHERS",
    "Episode",
    "Replaced",
    "Row",
    "Rows",
    "Stream",
    "pick",
    "processes_of",
    "rank_number",
    "ranks_of",
    "rows_of",
]

OTHERS = ""  # in place of a process's name: its children, and what an older version wrote
FACE = "0"  # the rank that speaks for a run of many
LAUNCH = "launch"  # the supervisor's place among the ranks
# Of these only the face's in the latest episode count: what ended before says them of itself.
_OF_THE_FACE = frozenset({"end", "exception"})

Episode = tuple[int, int]  # execution, restart


class _Part(Struct, frozen=True):
    """One process that recorded."""

    writer: str
    time_ns: int
    said: Mapping[str, Any]  # its fact `joined`

    @property
    def process(self) -> str:
        return self.said.get("process", OTHERS)

    @property
    def episode(self) -> Episode:
        return self.said["execution"], self.said.get("restart", 0)


class Replaced(Struct, frozen=True):
    """Values of one execution that count no more, because a later one began before them."""

    execution: int
    points: int
    since: int | float  # the smallest of their steps


class Stream(Struct, frozen=True):
    """What counts of one rank, episode by episode, each in order of time."""

    facts: list[Frame]  # where only the last counts, the face's are the last
    trace: list[Traced]
    changes: list[tuple[str, str, Block]]  # of the optimizers' scalars, by rank and writer
    odd_changes: bool  # some were left out: this version does not know their shape
    logged: dict[Episode, list[Logged]]  # also what counts no more: see `rows_of`
    cuts: dict[Episode, float]  # from when on the rows of an episode count no more


class Rows(Struct, frozen=True):
    """The rows of a rank that count, in order of time within each episode."""

    rows: list[Row]
    replaced: list[Replaced]
    is_odd: bool  # some were left out: this version does not know their shape


def ranks_of(journal: Journal) -> list[str]:
    """The ranks that recorded something, in order."""
    found = dict.fromkeys(frame.rank for frame in journal.frames)
    found |= dict.fromkeys(part.rank for part in (*journal.traced, *journal.logged))
    found.pop(LAUNCH, None)
    return sorted(found, key=lambda rank: (not rank.isdigit(), len(rank), rank))


def rank_number(rank: str) -> int:
    """A rank as a number; the supervisor speaks for the run as rank 0 does."""
    return int(rank) if rank.isdecimal() else 0


def processes_of(frames: Sequence[Frame], rank: str, execution: int | None = None) -> list[str]:
    """The names of the processes that recorded as a rank side by side or one after the other.

    None where there was one only in each execution, where they are not named, or where a launcher
    started them again.

    Args:
        frames: of the whole journal.
        rank: which.
        execution: only of this one.
    """
    joined = _joined([frame for frame in frames if frame.rank == rank]).values()
    parts = [part for part in joined if execution in (None, part.episode[0])]
    names = list(dict.fromkeys(part.process for part in parts))
    if len(names) < 2 or OTHERS in names or any(part.episode[1] for part in parts):
        return []
    # A resume with other arguments has another name, and is no second process beside the first.
    several = {(part.episode[0], part.process) for part in parts}
    return names if len(several) > len({number for number, _ in several}) else []


def _joined(frames: Sequence[Frame]) -> dict[str, "_Part"]:
    return {
        frame.writer: _Part(frame.writer, frame.time_ns, value)
        for frame in frames
        if (value := _value(frame, "joined")) is not None
    }


def pick(
    journal: Journal,
    starts: Sequence[ExecutionStart],
    rank: str,
    execution: int | None = None,
    process: str | None = None,
) -> Stream:
    """What counts of a rank.

    Args:
        journal: the whole.
        starts: of the run's executions; they place what a forked child wrote.
        rank: which.
        execution: only this one, and then nothing in it is replaced by a later one.
        process: only the one of this name; `OTHERS` is what none that joined has written.
    """
    mine = [frame for frame in journal.frames if frame.rank == rank]
    traced = [part for part in journal.traced if part.rank == rank]
    logged = [part for part in journal.logged if part.rank == rank]
    if not (mine or traced or logged):
        return Stream([], [], [], odd_changes=False, logged={}, cuts={})
    joined = _joined(mine)
    names = {writer: part.process for writer, part in joined.items()}
    began = {part.writer: part.time_ns(0) for part in reversed(logged)}
    began |= {part.writer: int(part.times_ns[0]) for part in reversed(traced)}
    episode = _episodes(mine, began, joined, starts)

    def is_asked(writer: str) -> bool:
        is_of_process = process is None or names.get(writer, OTHERS) == process
        return is_of_process and execution in (None, episode[writer][0])

    mine = [frame for frame in mine if is_asked(frame.writer)]
    traced = [part for part in traced if is_asked(part.writer)]
    logged = [part for part in logged if is_asked(part.writer)]
    writers = dict.fromkeys(part.writer for part in (*mine, *traced, *logged))
    by_episode: dict[Episode, list[Frame]] = {
        which: [] for which in sorted({episode[writer] for writer in writers})
    }
    for frame in mine:
        by_episode[episode[frame.writer]].append(frame)
    have_traced = {rows.writer for rows in traced}
    beside = {
        writer
        for which in by_episode
        for writer in _beside_the_face(
            [joined[w] for w in writers if w in joined and episode[w] == which],
            have_traced,
            {part.writer for part in logged},
        )
    }
    latest = max(by_episode, default=(0, 0))
    bases, main = _bases(by_episode)
    facts: list[Frame] = []
    trace: list[Traced] = []
    changes: list[tuple[str, str, Block]] = []
    odd_changes = False
    cuts: dict[Episode, float] = {}  # from when on its rows count no more
    for which, part in by_episode.items():
        later = {
            optimizer: min(counts)
            for optimizer, found in bases.items()
            if (counts := [count for at, count in found if at > which])
        }
        for frame in part:
            if frame.writer in beside:
                continue
            if frame.kind == Kind.HYPER and not is_plain(frame.items[4]):
                odd_changes = True
            elif frame.kind in (Kind.HYPER, Kind.SCALARS):
                for block in reader.changes(frame):
                    counting = _up_to(block, later.get(block.optimizer, math.inf))
                    if counting.counts:
                        changes.append((rank, frame.writer, counting))
        for rows in traced:
            if episode[rows.writer] == which and rows.writer not in beside:
                trace.append(rows.up_to(later))
                lost = rows.beyond(main, later[main]) if main in later else ()
                if lost:
                    cuts[which] = min(cuts.get(which, math.inf), int(lost.times_ns[0]))
        facts += sorted(
            (
                f
                for f in part
                if f.kind == Kind.FACT
                and (f.items[2] not in _OF_THE_FACE or (f.writer not in beside and which == latest))
            ),
            key=lambda f: (
                f.items[2] not in MANY and f.writer in joined and f.writer not in beside,
                f.time_ns,
            ),
        )
    last_traced = max((episode[writer] for writer in have_traced), default=None)
    if last_traced is not None:
        facts = [f for f in facts if not (_is_final(f) and episode[f.writer] < last_traced)]
    goes_on = {
        which: min((count for at, count in bases.get(main, ()) if at > which), default=math.inf)
        for which in by_episode
    }
    facts = [f for f in facts if not _is_lost(f, goes_on[episode[f.writer]])]
    if len(by_episode) > 1:
        gone = _media_replaced(facts, episode, cuts)
        facts = [f for f in facts if id(f) not in gone]
    logs: dict[Episode, list[Logged]] = {which: [] for which in by_episode}
    for part in logged:
        logs[episode[part.writer]].append(part)
    return Stream(facts, trace, changes, odd_changes, logs, cuts)


def _up_to(block: Block, last: float) -> Block:
    """The changes of a scalar that were in force up to a step."""
    if block.counts[-1] <= last:
        return block
    kept = [pair for pair in zip(block.counts, block.values, strict=True) if pair[0] <= last]
    counts, values = [count for count, _ in kept], [value for _, value in kept]
    return replace(block, counts=counts, values=values)


def _episodes(
    frames: Sequence[Frame],
    rows_began: Mapping[str, int],
    joined: Mapping[str, "_Part"],
    starts: Sequence[ExecutionStart],
) -> dict[str, Episode]:
    """Each writer's episode: it says so itself, or it is a child of what went on as it began.

    Args:
        frames: of all writers.
        rows_began: when those that have rows wrote the first one, in UTC ns.
        joined: the parts that say which episode is theirs.
        starts: of the run's executions.
    """
    said = sorted((part.time_ns, part.episode) for part in joined.values())
    processes = {
        frame.writer: value["execution"]
        for frame in frames
        if (value := _value(frame, "process")) is not None
    }
    began: dict[str, int] = {}
    for frame in frames:
        if frame.time_ns and frame.writer not in began:
            began[frame.writer] = frame.time_ns
    began = {**rows_began, **began}
    found: dict[str, Episode] = {}
    for writer in {*rows_began, *(frame.writer for frame in frames)}:
        if writer in joined:
            found[writer] = joined[writer].episode
            continue
        if writer in processes:
            found[writer] = processes[writer], 0
            continue
        at = began.get(writer, 0)
        before = [episode for time_ns, episode in said if time_ns <= at]
        begun = [(start.number, 0) for start in starts if start.started_ns <= at]
        first = min((start.number for start in starts), default=1)
        found[writer] = max([*before[-1:], *begun[-1:]], default=(first, 0))
    return found


def _beside_the_face(
    parts: Sequence["_Part"], traced: Collection[str], logged: Collection[str]
) -> set[str]:
    """The parts of one episode that are not its face.

    The face is a launched rank rather than what launched it, what trained rather than what
    prepared or evaluated, what logged rather than what did not; of equals the last.
    """
    if not parts:
        return set()
    face = max(
        parts,
        key=lambda part: (
            bool(part.said.get("launched")),
            part.writer in traced,
            part.writer in logged,
            part.time_ns,
        ),
    )
    return {part.writer for part in parts} - {face.writer}


def _bases(
    by_episode: Mapping[Episode, Sequence[Frame]],
) -> tuple[dict[int, list[tuple[Episode, int]]], int]:
    """By optimizer, the episodes that went on from a count, with it; and the main optimizer."""
    found: dict[int, list[tuple[Episode, int]]] = defaultdict(list)
    main = 0
    for which, frames in by_episode.items():
        for frame in frames:
            if (index := _value(frame, "main")) is not None:
                main = index
            elif (base := _value(frame, "continued")) is not None:
                found[base["optimizer"]].append((which, base["count"]))
    return found, main


def rows_of(stream: Stream) -> Rows:
    """The rows that count, what was logged again, and whether some could not be read.

    A row counts no more if it was written after its execution passed the step at which a later one
    began, or if a later one logged the same name at the same or a smaller step.
    """
    kept: list[Row] = []
    replaced: list[Replaced] = []
    odd = False
    floors: dict[str, Any] = {}  # by name: the first step at which a later episode logged it
    for which in sorted(stream.logged, reverse=True):
        every = list(reader.rows(stream.logged[which]))
        rows = sorted((row for row in every if row is not None), key=itemgetter(1))
        odd = odd or len(rows) < len(every)
        cut = stream.cuts.get(which, math.inf)
        if floors or cut < math.inf:
            rows, gone = _split(rows, cut, floors)
            if gone:
                replaced.insert(0, Replaced(which[0], len(gone), min(gone)))
        for step, _, values in rows:
            for name in values if len(stream.logged) > 1 else ():
                floors[name] = min(floors.get(name, step), step)
        kept = [*rows, *kept]
    return Rows(kept, replaced, odd)


def _split(
    rows: Sequence[Row], cut: float, floors: Mapping[str, Any]
) -> tuple[list[Row], list[int]]:
    """The rows that count, and the step of every value that does not."""
    kept: list[Row] = []
    gone: list[int] = []
    for step, time_ns, values in rows:
        if time_ns >= cut:
            gone += [step] * len(values)
            continue
        still = {name: value for name, value in values.items() if step < floors.get(name, math.inf)}
        gone += [step] * (len(values) - len(still))
        if still:
            kept.append((step, time_ns, still))
    return kept, gone


def _is_final(fact: Frame) -> bool:
    """Whether a fact is about a final state; of a run that went on it is none."""
    state = _value(fact, "state")
    return state is not None and state["name"].startswith("final")


def _is_lost(fact: Frame, last: float) -> bool:
    """Whether a fact is about a checkpoint from beyond the step at which a later one began."""
    if last == math.inf:
        return False
    state = _value(fact, "state")
    return state is not None and state.get("count", 0) > last


def _media_replaced(
    facts: Sequence[Frame], episode: Mapping[str, Episode], cuts: Mapping[Episode, float]
) -> set[int]:
    """The ids of facts about media that count no more, by the rule of `rows_of`."""
    gone: set[int] = set()
    lowest: dict[
        str, int
    ] = {}  # by name: the first step at which this or a later episode logged it
    floors: dict[str, int] = {}  # the same of later ones alone
    at: Episode = sys.maxsize, 0
    for fact in sorted(facts, key=lambda fact: episode[fact.writer], reverse=True):
        said = _value(fact, "media")
        if said is None:
            continue
        if episode[fact.writer] != at:
            at, floors = episode[fact.writer], dict(lowest)
        name, step = said["name"], said["step"]
        if step >= floors.get(name, math.inf) or fact.time_ns >= cuts.get(at, math.inf):
            gone.add(id(fact))
        else:
            lowest[name] = min(lowest.get(name, step), step)
    return gone


def values(facts: Sequence[Frame], names: Sequence[str]) -> list[tuple[str, Any]]:
    """Name and value of the facts of these names, in their order; those of odd shape left out."""
    found = [(f.items[2], _value(f, f.items[2])) for f in facts if f.items[2] in names]
    return [(name, value) for name, value in found if value is not None]


def _value(frame: Frame, name: str) -> Any:
    """The value of a fact of this name; None where it is none, or not of the shape that it has."""
    if frame.kind != Kind.FACT or frame.items[2] != name:
        return None
    try:
        return read_fact(name, frame.items[3])
    except Damaged:
        return None  # said where all facts are read
