"""The shapes of what is answered of runs beside each other; see `answers.py`."""

from msgspec import Struct, field

from samebit.server.answers import Long

__all__ = [
    "ComparedText",
    "Comparison",
    "FirstDifference",
    "GroupLeaves",
    "LeafApart",
    "LeafRow",
    "Section",
    "SectionRow",
    "StateSide",
    "StatesApart",
    "Strip",
    "Trace",
    "TraceStep",
    "TracedLeaves",
    "ValueRow",
]


class SectionRow(Struct, frozen=True):
    """What each run has under a name; None where it has nothing."""

    key: str
    values: list[str | None]
    same: bool
    long: list[Long] = []  # of these values only the beginning is here


class Section(Struct, frozen=True):
    """What is told of runs of one kind."""

    title: str
    rows: list[SectionRow]
    more: int = 0  # rows that are left out: very many, those that differ come first then


class Comparison(Struct, frozen=True):
    """Runs beside each other."""

    ids: list[str]
    labels: list[str]
    sections: list[Section]
    left_out: list[list[str]]  # a run's id, and why: it was deleted, or cannot be read


class ComparedText(Struct, frozen=True):
    """What a run has under a name, whole; only of a text of millions the beginning."""

    text: str
    characters: int  # of the whole


class StateSide(Struct, frozen=True):
    """A state of a run."""

    run: str
    label: str
    name: str
    step: int | None
    size_bytes: int


class LeafRow(Struct, frozen=True):
    """One leaf of two states; dtype and shape of each, null where only the other has it."""

    place: str
    dtypes: list[str | None]
    shapes: list[list[int] | None]
    size_bytes: int
    equal: bool | None  # None: only reading it would tell
    measurable: bool  # numbers can be asked for


class ValueRow(Struct, frozen=True):
    """A plain value in which two states differ; None where one has none."""

    place: str
    first: str | None
    second: str | None


class StatesApart(Struct, frozen=True):
    """Two states beside each other, by digests alone."""

    sides: list[StateSide]
    total: int
    equal: int
    leaves: list[LeafRow]  # those that are not equal first; of very many the first
    values: list[ValueRow]


class LeafApart(Struct, frozen=True):
    """How far apart a leaf is; None where that cannot be told."""

    place: str
    differing: int | None  # elements whose bits differ
    elements: int
    max_abs: float | int | None
    max_ulp: int | None
    nan: int  # elements that are NaN on one side alone
    why: str  # NaN payload only, or why nothing can be told


class FirstDifference(Struct, frozen=True):
    """Where two traces part, and why."""

    step: int
    after: int | None  # set where only (after, step] is known
    optimizer: int
    cause: str
    what: str
    where: str
    rank: str  # empty where there is one
    groups: list[str]
    facts: list[str]
    row: int | None = None  # its place among all rows


class TraceStep(Struct, frozen=True):
    """A step of two runs; None where a group is not of both, or is a generator nobody drew from."""

    optimizer: int
    step: int
    equal: list[bool | None]
    leaves: bool  # both kept the fingerprints of its leaves


class Strip(Struct, frozen=True):
    """All rows of two traces in a few hundred places: of each group how many rows differ."""

    rows: int  # in each place; the last may have fewer
    groups: list[str]
    compared: list[list[int]]  # of each group in each place: rows that both have
    differing: list[list[int]]


class Trace(Struct, frozen=True):
    """Steps of two runs."""

    ids: list[str]
    labels: list[str]
    groups: list[str]  # in causal order
    total: int
    begin: int = field(name="from")
    rows: list[TraceStep]
    strip: Strip
    first: FirstDifference | None  # None where none was found
    compared: int  # rows that were compared; 0 without a difference: nothing is known
    note: str | None  # why nothing could be compared, or what was not


class GroupLeaves(Struct, frozen=True):
    """The leaves of a group in one row of two traces."""

    group: str
    equal: int
    differing: list[str]  # the leaves that are not equal; of very many the first
    more: int  # so many beside these


class TracedLeaves(Struct, frozen=True):
    """The leaves of one row that both traces kept, in causal order."""

    ids: list[str]
    optimizer: int
    step: int
    groups: list[GroupLeaves]
