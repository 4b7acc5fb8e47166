"""What lies on disk about a run, as frozen values, each with its format version.

Files that are created once (`run.json`, `start.json`, `end.json`, notes) hold one of the values
below as canonical JSON; everything learnt while a run goes on is a frame of its journal
(`samebit.journal.frame`). Fields that a reader does not know are skipped; a missing field has the
default given here, so that a record of any version 1.x can be read by any other.
"""

import functools
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field, structs

from samebit import digest
from samebit.errors import Damaged, StoreTooNew

__all__ = [
    "LATER",
    "RUN_FORMAT",
    "CodeRecord",
    "CodeSent",
    "DataRecord",
    "ExecutionEnd",
    "ExecutionStart",
    "LeafRecord",
    "Note",
    "Origin",
    "PaperRecord",
    "RowIds",
    "RunRecord",
    "SplitData",
    "SplitKey",
    "SplitManifest",
    "SplitPart",
    "StateManifest",
    "TreeEntry",
    "TreeRecord",
    "Verdict",
    "decode",
    "encode",
    "plain",
]

RUN_FORMAT = "samebit-run 1"
STATE_FORMAT = "samebit-state 1"
TREE_FORMAT = "samebit-tree 1"
SPLIT_FORMAT = "samebit-split 1"
DATA_FORMAT = "samebit-data 1"
PAPER_FORMAT = "samebit-paper 1"
SENT_FORMAT = "samebit-code-sent 1"

T = TypeVar("T")


class Origin(Struct, frozen=True):
    """Of which run of another tool one was made."""

    tool: str  # tensorboard | wandb | mlflow
    id: str  # by which that tool's files are known again


class RunRecord(Struct, frozen=True):
    """`run.json`: who a run is. Never rewritten."""

    id: str
    started_ns: int  # UTC
    kind: str = "run"  # run | replay | trial
    of: str | None = None  # the run that a replay repeats
    parent: str | None = None  # the run inside which this one began
    group: str | None = None
    name: str | None = None
    user: str = ""
    host: str = ""
    project: str = ""  # the folder that holds the store, where the run began
    samebit: str = ""  # the version that wrote it
    format: str = RUN_FORMAT
    imported: Origin | None = None
    study: str | None = None  # that had it started
    trial: int | None = None  # which of that study's, from 0


class ExecutionStart(Struct, frozen=True):
    """`executions/<n>/start.json`: what was asked for, before the first line ran."""

    number: int
    started_ns: int
    how: str  # script | module | command | init | import
    argv: tuple[str, ...]  # the script and its arguments, secrets masked
    cwd: str
    python: str = ""
    host: str = ""
    boot: str = ""  # the id of the machine's boot; with pid and its start time, "is it alive?"
    pid: int = 0
    pid_started: int = 0  # clock ticks since boot
    user: str = ""
    seed: int | None = None
    deterministic: bool = False
    hash_seed: str | None = None  # PYTHONHASHSEED in force
    masked: tuple[int, ...] = ()  # positions in argv whose value was a secret
    job: str = ""  # of a batch system or MPI, whose processes are the ranks of this one execution
    ranks: int = 1  # how many that job has
    shape: str = ""  # of which tracker `samebit run --as` put ours in its place
    format: str = RUN_FORMAT
    roles: dict[str, int] = field(default_factory=dict)  # seeds of roles that a study gave


class ExecutionEnd(Struct, frozen=True):
    """`executions/<n>/end.json`: how it went, and the journal's segments as they ended."""

    ended_ns: int
    status: str  # finished | failed | killed
    exit_code: int | None = None
    signal: str | None = None
    exception: str | None = None
    cause: str | None = None  # "out of memory" where the kernel said so
    segments: dict[str, tuple[int, str]] = field(default_factory=dict)  # name: bytes, digest
    problems: tuple[dict[str, str], ...] = ()  # as the fact; those that the journal did not take
    format: str = RUN_FORMAT


class TreeEntry(Struct, frozen=True):
    """One file of a tree. `kind` is file, exec or link (then the content is its target)."""

    path: str  # relative, with forward slashes
    digest: str
    size_bytes: int
    kind: str = "file"


class TreeRecord(Struct, frozen=True):
    """A folder as a sorted list of paths and digests."""

    entries: tuple[TreeEntry, ...]
    format: str = TREE_FORMAT


class CodeRecord(Struct, frozen=True):
    """The code of an execution: a tree in the store, and where git has it too."""

    root: str  # the absolute folder that the tree was taken from
    tree: str  # digest of the TreeRecord
    files: int
    size_bytes: int
    head: str | None = None  # the commit the working tree stood on
    branch: str | None = None
    commit: str | None = None  # our snapshot commit
    ref: str | None = None  # what points at it
    remote: str | None = None  # credentials masked
    changed: tuple[str, ...] = ()  # files that differ from HEAD, with git's two status letters
    left_out: tuple[str, ...] = ()  # path: reason
    notices: tuple[str, ...] = ()


class LeafRecord(Struct, frozen=True):
    """One array of a state; its object holds the raw canonical bytes (row-major, little endian)."""

    dtype: str
    shape: tuple[int, ...]
    digest: str
    size_bytes: int
    kept: bool = True  # False: only the digest was kept
    # Of a large leaf the objects that hold it, in order; none has the name of the whole.
    parts: tuple[str, ...] = ()


class StateManifest(Struct, frozen=True):
    """A state: a skeleton of plain values in which `{"$leaf": name}` stands for an array."""

    skeleton: Any
    leaves: dict[str, LeafRecord]
    format: str = STATE_FORMAT


class RowIds(Struct, frozen=True):
    """By what the rows of some data are known wherever they stand."""

    kind: str  # rows (by their content) | given (by the script)
    object: str
    columns: tuple[tuple[str, Any], ...] = ()  # of rows: name and type of each cell


class SplitData(Struct, frozen=True):
    """What was split."""

    what: str = ""  # its class
    rows: int | None = None
    fingerprint: str | None = None
    made_of_parts: bool = False  # it is the parts one behind the other, and nothing else
    ids: RowIds | None = None


class SplitKey(Struct, frozen=True):
    """Labels or groups, one for each row of the data."""

    fingerprint: str
    distinct: int
    counts: dict[str, int] | None = None


class SplitPart(Struct, frozen=True):
    """The rows of one part."""

    name: str
    rows: int
    set: str
    order: str
    members: str
    sequence: str | None = None
    repeated: int = 0
    ids_set: str | None = None
    ids_order: str | None = None
    labels: dict[str, int] | None = None
    groups: int | None = None


class SplitManifest(Struct, frozen=True):
    """Which rows of which data are in which part (docs/formats/split.md)."""

    method: str
    data: SplitData
    parts: tuple[SplitPart, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    generator: dict[str, Any] | None = None
    labels: SplitKey | None = None
    stratify: SplitKey | None = None
    groups: SplitKey | None = None
    overlaps: tuple[tuple[str, str, int], ...] = ()
    groups_shared: tuple[tuple[str, str, int], ...] = ()
    covered: int | None = None
    notes: tuple[str, ...] = ()
    format: str = SPLIT_FORMAT


class Verdict(Struct, frozen=True):
    """What a comparison found, with its evidence."""

    grade: str  # identical | close | compatible | different | unknown
    run: str
    replay: str | None = None
    cause: str = ""  # one sentence; empty when identical
    step: int | None = None  # the first differing step
    scope: tuple[str, ...] = ()  # what was compared, in words
    differences: tuple[str, ...] = ()  # environment and data, ordered by known effect
    evidence: dict[str, Any] = field(default_factory=dict)
    who: str = ""  # repeated | reproduced (claimed)
    at_ns: int = 0
    by: str = ""
    host: str = ""
    until: int | None = None  # the step up to which alone it was run; None: to its end
    kind: str = ""  # of a difference: environment | run-to-run; empty where it was not found out
    remedies: tuple[str, ...] = ()  # what to do about it


class Note(Struct, frozen=True):
    """`notes/<time>-<random>.json`: something said about a run afterwards, by anybody."""

    kind: str  # verdict | tag | name | archive | dropped | certificate | stopped early | gone
    at_ns: int
    by: str
    value: Any
    format: str = RUN_FORMAT


class DataRecord(Struct, frozen=True):
    """`data/<name>/<time>-<random>.json`: a version of some data was added, or let go of."""

    kind: str  # add | rm
    name: str
    at_ns: int  # UTC
    by: str
    manifest: str  # the object that names all of it
    fingerprint: str = ""
    host: str = ""
    path: str = ""  # where it lay
    source: str = ""  # where else it can be had, in the user's words
    message: str = ""
    kept: bool = True  # False: a reference, of which the store has digests alone
    files: int = 0
    size_bytes: int = 0
    new_bytes: int = 0  # that the store grew by
    changes: dict[str, int] = field(default_factory=dict)  # against the version before
    format: str = DATA_FORMAT
    origin: dict[str, str] = field(default_factory=dict)  # what it was imported from


class CodeSent(Struct, frozen=True):
    """The code with which runs of a study begin where its folder is not seen (docs/design/048)."""

    code: CodeRecord  # its root is where it lies on the machine on which the record is read
    locks: tuple[dict[str, Any], ...] = ()  # the fact `lock`
    data: tuple[DataRecord, ...] = ()  # versions that are laid out beside it, where they lay
    format: str = SENT_FORMAT


class PaperRecord(Struct, frozen=True):
    """`papers/<commit>/<name>.json`: a paper was built of a commit, and this is how it looked."""

    commit: str
    folder: str  # of the paper, below the top of the repository; "." where it is the top
    main: str
    at_ns: int  # UTC
    pdf: str  # the object that is the PDF
    size_bytes: int  # of it
    values: str  # the object that is `generated/values.json`
    format: str = PAPER_FORMAT


_SCALARS = frozenset({str, int, float, bool, type(None)})
# Left out where they have their default, so that a field that came later renames no older record.
LATER: dict[type, dict[str, Any]] = {
    LeafRecord: {"parts": ()},
    DataRecord: {"origin": {}},
    ExecutionStart: {"shape": "", "roles": {}},
    Verdict: {"until": None, "kind": "", "remedies": ()},
    RunRecord: {"imported": None, "study": None, "trial": None},
}


def plain(value: Any) -> Any:
    """A frozen value as dicts, lists and scalars."""
    if type(value) in _SCALARS:  # most of what there is
        return value
    if isinstance(value, Struct):
        later = LATER.get(type(value), {})
        return {
            name: plain(getattr(value, name))
            for name in value.__struct_fields__
            if name not in later or getattr(value, name) != later[name]
        }
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def encode(value: Any) -> bytes:
    """The canonical JSON bytes of one of the values above."""
    return digest.canonical_json(plain(value))


def decode(data: bytes, kind: type[T], where: object = None) -> T:
    """Read one of the values above; bytes that do not fit raise Damaged, newer ones StoreTooNew."""
    try:
        value = digest.from_json(data)
        _refuse_newer(value, _format_of(kind), where)
        return msgspec.convert(value, kind)
    except StoreTooNew:
        raise
    except (msgspec.ValidationError, Damaged, ValueError) as error:
        what = f"a damaged record ({kind.__name__}): {error}"
        raise (Damaged(what, path=where) if where is not None else Damaged(what)) from error


@functools.cache
def _format_of(kind: type) -> str | None:
    """The format that a record of this kind has; some are only parts of others."""
    fields = structs.fields(kind) if isinstance(kind, type) and issubclass(kind, Struct) else ()
    return next((field.default for field in fields if field.name == "format"), None)


def _refuse_newer(value: Any, ours: str | None, where: object) -> None:
    """First of all: of a newer major version nothing else can be said."""
    theirs = value.get("format") if isinstance(value, dict) else None
    if ours is None or not isinstance(theirs, str):
        return
    word, _, major = theirs.partition(" ")
    known, _, newest = ours.partition(" ")
    if word == known and major.isdecimal() and int(major) > int(newest):
        raise StoreTooNew(
            f"a record has format {word} {int(major)}, and this version of Samebit knows {newest}",
            path=where,
            hint="install a newer Samebit",
        )
