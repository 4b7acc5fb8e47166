"""What a release is made of: runs, and what only the plan of a replay knows of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from samebit.folders.read import View
from samebit.records import TreeRecord, Verdict
from samebit.report.release.packages import Environment, Located

__all__ = ["GivenFile", "GivenRun", "Wanted"]


class GivenFile(Struct, frozen=True):
    """A file that a run read, and how its bytes are had; None where they are not here."""

    path: Path
    size_bytes: int
    digest: str | None
    is_absolute: bool  # how the script named it
    copy: Callable[[int], None] | None  # into an open descriptor
    of: str = ""  # the version of data that has it


class GivenRun(Struct, frozen=True):
    """A run, with the plan by which it would be run again."""

    view: View
    verdict: Verdict | None
    replay: View | None
    how: str
    words: tuple[str, ...]
    root: Path
    tree: TreeRecord  # as it ran
    import_roots: tuple[str, ...]  # within the root
    sources: tuple[tuple[str, str], ...]  # path and digest of each, also outside of the root
    inputs: tuple[GivenFile, ...]
    environment: Environment
    doubts: tuple[str, ...]  # why it cannot be run again as it was
    is_volatile: Callable[[str], bool]
    config: Mapping[str, object]


class Wanted(Struct, frozen=True):
    """What somebody asked for."""

    title: str
    anonymous: bool = False
    data: bool = False  # the bytes of data, too
    outputs: bool = False  # what the runs wrote, too
    located: tuple[Located, ...] | None = None  # None: no index was asked, or none answered
    no_lock: str = ""  # why there is none
    people: tuple[str, ...] = ()  # names that no record has
