"""The points of event files as executions of one run: in order, and begun again where they were.

A run begins again where a file says so (`purge_step`), and where a later file logs a step under a
tag that lies before the last one that an earlier file has. What was logged before stays, and counts
up to there, as of a run of ours that was resumed (docs/formats/run.md).
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from samebit.compat.files.eventfile import EventFile, Logged
from samebit.compat.files.events import SCALARS
from samebit.compat.files.shown import read_logged
from samebit.compat.foreign import Execution, Series, Thing

__all__ = ["Episodes", "in_ns"]

_TEXT_SUFFIX = "/text_summary"  # that writers put behind the names of texts
_LATEST_S = 4e9  # a time beyond it is none; nor is one before 1970
_SECOND_NS = 1_000_000_000


class _Column(Struct, frozen=True):
    """What one file has under one tag, in order: equally long arrays."""

    places: Any
    wall_times: Any
    steps: Any
    values: Any

    def where(self, those: Any) -> "_Column":
        return _Column(
            self.places[those], self.wall_times[those], self.steps[those], self.values[those]
        )


class _Episode:
    """One execution, as it grows."""

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.columns: dict[str, list[_Column]] = {}
        self.things: list[tuple[EventFile, Logged, str]] = []
        self.last: dict[str, int] = {}  # of each tag the largest step of the files before

    def add(self, name: str, column: _Column) -> None:
        if len(column.places):
            self.columns.setdefault(name, []).append(column)

    def reaches(self, step: int) -> bool:
        """Whether it has a point of this step, or of a later one."""
        return any((one.steps >= step).any() for mine in self.columns.values() for one in mine)


class Episodes:
    """One run.

    Args:
        files: of its own folder, in order.
        numpy: the module.
    """

    def __init__(self, files: Sequence[EventFile], numpy: Any) -> None:
        self._numpy = numpy
        self._episodes = [_Episode(files[0].first_wall_time or 0.0)]
        self._names: set[str] = set()
        for file in files:
            self._take(file)

    def _take(self, file: EventFile) -> None:
        columns = _columns(file, self._numpy)
        self._names |= columns.keys()
        begin = 0
        for place, began_s in [*self._begins(file, columns), (None, 0.0)]:
            episode = self._episodes[-1]
            for tag, column in columns.items():
                is_here = column.places >= begin
                if place is not None:
                    is_here &= column.places < place
                episode.add(tag, column.where(is_here))
            for logged in file.logged:
                if begin <= logged.place and (place is None or logged.place < place):
                    episode.things.append((file, logged, _name(logged)))
            if place is None:
                break
            begin = place
            self._episodes.append(_Episode(began_s))
        last = self._episodes[-1]
        for tag, mine in last.columns.items():
            last.last[tag] = max(int(one.steps.max()) for one in mine)

    def _begins(self, file: EventFile, columns: dict[str, _Column]) -> list[tuple[int, float]]:
        """Where in a file the run begins again: the number of a record, and its time."""
        found: list[tuple[int, float]] = []
        for one in file.restarts:
            before = [
                (column.steps[column.places < one.place] >= one.step).any()
                for column in columns.values()
            ]
            if any(before) or self._episodes[-1].reaches(one.step):
                found.append((one.place, one.wall_time))
        again: list[tuple[int, float]] = []
        for tag, last in self._episodes[-1].last.items():
            if tag not in columns:
                continue
            mine = columns[tag]
            behind = self._numpy.flatnonzero(mine.steps < last)
            if len(behind):
                at = int(behind[0])
                again.append((int(mine.places[at]), float(mine.wall_times[at])))
        if again and not any(place <= min(again)[0] for place, _ in found):
            found.append(min(again))
        return sorted(set(found))

    def take_inside(self, file: EventFile, line: str, folder: str) -> None:
        """Add a file of a folder that belongs to the run, by its times.

        Args:
            file: it.
            line: the name of a line that `add_scalars` drew; empty of settings.
            folder: its path inside the run, before names that the run has already.
        """
        starts = [episode.began_s for episode in self._episodes[1:]]
        for tag, column in _columns(file, self._numpy).items():
            name = line if line and line.startswith(f"{tag}/") else tag
            if (line and name != line) or name in self._names:
                name = f"{folder}/{tag}"
            which = self._numpy.searchsorted(starts, column.wall_times, side="right")
            for at in self._numpy.unique(which).tolist():
                self._episodes[at].add(name, column.where(which == at))
        for logged in file.logged:
            at = int(self._numpy.searchsorted(starts, logged.wall_time, side="right"))
            self._episodes[at].things.append((file, logged, f"{folder}/{_name(logged)}"))

    def executions(self) -> list[Execution]:
        """What was put together; an episode with nothing in it is none, but for an only one."""
        there = [e for e in self._episodes if e.columns or e.things] or self._episodes[:1]
        return [
            Execution(
                int(in_ns(self._numpy.array([episode.began_s]), self._numpy)[0]),
                series=[self._series(*pair) for pair in episode.columns.items()],
                things=[self._thing(*of) for of in episode.things],
            )
            for episode in there
        ]

    def _series(self, name: str, columns: Sequence[_Column]) -> Series:
        def joined(parts: Sequence[Any]) -> Any:
            return parts[0] if len(parts) == 1 else self._numpy.concatenate(parts)

        times = joined([one.wall_times for one in columns])
        return Series(
            name,
            joined([one.steps for one in columns]),
            in_ns(times, self._numpy),
            joined([one.values for one in columns]),
        )

    def _thing(self, file: EventFile, logged: Logged, name: str) -> Thing:
        time_ns = int(in_ns(self._numpy.array([logged.wall_time]), self._numpy)[0])
        return Thing(name, logged.step, time_ns, lambda: read_logged(file.path, logged))


def _name(logged: Logged) -> str:
    return logged.tag.removesuffix(_TEXT_SUFFIX) if logged.plugin == "text" else logged.tag


def _columns(file: EventFile, numpy: Any) -> dict[str, _Column]:
    """What a file has, by tag, each in the order of its records."""
    parts: dict[str, list[Any]] = {}
    for one in file.numbers:
        if file.plugins.get(one.tag, "") in SCALARS:
            parts.setdefault(one.tag, []).append(one)
    found: dict[str, _Column] = {}
    for tag, mine in parts.items():
        whole = _Column(
            *(
                numpy.concatenate([getattr(one, name) for one in mine])
                for name in ("places", "wall_times", "steps", "values")
            )
        )
        in_order = (whole.places[1:] >= whole.places[:-1]).all()
        found[tag] = whole if in_order else whole.where(numpy.argsort(whole.places, kind="stable"))
    return found


def in_ns(wall_times: Any, numpy: Any) -> Any:
    """Seconds since 1970 as whole nanoseconds, of which the nearest float is the same seconds.

    0 for what is no time of our age.
    """
    sound = (wall_times > 0) & (wall_times < _LATEST_S)
    seconds = numpy.floor(numpy.where(sound, wall_times, 0.0))
    rest = numpy.rint((numpy.where(sound, wall_times, 0.0) - seconds) * _SECOND_NS)
    return seconds.astype(numpy.int64) * _SECOND_NS + rest.astype(numpy.int64)
