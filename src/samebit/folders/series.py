"""What a run recorded step by step, as its readers see it: metrics, fingerprints, schedules."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

__all__ = ["Changes", "Column", "Schedule", "TraceRow"]


@dataclass(frozen=True)
class Column:
    """One metric: three lists of equal length, in order of step's first writing."""

    steps: list[int]
    times_ns: list[int]
    values: list[Any]


@dataclass(frozen=True)
class TraceRow:
    """The fingerprints of one step: group name to eight bytes."""

    optimizer: int
    count: int
    groups: dict[str, bytes]


@dataclass(frozen=True)
class Changes:
    """One scalar: from which step of its optimizer on it had which value."""

    counts: list[int]
    values: list[Any]


@dataclass(frozen=True)
class Schedule:
    """Every scalar of one process's optimizers, by (optimizer, group, name).

    Group -1 is the loss scaler's: `scale`, and `skipped`, how many steps it has kept back.
    """

    rank: str
    scalars: dict[tuple[int, int, str], Changes]

    def at(self, optimizer: int, count: int) -> dict[tuple[int, str], Any]:
        """What each scalar was in a step, by (group, name)."""
        return {
            (group, name): changes.values[bisect_right(changes.counts, count) - 1]
            for (index, group, name), changes in self.scalars.items()
            if index == optimizer and changes.counts[0] <= count
        }

    def rows(self) -> list[tuple[int, int, int, dict[str, Any]]]:
        """(optimizer, count, group, scalars that changed), by optimizer and count."""
        found: dict[tuple[int, int, int, int], dict[str, Any]] = {}
        for (optimizer, group, name), changes in self.scalars.items():
            before, again = 0, 0
            for count, value in zip(changes.counts, changes.values, strict=True):
                # A scalar changes twice at one count where the step between was skipped.
                before, again = count, again + 1 if count == before else 0
                found.setdefault((optimizer, count, again, group), {})[name] = value
        return [(key[0], key[1], key[3], found[key]) for key in sorted(found)]
