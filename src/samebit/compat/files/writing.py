"""Runs of the store as event files: a folder for each, which TensorBoard opens.

Numbers become float32, as in all event files that writers make; the exact ones stay in the store.
What has no place there is left out and counted.
"""

import io
import json
import math
import struct
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from samebit import __version__, disk
from samebit.capture.config import flat
from samebit.compat.files import messages
from samebit.compat.files.framed import pack_records
from samebit.data.recorded_media import RecordedMedia
from samebit.digest import canonical_json, hex_of, of_bytes
from samebit.errors import SamebitError, UsageError
from samebit.folders.media import media_of
from samebit.folders.read import View
from samebit.folders.series import Column
from samebit.journal.frame import Kind
from samebit.journal.values import unwrap
from samebit.media import types
from samebit.objects.store import Store
from samebit.report.results import is_seed, same

__all__ = ["Written", "groups_of_seeds", "write_events"]

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+=@.")
_MOST_NAME = 80
_TOGETHER = 16_384  # records whose checksums are computed at once
_LARGEST = 3.4028235677973366e38  # what rounds to a float32 that is finite lies below it
_STATUS = {
    "finished": messages.FINISHED,
    "failed": messages.FAILED,
    "killed": messages.FAILED,
    "running": messages.RUNNING,
}
_INT64 = 1 << 63
_SECOND_NS = 1_000_000_000


class Written(Struct, frozen=True):
    """What was written of one run."""

    run: str
    folder: Path
    points: int
    things: int
    left_out: tuple[str, ...]  # a line about each kind of thing that has no place there


def write_events(
    views: Iterable[View], folder: Path, groups: Mapping[str, str]
) -> Iterator[Written]:
    """Write runs, each into a folder of its own below one.

    Args:
        views: the runs.
        folder: where to; what an earlier call wrote there of a run is replaced.
        groups: by the id of a run, under which name its repeats belong together.

    Raises:
        UsageError: NumPy is not installed.
        OSError: nothing can be written there.
    """
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError as error:
        raise UsageError("event files are written with NumPy", hint="pip install numpy") from error
    for view in views:
        yield _Run(view, groups.get(view.id, "")).write(folder / _folder_name(view), numpy)


def groups_of_seeds(rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """By id the name of the group of each run that is one of several with the same settings.

    Seeds are no settings. The name is that of the runs' own group, where this is all of it; a run
    alone in its own group keeps that, too.

    Args:
        rows: of the index; those that are written together.
    """
    together: dict[object, list[Mapping[str, object]]] = {}
    for row in rows:
        settings = sorted(
            (key, same(value))
            for key, value in row.items()
            if key.startswith("config.") and not is_seed(key, value)
        )
        together.setdefault(tuple(settings), []).append(row)
    sizes: dict[object, int] = {}
    for row in rows:
        sizes[row.get("group")] = sizes.get(row.get("group"), 0) + 1
    found: dict[str, str] = {}
    for settings, mine in together.items():
        own = {row.get("group") for row in mine}
        named = next(iter(own))
        if len(own) == 1 and isinstance(named, str) and sizes[named] == len(mine):
            name = named
        elif len(mine) > 1:
            name = "seeds " + hex_of(of_bytes(canonical_json(repr(settings))))[:8]
        else:
            continue
        found |= {str(row["id"]): name for row in mine}
    return found


def _folder_name(view: View) -> str:
    """`name.id`, in letters that stand in names of files; a stranger's name is no path."""
    safe = "".join(one if one in _SAFE else "_" for one in view.name or "")[:_MOST_NAME]
    return f"{safe.lstrip('.')}.{view.id}".lstrip(".")


class _Run:
    """One run on its way."""

    def __init__(self, view: View, group: str) -> None:
        self._view = view
        self._group = group
        self._left_out: dict[str, int] = {}
        self._points = 0
        self._things = 0

    def write(self, folder: Path, numpy: Any) -> Written:
        """Write it; the file has its name only once it is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        started_s = max(self._view.record.started_ns, 0) / _SECOND_NS
        name = f"events.out.tfevents.{int(started_s):010}.samebit.{self._view.id}"
        pieces = _packed(self._records(started_s), numpy)
        disk.publish(folder / name, pieces, folder, replace=True)
        left_out = tuple(f"{what}: {count:,}" for what, count in self._left_out.items())
        return Written(self._view.id, folder, self._points, self._things, left_out)

    def _leave(self, what: str, count: int = 1) -> None:
        self._left_out[what] = self._left_out.get(what, 0) + count

    def _records(self, started_s: float) -> Iterator[bytes]:
        view = self._view
        yield messages.version(started_s, f"samebit {__version__}")
        config = view.facts.get("config")
        settings = flat(config) if isinstance(config, dict) and config else {}
        start = messages.hparams_start(settings, self._group, started_s)
        yield messages.event(started_s, 0, start)
        for name, column in view.metrics.items():
            yield from self._metric(name, column)
        yield from self._media()
        ended_ns = view.end.ended_ns if view.end is not None else None
        ended_s = None if ended_ns is None else ended_ns / _SECOND_NS
        end = messages.hparams_end(_STATUS.get(view.status, 0), ended_s)
        yield messages.event(ended_s or started_s, 0, end)

    def _metric(self, name: str, column: Column) -> Iterator[bytes]:
        numbers: list[tuple[float, int, float]] = []
        for step, time_ns, value in zip(column.steps, column.times_ns, column.values, strict=True):
            whole = _whole(step)
            if whole is None:
                self._leave("points of a step that is no whole number of 64 bits")
            elif isinstance(value, str):
                self._points += 1
                yield messages.event(_seconds(time_ns), whole, messages.texts(name, [value]))
            elif (number := _float(value)) is None:
                self._leave("integers that no float holds")
            elif _LARGEST <= abs(number) < math.inf:
                self._leave("numbers that no float32 holds")
            else:
                numbers.append((_seconds(time_ns), whole, number))
        if numbers:
            self._points += len(numbers)
            times, steps, values = zip(*numbers, strict=True)
            yield from messages.numbers(name, times, steps, values)

    def _media(self) -> Iterator[bytes]:
        store = Store(self._view.folder.store)
        times = _times_of_media(self._view)
        for facts in media_of(self._view).values():
            by_step: dict[int, list[RecordedMedia]] = {}
            for fact in facts:
                one = RecordedMedia(store, self._view.id, fact)
                by_step.setdefault(one.step, []).append(one)
            for step, things in by_step.items():
                time_ns = times.get((things[0].name, step), self._view.record.started_ns)
                for summary in self._summaries(things):
                    yield messages.event(_seconds(time_ns), step, summary)

    def _summaries(self, things: Sequence[RecordedMedia]) -> Iterator[bytes]:
        first = things[0]
        try:
            made = list(_MAKERS[first.kind](things)) if first.kind in _MAKERS else []
        except (SamebitError, ValueError, LookupError) as error:
            self._leave(f"{first.kind}s that cannot be had ({type(error).__name__})", len(things))
            return
        if not made:
            self._leave(f"{first.kind}s, which have no place there", len(things))
            return
        self._things += len(things)
        yield from made


def _pictures(things: Sequence[RecordedMedia]) -> Iterator[bytes]:
    data = [thing.read() for thing in things]
    sizes = [_size_of_picture(one) for one in data]
    for size in dict.fromkeys(sizes):
        mine = [one for one, its in zip(data, sizes, strict=True) if its == size]
        yield messages.images(things[0].name, *size, mine)


def _texts(things: Sequence[RecordedMedia]) -> Iterator[bytes]:
    yield messages.texts(things[0].name, [thing.read().decode() for thing in things])


def _histograms(things: Sequence[RecordedMedia]) -> Iterator[bytes]:
    for thing in things:
        found = json.loads(thing.read())
        if found["counts"]:
            yield messages.histogram(_one_of(thing), found["edges"], found["counts"])


def _sounds(things: Sequence[RecordedMedia]) -> Iterator[bytes]:
    for thing in things:
        data = thing.read()
        yield messages.audio(_one_of(thing), data, thing.type, *_size_of_sound(data))


def _size_of_picture(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG; zeros of other files, which say it themselves."""
    return struct.unpack_from(">II", data, 16) if types.type_of(data) == types.PNG else (0, 0)


def _size_of_sound(data: bytes) -> tuple[int, int, int]:
    """Samples a second, channels, and samples of a WAV; zeros of other files."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            return sound.getframerate(), sound.getnchannels(), sound.getnframes()
    except (wave.Error, EOFError):
        return 0, 0, 0


def _times_of_media(view: View) -> dict[tuple[Any, Any], int]:
    """When something was logged, by name and step."""
    found: dict[tuple[Any, Any], int] = {}
    for frame in view.journal.frames:
        fact = frame.items[3] if frame.kind == Kind.FACT and frame.items[2] == "media" else None
        if isinstance(fact, dict):
            found[unwrap(fact.get("name")), fact.get("step")] = frame.time_ns
    return found


def _one_of(thing: RecordedMedia) -> str:
    return thing.name if thing.of == 1 else f"{thing.name}/{thing.at}"


_MAKERS = {
    "image": _pictures,
    "figure": _pictures,
    "text": _texts,
    "histogram": _histograms,
    "audio": _sounds,
}


def _packed(records: Iterable[bytes], numpy: Any) -> Iterator[bytes]:
    some: list[bytes] = []
    for record in records:
        some.append(record)
        if len(some) == _TOGETHER:
            yield pack_records(some, numpy)
            some = []
    yield pack_records(some, numpy)


def _seconds(time_ns: int) -> float:
    """Nanoseconds as the nearest number of seconds."""
    whole, rest = divmod(time_ns, _SECOND_NS)
    return whole + rest / _SECOND_NS


def _whole(step: Any) -> int | None:
    whole = step if isinstance(step, int) else int(step) if step == step // 1 else None
    return whole if whole is not None and -_INT64 <= whole < _INT64 else None


def _float(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, (bool, int, float)) else None
    except OverflowError:
        return None
