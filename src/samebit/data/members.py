"""Lists of row numbers as bytes: members, sorted as differences, and the sequence as it was used.

`docs/formats/split.md` specifies both. NumPy does the work, and is loaded when it is first needed.
"""

import importlib
from types import ModuleType
from typing import Any

from msgspec import Struct

from samebit.data.forms import little, named, sealed
from samebit.errors import Damaged, UsageError

__all__ = ["Listed", "is_dense", "listed", "numpy", "read_members", "read_sequence"]

_SHIFT, _MORE, _LOW = 7, 0x80, 0x7F  # of LEB128
_MOST_BYTES = 10  # that 64 bits take in it


class Listed(Struct, frozen=True):
    """Row numbers in the form in which they are kept and named."""

    rows: int
    sorted: Any  # array of uint64
    set: str
    order: str
    members: bytes
    sequence: bytes | None  # None where they were used in rising order
    repeated: int  # how many stand where the same number stood before


def numpy() -> ModuleType:
    """NumPy; UsageError where there is none."""
    try:
        return importlib.import_module("numpy")
    except ImportError as error:
        raise UsageError("splits need NumPy", hint="install it: pip install numpy") from error


def listed(numbers: Any) -> Listed:
    """An array of uint64, one dimension, as it is kept."""
    is_sorted = bool((numbers[1:] >= numbers[:-1]).all())
    ordered = numbers if is_sorted else _in_order(numbers)
    steps = ordered.copy()
    steps[1:] -= ordered[:-1]
    header = {"count": len(numbers)}
    return Listed(
        len(numbers),
        ordered,
        named("indices-set", sealed("indices-set", header, [little(ordered)])),
        named("indices", sealed("indices", header, [little(numbers)])),
        _leb128(steps),
        None if is_sorted else _fixed(numbers, int(ordered[-1])),
        len(steps[1:]) - int(numpy().count_nonzero(steps[1:])),
    )


def _in_order(numbers: Any) -> Any:
    """Sorted; by marks where the numbers lie close together, in a third of the time."""
    np = numpy()
    if is_dense(int(numbers.max()), len(numbers)):
        marks = np.zeros(int(numbers.max()) + 1, bool)
        marks[numbers] = True
        ordered = np.flatnonzero(marks)
        if len(ordered) == len(numbers):
            return ordered.astype("u8", copy=False)
    return np.sort(numbers)


def is_dense(largest: int, count: int) -> bool:
    """Whether a byte for each number up to the largest is no more memory than the numbers."""
    return largest <= 8 * count


def _leb128(numbers: Any) -> bytes:
    np = numpy()
    largest = int(numbers.max()) if len(numbers) else 0
    if largest < _MORE:
        return numbers.astype("u1").tobytes()
    wide = _bytes_of(largest)
    lengths = np.ones(len(numbers), "u1")
    for at in range(1, wide):
        lengths += numbers >= np.uint64(1 << _SHIFT * at)
    places = np.cumsum(lengths, dtype="u8") - lengths
    written = np.zeros(int(places[-1]) + int(lengths[-1]), "u1")
    for at in range(wide):
        has = lengths > at
        low = (numbers[has] >> np.uint64(_SHIFT * at)).astype("u1") & _LOW
        more = np.where(lengths[has] > at + 1, _MORE, 0).astype("u1")
        written[places[has] + at] = low | more
    return written.tobytes()


def _bytes_of(number: int) -> int:
    return max(-(-number.bit_length() // _SHIFT), 1)


def _fixed(numbers: Any, largest: int) -> bytes:
    wide = max(-(-largest.bit_length() // 8), 1)
    laid = numbers.astype("<u8").view("u1").reshape(-1, 8)[:, :wide]
    return bytes([wide]) + laid.tobytes()


def read_members(data: bytes, rows: int) -> Any:
    """The sorted row numbers of an object; Damaged where it is not the form of so many."""
    np = numpy()
    if not rows <= len(data) <= rows * _MOST_BYTES:
        raise Damaged("a list of row numbers is damaged: it has another length")
    laid = np.frombuffer(data, "u1")
    if not rows:
        return laid.astype("u8")
    ends = np.flatnonzero(laid < _MORE)
    if len(ends) != rows or ends[-1] != len(laid) - 1:
        raise Damaged("a list of row numbers is damaged: it has another length")
    begins = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - begins + 1
    padded = (laid[ends] == 0) & (lengths > 1)
    overflows = (lengths == _MOST_BYTES) & (laid[ends] > 1)
    if lengths.max() > _MOST_BYTES or padded.any() or overflows.any():
        raise Damaged("a list of row numbers is damaged: a number is not in its one form")
    steps = laid[begins].astype("u8") & np.uint64(_LOW)
    for at in range(1, int(lengths.max())):
        has = lengths > at
        low = laid[begins[has] + at].astype("u8") & np.uint64(_LOW)
        steps[has] |= low << np.uint64(_SHIFT * at)
    numbers = np.cumsum(steps, dtype="u8")
    if (numbers[1:] < numbers[:-1]).any():
        raise Damaged("a list of row numbers is damaged: a number is above 2^64")
    return numbers


def read_sequence(data: bytes, rows: int) -> Any:
    """The row numbers of an object as they were used; Damaged where it is not that form."""
    np = numpy()
    wide = data[0] if data else 0
    if not 1 <= wide <= 8 or len(data) != 1 + wide * rows:
        raise Damaged("a list of row numbers is damaged: it has another length")
    laid = np.zeros((rows, 8), "u1")
    laid[:, :wide] = np.frombuffer(data, "u1", offset=1).reshape(rows, wide)
    return laid.reshape(-1).view("<u8").astype("u8")
