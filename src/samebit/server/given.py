"""What the command line hands to the page: how runs are told, which other rooms know."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from samebit.query.index import Row, Table

__all__ = ["Given"]


class Given(Struct, frozen=True):
    """What is looked at, and how to tell it.

    Attributes:
        store: the store on this machine.
        remote: the name of the remote whose runs are shown; empty for those that are here.
        may_edit: whether notes may be written.
        tables: what is kept of each run; a row is all of them together.
    """

    store: Path
    tables: Sequence[Table[Row]]
    remote: str = ""
    may_edit: bool = False
