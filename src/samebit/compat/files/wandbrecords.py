"""What the records of a `.wandb` file say: `wandb_internal.Record`, by the numbers of its fields.

Values are JSON, in which wandb writes NaN and Infinity as Python does. What is nested is either one
value or has a field for each part of its key; both become dotted names here.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from samebit.compat.files.wandbfiles import Staged
from samebit.compat.files.wandbitems import read_item
from samebit.compat.files.wire import (
    BYTES,
    VARINT,
    Malformed,
    as_signed,
    fields,
    text_of,
)
from samebit.journal.values import is_plain, sound

__all__ = [
    "Recorded",
    "Row",
    "number_of",
    "read_beginning",
    "read_records",
]

_HISTORY, _SUMMARY, _CONFIG, _FILES, _STATS, _ARTIFACT, _ALERT = 2, 3, 5, 6, 7, 8, 10
_METRIC, _OUTPUT, _RUN, _EXIT, _HEADER, _USED, _ENVIRONMENT = 12, 13, 17, 18, 21, 25, 26
_MOST_DEPTH = 32  # of values inside each other
_MOST_TROUBLES = 100
_LATEST_S = 4_000_000_000  # a time beyond it is none
_SECOND_NS = 1_000_000_000
_decode = msgspec.json.Decoder().decode
_OURS = "_wandb"  # what wandb notes of itself in config and summary

Span = tuple[int, int]
Path = tuple[str, ...]


class Message:
    """One message of a record, its fields by number and kind; of fields given twice the last."""

    def __init__(self, data: bytes, span: Span) -> None:
        self.data = data
        self._fields: dict[tuple[int, int], list[Any]] = {}
        for number, kind, value in fields(data, *span):
            self._fields.setdefault((number, kind), []).append(value)

    def texts(self, number: int) -> list[str]:
        """A text that is there any number of times."""
        return [text_of(self.data[a:b]) for a, b in self._fields.get((number, BYTES), ())]

    def text(self, number: int) -> str:
        """A text; empty where it is not there."""
        return (self.texts(number) or [""])[-1]

    def whole(self, number: int) -> int:
        """An integer; 0 where it is not there."""
        return as_signed(self._fields.get((number, VARINT), [0])[-1])

    def has(self, number: int) -> bool:
        """Whether a message is there."""
        return (number, BYTES) in self._fields

    def each(self, number: int) -> Iterator["Message"]:
        """The messages of a field."""
        for span in self._fields.get((number, BYTES), ()):
            yield Message(self.data, span)

    def one(self, number: int) -> "Message":
        """The last message of a field; an empty one where there is none."""
        span = self._fields.get((number, BYTES), [(0, 0)])[-1]
        return Message(self.data, span)

    def time_ns(self, number: int) -> int:
        """A point in time; 0 where there is none."""
        time = self.one(number)
        seconds, nanos = time.whole(1), time.whole(2)
        is_one = 0 < seconds < _LATEST_S and 0 <= nanos < _SECOND_NS
        return seconds * _SECOND_NS + nanos if is_one else 0

    def items(self, number: int) -> list[tuple[Path, bytes]]:
        """Keys with their parts, and their values as they are written."""
        spans = self._fields.get((number, BYTES), ())
        return [read_item(self.data, *span) for span in spans]


class Row(Struct, frozen=True):
    """What was logged at once."""

    step: int
    time_ns: int  # 0 where wandb did not say
    values: dict[Path, Any]  # by the parts of their names; no maps in it


class Recorded(Struct):
    """All that a file says."""

    run: dict[str, Any] = field(default_factory=dict[str, Any])  # its id, name, …; no empty ones
    tags: list[str] = field(default_factory=list[str])
    started_ns: int = 0
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    summary: dict[Path, bytes] = field(default_factory=dict[Path, bytes])
    rows: list[Row] = field(default_factory=list[Row])
    machine: list[tuple[int, str, Any]] = field(default_factory=list[tuple[int, str, Any]])
    console: list[str] = field(default_factory=list[str])
    console_ns: int = 0  # when the last of it was written
    files: dict[str, None] = field(default_factory=dict[str, None])
    artifacts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    staged: list[Staged] = field(default_factory=list[Staged])  # files of those that were logged
    metrics: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    alerts: list[str] = field(default_factory=list[str])
    environment: dict[str, Any] = field(default_factory=dict[str, Any])
    exit_code: int | None = None  # None: it has not ended, or nobody wrote it down
    runtime_s: int = 0
    is_resumed: bool = False
    version: str = ""
    troubles: dict[str, None] = field(default_factory=dict[str, None])

    def summarized(self) -> Iterator[tuple[Path, Any]]:
        """What the summary says at the end, by the parts of each name."""
        for path, written in self.summary.items():
            yield from _flat(path, _value(self, path, written))

    def trouble(self, what: str) -> None:
        """Note what cannot be read; of many the first ones."""
        if len(self.troubles) < _MOST_TROUBLES:
            self.troubles[what] = None


def read_records(records: Sequence[bytes]) -> Recorded:
    """What some records say, those of a file from its beginning."""
    found = Recorded()
    _read(found, records)
    return found


def read_beginning(records: Sequence[bytes]) -> Recorded:
    """What the first records say, up to the one by which it is known which run they are of."""
    found = Recorded()
    for data in records:
        _read(found, [data])
        if found.run.get("id"):
            break
    return found


def _read(found: Recorded, records: Sequence[bytes]) -> None:
    for at, data in enumerate(records, 1):
        try:
            for number, kind, value in fields(data):
                if kind == BYTES and number in _READERS:
                    _READERS[number](found, Message(data, value))
        except (Malformed, RecursionError) as error:
            found.trouble(f"record {at:,} cannot be read: {error}")


def _value(found: Recorded, path: Path, written: bytes) -> Any:
    """What is written; None where it is nothing that can be read."""
    try:
        value = _json(written)
    except (ValueError, RecursionError):
        found.trouble(f"the value of {'.'.join(path)[:200]!r} is no JSON")
        return None
    if len(path) > _MOST_DEPTH or not is_plain(value, _MOST_DEPTH):
        what = f"the value of {'.'.join(path)[:200]!r} is nested more than {_MOST_DEPTH} times"
        found.trouble(what)
        return None
    return value


def _json(written: bytes) -> Any:
    """What JSON says, as Python reads it: with NaN, infinities and lone surrogates."""
    try:
        return _decode(written)  # twenty times as fast, and the same where it reads it
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(written)


def _flat(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, part in value.items():
        yield from _flat((*path, sound(name)), part)


def number_of(value: Any) -> float | None:
    """A number that is no truth value; None for all else."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def in_ns(seconds: Any) -> int:
    """Seconds since 1970, as JSON has them, in nanoseconds; 0 for what is no time."""
    found = number_of(seconds)
    if found is None or not 0 < found < _LATEST_S:
        return 0
    whole = int(found)
    return whole * _SECOND_NS + round((found - whole) * _SECOND_NS)


# A record each


def _history(found: Recorded, message: Message) -> None:
    values: dict[Path, Any] = {}
    for path, written in message.items(1):
        value = _value(found, path, written)
        for inner, part in _flat(path, value) if isinstance(value, dict) else ((path, value),):
            values[inner] = part
    step = values.pop(("_step",), None)
    if step is None and message.has(2):
        step = message.one(2).whole(1)
    time_ns = in_ns(values.pop(("_timestamp",), None))
    values.pop(("_runtime",), None)
    if not isinstance(step, int) or isinstance(step, bool) or not -(1 << 63) <= step < 1 << 63:
        found.trouble("something was logged at no step that can be read; it is left out")
        return
    found.rows.append(Row(step, time_ns, values))


def _summary(found: Recorded, message: Message) -> None:
    for path, written in message.items(1):
        found.summary[path] = written
    for path, _ in message.items(2):
        found.summary.pop(path, None)


def _config(found: Recorded, message: Message) -> None:
    for path, written in message.items(1):
        value = _value(found, path, written)
        if path[0] == _OURS or len(path) > _MOST_DEPTH:
            continue
        at = found.config
        for part in path[:-1]:
            inner = at.get(part)
            if not isinstance(inner, dict):
                inner = at[part] = {}
            at = inner
        at[path[-1]] = value
    for path, _ in message.items(2):
        above: Any = found.config
        for part in path[:-1]:
            above = above.get(part) if isinstance(above, dict) else None
        if isinstance(above, dict):
            above.pop(path[-1], None)


def _run(found: Recorded, message: Message) -> None:
    git = message.one(21)
    said = {
        "id": message.text(1),
        "entity": message.text(2),
        "project": message.text(3),
        "group": message.text(6),
        "job_type": message.text(7),
        "name": message.text(8),
        "notes": message.text(9),
        "sweep": message.text(12),
        "host": message.text(13),
        "git": git.text(1),
        "commit": git.text(2),
    }
    first = found.run.get("id", said["id"])
    found.run |= {name: value for name, value in said.items() if value} | {"id": first}
    found.is_resumed |= bool(message.whole(18))
    found.tags = message.texts(10) or found.tags
    found.started_ns = found.started_ns or message.time_ns(17)
    for config in message.each(4):
        _config(found, config)


def _stats(found: Recorded, message: Message) -> None:
    time_ns = message.time_ns(2)
    for path, written in message.items(3):
        value = number_of(_value(found, path, written))
        if value is not None:
            found.machine.append((time_ns, ".".join(path), value))


def _output(found: Recorded, message: Message) -> None:
    found.console.append(message.text(3))
    found.console_ns = message.time_ns(2) or found.console_ns


def _files(found: Recorded, message: Message) -> None:
    for item in message.each(1):
        found.files[item.text(1)] = None


def _artifact(found: Recorded, message: Message) -> None:
    contents = [
        {"path": entry.text(1), "digest": entry.text(2), "size_bytes": entry.whole(4)}
        for entry in message.one(12).each(4)
    ]
    before = sum(one["name"] == message.text(5) for one in found.artifacts)
    above = message.text(5) + (f" ({before + 1})" if before else "")
    found.staged += [
        Staged(f"{above}/{entry.text(1)}", entry.text(6), entry.text(2))
        for entry in message.one(12).each(4)
        if not entry.text(3)  # a reference to somewhere else
    ]
    found.artifacts.append(
        {
            "how": "logged",
            "type": message.text(4),
            "name": message.text(5),
            "digest": message.text(6),
            "aliases": message.texts(11),
            "files": contents,
        }
    )


def _used(found: Recorded, message: Message) -> None:
    used = {"how": "used", "id": message.text(1), "type": message.text(2), "name": message.text(3)}
    found.artifacts.append(used)


def _metric(found: Recorded, message: Message) -> None:
    name = message.text(1) or message.text(2)
    found.metrics.append({"name": name, "against": message.text(4)})


def _alert(found: Recorded, message: Message) -> None:
    found.alerts.append(f"{message.text(1)}: {message.text(2)}")


def _exit(found: Recorded, message: Message) -> None:
    found.exit_code = message.whole(1)
    found.runtime_s = message.whole(2)


def _header(found: Recorded, message: Message) -> None:
    found.version = message.one(1).text(1)


def _environment(found: Recorded, message: Message) -> None:
    git, cpu = message.one(9), message.one(22)
    said = {
        "system": message.text(1),
        "python": message.text(2),
        "command": " ".join([message.text(6), *message.texts(5)]).strip(),
        "host": message.text(12),
        "user": message.text(13),
        "executable": message.text(14),
        "git": git.text(1),
        "commit": git.text(2),
        "cores": message.whole(16),
        "threads": message.whole(17),
        "memory_bytes": message.one(21).whole(1),
        "cpu": cpu.text(3),
        "gpus": [gpu.text(1) for gpu in message.each(24)],
    }
    found.environment |= {name: value for name, value in said.items() if value}


_READERS = {
    _HISTORY: _history,
    _SUMMARY: _summary,
    _CONFIG: _config,
    _FILES: _files,
    _STATS: _stats,
    _ARTIFACT: _artifact,
    _ALERT: _alert,
    _METRIC: _metric,
    _OUTPUT: _output,
    _RUN: _run,
    _EXIT: _exit,
    _HEADER: _header,
    _USED: _used,
    _ENVIRONMENT: _environment,
}
