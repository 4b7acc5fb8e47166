"""Events that hold one number each, read many at once: of a run there may be millions.

A writer serializes alike: all records of one length and one width of step differ in their time,
step, tag and value alone, and these lie where they lie in the first. Each record is compared with
the first one byte by byte in all that is neither; whatever lies otherwise is left to `events.py`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from samebit.compat.files.events import SCALARS, Value, read_event, read_number
from samebit.compat.files.wire import BYTES, FIXED32, Malformed, fields, text_of
from samebit.journal.traced import numbers_at

__all__ = ["Numbers", "read_alike"]

_MOST_BYTES = 1024  # of a record; a longer one is no plain number
_WORTH = 16  # records alike, below which they are read one by one
_MOST_FORMS = 32  # of records of one length and width
_MOST_WIDE = 10  # bytes of an integer
_STEP_AT = 9  # behind the time
_MULTIPLIER = 0x9E3779B97F4A7C15


class Numbers(Struct, frozen=True):
    """Numbers under one tag: equally long arrays, in the order of the records."""

    tag: str
    plugin: str  # as these records say it; a later one may leave it to an earlier
    places: Any  # int64: which record of those that were given
    wall_times: Any  # float64
    steps: Any  # int64
    values: Any  # float64


class _Form(Struct, frozen=True):
    """Where in a record what differs lies."""

    tag: tuple[int, int]
    value: tuple[int, int]
    plugin: str


def read_alike(data: bytes, payloads: Any, lengths: Any, numpy: Any) -> tuple[list[Numbers], Any]:
    """The numbers that are read so, and the places of the records that are not."""
    found: list[Numbers] = []
    left: list[Any] = [numpy.flatnonzero(lengths > _MOST_BYTES)]
    short = numpy.flatnonzero(lengths <= _MOST_BYTES)
    if not len(short):
        return [], left[0]
    order = short[numpy.argsort(lengths[short], kind="stable")]
    sizes, begins = numpy.unique(lengths[order], return_index=True)
    for size, places in zip(sizes.tolist(), numpy.split(order, begins[1:]), strict=True):
        if len(places) < _WORTH or size < _STEP_AT + 2:
            left.append(places)
            continue
        rows = numbers_at(numpy, data, f"V{size}", payloads[places]).view("u1").reshape(-1, size)
        for width, which in _by_width(rows, numpy):
            mine, rest = _of_width(rows[which], places[which], width, numpy)
            found += mine
            left.append(rest)
    return found, numpy.sort(numpy.concatenate(left))


def _by_width(rows: Any, numpy: Any) -> list[tuple[int, Any]]:
    """The rows by how many bytes their step has; 0 where there is none, -1 where it is odd."""
    widths = numpy.full(len(rows), -1)
    has_step = (rows[:, 0] == 0x09) & (rows[:, _STEP_AT] == 0x10)
    widths[(rows[:, 0] == 0x09) & (rows[:, _STEP_AT] == 0x2A)] = 0
    for width in range(min(_MOST_WIDE, rows.shape[1] - _STEP_AT - 1), 0, -1):
        widths[has_step & (rows[:, _STEP_AT + width] < 0x80)] = width
    return [(width, numpy.flatnonzero(widths == width)) for width in numpy.unique(widths).tolist()]


def _of_width(rows: Any, places: Any, width: int, numpy: Any) -> tuple[list[Numbers], Any]:
    found: list[Numbers] = []
    left: list[Any] = []
    for _ in range(_MOST_FORMS):
        if width < 0 or len(places) < _WORTH:
            break
        form = _form_of(rows[0].tobytes())
        if form is None:
            fits = numpy.arange(len(rows)) == 0
            left.append(places[:1])
        else:
            fits = _alike(rows, form, width, numpy)
            found += _read(rows[fits], places[fits], width, form, numpy)
        rows, places = rows[~fits], places[~fits]
    left.append(places)
    return found, numpy.concatenate(left)


def _form_of(record: bytes) -> _Form | None:
    """Where tag and value lie in a record; None where it holds anything but one number."""
    try:
        event = read_event(record, 0, len(record))
        if len(event.values) != 1 or event.others or event.restarts:
            return None
        if type(read_number(record, event.values[0], event.values[0].plugin)) is not float:
            return None
        return _form(record, event.values[0])
    except (Malformed, ValueError):
        return None


def _form(record: bytes, value: Value) -> _Form | None:
    spans = _spans(record)
    if value.plugin not in SCALARS or value.content or set(spans) != {"tag", "value"}:
        return None
    return _Form(spans["tag"], spans["value"], value.plugin)


def _spans(record: bytes) -> dict[str, tuple[int, int]]:
    """Where the tag lies, and the bytes of the number, where they are in one piece."""
    found: dict[str, tuple[int, int]] = {}
    (summary,) = [s for n, k, s in fields(record) if (n, k) == (5, BYTES)]
    (inner,) = [s for n, k, s in fields(record, *summary) if (n, k) == (1, BYTES)]
    for number, kind, span in fields(record, *inner):
        if (number, kind) == (1, BYTES):
            found["tag"] = span
        elif (number, kind) == (2, FIXED32):
            found["value"] = span
        elif (number, kind) == (8, BYTES):
            # The values of a float or a double, or its bytes: one of them, of 4 bytes or 8.
            parts = [s for n, _, s in fields(record, *span) if n in (4, 5, 6)]
            if len(parts) == 1 and parts[0][1] - parts[0][0] in (4, 8):
                found.setdefault("value", parts[0])
    return found


def _alike(rows: Any, form: _Form, width: int, numpy: Any) -> Any:
    """Which rows lie as the first does."""
    same = numpy.ones(rows.shape[1], bool)
    same[1:_STEP_AT] = False
    same[_STEP_AT + 1 : _STEP_AT + 1 + width] = False
    same[slice(*form.tag)] = False
    same[slice(*form.value)] = False
    return (rows[:, same] == rows[0, same]).all(axis=1)


def _read(rows: Any, places: Any, width: int, form: _Form, numpy: Any) -> list[Numbers]:
    steps = numpy.zeros(len(rows), numpy.uint64)
    for at in range(width):
        byte = rows[:, _STEP_AT + 1 + at].astype(numpy.uint64)
        steps |= (byte & numpy.uint64(0x7F)) << numpy.uint64(7 * at)

    def column(begin: int, end: int, kind: str) -> Any:
        return numpy.ascontiguousarray(rows[:, begin:end]).view(kind).reshape(-1)

    begin, end = form.value
    values = column(begin, end, "<f4" if end - begin == 4 else "<f8").astype(numpy.float64)
    times = column(1, _STEP_AT, "<f8")
    steps = steps.view(numpy.int64)
    tags = numpy.ascontiguousarray(rows[:, slice(*form.tag)])
    return [
        Numbers(
            text_of(tags[which[0]].tobytes()),
            form.plugin,
            places[which],
            times[which],
            steps[which],
            values[which],
        )
        for which in _groups(tags, numpy)
    ]


def _groups(tags: Any, numpy: Any) -> Sequence[Any]:
    """The numbers of the rows that are equal, group by group."""
    hashes = numpy.zeros(len(tags), numpy.uint64)
    for column in tags.T:
        hashes = (hashes ^ column) * numpy.uint64(_MULTIPLIER)
        hashes ^= hashes >> numpy.uint64(29)
    order = numpy.argsort(hashes, kind="stable")
    cuts = numpy.flatnonzero(numpy.diff(hashes[order])) + 1
    groups = numpy.split(order, cuts)
    # Tags that somebody chose to have one hash are told apart by what they are.
    return [part for group in groups for part in _told_apart(tags, group, numpy)]


def _told_apart(tags: Any, group: Any, numpy: Any) -> list[Any]:
    if (tags[group] == tags[group[0]]).all():
        return [group]
    found: dict[bytes, list[int]] = {}
    for at in group.tolist():
        found.setdefault(tags[at].tobytes(), []).append(at)
    return [numpy.array(places) for places in found.values()]
