"""How the data that two runs said they use differs, in sentences; paired by name."""

from collections.abc import Iterator

from samebit.folders.data_facts import DataFact
from samebit.folders.read import View
from samebit.folders.used import data_of

__all__ = ["differences", "short_fingerprint"]

_NAMED = 8  # digits of a fingerprint
_PARTS = 4  # that are named


def differences(first: View, second: View) -> Iterator[tuple[str, str]]:
    """The name and one sentence of all data that differs, or that only one has.

    Data that neither could take the fingerprint of is no difference; nothing is known of it.
    """
    ours, theirs = data_of(first), data_of(second)
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        mine, other = ours.get(name), theirs.get(name)
        if mine is None or other is None:
            yield name, f"{name}: {_short(mine)} → {_short(other)}"
        elif mine["fingerprint"] != other["fingerprint"]:
            yield name, f"{name}: {_short(mine)} → {_short(other)}{_more(mine, other)}"


def short_fingerprint(name: str | None) -> str:
    """`table:1a2b3c4d` of the whole name."""
    if name is None:
        return "no fingerprint"
    kind, _, digits = name.removeprefix("fp1:").rpartition(":")
    return f"{kind}:{digits[:_NAMED]}"


def _short(fact: DataFact | None) -> str:
    return "not there" if fact is None else short_fingerprint(fact["fingerprint"])


def _more(mine: DataFact, other: DataFact) -> str:
    """How many rows each has, and which columns or members differ."""
    said: list[str] = []
    if mine.get("rows") != other.get("rows"):
        said.append(f"{_count(mine)} → {_count(other)} rows")
    if mine["what"] != other["what"]:
        said.append(f"{mine['what']} → {other['what']}")
    ours, theirs = mine.get("parts", {}), other.get("parts", {})
    parts = [n for n in dict.fromkeys((*ours, *theirs)) if ours.get(n) != theirs.get(n)]
    if parts and len(parts) < max(len(ours), len(theirs)):
        more = f" and {len(parts) - _PARTS} more" if len(parts) > _PARTS else ""
        said.append(f"only {', '.join(parts[:_PARTS])}{more}")
    return f" ({', '.join(said)})" if said else ""


def _count(fact: DataFact) -> str:
    rows = fact.get("rows")
    return f"{rows:,}" if rows is not None else "unknown"
