"""What commands print that look at runs: ls, show, metrics, media, diff, verify, and the like."""

from typing import Any, NotRequired, TypedDict

from samebit.cli.trials import TrialOf
from samebit.query.lacks import Lack
from samebit.records import ExecutionEnd, ExecutionStart, RunRecord, Verdict

Fact = dict[str, Any]  # as the journal has it: docs/formats/journal.md


class Row(TypedDict, total=False):
    """A run; beside these `config.<name>` and `metric.<name>`, its last value."""

    id: str
    name: str | None
    # running, finished, stopped early, failed, killed, broken off, unknown; damaged, not begun,
    # too new
    state: str
    kind: str
    of: str | None
    group: str | None
    parent: str | None
    user: str
    host: str
    started: int  # UTC, ns
    seconds: float | None
    seed: int | None
    deterministic: bool
    commit: str | None
    verdict: str | None
    missing: str | None
    steps: float | None
    cause: str | None
    ranks: int | None
    executions: int | None
    job: str | None
    tags: str
    note: str
    archived: bool
    study: str  # that had it started
    trial: int  # which of that study's, from 0
    imported: str  # tensorboard, wandb or mlflow
    project: str  # of wandb, or an experiment of MLflow
    job_type: str  # as a script told it to wandb
    damage: str  # of a run that cannot be read: why


class Execution(TypedDict):
    """One time that it was begun or gone on with."""

    start: ExecutionStart
    end: ExecutionEnd | None


class LastValue(TypedDict):
    """A metric: how many points, and the last of them."""

    points: int
    step: float
    value: Any


class DataVersion(TypedDict):
    """A version of data that holds what the run read."""

    version: str
    fingerprint: str
    files: int  # of it that were read
    of: int


class DvcFile(TypedDict):
    """What DVC keeps of that which the run read."""

    path: str
    file: str
    stage: str | None
    hash: str
    md5: str
    recorded: bool
    files: int
    of: int
    same: int
    differs: list[str]
    not_compared: list[str]


class Replaced(TypedDict):
    """Values of an execution that a later one logged again."""

    execution: int
    points: int
    since: float


class Show(TypedDict):
    """Everything that is recorded about a run."""

    run: RunRecord
    name: str | None
    state: str
    cause: str | None
    trial: TrialOf | None  # nothing where no study had it started
    ranks: list[str]
    executions: list[Execution]
    facts: Fact
    seed_calls: list[Fact]
    files: list[Fact]
    data: list[DataVersion]
    used: list[Fact]
    dvc: list[DvcFile]
    children: list[Fact]
    use: list[Fact]
    cells: list[Fact]
    splits: list[Fact]
    states: dict[str, Fact]
    metrics: dict[str, LastValue]
    media: dict[str, list[Fact]]
    schedule: list[tuple[int, int, int, Fact]]  # optimizer, step, group, what changed
    replaced: list[Replaced]
    steps: int
    missing: list[Lack]
    verdicts: list[Verdict]


class Scalar(TypedDict):
    """A scalar of an optimizer: from which step on it had which value."""

    optimizer: int
    group: int | None  # nothing: the loss scaler's
    name: str
    steps: list[int]
    values: list[Any]
    last_step: int
    words: NotRequired[str]
    segments: NotRequired[list[dict[str, Any]]]  # kind, begin, until, start, end, and what it has


class Process(TypedDict):
    """What one process's optimizers used."""

    rank: str
    scalars: list[Scalar]


class Schedules(TypedDict):
    """With --schedule: every scalar with its exact changes."""

    run: str
    tolerance: float
    schedulers: list[Fact]
    processes: list[Process]


class Points(TypedDict):
    """A metric: three lists of equal length."""

    step: list[float]
    time: list[str]  # UTC
    value: list[Any]


class MediaItem(TypedDict):
    """A thing that was logged beside numbers."""

    name: str
    step: int
    at: int
    kind: str
    type: str
    caption: str | None
    about: dict[str, Any]
    object: str
    size_bytes: int
    kept: bool
    exact: bool


class Diff(TypedDict):
    """What differs between two runs, a sentence each; an empty list where nothing does."""

    a: str
    b: str
    config: list[str]
    code: list[str]
    data: list[str]
    splits: list[str]
    randomness: list[str]
    environment: list[str]
    results: list[str]
    media: list[str]
    trace: list[str]
    odd: NotRequired[list[str]]


class OpEntry(TypedDict):
    """An operation as one of the runs did it."""

    name: str
    shapes: list[Any]
    scalars: list[Any]
    module: str | None
    node: str | None
    line: str | None


class Op(TypedDict):
    """The first operation that differs; a and b are missing where none was found."""

    kind: str | None
    what: str | None
    operation: int | None
    operations: list[int]
    step: int | None
    remarks: list[str]
    a: NotRequired[OpEntry | None]
    b: NotRequired[OpEntry | None]


class DiffOp(TypedDict):
    """With --op."""

    a: str
    b: str
    op: Op | None


class Doctor(TypedDict):
    """What a script's record would lack."""

    steps: int
    status: str
    lacks: list[Lack]
    hazards: list[Lack]
    verdict: Verdict | None


class PlannedExecution(TypedDict):
    """One that is run again."""

    number: int
    words: list[str]
    until: int | None
    went_on_from: list[str]


class PlannedInput(TypedDict):
    """A file that the replay reads."""

    path: str
    size_bytes: int
    digest: str | None
    version: str | None
    laid_out: bool
    cached: str | None


class Plan(TypedDict):
    """With --plan: what a replay needs, and what of it is here."""

    run: str
    how: str
    words: list[str]
    code: int
    executions: list[PlannedExecution]
    executions_left_out: list[str]
    inputs: list[PlannedInput]
    outputs: list[str]
    variables_set: list[str]
    differences: list[str]
    blockers: list[str]


class Thing(TypedDict):
    """What was asked for."""

    asked: str
    kind: str
    nodes: list[str]
    notes: list[str]


class NodeName(TypedDict):
    """A name that a content had, and whether it lies there now."""

    name: str
    now: str | None


class Node(TypedDict):
    """A run or a content."""

    node: str
    kind: str
    upstream: bool
    downstream: bool
    # Of a run:
    name: NotRequired[str | None]
    of: NotRequired[str | None]
    parent: NotRequired[str | None]
    group: NotRequired[str | None]
    command: NotRequired[str]
    started: NotRequired[int]
    state: NotRequired[str]
    verdict: NotRequired[str | None]
    # Of a content:
    digest: NotRequired[str | None]
    size_bytes: NotRequired[int | None]
    names: NotRequired[list[NodeName]]


class Lineage(TypedDict):
    """Which run made what, upstream and downstream of a thing."""

    thing: Thing
    nodes: list[Node]
    edges: list[dict[str, Any]]
    unreadable: list[Row]
