"""How the splits of two runs differ, in sentences; each is paired with that of the same name.

Rows are the same where their ids are, whatever their numbers: data that came in another order, and
was split so that each part has the same rows in the same order, is no difference.
"""

from collections.abc import Iterator
from typing import Any

from samebit.data.recorded import RecordedSplit
from samebit.errors import SamebitError
from samebit.folders.data_facts import SplitFact
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.objects.store import Store
from samebit.query.used import short_fingerprint
from samebit.records import SplitManifest, SplitPart

__all__ = ["differences"]


def differences(first: View, second: View, *, lacking: bool = True) -> list[str]:
    """One sentence for each split that differs.

    Args:
        first: a run.
        second: the other.
        lacking: whether a split that only one has is a difference.
    """
    ours, theirs = splits_of(first), splits_of(second)
    found: list[str] = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        mine, other = ours.get(name), theirs.get(name)
        if mine is None or other is None:
            if lacking:
                found.append(f"{name}: {_sizes(mine)} → {_sizes(other)}")
            continue
        if mine["manifest"] != other["manifest"]:
            found += [f"{name}: {line}" for line in _of_one(first, second, mine, other)]
    return found


def _sizes(fact: SplitFact | None) -> str:
    if fact is None:
        return "not there"
    return ", ".join(f"{name} {rows:,}" for name, rows, _ in fact["parts"]) or "no parts"


def _of_one(first: View, second: View, mine: SplitFact, other: SplitFact) -> Iterator[str]:
    names = [[part[0] for part in fact["parts"]] for fact in (mine, other)]
    if names[0] != names[1]:
        yield f"parts {', '.join(names[0])} → {', '.join(names[1])}"
        return
    try:
        ours, theirs = _opened(first, mine), _opened(second, other)
        lines = list(_rows(ours, theirs))
    except SamebitError as error:
        same = [list(part) for part in mine["parts"]] == [list(part) for part in other["parts"]]
        said = "row numbers are the same" if same else "row numbers differ"
        yield f"{said}; more is not known: {error.what}"
        return
    if lines:
        yield "; ".join(lines) + _why(ours.manifest, theirs.manifest)


def _opened(view: View, fact: SplitFact) -> RecordedSplit:
    return RecordedSplit(Store(view.folder.store), view.id, fact["name"], fact["manifest"], None)


def _rows(ours: RecordedSplit, theirs: RecordedSplit) -> Iterator[str]:
    """What is other of each part; nothing where all parts have the same rows in the same order."""
    pairs = list(zip(ours.manifest.parts, theirs.manifest.parts, strict=True))
    by_id = all(one.ids_set is not None for pair in pairs for one in pair)
    data = ours.manifest.data, theirs.manifest.data
    if not by_id and data[0].fingerprint != data[1].fingerprint:
        names = [short_fingerprint(one.fingerprint) for one in data]
        yield f"of other data, {names[0]} → {names[1]}"
    for mine, other in pairs:
        sets, orders = _names(mine, by_id=by_id), _names(other, by_id=by_id)
        if sets == orders:
            continue
        if sets[0] == orders[0]:
            yield f"{mine.name} has its rows in another order"
        else:
            yield f"{mine.name} has {_sizes_of(mine, other)}{_others(ours, theirs, mine)}"


def _sizes_of(mine: SplitPart, other: SplitPart) -> str:
    return "other rows" if mine.rows == other.rows else f"{mine.rows:,} → {other.rows:,} rows"


def _names(part: SplitPart, *, by_id: bool) -> tuple[Any, Any]:
    return (part.ids_set, part.ids_order) if by_id else (part.set, part.order)


def _others(ours: RecordedSplit, theirs: RecordedSplit, part: SplitPart) -> str:
    """How many rows of a part the other one lacks."""
    lacking = ours.rows_not_in(theirs, part.name)
    return f", {lacking:,} of {part.rows:,} are not in the other" if lacking else ""


def _why(ours: SplitManifest, theirs: SplitManifest) -> str:
    """What was asked for otherwise, where anything was."""
    found: list[str] = []
    if ours.seed != theirs.seed:
        found.append(f"seed {_shown(ours.seed)} → {_shown(theirs.seed)}")
    for name in dict.fromkeys((*ours.parameters, *theirs.parameters)):
        before, after = ours.parameters.get(name), theirs.parameters.get(name)
        if before != after:
            found.append(f"{name} {_shown(before)} → {_shown(after)}")
    if not found and ours.seed is None and ours.generator != theirs.generator:
        found.append("its generator was in another state")
    return f" ({', '.join(found)})" if found else ""


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
