"""The rows that a run has in each table, but for those of its metrics.

Each function gives tuples in the order of its table's columns (`query/tabular/shapes.py`), without
the first of them, which is the run's id.
"""

from collections.abc import Iterator
from itertools import compress
from typing import Any

from samebit import records
from samebit.capture import config as config_capture
from samebit.folders.media import media_of
from samebit.folders.read import View
from samebit.folders.splits import splits_of
from samebit.folders.stated import states_of
from samebit.folders.steps import Steps, steps_of
from samebit.folders.used import data_of
from samebit.query.lacks import find_lacks
from samebit.query.tabular.cells import exact, in_64_bits

__all__ = [
    "config",
    "data",
    "executions",
    "facts",
    "files",
    "machine",
    "media",
    "missing",
    "number_and_text",
    "packages",
    "schedule",
    "seeds",
    "splits",
    "states",
    "traces",
    "verdicts",
]

Row = tuple[Any, ...]

_KINDS = {type(None): "none", bool: "bool", int: "int", float: "float", str: "text", list: "list"}


def number_and_text(value: Any) -> tuple[float | None, str | None]:
    """What is logged as a float64, and where that is not all of it as a text, too.

    A text is no number; a bool is 1.0 or 0.0 and `true` or `false`; an integer that float64 rounds
    is the nearest one, and its digits.
    """
    if isinstance(value, bool):
        return float(value), exact(value)
    if isinstance(value, float):
        return value, None
    if isinstance(value, int):
        try:
            number = float(value)
        except OverflowError:  # hundreds of digits
            number = float("inf") if value > 0 else float("-inf")
        return number, None if number == value else str(value)
    return None, None if value is None else exact(value)


def _int(value: Any) -> int | None:
    return value if in_64_bits(value) else None


def executions(view: View) -> Iterator[Row]:
    """How often it was begun, and how each ended."""
    for start, end in zip(view.starts, view.ends, strict=True):
        yield (
            _int(start.number),
            _int(start.started_ns),
            _int(end.ended_ns) if end is not None else None,
            end.status if end is not None else None,
            _int(end.exit_code) if end is not None else None,
            end.signal if end is not None else None,
            end.exception if end is not None else None,
            start.how,
            list(start.argv),
            start.cwd,
            start.python,
            start.user,
            start.host,
            _int(start.seed),
            start.deterministic,
        )


def config(view: View) -> Iterator[Row]:
    """Each setting under its dotted name."""
    given = view.facts.get("config")
    if not isinstance(given, dict):
        return
    sources = (view.facts.get("config_sources") or {}).get("values") or {}
    for key, value in config_capture.flat(given).items():
        kind = _KINDS.get(type(value), "dict")
        number = number_and_text(value)[0]
        yield key, kind, value, number, config_capture.source_of(key, sources)


def schedule(view: View) -> Iterator[Row]:
    """Each change of an optimizer's scalars."""
    for one in view.schedules:
        for (optimizer, group, name), changes in one.scalars.items():
            for step, value in zip(changes.counts, changes.values, strict=True):
                yield (
                    one.rank,
                    _int(optimizer),
                    _int(group),
                    name,
                    _int(step),
                    *number_and_text(value),
                )


def seeds(view: View) -> Iterator[Row]:
    """The seeds that the script gave to libraries itself."""
    for call in view.seed_calls:
        value = call["value"]
        yield call["library"], None if value is None else exact(value), call["at"]


def states(view: View) -> Iterator[Row]:
    """What it kept of models and optimizers."""
    for one in states_of(view):
        yield (
            one.name,
            one.rank,
            _int(one.step),
            _int(one.optimizer),
            one.manifest,
            _int(one.size_bytes),
            one.kept,
            one.whole,
            one.dropped,
        )


def splits(view: View) -> Iterator[Row]:
    """Each part of each split."""
    for name, fact in splits_of(view).items():
        for part, rows, name_of_set in fact["parts"]:
            yield name, fact["method"], part, _int(rows), name_of_set, fact["manifest"]


def data(view: View) -> Iterator[Row]:
    """The data that it said it uses."""
    for name, fact in data_of(view).items():
        yield (
            name,
            fact["what"],
            fact["fingerprint"],
            _int(fact.get("rows")),
            _int(fact.get("size_bytes")),
            fact.get("kept"),
            fact.get("version"),
            fact.get("path"),
            fact.get("at"),
        )


def files(view: View) -> Iterator[Row]:
    """The files that it read or wrote."""
    latest = {fact["path"]: fact for fact in view.files}
    for fact in latest.values():
        yield (
            fact["path"],
            fact["how"],
            fact.get("digest"),
            _int(fact.get("size_bytes")),
            _int(fact.get("mtime_ns")),
            bool(fact.get("written")) or fact["how"] == "write",
            bool(fact.get("changed")),
            fact.get("saved"),
        )


def media(view: View) -> Iterator[Row]:
    """What it logged beside numbers, as far as it was written."""
    for name, things in media_of(view).items():
        for one in things:
            yield (
                name,
                _int(one["step"]),
                one.get("at", 0),
                one["kind"],
                one.get("type"),
                one.get("caption"),
                one.get("object"),
                _int(one.get("size_bytes")),
                one.get("kept", True),
                one.get("exact", False),
                one.get("about", {}),
            )


def packages(view: View) -> Iterator[Row]:
    """The packages of its environment."""
    yield from ((view.facts.get("packages") or {}).get("versions") or {}).items()


def verdicts(view: View) -> Iterator[Row]:
    """Every verdict, oldest first."""
    for one in view.verdicts:
        yield (
            _int(one.at_ns),
            one.grade,
            one.replay,
            one.cause,
            _int(one.step),
            _int(one.until),
            one.kind,
            one.who,
            one.by,
            one.host,
            list(one.scope),
            list(one.differences),
            list(one.remedies),
            records.plain(one.evidence),
        )


def missing(view: View) -> Iterator[Row]:
    """What its record lacks."""
    for lack in find_lacks(view):
        yield lack.key, lack.what, lack.fix or None


def machine(view: View) -> Iterator[Row]:
    """What the machine did."""
    for name, column in view.machine.items():
        for sample, time_ns, value in zip(
            column.steps, column.times_ns, column.values, strict=True
        ):
            yield name, sample, _int(time_ns), number_and_text(value)[0]


def traces(view: View) -> Iterator[Row]:
    """The fingerprints of each step."""
    for rank, rows in view.traces.items():
        steps = [(_int(optimizer), _int(step)) for optimizer, step in steps_of(rows)]
        if isinstance(rows, Steps):
            for group, (words, present) in rows.groups.items():
                digits = words.tobytes().hex()
                for at, step in compress(enumerate(steps), present.tolist()):
                    yield rank, *step, group, digits[16 * at : 16 * at + 16]
            continue
        for group in dict.fromkeys(group for row in rows for group in row.groups):
            for step, row in zip(steps, rows, strict=True):
                if group in row.groups:
                    yield rank, *step, group, row.groups[group].hex()


def facts(view: View) -> Iterator[Row]:
    """Everything that was learnt, as it was written."""
    for name in view.fact_names:
        yield from ((name, rank, value) for rank, value in view.by_rank(name))
