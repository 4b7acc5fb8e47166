"""A run that goes on, read on: which of the rows that were appended count, and for which metric.

They count as in a reading of the whole where that can be told without one: rows of processes that
have logged in the latest episode, of names whose lowest rank is known. Anything else, such as a
process that joins or goes on from an earlier step, asks for a reading of the whole.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from samebit.folders.streams import Stream, rank_number
from samebit.journal.following import read_on
from samebit.journal.frame import Kind
from samebit.journal.logged import Logged
from samebit.journal.reader import Frame, Journal
from samebit.journal.traced import Traced

__all__ = ["Added", "Growing"]

# Facts by which other rows count than before, or other steps.
_MOVING = frozenset({"joined", "continued", "main"})
_PASSING = frozenset({Kind.SCHEMA, Kind.SAMPLE})


class Added(Struct, frozen=True):
    """What was appended since the last reading."""

    logged: list[tuple[int, list[Logged]]]  # by rank, the lowest first
    rank_of: Mapping[str, int]  # by name, the rank whose rows of it count
    steps: int | None  # of the main optimizer; None where none was traced
    says_more: bool  # than rows, steps and samples of the machine


class Growing:
    """How far a run was read; not for several threads at once."""

    def __init__(
        self, folder: Path, journal: Journal, streams: Mapping[str, Stream], main: int
    ) -> None:
        """Go on from a reading of the whole.

        Args:
            folder: of the run.
            journal: what was read.
            streams: what counts of it, by rank, the lowest first.
            main: the number of the main optimizer.
        """
        self._folder, self._main = folder, main
        self._ends = dict(journal.ends)
        self._logging: set[str] = set()  # writers whose rows count
        self._rank_of: dict[str, int] = {}
        for rank, stream in streams.items():
            every = [part for parts in stream.logged.values() for part in parts]
            for name in _names(every, journal.frames):
                self._rank_of.setdefault(name, rank_number(rank))
            for part in stream.logged[max(stream.logged)] if stream.logged else ():
                self._logging.add(part.writer)
        self._tracing = {part.writer for part in journal.traced}
        of_face = next((stream.trace for stream in streams.values() if stream.trace), [])
        self._face = {part.writer for part in of_face}
        self._steps = _last_step(of_face, main)
        self._is_over = False

    def read_on(self) -> Added | None:
        """What was appended; None where the whole must be read, and from then on."""
        journal = None if self._is_over else self._next()
        if journal is None:
            self._is_over = True
            return None
        self._ends |= journal.ends
        of_face = [part for part in journal.traced if part.writer in self._face]
        steps = [one for one in (self._steps, _last_step(of_face, self._main)) if one is not None]
        self._steps = max(steps, default=None)
        by_rank: dict[int, list[Logged]] = {}
        for part in journal.logged:
            by_rank.setdefault(rank_number(part.rank), []).append(part)
        says_more = bool(journal.unknown_frames) or any(
            frame.kind not in _PASSING for frame in journal.frames
        )
        return Added(sorted(by_rank.items()), self._rank_of, self._steps, says_more)

    def _next(self) -> Journal | None:
        """The next frames, where they are more of the same."""
        journal = read_on(self._folder / "journal", self._folder.name, self._ends)
        if (
            journal is None
            or not {part.writer for part in journal.logged} <= self._logging
            or not {part.writer for part in journal.traced} <= self._tracing
            or any(f.kind == Kind.FACT and f.items[2] in _MOVING for f in journal.frames)
        ):
            return None
        for part in sorted(journal.logged, key=lambda part: rank_number(part.rank)):
            rank = rank_number(part.rank)
            for name in _names([part], journal.frames):
                if self._rank_of.setdefault(name, rank) > rank:
                    return None  # a lower rank has it, too, from now on
        return journal


def _last_step(traced: Iterable[Traced], main: int) -> int | None:
    found: list[int] = []
    for part in traced:
        if isinstance(part.counts, list):
            found += [count for of, count, *_ in part.rows() if of == main]
        else:
            found += part.counts[part.optimizers == main].max(keepdims=True, initial=-1).tolist()
    return max((count for count in found if count >= 0), default=None)


def _names(logged: Iterable[Logged], frames: Iterable[Frame]) -> set[str]:
    """The names of metrics in some segments."""
    sampled = {(frame.writer, frame.items[1]) for frame in frames if frame.kind == Kind.SAMPLE}
    return {
        name
        for part in logged
        for number, names in part.schemas.items()
        if (part.writer, number) not in sampled
        for name in names
    }
