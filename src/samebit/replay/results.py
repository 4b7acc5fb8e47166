"""Two runs' metrics, final states, checkpoints, splits, data and media, compared as bits."""

import struct
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct, field

from samebit.digest import canonical_json
from samebit.folders.media import media_of
from samebit.folders.read import View
from samebit.folders.series import Column
from samebit.folders.splits import splits_of
from samebit.folders.used import data_of
from samebit.query import media, splits, used, volatile
from samebit.records import StateManifest
from samebit.replay.pairs import leaves_of, manifest_of, twins
from samebit.states import skeleton

__all__ = [
    "Checkpoints",
    "Data",
    "Final",
    "Media",
    "Metrics",
    "Splits",
    "compare_checkpoints",
    "compare_data",
    "compare_final",
    "compare_media",
    "compare_metrics",
    "compare_splits",
    "differs",
    "is_volatile",
]

_NOTHING: Mapping[str, Collection[int]] = {}
_GENERATORS = "generators"
_BESIDE = ("progress.", "extra")  # of a checkpoint, what is no module and no optimizer


def is_volatile(name: str, view: View) -> bool:
    """Whether a metric is a fact of clock or machine, by its name or by what the run said."""
    return volatile.is_volatile(name, view.facts.get("volatile") or ())


class Metrics(Struct):
    """The comparison of two runs' metrics."""

    compared: list[str] = field(default_factory=list[str])
    points: int = 0
    differing: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    volatile: list[str] = field(default_factory=list[str])


def compare_metrics(
    recorded: View,
    replayed: View,
    *,
    cut: bool = False,
    beyond: Mapping[str, Collection[int]] = _NOTHING,
) -> Metrics:
    """Every metric of either, point by point; what is volatile is only listed.

    With `cut` the second was ended before its time: only the points that it has are compared; and
    of those only what both have, where the first broke off.
    """
    found = Metrics()
    broke_off = recorded.status != "finished"
    for rank, mine, twin in twins(recorded, replayed):
        ours, theirs = mine.metrics, twin.metrics if twin is not None else {}
        for name in [*ours, *(n for n in theirs if n not in ours)]:
            if is_volatile(name, recorded):
                found.volatile.append(rank + name)
                continue
            if cut and (name not in theirs or (broke_off and name not in ours)):
                continue
            found.compared.append(rank + name)
            step = _first_difference(
                ours.get(name),
                theirs.get(name),
                cut=cut,
                common=cut and broke_off,
                beyond=beyond.get(name, ()),
            )
            if step is not None:
                found.differing.append((rank + name, step))
            elif name in ours:
                found.points += len({*ours[name].steps} & {*theirs[name].steps})
            else:
                found.compared.remove(rank + name)  # nothing to compare it with
    found.differing.sort(key=lambda pair: pair[1])
    return found


def _first_difference(
    ours: Column | None,
    theirs: Column | None,
    *,
    cut: bool,
    common: bool,
    beyond: Collection[int],
) -> int | None:
    if theirs is None:
        return ours.steps[0] if ours is not None and ours.steps else 0
    mine = dict(zip(ours.steps, ours.values, strict=True)) if ours is not None else {}
    other = dict(zip(theirs.steps, theirs.values, strict=True))
    for step in dict.fromkeys([*(() if cut else mine), *theirs.steps]):
        if common and (step not in mine or step not in other):
            continue
        if step not in mine and step in beyond:
            continue
        if step not in mine or step not in other or not _same(mine[step], other[step]):
            return step
    return None


def _same(ours: Any, theirs: Any) -> bool:
    """Equal as bits: two NaNs with equal bits agree, 0.0 and -0.0 do not, 1 and 1.0 do not."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return struct.pack("<d", ours) == struct.pack("<d", theirs)
    return type(ours) is type(theirs) and ours == theirs


class Final(Struct, frozen=True):
    """The comparison of two final states."""

    count: int  # arrays
    differing: list[str]
    digest: str


def compare_final(recorded: View, replayed: View) -> Final | None:
    """Every final state that the run has; None where there is none or one side lacks it."""
    count, differing, digests = 0, list[str](), list[str]()
    for rank, view, twin in twins(recorded, replayed):
        for name in (name for name in view.states if name.startswith("final")):
            ours = manifest_of(view, name)
            theirs = manifest_of(twin, name) if twin is not None else None
            if ours is None or theirs is None:
                return None
            mine, other = leaves_of(ours), leaves_of(theirs)
            differing += [rank + n for n in {**mine, **other} if mine.get(n) != other.get(n)]
            if _plain_values(ours) != _plain_values(theirs):
                differing.append(f"{rank}a plain value of the state")
            count += len(mine)
            digests.append(view.states[name]["manifest"])
    return Final(count, differing, digests[0]) if digests else None


class Checkpoints(Struct, frozen=True):
    """The comparison of what both runs have of checkpoints."""

    count: int
    differing: list[str]  # the first array of each that differs


def differs(ours: StateManifest, theirs: StateManifest) -> str:
    """The first array of two checkpoints that differs, of what is compared of them; or empty."""
    mine, other = leaves_of(ours), leaves_of(theirs)
    wrong = [n for n in mine if mine[n] != other.get(n) and not n.startswith(_BESIDE)]
    return wrong[0] if wrong else ""


def compare_checkpoints(recorded: View, replayed: View) -> Checkpoints:
    """Every checkpoint that both have.

    Compared are modules and optimizers, also of those that were dropped later: a replay keeps the
    digests of all. Where the loaders stood, and what the script gave beside, is not.
    """
    count, differing = 0, list[str]()
    for rank, view, twin in twins(recorded, replayed):
        for name in (name for name in view.states if name.startswith("checkpoint ")):
            ours = manifest_of(view, name)
            theirs = manifest_of(twin, name) if twin is not None else None
            if ours is None or theirs is None:
                continue
            count += 1
            if wrong := differs(ours, theirs):
                differing.append(f"{rank}{name}: {wrong}")
    return Checkpoints(count, differing)


class Splits(Struct, frozen=True):
    """The comparison of the splits of two runs."""

    count: int  # that were compared
    differing: list[str]  # a sentence each


def compare_splits(recorded: View, replayed: View, *, cut: bool = False) -> Splits:
    """Every split of the run; with `cut` only those that both have, for its replay ended early."""
    count, differing = 0, list[str]()
    for rank, view, twin in twins(recorded, replayed):
        if twin is None:
            continue
        mine = splits_of(view)
        count += len(mine.keys() & splits_of(twin).keys() if cut else mine)
        told = splits.differences(view, twin, lacking=not cut)
        differing += [rank + line for line in told if line.partition(":")[0] in mine]
    return Splits(count, differing)


class Data(Struct, frozen=True):
    """The comparison of the data that two runs said they use."""

    count: int  # that have a fingerprint in the run
    sampled: int  # of them by a sample of their items
    differing: list[str]  # a sentence each


def compare_data(recorded: View, replayed: View, *, cut: bool = False) -> Data:
    """All data of the run that has a fingerprint; with `cut` only what the replay has, too."""
    count, sampled, differing = 0, 0, list[str]()
    for rank, view, twin in twins(recorded, replayed):
        if twin is None:
            continue
        theirs = data_of(twin)
        mine = {
            name: fact["fingerprint"]
            for name, fact in data_of(view).items()
            if fact["fingerprint"] is not None and (name in theirs or not cut)
        }
        count += len(mine)
        sampled += sum("-sample:" in one for one in mine.values())
        for name, line in used.differences(view, twin):
            if name in mine:
                differing.append(rank + line)
    return Data(count, sampled, differing)


class Media(Struct, frozen=True):
    """The comparison of what two runs logged beside numbers."""

    count: int  # things that were compared
    differing: list[tuple[str, int]]  # a sentence each, and its step
    listed: list[str]  # names whose bytes a library made: not judged


def compare_media(
    recorded: View, replayed: View, *, cut: bool = False, more: bool = False
) -> Media:
    """All of the run whose bytes follow from the logged values.

    Args:
        recorded: the run.
        replayed: its replay.
        cut: it ended before its time: what it lacks is no difference.
        more: nor is what only it has.
    """
    count, differing, listed = 0, list[tuple[str, int]](), dict[str, None]()
    for rank, view, twin in twins(recorded, replayed):
        for name, facts in media_of(view).items():
            if is_volatile(name, recorded) or not all(fact.get("exact") for fact in facts):
                listed[rank + name] = None
        if twin is None:
            continue
        for (name, step, at), (mine, other) in media.pairs(view, twin).items():
            if is_volatile(name, recorded):
                continue
            if (other is None and cut) or (mine is None and (cut or more)):
                continue
            count += 1
            if mine is None or other is None or mine.get("object") != other.get("object"):
                kind = next((fact["kind"] for fact in (mine, other) if fact is not None), "")
                where = media.place(step, at, (mine, other))
                differing.append((f"{rank}{kind} {name!r} at {where}", step))
    differing.sort(key=lambda pair: pair[1])
    return Media(count, differing, list(listed))


def _plain_values(manifest: StateManifest) -> bytes:
    """Everything of a state that is no array, but for the generators, as bytes to compare."""
    parts = skeleton.top_level(manifest.skeleton)
    return canonical_json([[k, part] for k, part in parts.items() if k != _GENERATORS])
