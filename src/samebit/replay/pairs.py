"""Which part of a run is compared with which part of another: rank by rank, process by process."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from samebit.errors import SamebitError
from samebit.folders.read import View
from samebit.folders.steps import TraceRow, steps_of
from samebit.folders.streams import FACE, OTHERS
from samebit.objects.store import Store
from samebit.records import StateManifest
from samebit.replay.executions import Part
from samebit.states import storing
from samebit.trace import compare
from samebit.trace.compare import Divergence, Matched, Side
from samebit.trace.leaves import Row, read_leaves

__all__ = [
    "Pair",
    "compare_part",
    "compare_traces",
    "lacking",
    "leaves_of",
    "main_step",
    "manifest_of",
    "rank_of",
    "twins",
]

_GENERATORS = "generators"


def compare_traces(ours: View, theirs: View, *, cut: bool = False) -> Matched:
    """The first difference of two runs, each rank compared with the same rank.

    With `cut` the second was ended before its time, or goes on: what it lacks is no difference.
    """
    return compare.compare_ranks(_sides(ours, theirs), _sides(theirs, ours), cut=cut)


class Pair(Struct, frozen=True):
    """An execution of a run that was resumed, and the same of its replay."""

    part: Part
    replayed: View  # of this execution alone

    @property
    def recorded(self) -> View:
        """What the run recorded in this execution."""
        return self.part.view


def compare_part(pair: Pair, *, cut: bool) -> Matched:
    """The first difference of two executions, also in steps that a later one made again.

    With `cut` the replay of this one was ended before its time, or goes on. That of an execution
    which a later one took over ends where that one began: only up to there it must have all steps.
    """
    part = pair.part
    matched = compare_traces(pair.recorded, pair.replayed, cut=cut or not part.is_last)
    found = matched.divergence
    if not part.is_last and found is not None and found.cause == "length":
        matched, found = replace(matched, divergence=None), None
    if found is None and not part.is_last and not cut:
        found = lacking(pair)
    if found is not None:
        found = replace(found, execution=part.number)
    return replace(matched, divergence=found)


def lacking(pair: Pair) -> Divergence | None:
    """The first step that counts of an execution and that its replay does not have."""
    theirs = pair.replayed.traces
    for rank, rows in pair.recorded.traces.items():
        has = set(steps_of(theirs.get(rank, ())))
        for optimizer, count in steps_of(rows):
            counts = count <= pair.part.limits.get(optimizer, count)
            if counts and (optimizer, count) not in has:
                what = "the second run has no such step"
                return Divergence(count, "length", what, optimizer=optimizer)
    return None


def rank_of(label: str) -> str:
    """The rank that a difference names, also where it names one of its processes."""
    return label.partition(",")[0].removeprefix("rank ") or "0"


def main_step(view: View, at: tuple[int, int], label: str) -> int:
    """The main optimizer's step by which an optimizer has made one of its own; at least 1.

    Args:
        view: whose trace is looked at.
        at: the optimizer, and its step.
        label: the rank as a difference names it; empty where there is one.
    """
    (optimizer, step), main, before = at, view.facts.get("main", 0), 0
    if optimizer == main:
        return max(1, step)
    for its, count in steps_of(view.traces.get(rank_of(label), view.trace)):
        before = count if its == main else before
        if (its, count) == at:
            break
    return before + 1


def _sides(view: View, other: View) -> dict[str, Side]:
    """What the comparison of traces needs to know of a run, by rank, or by process."""
    algorithms = [traced.get("algorithm") for traced in view.all_facts("trace")]
    algorithm = algorithms[-1] if algorithms else None
    on_devices = frozenset(said["group"] for said in view.all_facts("digested"))
    sides: dict[str, Side] = {}
    for rank, rows in (view.traces or {FACE: []}).items():
        beginning = f"rank {rank}, " if len(view.traces) > 1 else ""
        for process in _processes(view, other, rank):
            part = view.at_process(rank, process)
            if part.trace:
                sides[beginning + process] = _side(part, rank, part.trace, algorithm, on_devices)
        if not _processes(view, other, rank):
            alone = view.at_rank(rank) if rank in view.ranks else view
            sides[rank] = _side(alone, rank, rows, algorithm, on_devices)
    return sides


def _side(
    view: View,
    rank: str,
    rows: Sequence[TraceRow],
    algorithm: str | None,
    on_devices: frozenset[str],
) -> Side:
    manifest = manifest_of(view, "step 0")
    initial = leaves_of(manifest) if manifest is not None else None
    return Side(
        rows,
        lambda: [schedule for schedule in view.schedules if schedule.rank == rank],
        initial,
        algorithm,
        lambda: _leaves(view, rank),
        on_devices,
    )


def _leaves(view: View, rank: str) -> Mapping[tuple[int, int], Row]:
    try:
        return read_leaves(view.folder.trace, rank)
    except (SamebitError, OSError):
        return {}  # what it says beside the trace is no part of a verdict


def twins(recorded: View, replayed: View) -> list[tuple[str, View, View | None]]:
    """Each rank that recorded, as what is said of it begins, with its twin in the replay.

    Where a rank was several processes, each of them and what their children wrote: two that ran at
    the same time have no order of their own.
    """
    found: list[tuple[str, View, View | None]] = []
    for rank in recorded.ranks:
        several = len(recorded.ranks) > 1
        processes = _processes(recorded, replayed, rank)
        is_there = rank in replayed.ranks
        for process in processes:
            label = ", ".join([f"rank {rank}"] * several + [process] * bool(process))
            twin = replayed.at_process(rank, process) if is_there else None
            found.append((label + ": " * bool(label), recorded.at_process(rank, process), twin))
        if not processes:
            twin = replayed.at_rank(rank) if is_there else None
            found.append((f"rank {rank}: " * several, recorded.at_rank(rank), twin))
    return found or [("", recorded, replayed)]


def _processes(ours: View, theirs: View, rank: str) -> list[str]:
    """A rank's processes, to be compared one by one; none where the two name them otherwise."""
    names = ours.processes(rank)
    if not names or sorted(names) != sorted(theirs.processes(rank)):
        return []
    return [*names, OTHERS]


def manifest_of(view: View, name: str) -> StateManifest | None:
    """The manifest of one of a run's states; None where there is none, or none to be read."""
    if name not in view.states:
        return None
    try:
        return storing.read_manifest(Store(view.folder.store), view.manifest(name))
    except SamebitError:
        return None


def leaves_of(manifest: StateManifest) -> dict[str, str]:
    """Leaf names to what they hold; generators are compared by the trace, stream by stream."""
    return {
        name: f"{leaf.dtype} {leaf.shape} {leaf.digest}"
        for name, leaf in manifest.leaves.items()
        if not name.startswith(_GENERATORS)
    }
