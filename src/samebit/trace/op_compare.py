"""The first operation of two logs that differs, and what that means. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from samebit.trace.ops import COLLECTIVES, NO_EVIDENCE, Entry

__all__ = ["Found", "compare_ops"]


class Found(Struct, frozen=True):
    """Where two logs part."""

    kind: str  # op | control flow | value | generator | outside
    what: str  # one sentence
    at: int  # the entry's number, from 0
    ours: Entry | None  # None where the first log has ended
    theirs: Entry | None


def compare_ops(ours: Sequence[Entry], theirs: Sequence[Entry]) -> Found | None:
    """The first entries that differ; None where every entry of both agrees."""
    for at, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        found = _differs(mine, other)
        if found is not None:
            kind, what = found
            return Found(kind, what + _beside(ours[:at]) * (kind == "outside"), at, mine, other)
    if len(ours) == len(theirs):
        return None
    at = min(len(ours), len(theirs))
    longer, which = (ours, "first") if len(ours) > at else (theirs, "second")
    what = f"only the {which} run goes on, with {_at(longer[at])}"
    return Found(
        "control flow", what, at, *(log[at] if len(log) > at else None for log in (ours, theirs))
    )


def _differs(mine: Entry, other: Entry) -> tuple[str, str] | None:
    elsewhere = mine.line != other.line and mine.scalars != other.scalars
    if mine.name != other.name or mine.shapes != other.shapes or elsewhere:
        return "control flow", f"{_at(mine)} in the first run, {_at(other)} in the second"
    if mine.scalars != other.scalars:
        pairs = [(a, b) for a, b in zip(mine.scalars, other.scalars, strict=False) if a != b]
        values = f"{pairs[0][0]} and {pairs[0][1]}" if pairs else "other arguments"
        return "value", f"{_at(mine)} was given {values}"
    if mine.generator != other.generator:
        return "generator", f"{_at(mine)} found its generator in another state"
    if not _same(mine.inputs, other.inputs):
        return "outside", f"{_at(mine)} was given other values, which no operation before it made"
    if not _same(mine.outputs, other.outputs):
        return "op", f"{_at(mine)} gave other bits for the same input"
    return None


def _beside(before: Sequence[Entry]) -> str:
    """The collective whose result it may be: it goes on beside the script, and none is noted."""
    for entry in reversed(before):
        if entry.name.partition(".")[0] in COLLECTIVES:
            return f"; {_at(entry)} went on beside it"
    return ""


def _same(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    return len(ours) == len(theirs) and all(
        a == b or NO_EVIDENCE in (a, b) for a, b in zip(ours, theirs, strict=True)
    )


def _at(entry: Entry) -> str:
    """`aten.mm of float32[10, 32], float32[32, 256] in AddmmBackward0 (train.py:31)`."""
    name = entry.name.removesuffix(".default")
    of = f" of {', '.join(entry.shapes[:3])}" if entry.shapes else ""
    inside = " in ".join(["", *filter(None, (entry.node, entry.module))])
    return f"{name}{of}{inside}" + (f" ({entry.line})" if entry.line else "")
