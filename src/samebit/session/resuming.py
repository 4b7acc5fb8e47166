"""Going on with a run: whether it may be, and at which step.

A process that resumes knows no step: its optimizer's first step is its first. Adam and most others
keep their own count in their state, which a checkpoint brings back; where there is none (SGD), the
steps go on after the last that was recorded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from samebit.errors import SamebitError, UsageError
from samebit.folders.folder import RunFolder
from samebit.session.retention import Saved

if TYPE_CHECKING:
    from samebit.folders.read import View

__all__ = [
    "Left",
    "as_recorded",
    "base_of",
    "came_further",
    "can_go_on",
    "find",
    "find_resumable",
    "goes_on",
    "left_by",
    "restored_step",
    "to_go_on_from",
]

# Those of torch that keep `step` in their state from their first step on.
_COUNTING = frozenset(
    {"Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam"}
    | {"RMSprop", "Rprop", "SparseAdam"}
)


class Left(Struct, frozen=True):
    """What earlier executions of a run came to, as far as a later one needs it."""

    counts: Mapping[int, int] = field(default_factory=dict[int, int])  # steps, by optimizer
    offsets: Mapping[int, int] = field(default_factory=dict[int, int])  # its own count before ours
    rows: Mapping[str, int] = field(default_factory=dict[str, int])  # by metric, its last step
    checkpoints: Sequence[Saved] = ()  # that are there, oldest first
    common: Sequence[str] = ()  # the names of those that every rank can go on from, oldest first
    of_others: Sequence[str] = ()  # the same, where this rank is new and has none

    def next_row(self, names: Any) -> int:
        """The step after the last that any of these metrics has."""
        return max((self.rows[name] + 1 for name in names if name in self.rows), default=0)


def find(store: Path, reference: str) -> RunFolder:
    """The run that a reference names; RunNotFound or AmbiguousRun."""
    from samebit.folders.find import find_run  # noqa: PLC0415

    return find_run(store, reference)


def find_resumable(store: Path, reference: str) -> RunFolder:
    """The run that is to go on.

    Raises:
        RunNotFound, AmbiguousRun: the reference names none, or several.
        UsageError: it is a replay, or it still goes on in a process of this machine.
    """
    # Here and below: a new run reads none, and does not wait for what reading needs.
    from samebit.folders.read import read_run  # noqa: PLC0415

    folder = find(store, reference)
    view = read_run(folder)
    if view.record.kind == "replay":
        raise UsageError(
            f"{view.id} is a replay, of run {view.record.of}; what is resumed is a run"
        )
    if running := view.processes_alive():
        raise UsageError(
            f"run {view.id} still goes on",
            processes=", ".join(map(str, running)),
            hint="resume it when it has ended",
        )
    return folder


def can_go_on(folder: RunFolder) -> bool:
    """Whether a run was cut short, nothing of it goes on, and it has a whole checkpoint."""
    from samebit.folders.read import read_run  # noqa: PLC0415

    view = read_run(folder)
    if view.status in ("running", "finished"):
        return False
    return any(_common(view, rank) for rank in view.ranks[:1])


def to_go_on_from(folder: RunFolder) -> list[list[str]]:
    """The checkpoints that every rank can go on from, newest first: the manifests of each."""
    from samebit.folders.read import read_run  # noqa: PLC0415

    view = read_run(folder)
    names = [name for rank in view.ranks[:1] for name in reversed(_common(view, rank))]
    saved = [one for rank in view.ranks for one in _checkpoints(view.at_rank(rank))]
    return [[one.manifest for one in saved if one.name == name] for name in names]


def goes_on(folder: RunFolder, further: bool) -> bool:
    """`can_go_on`, and, where it is to be `further`, `came_further`; a damaged run cannot."""
    try:
        return can_go_on(folder) and (not further or came_further(folder))
    except SamebitError:
        return False


def came_further(folder: RunFolder) -> bool:
    """Whether a run's last execution has a checkpoint behind all of those before it.

    True of a run that has only one.
    """
    from samebit.folders.read import read_run  # noqa: PLC0415

    view = read_run(folder)
    newest: list[tuple[int, int, str]] = []
    for start in view.starts:
        there = _checkpoints(view.at_execution(start.number))
        places = ((saved.count, saved.step, saved.manifest) for saved in there)
        newest.append(max(places, default=(-1, -1, "")))
    *before, last = newest
    if not before:
        return True
    most = max(before)
    has_no_steps = last[:2] == (0, 0)  # it has no optimizer, and names none
    return last != most if has_no_steps else last[:2] > most[:2]


def left_by(folder: RunFolder, rank: str) -> Left:
    """What a run has recorded so far of one rank."""
    from samebit.folders.read import read_run  # noqa: PLC0415
    from samebit.folders.steps import last_counts  # noqa: PLC0415

    whole = read_run(folder)
    if rank not in whole.ranks:
        ranks = whole.ranks
        return Left(of_others=_common(whole, ranks[0]) if ranks else ())
    view = whole.at_rank(rank)
    counts = last_counts(view.trace)
    offsets: dict[int, int] = {}
    for fact in view.all_facts("continued"):
        if fact.get("state_step") is not None:
            offsets.setdefault(fact["optimizer"], fact["state_step"] - fact["count"])
    rows = {
        name: max(steps)
        for name, column in view.metrics.items()
        if (steps := [step for step in column.steps if isinstance(step, int)])
    }
    return Left(counts, offsets, rows, _checkpoints(view), _common(whole, rank))


def as_recorded(left: Left, given: Mapping[str, Any]) -> Left:
    """What a replay's earlier executions came to, where its run has another word in it.

    They end at another step than the run's did, and a checkpoint is the one that the run went on
    from, be there a later one or not.

    Args:
        left: by the replay's own.
        given: what the replay was given; see `replay/given.py`.
    """
    counts = {int(index): count for index, count in (given.get("counts") or {}).items()}
    found = given.get("resumed")
    if found is None:
        return replace(left, counts=counts, checkpoints=(), common=(), of_others=())
    saved = Saved(found["name"], found["count"], found["manifest"], count=found["count"])
    names = [saved.name]
    return replace(left, counts=counts, checkpoints=[saved], common=names, of_others=())


def _checkpoints(view: "View") -> list[Saved]:
    return [
        Saved(
            name,
            fact.get("step", 0),
            fact["manifest"],
            fact.get("metric", (None, None))[1],
            fact.get("whole", False),
            fact.get("count", fact.get("step", 0)),
        )
        for name, fact in view.states.items()
        if name.startswith("checkpoint ") and fact.get("kept", True) and not fact.get("dropped")
    ]


def _common(view: "View", rank: str) -> list[str]:
    """Ranks that go on from different steps would train a model that never was."""
    of_ranks = [
        [saved.name for saved in _checkpoints(view.at_rank(other)) if saved.whole]
        for other in view.ranks
    ]
    mine = of_ranks[view.ranks.index(rank)]
    of_others = [names for names in of_ranks if names]
    return [name for name in mine if all(name in names for names in of_others)]


def base_of(left: Left, index: int, optimizer: Any) -> tuple[int, int | None, str]:
    """How many steps of the run an optimizer has behind it, before its first one here.

    Returns:
        the count; what the optimizer itself has counted, if anything; and which of them decided:
        `optimizer`, or `journal` where it counts nothing.
    """
    own = restored_step(optimizer)
    if own is not None and own >= left.offsets.get(index, 0):
        return own - left.offsets.get(index, 0), own, "optimizer"
    if not optimizer.state and type(optimizer).__name__ in _COUNTING:
        return 0, None, "optimizer"  # nothing was loaded into it: it begins anew
    return left.counts.get(index, 0), own, "journal"


def restored_step(optimizer: Any) -> int | None:
    """The steps that an optimizer's state says it has made; None where it says nothing.

    A count on a device is not waited for.
    """
    counts: list[int] = []
    for state in optimizer.state.values():
        step: Any = state.get("step") if isinstance(state, Mapping) else None
        if isinstance(step, (int, float)):
            counts.append(int(step))
        elif getattr(getattr(step, "device", None), "type", "") == "cpu" and step.numel() == 1:
            counts.append(int(step.item()))
    return max(counts, default=None)
