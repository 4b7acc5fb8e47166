"""One event file, read as far as it is whole, and further when it has grown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.compat.files.alike import Numbers, read_alike
from samebit.compat.files.events import (
    PLUGIN,
    Event,
    Hparams,
    Value,
    read_event,
    read_hparams,
    read_number,
)
from samebit.compat.files.framed import Part, read_parts, read_start
from samebit.compat.files.wire import Malformed
from samebit.digest import Hasher

__all__ = ["EventFile", "Logged", "Restart", "first_tags"]

_PEEK_BYTES = 1 << 14
_MOST_TROUBLES = 8  # that are told of one file


class Logged(Struct, frozen=True):
    """Something that is no number: which value of which record of the file it is."""

    tag: str
    plugin: str
    place: int
    step: int
    wall_time: float
    begin: int  # where in the file the record's payload begins
    length: int
    at: int


class Restart(Struct, frozen=True):
    """Whatever was logged before from a step on was void when this was written."""

    place: int
    step: int
    wall_time: float


class EventFile:
    """What is known of one file.

    Args:
        path: where it lies.
        numpy: the module.
    """

    def __init__(self, path: Path, numpy: Any) -> None:
        self.path = path
        self.read_bytes = 0
        self.first_wall_time: float | None = None
        self.writer = ""
        self.numbers: list[Numbers] = []
        self.logged: list[Logged] = []
        self.restarts: list[Restart] = []
        self.hparams = Hparams()
        self.plugins: dict[str, str] = {}  # of each tag, as its first value has it
        self.others: dict[str, None] = {}  # what else there is: graphs, curves of other plugins
        self.troubles: list[str] = []
        self._numpy = numpy
        self._records = 0
        self._hasher = Hasher()

    @property
    def name(self) -> str:
        """The digest of what was read of it."""
        return self._hasher.digest()

    def read(self, told: Callable[[int], object]) -> None:
        """Read what was not read yet.

        Args:
            told: of each part, how many bytes more were read.

        Raises:
            OSError: it cannot be read.
        """
        for part in read_parts(self.path, self.read_bytes, self._numpy):
            self._take(part)
            told(part.end - self.read_bytes)
            self.read_bytes = part.end

    def unread_bytes(self) -> int:
        """How many bytes lie behind the last whole record now."""
        try:
            return max(self.path.stat().st_size - self.read_bytes, 0)
        except OSError:
            return 0

    def _take(self, part: Part) -> None:
        self._hasher.update(part.data[: part.end - part.begin])
        for at, what in part.damaged:
            self._trouble(f"at byte {at:,}: {what}")
        found, left = read_alike(part.data, part.payloads, part.lengths, self._numpy)
        first = self._records
        for one in found:
            if one.plugin:
                self.plugins.setdefault(one.tag, one.plugin)
            self.numbers.append(_moved(one, first))
        singly: dict[str, list[tuple[int, float, int, float]]] = {}
        for place in left.tolist():
            begin, length = int(part.payloads[place]), int(part.lengths[place])
            try:
                event = read_event(part.data, begin, begin + length)
                self._event(part, event, first + place, (begin, length), singly)
            except Malformed as error:
                self._trouble(f"at byte {part.begin + begin:,}: no event that is known: {error}")
        for tag, rows in singly.items():
            self.numbers.append(_numbers(tag, rows, self._numpy))
        if self.first_wall_time is None and len(part.payloads):
            begin = int(part.payloads[0])
            try:
                event = read_event(part.data, begin, begin + int(part.lengths[0]))
                self.first_wall_time = event.wall_time
            except Malformed:
                self.first_wall_time = 0.0
        self._records += len(part.payloads)

    def _trouble(self, what: str) -> None:
        if len(self.troubles) < _MOST_TROUBLES:
            self.troubles.append(what)
        elif len(self.troubles) == _MOST_TROUBLES:
            self.troubles.append("and more, further on")

    def _event(
        self,
        part: Part,
        event: Event,
        place: int,
        span: tuple[int, int],
        singly: dict[str, list[tuple[int, float, int, float]]],
    ) -> None:
        self.writer = event.writer or self.writer
        if event.restarts:
            self.restarts.append(Restart(place, event.step, event.wall_time))
        self.others |= dict.fromkeys(event.others)
        for at, value in enumerate(event.values):
            plugin = self.plugins.setdefault(value.tag, value.plugin) or value.plugin
            if plugin == PLUGIN:
                read_hparams(value.content, self.hparams)
                continue
            number = read_number(part.data, value, plugin)
            if number is not None and float(number) != number == number:
                self._trouble(f"at byte {part.begin + span[0]:,}: {number} is no float")
            elif number is not None:
                row = (place, event.wall_time, event.step, float(number))
                singly.setdefault(value.tag, []).append(row)
            elif _is_shown(value, plugin):
                begin = part.begin + span[0]
                where = (place, event.step, event.wall_time, begin, span[1], at)
                self.logged.append(Logged(value.tag, plugin, *where))
            else:
                self.others[plugin or "a tensor"] = None


def first_tags(path: Path, numpy: Any) -> list[str]:
    """The tags of the first records of a file; none where it cannot be read, or is empty yet."""
    try:
        with path.open("rb") as stream:
            part = read_start(stream.read(_PEEK_BYTES), numpy)
    except OSError:
        return []
    found: dict[str, None] = {}
    for begin, length in zip(part.payloads.tolist(), part.lengths.tolist(), strict=True):
        try:
            event = read_event(part.data, begin, begin + length)
        except Malformed:
            continue
        found |= dict.fromkeys(value.tag for value in event.values)
    return list(found)


def _is_shown(value: Value, plugin: str) -> bool:
    """Whether it is something that has a place here: a picture, a sound, a histogram, a text."""
    if value.image or value.audio or value.histogram:
        return True
    return value.tensor is not None and plugin in ("images", "audio", "histograms", "text")


def _moved(one: Numbers, by: int) -> Numbers:
    return Numbers(one.tag, one.plugin, one.places + by, one.wall_times, one.steps, one.values)


def _numbers(tag: str, rows: list[tuple[int, float, int, float]], numpy: Any) -> Numbers:
    places, times, steps, values = zip(*rows, strict=True)
    return Numbers(
        tag,
        "",
        numpy.array(places, numpy.int64),
        numpy.array(times, numpy.float64),
        numpy.array(steps, numpy.int64),
        numpy.array(values, numpy.float64),
    )
