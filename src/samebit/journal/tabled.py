"""The rows of metrics in a segment as columns of numbers, for curves of a great many points.

Rows whose bytes lie alike (the same kinds of numbers at the same places) are read together; what is
left over one by one. Only numbers come out, as float64: whoever needs texts, bools or integers
beyond 2^53 as they are asks `Logged.rows`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from samebit.journal.frame import FRAME_BYTES
from samebit.journal.logged import Logged
from samebit.journal.traced import numbers_at

__all__ = ["Tabled", "tabled"]

_MOST_FORMS = 64  # of rows in one segment that are read together
_BEFORE_THE_VALUES = 4  # kind, schema, step, time
_ARRAYS = {0xDC: 3, 0xDD: 5}  # msgpack's first byte of an array: bytes before its first item
# First byte of a number: its bytes, and how NumPy calls them.
_NUMBERS = {
    **{0xCC: (1, ">u1"), 0xCD: (2, ">u2"), 0xCE: (4, ">u4"), 0xCF: (8, ">u8")},
    **{0xD0: (1, ">i1"), 0xD1: (2, ">i2"), 0xD2: (4, ">i4"), 0xD3: (8, ">i8")},
    **{0xCA: (4, ">f4"), 0xCB: (8, ">f8")},
}
_SMALL, _SMALL_NEGATIVE = 0x80, 0xE0  # below, and from here on, the first byte is the integer
_CONSTANTS = (0xC0, 0xC2, 0xC3)  # None, False, True
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}  # first byte of a text: how many bytes say its length
_LARGEST_TIME = 2**62


class Tabled(Struct, frozen=True):
    """Rows of one schema, in no order: equally long arrays."""

    places: Any  # in the segment: the later one was written later
    times_ns: Any  # int64, UTC
    steps: Any  # float64
    values: dict[str, Any]  # float64; only of names that are a number in each of these rows


class _Item(Struct, frozen=True):
    """Where one item of a row lies; `kind` is empty for what is no number."""

    at: int  # of its first byte
    wide: int  # bytes behind it
    kind: str
    told: int  # bytes from the first on that must be the same in each row

    @property
    def is_small(self) -> bool:
        return self.wide == 0 and bool(self.kind)


def tabled(logged: Logged, numpy: Any) -> Iterator[Tabled]:
    """The rows of a segment; what cannot be read is left out."""
    data = logged.data
    left = numpy.asarray(logged.payloads, numpy.int64)
    lengths = numbers_at(numpy, data, "<u4", left - FRAME_BYTES)
    singly: list[int] = []
    for _ in range(_MOST_FORMS):
        if not len(left):
            break
        items = _items(data, int(left[0]), int(lengths[0]))
        if items is None:
            fits = numpy.arange(len(left)) == 0
            singly.append(int(left[0]))
        else:
            fits = lengths == lengths[0]
            width = int(lengths[0])
            rows = numbers_at(numpy, data, f"V{width}", left[fits]).view("u1").reshape(-1, width)
            alike = _alike(numpy, rows, items)
            fits[fits] = alike
            yield from _read(numpy, logged, left[fits], rows[alike], items)
        left, lengths = left[~fits], lengths[~fits]
    yield from _one_by_one(numpy, logged, [*singly, *left.tolist()])


def _items(data: bytes, payload: int, length: int) -> list[_Item] | None:
    """How a row lies in its bytes; None where it holds what is neither number nor plain text."""
    first = data[payload]
    at = payload + (1 if 0x90 <= first < 0xA0 else _ARRAYS.get(first, 0))
    end = payload + length
    items: list[_Item] = []
    while payload < at < end:
        byte = data[at]
        if byte < _SMALL or byte >= _SMALL_NEGATIVE:
            item = _Item(at - payload, 0, ">i1", 0)
        elif byte in _NUMBERS:
            wide, kind = _NUMBERS[byte]
            item = _Item(at - payload, wide, kind, 1)
        elif byte in _CONSTANTS:
            item = _Item(at - payload, 0, "", 1)
        elif 0xA0 <= byte < 0xC0:
            item = _Item(at - payload, byte - 0xA0, "", 1)
        elif byte in _TEXTS:
            told = 1 + _TEXTS[byte]
            size = int.from_bytes(data[at + 1 : at + told], "big")
            item = _Item(at - payload, told - 1 + size, "", told)
        else:
            return None
        items.append(item)
        at += 1 + item.wide
    is_whole = at == end and len(items) >= _BEFORE_THE_VALUES
    return items if is_whole and all(one.kind for one in items[:_BEFORE_THE_VALUES]) else None


def _alike(numpy: Any, rows: Any, items: Sequence[_Item]) -> Any:
    """Which of the rows, all of one length, lie as the first one does."""
    same = [at for one in items for at in range(one.at, one.at + one.told)]
    fits = (rows[:, same] == rows[0, same]).all(axis=1)
    fits &= (rows[:, : items[0].at] == rows[0, : items[0].at]).all(axis=1)
    for one in items:
        if one.is_small:
            fits &= (rows[:, one.at] < _SMALL) | (rows[:, one.at] >= _SMALL_NEGATIVE)
    return fits


def _read(
    numpy: Any, logged: Logged, places: Any, rows: Any, items: Sequence[_Item]
) -> Iterator[Tabled]:
    def column(item: _Item) -> Any:
        begin = item.at + (not item.is_small)
        found = numpy.ascontiguousarray(rows[:, begin : begin + (item.wide or 1)])
        return found.view(item.kind).reshape(-1)

    schemas, times = column(items[1]), column(items[3])
    if times.dtype.kind == "f":
        return  # no writer of ours writes such a time
    # One of before the machine was started is below 0 on its clock.
    sound = (times > -_LARGEST_TIME) & (times < _LARGEST_TIME)
    times_ns = times.astype(numpy.int64) + logged.offset_ns
    steps = column(items[2]).astype(numpy.float64)
    for schema in numpy.unique(schemas).tolist():
        names = logged.schemas.get(schema)
        if names is None or len(names) != len(items) - _BEFORE_THE_VALUES:
            continue
        mine = sound & (schemas == schema)
        values = {
            name: column(item)[mine].astype(numpy.float64)
            for name, item in zip(names, items[_BEFORE_THE_VALUES:], strict=True)
            if item.kind
        }
        yield Tabled(places[mine], times_ns[mine], steps[mine], values)


def _one_by_one(numpy: Any, logged: Logged, payloads: list[int]) -> Iterator[Tabled]:
    by_names: dict[tuple[str, ...], list[tuple[int, int, float, list[float]]]] = {}
    for payload in payloads:
        row = next(replace(logged, payloads=[payload]).rows(), None)
        if row is None:
            continue
        step, time_ns, values = row
        numbers = {n: _as_float(v) for n, v in values.items() if type(v) in (int, float)}
        if type(step) in (int, float) and abs(time_ns) < _LARGEST_TIME:
            found = (payload, time_ns, _as_float(step), list(numbers.values()))
            by_names.setdefault(tuple(numbers), []).append(found)
    for names, rows in by_names.items():
        table = numpy.array([row[3] for row in rows], numpy.float64).reshape(len(rows), -1)
        yield Tabled(
            numpy.array([row[0] for row in rows], numpy.int64),
            numpy.array([row[1] for row in rows], numpy.int64),
            numpy.array([row[2] for row in rows], numpy.float64),
            {name: table[:, at] for at, name in enumerate(names)},
        )


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf") if value > 0 else float("-inf")
