"""What the command line hands to the page: how runs are told, which other rooms know."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit.folders.read import View
from samebit.folders.stated import Stated
from samebit.query.index import Row, Table
from samebit.query.seeds import Group, Number
from samebit.query.where import Sort
from samebit.server.answers import StudyNow, Told
from samebit.server.beside import FirstDifference
from samebit.states.stored import StoredState

__all__ = ["Given", "TracesApart"]

AnyRow = Mapping[str, object]
Values = tuple[object, ...]


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
        result: what the runs of a group came to in a metric; which metric, how it is taken.
        floor: the spread of runs with the same seeds in a metric; None where there are none.
        seed_of: what a run has in common with its counterpart in another group; empty for nothing.
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
    result: Callable[[Sequence[AnyRow], str, str, Values], Group]
    floor: Callable[[Sequence[AnyRow], str, str], Number | None]
    seed_of: Callable[[AnyRow], Values]
    table: Callable[[str, Sequence[AnyRow], Sequence[str] | None], str]
    groups_table: Callable[[str, Sequence[AnyRow], Sequence[str], Sequence[str], Sort | None], str]
    is_volatile: Callable[[str], bool]
    studies: Callable[[Sequence[AnyRow]], list[StudyNow]]
    sweep: tuple[Callable[[str, Sequence[AnyRow]], Any], Any]
    remote: str = ""
    may_edit: bool = False
