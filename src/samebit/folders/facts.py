"""The shape that each fact of a journal has, checked where it is read and nowhere else.

A fact is a name and a plain value, and anybody may have written it: an older version, a newer one,
a stranger. Whoever reads a fact of a name listed here finds the keys of its shape, of these types,
and those that are not required perhaps; what does not fit is left out, and said. Keys that are not
listed stay as they are, and a fact of another name may be any plain value.
"""

from typing import Any, Literal, NotRequired, TypedDict

import msgspec

from samebit.errors import Damaged
from samebit.folders.bounds import Count, FilePath, Text, Variable
from samebit.folders.data_facts import (
    FILES,
    ArtifactFact,
    DataFact,
    FileFact,
    FitFact,
    FittedFact,
    MediaFact,
    SplitFact,
)
from samebit.journal.values import is_plain, unwrap
from samebit.records import CodeRecord

__all__ = [
    "MANY",
    "ImportedFact",
    "SeedCallFact",
    "StateFact",
    "TakenFact",
    "read_fact",
]

# Facts of which every one counts; of the others the last one does.
MANY = frozenset(
    {
        "artifact",
        "cell",
        "child",
        "continued",
        "data",
        "dropped",
        "entropy",
        "digested",
        "epoch",
        "file",
        "fit",
        "fitted",
        "generator",
        "joined",
        "media",
        "problem",
        "process",
        "rate",
        "resumed",
        "scheduler",
        "seed_call",
        "split",
        "state",
        "taken",
        "trace",
        "unseeded",
        "use",
    }
)


class StateFact(TypedDict):
    """A state that was stored."""

    name: str
    manifest: str
    execution: NotRequired[int]
    optimizer: NotRequired[int]
    step: NotRequired[int]
    size_bytes: NotRequired[int]
    kept: NotRequired[bool]
    # Of a checkpoint:
    count: NotRequired[int]
    epoch: NotRequired[int]
    batch: NotRequired[int]
    whole: NotRequired[bool]
    metric: NotRequired[tuple[str, bool | int | float | str | None]]
    dropped: NotRequired[bool]  # as readers conclude it


class _DroppedFact(TypedDict):
    name: str
    manifest: str


class _ChildFact(TypedDict):
    command: list[str]
    cwd: NotRequired[str | None]
    pid: NotRequired[int]
    watched: NotRequired[bool]


class SeedCallFact(TypedDict):
    """The script seeded a library: with what, and where that stands."""

    library: str
    value: bool | int | float | str | None
    at: str
    through: NotRequired[str]
    like: NotRequired[Literal["time", "pid"]]


class _ProblemFact(TypedDict):
    what: str
    detail: str


class _ProcessFact(TypedDict):
    pid: int
    pid_started: int
    boot: str
    execution: int
    argv: NotRequired[list[str]]


class _JoinedFact(TypedDict):
    rank: str
    execution: int
    process: NotRequired[str]
    launched: NotRequired[bool]
    restart: NotRequired[int]


class _JobFact(TypedDict):
    number: int
    arguments: list[Text]
    replaces: Count
    sweep: Text
    whole: bool


class _ContinuedFact(TypedDict):
    execution: int
    optimizer: int
    count: int
    by: Literal["optimizer", "journal", "checkpoint"]
    state_step: NotRequired[int | None]


class _ResumedFact(TypedDict):
    execution: int
    name: str
    manifest: str
    count: int


class _TraceFact(TypedDict):
    groups: list[str]
    algorithm: NotRequired[str]


class _DigestedFact(TypedDict):
    group: str
    algorithm: str


class _RateFact(TypedDict):
    optimizer: int
    count: int
    k: int
    data: NotRequired[int]


class _EndFact(TypedDict):
    execution: int
    status: Literal["finished", "failed", "killed"]
    signal: NotRequired[str | None]


class _StoppedFact(TypedDict):
    why: Literal["asked", "parted"]
    count: int | None


_SchedulerFact = TypedDict(
    "_SchedulerFact", {"optimizer": int | None, "class": str, "values": dict[str, Any]}
)


class _AskedFact(TypedDict):
    seed: NotRequired[int | None]
    deterministic: NotRequired[bool]


class _SourcesFact(TypedDict):
    path: list[Text]
    modules: list[tuple[str, FilePath, str]]
    edited: NotRequired[list[tuple[FilePath, str | None, str | None]]]
    left_out: NotRequired[list[str]]


class _GeneratorFact(TypedDict):
    rank: str
    library: str
    state: Any


class _UnseededFact(TypedDict):
    rank: str
    kind: str
    what: str
    seed: Any
    at: NotRequired[str]
    through: NotRequired[str]
    place: NotRequired[str]
    count: NotRequired[int]


class _EntropyFact(TypedDict):
    what: str
    at: str
    through: str


class _EpochFact(TypedDict):
    rank: str
    place: str
    generators: dict[str, Any]
    seeds: dict[str, Any]
    states: NotRequired[dict[str, Any]]
    at: NotRequired[str]
    epoch: NotRequired[int]
    order: NotRequired[str]
    loader: NotRequired[dict[str, Any]]


class ImportedFact(TypedDict):
    """What is known of a run of another tool, as it was read last."""

    where: str
    status: str
    by: NotRequired[str]
    version: NotRequired[str]
    digest: NotRequired[str]
    said: NotRequired[dict[str, Any]]


class TakenFact(TypedDict):
    """How much of each series of an execution was read: points, and their digest."""

    execution: int
    series: NotRequired[dict[str, tuple[int, str]]]
    machine: NotRequired[dict[str, tuple[int, str]]]
    things: NotRequired[dict[str, tuple[int, str]]]


class _ConfigSourcesFact(TypedDict):
    made_by: NotRequired[list[dict[str, Any]]]
    values: dict[str, str]


class _CellFact(TypedDict):
    text: str
    number: NotRequired[int | None]


class _LockFact(TypedDict):
    path: str
    digest: str


class _PackagesFact(TypedDict):
    versions: NotRequired[dict[str, str]]


class _ProcessorFact(TypedDict):
    quota: NotRequired[float | None]
    flags: NotRequired[list[Any] | None]


class _MachineFact(TypedDict):
    cpu: NotRequired[_ProcessorFact]
    gpus: NotRequired[list[Any]]
    system: NotRequired[dict[str, Any] | None]
    memory_bytes: NotRequired[float | None]


class _InstalledFact(TypedDict):
    """Files that are not as they were installed, by path: the name of what is kept of each."""

    edited: dict[str, str | None]
    added: NotRequired[dict[str, str | None]]


_ModelFact = TypedDict(
    "_ModelFact", {"name": str, "class": str, "parameters": int, "trainable": int}
)


class _ParameterGroup(TypedDict):
    hyper: dict[str, Any]


_OptimizerFact = TypedDict("_OptimizerFact", {"class": str, "groups": list[_ParameterGroup]})


class _BatchFact(TypedDict):
    effective: int | None
    micro: int | None
    accumulation: int | None
    world: int


class _EpochsFact(TypedDict):
    begun: int
    finished: int


class _PrecisionFact(TypedDict):
    parameters: NotRequired[list[str]]
    autocast: NotRequired[list[str]]
    float32_matmul: NotRequired[str]


class _ClippingFact(TypedDict):
    kind: str
    calls: int


class _LossScalingFact(TypedDict):
    enabled: NotRequired[bool | None]
    scale: NotRequired[float | None]
    steps: int
    skipped: int


class _TrainingFact(TypedDict):
    """What the training showed of itself."""

    models: NotRequired[list[_ModelFact]]
    optimizers: NotRequired[list[_OptimizerFact]]
    batch: NotRequired[_BatchFact | None]
    epochs: NotRequired[_EpochsFact | None]
    samples: NotRequired[int | None]
    precision: NotRequired[_PrecisionFact | None]
    clipping: NotRequired[list[_ClippingFact]]
    loss_scaling: NotRequired[_LossScalingFact | None]


class _UseFact(TypedDict):
    """What a process took."""

    wall_s: float
    cpu_s: NotRequired[float | None]
    peak_rss_bytes: NotRequired[int | None]
    peak_with_children_bytes: NotRequired[int | None]


_SHAPES: dict[str, Any] = {
    "artifact": ArtifactFact,
    "asked": _AskedFact,
    "cell": _CellFact,
    "child": _ChildFact,
    "code": CodeRecord,
    "config_sources": _ConfigSourcesFact,
    "continued": _ContinuedFact,
    "data": DataFact,
    "digested": _DigestedFact,
    "dropped": _DroppedFact,
    "end": _EndFact,
    "entropy": _EntropyFact,
    "epoch": _EpochFact,
    "exception": str,
    "fit": FitFact,
    "fitted": FittedFact,
    "generator": _GeneratorFact,
    "imported": ImportedFact,
    "installed": _InstalledFact,
    "interpreter": dict[str, Any],
    "job": _JobFact,
    "joined": _JoinedFact,
    "lock": list[_LockFact],
    "machine": _MachineFact,
    "main": int,
    "media": MediaFact,
    "packages": _PackagesFact,
    "problem": _ProblemFact,
    "scheduler": _SchedulerFact,
    "process": _ProcessFact,
    "rate": _RateFact,
    "resumed": _ResumedFact,
    "searched": dict[str, bool | int | float | str],
    "seed_call": SeedCallFact,
    "seeds": dict[str, Any],
    "settings": dict[str, Any],
    "settings_changed": dict[str, tuple[Any, Any]],
    "sources": _SourcesFact,
    "split": SplitFact,
    "state": StateFact,
    "stopped": _StoppedFact,
    "taken": TakenFact,
    "trace": _TraceFact,
    "training": _TrainingFact,
    "unseeded": _UnseededFact,
    "unseen": list[str],
    "use": _UseFact,
    "variables": dict[Variable, Text],
    "volatile": list[str],
}


def read_fact(name: str, written: object) -> Any:
    """A fact's value as it was before it was made fit for a frame; Damaged if it has no such shape.

    What is checked is what the readers here rely on. The value itself comes back, not a copy of
    what is known of it.
    """
    if not is_plain(written):
        raise _odd(name, "it holds something that is no plain value")
    value = unwrap(written)
    try:
        shape = _SHAPES.get(name)
        if name == "file":
            msgspec.convert(value, FileFact)
            shape = FILES[value["how"]]
        if shape is not None:
            msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _odd(name, str(error)) from error
    except UnicodeEncodeError as error:  # it tells a text that stands where none may
        raise _odd(name, "it holds a text where there is none") from error
    return value


def _odd(name: str, why: str) -> Damaged:
    return Damaged(f"the fact {name!r} has a shape that this version does not know: {why}")
