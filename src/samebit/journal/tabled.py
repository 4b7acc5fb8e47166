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
from samebit.journal.traced import as_array, moved, numbers_at

__all__ = ["NotNumbers", "Tabled", "tabled"]

_MOST_FORMS = 64  # of rows in one segment that are read together
_EVEN = 256  # rows: where so many lie evenly spaced, they are read where they lie
_LEAST_SMALL = -32  # of the integers that are their own first byte
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
_EXACT = 2**53  # up to which float64 has every whole number


class NotNumbers(Exception):
    """There is what float64 does not hold, or a row that is not known; see `tabled`."""


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


def tabled(logged: Logged, numpy: Any, *, is_strict: bool = False) -> Iterator[Tabled]:
    """The rows of a segment; what cannot be read, or is no number, is left out.

    Raises NotNumbers for it where `is_strict`, and for an integer that float64 rounds, or a step
    that is no whole number.
    """
    singly: list[int] = []
    for left in _parts(numpy, numpy.asarray(logged.payloads, numpy.int64)):
        lengths = numbers_at(numpy, logged.data, "<u4", moved(left, -FRAME_BYTES))
        for _ in range(_MOST_FORMS):
            if not len(left):
                break
            items = _items(logged.data, left[0], int(lengths[0]))
            if items is None:
                fits = numpy.arange(len(left)) == 0
                singly.append(int(left[0]))
            else:
                fits = lengths == lengths[0]
                form = _form(numpy, items, int(lengths[0]))
                rows = numbers_at(numpy, logged.data, form, _where(numpy, left, fits))
                alike = _alike(rows, items)
                fits[fits] = alike
                rows = rows if alike.all() else rows[alike]
                _check(is_strict and not all(one.kind for one in items))
                part = _where(numpy, left, fits)
                yield from _read(numpy, logged, part, rows, items, is_strict)
            left, lengths = _where(numpy, left, ~fits), lengths[~fits]
        singly.extend(map(int, left))
    yield from _one_by_one(numpy, logged, singly, is_strict)


def _check(is_odd: bool) -> None:
    if is_odd:
        raise NotNumbers


def _parts(numpy: Any, places: Any) -> list[Any]:
    """Places as a few ranges of evenly spaced ones; where that were many, as they are."""
    gaps = numpy.diff(places)
    begins = [0, *(numpy.flatnonzero(gaps[1:] != gaps[:-1]) + 1)]
    if len(begins) * _EVEN > len(places):
        return [places]
    ends = [*begins[1:], len(places)]
    return [
        range(int(places[begin]), int(places[end - 1]) + 1, int(gaps[begin]))
        for begin, end in zip(begins, ends, strict=True)
    ]


def _where(numpy: Any, places: Any, those: Any) -> Any:
    if those.all():
        return places
    return as_array(numpy, places)[those]


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


def _form(numpy: Any, items: Sequence[_Item], width: int) -> Any:
    """The items of a row as fields, by the place of their first byte; the bytes that are alike."""
    fields = {f"{one.at}": (one.kind, one.at + (not one.is_small)) for one in items if one.kind}
    fields |= {f"byte {at}": ("u1", at) for at in _told(items)}
    formats, offsets = zip(*fields.values(), strict=True)
    return numpy.dtype(
        {"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": width}
    )


def _told(items: Sequence[_Item]) -> list[int]:
    told = [at for one in items for at in range(one.at, one.at + one.told)]
    return [*range(items[0].at), *told]


def _alike(rows: Any, items: Sequence[_Item]) -> Any:
    """Which of the rows, all of one length, lie as the first one does."""
    fits = rows["byte 0"] == rows["byte 0"][0]
    for at in _told(items)[1:]:
        fits &= rows[f"byte {at}"] == rows[f"byte {at}"][0]
    for one in items:
        if one.is_small:  # as its sign goes, this is below 0x80 or from 0xE0 on
            fits &= rows[f"{one.at}"] >= _LEAST_SMALL
    return fits


def _read(
    numpy: Any, logged: Logged, places: Any, rows: Any, items: Sequence[_Item], is_strict: bool
) -> Iterator[Tabled]:
    schemas, steps, times = (rows[f"{one.at}"] for one in items[1:_BEFORE_THE_VALUES])
    is_timed = times.dtype.kind != "f"  # no writer of ours writes such a time
    # One of before the machine was started is below 0 on its clock.
    sound = (times > -_LARGEST_TIME) & (times < _LARGEST_TIME)
    _check(is_strict and not (is_timed and schemas.dtype.kind != "f" and sound.all()))
    if is_strict:
        values = [rows[f"{one.at}"] for one in items[_BEFORE_THE_VALUES:]]
        _check(not (_are_whole(numpy, steps) and all(_is_exact(one) for one in values)))
    if not is_timed:
        return
    first = schemas[0]
    is_whole = bool(sound.all() and (schemas == first).all())
    for schema in [int(first)] if is_whole else numpy.unique(schemas).tolist():
        names = logged.schemas.get(schema)
        if names is None or len(names) != len(items) - _BEFORE_THE_VALUES:
            continue
        mine = slice(None) if is_whole else sound & (schemas == schema)
        values = {
            name: rows[f"{item.at}"][mine].astype(numpy.float64)
            for name, item in zip(names, items[_BEFORE_THE_VALUES:], strict=True)
            if item.kind
        }
        yield Tabled(
            as_array(numpy, places)[mine],
            times[mine].astype(numpy.int64) + logged.offset_ns,
            steps[mine].astype(numpy.float64),
            values,
        )


def _are_whole(numpy: Any, steps: Any) -> bool:
    whole = steps.astype(numpy.float64)
    return bool(((whole == numpy.floor(whole)) & (abs(whole) < _EXACT)).all())


def _is_exact(values: Any) -> bool:
    """Whether float64 holds each of these numbers."""
    is_wide = values.dtype.kind != "f" and values.dtype.itemsize == 8
    return not is_wide or bool(((values <= _EXACT) & (values >= -_EXACT)).all())


def _one_by_one(
    numpy: Any, logged: Logged, payloads: list[int], is_strict: bool
) -> Iterator[Tabled]:
    by_names: dict[tuple[str, ...], list[tuple[int, int, float, list[float]]]] = {}
    for payload in payloads:
        row = next(replace(logged, payloads=[payload]).rows(), None)
        _check(is_strict and row is None)
        if row is None:
            continue
        step, time_ns, values = row
        numbers = {n: _as_float(v) for n, v in values.items() if type(v) in (int, float)}
        is_sound = type(step) in (int, float) and abs(time_ns) < _LARGEST_TIME
        if is_strict:
            is_whole = type(step) is int and abs(step) < _EXACT and time_ns >= 0
            _check(not (is_sound and is_whole))
            _check(not all(numbers.get(n) == v or v != v for n, v in values.items()))
        if is_sound:
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
