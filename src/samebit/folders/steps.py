"""The fingerprints of a run's steps, put together from what its processes wrote.

Streams are given by rank, the lowest first. Of a short run the rows are a list; of a long one they
are columns, of which a row is made when somebody looks at it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from msgspec import Struct

from samebit.errors import Damaged
from samebit.folders.facts import read_fact
from samebit.folders.streams import Stream, rank_number
from samebit.journal.traced import Traced, distinct, numpy_for

__all__ = ["Steps", "TraceRow", "last_counts", "row_at", "steps_of", "traces"]

_COUNT_BITS = 43  # of a step's key; above them is the optimizer
_OPTIMIZER_BITS = 20


class TraceRow(Struct, frozen=True):
    """The fingerprints of one step: group name to eight bytes."""

    optimizer: int
    count: int
    groups: dict[str, bytes]


class Steps(Sequence[TraceRow]):
    """Rows as columns of NumPy's."""

    def __init__(self, optimizers: Any, counts: Any, groups: Mapping[str, tuple[Any, Any]]) -> None:
        """Take the columns.

        Args:
            optimizers: (rows,) int64.
            counts: (rows,) int64.
            groups: by name (rows,) uint64, and (rows,) bool: where it is present.
        """
        self.optimizers, self.counts, self.groups = optimizers, counts, groups

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> TraceRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[TraceRow]: ...
    def __getitem__(self, index: int | slice) -> TraceRow | list[TraceRow]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        groups = {
            name: values[index].tobytes()
            for name, (values, present) in self.groups.items()
            if present[index]
        }
        return TraceRow(int(self.optimizers[index]), int(self.counts[index]), groups)

    def __iter__(self) -> Iterator[TraceRow]:
        return (self[at] for at in range(len(self)))


def steps_of(rows: Sequence[TraceRow]) -> list[tuple[int, int]]:
    """Optimizer and count of each row."""
    if isinstance(rows, Steps):
        return list(zip(rows.optimizers.tolist(), rows.counts.tolist(), strict=True))
    return [(row.optimizer, row.count) for row in rows]


def row_at(rows: Sequence[TraceRow], step: tuple[int, int]) -> TraceRow | None:
    """The row of an optimizer and count, if there is one."""
    if isinstance(rows, Steps):
        there = (rows.optimizers == step[0]) & (rows.counts == step[1])
        return rows[int(there.argmax())] if there.any() else None
    return next((row for row in rows if (row.optimizer, row.count) == step), None)


def last_counts(rows: Sequence[TraceRow]) -> dict[int, int]:
    """How many steps each optimizer made, in the order of their first rows."""
    found: dict[int, int] = {}
    for optimizer, count in steps_of(rows):
        if count > found.get(optimizer, -1):
            found[optimizer] = count
    return found


def traces(streams: Mapping[str, Stream]) -> dict[str, Sequence[TraceRow]]:
    """By rank, the lowest first, its steps as written; rows of one step are one row."""
    groups: dict[str, list[str]] = {}
    for frame in (frame for stream in streams.values() for frame in stream.facts):
        if frame.items[2] == "trace":
            try:
                groups[frame.writer] = read_fact("trace", frame.items[3])["groups"]
            except Damaged:
                continue  # said where all facts are read
    written: dict[str, list[tuple[Traced, list[str]]]] = defaultdict(list)
    for part in (part for stream in streams.values() for part in stream.trace):
        written[part.rank].append((part, groups.get(part.writer, [])))
    return {rank: _put_together(written[rank]) for rank in sorted(written, key=rank_number)}


def _put_together(parts: Sequence[tuple[Traced, list[str]]]) -> Sequence[TraceRow]:
    numpy = numpy_for(sum(len(part) for part, _ in parts))
    if numpy is not None:
        parts = [(part.as_arrays(numpy), names) for part, names in parts]
        keys = _keys(numpy, parts)
        if keys is not None:
            return _as_columns(numpy, parts, keys)
    return _as_rows(parts)


def _as_rows(parts: Sequence[tuple[Traced, list[str]]]) -> list[TraceRow]:
    rows: dict[tuple[int, int], dict[str, bytes]] = {}
    for part, names in parts:
        for optimizer, count, mask, start in part.rows():
            row = rows.setdefault((optimizer, count), {})
            at = start
            for bit, name in enumerate(names):
                if mask >> bit & 1:
                    row[name] = part.data[at : at + 8]
                    at += 8
    return [TraceRow(*step, found) for step, found in rows.items()]


def _keys(numpy: Any, parts: Sequence[tuple[Traced, list[str]]]) -> Any:
    """Optimizer and count of each row as one number; None where a stranger's are too large."""
    optimizers = numpy.concatenate([part.optimizers for part, _ in parts])
    counts = numpy.concatenate([part.counts for part, _ in parts])
    if optimizers.max() >> _OPTIMIZER_BITS or counts.max() >> _COUNT_BITS:
        return None
    return optimizers << _COUNT_BITS | counts


def _as_columns(numpy: Any, parts: Sequence[tuple[Traced, list[str]]], keys: Any) -> Steps:
    rows = len(keys)
    every = dict.fromkeys(name for _, names in parts for name in names)
    groups = {n: (numpy.zeros(rows, numpy.uint64), numpy.zeros(rows, bool)) for n in every}
    begin = 0
    for part, names in parts:
        mine = numpy.arange(begin, begin + len(part))
        begin += len(part)
        for mask in distinct(numpy, part.masks):
            present = [name for bit, name in enumerate(names) if mask >> bit & 1]
            if not present:
                continue
            of_mask = part.masks == mask
            those = mine[of_mask]
            digests = part.words(part.starts[of_mask], len(present), numpy)
            for name, column in zip(present, digests.T, strict=True):
                values, is_present = groups[name]
                values[those] = column
                is_present[those] = True
    if not (keys[1:] > keys[:-1]).all():
        keys, groups = _one_row_a_step(numpy, keys, groups)
    return Steps(keys >> _COUNT_BITS, keys & ((1 << _COUNT_BITS) - 1), groups)


def _one_row_a_step(
    numpy: Any, keys: Any, groups: Mapping[str, tuple[Any, Any]]
) -> tuple[Any, dict[str, tuple[Any, Any]]]:
    """Frames of one step as one row, in the order of the first; the last word of each counts."""
    _, first, which = numpy.unique(keys, return_index=True, return_inverse=True)
    place = numpy.argsort(numpy.argsort(first))[which.reshape(-1)]
    found: dict[str, tuple[Any, Any]] = {}
    for name, (values, present) in groups.items():
        frames = numpy.flatnonzero(present)
        found[name] = numpy.zeros(len(first), numpy.uint64), numpy.zeros(len(first), bool)
        found[name][0][place[frames]] = values[frames]
        found[name][1][place[frames]] = True
    return keys[numpy.sort(first)], found
