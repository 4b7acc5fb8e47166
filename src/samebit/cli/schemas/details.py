"""What the page asks of a run behind its tabs, which is not what a command prints."""

from typing import Any, NotRequired, TypedDict

from samebit.cli.schemas.kept import SplitList
from samebit.cli.schemas.runs import Schedules
from samebit.data.leaks import Leak

__all__ = ["DETAILS"]

Fact = dict[str, Any]  # as the journal has it; of a stranger's run anything


class PageState(TypedDict):
    """A state of a run, as its journal says."""

    name: str
    rank: str
    step: int | None
    optimizer: int | None
    size_bytes: int
    kept: bool
    dropped: bool  # let go of: its bytes are here until the next sweep
    whole: bool  # False: of a checkpoint only the modules are left
    manifest: str


class PageStates(TypedDict):
    """The states of a run; without their identities, for which each would have to be read."""

    run: str
    states: list[PageState]


class PageVerdicts(TypedDict):
    """The verdicts of a run, the oldest first: each as it was recorded, and in words."""

    run: str
    verdicts: list[dict[str, Any]]


class PageEnvironment(TypedDict):
    """What was around a run."""

    run: str
    interpreter: NotRequired[Any]
    packages: NotRequired[Any]
    machine: NotRequired[Any]
    settings: NotRequired[Any]
    variables: NotRequired[Any]


class Holding(TypedDict):
    """A version of data that holds what a run read."""

    name: str
    manifest: str
    files: int  # of it that the run read
    of: int
    kept: bool


class PagePart(TypedDict):
    """A part of a split."""

    name: str
    rows: int


class PageSplit(TypedDict):
    """A split, and what leaks between its parts."""

    name: str
    method: str
    at: str | None
    rows: int | None
    parts: list[PagePart]
    manifest: str
    leaks: list[Leak]
    unknown: list[str]  # why nothing can be said


class PageData(TypedDict):
    """The data of a run."""

    run: str
    data: list[Fact]
    versions: list[Holding]
    splits: list[PageSplit]
    more_splits: int
    fits: list[Fact]
    not_looked_at: list[str]


class LinkedRun(TypedDict):
    """A run before or after another one, by what one made and the other used."""

    run: str
    label: str
    state: str
    kind: str  # file, source, folder, state
    name: str  # as the one that used it calls it
    made_as: str
    digest: str | None
    nearest: bool  # of those that had made it, the one it came from
    by_path: bool  # only the path says so
    level: int  # how many runs away
    again: bool  # what lies behind it is at another place of the list
    beyond: int  # runs behind it that are too far away to be told


PageLineage = TypedDict(
    "PageLineage",
    {"run": str, "from": list[LinkedRun], "to": list[LinkedRun], "more": list[int]},
)
PageLineage.__doc__ = (
    "Runs it came from and runs that came of it, each below the one it lies behind."
)


class Rate(TypedDict):
    """A learning rate that changed, as a line."""

    title: str
    points: list[Any]


class PageRates(TypedDict):
    """The learning rates of a run."""

    run: str
    rates: list[Rate]


class PageCertificate(TypedDict):
    """A certificate that lies in the project; of one that cannot be read only why."""

    folder: str
    error: NotRequired[str]
    result: NotRequired[str]
    grade: NotRequired[str]
    who: NotRequired[str]
    anonymous: NotRequired[bool]
    replay: NotRequired[str]
    signatures: NotRequired[list[dict[str, Any]]]
    right: NotRequired[list[str]]
    wrong: NotRequired[list[str]]
    unclear: NotRequired[list[str]]
    unchecked: NotRequired[list[str]]


class PageCertificates(TypedDict):
    """The certificates of a run, checked."""

    run: str
    certificates: list[PageCertificate]


# By the last word of an address below a run.
DETAILS: dict[str, Any] = {
    "schedule": Schedules,
    "verdicts": PageVerdicts,
    "states": PageStates,
    "splits": SplitList,
    "environment": PageEnvironment,
    "data": PageData,
    "lineage": PageLineage,
    "rates": PageRates,
    "certificates": PageCertificates,
}
