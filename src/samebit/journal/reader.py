"""Reading a run's frames back, oldest first, also while it still goes on.

A reader takes no lock and changes nothing. It stops in a segment at the first frame that does not
check out, goes on in the writer's next segment, and reports what is missing by sequence number.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit import digest
from samebit.errors import Damaged
from samebit.journal import columns
from samebit.journal.columns import Block
from samebit.journal.frame import (
    FRAME,
    FRAME_BYTES,
    HEADER_BYTES,
    Apart,
    Kind,
    Tail,
    read_frames,
    read_header,
)
from samebit.journal.logged import Logged, Row
from samebit.journal.striding import read_sound
from samebit.journal.traced import Traced, read_traced, traced_of
from samebit.journal.values import unwrap

__all__ = [
    "End",
    "Found",
    "Frame",
    "Gap",
    "Journal",
    "Segment",
    "changes",
    "follow",
    "list_segments",
    "read_journal",
    "rows",
    "samples",
]

_SEGMENT_NAME = re.compile(r"^([a-z0-9]+)-([a-z0-9]{12})-(\d+)\.sbj$")


class Segment(Struct, frozen=True):
    """One segment file, by its name."""

    path: Path
    rank: str
    writer: str
    number: int


class Frame(Struct, frozen=True):
    """One frame: who wrote it, when (UTC ns), its kind and items."""

    rank: str
    writer: str
    sequence: int
    kind: int
    items: list[Any]
    time_ns: int


class Gap(Struct, frozen=True):
    """Something that was written and cannot be read."""

    segment: str
    what: str


class End(Struct, frozen=True):
    """How far a segment was read."""

    size: int  # in bytes, of whole frames
    sequence: int  # of what its writer writes next
    offset_ns: int | None  # what makes UTC of its times; None before it was said
    schemas: dict[int, list[str]]


class Journal(Struct, frozen=True):
    """Everything that could be read, and everything that could not."""

    frames: list[Frame]  # but rows of metrics and of the trace
    gaps: list[Gap]
    unknown_frames: int
    clock_ns: int = 0  # the newest time by which a writer tied its frames to UTC
    # Segment by segment, in the order of the frames, where there are any:
    traced: list[Traced] = []
    logged: list[Logged] = []
    ends: dict[str, End] = {}  # by the segment's name; see `following`


def list_segments(folder: Path) -> list[Segment]:
    """A run's segments, a writer's in order; files with other names are passed over."""
    segments: list[Segment] = []
    try:
        names = os.listdir(folder)
    except OSError:
        return segments
    for name in names:
        match = _SEGMENT_NAME.match(name)
        if match:
            segments.append(Segment(folder / name, match[1], match[2], int(match[3])))
    return sorted(segments, key=lambda s: (s.rank, s.writer, s.number))


def read_journal(
    folder: Path,
    run: str,
    *,
    ended: bool,
    sealed: dict[str, tuple[int, str]] | None = None,
) -> Journal:
    """Read a run's journal: rank by rank, each rank's writers as they began.

    Args:
        folder: the run's `journal` folder.
        run: its id; a segment of another run is reported and left out.
        ended: whether the run has ended; if not, a torn last frame is still being written.
        sealed: size in bytes and digest of each segment as `end.json` has them, checked when given.
    """
    found, gaps = Found(), list[Gap]()
    segments = list_segments(folder)
    for name in sealed or {}:
        if not any(segment.path.name == name for segment in segments):
            gaps.append(Gap(name, "the segment is gone"))
    last_of: dict[str, int] = {segment.writer: segment.number for segment in segments}
    expected: dict[str, int] = {}
    for segment in segments:
        name = segment.path.name
        is_last = segment.number == last_of[segment.writer]
        try:
            data = segment.path.read_bytes()
            if len(data) < HEADER_BYTES and is_last and name not in (sealed or {}):
                # Killed as it began the segment: nothing in it was ever acknowledged.
                if ended and data:
                    gaps.append(Gap(name, f"{len(data)} bytes after offset 0 are no frames"))
                continue
            header = read_header(data)
        except (OSError, Damaged) as error:
            if ended or not is_last:
                gaps.append(Gap(name, str(error) if isinstance(error, OSError) else error.what))
            continue
        if (header.run, header.writer, header.segment) != (run, segment.writer, segment.number):
            gaps.append(Gap(name, f"its header says run {header.run!r}, {header.writer!r}"))
            continue
        # A daemon that the script left behind may have written on after the end.
        size, sealed_digest = (sealed or {}).get(name, (0, ""))
        is_sealed = 0 < size <= len(data) and digest.of_bytes(data[:size]) == sealed_digest
        sound = read_sound(data) if is_sealed and size == len(data) else None
        if sound is not None:
            (frames, apart), tail = sound, Tail(intact=size, torn=0)
        else:
            apart = Apart()
            frames, tail = read_frames(data, apart=apart)
        if len(data) < size:
            gaps.append(Gap(name, f"{len(data)} bytes instead of {size}"))
        elif size and not is_sealed:
            gaps.append(Gap(name, "its bytes are not what they were when the run ended"))
        elif tail.torn and (ended or not is_last):
            gaps.append(Gap(name, f"{tail.torn} bytes after offset {tail.intact} are no frames"))
        first = expected.get(segment.writer, 0)
        expected[segment.writer], missing = follow(data, frames, apart, first)
        gaps += [Gap(name, f"frames {lost} are missing") for lost in missing]
        end = End(tail.intact, expected[segment.writer], None, {})
        found.take(segment, data, frames, apart, end)
    return found.journal(gaps)


class Found:
    """What is read of a run's segments, one after the other."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._traced: list[Traced] = []
        self._logged: list[Logged] = []
        self._unknown = self._clock_ns = 0
        self._began: dict[str, int] = {}  # by writer, UTC ns
        self._ends: dict[str, End] = {}

    def take(
        self,
        segment: Segment,
        data: bytes,
        frames: list[tuple[int, list[Any]]],
        apart: Apart,
        end: End,
    ) -> None:
        """Take frames that follow each other in a segment.

        Args:
            segment: which.
            data: bytes in which the frames lie.
            frames: as `read_frames` gives them.
            apart: where in `data` the others lie.
            end: where they end, with what was said before them.
        """
        offset, schemas = end.offset_ns, dict(end.schemas)
        longer: list[tuple[int, int, int, int, bytes]] = []
        for sequence, items in frames:
            if items[0] == Kind.SCALARS:
                items[1:] = [columns.unpack(items)]
            if not _is_known(items):
                self._unknown += 1
            elif items[0] == Kind.CLOCK:
                if offset is None:  # a later one is a heartbeat
                    offset = items[1] - items[2]
                self._clock_ns = max(self._clock_ns, items[1])
                self._began.setdefault(segment.writer, items[1])
            elif items[0] == Kind.TRACE:  # with items that a newer version added
                _, optimizer, count, at_ns, mask, digests = items[:6]
                longer.append((optimizer, count, at_ns + (offset or 0), mask, digests))
            else:
                if items[0] == Kind.SCHEMA:
                    schemas[items[1]] = items[2]
                self._frames.append(_frame(segment, sequence, items, offset or 0))
        if longer:
            self._traced.append(traced_of(segment.rank, segment.writer, longer))
        who = (segment.rank, segment.writer, data)
        if len(apart.traced):
            rows, odd = read_traced(*who, apart.traced, offset or 0)
            self._unknown += odd
            if len(rows):
                self._traced.append(rows)
        if len(apart.logged):
            self._logged.append(Logged(*who, apart.logged, offset or 0, schemas))
        self._ends[segment.path.name] = replace(end, offset_ns=offset, schemas=schemas)

    def journal(self, gaps: list[Gap]) -> Journal:
        """All of it."""
        began = self._began
        # A later execution has another writer, whose letters say nothing about the order.
        if len(began) > 1:
            self._frames.sort(key=lambda frame: (frame.rank, began.get(frame.writer, 0)))
            for parts in (self._traced, self._logged):
                parts.sort(key=lambda part: (part.rank, began.get(part.writer, 0)))
        return Journal(
            self._frames,
            gaps,
            self._unknown,
            self._clock_ns,
            self._traced,
            self._logged,
            self._ends,
        )


def follow(
    data: bytes, found: list[tuple[int, list[Any]]], apart: Apart, first: int
) -> tuple[int, list[str]]:
    """The sequence number after those of a segment, and which are missing from `first` on."""
    numbers = [sequence for sequence, _ in found]
    ends = numbers[:1] + numbers[-1:]
    for payloads in (apart.traced, apart.logged):
        if len(payloads):
            ends += [_sequence(data, payloads[0]), _sequence(data, payloads[-1])]
    count = len(numbers) + len(apart.traced) + len(apart.logged)
    if ends and min(ends) == first and max(ends) - first + 1 == count:
        return max(ends) + 1, []
    payloads = [*apart.traced, *apart.logged]
    missing: list[str] = []
    for number in sorted([*numbers, *(_sequence(data, payload) for payload in payloads)]):
        if number > first:
            missing.append(f"{first} to {number - 1}")
        first = max(number + 1, first)
    return first, missing


def _sequence(data: bytes, payload: int) -> int:
    return FRAME.unpack_from(data, payload - FRAME_BYTES)[2]


_TIME_AT = {Kind.FACT: 1, Kind.SAMPLE: 2}
# What the items of each kind must be; a step is a number, or beyond 64 bits a dict.
_SHAPES: dict[int, tuple[Any, ...]] = {
    Kind.CLOCK: (int, int, int),
    Kind.SCHEMA: (int, int, list),
    Kind.FACT: (int, int, str, object),
    Kind.TRACE: (int, int, int, int, int, bytes),
    Kind.HYPER: (int, int, int, int, dict),
    Kind.SCALARS: (int, list),  # unpacked; None where they could not be
    Kind.SAMPLE: (int, int, int),
}


def _is_known(items: list[Any]) -> bool:
    """Whether a frame is of a kind and shape that this version reads; a stranger wrote it."""
    kind = items[0]
    shape = _SHAPES.get(kind) if isinstance(kind, int) else None
    if shape is None or len(items) < len(shape) or not all(map(isinstance, items, shape)):
        return False
    return kind != Kind.SCHEMA or all(isinstance(name, str) for name in items[2])


def _frame(segment: Segment, sequence: int, items: list[Any], offset: int) -> Frame:
    at = _TIME_AT.get(items[0])
    time_ns = items[at] + offset if at is not None else 0
    return Frame(segment.rank, segment.writer, sequence, items[0], items, time_ns)


def rows(logged: Iterable[Logged]) -> Iterator[Row | None]:
    """The rows of segments; None for one that cannot be read."""
    for part in logged:
        yield from part.rows()


def changes(frame: Frame) -> list[Block]:
    """What a frame says of a schedule: each scalar's changes."""
    if frame.kind == Kind.SCALARS:
        return frame.items[1]
    if frame.kind != Kind.HYPER:
        return []
    _, optimizer, count, group, values = frame.items[:5]
    return [
        Block(optimizer, group, name.removeprefix("$"), [count], [unwrap(value)])
        for name, value in values.items()
        if isinstance(name, str)
    ]


def samples(frames: Iterable[Frame]) -> Iterable[tuple[str, int, dict[str, Any]]]:
    """What the machine did, as (rank, time in UTC ns, values by name)."""
    schemas: dict[tuple[str, int], list[str]] = {}
    for frame in frames:
        if frame.kind == Kind.SCHEMA:
            schemas[frame.writer, frame.items[1]] = frame.items[2]
        elif frame.kind == Kind.SAMPLE:
            names = schemas.get((frame.writer, frame.items[1]))
            if names is not None and len(names) == len(frame.items) - 3:
                values = dict(zip(names, frame.items[3:], strict=True))
                yield frame.rank, frame.time_ns, values
