"""The trace frames of a segment as columns: a long run has a million, which are read at once.

Where they are many and NumPy is there, frames of one form are read together; otherwise one by one.
Both give the same numbers.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, compress
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from samebit.journal.frame import FRAME_BYTES, LENGTH

__all__ = [
    "MANY",
    "Traced",
    "as_array",
    "distinct",
    "load_numpy_when_it_pays",
    "moved",
    "numbers_at",
    "numpy_for",
    "read_traced",
    "traced_of",
]

MANY = 4096  # frames from which on it pays to load NumPy, a tenth of a second
_MOST_FORMS = 64  # of frames in one segment that are read together; what is left is read singly
_FIXED = 0x80  # below it, msgpack's first byte is the integer itself
_WIDE = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}  # msgpack's first byte of an integer: bytes behind it
_BYTES = {0xC4: 1, 0xC5: 2}  # the same of bytes: how many say their number
_FEW = 1 << 16
_MOST = 2**62  # what is not below it, no writer of ours wrote; with the offset of a time, 64 bits
_may_load = False
_decode = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, bytes]).decode


Column = Any  # list[int], or NumPy's array of int64


class Traced(Struct, frozen=True):
    """The rows of one segment, in order: equally long columns."""

    rank: str
    writer: str
    data: bytes
    optimizers: Column
    counts: Column
    times_ns: Column  # UTC
    masks: Column
    starts: Column  # in data: where eight bytes for each bit of the mask begin

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """Optimizer, count, mask and start of each row."""
        columns = (self.optimizers, self.counts, self.masks, self.starts)
        return zip(*(c if isinstance(c, list) else c.tolist() for c in columns), strict=True)

    def words(self, starts: Any, size: int, numpy: Any) -> Any:
        """The digests that begin at these places: (rows, size) uint64, the bytes as they are."""
        found = numbers_at(numpy, self.data, f"V{8 * size}", starts)
        return found.view("<u8").reshape(-1, size)

    def up_to(self, last: Mapping[int, int]) -> "Traced":
        """Only the rows up to a count, given by optimizer."""
        return self._split(last)[0] if last else self

    def beyond(self, optimizer: int, last: int) -> "Traced":
        """Only the rows of an optimizer past a count."""
        return self._split({optimizer: last})[1]

    def _split(self, last: Mapping[int, int]) -> tuple["Traced", "Traced"]:
        """The rows up to a count, given by optimizer, and those past it."""
        optimizers, counts = self.optimizers, self.counts
        if isinstance(counts, list):
            pairs = zip(optimizers, counts, strict=True)
            past = [optimizer in last and count > last[optimizer] for optimizer, count in pairs]
            return self._where([not is_past for is_past in past]), self._where(past)
        those: Any = counts < 0  # none
        for optimizer, count in last.items():
            those = those | ((optimizers == optimizer) & (counts > count))
        return self._where(~those), self._where(those)

    def _where(self, kept: Any) -> "Traced":
        """Only the rows at which `kept`, a sequence of bools, is true."""
        if isinstance(kept, list):
            columns = {name: list(compress(column, kept)) for name, column in self._columns()}
        else:
            columns = {name: column[kept] for name, column in self._columns()}
        return replace(self, **columns)

    def as_arrays(self, numpy: Any) -> "Traced":
        """The same with NumPy's arrays for columns."""
        columns = {n: numpy.asarray(column, numpy.int64) for n, column in self._columns()}
        return replace(self, **columns)

    def _columns(self) -> list[tuple[str, Any]]:
        names = ("optimizers", "counts", "times_ns", "masks", "starts")
        return [(name, getattr(self, name)) for name in names]


def traced_of(rank: str, writer: str, rows: Sequence[tuple[int, int, int, int, bytes]]) -> Traced:
    """Rows that were decoded one by one: optimizer, count, time in UTC ns, mask, digests."""
    return Traced(
        rank,
        writer,
        data=b"".join(row[4] for row in rows),
        optimizers=[row[0] for row in rows],
        counts=[row[1] for row in rows],
        times_ns=[row[2] for row in rows],
        masks=[_backed(row[3], len(row[4])) for row in rows],
        starts=list(accumulate((len(row[4]) for row in rows), initial=0))[:-1],
    )


def load_numpy_when_it_pays() -> None:
    """Said by a command of ours. In a process that trains NumPy is the script's to load.

    A script that goes on reads its run in `init()`, and may set what NumPy heeds as it is loaded,
    such as OPENBLAS_NUM_THREADS, in a later line.
    """
    global _may_load
    _may_load = True


def numpy_for(rows: int) -> Any:
    """NumPy, where there are so many rows that it pays, and it is to be had; else None."""
    if rows < MANY or not (_may_load or "numpy" in sys.modules):
        return None
    try:
        import numpy  # noqa: PLC0415  (a lazy door)
    except ImportError:
        return None
    return numpy


def read_traced(
    rank: str, writer: str, data: bytes, payloads: Any, offset_ns: int
) -> tuple[Traced, int]:
    """The rows of a segment, and how many frames had a shape that this version does not know.

    Args:
        rank: whose they are.
        writer: whose they are.
        data: the segment.
        payloads: where the payloads of its trace frames begin, in order, a list or
            an array; of whole frames.
        offset_ns: what makes UTC of their times.
    """
    numpy = numpy_for(len(payloads))
    if numpy is None:
        rows = [row for at in payloads if (row := _row(data, at)) is not None]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
        columns[3] = [time_ns + offset_ns for time_ns in columns[3]]
    else:
        columns = _together(numpy, data, numpy.asarray(payloads, numpy.int64))
        columns[3] = columns[3] + offset_ns
    return Traced(rank, writer, data, *columns[1:]), len(payloads) - len(columns[0])


def _row(data: bytes, at: int) -> tuple[int, int, int, int, int, int] | None:
    """Where it lies, optimizer, count, time, mask, where its digests lie; None: no such row."""
    (length,) = LENGTH.unpack_from(data, at - FRAME_BYTES)
    try:
        _, optimizer, count, time_ns, mask, digests = _decode(data[at : at + length])
    except msgspec.DecodeError:
        return None
    if not all(0 <= number < _MOST for number in (optimizer, count, time_ns, mask)):
        return None
    start = at + length - len(digests)
    return at, optimizer, count, time_ns, _backed(mask, len(digests)), start


def _backed(mask: int, size: int) -> int:
    """A mask for each bit of which there are eight bytes; a stranger's is none."""
    return mask if mask.bit_count() * 8 <= size else 0


def _together(numpy: Any, data: bytes, left: Any) -> list[Any]:
    """The six columns of `_row`, in the order of the segment."""
    lengths = numbers_at(numpy, data, "<u4", left - FRAME_BYTES)
    parts: list[Any] = []
    singly: list[int] = []
    for _ in range(_MOST_FORMS):
        if not len(left):
            break
        form = _form(data, int(left[0]), int(lengths[0]))
        if form is None:
            fits = numpy.arange(len(left)) == 0
            singly.append(int(left[0]))
        else:
            fits = lengths == lengths[0]
            fits[fits], columns = _read_form(numpy, data, left[fits], form)
            parts.append(columns)
        left, lengths = left[~fits], lengths[~fits]
    rows = [row for at in [*singly, *left.tolist()] if (row := _row(data, at)) is not None]
    parts.append(numpy.array(rows, numpy.int64).reshape(-1, 6).T)
    table = numpy.concatenate(parts, axis=1)
    return list(table[:, numpy.argsort(table[0], kind="stable")])


class _Form(Struct, frozen=True):
    """How a frame lies in its bytes, from the payload on."""

    integers: list[tuple[int, int]]  # where each stands, and its bytes; 0: in its first byte
    size_at: int  # where the number of bytes of digests stands
    start: int  # of the digests
    size: int  # of the digests


def _form(data: bytes, payload: int, length: int) -> _Form | None:
    """The form of a frame; None where it is none that this version writes."""
    at = payload + 2
    integers: list[tuple[int, int]] = []
    for _ in range(4):
        wide = 0 if data[at] < _FIXED else _WIDE.get(data[at], -1)
        if wide < 0:
            return None
        integers.append((at - payload, wide))
        at += 1 + wide
    wide = _BYTES.get(data[at], 0)
    start = at + 1 + wide
    size = int.from_bytes(data[at + 1 : start], "big")
    if not wide or start + size != payload + length:
        return None
    return _Form(integers, at - payload, start - payload, size)


def _read_form(numpy: Any, data: bytes, payloads: Any, form: _Form) -> tuple[Any, Any]:
    """Which of the frames, all of one length, lie as this form says; and their columns."""
    heads = numbers_at(numpy, data, f"V{form.start}", payloads).view("u1").reshape(-1, form.start)
    same = [at for at, wide in form.integers if wide]  # the first bytes that say how wide it is
    same += range(form.size_at, form.start)
    fits = (heads[:, same] == heads[0, same]).all(axis=1)
    for at, wide in form.integers:
        if not wide:
            fits &= heads[:, at] < _FIXED
        elif wide == 8:
            fits &= heads[:, at + 1] < _MOST >> 56
    if not fits.all():
        heads, payloads = heads[fits], payloads[fits]
    columns = [payloads]
    for at, wide in form.integers:
        places = heads[:, at + 1 : at + 1 + wide] if wide else heads[:, at : at + 1]
        numbers = numpy.ascontiguousarray(places).view(f">u{wide or 1}").reshape(-1)
        columns.append(numbers.astype(numpy.int64))
    for mask in distinct(numpy, columns[4]):
        if _backed(mask, form.size) != mask:
            columns[4][columns[4] == mask] = 0
    return fits, numpy.stack([*columns, payloads + form.start])


def distinct(numpy: Any, masks: Any) -> list[int]:
    """The values of a column that has few."""
    if len(masks) and masks.max() < _FEW:
        return numpy.flatnonzero(numpy.bincount(masks)).tolist()
    return numpy.unique(masks).tolist()


def numbers_at(numpy: Any, data: bytes, kind: Any, places: Any) -> Any:
    """The numbers that lie at these places, aligned or not; of a range nothing is copied."""
    if isinstance(places, range):
        return numpy.ndarray((len(places),), kind, data, places.start, (places.step,))
    size = numpy.dtype(kind).itemsize
    return numpy.ndarray((len(data) - size + 1,), kind, data, strides=(1,))[places]


def moved(places: Any, by: int) -> Any:
    """Places further on, a range or an array."""
    if isinstance(places, range):
        return range(places.start + by, places.stop + by, places.step)
    return places + by


def as_array(numpy: Any, places: Any) -> Any:
    """Places as an array of int64."""
    if isinstance(places, range):
        return numpy.arange(places.start, places.stop, places.step, dtype=numpy.int64)
    return numpy.asarray(places, numpy.int64)
