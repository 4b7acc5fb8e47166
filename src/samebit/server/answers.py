"""The shapes of what is answered, and the one way in which they become bytes.

Names and values of runs are anybody's texts and numbers, so the bytes are those of `canonical_json`
as everywhere: `{"$float": "nan"}`, `{"$int": "9007199254740993"}`, `{"$escaped": …}` for a text
that UTF-8 cannot hold, and a key that begins with `$` has another `$` before it. What `from_json`
gives back has these shapes.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from samebit.digest import canonical_json
from samebit.query.seeds import Group

__all__ = [
    "Aspect",
    "Column",
    "Command",
    "Console",
    "ConsoleText",
    "CurvePoints",
    "ErrorAnswer",
    "Fact",
    "File",
    "Files",
    "Fitting",
    "GroupCurve",
    "GroupCurves",
    "Groups",
    "Key",
    "Lacking",
    "Long",
    "Media",
    "Metric",
    "Metrics",
    "OneFile",
    "Part",
    "Patch",
    "RunAnswer",
    "RunMedia",
    "RunsAnswer",
    "SaidAnswer",
    "Sampled",
    "SaysSo",
    "StoreAnswer",
    "Told",
    "encode",
    "error_body",
]


class StoreAnswer(Struct, frozen=True):
    """What is looked at."""

    id: str
    name: str
    folder: str
    runs: int
    waiting: int  # runs that are still to be read
    version: int
    edit: bool
    remotes: list[str]
    shown: str  # "here", or a remote's name


class Key(Struct, frozen=True):
    """What rows have under a name."""

    key: str
    kind: str  # number, text, bool, mixed
    distinct: int
    missing: int


# What runs have under one name: all of them one value, texts by their places in a list (None for
# nothing), or a value for each.
Column = Annotated[
    dict[str, Any],
    Meta(
        extra_json_schema={
            "oneOf": [
                {"required": ["same"], "maxProperties": 1},
                {
                    "required": ["texts", "at"],
                    "maxProperties": 2,
                    "properties": {"texts": {"type": "array"}, "at": {"type": "array"}},
                },
                {
                    "required": ["values"],
                    "maxProperties": 1,
                    "properties": {"values": {"type": "array"}},
                },
            ]
        }
    ),
]


class RunsAnswer(Struct, frozen=True):
    """Runs as columns."""

    version: int
    waiting: int
    ids: list[str]
    columns: dict[str, Column]
    keys: list[Key] | UnsetType = UNSET  # of all runs


class Fitting(Struct, frozen=True):
    """The runs for which a condition holds."""

    version: int
    ids: list[str]
    columns: list[str]  # what a table of these runs alone would show at first


class Long(Struct, frozen=True):
    """A text of which only the beginning is sent."""

    at: int  # which of the values, from 0
    characters: int  # of the whole
    digest: str  # of its UTF-8


class Fact(Struct, frozen=True):
    """A name and what is said under it, a line each."""

    name: str
    values: list[str]
    long: list[Long] = []  # of these values: `runs/ID/value` has all of each


class Part(Struct, frozen=True):
    """Facts of one kind."""

    title: str
    facts: list[Fact]
    more: int = 0  # facts that are left out: very many


class Command(Struct, frozen=True):
    """What to type, and what it does."""

    what: str
    command: str


class Told(Struct, frozen=True):
    """What the command line tells of a run."""

    label: str
    marks: list[str]  # its state, and its last verdict where it has one
    lead: str
    parts: list[Part]
    commands: list[Command]


class Lacking(Struct, frozen=True):
    """One thing that a record lacks, and what to do the next time."""

    key: str
    what: str
    fix: str


class Aspect(Struct, frozen=True):
    """One thing that a record is to have, and what of it it lacks."""

    name: str
    state: str  # ok, missing, none: there was nothing to record
    what: str
    lacks: list[Lacking]


class Console(Struct, frozen=True):
    """What one process of an execution printed."""

    execution: int
    rank: str
    size_bytes: int


class Media(Struct, frozen=True):
    """Something that was logged beside numbers."""

    name: str
    step: int
    at: int  # which of the things under this name and step, from 0
    of: int
    kind: str
    type: str
    digest: str
    size_bytes: int
    kept: bool  # False: its bytes are not here, and need not be
    caption: str | None
    about: dict[str, Any]


class RunAnswer(Struct, frozen=True):
    """One run on one screen."""

    id: str
    label: str
    status: str
    marks: list[str]
    lead: str
    parts: list[Part]
    aspects: list[Aspect]
    hazards: list[Lacking]  # what may make it come out otherwise
    gaps: list[str]  # what of its journal cannot be read
    commands: list[Command]
    consoles: list[Console]
    metrics: list[str]
    media: list[Media]
    tags: list[str]
    note: str | None
    archived: bool


class ConsoleText(Struct, frozen=True):
    """Some of what was printed."""

    text: str
    at: int
    next: int
    size_bytes: int


class File(Struct, frozen=True):
    """A file of the code."""

    path: str
    size_bytes: int
    kind: str  # file, exec, link
    digest: str


class Files(Struct, frozen=True):
    """The code of a run."""

    tree: str
    files: list[File]


class OneFile(Struct, frozen=True):
    """A file's text; None where it is none."""

    path: str
    text: str | None
    size_bytes: int
    cut: bool


class Patch(Struct, frozen=True):
    """What of the code no commit has; None where there is nothing to compare with."""

    text: str | None
    against: str | None
    why: str | None  # there is no text


class Metric(Struct, frozen=True):
    """A metric of some runs."""

    name: str
    runs: int
    points: int
    last: float | None  # the largest step
    volatile: bool  # a fact of the clock or the machine


class Metrics(Struct, frozen=True):
    """By name, those of the clock and the machine last."""

    metrics: list[Metric]


class Sampled(Struct, frozen=True):
    """What was sampled of the machine: names of values, each with its number of samples.

    Their curves are those of the metric `machine:NAME`.
    """

    run: str
    values: list[list[Any]]


class GroupCurve(Struct, frozen=True):
    """The mean of a group of runs, and its interval; None where there is none."""

    values: list[Any]
    n: int
    runs: list[str]
    x: list[float | None]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]
    count: list[int]  # runs that have a point there


class GroupCurves(Struct, frozen=True):
    """One for each group."""

    by: list[str]
    metric: str
    x: str
    confidence: float
    method: str
    groups: list[GroupCurve]


class CurvePoints(Struct, frozen=True):
    """Step, value, and seconds since the run began."""

    points: list[list[Any]]
    total: int
    next: int | None  # the offset of the next ones


class Groups(Struct, frozen=True):
    """One for each."""

    by: list[str]
    metric: str
    take: str
    confidence: float
    groups: list[Group]


class StudyNow(Struct, frozen=True):
    """How far a study is."""

    id: str  # which its runs have as `study`
    name: str  # the group of its runs
    kind: str  # seeds | sweep
    trials: int  # that were decided, or more where a budget says how many there are to be
    counts: dict[str, int]  # of them by state; stopped: by Ctrl-C, and nothing runs
    left_s: float | None  # until all of these are over; None where none runs, or none is over


class Studies(Struct, frozen=True):
    """All of the store, by name."""

    studies: list[StudyNow]


class RunMedia(Struct, frozen=True):
    """What a run logged beside numbers."""

    run: str
    media: list[Media]


class SaysSo(Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent to be said of a run: a name, tag, untag, text, or archived."""

    kind: str
    value: str | bool


class SaidAnswer(Struct, frozen=True):
    """What is said of a run now."""

    id: str
    name: str | None
    tags: list[str]
    note: str | None
    archived: bool


class Error(Struct, frozen=True):
    """What went wrong, with its facts, and what to do next."""

    what: str
    facts: dict[str, str]
    hint: str | None


class ErrorAnswer(Struct, frozen=True):
    """Where something cannot be answered."""

    error: Error


def encode(answer: object) -> bytes:
    """An answer as JSON."""
    return canonical_json(msgspec.to_builtins(answer))


def error_body(what: str, facts: Mapping[str, Any] | None = None, hint: str | None = None) -> bytes:
    """An error as JSON."""
    told = {name: str(value) for name, value in (facts or {}).items()}
    return encode(ErrorAnswer(Error(what, told, hint)))
