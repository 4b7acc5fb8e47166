"""What the command line hands to the page: how runs are told, which other rooms know."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.folders.read import View
from samebit.folders.stated import Stated
from samebit.query.endings import Curve
from samebit.query.index import Row, Table
from samebit.query.seeds import Group, Number
from samebit.query.where import Sort
from samebit.server.answers import StudyNow, Told
from samebit.server.beside import FirstDifference
from samebit.states.stored import StoredState

__all__ = ["Given", "Judged", "TracesApart"]

AnyRow = Mapping[str, object]
Values = tuple[object, ...]
Named = tuple[str, Sequence[AnyRow]]


class Judged(Struct, frozen=True):
    """By what runs are judged."""

    metric: str
    take: str  # last | first | min | max: which of its points counts
    better: str  # higher | lower


class TracesApart(Struct, frozen=True):
    """What comparing two traces found."""

    first: FirstDifference | None
    rows: int  # that were compared, of all ranks
    apart: tuple[str, ...]  # groups of which nothing can be said, whatever their fingerprints are
    note: str | None  # why nothing could be compared, or what was not

    @property
    def is_nothing(self) -> bool:
        """Whether nothing could be compared."""
        return self.first is None and self.rows == 0


class Given(Struct, frozen=True):
    """What is looked at, and how to tell it.

    Attributes:
        store: the store on this machine.
        tables: what is kept of each run; a row is all of them together.
        tell: a run in words, with the commands to verify, pull and export it.
        details: by the last word of an address below a run, what it is, and of which shape.
        compare: by section, what of a run is compared with others, in words.
        first_difference: where the traces of two runs part, or why that cannot be said.
        open_state: a state of a run; whether parts that ranks hold are to stay parts.
        groups: rows by what they have under some names.
        counted: what the runs of a group came to in a metric; which metric, how it is taken.
        group: all that is told of a group of runs over seeds, and of which shape that is. It takes
            their rows, how they are judged, how narrow an interval is to be, and what gives the
            curve of a run.
        floor: the spread of runs with the same seeds in a metric; None where there are none.
        versus: two groups against each other, and of which shape that is; what each is called, and
            its rows, and how they are judged.
        table: rows as a file, `csv` or `tex`, of columns, or of those shown by themselves.
        groups_table: groups of rows as such a file: by names, of metrics, in an order.
        is_volatile: whether a metric is a fact of the clock or the machine, by its name.
        studies: how far each study is, by rows of all runs.
        sweep: what a sweep came to, by its name and rows of all runs, and of which shape that is.
        remote: the name of the remote whose runs are shown; empty for those that are here.
        may_edit: whether notes may be written.
    """

    store: Path
    tables: Sequence[Table[Row]]
    tell: Callable[[View], Told]
    details: dict[str, tuple[Callable[[View], Any], Any]]
    compare: Callable[[View], Mapping[str, Mapping[str, str]]]
    first_difference: Callable[[View, View], TracesApart]
    open_state: Callable[[View, Stated, bool], StoredState]
    groups: Callable[[Sequence[AnyRow], Sequence[str]], Sequence[tuple[Values, Sequence[AnyRow]]]]
    counted: Callable[[Sequence[AnyRow], str, str, Values], Group]
    group: tuple[
        Callable[[Sequence[AnyRow], Judged, float | None, Callable[[str], Curve | None]], Any], Any
    ]
    versus: tuple[Callable[[Named, Named, Judged], Any], Any]
    floor: Callable[[Sequence[AnyRow], str, str], Number | None]
    table: Callable[[str, Sequence[AnyRow], Sequence[str] | None], str]
    groups_table: Callable[[str, Sequence[AnyRow], Sequence[str], Sequence[str], Sort | None], str]
    is_volatile: Callable[[str], bool]
    studies: Callable[[Sequence[AnyRow]], list[StudyNow]]
    sweep: tuple[Callable[[str, Sequence[AnyRow]], Any], Any]
    remote: str = ""
    may_edit: bool = False
