"""What commands print about what is kept: states, splits, data, fingerprints, environments."""

from typing import Any, NotRequired, TypedDict

from samebit.data.changes import TableChange
from samebit.data.leaks import Leak
from samebit.records import SplitManifest


class StateItem(TypedDict):
    """A state of a run."""

    name: str
    rank: str | None  # nothing where it is of several
    ranks: list[str]
    step: int | None
    optimizer: int | None
    size_bytes: int
    kept: str  # bytes, digests only, modules only, dropped
    identity: str
    manifest: str


class States(TypedDict):
    """The states of a run."""

    run: str
    states: list[StateItem]


class Leaf(TypedDict):
    """An array."""

    dtype: str
    shape: list[int]
    size_bytes: int
    digest: str | None
    kept: bool


class State(TypedDict):
    """What a state holds."""

    run: str
    state: str
    rank: str
    step: int | None
    kept: str
    manifest: str
    identity: dict[str, str]
    leaves: dict[str, Leaf]
    tied: dict[str, str]
    values: dict[str, Any]


class LeafSide(TypedDict):
    """An array of one of two states."""

    dtype: str
    shape: list[int]
    digest: NotRequired[str]


class LeafDiff(TypedDict):
    """How an array differs; the counts are there where both could be read."""

    place: str
    a: LeafSide | None
    b: LeafSide | None
    why: NotRequired[str]
    differing: NotRequired[int]
    max_abs: NotRequired[float | None]
    max_ulp: NotRequired[int | None]
    nan_payload: NotRequired[int]
    sign_of_zero: NotRequired[int]
    nan_on_one_side: NotRequired[int]


class ValueDiff(TypedDict):
    """How a plain value differs; a or b is missing where one has none."""

    place: str
    a: NotRequired[Any]
    b: NotRequired[Any]


class StateDiff(TypedDict):
    """How two states differ."""

    a: str
    b: str
    equal: int
    leaves: list[LeafDiff]
    values: list[ValueDiff]


class SplitList(TypedDict):
    """The splits of a run, as the journal has them."""

    run: str
    splits: list[dict[str, Any]]


Split = TypedDict(
    "Split",
    {
        "run": str,
        "name": str,
        "at": str | None,
        "manifest": str,
        "from": dict[str, Any] | None,
        "split": SplitManifest,
    },
)


class Model(TypedDict):
    """A model in a file; with --leaves each array as dtype, shape and digest."""

    identity: str
    arrays: int
    size_bytes: int
    leaves: NotRequired[dict[str, tuple[str, list[int], str]]]


class Models(TypedDict):
    """Two models."""

    models: list[Model]
    equal: bool
    differing: list[str]


class Fingerprint(TypedDict):
    """The fingerprint of a path; of what it counts (files, entries, rows…) what there is."""

    path: str
    fingerprint: str
    kind: str
    whole: bool
    notes: list[str]
    parts: NotRequired[dict[str, str]]


class Fingerprints(TypedDict):
    """A fingerprint for each path."""

    fingerprints: list[Fingerprint]


class Version(TypedDict):
    """A version of data that was added, or let go of."""

    kind: str
    name: str
    at_ns: int
    by: str
    manifest: str
    fingerprint: str
    host: str
    path: str
    source: str
    message: str
    kept: bool
    files: int
    size_bytes: int
    new_bytes: int
    changes: dict[str, int]
    origin: NotRequired[dict[str, str]]
    format: NotRequired[str]


class ListedVersion(Version):
    """The newest version of a name."""

    versions: int


class LoggedVersion(Version):
    """A version in a log."""

    is_here: bool


class DataAdd(TypedDict):
    """What was added."""

    version: Version
    new: bool
    read_bytes: int
    seconds: float
    notes: list[str]


class DvcOut(TypedDict):
    """What DVC keeps, and what became of it."""

    path: str
    file: str
    stage: str | None
    md5: str
    hash: str
    revision: str | None
    name: str
    how: str
    version: Version | None
    missing: list[str]
    why: str | None


class DataImport(TypedDict):
    """What was imported."""

    outs: list[DvcOut]
    problems: list[str]
    project: str
    seconds: float


class Import(TypedDict):
    """A run of another tool, and what came of it."""

    run: str
    tool: str
    foreign_id: str
    where: str
    name: str | None
    is_new: bool
    written: bool  # false with --dry-run: what would be
    points: int
    things: int
    files: int  # that it had made, and that were stored
    problems: list[tuple[str, str]]


class DataList(TypedDict):
    """The names, and the newest version of each."""

    data: list[ListedVersion]


class DataLog(TypedDict):
    """The versions of a name, newest first."""

    log: list[LoggedVersion]


class ChangedFile(TypedDict):
    """A file of a version or folder."""

    path: str
    kind: str
    size_bytes: int
    digest: str
    target: str


class DataDiff(TypedDict):
    """How two versions differ."""

    a: str
    b: str
    same: int
    added: list[ChangedFile]
    removed: list[ChangedFile]
    changed: list[tuple[ChangedFile, ChangedFile]]
    moved: list[tuple[ChangedFile, ChangedFile]]
    folders: dict[str, tuple[int, int]]
    tables: dict[str, TableChange | str]


class DataCheckout(TypedDict):
    """What was laid out."""

    version: Version
    path: str
    copied: int
    cloned: int
    same: int
    removed: int
    others: int


class DataRemove(TypedDict):
    """What was let go of."""

    let_go: list[Version]


class DataRestore(TypedDict):
    """What of a run's files was laid out."""

    run: str
    laid_out: list[str]
    same: int


class LookedAt(TypedDict):
    """What was found in a split."""

    name: str
    split: str
    parts: dict[str, int]
    rows: str
    found: list[Leak]
    unknown: list[str]


class Leaks(TypedDict):
    """What the parts of splits tell each other."""

    run: str
    no_test: Leak | None
    splits: list[LookedAt]
    fits: list[dict[str, Any]]
    not_looked_at: list[str]


class Environment(TypedDict):
    """An environment that replays were run in."""

    name: str
    packages: int
    python: str
    by: str
    size_bytes: int
    made_ns: int


class Environments(TypedDict):
    """Those that are in the cache."""

    environments: list[Environment]
