"""`wandb.log`: which step a row has, and what of it `Run.log` is given.

wandb numbers its rows itself, and draws a metric over another one where `define_metric` says so.
Here that other one is the metric's step, wherever its value is a whole number; without it a row has
wandb's own number, or the `step` that it was given.
"""

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from samebit.compat.wandb.faults import Error
from samebit.compat.wandb.media import for_log
from samebit.journal.values import plain_number

__all__ = [
    "OPS",
    "Definition",
    "History",
    "Metric",
    "definition_of",
    "make_definition",
    "read_definition",
]

OPS = ("min", "max", "mean", "best", "last", "copy", "none", "first")
_PLAIN = frozenset({float, int, bool, str})

Write = Callable[[dict[str, Any], int], None]
Plan = tuple[tuple[str | None, tuple[str, ...]], ...]  # (the metric that is the step, the names)


class Definition(Struct, frozen=True):
    """What `define_metric` said of a name, or of all that begin so (`val/*`)."""

    name: str
    step_metric: str | None = None
    summary: tuple[str, ...] = ()
    goal: str = ""
    syncs: bool = True  # a row without the step metric has its last value

    def plain(self) -> dict[str, Any]:
        """As it is told in the record; see `read_definition`."""
        return {
            "name": self.name,
            "step_metric": self.step_metric,
            "summary": list(self.summary),
            "goal": self.goal,
            "syncs": self.syncs,
        }

    def fits(self, name: str) -> bool:
        """Whether it is of this name."""
        return name == self.name or (self.name[-1:] == "*" and name.startswith(self.name[:-1]))


class Metric:
    """What `define_metric` gives back."""

    def __init__(self, name: str) -> None:
        self.name = name


def make_definition(
    name: Any,
    step_metric: Any = None,
    step_sync: bool | None = None,
    hidden: bool | None = None,
    summary: str | None = None,
    goal: str | None = None,
    overwrite: bool | None = None,
) -> Definition:
    """Check what `define_metric` was given; Error where wandb raises it."""
    if not name or not isinstance(name, str):
        raise Error(f"Unhandled define_metric() arg: name type: {type(name).__name__}")
    if "*" in name[:-1]:
        raise Error(f"Unhandled define_metric() arg: name (glob suffixes only): {name}")
    step = getattr(step_metric, "name", step_metric)
    if step is not None and not isinstance(step, str):
        raise Error(f"Unhandled define_metric() arg: step_metric type: {type(step).__name__}")
    ops = tuple(op.strip().lower() for op in (summary or "").split(",") if op.strip())
    for op in ops:
        if op not in OPS:
            raise Error(f"Unhandled define_metric() arg: summary op: {op}")
    wanted = (goal or "").lower()
    if wanted not in ("", "min", "max", "minimize", "maximize"):
        raise Error(f"Unhandled define_metric() arg: goal: {goal}")
    return Definition(name, step or None, ops, wanted[:3], step_sync is not False)


def read_definition(said: Any) -> Definition:
    """The way back; of what anybody may have written nothing that is no text."""
    found: dict[str, Any] = said if isinstance(said, dict) else {}
    step, summary = found.get("step_metric"), found.get("summary")
    return Definition(
        str(found.get("name", "")),
        str(step) if step else None,
        tuple(map(str, summary)) if isinstance(summary, list) else (),
        str(found.get("goal", "")),
        found.get("syncs") is not False,
    )


def definition_of(name: str, definitions: Iterable[Definition]) -> Definition | None:
    """The one that counts for a name: its own, else the longest pattern that fits."""
    fitting = [one for one in definitions if one.fits(name)]
    return max(fitting, key=lambda one: (one.name == name, len(one.name)), default=None)


class History:
    """The rows of one run.

    Args:
        write: `Run.log`.
        first: wandb's number for the next row.
        met: is told the names of a row that has others than those before, or again after
            `plan_anew`.
    """

    def __init__(
        self, write: Write, first: int = 0, met: Callable[[Iterable[str]], None] | None = None
    ) -> None:
        self.step = first
        self.names: dict[tuple[str, ...], None] = {}  # that were logged, as paths
        self.definitions: dict[str, Definition] = {}
        self._write = write
        self._met = met
        self._numbers = itertools.count(first)  # its `next` is atomic: two threads may log
        self._plans: dict[tuple[str, ...], Plan | None] = {}
        self._last_steps: dict[str, int] = {}

    def add(self, data: Mapping[str, Any], step: Any = None, commit: bool | None = None) -> None:
        """Write a row now; whether it is committed only says which number the next one has.

        Raises:
            TypeError: `data` is no dict, a name no text, or `step` no whole number.
        """
        try:
            plan = self._plans[tuple(data)]
        except (KeyError, TypeError):
            plan = self._plan(data)
        for value in data.values():
            if type(value) not in _PLAIN:
                data = for_log(data)
                break
        if step is None:
            if commit is False:
                at = self.step
            else:
                at = next(self._numbers)
                self.step = at + 1
        else:
            at = self._given(step, commit)
        if plan is None:
            self._write(data, at)  # type: ignore[arg-type]
        else:
            self._write_apart(data, plan, at)

    def say(self, row: Mapping[str, Any]) -> None:
        """Write what is no row of the loop, a summary: at the step to which its names have come."""
        plan = self._grouped(row)
        if plan is None:
            self._write(dict(row), self.step)
        else:
            self._write_apart(row, plan, self.step)

    def define(self, definition: Definition) -> None:
        """Have a metric drawn over another one, or summed up otherwise."""
        self.definitions[definition.name] = definition
        self.plan_anew()

    def plan_anew(self) -> None:
        """Look at each row's names again when it is logged next."""
        self._plans.clear()

    def _given(self, step: Any, commit: bool | None) -> int:
        at = operator.index(step)
        if at >= self.step:
            self.step = at + 1 if commit else at
            self._numbers = itertools.count(self.step)
        return at

    def _plan(self, data: Any) -> Plan | None:
        """Where the values of a row of these names go; None: all to the row's own number."""
        if not isinstance(data, Mapping):
            raise TypeError("wandb.log must be passed a dictionary")
        if not all(isinstance(name, str) for name in data):
            raise TypeError("Key values passed to `wandb.log` must be strings.")
        for name, value in data.items():
            self.names |= dict.fromkeys(_paths(name, value))
        if self._met is not None:
            self._met(data)
        plan = self._grouped(data)
        if not any(isinstance(value, Mapping) for value in data.values()):
            self._plans[tuple(data)] = plan  # nested names may be others the next time
        return plan

    def _grouped(self, data: Mapping[str, Any]) -> Plan | None:
        """The names by what counts them."""
        if not any(one.step_metric for one in self.definitions.values()):
            return None
        groups: dict[str | None, list[str]] = {}
        for name in data:
            groups.setdefault(self._step_metric(name), []).append(name)
        return tuple((metric, tuple(names)) for metric, names in groups.items())

    def _step_metric(self, name: str) -> str | None:
        if any(one.step_metric == name for one in self.definitions.values()):
            return name  # which has itself as its step
        found = definition_of(name, self.definitions.values())
        return found.step_metric if found is not None else None

    def _write_apart(self, data: Mapping[str, Any], plan: Plan, at: int) -> None:
        rows: dict[int, dict[str, Any]] = {}
        for metric, names in plan:
            step = at if metric is None else self._step_of(metric, data, at)
            row = rows.setdefault(step, {})
            row.update({name: data[name] for name in names if name in data})
        for step, row in rows.items():
            self._write(row, step)

    def _step_of(self, metric: str, data: Mapping[str, Any], at: int) -> int:
        """The value of a step metric in a row; the last one where the row has none."""
        value = data.get(metric)
        if value is None:
            syncs = any(one.syncs for one in self.definitions.values() if one.step_metric == metric)
            return self._last_steps.get(metric, at) if syncs else at
        number = None if getattr(value, "is_cuda", False) else plain_number(value)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or number != number:
            return at
        if isinstance(number, float) and not number.is_integer():
            return at  # half an epoch is no step; the value stands beside
        self._last_steps[metric] = int(number)
        return int(number)


def _paths(name: str, value: Any) -> Iterable[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for below, inner in value.items():
            yield from ((name, *path) for path in _paths(str(below), inner))
    else:
        yield (name,)
