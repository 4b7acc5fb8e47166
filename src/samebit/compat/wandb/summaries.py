"""`wandb.summary`: one value a metric, its last one unless something else was defined or said.

What a script says (`summary["best"] = 0.9`) is logged as a metric of that name, or of
`summary.NAME` where the history has one of that name, so that it can be found like all others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from samebit.compat.wandb.history import Definition, History, definition_of
from samebit.compat.wandb.media import for_log

__all__ = ["Summary", "metric_name", "nested", "summed_up"]

_DROPPED = ("none", "copy")


def metric_name(name: str, history: Iterable[str]) -> str:
    """The metric as which a value that was said lies in the record."""
    return f"summary.{name}" if name in set(history) else name


def summed_up(values: Sequence[Any], definition: Definition | None) -> Any:
    """What stands in the summary for a metric's values: the last, or each that was asked for.

    `best` is the lowest or the highest, as the goal says; None where nothing is to stand there.
    """
    ops = definition.summary if definition is not None else ()
    numbers = [v for v in values if isinstance(v, (int, float)) and v == v]
    makes: dict[str, Callable[[], Any]] = {
        "min": lambda: min(numbers),
        "max": lambda: max(numbers),
        "mean": lambda: sum(numbers) / len(numbers),
        "first": lambda: values[0],
        "last": lambda: values[-1],
        "best": lambda: (
            min(numbers) if definition is not None and definition.goal == "min" else max(numbers)
        ),
    }
    asked = [op for op in ops if op not in _DROPPED]
    if ops and not asked:
        return None
    if not asked:
        return values[-1] if values else None
    return {op: makes[op]() for op in asked if values and (numbers or op in ("first", "last"))}


def nested(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Values by their paths as dicts inside each other."""
    found: dict[str, Any] = {}
    for path, value in values.items():
        into = found
        for name in path[:-1]:
            inner = into.setdefault(name, {})
            into = inner if isinstance(inner, dict) else into
        into[path[-1]] = value
    return found


class SummaryDict:
    """A dict that can be asked by attributes, too; what is inside of it as well."""

    def _as_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def _say(self, values: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _forget(self, name: str) -> None:
        raise NotImplementedError

    def keys(self) -> list[str]:
        """The names."""
        return list(self._as_dict())

    def items(self) -> list[tuple[str, Any]]:
        """Names and values."""
        return [(name, self[name]) for name in self.keys()]

    def values(self) -> list[Any]:
        """The values."""
        return [value for _, value in self.items()]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, or the default."""
        found = self._as_dict().get(key, default)
        return _Inside(self, key, found) if isinstance(found, dict) else found

    def __getitem__(self, key: str) -> Any:
        found = self._as_dict()[key]
        return _Inside(self, key, found) if isinstance(found, dict) else found

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):  # copying and pickling ask for these
            raise AttributeError(key)
        return self[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._say({key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        if key.startswith("_"):
            object.__setattr__(self, key, value)
        else:
            self._say({key: value})

    def __delitem__(self, key: str) -> None:
        self._forget(key)

    __delattr__ = __delitem__

    def update(self, d: Mapping[str, Any]) -> None:
        """Say several."""
        self._say(d)

    def __contains__(self, key: object) -> bool:
        return key in self._as_dict()

    def __iter__(self) -> Any:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._as_dict())

    def __repr__(self) -> str:
        return repr(self._as_dict())


class _Inside(SummaryDict):
    """A dict in a summary; what is said to it is said to the summary."""

    def __init__(self, above: SummaryDict, name: str, held: dict[str, Any]) -> None:
        self._above = above
        self._name = name
        self._held = held

    def _as_dict(self) -> dict[str, Any]:
        return self._held

    def _say(self, values: Mapping[str, Any]) -> None:
        self._held.update(values)
        self._above._say({self._name: dict(self._held)})

    def _forget(self, name: str) -> None:
        self._held.pop(name, None)
        self._above._say({self._name: dict(self._held)})

    def __eq__(self, other: object) -> bool:
        return self._held == (other._held if isinstance(other, _Inside) else other)

    __hash__ = None  # type: ignore[assignment]


class Summary(SummaryDict):
    """The summary of a run that goes on.

    Args:
        history: its rows.
        log: writes what is said, as a row of the step that comes next.
        latest: gives the last value of a metric.
        all_of: gives every value of a metric, for those that are summed up otherwise.
        told: is told the names that were said.
        since: gives what wandb adds to each summary: `_step`, `_runtime`, `_timestamp`.
    """

    def __init__(
        self,
        history: History,
        log: Callable[[dict[str, Any]], None],
        latest: Callable[[str], Any],
        all_of: Callable[[str], Sequence[Any]],
        told: Callable[[], None],
        since: Callable[[], dict[str, Any]],
    ) -> None:
        self._history = history
        self._log = log
        self._latest = latest
        self._all_of = all_of
        self._told = told
        self._since = since
        self._said: dict[str, Any] = {}
        self._gone: set[str] = set()

    @property
    def said_names(self) -> list[str]:
        """What the script said itself."""
        return list(self._said)

    def _as_dict(self) -> dict[str, Any]:
        found: dict[tuple[str, ...], Any] = {}
        for path in self._history.names:
            if path[0] in self._gone or path[0] in self._said:
                continue
            name = ".".join(path)
            definition = definition_of(path[0], self._history.definitions.values())
            if definition is not None and definition.summary:
                value = summed_up(self._all_of(name), definition)
            else:
                value = self._latest(name)
            if value is not None:
                found[path] = value
        return {**self._since(), **nested(found), **self._said}

    def _say(self, values: Mapping[str, Any]) -> None:
        logged = {path[0] for path in self._history.names}
        known = len(self._said)
        for name, value in values.items():
            self._gone.discard(name)
            self._said[name] = dict(value) if isinstance(value, Mapping) else value
            row = for_log({metric_name(name, logged): value})
            if row:
                self._log(row)
        self._history.plan_anew()  # what is logged after this takes its place again
        if len(self._said) > known:
            self._told()

    def _forget(self, name: str) -> None:
        self._said.pop(name, None)
        self._gone.add(name)
        self._told()

    def replaced_by(self, names: Iterable[str]) -> None:
        """A row of these names is logged: what was said of them before counts no more."""
        for name in names:
            self._said.pop(name, None)
            self._gone.discard(name)
