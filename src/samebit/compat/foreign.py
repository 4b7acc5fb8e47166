"""What a reader of another tool's files gives: runs as that tool had them, in our words.

A reader invents nothing. What the tool did not record is left out here, and the importer
(`compat/importing.py`) says so of the run that it makes.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from samebit.capture.config import free_name
from samebit.media.given import Media

__all__ = ["Column", "Execution", "ForeignRun", "Found", "Names", "Series", "Source", "Thing"]

Problems = dict[tuple[str, str], None]  # a subject and what is the matter with it, each once


class Series(Struct, frozen=True):
    """The points of one metric, in the order in which they were written: three equal lengths.

    Lists, arrays of `array`, or arrays of NumPy. It is always the whole series: what is in the
    store already, the importer knows. Two points of one step are both given; the later one counts.
    """

    name: str
    steps: Sequence[int]
    times_ns: Sequence[int]  # UTC; 0 where the tool did not say
    values: Sequence[Any]  # bool, int, float or text; a float32 is the float of the same value


class Column:
    """A series, as its points come one by one."""

    def __init__(self) -> None:
        self.steps = array("q")
        self.times_ns = array("q")
        self.values: list[Any] = []

    def add(self, step: int, time_ns: int, value: Any) -> None:
        """One point more."""
        self.steps.append(step)
        self.times_ns.append(time_ns)
        self.values.append(value)

    def series(self, name: str) -> Series:
        """All that have come."""
        return Series(name, self.steps, self.times_ns, self.values)


class Names:
    """Dotted names of keys that a tool has in parts, a name for each key of one run.

    Args:
        problems: where it is told that two keys come to one name; the later one has another.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._by_path: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()

    def of(self, path: tuple[str, ...]) -> str:
        """The name of a key: always the same one."""
        name = self._by_path.get(path)
        if name is None:
            dotted = path[0] if len(path) == 1 else ".".join(path)
            name = self._by_path[path] = free_name(dotted, self._taken)
            self._taken.add(name)
            if name != dotted:
                what = f"is the name of two keys, one of them nested: here the later is {name!r}"
                self._problems[dotted, what] = None
        return name


class Thing(Struct, frozen=True):
    """What was logged under one name at one step beside numbers.

    `media` are those of `samebit.media.given`, of bytes or plain values, which `run.log` takes; or
    a function that reads them, for it is not asked for what the store has already.
    """

    name: str
    step: int
    time_ns: int
    media: Sequence[Media] | Callable[[], Sequence[Media]]


class Execution(Struct, frozen=True):
    """What ran from a start to its end; a resume adds one, and what it logs again counts."""

    started_ns: int  # UTC; 0 where the tool did not say
    ended_ns: int | None = None
    series: Sequence[Series] = ()  # of each name one
    things: Sequence[Thing] = ()  # in the order in which they were logged
    machine: Sequence[Series] = ()  # what the machine did; the steps are not looked at


class ForeignRun(Struct, frozen=True):
    """One run of another tool."""

    tool: str  # tensorboard | wandb | mlflow
    id: str  # by which it is the same run when it is imported again, from wherever it lies
    where: str  # the file, folder or address that it came from, for people
    executions: Sequence[Execution]
    version: str = ""  # of the tool, or of what wrote the files, as they say it
    name: str | None = None
    group: str | None = None  # runs that belong together, such as those of one setting over seeds
    parent: str | None = None  # the id there of the run inside which it began
    status: str = ""  # finished | failed | killed | running, as the tool said; empty: it did not
    config: Mapping[str, Any] | None = None  # plain values; nested ones are maps
    text: str = ""  # what people wrote about it
    tags: Sequence[str] = ()
    # Facts that have a name of ours, in our shapes (`folders/facts.py`): `packages`, `interpreter`,
    # `machine`. Only what the tool recorded.
    facts: Mapping[str, Any] = {}
    # Whatever else it said, as plain values: host, user, command, commit, monitor_url.
    said: Mapping[str, Any] = {}
    # What could not be read, each a subject and what is the matter with it.
    problems: Sequence[tuple[str, str]] = ()
    # Files that it has made, by their paths there; of a link it is said that it is not followed.
    outputs: Mapping[str, Path] = {}
    md5: Mapping[str, str] = {}  # of some of them, in base64: another content is not stored
    digest: str = ""  # of the bytes that it was read from, where they are files


class Found(Struct, frozen=True):
    """A run that lies there and was not read yet."""

    where: str
    size_bytes: int  # to be read
    # Is told how many bytes more were read; None where nothing was logged in it yet. Raises a
    # SamebitError or an OSError for what cannot be read at all.
    read: Callable[[Callable[[int], object]], ForeignRun | None]
    left_out: str = ""  # what is there and is not imported, in a line; it is not read then


class Source(Protocol):
    """A reader of one place: a class that is made with the path (or address) that people typed."""

    def find(self) -> Sequence[Found]:
        """The runs that lie there, of those that have grown since they were last found.

        Raises:
            NotFound, UsageError: there is nothing there that this reader knows.
        """
        ...
